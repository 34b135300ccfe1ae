/** Tocsin's own device: nobody else may speak as it, and what it says counts as received nowhere. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createDecoder } from '../../src/devices/decode.ts';
import { createIngest, type Message } from '../../src/ingest/ingest.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { SELF_DEVICE } from '../../src/self/self-profile.ts';
import { systemClock as clock } from '../../src/std/clock.ts';

async function setUp(options: { unknown?: 'accept' | 'quarantine' | 'reject'; bytesMax?: number } = {}) {
  const journal = createMemoryJournal({
    clock,
    ...(options.bytesMax !== undefined && { bytesMax: options.bytesMax }),
    holders: ['history'],
  });
  const registry = new Registry();
  const decoder = createDecoder(
    { profiles: [], fleet: [], groups: [], unknown: options.unknown ?? 'accept' },
    { devices: 1, metricsPerDevice: 1 },
  );
  const logger = pino({ level: 'silent' });
  const ingest = await createIngest({ decoder, journal, partition: 0, clock, logger, registry, commitWaitMs: 200 });
  const accept = (topic: string, client: string): Promise<Error | null> => {
    const message: Message = { topic, payload: Buffer.from('{"canary_s": 99}'), qos: 1, dup: false, packetId: 1, client };
    return new Promise((resolve) => ingest.accept(message, resolve));
  };
  const entries = async () => {
    const found: string[] = [];
    const slice = await journal.read('test', 0, 0, { bytesMax: 1e6, waitMs: 0 });
    for (const { bytes } of slice.batches) {
      readBatch(bytes, {
        reading: ({ device, metrics, values }) => void found.push(`${device.id} ${metrics.join()} ${values.join()}`),
        rejection: ({ device, client, reason }) => void found.push(`${reason} ${device} from ${client}`),
      });
    }
    return found;
  };
  return { ingest, accept, entries, registry };
}

describe('the reserved device', () => {
  it.each(['sensors/tocsin/telemetry', 'sensors/tocsin/canary_s'])(
    'is quarantined and acknowledged on %s, whoever the client',
    async (topic) => {
      const { accept, entries } = await setUp();
      expect(await accept(topic, 'self')).toBeNull();
      expect(await entries()).toEqual(['reserved-device tocsin from self']);
    },
  );

  it('is quarantined over HTTP, and the client is told', async () => {
    const { ingest, entries } = await setUp();
    const { accepted, rejected } = await ingest.post([{ device: 'tocsin', values: { canary_s: 99 } }], 'http');
    expect(accepted).toBe(0);
    expect(rejected).toEqual([{ index: 0, reason: 'reserved-device', detail: 'tocsin is the device as which Tocsin tells of itself' }]);
    expect(await entries()).toEqual(['reserved-device tocsin from http']);
  });

  it.each(['accept', 'reject'] as const)(
    'speaks through its own way in, whatever becomes of unknown devices (%s) and limits',
    async (unknown) => {
      const { ingest, entries, registry } = await setUp({ unknown });
      await ingest.postOwn(SELF_DEVICE, ['canary_s', 'stuck'], [0.1, 'none']);
      expect(await entries()).toEqual(['tocsin canary_s,stuck 0.1,none']);
      const metrics = await registry.metrics();
      expect(metrics).toContain('tocsin_readings_total 0\n');
      expect([...metrics.matchAll(/^tocsin_messages_total\{.*\} (\d+)$/gm)].map(([, count]) => count)).toEqual(Array(7).fill('0'));
    },
  );

  it('is told when the journal is full', async () => {
    const { ingest } = await setUp({ bytesMax: 10 });
    await expect(ingest.postOwn(SELF_DEVICE, ['canary_s'], [0.1])).rejects.toThrow();
  });
});
