import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { Reading } from '../../src/domain/reading.ts';
import { type CsvRecord, CsvSplitter } from '../../src/replay/sources/csv-records.ts';
import { type CsvOptions, csvSource } from '../../src/replay/sources/csv-source.ts';
import { TocsinError } from '../../src/std/errors.ts';
import { metricOf, profileWith } from '../devices/profiles.ts';

const folder = mkdtempSync(join(tmpdir(), 'tocsin-csv-'));
afterAll(() => rmSync(folder, { recursive: true }));

const EVER = { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };
const PROFILE = profileWith('fridge', {
  metrics: [
    metricOf('temperature', { path: 'temp_c', range: [-40, 60], absent: [85], scale: 0.1 }),
    metricOf('door', { type: 'boolean' }),
    metricOf('state', { type: 'text' }),
  ],
});

async function read(text: string, options: Partial<CsvOptions> = {}) {
  const path = join(folder, 'file.csv');
  writeFileSync(path, text);
  const device = { id: 'd1', profile: options.profile?.name ?? null, labels: {} };
  await using source = csvSource({ path, device, profile: null, zone: null, range: EVER, ...options });
  const readings: Reading[] = [];
  for await (const batch of source.batches) readings.push(...batch.readings);
  return { readings, report: source.report, fraction: source.fraction() };
}
const rowsOf = (readings: readonly Reading[]) =>
  readings.map(({ at, metrics, values }) => [
    new Date(at / 1000).toISOString(),
    Object.fromEntries(metrics.map((name, index) => [name, values[index]])),
  ]);

describe('the records of a CSV file', () => {
  const recordsOf = (text: string, cuts: readonly number[] = []): CsvRecord[] => {
    const splitter = new CsvSplitter();
    const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
    const chunks = [...places, text.length].map((end, index) => text.slice(places[index - 1] ?? 0, end));
    return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
  };

  it('are what was written, whatever the fields hold and wherever the chunks end', () => {
    const field = fc.stringMatching(/^[a"', ;\n\r\té]{0,6}$/);
    const separators = fc.constantFrom(',', ';', '\t');
    fc.assert(
      fc.property(
        fc.array(fc.array(field, { minLength: 3, maxLength: 3 }), { maxLength: 8 }),
        separators,
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        fc.array(fc.nat(), { maxLength: 5 }),
        (rows, separator, lineEnd, hasMark, cuts) => {
          const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
          const lines = [['t', 'a', 'b'], ...rows.map((row) => row.map(quoted))].map((row) => row.join(separator));
          const records = recordsOf(`${hasMark ? '\uFEFF' : ''}${lines.join(lineEnd)}${lineEnd}`, cuts);
          expect(records.map((record) => ('fields' in record ? record.fields : record))).toEqual([['t', 'a', 'b'], ...rows]);
          let line = 2;
          for (const [index, row] of rows.entries()) {
            expect(records[index + 1]?.line).toBe(line);
            line += 1 + row.join('').split('\n').length - 1;
          }
        },
      ),
    );
  });

  it('end with the file, and a quote that is never closed is told with its line', () => {
    expect(recordsOf('a,b\n1,2')).toEqual([
      { line: 1, fields: ['a', 'b'] },
      { line: 2, fields: ['1', '2'] },
    ]);
    expect(recordsOf('a,b\n\n1,"2\n3,4\n').at(-1)).toEqual({ line: 3, problem: 'a quote is never closed' });
    const splitter = new CsvSplitter();
    splitter.push('a,b\n');
    const piece = `"${'x'.repeat(1024 * 1024)}\n`;
    expect(splitter.push(piece)).toMatchObject([{ line: 2, problem: expect.stringContaining('is a quote never closed?') }]);
    expect(splitter.push('5,6\n')).toEqual([{ line: 3, fields: ['5', '6'] }]);
  });
});

describe('a CSV file', () => {
  it('is the readings of one device, received at their own time', async () => {
    const { readings, report, fraction } = await read(
      'time,temperature,door\n2026-03-01T08:00:00Z,4.5,true\n2026-03-01T08:01:00+01:00,,\n',
    );
    expect(rowsOf(readings)).toEqual([['2026-03-01T08:00:00.000Z', { temperature: 4.5, door: true }]]);
    expect(readings[0]).toMatchObject({ device: { id: 'd1' }, receivedAt: readings[0]?.at });
    expect(report).toMatchObject({ rows: 2, readings: 1, refused: 0, late: 0, metrics: ['temperature', 'door'] });
    expect(fraction).toBe(1);
  });

  it.each([
    ['seconds since 1970', 'ts,t\n1772352000,1\n'],
    ['a date and a time apart, a separator and decimal comma of another country', 'Date;Time;t\n2026-03-01;09:00:00;1,0\n'],
    ['a local time, its column first and named in no known way', 'Zeitpunkt,t\n2026-03-01 09:00,1\n'],
    ['a byte order mark, CRLF and quotes', '\uFEFF"timestamp","t"\r\n"2026-03-01T08:00:00Z","1"\r\n'],
    ['the time in another column', 't,at\n1,2026-03-01T08:00:00Z\n'],
  ])('has its time as %s', async (_, text) => {
    const { readings } = await read(text, { zone: 'Europe/Berlin' });
    expect(rowsOf(readings)).toEqual([['2026-03-01T08:00:00.000Z', { t: 1 }]]);
  });

  it('goes through the hour that the clocks repeat in its own order', async () => {
    const times = ['01:45', '02:15', '02:45', '02:15', '02:45', '03:15'].map((time) => `2026-10-25T${time}:00,1\n`);
    const { readings, report } = await read(`time,t\n${times.join('')}`, { zone: 'Europe/Berlin' });
    const steps = readings.slice(1).map(({ at }, index) => (at - (readings[index]?.at ?? 0)) / 60_000_000);
    expect({ steps, late: report.late }).toEqual({ steps: [30, 30, 30, 30, 30], late: 0 });
  });

  it('has values in the unit of the metric, found by its name or its path, within the profile’s checks', async () => {
    const { readings, report } = await read(
      'time,temp_c,door,state,extra\n2026-03-01T08:00:00Z,4.5,on,ok,x\n2026-03-01T08:01:00Z,85,maybe,,1\n2026-03-01T08:02:00Z,99,off,,\n2026-03-01T08:03:00Z,warm,0,,\n',
      { profile: PROFILE },
    );
    expect(rowsOf(readings)).toEqual([
      ['2026-03-01T08:00:00.000Z', { temperature: 4.5, door: true, state: 'ok', extra: 'x' }],
      ['2026-03-01T08:01:00.000Z', { extra: 1 }],
      ['2026-03-01T08:02:00.000Z', { door: false }],
      ['2026-03-01T08:03:00.000Z', { door: false }],
    ]);
    expect(report.shown).toEqual([
      expect.stringMatching(/file\.csv:3: door is "maybe"/),
      expect.stringMatching(/file\.csv:4: temperature is 99, outside -40 to 60/),
      expect.stringMatching(/file\.csv:5: temperature is "warm"/),
    ]);
  });

  it('tells the first rows that cannot be used, counts the others, and goes on', async () => {
    const bad = Array.from({ length: 9 }, (_, index) => (index % 2 === 0 ? 'yesterday,1\n' : '2026-03-01T08:00:00Z\n'));
    const { readings, report } = await read(`time,t\n2026-03-01T07:00:00Z,1\n${bad.join('')}2026-03-01T09:00:00Z,2\n`);
    expect(readings).toHaveLength(2);
    expect(report).toMatchObject({ rows: 11, refused: 9 });
    expect(report.shown).toHaveLength(5);
    expect(report.shown[0]).toMatch(/file\.csv:3: "yesterday" is no time$/);
    expect(report.shown[1]).toMatch(/file\.csv:4: 1 field, and 2 columns$/);
  });

  it('has a row late that is older than one before it', async () => {
    const { readings, report } = await read('time,t\n2026-03-01T08:00:00Z,1\n2026-03-01T08:02:00Z,2\n2026-03-01T08:01:00Z,3\n');
    expect(report.late).toBe(1);
    expect(readings.map(({ at, receivedAt }) => receivedAt - at)).toEqual([0, 0, 60_000_000]);
  });

  it('is cut to a period', async () => {
    const from = Date.UTC(2026, 2, 1, 8, 1) * 1000;
    const rows = [0, 1, 2, 3].map((minute) => `2026-03-01T08:0${minute}:00Z,${minute}\n`).join('');
    const { readings } = await read(`time,t\n${rows}`, { range: { from, to: from + 120_000_000 } });
    expect(readings.map(({ values }) => values[0])).toEqual([1, 2]);
  });

  it.each([
    ['a time without a zone', 'time,t\n2026-03-01T08:00:00,1\n', /file\.csv:2: .* has no time zone\nhint: .*--timezone/],
    [
      'the newest row first',
      'time,t\n2026-03-01T08:00:00Z,1\n2026-03-01T07:00:00Z,1\n',
      /file\.csv:3: the newest row comes first\nhint: sort/,
    ],
    ['no header', '2026-03-01T08:00:00Z,1\n2026-03-01T08:01:00Z,2\n', /file\.csv:1: .*names of the columns/],
    ['no column beside the time', 'time\n2026-03-01T08:00:00Z\n', /file\.csv:1: there is no column beside the time/],
    ['nothing', '', /file\.csv: the file is empty/],
    ['no row of use', 'time,t\nx,1\n', /file\.csv: none of its 1 rows could be used\n.*file\.csv:2: "x" is no time/],
  ])('with %s is refused with its place', async (_, text, message) => {
    const error: unknown = await read(text).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(TocsinError);
    expect(error instanceof TocsinError ? error.render() : '').toMatch(message);
  });
});
