/** The broker on a socket with a journal in memory, and a client that sends exactly the bytes it is told to and keeps what comes back. */
import { EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Client } from 'aedes';
import pino from 'pino';
import { Registry } from 'prom-client';
import { createDecoder } from '../../../src/devices/decode.ts';
import { type Broker, startBroker } from '../../../src/ingest/broker.ts';
import type { ConnectionLimits } from '../../../src/ingest/connections.ts';
import { PacketGate } from '../../../src/ingest/gate/packet-gate.ts';
import { Refusals } from '../../../src/ingest/gate/refusals.ts';
import { TopicNames } from '../../../src/ingest/gate/topics.ts';
import { UnfinishedPackets } from '../../../src/ingest/gate/unfinished.ts';
import { WillBudget } from '../../../src/ingest/gate/will-budget.ts';
import { createIngest, type Ingest } from '../../../src/ingest/ingest.ts';
import { createMemoryJournal } from '../../../src/journal/memory.ts';
import { type Clock, systemClock } from '../../../src/std/clock.ts';
import { everyone } from '../../access/everyone.ts';
import { connectPacket } from '../../load/wire.ts';

export const LIMITS: ConnectionLimits = { packetBytes: 100_000, connections: 50, connectionsPerAddress: 0, messagesPerSecond: 0 };
const WAIT_MS = 5000;
const COMMIT_WAIT_MS = 1000;

export interface Instance extends AsyncDisposable {
  readonly port: number;
  readonly webSocketPort: number;
  readonly broker: Broker;
  readonly ingest: Ingest;
  /** From now on all deadlines are so much nearer. */
  skip(ms: number): void;
  /** The value of a metric, such as `tocsin_mqtt_refusals_total{reason="malformed"}`; 0 when there is none. */
  metric(name: string): Promise<number>;
  readonly logged: readonly string[];
}

export async function startInstance(limits: Partial<ConnectionLimits> = {}, { journalBytesMax = 1e9 } = {}): Promise<Instance> {
  let skippedMs = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skippedMs };
  const logged: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
  const registry = new Registry();
  const decoder = createDecoder({ profiles: [], fleet: [], groups: [], unknown: 'accept' }, { devices: 100_000, metricsPerDevice: 50 });
  const journal = createMemoryJournal({ clock, bytesMax: journalBytesMax, holders: ['nobody'] });
  const ingest = await createIngest({ decoder, journal, partition: 0, clock, logger, registry, commitWaitMs: COMMIT_WAIT_MS });
  const listeners = (['mqtt', 'ws'] as const).map((scheme) => ({ scheme, host: '127.0.0.1', port: 0 }));
  const broker = await startBroker({
    listeners,
    limits: { ...LIMITS, ...limits },
    tls: null,
    access: everyone(),
    ingest,
    clock,
    logger,
    registry,
  });
  const [port = 0, webSocketPort = 0] = broker.urls.map((url) => Number(new URL(url).port));
  return {
    port,
    webSocketPort,
    broker,
    ingest,
    logged,
    skip(ms) {
      skippedMs += ms;
    },
    async metric(name) {
      const line = (await registry.metrics()).split('\n').find((candidate) => candidate.startsWith(`${name} `));
      return line === undefined ? 0 : Number(line.slice(name.length + 1));
    },
    async [Symbol.asyncDispose]() {
      await broker.close();
      await ingest.drained();
      await journal.close();
    },
  };
}

export const refusals = (instance: Instance, reason: string): Promise<number> =>
  instance.metric(`tocsin_mqtt_refusals_total{reason="${reason}"}`);

export class RawSocket implements Disposable {
  readonly socket: Socket;
  received: Buffer = Buffer.alloc(0);
  isClosed = false;
  #onChange: () => void = () => undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#onChange();
    });
    this.socket.on('close', () => {
      this.isClosed = true;
      this.#onChange();
    });
    this.socket.on('error', () => undefined);
  }

  send(...parts: readonly Buffer[]): this {
    this.socket.write(Buffer.concat(parts));
    return this;
  }

  /** Resolves with the first `count` bytes received, which are removed; rejects when the connection is closed or too slow before. */
  async next(count: number): Promise<Buffer> {
    await this.#until(() => this.received.length >= count || this.isClosed);
    if (this.received.length < count) throw new Error(`closed after ${this.received.length} of ${count} bytes`);
    const bytes = this.received.subarray(0, count);
    this.received = this.received.subarray(count);
    return bytes;
  }

  /** Resolves when the connection is closed, with all that was received and not taken. */
  async closed(): Promise<Buffer> {
    await this.#until(() => this.isClosed);
    return this.received;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  async #until(isSo: () => boolean): Promise<void> {
    const stop = new AbortController();
    const late = systemClock.sleep(WAIT_MS, stop.signal).then(() => 'late' as const);
    while (!isSo()) {
      const changed = new Promise<void>((resolve) => {
        this.#onChange = resolve;
      });
      if ((await Promise.race([changed, late])) === 'late') throw new Error(`nothing within ${WAIT_MS} ms`);
    }
    stop.abort();
  }
}

/** A gate past CONNECT, without a broker behind it. @returns what takes the chunks, as Aedes' parser does */
export function bareGate(onPacket: (packet: object) => void): (chunk: Buffer) => void {
  const connection = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const gate = new PacketGate(connection, '', {
    limits: { packetBytes: 1e6, messagesPerSecond: 0 },
    clock: systemClock,
    refusals: new Refusals({ clock: systemClock, logger: pino({ level: 'silent' }), registry: new Registry() }),
    names: new TopicNames(),
    unfinished: new UnfinishedPackets(1e6),
    wills: new WillBudget(1e6),
    asking: () => 0,
  });
  const parser = Object.assign(new EventEmitter(), { parse: (_chunk: Buffer): void => undefined });
  // What the gate needs of Aedes' client.
  gate.attach({ _parser: parser, connackSent: true, closed: false } as unknown as Client);
  parser.parse(connectPacket({ clientId: 'c', clean: true, keepaliveSeconds: 0 }));
  connection.read();
  parser.on('packet', onPacket);
  parser.on('error', onPacket);
  return (chunk) => {
    parser.parse(chunk);
    // What is over a dose, as Aedes would ask for it.
    for (let rest: Buffer | null = connection.read(); rest !== null; rest = connection.read()) parser.parse(rest);
  };
}
