/** Our broker as the program starts it, for the tests of one file. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll } from 'vitest';
import { createDecoder } from '../../../src/devices/decode.ts';
import { type Broker, startBroker } from '../../../src/ingest/broker.ts';
import { createIngest } from '../../../src/ingest/ingest.ts';
import { readBatch } from '../../../src/journal/batch-reader.ts';
import { createMemoryJournal } from '../../../src/journal/memory.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { everyone } from '../../access/everyone.ts';
import type { Target } from './raw-client.ts';

export interface OwnBroker {
  readonly broker: Broker;
  readonly target: Target;
  readonly webSocketUrl: string;
  /** Once: what comes after is ignored. */
  stop(): Promise<void>;
  /** The devices of the readings that were journaled. */
  journaled(): Promise<string[]>;
}

/** @returns the broker's address, once it runs */
export function startOwnBroker(): () => Promise<Target> {
  let started: Promise<OwnBroker> | undefined;
  beforeAll(async () => {
    started = runOwnBroker();
    await started;
  });
  afterAll(async () => (await started)?.stop());
  return async () => (await started)?.target ?? { host: '', port: 0 };
}

export async function runOwnBroker(): Promise<OwnBroker> {
  const logger = pino({ level: 'silent' });
  const registry = new Registry();
  const journal = createMemoryJournal({ clock, holders: [] });
  const decoder = createDecoder({ profiles: [], fleet: [], groups: [], unknown: 'accept' }, { devices: 100, metricsPerDevice: 50 });
  const ingest = await createIngest({ decoder, journal, partition: 0, clock, logger, registry });
  const broker = await startBroker({
    tls: null,
    access: everyone(),
    listeners: [
      { scheme: 'mqtt', host: '127.0.0.1', port: 0 },
      { scheme: 'ws', host: '127.0.0.1', port: 0 },
    ],
    limits: { connections: 1000, connectionsPerAddress: 0, messagesPerSecond: 0, packetBytes: 262_144 },
    ingest,
    clock,
    logger,
    registry,
  });
  const [url = '', webSocketUrl = ''] = broker.urls;
  let isStopped = false;
  return {
    broker,
    target: { host: '127.0.0.1', port: Number(new URL(url).port) },
    webSocketUrl,
    async stop() {
      if (isStopped) return;
      isStopped = true;
      await broker.close();
      await ingest.drained();
    },
    async journaled() {
      const devices: string[] = [];
      const { batches } = await journal.read('test', 0, 0, { bytesMax: 1e6, waitMs: 0 });
      for (const { bytes } of batches) readBatch(bytes, { reading: ({ device }) => void devices.push(device.id) });
      return devices;
    },
  };
}
