import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceRef, Reading, Rejection } from '../../src/domain/reading.ts';
import { BatchWriter, type Qos2Mark } from '../../src/journal/batch.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';

const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => value.toWellFormed());
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const time = fc.integer({ min: 0, max: 8e15 });
const reading = fc
  .record({
    device: fc.record({ id: text, profile: fc.option(text), labels: fc.dictionary(text, text, { maxKeys: 4 }) }),
    at: time,
    receivedAt: time,
    flags: fc.integer({ min: 0, max: 255 }),
    entries: fc.array(fc.tuple(text, fc.oneof(finite, fc.boolean(), text)), { maxLength: 12 }),
  })
  .map(({ entries, ...rest }) => ({ ...rest, metrics: entries.map(([name]) => name), values: entries.map(([, value]) => value) }));
const rejection = fc.record({
  device: fc.option(text),
  topic: text,
  payload: fc.uint8Array({ maxLength: 200 }),
  client: text,
  receivedAt: time,
  reason: text,
  detail: text,
  partial: fc.boolean(),
});
const mark = fc.record({
  open: fc.boolean(),
  client: text,
  packetId: fc.integer({ min: 0, max: 65535 }),
  hash: fc.nat({ max: 2 ** 31 }),
  receivedAt: time,
});

type Entry = { reading: Reading } | { forHistory: Reading } | { rejection: Rejection } | { mark: Qos2Mark };
const entry: fc.Arbitrary<Entry> = fc.oneof(
  reading.map((value) => ({ reading: value })),
  reading.map((value) => ({ forHistory: value })),
  rejection.map((value) => ({ rejection: value })),
  mark.map((value) => ({ mark: value })),
);

function write(entries: readonly Entry[]) {
  const writer = new BatchWriter();
  for (const item of entries) {
    if ('reading' in item) writer.addReading(item.reading.device, item.reading.metrics, item.reading.values, item.reading);
    else if ('forHistory' in item)
      writer.addForHistory(item.forHistory.device, item.forHistory.metrics, item.forHistory.values, item.forHistory);
    else if ('rejection' in item) writer.addRejection(item.rejection);
    else writer.addQos2Mark(item.mark);
  }
  return writer.take();
}

function read(bytes: Uint8Array, from = 0): Entry[] {
  const entries: Entry[] = [];
  readBatch(
    bytes,
    {
      reading: (value) => entries.push({ reading: value }),
      forHistory: (value) => entries.push({ forHistory: value }),
      rejection: (value) => entries.push({ rejection: { ...value, payload: new Uint8Array(value.payload) } }),
      qos2: (value) => entries.push({ mark: value }),
    },
    { from },
  );
  return entries;
}

describe('batch encoding', () => {
  it('reads back what was written, from any index', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 60 }), fc.nat(60), (entries, from) => {
        const batch = write(entries);
        expect(batch.count).toBe(entries.length);
        expect(read(batch.bytes, from)).toEqual(entries.slice(from));
      }),
      { numRuns: 200 },
    );
  });

  it('starts anew after it was taken', () => {
    const writer = new BatchWriter();
    const device = { id: 'a', profile: null, labels: {} };
    const metrics = ['x'];
    writer.addReading(device, metrics, [1], { at: 1, receivedAt: 2, flags: 0 });
    writer.take();
    writer.addReading(device, metrics, [2], { at: 3, receivedAt: 4, flags: 1 });
    const batch = writer.take();
    expect(batch).toMatchObject({ count: 1, firstAt: 4, lastAt: 4 });
    expect(read(batch.bytes)).toEqual([{ reading: { device, metrics, values: [2], at: 3, receivedAt: 4, flags: 1 } }]);
  });

  it('cuts a text that is longer than its length field can say', () => {
    const writer = new BatchWriter();
    writer.addReading({ id: 'a', profile: null, labels: {} }, ['x'], ['ü'.repeat(70_000)], { at: 1, receivedAt: 1, flags: 0 });
    const [first] = read(writer.take().bytes);
    expect(first !== undefined && 'reading' in first && String(first.reading.values[0])).toMatch(/^ü{21845}$/);
  });

  it('holds more names than their counts can say: labels past 255 are left out, metrics past 65,535 make a second reading', () => {
    const writer = new BatchWriter();
    const labels = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`label-${n}`, `${n}`]));
    const metrics = Array.from({ length: 70_000 }, (_, n) => `m${n}`);
    writer.addReading({ id: 'a', profile: null, labels }, metrics, [...metrics.keys()], { at: 1, receivedAt: 1, flags: 0 });
    writer.addReading({ id: 'b', profile: null, labels: {} }, ['x'], [5], { at: 2, receivedAt: 2, flags: 0 });
    const batch = writer.take();
    const readings = read(batch.bytes).flatMap((entry) => ('reading' in entry ? [entry.reading] : []));
    expect(batch.count).toBe(3);
    expect(readings.flatMap((entry) => entry.values)).toEqual([...metrics.keys(), 5]);
    expect(Object.keys(readings[0]?.device.labels ?? {})).toHaveLength(255);
  });

  it('is full while the largest message still fits', () => {
    const writer = new BatchWriter();
    const add = (n: number) =>
      writer.addReading({ id: `${n}`, profile: null, labels: {} }, [`m${n}`], [n], { at: n, receivedAt: n, flags: 0 });
    let count = 0;
    while (!writer.isFull) add(count++);
    // A request of as many readings as HTTP takes, each of another device.
    for (const end = count + 9_999; count < end; count++) add(count);
    const values = read(writer.take().bytes).map(
      (entry) => 'reading' in entry && Number(entry.reading.device.id) === entry.reading.values[0],
    );
    expect(values).toHaveLength(count);
    expect(values.every(Boolean)).toBe(true);
  });

  it('refuses a batch of another format and names the version', () => {
    expect(() => read(Uint8Array.from([9, 0]))).toThrow(/format 9/);
    expect(() => read(Uint8Array.from([1, 0]))).toThrow(/unknown entry/);
  });
});

it('says anew what a device is where it changes back within a batch: whoever notes it once a definition ends with the latest', () => {
  const writer = new BatchWriter();
  const [here, there] = [{ site: 'here' }, { site: 'there' }].map((labels) => ({ id: 'd1', profile: null, labels }));
  const other = { id: 'd2', profile: null, labels: {} };
  if (here === undefined || there === undefined) throw new Error('two references');
  for (const device of [here, other, here, there, other, here, here])
    writer.addReading(device, ['x'], [1], { at: 1, receivedAt: 1, flags: 0 });
  const sites: unknown[] = [];
  let site: unknown;
  const internDevice = (ref: DeviceRef): DeviceRef => {
    if (ref.id === 'd1') site = ref.labels.site;
    return ref;
  };
  const { bytes } = writer.take();
  readBatch(bytes, { reading: ({ device }) => device.id === 'd1' && sites.push(site) }, { internDevice });
  expect(sites).toEqual(['here', 'here', 'there', 'here', 'here']);
});

it('shows a reading for history alone to nobody who does not ask for it, nor its device', () => {
  const writer = new BatchWriter();
  const [known, other] = ['known', 'other'].map((id) => ({ id, profile: null, labels: {} }));
  if (known === undefined || other === undefined) throw new Error('two references');
  const times = { at: 1, receivedAt: 5, flags: 0 };
  writer.addForHistory(other, ['x'], [1], times);
  writer.addReading(known, ['x'], [2], times);
  writer.addForHistory(known, ['x'], [3], times);
  const { bytes, count } = writer.take();
  expect(count).toBe(3);
  const read = (visitor: 'reading' | 'both') => {
    const heard: string[] = [];
    const values: unknown[] = [];
    const visit = (entry: Reading, index: number): void => void values.push([entry.device.id, entry.values[0], index]);
    const internDevice = (ref: DeviceRef): DeviceRef => {
      heard.push(ref.id);
      return ref;
    };
    readBatch(bytes, { reading: visit, ...(visitor === 'both' && { forHistory: visit }) }, { internDevice });
    return { heard, values };
  };
  expect(read('reading')).toEqual({ heard: ['known'], values: [['known', 2, 1]] });
  expect(read('both').values).toEqual([
    ['other', 1, 0],
    ['known', 2, 1],
    ['known', 3, 2],
  ]);
});
