/** What is drawn, written as PNG, and drawn again. */
import { Resvg } from '@resvg/resvg-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chartPng } from '../../../src/notify/mail/chart-png.ts';
import { indexedPng } from '../../../src/notify/mail/indexed-png.ts';

/** The renderer's pixels are multiplied by their opacity. */
function drawn(png: Uint8Array, width: number, height: number): Uint8Array {
  const image = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><image width="${width}" height="${height}" href="${image}"/></svg>`;
  return new Resvg(svg).render().pixels;
}

describe('a picture with a palette', () => {
  it('has the colours and opacities that it was drawn with', () => {
    const rect = (x: number, colour: string, opacity: number) =>
      `<rect x="${x}" width="10" height="10" fill="${colour}" fill-opacity="${opacity}"/>`;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="10">${rect(0, '#e0483b', 1)}${rect(10, '#e0483b', 0.14)}${rect(20, '#3b82d6', 0.5)}</svg>`;
    const pixels = drawn(chartPng(svg), 80, 20);
    const at = (x: number): number[] => [...pixels.subarray((10 * 80 + x) * 4, (10 * 80 + x) * 4 + 4)];
    const near = (actual: number[], expected: number[]): void => {
      for (const [i, value] of expected.entries())
        expect(Math.abs((actual[i] ?? 0) - value), `${actual} for ${expected}`).toBeLessThanOrEqual(2);
    };
    near(at(10), [0xe0, 0x48, 0x3b, 255]);
    near(at(30), [0xe0 * 0.14, 0x48 * 0.14, 0x3b * 0.14, 255 * 0.14]);
    near(at(50), [0x3b * 0.5, 0x82 * 0.5, 0xd6 * 0.5, 255 * 0.5]);
    near(at(70), [0, 0, 0, 0]);
  });

  it('is a valid one of any pixels, however many colours they have', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), fc.integer(), (width, height, seed) => {
        const pixels = Uint8Array.from({ length: width * height * 4 }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 13) & 0xff);
        const back = drawn(indexedPng({ width, height, pixels }), width, height);
        expect(back).toHaveLength(pixels.length);
        for (let i = 3; i < pixels.length; i += 4) expect(Math.abs((back[i] ?? 0) - (pixels[i] ?? 0))).toBeLessThan(128);
      }),
      { numRuns: 50 },
    );
  });
});
