/** The way in, over real sockets, into a real journal on disk; restarts reopen the same file. */
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { createDecoder } from '../../src/devices/decode.ts';
import type { Reading, Rejection } from '../../src/domain/reading.ts';
import { type Broker, startBroker } from '../../src/ingest/broker.ts';
import { createIngest, type Ingest } from '../../src/ingest/ingest.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { systemClock as clock } from '../../src/std/clock.ts';
import { everyone } from '../access/everyone.ts';
import { asDuplicate, CONNACK, connectPacket, PacketScanner, PUBACK, PUBCOMP, PUBREC, publishPacket, pubrelPacket } from '../load/wire.ts';
import { timed } from './timed-profile.ts';

const logger = pino({ level: 'silent' });
const LIMITS = { packetBytes: 100_000, connections: 20, connectionsPerAddress: 0, messagesPerSecond: 0 };

interface Instance {
  readonly port: number;
  readonly webSocketPort: number;
  readonly journal: Journal;
  readonly ingest: Ingest;
  readonly broker: Broker;
  readonly registry: Registry;
  stop(): Promise<void>;
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tocsin-ingest-'));
  cleanups.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function start(path: string, options: { bytesMax?: number; commitWaitMs?: number } = {}): Promise<Instance> {
  const journal = await openSqliteJournal({
    path: join(path, 'journal.db'),
    bytesMax: options.bytesMax ?? 1e9,
    reserveBytes: 0,
    keepMs: null,
    clock,
    logger,
    holders: ['nobody'],
  });
  const registry = new Registry();
  const decoder = createDecoder({ profiles: [timed], fleet: [], groups: [], unknown: 'accept' }, { devices: 100, metricsPerDevice: 50 });
  const ingest = await createIngest({
    decoder,
    journal,
    partition: 0,
    clock,
    logger,
    registry,
    ...(options.commitWaitMs === undefined ? {} : { commitWaitMs: options.commitWaitMs }),
  });
  const broker = await startBroker({
    listeners: [
      { scheme: 'mqtt', host: '127.0.0.1', port: 0 },
      { scheme: 'ws', host: '127.0.0.1', port: 0 },
    ],
    limits: LIMITS,
    tls: null,
    access: everyone(),
    ingest,
    clock,
    logger,
    registry,
  });
  let stopped = false;
  const stop = async () => {
    if (stopped) return;
    stopped = true;
    await broker.close();
    await ingest.drained();
    await journal.close();
  };
  cleanups.push(stop);
  const [port, webSocketPort] = broker.urls.map((url) => Number(new URL(url).port));
  return { port: port ?? 0, webSocketPort: webSocketPort ?? 0, journal, ingest, broker, registry, stop };
}

async function journaled(journal: Journal): Promise<{ readings: Reading[]; rejections: Rejection[] }> {
  const readings: Reading[] = [];
  const rejections: Rejection[] = [];
  const slice = await journal.read('test', 0, 0, { bytesMax: 1e9, waitMs: 0 });
  for (const batch of slice.batches) {
    readBatch(batch.bytes, { reading: (reading) => readings.push(reading), rejection: (rejection) => rejections.push(rejection) });
  }
  return { readings, rejections };
}

async function outcomes(registry: Registry): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric('tocsin_messages_total')?.get();
  return Object.fromEntries(
    (metric?.values ?? []).filter(({ value }) => value > 0).map(({ labels, value }) => [String(labels.outcome), value]),
  );
}

/** A client that sends exactly the packets it is told to. */
class RawClient {
  readonly #socket: Socket;
  readonly #received: [type: number, identifier: number][] = [];
  #onPacket: () => void = () => undefined;
  closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const scanner = new PacketScanner((type, identifier) => {
      this.#received.push([type, identifier]);
      this.#onPacket();
    });
    socket.on('data', (chunk) => scanner.push(chunk));
    socket.on('close', () => {
      this.closed = true;
      this.#onPacket();
    });
    socket.on('error', () => this.#onPacket());
  }

  static async connect(port: number, clientId: string, options: { clean: boolean }): Promise<RawClient> {
    const client = new RawClient(connectSocket(port, '127.0.0.1'));
    cleanups.push(async () => client.destroy());
    client.send(connectPacket({ clientId, clean: options.clean, keepaliveSeconds: 60 }));
    await client.received(CONNACK);
    return client;
  }

  send(packet: Buffer): void {
    this.#socket.write(packet);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves when a packet of this type has come (each counts once) or the connection is closed. */
  async received(type: number): Promise<number> {
    for (;;) {
      const index = this.#received.findIndex(([kind]) => kind === type);
      if (index >= 0) return this.#received.splice(index, 1)[0]?.[1] ?? 0;
      if (this.closed) throw new Error(`closed before a packet of type ${type}`);
      await new Promise<void>((resolve) => {
        this.#onPacket = resolve;
      });
    }
  }
}

const publish = (payload: string, options: { qos: 0 | 1 | 2; packetId: number; topic?: string }) =>
  publishPacket({ topic: options.topic ?? 'sensors/d1/temperature', payload, qos: options.qos, packetId: options.packetId });
const timedPublish = (payload: string, options: { qos: 0 | 1 | 2; packetId: number }) =>
  publish(payload, { ...options, topic: 'timed/d1' });

describe('a publish over MQTT', () => {
  it.each([0, 1, 2] as const)('becomes one reading at QoS %i, over TCP and WebSocket', async (qos) => {
    const instance = await start(await folder());
    for (const url of [`mqtt://127.0.0.1:${instance.port}`, `ws://127.0.0.1:${instance.webSocketPort}`]) {
      const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
      await client.publishAsync('sensors/d1/telemetry', JSON.stringify({ a: { b: 1.5 }, url }), { qos });
      await client.endAsync();
    }
    await expect.poll(async () => (await journaled(instance.journal)).readings.length).toBe(2);
    const { readings } = await journaled(instance.journal);
    expect(readings[0]).toMatchObject({
      device: { id: 'd1', profile: null },
      metrics: ['a.b', 'url'],
      values: [1.5, expect.stringContaining('mqtt:')],
    });
    expect(await outcomes(instance.registry)).toEqual({ accepted: 2 });
  });

  it('is acknowledged only when it is on disk: a copy of the files taken at that moment holds it', async () => {
    const path = await folder();
    const instance = await start(path);
    const client = await RawClient.connect(instance.port, 'c', { clean: true });
    client.send(publish('21.5', { qos: 1, packetId: 1 }));
    await client.received(PUBACK);
    // Taken without any stop: what is in the files now is what a power cut would leave of them.
    const copy = await folder();
    const { cp } = await import('node:fs/promises');
    for (const name of ['journal.db', 'journal.db-wal']) await cp(join(path, name), join(copy, name));
    const revived = await openSqliteJournal({
      path: join(copy, 'journal.db'),
      bytesMax: 1e9,
      reserveBytes: 0,
      keepMs: null,
      clock,
      logger,
      holders: [],
    });
    expect((await journaled(revived)).readings.map(({ values }) => values)).toEqual([[21.5]]);
    await revived.close();
  });

  it('that does not decode is quarantined and acknowledged', async () => {
    const instance = await start(await folder());
    const client = await RawClient.connect(instance.port, 'c', { clean: true });
    client.send(publish('{"a":', { qos: 1, packetId: 1, topic: 'sensors/d1/telemetry' }));
    expect(await client.received(PUBACK)).toBe(1);
    const { readings, rejections } = await journaled(instance.journal);
    expect(readings).toEqual([]);
    expect(rejections).toMatchObject([{ topic: 'sensors/d1/telemetry', client: 'c', reason: 'invalid-json', partial: false }]);
    expect(Buffer.from(rejections[0]?.payload ?? []).toString()).toBe('{"a":');
  });

  it('to a topic of no sensor goes to its subscribers and into no journal', async () => {
    const instance = await start(await folder());
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${instance.port}`, { reconnectPeriod: 0 });
    const received = new Promise((resolve) => client.on('message', (topic, payload) => resolve([topic, payload.toString()])));
    await client.subscribeAsync('chat/+');
    await client.publishAsync('chat/hello', 'you', { qos: 1 });
    expect(await received).toEqual(['chat/hello', 'you']);
    expect(instance.journal.range(0).head).toBe(0);
    await client.endAsync();
  });

  it('reaches subscribers of its exact topic, of a wildcard, and a persistent session that is away', async () => {
    const instance = await start(await folder());
    const url = `mqtt://127.0.0.1:${instance.port}`;
    const away = await mqtt.connectAsync(url, { clientId: 'away', clean: false, reconnectPeriod: 0 });
    await away.subscribeAsync('sensors/d1/#', { qos: 1 });
    await away.endAsync();
    const here = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
    const heard: string[] = [];
    here.on('message', (topic) => heard.push(topic));
    await here.subscribeAsync(['sensors/d1/temperature']);
    await here.publishAsync('sensors/d1/temperature', '1', { qos: 1 });
    await here.publishAsync('sensors/d2/temperature', '1', { qos: 1 });
    const back = mqtt.connect(url, { clientId: 'away', clean: false, reconnectPeriod: 0 });
    const queued = await new Promise((resolve) => back.on('message', (topic) => resolve(topic)));
    expect(queued).toBe('sensors/d1/temperature');
    await expect.poll(() => heard).toEqual(['sensors/d1/temperature']);
    await back.endAsync();
    await here.endAsync();
  });

  it('below tocsin/ is acknowledged and dropped: only the program publishes there', async () => {
    const instance = await start(await folder());
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${instance.port}`, { reconnectPeriod: 0 });
    const heard: string[] = [];
    client.on('message', (topic, payload) => heard.push(`${topic} ${payload}`));
    await client.subscribeAsync('tocsin/#');
    await client.publishAsync('tocsin/status', 'forged', { qos: 1, retain: true });
    instance.broker.publish('tocsin/status', 'genuine', { retain: true });
    await expect.poll(() => heard).toEqual(['tocsin/status genuine']);
    expect(await outcomes(instance.registry)).toEqual({ refused: 1 });
    await client.endAsync();
  });
});

describe('one reading results', () => {
  it('from a QoS 2 publish that is replayed before PUBREL, also after a restart', async () => {
    const path = await folder();
    const first = await start(path);
    const packet = publish('21.5', { qos: 2, packetId: 9 });
    const client = await RawClient.connect(first.port, 'c', { clean: false });
    client.send(packet);
    expect(await client.received(PUBREC)).toBe(9);
    client.send(asDuplicate(packet));
    expect(await client.received(PUBREC)).toBe(9);
    client.destroy();
    await first.stop();

    const second = await start(path);
    const again = await RawClient.connect(second.port, 'c', { clean: false });
    again.send(asDuplicate(packet));
    expect(await again.received(PUBREC)).toBe(9);
    again.send(pubrelPacket(9));
    expect(await again.received(PUBCOMP)).toBe(9);
    expect((await journaled(second.journal)).readings).toHaveLength(1);
    expect(await outcomes(second.registry)).toEqual({ duplicate: 1 });

    // Released: the identifier is free for a message of the same content.
    again.send(packet);
    expect(await again.received(PUBREC)).toBe(9);
    expect((await journaled(second.journal)).readings).toHaveLength(2);
  });

  it('from a retransmission with device time, over another connection, another QoS and a restart', async () => {
    const path = await folder();
    const payload = '{"ts":1700000000,"temperature":5}';
    const first = await start(path);
    const client = await RawClient.connect(first.port, 'c', { clean: true });
    client.send(timedPublish(payload, { qos: 1, packetId: 1 }));
    await client.received(PUBACK);
    const other = await RawClient.connect(first.port, 'other', { clean: true });
    other.send(timedPublish(payload, { qos: 2, packetId: 1 }));
    await other.received(PUBREC);
    await first.stop();

    const second = await start(path);
    const again = await RawClient.connect(second.port, 'c', { clean: true });
    again.send(timedPublish(payload, { qos: 1, packetId: 1 }));
    await again.received(PUBACK);
    const { readings } = await journaled(second.journal);
    expect(readings).toHaveLength(1);
    expect(readings[0]).toMatchObject({ at: 1_700_000_000_000_000, flags: 1, values: [5] });
  });

  it('from a DUP publish without device time in the same session; two from one in a new session', async () => {
    const instance = await start(await folder());
    const packet = publish('21.5', { qos: 1, packetId: 4 });
    const client = await RawClient.connect(instance.port, 'c', { clean: false });
    client.send(packet);
    await client.received(PUBACK);
    client.destroy();
    const again = await RawClient.connect(instance.port, 'c', { clean: false });
    again.send(asDuplicate(packet));
    await again.received(PUBACK);
    expect((await journaled(instance.journal)).readings).toHaveLength(1);
    again.destroy();
    const fresh = await RawClient.connect(instance.port, 'c', { clean: true });
    fresh.send(asDuplicate(packet));
    await fresh.received(PUBACK);
    expect((await journaled(instance.journal)).readings).toHaveLength(2);
  });

  it('from every publish without DUP, even of the same value within one millisecond, each at its own time', async () => {
    const instance = await start(await folder());
    const client = await RawClient.connect(instance.port, 'c', { clean: true });
    client.send(Buffer.concat([1, 2, 3, 4].map((packetId) => publish('21.5', { qos: 1, packetId }))));
    for (let n = 1; n <= 4; n++) expect(await client.received(PUBACK)).toBe(n);
    const { readings } = await journaled(instance.journal);
    expect(new Set(readings.map(({ at }) => at)).size).toBe(4);
  });
});

describe('a stop', () => {
  it('acknowledges what was read before: nothing is stored whose sender was told nothing', async () => {
    const instance = await start(await folder());
    const clients = await Promise.all(Array.from({ length: 5 }, (_, n) => RawClient.connect(instance.port, `c${n}`, { clean: true })));
    let acknowledged = 0;
    const counting = clients.map(async (client) => {
      while (!client.closed) {
        await client.received(PUBACK).then(
          () => {
            acknowledged += 1;
          },
          () => undefined,
        );
      }
    });
    for (const [n, client] of clients.entries()) {
      const topic = `sensors/d${n}/temperature`;
      client.send(Buffer.concat(Array.from({ length: 2000 }, (_, id) => publish('21.5', { qos: 1, packetId: id + 1, topic }))));
    }
    await expect.poll(() => acknowledged).toBeGreaterThan(0);
    await instance.broker.close();
    await Promise.all(counting);
    expect((await journaled(instance.journal)).readings).toHaveLength(acknowledged);
  });
});

describe('a full journal', () => {
  it('acknowledges nothing, closes the connection after the commit wait, and takes the message when there is room', async () => {
    const path = await folder();
    const instance = await start(path, { bytesMax: 600_000, commitWaitMs: 600 });
    let sent = 0;
    const filling = await RawClient.connect(instance.port, 'filling', { clean: true });
    const filler = `no JSON, so it is kept whole: ${'x'.repeat(20_000)}`;
    await expect(
      (async () => {
        for (; sent < 50; sent++) {
          filling.send(publish(filler, { qos: 1, packetId: sent + 1, topic: 'sensors/d1/telemetry' }));
          await filling.received(PUBACK);
        }
      })(),
    ).rejects.toThrow(/closed/);
    expect(sent).toBeGreaterThan(0);
    expect((await journaled(instance.journal)).rejections).toHaveLength(sent);
    expect(instance.journal.stats().full).toContain('journal.maxBytes');
    // Publishes that ask for no acknowledgement are dropped and counted.
    const careless = await RawClient.connect(instance.port, 'careless', { clean: true });
    careless.send(publish('1', { qos: 0, packetId: 0 }));
    await expect.poll(async () => (await outcomes(instance.registry)).dropped).toBe(1);
    await instance.journal.release('nobody', 0, instance.journal.range(0).head);
    const url = `mqtt://127.0.0.1:${instance.port}`;
    const client = await mqtt.connectAsync(url, { clientId: 'filling', reconnectPeriod: 200 });
    await client.publishAsync('sensors/d1/temperature', '21.5', { qos: 1 });
    const { readings } = await journaledFrom(instance.journal);
    expect(readings.at(-1)).toMatchObject({ values: [21.5] });
    await client.endAsync();
  });
});

async function journaledFrom(journal: Journal): Promise<{ readings: Reading[] }> {
  const readings: Reading[] = [];
  const slice = await journal.read('test', 0, journal.range(0).first, { bytesMax: 1e9, waitMs: 0 });
  for (const batch of slice.batches) readBatch(batch.bytes, { reading: (reading) => readings.push(reading) });
  return { readings };
}

describe('limits', () => {
  it('closes connections past mqtt.limits.connections at once, and counts them', async () => {
    const instance = await start(await folder());
    for (let n = 0; n < 20; n++) await RawClient.connect(instance.port, `c${n}`, { clean: true });
    await expect(RawClient.connect(instance.port, 'one too many', { clean: true })).rejects.toThrow(/closed/);
    expect(await instance.registry.metrics()).toContain('tocsin_mqtt_connections_refused_total 1');
    expect(await instance.registry.metrics()).toContain('tocsin_mqtt_connections 20');
  });

  it('acknowledges and drops a payload past mqtt.limits.packetBytes', async () => {
    const instance = await start(await folder());
    const client = await RawClient.connect(instance.port, 'c', { clean: true });
    client.send(publish('1'.repeat(100_001), { qos: 1, packetId: 1 }));
    await client.received(PUBACK);
    expect(await outcomes(instance.registry)).toEqual({ refused: 1 });
  });
});

describe('a session that is over', () => {
  it('at its disconnect leaves no QoS 2 identifier behind for the next one of its name', async () => {
    const instance = await start(await folder());
    const packet = publish('21.5', { qos: 2, packetId: 9 });
    const passing = await RawClient.connect(instance.port, 'c', { clean: true });
    passing.send(packet);
    await passing.received(PUBREC);
    passing.destroy();
    await expect.poll(async () => await instance.registry.metrics()).toContain('tocsin_mqtt_connections 0');
    const lasting = await RawClient.connect(instance.port, 'c', { clean: false });
    lasting.send(packet);
    await lasting.received(PUBREC);
    expect((await journaled(instance.journal)).readings).toHaveLength(2);
  });
});

describe('listening and stopping', () => {
  const listenOn = (scheme: 'mqtt' | 'ws', port: number) => {
    const ingest = { sessionEnded: () => undefined } as unknown as Ingest;
    const listeners = [{ scheme, host: '127.0.0.1', port }];
    return startBroker({ listeners, limits: LIMITS, tls: null, access: everyone(), ingest, clock, logger, registry: new Registry() });
  };

  it.each(['mqtt', 'ws'] as const)('says which address is taken (%s)', async (scheme) => {
    const { port } = await start(await folder());
    await expect(listenOn(scheme, port)).rejects.toThrow(`cannot listen on ${scheme}://127.0.0.1:${port}`);
  });

  it('does not wait for a connection that never asked for anything', async () => {
    const instance = await start(await folder());
    const silent = connectSocket(instance.webSocketPort, '127.0.0.1');
    await new Promise((resolve) => silent.once('connect', resolve));
    const startMs = clock.monotonicMs();
    await instance.stop();
    expect(clock.monotonicMs() - startMs).toBeLessThan(2000);
    silent.destroy();
  });
});

describe('acknowledgements', () => {
  it('keep the order of the publishes, those that are dropped among them', async () => {
    const instance = await start(await folder());
    const client = await RawClient.connect(instance.port, 'c', { clean: true });
    const topics = ['sensors/d1/temperature', 'tocsin/forged', 'sensors/d2/temperature', 'chat/plain', '$forged'];
    client.send(Buffer.concat(topics.map((topic, index) => publish('1', { qos: 1, packetId: index + 1, topic }))));
    const order: number[] = [];
    for (const _ of topics) order.push(await client.received(PUBACK));
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });
});
