/** What devices bring with them is bounded, counted when it is refused, and shown: devices, metrics, what they teach. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createDecoder } from '../../src/devices/decode.ts';
import { createIngest } from '../../src/ingest/ingest.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { systemClock as clock } from '../../src/std/clock.ts';

const directory = { profiles: [], fleet: [], groups: [], unknown: 'accept' } as const;
const limits = { devices: 2, metricsPerDevice: 3 };

async function setUp() {
  const registry = new Registry();
  const decoder = createDecoder(directory, limits);
  const journal = createMemoryJournal({ clock, bytesMax: 1e6, holders: [] });
  const ingest = await createIngest({ decoder, journal, partition: 0, clock, logger: pino({ level: 'silent' }), registry });
  let packetId = 0;
  const say = (topic: string, payload: string): Promise<Error | null> =>
    new Promise((resolve) => {
      packetId += 1;
      ingest.accept({ topic, payload: Buffer.from(payload), qos: 1, dup: false, packetId, client: 'c' }, resolve);
    });
  const count = async (name: string): Promise<number | undefined> => {
    const [, value] = new RegExp(`^tocsin_${name} (\\d+)$`, 'm').exec(await registry.metrics()) ?? [];
    return value === undefined ? undefined : Number(value);
  };
  const counts = async () => ({
    known: await count('devices_known'),
    devices: await count('devices_refused_total'),
    metrics: await count('metrics_refused_total'),
  });
  return { decoder, ingest, say, count, counts };
}

it('devices beyond the limit are counted reading by reading, also those that a message names and those that are posted', async () => {
  const { ingest, say, counts } = await setUp();
  expect(await counts()).toEqual({ known: 0, devices: 0, metrics: 0 });
  for (const device of ['a', 'b', 'c', 'c', 'd', 'a']) await say(`sensors/${device}/temperature`, '5');
  expect(await counts()).toEqual({ known: 2, devices: 3, metrics: 0 });
  const bound = { device: { identifiers: ['e'] }, state_topic: 'e/state', name: 'power' };
  await say('homeassistant/sensor/e/power/config', JSON.stringify(bound));
  await say('e/state', '5');
  await ingest.post([{ device: 'f', values: { temperature: 5 } }], 'http');
  expect(await counts()).toEqual({ known: 2, devices: 5, metrics: 0 });
});

it('metrics beyond the limit are counted value by value', async () => {
  const { say, counts } = await setUp();
  await say('sensors/a/telemetry', '{"a":1,"b":2,"c":3,"d":4,"e":5}');
  await say('sensors/a/telemetry', '{"a":1,"d":4}');
  await say('sensors/a/f', '1');
  expect(await counts()).toEqual({ known: 1, devices: 0, metrics: 4 });
});

it('a reload counts on', async () => {
  const { decoder, ingest, say, counts } = await setUp();
  for (const device of ['a', 'b', 'c']) await say(`sensors/${device}/temperature`, '5');
  ingest.useDecoder(createDecoder(directory, limits, decoder));
  await say('sensors/d/temperature', '5');
  expect(await counts()).toEqual({ known: 2, devices: 2, metrics: 0 });
});

it('what there is no room to learn is counted', async () => {
  const { decoder, say, count } = await setUp();
  await say('homeassistant/sensor/e/power/config', JSON.stringify({ state_topic: 'e/state', name: 'power' }));
  expect(await count('learned_keys')).toBe(2);
  expect(decoder.learned.set('too long '.repeat(100), 1)).toBe(false);
  expect(await count('learned_refused_total')).toBe(1);
});
