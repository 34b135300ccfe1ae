/** What every series store must do: src/history/series-store.ts, as tests. Each implementation's test file runs this suite on the real thing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceRef, Reading, Value } from '../../src/domain/reading.ts';
import type { Cursor, Refusal, SeriesQuery, SeriesStore, StoredReading, WriteOutcome } from '../../src/history/series-store.ts';
import { InvalidConfig, TocsinError } from '../../src/std/errors.ts';

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
/** 2026-03-01T00:00:00Z, and a time that is not on any boundary. */
export const START = 1_772_323_200 * SECOND + 123_457;

export interface StoreHarness extends AsyncDisposable {
  readonly store: SeriesStore;
  /** Closes the store and opens it again on the same data. */
  reopen(): Promise<SeriesStore>;
}

export const deviceOf = (id: string, profile: string | null = null, labels: Record<string, string> = {}): DeviceRef => ({
  id,
  profile,
  labels,
});

export function readingOf(device: DeviceRef, at: number, values: Readonly<Record<string, Value>>): Reading {
  return { device, at, receivedAt: at, flags: 0, metrics: Object.keys(values), values: Object.values(values) };
}

export async function write(
  store: SeriesStore,
  readings: readonly Reading[],
  cursor: Cursor | null = null,
): Promise<WriteOutcome & { refusals: Refusal[] }> {
  const refusals: Refusal[] = [];
  const signal = new AbortController().signal;
  const outcome = await store.write(readings, { cursor, signal, refused: (more) => void refusals.push(...more) });
  return { ...outcome, refusals };
}

/** Every page of a query. */
export async function allReadings(store: SeriesStore, query: SeriesQuery): Promise<StoredReading[]> {
  const rows: StoredReading[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await store.query(cursor === undefined ? query : { ...query, cursor });
    for (const item of page.items) if ('values' in item) rows.push(item);
    expect(page.items.length).toBeLessThanOrEqual(query.limit ?? 1000);
    cursor = page.next;
  }
  return rows;
}

export function seriesStoreContract(name: string, open: () => Promise<StoreHarness>): void {
  const fridge = deviceOf('fridge-1');
  const profiled = deviceOf('fridge-2', 'vaccine-fridge', { site: 'berlin' });

  describe(`${name} keeps`, () => {
    it('numbers, booleans and texts of devices with and without a profile, as they were', async () => {
      await using harness = await open();
      const values = {
        temperature: 4.25,
        door: true,
        state: 'ok "so" \\ far\nyes',
        whole: -7,
        tiny: 5e-324,
        huge: -1.7e308,
        hundredths: 21.46,
        zero: 0,
      };
      await write(harness.store, [readingOf(fridge, START, values), readingOf(profiled, START, values)]);
      for (const device of ['fridge-1', 'fridge-2']) {
        expect(await allReadings(harness.store, { device })).toEqual([{ at: START, device, values }]);
      }
    });

    it('a metric that changes its type, without a profile', async () => {
      await using harness = await open();
      const series: Value[] = [1.5, 'off', true, 2];
      await write(
        harness.store,
        series.map((value, index) => readingOf(fridge, START + index, { mode: value })),
      );
      const rows = await allReadings(harness.store, { device: 'fridge-1', metric: 'mode' });
      expect(rows.map(({ values }) => values.mode)).toEqual(series);
    });

    it('metrics called like words that a store may reserve', async () => {
      await using harness = await open();
      const values = {
        time: 12,
        device: 3,
        value: 1,
        name: 'x',
        constructor: 2,
        'a.bool': 5,
        'b,c =d': 6,
        '"q"': 7,
        'AM2301.Temperature': 8,
        select: 9,
      };
      await write(harness.store, [readingOf(fridge, START, values)]);
      expect(await allReadings(harness.store, { device: 'fridge-1' })).toEqual([{ at: START, device: 'fridge-1', values }]);
      for (const metric of Object.keys(values))
        expect(await allReadings(harness.store, { device: 'fridge-1', metric }), metric).toHaveLength(1);
    });

    it('the metrics of one instant in one row, however they arrived', async () => {
      await using harness = await open();
      await write(harness.store, [readingOf(fridge, START, { a: 1 }), readingOf(fridge, START, { b: 2 })]);
      await write(harness.store, [readingOf(fridge, START, { c: 3 })]);
      expect(await allReadings(harness.store, { device: 'fridge-1' })).toEqual([
        { at: START, device: 'fridge-1', values: { a: 1, b: 2, c: 3 } },
      ]);
    });

    it('times before today, long before, and ahead', async () => {
      await using harness = await open();
      const times = [-5 * SECOND, 0, START - 4 * 365 * 24 * HOUR, START - HOUR, START, START + 400 * 24 * HOUR];
      await write(harness.store, times.map((at, index) => readingOf(fridge, at, { v: index })).reverse());
      expect((await allReadings(harness.store, { device: 'fridge-1' })).map(({ at }) => at)).toEqual(times);
    });

    it('names of any characters apart, and gives them back', async () => {
      await using harness = await open();
      const word = fc.oneof(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter((text) => text.isWellFormed() && !text.includes('\0')),
        fc.stringMatching(/^[a,= "'\\\n#%.é温]{1,8}$/),
      );
      // A server may refuse a name, or keep it; it must not mix it up with another, or drop its neighbour.
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(word, { minLength: 2, maxLength: 6 }),
          fc.string({ unit: 'binary', maxLength: 20 }),
          async (names, text) => {
            const written = names.map((id, index) =>
              readingOf(deviceOf(`d${id}`), START, { n: index, [`m${names.at(-1 - index)}`]: index + 0.5, text }),
            );
            const wellFormed = text.toWellFormed();
            const outcome = await write(harness.store, written);
            expect(outcome.refusals.map(({ detail }) => detail)).toEqual([]);
            for (const [index, id] of names.entries()) {
              const rows = await allReadings(harness.store, { device: `d${id}`, from: START, to: START + 1 });
              expect(rows).toHaveLength(1);
              expect(rows[0]?.values).toMatchObject({ n: index, [`m${names.at(-1 - index)}`]: index + 0.5, text: wellFormed });
            }
          },
        ),
        { numRuns: 25 },
      );
    });
  });

  describe(`${name} records once`, () => {
    it('what is written again, whole or in part', async () => {
      await using harness = await open();
      const readings = Array.from({ length: 500 }, (_, index) => readingOf(fridge, START + index * SECOND, { t: index }));
      await write(harness.store, readings);
      await write(harness.store, readings);
      await write(harness.store, readings.slice(100, 300).reverse());
      const rows = await allReadings(harness.store, { device: 'fridge-1', limit: 70 });
      expect(rows.map(({ values }) => values.t)).toEqual(readings.map((_, index) => index));
      const [bucket] = (await harness.store.query({ device: 'fridge-1', metric: 't', points: 1 })).items;
      expect(bucket).toMatchObject({ count: 500, min: 0, max: 499, avg: 249.5 });
    });

    it('the later of two values at one instant', async () => {
      await using harness = await open();
      await write(harness.store, [
        readingOf(fridge, START, { t: 1 }),
        readingOf(fridge, START, { t: 2 }),
        readingOf(fridge, START + 1, { t: 3 }),
      ]);
      await write(harness.store, [readingOf(fridge, START + 1, { t: 4 })]);
      expect((await allReadings(harness.store, { device: 'fridge-1' })).map(({ values }) => values.t)).toEqual([2, 4]);
    });

    it('the value written last, also when what was written with it begins earlier', async () => {
      await using harness = await open();
      await write(harness.store, [readingOf(fridge, START + 100, { t: 1, u: 1 })]);
      await write(harness.store, [readingOf(fridge, START + 50, { t: 2 }), readingOf(fridge, START + 100, { t: 2 })]);
      await write(harness.store, [readingOf(fridge, START + 20, { t: 3 }), readingOf(fridge, START + 50, { t: 3 })]);
      const rows = await allReadings(harness.store, { device: 'fridge-1' });
      expect(rows.map(({ values }) => values)).toEqual([{ t: 3 }, { t: 3 }, { t: 2, u: 1 }]);
    });
  });

  describe(`${name} answers`, () => {
    it('by device, metric and time, in pages without gap or double', async () => {
      await using harness = await open();
      const readings = Array.from({ length: 1200 }, (_, index) =>
        readingOf(fridge, START + index * 37 * SECOND, index % 3 === 0 ? { a: index, b: -index } : { a: index }),
      );
      const others = readings.map(({ at }) => readingOf(profiled, at, { a: -1 }));
      for (let start = 0; start < readings.length; start += 250)
        await write(harness.store, [...others.slice(start, start + 250), ...readings.slice(start, start + 250)]);
      const from = START + 100 * 37 * SECOND;
      const to = START + 900 * 37 * SECOND;
      const rows = await allReadings(harness.store, { device: 'fridge-1', from, to, limit: 99 });
      expect(rows.map(({ values }) => values.a)).toEqual(readings.slice(100, 900).map(({ values }) => values[0]));
      const only = await allReadings(harness.store, { device: 'fridge-1', metric: 'b', from, to, limit: 10 });
      expect(only.map(({ values }) => values)).toEqual(
        readings
          .slice(100, 900)
          .filter(({ metrics }) => metrics.length > 1)
          .map(({ values }) => ({ b: values[1] })),
      );
      expect((await harness.store.query({ device: 'fridge-1', limit: 10_000 })).items).toHaveLength(1200);
    });

    it('averages over equal steps of time, from numbers alone', async () => {
      await using harness = await open();
      const readings = Array.from({ length: 600 }, (_, index) =>
        readingOf(fridge, START + index * SECOND, { t: index % 10, door: true, mode: 'x' }),
      );
      await write(harness.store, readings);
      const query = { device: 'fridge-1', metric: 't', from: START, to: START + 600 * SECOND };
      const { items, next } = await harness.store.query({ ...query, points: 6 });
      expect(next).toBeNull();
      expect(items).toEqual(
        Array.from({ length: 6 }, (_, index) => ({ at: START + index * 100 * SECOND, avg: 4.5, min: 0, max: 9, count: 100 })),
      );
      expect((await harness.store.query({ ...query, metric: 'mode', points: 6 })).items).toEqual([]);
      expect((await harness.store.query({ ...query, metric: 'door', points: 6 })).items).toEqual([]);
      const all = await harness.store.query({ device: 'fridge-1', metric: 't', points: 1 });
      expect(all.items).toEqual([{ at: START, avg: 4.5, min: 0, max: 9, count: 600 }]);
    });

    it('with nothing for what it does not know', async () => {
      await using harness = await open();
      await write(harness.store, [readingOf(fridge, START, { t: 1 })]);
      const empty = { items: [], next: null };
      expect(await harness.store.query({ device: 'nobody' })).toEqual(empty);
      expect(await harness.store.query({ device: 'fridge-1', metric: 'nothing' })).toEqual(empty);
      expect(await harness.store.query({ device: 'nobody', metric: 't', points: 10 })).toEqual(empty);
      expect(await harness.store.query({ device: 'fridge-1', metric: 'nothing', points: 10 })).toEqual(empty);
      expect(await harness.store.query({ device: "' OR 1=1 --", metric: '"', points: 10 })).toEqual(empty);
    });

    it.each([
      ['a limit past the maximum', { limit: 10_001 }],
      ['a limit of none', { limit: 0 }],
      ['a cursor of its own making', { cursor: 'x; DROP' }],
      ['points without a metric', { points: 5 }],
      ['too many points', { points: 10_001, metric: 't' }],
    ])('%s with a clear error', async (_, query) => {
      await using harness = await open();
      await expect(harness.store.query({ device: 'fridge-1', ...query })).rejects.toThrow(TocsinError);
      await expect(harness.store.query({ device: 'fridge-1', ...query })).rejects.not.toThrow(InvalidConfig);
    });
  });

  describe(`${name} remembers`, () => {
    it('its cursor, together with the readings, over a restart', async () => {
      await using harness = await open();
      expect(harness.store.cursor(0)).toBeNull();
      const cursor = { partition: 0, journalId: 'j1', position: 42 };
      await write(harness.store, [readingOf(fridge, START, { t: 1 })], cursor);
      await write(harness.store, [], { ...cursor, position: 50 });
      const store = await harness.reopen();
      expect(store.cursor(0)).toEqual({ ...cursor, position: 50 });
      expect(store.cursor(1)).toBeNull();
      expect(await allReadings(store, { device: 'fridge-1' })).toHaveLength(1);
      await write(store, [readingOf(fridge, START, { t: 2 })], { ...cursor, position: 51 });
      expect((await allReadings(store, { device: 'fridge-1' })).map(({ values }) => values.t)).toEqual([2]);
    });
  });
}
