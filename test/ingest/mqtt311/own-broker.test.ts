/** What only our own broker can be asked, as it takes its stop, its clock, its own messages or its WebSocket listener. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { type OwnBroker, runOwnBroker } from './own-broker.ts';
import { CONNACK, connect, type Packet, PINGRESP, PUBACK, parse, ping, publish } from './packets.ts';
import { Bench } from './statements.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function setUp(): Promise<{ own: OwnBroker; bench: Bench }> {
  const own = await runOwnBroker();
  const bench = new Bench(own.target);
  cleanups.push(
    () => own.stop(),
    () => bench.end(),
  );
  return { own, bench };
}

describe('wills', () => {
  it('[MQTT-3.1.2-8] of connected clients are not published because the wall clock steps forward', async () => {
    const intervals = vi.spyOn(globalThis, 'setInterval');
    const { bench } = await setUp();
    const watcher = await bench.subscriber(bench.name(), 0);
    await bench.client({ will: { topic: bench.name(), payload: 'gone' } });
    // Every four minutes Aedes looks for brokers that have died, and left the wills of their clients behind.
    const looks = intervals.mock.calls.filter(([, delayMs]) => delayMs === 240_000);
    expect(looks).toHaveLength(1);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    for (const [look] of looks) look();
    expect(await watcher.restOfPublishes()).toEqual([]);
  });

  it('[MQTT-3.1.2-8] are published when the broker stops, into the journal that is still open', async () => {
    const { own, bench } = await setUp();
    await bench.client({ will: { topic: 'sensors/d1/state', payload: '1', qos: 1 } });
    await own.stop();
    expect(await own.journaled()).toEqual(['d1']);
  });
});

describe('topics that begin with $', () => {
  it('[MQTT-4.7.2-1] of the program itself reach no wildcard in the first level', async () => {
    const { own, bench } = await setUp();
    const client = await bench.client();
    await client.subscribe(['#', 0], ['+/x', 0]);
    await own.broker.publish('$own/x', '1', { retain: true });
    await own.broker.publish('own/x', '2', { retain: false });
    expect((await client.publishes(1))[0]?.payload).toBe('2');
    await client.subscribe(['#', 1]);
    expect(await client.restOfPublishes()).toEqual([]);
  });
});

describe('WebSocket', () => {
  const open = async (url: string, protocols: string[]): Promise<WebSocket> => {
    const socket = new WebSocket(url, protocols);
    cleanups.push(() => socket.terminate());
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return socket;
  };
  const packetsOf = (socket: WebSocket): Packet[] => {
    const packets: Packet[] = [];
    let rest: Buffer = Buffer.alloc(0);
    socket.on('message', (data: Buffer) => {
      const parsed = parse(Buffer.concat([rest, data]));
      packets.push(...parsed.packets);
      rest = parsed.rest;
    });
    return packets;
  };

  it('[MQTT-6.0.0-2] packets may be cut and joined at the borders of frames', async () => {
    const { own } = await setUp();
    const socket = await open(own.webSocketUrl, ['mqtt']);
    const packets = packetsOf(socket);
    const bytes = Buffer.concat([connect({ id: 'ws' }), publish('a', 'b', { qos: 1, id: 5 }), ping]);
    for (const [start, end] of [
      [0, 3],
      [3, 20],
      [20, bytes.length],
    ])
      socket.send(bytes.subarray(start, end));
    await expect.poll(() => packets.map(({ type }) => type)).toEqual(expect.arrayContaining([CONNACK, PUBACK, PINGRESP]));
  });

  it('[MQTT-6.0.0-3] a client that does not offer mqtt, and [MQTT-6.0.0-4] the answer to one that does among others', async () => {
    const { own } = await setUp();
    expect((await open(own.webSocketUrl, ['other', 'mqtt'])).protocol).toBe('mqtt');
    await expect(open(own.webSocketUrl, ['other'])).rejects.toThrow();
  });

  it('[MQTT-6.0.0-1] a frame of text ends the connection', async () => {
    const { own } = await setUp();
    const socket = await open(own.webSocketUrl, ['mqtt']);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.send(connect({ id: 'ws' }).toString('latin1'));
    await closed;
  });
});
