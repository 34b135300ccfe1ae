/** What the journal could not take was not acknowledged; sent again, it must be journaled before it is. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createDecoder } from '../../src/devices/decode.ts';
import type { Value } from '../../src/domain/reading.ts';
import { createIngest, type Ingest, type Message } from '../../src/ingest/ingest.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { systemClock as clock } from '../../src/std/clock.ts';
import { timed } from './timed-profile.ts';

const COMMIT_WAIT_MS = 300;
const logger = pino({ level: 'silent' });

interface SetUp {
  readonly ingest: Ingest;
  readonly journal: Journal;
  /** Lets the journal forget what it holds. */
  makeRoom(): Promise<void>;
  values(): Promise<Value[]>;
  accept(message: Partial<Message>): Promise<Error | null>;
}

/** An ingest whose journal is full. */
async function setUp(): Promise<SetUp> {
  const journal = createMemoryJournal({ clock, bytesMax: 400, holders: ['history'] });
  const registry = new Registry();
  const decoder = createDecoder({ profiles: [timed], fleet: [], groups: [], unknown: 'accept' }, { devices: 100, metricsPerDevice: 50 });
  const ingest = await createIngest({ decoder, journal, partition: 0, clock, logger, registry, commitWaitMs: COMMIT_WAIT_MS });
  const accept = (message: Partial<Message>): Promise<Error | null> => {
    const whole = { topic: 'sensors/d1/temperature', payload: Buffer.from('5'), qos: 1, dup: false, packetId: 1, client: 'c', ...message };
    return new Promise((resolve) => ingest.accept(whole as Message, resolve));
  };
  expect(await accept({ payload: Buffer.alloc(300, 'x') })).toBeNull();
  return {
    ingest,
    journal,
    accept,
    makeRoom: () => journal.release('history', 0, journal.range(0).head),
    async values() {
      const found: Value[] = [];
      const slice = await journal.read('test', 0, 1, { bytesMax: 1e6, waitMs: 0 });
      for (const { bytes } of slice.batches) readBatch(bytes, { reading: (reading) => void found.push(...reading.values) });
      return found;
    },
  };
}

const ballast = { payload: Buffer.alloc(200, 'y'), packetId: 99, client: 'other' };
const timedMessage = { topic: 'timed/d1', payload: Buffer.from('{"ts":1700000000,"temperature":5}'), packetId: 7 };

describe('a message that the journal refused, sent again', () => {
  it.each([
    ['with device time', timedMessage],
    ['without device time', { packetId: 7 }],
    ['at QoS 2', { qos: 2, packetId: 7 } as const],
    ['at QoS 2 with device time', { ...timedMessage, qos: 2 } as const],
  ])('%s, is journaled before it is acknowledged', async (_, message) => {
    const { accept, makeRoom, values } = await setUp();
    const refused = await Promise.all([accept(ballast), accept(message)]);
    expect(refused.every((error) => error !== null)).toBe(true);
    await makeRoom();
    expect(await accept({ ...message, dup: true })).toBeNull();
    expect(await values()).toEqual([5]);
  });

  it('while the first one is still being tried, is refused with it', async () => {
    const { accept, makeRoom, values } = await setUp();
    const first = Promise.all([accept(ballast), accept(timedMessage)]);
    await clock.sleep(COMMIT_WAIT_MS / 2);
    const second = accept({ ...timedMessage, dup: true });
    expect((await first)[1]).not.toBeNull();
    expect(await second).not.toBeNull();
    await makeRoom();
    expect(await accept({ ...timedMessage, dup: true })).toBeNull();
    expect(await values()).toEqual([5]);
  });

  it('as PUBREL: the identifier stays taken until its release is durable', async () => {
    const { ingest, accept, makeRoom } = await setUp();
    await makeRoom();
    expect(await accept({ qos: 2, packetId: 7 })).toBeNull();
    expect(await accept({ payload: Buffer.alloc(180, 'z') })).toBeNull();
    const refused = Promise.all([accept(ballast), ingest.released('c', 7).catch((error: Error) => error.message)]);
    expect((await refused)[1]).toMatch(/durable/);
    await makeRoom();
    await ingest.released('c', 7);
    const head = await accept({ qos: 2, packetId: 7 });
    expect(head).toBeNull();
  });
});

describe('when there is room again', () => {
  it('readings at QoS 0 and over HTTP are taken, though nobody else tried the journal', async () => {
    const { ingest, accept, makeRoom, values } = await setUp();
    expect(await accept(ballast)).not.toBeNull();
    await makeRoom();
    await clock.sleep(COMMIT_WAIT_MS * 1.5);
    expect(await accept({ qos: 0 })).toBeNull();
    await ingest.drained();
    expect(await values()).toEqual([5]);
    await ingest.post([{ device: 'd2', values: { temperature: 6 } }], 'http');
    expect(await values()).toEqual([5, 6]);
  });
});
