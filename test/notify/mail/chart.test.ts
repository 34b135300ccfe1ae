/** Charts by what is in their SVG, and by what becomes of it as a picture. */
import { Resvg } from '@resvg/resvg-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHART_HEIGHT, CHART_WIDTH, type ChartInput, chartSvg, describeChart } from '../../../src/notify/mail/chart.ts';
import { chartPng } from '../../../src/notify/mail/chart-png.ts';
import { chartInputOf, chartRequestOf } from '../../../src/notify/mail/chart-request.ts';
import { valueScale } from '../../../src/notify/mail/chart-scale.ts';
import { alertOf, facts, HOUR, MINUTE, START } from './contents.ts';

const FROM = START - 6 * HOUR;
const input = (given: Partial<ChartInput> = {}): ChartInput => ({
  points: every(5 * MINUTE, (at) => 5 + Math.sin(at / HOUR)),
  from: FROM,
  to: START,
  unit: '°C',
  metricName: 'temperature',
  limits: [{ name: 'temperature_max', value: 8 }],
  breach: { from: START - HOUR, to: START },
  level: 'critical',
  maxGapMs: 900_000,
  ...given,
});
function every(step: number, valueAt: (at: number) => number) {
  const points: { at: number; value: number }[] = [];
  for (let at = FROM; at <= START; at += step) points.push({ at, value: valueAt(at) });
  return points;
}
/** The drawn line, not the axes. */
const lineOf = (svg: string): string => /<path d="([^"]*)" fill="none"/.exec(svg)?.[1] ?? '';
const textsOf = (svg: string): string[] => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text ?? '');

describe('a chart', () => {
  it('names metric, unit, zone, times and limit, and shades the breach', () => {
    const svg = chartSvg(input());
    expect(textsOf(svg)).toEqual(
      expect.arrayContaining(['temperature in °C', 'times in UTC', '22:00', '2 Jan', '02:00', 'temperature_max 8 °C', '6']),
    );
    expect(svg).toContain('stroke-dasharray');
    const [, x, width] = /<rect x="([\d.]+)"[^>]*width="([\d.]+)"/.exec(svg) ?? [];
    // The last of six hours, up to the right edge.
    expect(Number(x) + Number(width)).toBeCloseTo(CHART_WIDTH - 12, 0);
    expect(Number(width)).toBeCloseTo((CHART_WIDTH - 58 - 12) / 6, 0);
    expect(chartSvg(input({ breach: null }))).not.toContain('<rect');
  });

  it('shows a gap as a gap, and what stands alone as a dot', () => {
    const points = input().points.filter(({ at }) => at < START - 4 * HOUR || at > START - 2 * HOUR);
    const svg = chartSvg(input({ points: [...points, { at: START - 3 * HOUR, value: 5 }].sort((a, b) => a.at - b.at) }));
    expect(lineOf(svg).match(/M/g)).toHaveLength(2);
    expect(svg.match(/<circle/g)).toHaveLength(2);
    expect(lineOf(chartSvg(input())).match(/M/g)).toHaveLength(1);
    expect(lineOf(chartSvg(input({ points, maxGapMs: 3 * 3_600_000 }))).match(/M/g)).toHaveLength(1);
    // Where nobody says what a gap is, the usual distance does.
    expect(lineOf(chartSvg(input({ points, maxGapMs: null }))).match(/M/g)).toHaveLength(2);
  });

  it('draws a switch in steps between two words', () => {
    const points = every(10 * MINUTE, (at) => Number((at / MINUTE) % 60 > 30));
    const svg = chartSvg(input({ points, isBoolean: true, unit: null, metricName: 'door', limits: [] }));
    expect(textsOf(svg)).toEqual(expect.arrayContaining(['door', 'true', 'false']));
    expect(lineOf(svg)).toMatch(/^M[\d. ]+(H[\d.]+(V[\d.]+)?)+$/);
  });

  it.each([0, 1, 2, 40, 200, 500, 5000])('is whole with %d points, below 40 KB as a picture', (count) => {
    const noise = (i: number): number => 5 + ((Math.sin(i * 12.9898) * 43758.5453) % 1) * 5;
    const points = Array.from({ length: count }, (_, i) => ({
      at: FROM + Math.floor(((i + 1) * 6 * HOUR) / (count + 1)),
      value: noise(i),
    }));
    const svg = chartSvg(input({ points }));
    expect(svg.includes('no readings in this time')).toBe(count === 0);
    const png = chartPng(svg);
    expect(png.length).toBeLessThan(40_000);
    expect(svg.length).toBeLessThan(60_000);
    expect(Buffer.from(chartPng(svg))).toEqual(Buffer.from(png));
  });

  it('is drawn at twice its size, on a clear background, with letters in it', () => {
    const { width, height, pixels } = picture(chartSvg(input({ points: [], limits: [], breach: null })));
    expect([width, height]).toEqual([CHART_WIDTH * 2, CHART_HEIGHT * 2]);
    expect(pixels[3]).toBe(0);
    // The first line of text stands above everything else: without a font there is nothing.
    let inked = 0;
    for (let i = 3; i < width * 50 * 4; i += 4) if ((pixels[i] ?? 0) > 0) inked++;
    expect(inked).toBeGreaterThan(500);
  });

  it('has all letters of units, and a sign for what its font lacks', () => {
    expect(textsOf(chartSvg(input({ metricName: 'Größe µ Ω Δ ж', unit: 'µg/m³' })))).toContain('Größe µ Ω Δ ж in µg/m³');
    expect(textsOf(chartSvg(input({ metricName: '温度😀<&"' })))).toContain('???&lt;&amp;&quot; in °C');
  });

  it('names a limit at its edge that lies far beyond the values, instead of flattening them', () => {
    const texts = textsOf(
      chartSvg(
        input({
          limits: [
            { name: 'max', value: 1000 },
            { name: '', value: -1000 },
          ],
        }),
      ),
    );
    expect(texts).toContain('↑ max 1000 °C');
    expect(texts).toContain('↓ limit -1000 °C');
    expect(textsOf(chartSvg(input({ points: every(HOUR, () => 5), limits: [{ name: 'max', value: 8 }] })))).toContain('max 8 °C');
  });

  it('is told in words', () => {
    expect(describeChart(input({ points: every(HOUR, (at) => 4.0123 + (at - FROM) / HOUR / 2) }))).toBe(
      'Chart of temperature from 1 Jan 21:04 to 2 Jan 03:04 UTC: 4.01 °C to 7.01 °C, last 7.01 °C',
    );
    expect(describeChart(input({ points: [], from: START - HOUR }))).toBe('Chart of temperature from 02:04 to 03:04 UTC: no readings');
    expect(describeChart(input({ points: every(HOUR, () => 101_325), unit: 'Pa', from: START - HOUR }))).toContain(
      ': 101325 Pa, last 101325 Pa',
    );
  });

  it('is valid and finite, whatever comes in', () => {
    const anyNumber = fc.oneof(
      fc.double(),
      fc.integer({ min: -10, max: 10 }),
      fc.constantFrom(1e308, -1e308, 5e-324, 0, -0, Number.NaN, Number.POSITIVE_INFINITY),
    );
    const anyTime = fc.oneof(fc.integer({ min: FROM - HOUR, max: START + HOUR }), fc.constant(FROM));
    const anyPoints = fc.array(fc.record({ at: anyTime, value: anyNumber }), { maxLength: 60 });
    fc.assert(
      fc.property(
        anyPoints,
        anyTime,
        anyTime,
        fc.array(fc.record({ name: fc.string({ unit: 'binary' }), value: anyNumber }), { maxLength: 6 }),
        fc.record({ from: anyTime, to: anyTime }),
        fc.string({ unit: 'binary' }),
        fc.boolean(),
        (points, from, to, limits, breach, name, isBoolean) => {
          const sorted = points.toSorted((a, b) => a.at - b.at);
          const svg = chartSvg(input({ points: sorted, from, to, limits, breach, metricName: name, unit: name, isBoolean }));
          expect(svg.replace(/<text.*?<\/text>/gs, '')).not.toMatch(/NaN|Infinity|undefined|e[+-]\d/);
          expect(textsOf(svg).slice(0, 4).join()).not.toMatch(/undefined|Infinity/);
          const { width } = picture(svg);
          expect(width).toBe(CHART_WIDTH * 2);
        },
      ),
      { numRuns: 60 },
    );
  });
});

function picture(svg: string): { width: number; height: number; pixels: Buffer } {
  const png = chartPng(svg);
  expect(Buffer.from(png.subarray(0, 8)).toString('latin1')).toBe('\u0089PNG\r\n\u001a\n');
  const href = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
  const size = { width: Buffer.from(png).readUInt32BE(16), height: Buffer.from(png).readUInt32BE(20) };
  const frame = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${size.width}" height="${size.height}"><image width="${size.width}" height="${size.height}" xlink:href="${href}"/></svg>`;
  return { ...size, pixels: new Resvg(frame).render().pixels };
}

describe('the numbers on its axis', () => {
  it.each<[values: number[], texts: string[]]>([
    [
      [4, 9.3],
      ['4', '6', '8'],
    ],
    [
      [0.01, 0.02],
      ['0.010', '0.015', '0.020'],
    ],
    [
      [20, 20],
      ['18', '19', '20', '21', '22'],
    ],
    [
      [0, 0],
      ['-1.0', '-0.5', '0', '0.5', '1.0'],
    ],
    [
      [1e12, 3e12],
      ['1e12', '2e12', '3e12'],
    ],
    [
      [1e-9, 3e-9],
      ['1e-9', '2e-9', '3e-9'],
    ],
  ])('of %j are round: %j', (values, texts) => {
    expect(valueScale(values).ticks.map(({ text }) => text)).toEqual(texts);
  });
});

describe('the readings for a chart', () => {
  it('reach from two hours before the breach up to now, six hours at least, a month at most', () => {
    const alert = alertOf();
    const of = (at: number) => chartRequestOf(alert, facts(alert), at);
    expect(of(START + HOUR)).toEqual({ device: 'fridge-01', metric: 'temperature', from: START - 5 * HOUR, to: START + HOUR });
    expect(of(START + 10 * HOUR)).toMatchObject({ from: START - 2 * HOUR });
    expect(of(START + 1000 * HOUR)).toMatchObject({ from: START + (1000 - 31 * 24) * HOUR });
  });

  it('are none of a group, a text, and a metric that nobody knows', () => {
    const of = (given: Parameters<typeof alertOf>[0], more = {}) => {
      const alert = alertOf(given);
      return chartRequestOf(alert, { ...facts(alert), ...more }, START);
    };
    expect(of({})).not.toBeNull();
    expect(of({ group: 'site=berlin' })).toBeNull();
    expect(of({ value: 'eco' })).toBeNull();
    expect(of({ value: null }, { metricType: 'text' })).toBeNull();
    expect(of({}, { metric: null })).toBeNull();
    expect(of({ rule: 'unknown' })).toBeNull();
  });

  it('become a chart with the limits that the condition compares with, from the breach to its end', () => {
    const alert = alertOf({ state: 'resolved' });
    const request = chartRequestOf(alert, facts(alert), START + HOUR);
    if (request === null) throw new Error('no request');
    const points = [5, 'off', 6, 7].map((value, i) => ({ at: START + i * 20 * MINUTE, value }));
    expect(chartInputOf(request, { alert, facts: facts(alert), points })).toMatchObject({
      points: [5, 6, 7].map((value, i) => ({ at: START + (i === 0 ? 0 : i + 1) * 20 * MINUTE, value })),
      unit: '°C',
      limits: [{ name: 'temperature_max', value: 7 }],
      breach: { from: START, to: START + 20 * MINUTE },
      // Points that stand for buckets lie further apart than the 15 minutes of the profile.
      maxGapMs: 80 * 60_000,
      isBoolean: false,
    });
    const door = alertOf({ rule: 'door-open', value: true });
    const ofDoor = chartInputOf({ ...request, metric: 'door' }, { alert: door, facts: facts(door), points: [{ at: START, value: true }] });
    expect(ofDoor).toMatchObject({ isBoolean: true, points: [{ at: START, value: 1 }], limits: [] });
  });
});
