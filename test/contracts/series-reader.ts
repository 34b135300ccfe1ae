/** What every series reader must do: src/history/series-reader.ts, as tests, beside the store that writes what it reads. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceRef, Reading, Value } from '../../src/domain/reading.ts';
import type { RecordedDevice, SeriesReader } from '../../src/history/series-reader.ts';
import type { SeriesStore } from '../../src/history/series-store.ts';
import { allReadings, deviceOf, readingOf, START, write } from './series-store.ts';

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const ALWAYS = { from: START - 40 * DAY, to: START + 40 * DAY };

export interface ReaderHarness extends AsyncDisposable {
  readonly store: SeriesStore;
  readonly reader: SeriesReader;
}

const plain = (id: string, recorded: RecordedDevice | null): DeviceRef => ({
  id,
  profile: recorded?.profile ?? null,
  labels: recorded?.labels ?? {},
});

async function scan(reader: SeriesReader, range: { from: number; to: number } = ALWAYS): Promise<Reading[]> {
  const all: Reading[] = [];
  for await (const readings of reader.scan(range, plain)) all.push(...readings);
  return all;
}

const valuesOf = ({ metrics, values }: Reading): Record<string, Value> =>
  Object.fromEntries(metrics.map((metric, index) => [metric, values[index] ?? 0]));
const rowOf = (reading: Reading) => ({ at: reading.at, device: reading.device.id, values: valuesOf(reading) });

export function seriesReaderContract(name: string, open: () => Promise<ReaderHarness>): void {
  describe(`${name}, read again`, () => {
    const one = deviceOf('d1');
    const two = deviceOf('d2', 'fridge');

    it('comes in order of time over all devices, whatever their number and the order of writing', async () => {
      await using harness = await open();
      const devices = Array.from({ length: 7 }, (_, index) => deviceOf(`d${index}`, index % 2 === 0 ? null : 'fridge'));
      const written = Array.from({ length: 1400 }, (_, index) =>
        readingOf(devices[index % 7] ?? one, START + index * 90 * SECOND, { n: index, text: `t${index % 3}`, on: index % 2 === 0 }),
      );
      for (let start = 0; start < written.length; start += 100)
        await write(
          harness.store,
          written.slice(start, start + 100).sort((left, right) => right.at - left.at),
        );
      const read = await scan(harness.reader);
      expect(read.map(rowOf)).toEqual(written.map(rowOf));
      expect(read.every(({ at, receivedAt }) => at === receivedAt)).toBe(true);
    });

    it('has what lies in the range, from the first instant and without the last', async () => {
      await using harness = await open();
      const times = [-3 * DAY, -HOUR, -1, 0, 1, 40 * 60 * SECOND, HOUR, 5 * DAY].map((offset) => START + offset);
      await write(
        harness.store,
        times.map((at) => readingOf(one, at, { n: at })),
      );
      const range = { from: START, to: START + HOUR };
      expect((await scan(harness.reader, range)).map(({ at }) => at - START)).toEqual([0, 1, 40 * 60 * SECOND]);
      expect((await scan(harness.reader)).map(({ at }) => at)).toEqual(times);
      expect(await scan(harness.reader, { from: START + 2 * DAY, to: START + 3 * DAY })).toEqual([]);
    });

    it('has one reading a device and instant, with what was written last', async () => {
      await using harness = await open();
      await write(harness.store, [readingOf(one, START, { a: 1 }), readingOf(two, START, { a: 5 }), readingOf(one, START, { b: 2 })]);
      await write(harness.store, [readingOf(one, START - SECOND, { a: 0 }), readingOf(one, START, { a: 3 })]);
      const read = await scan(harness.reader);
      expect(read.map(rowOf)).toEqual([
        { at: START - SECOND, device: 'd1', values: { a: 0 } },
        { at: START, device: 'd1', values: { a: 3, b: 2 } },
        { at: START, device: 'd2', values: { a: 5 } },
      ]);
    });

    it('says of each device what the store answers of it alone, whatever was written', async () => {
      const step = fc.record({
        device: fc.constantFrom('d1', 'd2', 'd3'),
        offset: fc.integer({ min: 0, max: 12 }),
        metric: fc.constantFrom('a', 'b'),
        value: fc.integer({ min: 0, max: 9 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(step, { maxLength: 8 }), { maxLength: 6 }), async (writes) => {
          await using harness = await open();
          const expected = new Map<string, Map<number, Record<string, Value>>>();
          for (const steps of writes) {
            const readings = steps.map(({ device, offset, metric, value }) =>
              readingOf(deviceOf(device), START + offset * 400 * SECOND, { [metric]: value }),
            );
            await write(harness.store, readings);
            for (const { device, at, metrics, values } of readings) {
              const instants = expected.get(device.id) ?? new Map<number, Record<string, Value>>();
              expected.set(device.id, instants);
              instants.set(at, { ...instants.get(at), [metrics[0] ?? '']: values[0] ?? 0 });
            }
          }
          const read = await scan(harness.reader);
          expect(read.map(({ at }) => at)).toEqual(read.map(({ at }) => at).sort((a, b) => a - b));
          for (const device of ['d1', 'd2', 'd3']) {
            const rows = [...(expected.get(device) ?? [])].sort((a, b) => a[0] - b[0]).map(([at, values]) => ({ at, device, values }));
            expect(read.filter((reading) => reading.device.id === device).map(rowOf)).toEqual(rows);
            expect(await allReadings(harness.store, { device })).toEqual(rows);
          }
        }),
        { numRuns: 20 },
      );
    });

    it('sees what is written while it reads, ahead of where it is', async () => {
      await using harness = await open();
      const hours = Array.from({ length: 72 }, (_, index) => START + index * HOUR);
      await write(
        harness.store,
        hours.map((at) => readingOf(one, at, { n: 1 })),
      );
      const seen: number[] = [];
      let isWritten = false;
      for await (const readings of harness.reader.scan({ from: START, to: START + 400 * DAY }, plain)) {
        seen.push(...readings.map(({ at }) => at));
        if (!isWritten) await write(harness.store, [readingOf(one, START + 71.5 * HOUR, { n: 2 })]);
        isWritten = true;
      }
      expect(seen).toEqual([...hours, START + 71.5 * HOUR].sort((a, b) => a - b));
    });

    it('is nothing where there is nothing', async () => {
      await using harness = await open();
      expect(await scan(harness.reader)).toEqual([]);
    });
  });
}
