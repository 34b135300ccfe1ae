/** What was kept in the quarantine and is decoded again: into history at its own time, and before rules only when asked. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createDecoder } from '../../src/devices/decode.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import { FLAG_DEVICE_TIME, type Reading, type Rejection } from '../../src/domain/reading.ts';
import { createIngest, type Message } from '../../src/ingest/ingest.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';
import type { StoredBatch } from '../../src/journal/journal.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { systemClock } from '../../src/std/clock.ts';

const RECEIVED = Date.parse('2026-03-01T00:00:00Z') * 1000;
const LATER = RECEIVED + 3_600_000_000;
const LIMITS = { devices: 0, metricsPerDevice: 0 };
const NARROW = 'profile: room\ntopic: "rooms/{device}"\nmetrics: {t: {unit: °C, range: [0, 30]}}\n';
const WIDE = NARROW.replace('30', '100');

function directoryOf(text: string | null): DeviceDirectory {
  const profiles = text === null ? [] : [parseProfile({ path: 'p', text }).parsed?.profile];
  return { profiles: profiles.filter((profile) => profile !== undefined), fleet: [], groups: [], unknown: 'accept' };
}

/** An ingest whose clock stands still until it is moved, so that what is received is received in the same millisecond. */
async function setUp(profile: string | null) {
  const time = { now: RECEIVED };
  const clock = { ...systemClock, now: () => time.now };
  const journal = createMemoryJournal({ clock });
  const decoder = createDecoder(directoryOf(profile), LIMITS);
  const ingest = await createIngest({
    decoder,
    journal,
    partition: 0,
    clock,
    logger: pino({ level: 'silent' }),
    registry: new Registry(),
  });
  const say = async (topic: string, payload: string): Promise<void> => {
    const message: Message = { topic, payload: Buffer.from(payload), qos: 1, dup: false, packetId: 1, client: 'c' };
    const problem = await new Promise((resolve) => ingest.accept(message, resolve));
    if (problem !== null) throw problem;
  };
  const batches = async (): Promise<readonly StoredBatch[]> => (await journal.read('test', 0, 0, { bytesMax: 1e7, waitMs: 0 })).batches;
  const read = async () => {
    const readings: Reading[] = [];
    const forHistory: Reading[] = [];
    const rejections: Rejection[] = [];
    for (const { bytes } of await batches())
      readBatch(bytes, {
        reading: (reading) => void readings.push(reading),
        forHistory: (reading) => void forHistory.push(reading),
        rejection: (rejection) => void rejections.push(rejection),
      });
    return { readings, forHistory, rejections };
  };
  /** What history holds: by device, metric and time, the latest wins. */
  const history = async (): Promise<Record<string, unknown>> => {
    const { readings, forHistory } = await read();
    const stored = new Map<string, unknown>();
    for (const { device, at, metrics, values } of [...readings, ...forHistory])
      for (const [index, metric] of metrics.entries()) stored.set(`${device.id} ${metric} +${at - RECEIVED}`, values[index]);
    return Object.fromEntries(stored);
  };
  const mend = (text: string | null): void => {
    time.now = LATER;
    ingest.useDecoder(createDecoder(directoryOf(text), LIMITS, decoder));
  };
  return { ingest, say, read, history, mend, time };
}

describe('a replay', () => {
  it('puts what decodes now into history alone, at its time of receipt', async () => {
    const { ingest, say, read, mend } = await setUp(NARROW);
    await say('rooms/r1', '{"t": 55}');
    const { rejections } = await read();
    mend(WIDE);
    expect(await ingest.replay(rejections, { rules: false })).toEqual([{ kind: 'replayed', readings: 1 }]);
    const { readings, forHistory } = await read();
    expect(readings).toEqual([]);
    expect(forHistory).toMatchObject([
      { device: { id: 'r1', profile: 'room' }, at: RECEIVED, receivedAt: LATER, flags: 0, metrics: ['t'], values: [55] },
    ]);
  });

  it('sends it before rules when asked, as what comes late at its own time', async () => {
    const { ingest, say, read, mend } = await setUp(NARROW);
    await say('rooms/r1', '{"t": 55}');
    const { rejections } = await read();
    mend(WIDE);
    await ingest.replay(rejections, { rules: true });
    const { readings, forHistory } = await read();
    expect(forHistory).toEqual([]);
    expect(readings).toMatchObject([{ at: RECEIVED, receivedAt: LATER, flags: FLAG_DEVICE_TIME, values: [55] }]);
  });

  it('believes a device’s own time as it would have been believed when it was received', async () => {
    const timed = 'profile: room\ntopic: "rooms/{device}"\ntime: ts\nmaxPast: 10m\nmetrics: {t: {range: [0, 30]}}\n';
    const { ingest, say, read, mend } = await setUp(timed);
    await say('rooms/r1', '{"t": 55, "ts": "2026-02-28T23:55:00Z"}');
    const { rejections } = await read();
    mend(timed.replace('30', '100'));
    await ingest.replay(rejections, { rules: false });
    const [reading] = (await read()).forHistory;
    expect(reading).toMatchObject({ at: RECEIVED - 300_000_000, flags: FLAG_DEVICE_TIME });
  });

  it('leaves what is rejected still, with the reason of now', async () => {
    const { ingest, say, read, mend } = await setUp(NARROW);
    await say('rooms/r1', '{"t": 55}');
    await say('rooms/r2', '{"t"');
    const { rejections } = await read();
    mend('profile: room\ntopic: "rooms/{device}"\nmetrics: {t: {type: boolean}}\n');
    expect(await ingest.replay(rejections, { rules: false })).toMatchObject([
      { kind: 'kept', readings: 0, reason: 'wrong-type', partial: false },
      { kind: 'kept', readings: 0, reason: 'invalid-json', partial: false },
    ]);
    expect((await read()).forHistory).toEqual([]);
    mend('profile: room\ntopic: "elsewhere/{device}"\n');
    expect((await ingest.replay(rejections, { rules: false }))[0]).toMatchObject({ kind: 'kept', reason: 'no-sensor-topic' });
    expect((await read()).rejections).toHaveLength(2);
  });

  it('lets go of what is no error any more and holds nothing', async () => {
    const { ingest, say, read, mend } = await setUp(NARROW);
    await say('rooms/r1', '{"t": 55}');
    const { rejections } = await read();
    mend(NARROW.replace('range', 'absent: [55], range'));
    expect(await ingest.replay(rejections, { rules: false })).toEqual([{ kind: 'replayed', readings: 0 }]);
  });

  it('teaches nothing: what newer messages have said holds', async () => {
    const { ingest, read, say, mend } = await setUp(null);
    const config = (path: string) =>
      JSON.stringify({ state_topic: 'k/state', value_template: `{{ value_json.${path} }}`, device: { ids: 'k1' } });
    await say('homeassistant/sensor/k/config', config('new'));
    mend(null);
    const old = { topic: 'homeassistant/sensor/k/config', payload: Buffer.from(config('old')), client: 'c', receivedAt: RECEIVED };
    const kept = { ...old, device: null, reason: 'invalid-json', detail: '', partial: false };
    expect(await ingest.replay([kept], { rules: false })).toEqual([{ kind: 'replayed', readings: 0 }]);
    await say('k/state', '{"new": 1, "old": 2}');
    expect((await read()).readings).toMatchObject([{ device: { id: 'k1' }, metrics: ['new'], values: [1] }]);
  });
});

describe('a message of which a part was accepted', () => {
  it('finds its place among others of the same millisecond, and what was accepted is stored once', async () => {
    const { ingest, say, read, history, mend } = await setUp(NARROW);
    await say('rooms/r1', '{"t": 1, "h": 10}');
    await say('rooms/r1', '{"t": 55, "h": 20}');
    await say('rooms/r1', '{"t": 3, "h": 30}');
    const { rejections, readings } = await read();
    expect(rejections).toMatchObject([{ partial: true, receivedAt: readings[1]?.at }]);
    const before = await history();
    mend(WIDE);
    await ingest.replay(rejections, { rules: false });
    expect(await history()).toEqual({ ...before, [`r1 t +${(readings[1]?.at ?? 0) - RECEIVED}`]: 55 });
    // Again, as after a crash before it left.
    await ingest.replay(rejections, { rules: false });
    expect(await history()).toEqual({ ...before, [`r1 t +${(readings[1]?.at ?? 0) - RECEIVED}`]: 55 });
  });

  it('is written again as a whole where the profile changed what was accepted', async () => {
    const { ingest, say, read, history, mend } = await setUp(NARROW);
    await say('rooms/r1', '{"t": 55, "h": 200}');
    const { rejections } = await read();
    mend(WIDE.replace('metrics: {', 'metrics: {h: {scale: 0.1}, '));
    await ingest.replay(rejections, { rules: false });
    expect(await history()).toEqual({ 'r1 t +0': 55, 'r1 h +0': 20 });
  });

  it('is not written again while nothing that concerns it was mended', async () => {
    const { ingest, say, read, mend } = await setUp(NARROW);
    await say('rooms/r1', '{"t": 55, "h": 20}');
    const { rejections } = await read();
    mend(NARROW);
    expect(await ingest.replay(rejections, { rules: false })).toMatchObject([
      { kind: 'kept', readings: 0, reason: 'out-of-range', partial: true },
    ]);
    expect((await read()).forHistory).toEqual([]);
  });

  it('puts in what decodes now, and stays for what does not', async () => {
    const { ingest, say, read, mend } = await setUp(NARROW.replace('}}', '}, h: {}}'));
    await say('rooms/r1', '{"t": 55, "h": "wet"}');
    const { rejections } = await read();
    expect(rejections).toMatchObject([{ partial: false, reason: 'out-of-range' }]);
    mend(WIDE.replace('}}', '}, h: {}}'));
    expect(await ingest.replay(rejections, { rules: false })).toMatchObject([
      { kind: 'kept', readings: 1, reason: 'not-a-number', partial: true },
    ]);
    expect((await read()).forHistory).toMatchObject([{ metrics: ['t'], values: [55], at: RECEIVED }]);
  });

  it('in a list, leaves the readings of later messages alone', async () => {
    const { ingest, say, read, history, mend } = await setUp(NARROW);
    await say('rooms/r1', '[{"t": 1}, {"t": 55}, {"t": 66}, {"t": 4}]');
    await say('rooms/r1', '{"t": 5}');
    const { rejections } = await read();
    mend(WIDE);
    await ingest.replay(rejections, { rules: false });
    const values = Object.values(await history());
    expect(values.map(Number).sort((a, b) => a - b)).toEqual([1, 4, 5, 55, 66]);
  });
});

it('messages rejected whole in one millisecond each keep a time of their own', async () => {
  const { ingest, say, read, history, mend } = await setUp(NARROW);
  for (const t of [51, 2, 53, 54, 5]) await say('rooms/r1', `{"t": ${t}}`);
  const { rejections } = await read();
  mend(WIDE);
  await ingest.replay(rejections, { rules: false });
  expect(Object.values(await history()).sort()).toEqual([2, 5, 51, 53, 54]);
});

describe('what did not come by MQTT', () => {
  it('is replayed as it was posted, with its time', async () => {
    const { ingest, read, mend } = await setUp(null);
    const at = RECEIVED - 1_000_000;
    const narrow = 'profile: room\ntopic: "sensors/{device}/telemetry"\nmetrics: {t: {range: [0, 30]}}\n';
    ingest.useDecoder(createDecoder(directoryOf(narrow), LIMITS));
    await ingest.post(
      [
        { device: 'p1', at, values: { t: 55, h: 1 } },
        { device: 'p2', values: { t: 66 } },
      ],
      'http',
    );
    const { rejections } = await read();
    mend(narrow.replace('30', '100'));
    expect(await ingest.replay(rejections, { rules: false })).toEqual([
      { kind: 'replayed', readings: 1 },
      { kind: 'replayed', readings: 1 },
    ]);
    expect((await read()).forHistory).toMatchObject([
      { device: { id: 'p1' }, at, metrics: ['t', 'h'], values: [55, 1] },
      { device: { id: 'p2' }, at: RECEIVED, values: [66] },
    ]);
  });

  it('is what history refused, too; and what is neither says so', async () => {
    const { ingest, read } = await setUp(null);
    const refused = {
      device: 'd',
      topic: '',
      client: 'history',
      receivedAt: RECEIVED,
      reason: 'history-refused',
      detail: '',
      partial: true,
    };
    const kept = (payload: string) => ({ ...refused, payload: Buffer.from(payload) });
    const replayed = await ingest.replay(
      [kept(JSON.stringify({ device: 'd', at: RECEIVED - 5, values: { a: 1, b: true, c: 'x' } })), kept('{"device": 5}'), kept('')],
      { rules: false },
    );
    expect(replayed.map(({ kind }) => kind)).toEqual(['replayed', 'kept', 'kept']);
    expect((await read()).forHistory).toMatchObject([{ at: RECEIVED - 5, metrics: ['a', 'b', 'c'], values: [1, true, 'x'] }]);
  });
});

it('a replay is refused while the journal takes nothing', async () => {
  const clock = systemClock;
  const journal = createMemoryJournal({ clock, bytesMax: 10, holders: ['history'] });
  const decoder = createDecoder(directoryOf(null), LIMITS);
  const logger = pino({ level: 'silent' });
  const ingest = await createIngest({ decoder, journal, partition: 0, clock, logger, registry: new Registry(), commitWaitMs: 100 });
  const kept = { device: 'd', topic: 'sensors/d/telemetry', payload: Buffer.from('{"t":1}'), client: 'c', receivedAt: clock.now() };
  const replay = ingest.replay([{ ...kept, reason: 'x', detail: '', partial: false }], { rules: false });
  await expect(replay).rejects.toThrow('not durable');
});
