/** Sessions, queues and retained messages as clients meet them, over sockets and restarts. */
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import mqtt, { type IConnackPacket, type IPublishPacket, type MqttClient } from 'mqtt';
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { createDecoder } from '../../../src/devices/decode.ts';
import { startBroker } from '../../../src/ingest/broker.ts';
import { createIngest } from '../../../src/ingest/ingest.ts';
import { openPersistence } from '../../../src/ingest/persistence/open.ts';
import { openSqliteJournal } from '../../../src/journal/sqlite.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { everyone } from '../../access/everyone.ts';
import { temporaryFolder } from '../../load/server.ts';
import { connectPacket, PacketScanner, PUBACK, PUBLISH, publishPacket, SUBACK, subscribePacket } from '../../load/wire.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function folder(): string {
  const made = temporaryFolder('sessions');
  cleanups.push(() => made[Symbol.dispose]());
  return made.path;
}

async function start(path: string, limits: { sessions?: number; retained?: number } = {}) {
  const registry = new Registry();
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
  const bounds = { bytesMax: 1e9, reserveBytes: 0, keepMs: null };
  const journal = await openSqliteJournal({ ...bounds, path: join(path, 'journal.db'), clock, logger, holders: [] });
  const decoder = createDecoder({ profiles: [], fleet: [], groups: [], unknown: 'accept' }, { devices: 100, metricsPerDevice: 50 });
  const ingest = await createIngest({ decoder, journal, partition: 0, clock, logger, registry });
  const broker = await startBroker({
    tls: null,
    access: everyone(),
    listeners: [{ scheme: 'mqtt', host: '127.0.0.1', port: 0 }],
    limits: { connections: 0, connectionsPerAddress: 0, messagesPerSecond: 0, packetBytes: 100_000, ...limits },
    path: join(path, 'broker.db'),
    ingest,
    clock,
    logger,
    registry,
  });
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await broker.close();
    await journal.close();
  };
  cleanups.push(stop);
  const metric = async (name: string): Promise<number> => (await registry.getSingleMetric(name)?.get())?.values[0]?.value ?? Number.NaN;
  return { broker, url: broker.urls[0] ?? '', port: Number(new URL(broker.urls[0] ?? '').port), stop, metric, lines };
}

interface Connected {
  readonly client: MqttClient;
  readonly connack: IConnackPacket;
  readonly got: IPublishPacket[];
}

async function connect(url: string, clientId: string, options: mqtt.IClientOptions = {}): Promise<Connected> {
  const client = mqtt.connect(url, { clientId, clean: false, reconnectPeriod: 0, ...options });
  cleanups.push(() => client.end(true));
  const got: IPublishPacket[] = [];
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'publish') got.push(packet);
  });
  const connack = await new Promise<IConnackPacket>((resolve) => client.once('connect', resolve));
  return { client, connack, got };
}

/** A socket that sends what it is told; what it receives, by type and identifier. */
async function raw(port: number, options: { clientId: string; clean: boolean }) {
  const received: [type: number, identifier: number][] = [];
  const scanner = new PacketScanner((type, identifier) => received.push([type, identifier]));
  const socket = connectSocket(port, '127.0.0.1');
  socket.on('data', (chunk) => scanner.push(chunk));
  cleanups.push(() => socket.destroy());
  socket.write(connectPacket({ ...options, keepaliveSeconds: 60 }));
  await expect.poll(() => received.length).toBe(1);
  return { socket, received };
}

describe('a session', () => {
  it('is present when its client returns, also without subscriptions and after a restart; with clean session it is not', async () => {
    const path = folder();
    const first = await start(path);
    const new_ = await connect(first.url, 'quiet');
    expect(new_.connack.sessionPresent).toBe(false);
    await new_.client.endAsync();
    const back = await connect(first.url, 'quiet');
    expect(back.connack.sessionPresent).toBe(true);
    await back.client.endAsync();
    await first.stop();
    const second = await start(path);
    const again = await connect(second.url, 'quiet');
    expect(again.connack.sessionPresent).toBe(true);
    await again.client.endAsync();
    const clean = await connect(second.url, 'quiet', { clean: true });
    await clean.client.endAsync();
    const anew = await connect(second.url, 'quiet');
    expect(anew.connack.sessionPresent).toBe(false);
  });

  it('keeps its subscriptions and its queue over a restart, and nothing that it was refused', async () => {
    const path = folder();
    const first = await start(path);
    const { client } = await connect(first.url, 'away');
    await expect(client.subscribeAsync({ '$SYS/#': { qos: 1 }, 'chat/+': { qos: 1 } })).rejects.toThrow('Subscribe error');
    await client.endAsync();
    const sender = await connect(first.url, 'sender', { clean: true });
    for (const [topic, text] of [
      ['chat/', 'empty level'],
      ['chat/a', 'one'],
      ['other', 'none'],
    ] as const)
      await sender.client.publishAsync(topic, text, { qos: 1, retain: true });
    await first.stop();
    const stored = await openPersistence({
      path: join(path, 'broker.db'),
      limits: { sessions: 0, retained: 0 },
      clock,
      logger: pino({ level: 'silent' }),
    });
    expect(await stored.subscriptionsByClient({ id: 'away' })).toEqual([{ topic: 'chat/+', qos: 1 }]);
    await stored.destroy();
    const second = await start(path);
    const back = await connect(second.url, 'away');
    await expect.poll(() => back.got.length).toBe(2);
    expect(back.got.map(({ topic, payload, retain, dup }) => [topic, String(payload), retain, dup])).toEqual([
      ['chat/', 'empty level', false, false],
      ['chat/a', 'one', false, false],
    ]);
    await expect.poll(() => second.metric('tocsin_mqtt_queued')).toBe(0);
    await (await connect(second.url, 'sender', { clean: true })).client.publishAsync('chat/b', 'live', { qos: 1 });
    await expect.poll(() => back.got.map(({ payload }) => String(payload))).toContain('live');
    await expect.poll(() => second.metric('tocsin_mqtt_queued')).toBe(0);
  });

  it('is refused with return code 3 beyond mqtt.limits.sessions, which is counted and logged; a clean one is not', async () => {
    const instance = await start(folder(), { sessions: 1 });
    const { client } = await connect(instance.url, 'first');
    await client.subscribeAsync('a');
    const refused = mqtt.connect(instance.url, { clientId: 'second', clean: false, reconnectPeriod: 0 });
    cleanups.push(() => refused.end(true));
    const error = await new Promise<Error>((resolve) => refused.once('error', resolve));
    expect(error).toMatchObject({ code: 3 });
    await connect(instance.url, 'third', { clean: true });
    expect([await instance.metric('tocsin_mqtt_sessions'), await instance.metric('tocsin_mqtt_sessions_refused_total')]).toEqual([1, 1]);
    expect(instance.lines.join()).toContain('mqtt.limits.sessions');
  });
});

describe('a retained message', () => {
  it('is there after a restart, and the program’s own is made anew instead', async () => {
    const path = folder();
    const first = await start(path);
    const { client } = await connect(first.url, 'c', { clean: true });
    await client.publishAsync('kept', 'yes', { qos: 1, retain: true });
    await client.publishAsync('gone', 'yes', { qos: 1, retain: true });
    await client.publishAsync('gone', '', { qos: 1, retain: true });
    await first.broker.publish('tocsin/alerts/rule/device', '{}', { retain: true });
    await first.stop();
    const second = await start(path);
    const { client: reader, got } = await connect(second.url, 'reader', { clean: true });
    await reader.subscribeAsync('#');
    await expect.poll(() => got.map(({ topic, retain }) => [topic, retain])).toEqual([['kept', true]]);
  });

  it('beyond mqtt.limits.retained is delivered and not retained, which is counted and logged', async () => {
    const instance = await start(folder(), { retained: 1 });
    const { client, got } = await connect(instance.url, 'c', { clean: true });
    await client.subscribeAsync('#');
    for (const topic of ['a', 'b']) await client.publishAsync(topic, '1', { qos: 1, retain: true });
    await expect.poll(() => got.length).toBe(2);
    expect([await instance.metric('tocsin_mqtt_retained'), await instance.metric('tocsin_mqtt_retained_refused_total')]).toEqual([1, 1]);
    expect(instance.lines.join()).toContain('mqtt.limits.retained');
  });

  it.each([0, 1] as const)('of QoS %i sent with a SUBSCRIBE before it comes once', async (qos) => {
    const instance = await start(folder());
    const { socket, received } = await raw(instance.port, { clientId: 'c', clean: true });
    const publish = publishPacket({ topic: 'a', payload: 'x', qos, packetId: 2 });
    publish[0] = (publish[0] ?? 0) | 1;
    socket.write(Buffer.concat([subscribePacket(1, '#', 0), publish]));
    await expect.poll(() => received.map(([type]) => type)).toEqual(expect.arrayContaining([SUBACK, PUBLISH]));
    await clock.sleep(100);
    expect(received.filter(([type]) => type === PUBLISH)).toHaveLength(1);
  });
});

describe('acknowledgements', () => {
  it('of one client keep their order, whether a message is retained, queued, delivered or none of it', async () => {
    const instance = await start(folder());
    const away = await connect(instance.url, 'away');
    await away.client.subscribeAsync('queued', { qos: 1 });
    await away.client.endAsync();
    const here = await connect(instance.url, 'here', { clean: true });
    await here.client.subscribeAsync('delivered', { qos: 1 });
    const { socket, received } = await raw(instance.port, { clientId: 'c', clean: true });
    const topics = ['queued', 'unwanted', 'delivered', 'retained', 'unwanted', 'queued'];
    const packets = Array.from({ length: 300 }, (_, index) => {
      const topic = topics[index % topics.length] ?? '';
      const packet = publishPacket({ topic, payload: 'x', qos: 1, packetId: index + 1 });
      if (topic === 'retained') packet[0] = (packet[0] ?? 0) | 1;
      return packet;
    });
    for (let index = 0; index < packets.length; index += 7) socket.write(Buffer.concat(packets.slice(index, index + 7)));
    await expect.poll(() => received.filter(([type]) => type === PUBACK).length).toBe(packets.length);
    expect(received.filter(([type]) => type === PUBACK).map(([, identifier]) => identifier)).toEqual(packets.map((_, index) => index + 1));
  });
});
