/** Who may do what, with real clients over real sockets: passwords, topics, wills, client ids, TLS, certificates, and their exchange. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Access, type AccessSettings } from '../../src/access/access.ts';
import type { TlsFiles } from '../../src/access/certificates.ts';
import type { Credential } from '../../src/access/credentials.ts';
import { hashChosen, hashGenerated } from '../../src/access/password.ts';
import { createDecoder } from '../../src/devices/decode.ts';
import { type Broker, startBroker } from '../../src/ingest/broker.ts';
import { createIngest } from '../../src/ingest/ingest.ts';
import type { Listener } from '../../src/ingest/listeners.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { systemClock as clock } from '../../src/std/clock.ts';
import { type Authority, createAuthority } from '../access/certificates.ts';

const directory = { profiles: [], fleet: [], groups: [], unknown: 'accept' } as const;
const device = (name: string, ...passwords: readonly string[]): Credential => ({
  kind: 'device',
  name,
  passwords: passwords.map(hashGenerated),
  publish: [],
  subscribe: [],
});
const USER: Credential = {
  kind: 'user',
  name: 'board',
  passwords: [hashChosen('correct horse')],
  publish: ['rooms/+/set'],
  subscribe: ['sensors/#', '$SYS/#'],
};
const CREDENTIALS = [device('d-1', 'one'), device('d-2', 'two'), USER];
const D1: IClientOptions = { clientId: 'd-1', username: 'd-1', password: 'one' };
const BOARD: IClientOptions = { username: 'board', password: 'correct horse' };

let folder: string;
let authority: Authority;
let server: { cert: string; key: string };
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-access-'));
  authority = createAuthority(folder);
  server = authority.issue('server');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Instance {
  readonly broker: Broker;
  readonly access: Access;
  readonly url: string;
  readonly registry: Registry;
  readonly journal: Journal;
  use(settings: Partial<AccessSettings>): void;
}

async function start(options: Partial<AccessSettings> & { scheme?: Listener['scheme']; tls?: TlsFiles } = {}): Promise<Instance> {
  const { scheme = 'mqtt', tls = null, ...given } = options;
  const settings: AccessSettings = { anonymous: false, credentials: CREDENTIALS, directory, ...given };
  const logger = pino({ level: 'silent' });
  const registry = new Registry();
  const journal = createMemoryJournal({ clock });
  const decoder = createDecoder(directory, { devices: 100, metricsPerDevice: 50 });
  const ingest = await createIngest({ decoder, journal, partition: 0, clock, logger, registry });
  const access = new Access(settings, { clock, logger, registry });
  const limits = { connections: 100, connectionsPerAddress: 0, messagesPerSecond: 0, packetBytes: 100_000 };
  const listeners = [{ scheme, host: '127.0.0.1', port: 0 }];
  const broker = await startBroker({ listeners, tls, limits, access, ingest, clock, logger, registry });
  cleanups.push(async () => {
    await broker.close();
    await access[Symbol.asyncDispose]();
    await ingest.drained();
  });
  return {
    broker,
    access,
    url: broker.urls[0] ?? '',
    registry,
    journal,
    use(changed) {
      access.use({ ...settings, ...changed });
      broker.renewSessions();
    },
  };
}

/** Rejects with CONNACK's return code as the message, or with what kept it from connecting. */
async function connect(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = mqtt.connect(url, { reconnectPeriod: 0, connectTimeout: 10_000, protocolVersion: 4, ...options });
  cleanups.push(() => client.endAsync(true));
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve(client));
    client.once('error', (error) => reject('code' in error && typeof error.code === 'number' ? new Error(String(error.code)) : error));
    client.once('close', () => reject(new Error('closed')));
  });
}

const closed = (client: MqttClient): Promise<void> => new Promise<void>((resolve) => client.once('close', () => resolve()));

async function devicesIn(journal: Journal): Promise<string[]> {
  const devices: string[] = [];
  const { batches } = await journal.read('test', 0, 0, { bytesMax: 1e9, waitMs: 0 });
  for (const { bytes } of batches) readBatch(bytes, { reading: (reading) => devices.push(reading.device.id) });
  return devices;
}

const TEMPERATURE = '{"temperature": 5}';

describe('with a password', () => {
  it.each([
    ['the right one', D1, 'in'],
    ['a wrong one', { ...D1, password: 'two' }, '5'],
    ['none', {}, '5'],
    ['another device’s client id', { ...D1, clientId: 'd-2' }, '2'],
    ['no client id', { ...D1, clientId: '' }, 'in'],
    ['a chosen one', BOARD, 'in'],
    ['a generated one alone, as user name', { username: 'two' }, 'in'],
  ] satisfies [string, IClientOptions, string][])('%s', async (_name, options, expected) => {
    const { url } = await start();
    expect(
      await connect(url, options).then(
        () => 'in',
        (error: Error) => error.message,
      ),
    ).toBe(expected);
  });

  it('speaks for itself only: what it may not publish is acknowledged, dropped and counted', async () => {
    const { url, journal, registry } = await start();
    const client = await connect(url, D1);
    for (const topic of ['sensors/d-1/telemetry', 'sensors/d-2/telemetry', 'senml/x'])
      await client.publishAsync(topic, TEMPERATURE, { qos: 1 });
    await client.publishAsync('sensors/d-2/telemetry', TEMPERATURE, { qos: 2 });
    expect(await devicesIn(journal)).toEqual(['d-1']);
    expect(client.connected).toBe(true);
    const metrics = await registry.metrics();
    expect(metrics).toContain('tocsin_mqtt_refusals_total{reason="may-not-publish"} 3');
    expect(metrics).toContain('tocsin_messages_total{outcome="refused"} 3');
  });

  it('hears below its own topics only; what it may not subscribe to gets 0x80, what is beside it is granted', async () => {
    const { url } = await start();
    const client = await connect(url, { ...D1, clean: false });
    const granted: unknown[] = [];
    client.on('packetreceive', (packet) => packet.cmd === 'suback' && granted.push(...packet.granted));
    await client.subscribeAsync(['sensors/d-1/#', 'sensors/#', '$SYS/#', 'cmnd/d-1/+'], { qos: 1 }).catch(() => undefined);
    expect(granted).toEqual([1, 0x80, 0x80, 1]);
    const heard: string[] = [];
    client.on('message', (topic) => heard.push(topic));
    const other = await connect(url, { clientId: 'd-2', username: 'd-2', password: 'two' });
    await other.publishAsync('sensors/d-2/telemetry', TEMPERATURE, { qos: 1 });
    await client.publishAsync('sensors/d-1/telemetry', TEMPERATURE, { qos: 1 });
    await expect.poll(() => heard).toEqual(['sensors/d-1/telemetry']);
    // Nor does it hear it later, from its session.
    await client.endAsync();
    await other.publishAsync('sensors/d-2/telemetry', TEMPERATURE, { qos: 1 });
    const again = mqtt.connect(url, { ...D1, clean: false, reconnectPeriod: 0, protocolVersion: 4 });
    cleanups.push(() => again.endAsync(true));
    again.on('message', (topic) => heard.push(topic));
    await again.publishAsync('sensors/d-1/telemetry', TEMPERATURE, { qos: 1 });
    await expect.poll(() => heard).toEqual(['sensors/d-1/telemetry', 'sensors/d-1/telemetry']);
  });

  it('a user does what is listed, $SYS included; what is retained for others it does not get', async () => {
    const { url, broker } = await start();
    const board = await connect(url, BOARD);
    await broker.publish('tocsin/alerts/x', '{}', { retain: true });
    const refused = await board.subscribeAsync('tocsin/#').then(
      () => 'granted',
      (error: Error) => error.message,
    );
    expect(refused).toMatch(/subscribe|128|failure|unspecified/i);
    const heard: string[] = [];
    board.on('message', (topic) => heard.push(topic.replace(/SYS\/[^/]+/, 'SYS/…')));
    expect(await board.subscribeAsync(['$SYS/#', 'sensors/+/telemetry'])).toHaveLength(2);
    const client = await connect(url, D1);
    await client.publishAsync('sensors/d-1/telemetry', TEMPERATURE, { retain: true });
    await expect.poll(() => heard).toEqual(expect.arrayContaining(['$SYS/…/new/clients', 'sensors/d-1/telemetry']));
    expect(heard).not.toContain('tocsin/alerts/x');
  });

  it('a will passes the same rules', async () => {
    const { url } = await start();
    const board = await connect(url, BOARD);
    const heard: string[] = [];
    board.on('message', (topic) => heard.push(topic));
    await board.subscribeAsync('sensors/#');
    const will = (topic: string): IClientOptions => ({ ...D1, will: { topic, payload: Buffer.from('gone'), qos: 1 } });
    for (const topic of ['sensors/d-2/lwt', 'sensors/d-1/lwt']) {
      const client = await connect(url, will(topic));
      client.stream.destroy();
      await closed(client);
    }
    await expect.poll(() => heard).toEqual(['sensors/d-1/lwt']);
  });

  it('nobody takes over the client id that somebody else holds', async () => {
    const { url } = await start({ anonymous: true });
    const board = await connect(url, { ...BOARD, clientId: 'shared' });
    await expect(connect(url, { ...D1, clientId: 'shared' })).rejects.toThrow('2');
    await expect(connect(url, { clientId: 'shared' })).rejects.toThrow('2');
    expect(board.connected).toBe(true);
    const ended = closed(board);
    await connect(url, { ...BOARD, clientId: 'shared' });
    await ended;
  });
});

describe('a change while clients are connected', () => {
  it('closes who logged in with what is gone, and nobody else', async () => {
    const instance = await start();
    const client = await connect(instance.url, D1);
    const board = await connect(instance.url, BOARD);
    instance.use({ credentials: [device('d-1', 'newer', 'one'), USER] });
    await client.publishAsync('sensors/d-1/telemetry', TEMPERATURE, { qos: 1 });
    const newer = await connect(instance.url, { username: 'd-1', password: 'newer', clientId: 'second' });
    const ended = closed(client);
    instance.use({ credentials: [device('d-1', 'newer'), USER] });
    await ended;
    await newer.publishAsync('sensors/d-1/telemetry', TEMPERATURE, { qos: 1 });
    expect(board.connected).toBe(true);
    await expect(connect(instance.url, D1)).rejects.toThrow('5');
  });

  it('takes away at once what a user may read no more', async () => {
    const instance = await start();
    const board = await connect(instance.url, BOARD);
    const heard: string[] = [];
    board.on('message', (topic) => heard.push(topic));
    await board.subscribeAsync('sensors/#');
    const client = await connect(instance.url, D1);
    await client.publishAsync('sensors/d-1/a', '1', { qos: 1 });
    await expect.poll(() => heard).toEqual(['sensors/d-1/a']);
    instance.use({ credentials: [device('d-1', 'one'), { ...USER, subscribe: ['sensors/d-1/b'] }] });
    await client.publishAsync('sensors/d-1/a', '2', { qos: 1 });
    await client.publishAsync('sensors/d-1/b', '3', { qos: 1 });
    await expect.poll(() => heard).toEqual(['sensors/d-1/a', 'sensors/d-1/b']);
  });

  it('disconnects clients without a name, where they may be no more', async () => {
    const instance = await start({ anonymous: true });
    const client = await connect(instance.url);
    const ended = closed(client);
    instance.use({ anonymous: false });
    await ended;
    await expect(connect(instance.url)).rejects.toThrow('5');
  });
});

describe('TLS', () => {
  const files = (clientCert: TlsFiles['clientCert'] = 'off'): TlsFiles => ({ ...server, ca: authority.ca, clientCert });
  const trusting = (more: IClientOptions = {}): IClientOptions => ({ ca: readFileSync(authority.ca), ...more });
  const certified = (name: string, options: { commonName?: string; names?: string } = {}): IClientOptions => {
    const { cert, key } = authority.issue(name, options);
    return { cert: readFileSync(cert), key: readFileSync(key) };
  };

  it.each(['mqtts', 'wss'] as const)('%s: connects who trusts the authority, with the same rules', async (scheme) => {
    const { url, journal } = await start({ scheme, tls: files() });
    const client = await connect(url, trusting(D1));
    await client.publishAsync('sensors/d-1/telemetry', TEMPERATURE, { qos: 1 });
    expect(await devicesIn(journal)).toEqual(['d-1']);
    await expect(connect(url, trusting({ ...D1, password: 'x' }))).rejects.toThrow('5');
    await expect(connect(url, D1)).rejects.toThrow(/self-signed|unable to (?:get|verify)/);
  });

  it('speaks 1.2 and later only', async () => {
    const { url } = await start({ scheme: 'mqtts', tls: files() });
    const shake = (maxVersion: 'TLSv1.1' | 'TLSv1.2'): Promise<string | null> =>
      new Promise((resolve, reject) => {
        const options = {
          port: Number(new URL(url).port),
          host: '127.0.0.1',
          rejectUnauthorized: false,
          minVersion: 'TLSv1' as const,
          maxVersion,
        };
        const socket: TLSSocket = connectTls({ ...options, ciphers: 'DEFAULT@SECLEVEL=0' }, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.once('error', reject);
      });
    expect(await shake('TLSv1.2')).toBe('TLSv1.2');
    await expect(shake('TLSv1.1')).rejects.toThrow();
  });

  it.each(['mqtts', 'wss'] as const)('%s: knows a device by the name in its certificate', async (scheme) => {
    const { url, journal } = await start({ scheme, tls: files('optional') });
    const client = await connect(url, trusting(certified('d-7')));
    const other = await connect(url, trusting(certified('acme', { names: 'DNS:d-2' })));
    for (const topic of ['sensors/d-7/telemetry', 'sensors/d-1/telemetry']) await client.publishAsync(topic, TEMPERATURE, { qos: 1 });
    await other.publishAsync('sensors/d-2/telemetry', TEMPERATURE, { qos: 1 });
    expect(await devicesIn(journal)).toEqual(['d-7', 'd-2']);
    // Without a certificate a password is needed.
    await expect(connect(url, trusting())).rejects.toThrow('5');
    await connect(url, trusting(D1));
  });

  it('of another authority is no certificate at all', async () => {
    const { url } = await start({ scheme: 'mqtts', tls: files('optional') });
    const { cert, key } = createAuthority(folder, 'other').issue('forged', { commonName: 'd-1' });
    await expect(connect(url, trusting({ cert: readFileSync(cert), key: readFileSync(key) }))).rejects.toThrow('5');
  });

  it('with a certificate required lets nobody else as far as a login', async () => {
    const { url, registry } = await start({ scheme: 'mqtts', tls: files('required') });
    await expect(connect(url, trusting(D1))).rejects.toThrow();
    await connect(url, trusting(certified('d-8')));
    expect(await registry.metrics()).toContain('tocsin_mqtt_handshakes_failed_total{reason="failed"} 1');
  });

  it('exchanges the certificate while clients stay, and keeps the old one for one that does not fit its key', async () => {
    const shown = { cert: join(folder, 'shown.pem'), key: join(folder, 'shown.key') };
    const show = (from: { cert: string; key: string }, parts: ('cert' | 'key')[] = ['cert', 'key']): void => {
      for (const part of parts) copyFileSync(from[part], shown[part]);
    };
    show(server);
    const { url, broker } = await start({ scheme: 'mqtts', tls: { ...shown, ca: null, clientCert: 'off' } });
    const client = await connect(url, trusting(D1));
    const second = createAuthority(folder, 'second');
    const renewed = second.issue('renewed');
    show(renewed, ['cert']);
    broker.renewCertificates();
    await connect(url, trusting({ ...D1, clientId: 'a' }));
    show(renewed);
    broker.renewCertificates();
    await connect(url, { ...D1, clientId: 'b', ca: readFileSync(second.ca) });
    await expect(connect(url, trusting({ ...D1, clientId: 'c' }))).rejects.toThrow();
    await client.publishAsync('sensors/d-1/telemetry', TEMPERATURE, { qos: 1 });
  });
});
