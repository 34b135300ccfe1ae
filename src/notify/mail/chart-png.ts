/**
 * A chart as PNG, at twice its size for screens that have the pixels, below 40 KB. The font comes along with the program: a machine in
 * a cupboard has none, and text would be missing from the picture without an error.
 */
import { createRequire } from 'node:module';
import { Resvg } from '@resvg/resvg-js';
import { indexedPng } from './indexed-png.ts';

const ZOOM = 2;
const FONT_FILE = '@expo-google-fonts/ibm-plex-sans/400Regular/IBMPlexSans_400Regular.ttf';

/** The same bytes for the same picture. Takes a tenth of a second. */
export function chartPng(svg: string): Uint8Array {
  const file = createRequire(import.meta.url).resolve(FONT_FILE);
  const font = { fontFiles: [file], loadSystemFonts: false, defaultFontFamily: 'IBM Plex Sans' };
  const { width, height, pixels } = new Resvg(svg, { font, fitTo: { mode: 'zoom', value: ZOOM }, logLevel: 'off' }).render();
  return indexedPng({ width, height, pixels: unmultiplied(pixels) });
}

/** The renderer keeps colours multiplied by their opacity, PNG does not. */
function unmultiplied(pixels: Uint8Array): Uint8Array {
  const plain = Uint8Array.from(pixels);
  for (let i = 0; i < plain.length; i += 4) {
    const alpha = plain[i + 3] ?? 0;
    if (alpha === 0 || alpha === 255) continue;
    for (let channel = i; channel < i + 3; channel++) plain[channel] = Math.min(255, Math.round(((plain[channel] ?? 0) * 255) / alpha));
  }
  return plain;
}
