/** Each limit of the gate is reached, counted and logged; what is within it goes on. */
import mqtt from 'mqtt';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/std/clock.ts';
import { connectPacket, disconnectPacket, pingPacket, publishPacket, pubrelPacket } from '../../load/wire.ts';
import { type Instance, LIMITS, RawSocket, refusals, startInstance } from './harness.ts';

const connack = (isSessionPresent: boolean): Buffer => Buffer.from([0x20, 2, isSessionPresent ? 1 : 0, 0]);
const PINGRESP = Buffer.from([0xd0, 0]);
const connectAs = (clientId: string, clean = true, keepaliveSeconds = 0): Buffer => connectPacket({ clientId, clean, keepaliveSeconds });
const publish = (packetId: number, options: { qos?: 0 | 1 | 2; payload?: string | Buffer; topic?: string } = {}): Buffer =>
  publishPacket({ topic: 'sensors/d/t', payload: '1', qos: 1, packetId, ...options });
const puback = (packetId: number): Buffer => Buffer.from([0x40, 2, packetId >>> 8, packetId & 0xff]);
const pubrec = (packetId: number): Buffer => Buffer.from([0x50, 2, packetId >>> 8, packetId & 0xff]);
const accepted = (instance: Instance): Promise<number> => instance.metric('tocsin_messages_total{outcome="accepted"}');
const refused = (instance: Instance): Promise<number> => instance.metric('tocsin_messages_total{outcome="refused"}');
const connections = (instance: Instance): Promise<number> => instance.metric('tocsin_mqtt_connections');

async function connected(instance: Instance, packet: Buffer, isSessionPresent = false): Promise<RawSocket> {
  const client = new RawSocket(instance.port).send(packet);
  expect(await client.next(4)).toEqual(connack(isSessionPresent));
  return client;
}

describe('a publish larger than mqtt.limits.packetBytes', () => {
  const large = Buffer.alloc(3_000_000, 'x');
  it('is acknowledged in its turn at QoS 1 and 2, and dropped', async () => {
    await using instance = await startInstance();
    using client = await connected(instance, connectAs('c'));
    client.send(publish(1), publish(2, { payload: large }), publish(3));
    expect(await client.next(12)).toEqual(Buffer.concat([puback(1), puback(2), puback(3)]));
    client.send(publish(4, { qos: 2 }), publish(5, { payload: large, qos: 2 }), publish(6, { qos: 2 }));
    expect(await client.next(12)).toEqual(Buffer.concat([pubrec(4), pubrec(5), pubrec(6)]));
    client.send(pubrelPacket(5));
    expect(await client.next(4)).toEqual(Buffer.from([0x70, 2, 0, 5]));
    expect([await accepted(instance), await refused(instance)]).toEqual([4, 2]);
    expect(await refusals(instance, 'too-large')).toBe(2);
    expect(await refusals(instance, 'may-not-publish')).toBe(0);
    expect(instance.logged.filter((line) => line.includes('mqtt.limits.packetBytes'))).toHaveLength(1);
  });

  it('is dropped at QoS 0, and what comes behind it is read', async () => {
    await using instance = await startInstance();
    using client = await connected(instance, connectAs('c'));
    client.send(publish(0, { qos: 0, payload: large }), pingPacket);
    expect(await client.next(2)).toEqual(PINGRESP);
    expect(await refused(instance)).toBe(1);
  });

  it.each([100_000, 100_001])('begins at a remaining length of %i of 100000, whatever the pieces', async (length) => {
    await using instance = await startInstance();
    using client = await connected(instance, connectAs('c'));
    const whole = publish(7, { topic: 'chat/x', payload: Buffer.alloc(length - 2 - 6 - 2, 'x') });
    for (let at = 0; at < 16; at++) {
      client.send(whole.subarray(at, at + 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.send(whole.subarray(16));
    expect(await client.next(4)).toEqual(puback(7));
    expect(await refused(instance)).toBe(length - 100_000);
  });

  it('without a packet identifier closes the connection', async () => {
    await using instance = await startInstance();
    using client = await connected(instance, connectAs('c'));
    client.send(publish(0, { payload: large }));
    expect(await client.closed()).toEqual(Buffer.alloc(0));
  });

  it('over a WebSocket is acknowledged too when it comes in frames that are not too large', async () => {
    await using instance = await startInstance();
    const client = await mqtt.connectAsync(`ws://127.0.0.1:${instance.webSocketPort}`, { reconnectPeriod: 0 });
    await client.publishAsync('sensors/d/t', Buffer.alloc(LIMITS.packetBytes + 1000), { qos: 1 });
    await client.endAsync();
    expect(await refused(instance)).toBe(1);
  });
});

describe('a topic with too many levels', () => {
  it('is acknowledged and dropped', async () => {
    await using instance = await startInstance();
    using client = await connected(instance, connectAs('c'));
    client.send(publish(1, { topic: 'a/'.repeat(100) }), publish(2, { topic: `${'a/'.repeat(99)}a` }));
    expect(await client.next(8)).toEqual(Buffer.concat([puback(1), puback(2)]));
    expect(await refused(instance)).toBe(1);
    expect(await refusals(instance, 'levels')).toBe(1);
  });
});

describe('time', () => {
  it('to CONNECT is 5 s, though its bytes come one by one', async () => {
    await using instance = await startInstance();
    using client = new RawSocket(instance.port);
    const packet = connectAs('x'.repeat(100));
    await expect.poll(() => connections(instance)).toBe(1);
    instance.skip(4000);
    for (let at = 0; at < packet.length - 1 && !client.isClosed; at++) {
      client.send(packet.subarray(at, at + 1));
      await systemClock.sleep(50);
    }
    expect(client.isClosed).toBe(true);
    expect(await refusals(instance, 'connect-time')).toBe(1);
  });

  it('to end a packet once begun is bounded, and none at all between packets', async () => {
    await using instance = await startInstance();
    using idle = await connected(instance, connectAs('idle'));
    using client = await connected(instance, connectAs('c'));
    client.send(publish(1).subarray(0, 8));
    await expect.poll(() => instance.metric('tocsin_mqtt_unfinished_bytes')).toBeGreaterThan(0);
    instance.skip(32_000);
    await client.closed();
    expect(await refusals(instance, 'packet-time')).toBe(1);
    expect(await instance.metric('tocsin_mqtt_unfinished_bytes')).toBe(0);
    instance.skip(3_600_000);
    await systemClock.sleep(600);
    expect(idle.isClosed).toBe(false);
    idle.send(pingPacket);
    expect(await idle.next(2)).toEqual(PINGRESP);
  });

  it('to answer CONNECT is bounded: one that never is answered is not kept', async () => {
    await using instance = await startInstance({}, { journalBytesMax: 100 });
    using failing = await connected(instance, connectAs('c'));
    failing.send(publish(1, { payload: Buffer.alloc(500, 'x') }));
    await failing.closed();
    // It waits now before it is let in again.
    using client = new RawSocket(instance.port).send(connectAs('c'), pingPacket);
    await systemClock.sleep(100);
    instance.skip(31_000);
    expect(await client.closed()).toEqual(Buffer.alloc(0));
    expect(await refusals(instance, 'check-time')).toBe(1);
  });

  it('without a word is 1.5 times the keepalive', async () => {
    await using instance = await startInstance();
    using client = await connected(instance, connectAs('c', true, 1));
    const startMs = systemClock.monotonicMs();
    await client.closed();
    expect(systemClock.monotonicMs() - startMs).toBeGreaterThan(1300);
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(2500);
  });
});

describe('a client over mqtt.limits.messagesPerSecond', () => {
  it('is read more slowly, loses nothing and is not closed, whatever its keepalive', { timeout: 15_000 }, async () => {
    await using instance = await startInstance({ messagesPerSecond: 20 });
    using client = await connected(instance, connectAs('c', true, 1));
    const startMs = systemClock.monotonicMs();
    client.send(...Array.from({ length: 80 }, (_, n) => publish(n + 1)));
    for (let n = 1; n <= 80; n++) expect(await client.next(4)).toEqual(puback(n));
    const tookMs = systemClock.monotonicMs() - startMs;
    expect(tookMs).toBeGreaterThan(2500);
    expect(tookMs).toBeLessThan(6000);
    expect(await refusals(instance, 'rate')).toBeGreaterThan(3);
  });

  it('is heard to the end though it has gone meanwhile', async () => {
    await using instance = await startInstance({ messagesPerSecond: 20 });
    const client = await connected(instance, connectAs('c'));
    client.send(...Array.from({ length: 45 }, () => publish(0, { qos: 0 })), disconnectPacket);
    client.socket.end();
    await expect.poll(() => accepted(instance), { timeout: 4000 }).toBe(45);
  });

  it('leaves others their own rate', async () => {
    await using instance = await startInstance({ messagesPerSecond: 20 });
    using flood = await connected(instance, connectAs('flood'));
    flood.send(...Array.from({ length: 500 }, (_, n) => publish(n + 1)));
    using client = await connected(instance, connectAs('c'));
    const startMs = systemClock.monotonicMs();
    client.send(publish(1));
    await client.next(4);
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(500);
  });
});

describe('a chunk of very many small packets', () => {
  it('is taken in doses, in order, and to its end although the client is gone', async () => {
    await using instance = await startInstance();
    using client = await connected(instance, connectAs('c'));
    client.send(...Array.from({ length: 5000 }, (_, n) => publish(n + 1, { topic: 'a', payload: '' })));
    for (let n = 1; n <= 5000; n++) expect(await client.next(4)).toEqual(puback(n));
    const count = await accepted(instance);
    client.send(...Array.from({ length: 5000 }, () => publish(0, { qos: 0 })), disconnectPacket);
    client.socket.end();
    await expect.poll(() => accepted(instance)).toBe(count + 5000);
  });
});

describe('connections', () => {
  it('from one address are limited by mqtt.limits.connectionsPerAddress', async () => {
    await using instance = await startInstance({ connectionsPerAddress: 2 });
    using first = await connected(instance, connectAs('a'));
    using second = await connected(instance, connectAs('b'));
    using third = new RawSocket(instance.port).send(connectAs('c'));
    await third.closed();
    expect(await refusals(instance, 'address')).toBe(1);
    first.socket.destroy();
    await expect.poll(() => connections(instance)).toBe(1);
    using fourth = await connected(instance, connectAs('d'));
    expect([second.isClosed, fourth.isClosed]).toEqual([false, false]);
  });

  it('on which no WebSocket was asked for count too, and end within seconds', { timeout: 15_000 }, async () => {
    await using instance = await startInstance({ connections: 2 });
    using silent = new RawSocket(instance.webSocketPort);
    using other = new RawSocket(instance.webSocketPort);
    await expect.poll(() => connections(instance)).toBe(2);
    using third = new RawSocket(instance.port).send(connectAs('c'));
    await third.closed();
    expect(await refusals(instance, 'connections')).toBe(1);
    await expect.poll(() => silent.isClosed && other.isClosed, { timeout: 9000 }).toBe(true);
  });

  it('of one name, 3,000 in a row, leave one', { timeout: 60_000 }, async () => {
    await using instance = await startInstance();
    let last: RawSocket | undefined;
    for (let round = 0; round < 150; round++) {
      const clients = Array.from({ length: 20 }, () => new RawSocket(instance.port).send(connectAs('same')));
      await Promise.race(clients.map((client) => client.next(4).catch(() => new Promise(() => undefined))));
      for (const client of clients) if (client !== last && !client.isClosed && round < 149) client.socket.destroy();
      last = clients.at(-1);
    }
    using client = await connected(instance, connectAs('same'));
    await expect.poll(() => connections(instance)).toBe(1);
    client.send(pingPacket);
    expect(await client.next(2)).toEqual(PINGRESP);
    client.socket.destroy();
    await expect.poll(() => connections(instance)).toBe(0);
  });
});

describe('what one client may have', () => {
  const subscribe = (packetId: number, from: number, count: number): Buffer => {
    const entries = Array.from({ length: count }, (_, n) => `f${from + n}`).map((filter) =>
      Buffer.concat([Buffer.from([0, filter.length]), Buffer.from(filter), Buffer.from([0])]),
    );
    const body = Buffer.concat([Buffer.from([0, packetId]), ...entries]);
    return Buffer.concat([Buffer.from([0x82, (body.length & 0x7f) | 0x80, body.length >>> 7]), body]);
  };

  it('1000 subscriptions: SUBACK says 0x80 of those beyond, and one that is given up makes room', async () => {
    await using instance = await startInstance();
    using client = await connected(instance, connectAs('c'));
    client.send(subscribe(1, 0, 990));
    expect((await client.next(5 + 990)).subarray(5).every((code) => code === 0)).toBe(true);
    client.send(subscribe(2, 980, 30));
    const codes = (await client.next(4 + 30)).subarray(4);
    expect([...codes]).toEqual([...new Array(20).fill(0), ...new Array(10).fill(0x80)]);
    expect(await refusals(instance, 'subscriptions')).toBe(10);
    client.send(Buffer.concat([Buffer.from([0xa2, 6, 0, 3, 0, 2]), Buffer.from('f1')]));
    await client.next(4);
    client.send(subscribe(4, 5000, 18));
    expect([...(await client.next(4 + 18)).subarray(4)]).toEqual([0, ...new Array(17).fill(0x80)]);
  });

  it('1000 filters taken or given up at once, and 200 a second from then on', async () => {
    await using instance = await startInstance();
    using client = await connected(instance, connectAs('c'));
    const startMs = systemClock.monotonicMs();
    client.send(subscribe(1, 0, 1000), ...Array.from({ length: 300 }, (_, n) => subscribe(2, n, 1)));
    await client.next(5 + 1000 + 300 * 5);
    expect(await refusals(instance, 'request-rate')).toBeGreaterThan(0);
    expect(systemClock.monotonicMs() - startMs).toBeGreaterThan(800);
    expect(client.isClosed).toBe(false);
  });

  it('1000 messages at QoS 2 that it does not release, over all its connections', async () => {
    await using instance = await startInstance();
    for (const from of [0, 500]) {
      using client = await connected(instance, connectAs('c', false), from > 0);
      client.send(...Array.from({ length: 500 }, (_, n) => publish(from + n + 1, { qos: 2 })));
      await client.next(2000);
    }
    using client = await connected(instance, connectAs('c', false), true);
    client.send(publish(1000, { qos: 2 }));
    expect(await client.next(4)).toEqual(pubrec(1000));
    client.send(publish(1001, { qos: 2 }));
    await client.closed();
    expect(await refusals(instance, 'open-messages')).toBe(1);
    using again = await connected(instance, connectAs('c', false), true);
    again.send(pubrelPacket(1));
    await again.next(4);
    again.send(publish(1001, { qos: 2 }));
    expect(await again.next(4)).toEqual(pubrec(1001));
  });
});
