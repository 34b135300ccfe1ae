/** Chapters 3.1 and 3.2: CONNECT and CONNACK, with sessions, wills and keepalive. */
import { expect } from 'vitest';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { CONNACK, CONNECT, connect, disconnect, frame, PUBACK, ping, publish, subscribe, text, uint16 } from './packets.ts';
import type { RawClient } from './raw-client.ts';
import { type Bench, holdTo, type Statement } from './statements.ts';

/** The connection ends, and no CONNACK accepts it before. */
const refuses =
  (...packets: readonly Buffer[]) =>
  async (bench: Bench): Promise<void> => {
    const client = await bench.open();
    client.send(...packets);
    const before = await client.closed();
    expect(before.filter(({ type }) => type === CONNACK)).toEqual([]);
  };

const refusesWithCode =
  (code: number, packet: Buffer) =>
  async (bench: Bench): Promise<void> => {
    const client = await bench.open();
    client.send(packet);
    expect([...(await client.next(CONNACK)).body]).toEqual([0, code]);
    await client.closed();
  };

/** Subscribes to the will of a client, which then comes to its end. @returns what came of the will, after a while */
const willAfter = async (
  bench: Bench,
  will: { qos?: 0 | 1 | 2; retain?: boolean } | null,
  end: (client: RawClient, watcher: RawClient) => Promise<void> | void,
  keepaliveSeconds = 0,
) => {
  const topic = bench.name('/will');
  const watcher = await bench.subscriber(topic, 2);
  const client = await bench.client({
    id: bench.name('mortal'),
    keepaliveSeconds,
    ...(will !== null && { will: { topic, payload: 'gone', ...will } }),
  });
  await end(client, watcher);
  return watcher.restOfPublishes();
};

const raw = (flags: number, ...payload: readonly Buffer[]): Buffer =>
  frame(CONNECT, 0, text('MQTT'), Buffer.from([4, flags]), uint16(0), ...payload);

const beginnings: readonly Statement[] = [
  { id: 'MQTT-3.1.0-1', says: 'the first packet is a CONNECT: else closed (PINGREQ)', run: refuses(ping) },
  { id: 'MQTT-3.1.0-1', says: 'the first packet is a CONNECT: else closed (PUBLISH)', run: refuses(publish('a', 'b')) },
  { id: 'MQTT-3.1.0-1', says: 'the first packet is a CONNECT: else closed (SUBSCRIBE)', run: refuses(subscribe(1, ['a', 0])) },
  {
    id: 'MQTT-3.1.0-2',
    says: 'a second CONNECT ends the connection',
    run: async (bench) => {
      const client = await bench.client();
      client.send(connect({ id: bench.name('again') }));
      await client.closed();
    },
  },
  { id: 'MQTT-3.1.2-1', says: 'a wrong protocol name is not served', run: refuses(connect({ id: 'x', protocol: 'MQTY' })) },
  {
    id: 'MQTT-3.1.2-2',
    says: 'an unknown protocol level gets CONNACK 1 and is closed',
    run: refusesWithCode(1, connect({ id: 'x', level: 9 })),
  },
  {
    id: 'MQTT-3.1.2-2',
    says: 'level 5 is served or gets CONNACK 1, so that the client can fall back',
    kind: 'own',
    run: refusesWithCode(1, frame(CONNECT, 0, text('MQTT'), Buffer.from([5, 2]), uint16(0), Buffer.from([0]), text('x'))),
  },
  { id: 'MQTT-3.1.2-3', says: 'the reserved connect flag must be 0', run: refuses(connect({ id: 'x', flags: 3 })) },
  {
    id: 'MQTT-2.2.2-2',
    says: 'flags of the fixed header of CONNECT must be 0',
    run: refuses(frame(CONNECT, 1, connect({ id: 'x' }).subarray(2))),
  },
  { id: 'MQTT-3.1.2-9', says: 'the will flag asks for a will topic and message', run: refuses(raw(2 | 4, text('x'))) },
  {
    id: 'MQTT-3.1.2-11',
    says: 'without the will flag, will QoS and retain are 0, and no will follows',
    run: refuses(raw(2 | 32 | 8, text('x'))),
  },
  { id: 'MQTT-3.1.2-13', says: 'without the will flag, will QoS is 0', run: refuses(raw(2 | 8, text('x'))) },
  {
    id: 'MQTT-3.1.2-14',
    says: 'will QoS is not 3',
    run: refuses(connect({ id: 'x', will: { topic: 'w', payload: 'p', qos: 3 } })),
  },
  { id: 'MQTT-3.1.2-15', says: 'without the will flag, will retain is 0', run: refuses(raw(2 | 32, text('x'))) },
  { id: 'MQTT-3.1.2-18', says: 'without the user name flag, no user name follows', run: refuses(raw(2, text('x'), text('user'))) },
  { id: 'MQTT-3.1.2-19', says: 'the user name flag asks for a user name', run: refuses(raw(2 | 128, text('x'))) },
  {
    id: 'MQTT-3.1.2-20',
    says: 'without the password flag, no password follows',
    run: refuses(raw(2 | 128, text('x'), text('u'), text('p'))),
  },
  { id: 'MQTT-3.1.2-21', says: 'the password flag asks for a password', run: refuses(raw(2 | 128 | 64, text('x'), text('u'))) },
  { id: 'MQTT-3.1.2-22', says: 'no password without a user name', run: refuses(raw(2 | 64, text('x'), text('p'))) },
  { id: 'MQTT-3.1.3-3', says: 'the client identifier must be there', run: refuses(raw(2)) },
  { id: 'MQTT-3.1.3-4', says: 'the client identifier is UTF-8', run: refuses(connect({ id: Buffer.from([0x61, 0xc3, 0x28]) })) },
  {
    id: 'MQTT-3.1.3-5',
    says: '1 to 23 letters and digits are a client identifier',
    run: async (bench) => {
      // Both ends of each range of characters, in lengths 1 and 23.
      for (const id of ['Z', '0189abyzABYZ', bench.name('abcdefghijklmnop').slice(0, 23)]) await bench.client({ id });
    },
  },
  {
    id: 'MQTT-3.1.3-6',
    says: 'an empty client identifier with a clean session gets one that nobody has',
    run: async (bench) => {
      const [one, other] = [await bench.client({ id: '' }), await bench.client({ id: '' })];
      await one.alive();
      await other.alive();
      await one.subscribe([bench.name(), 0]);
      await bench.publish(bench.name(), 'x');
      expect(await one.publishes(1)).toHaveLength(1);
      expect(await other.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'MQTT-3.1.3-8',
    says: 'an empty client identifier with CleanSession 0 gets CONNACK 2 and is closed',
    run: refusesWithCode(2, connect({ id: '', clean: false })),
  },
  {
    id: 'MQTT-3.1.3-10',
    says: 'the will topic is UTF-8',
    run: refuses(connect({ id: 'x', will: { topic: Buffer.from([0x61, 0xff]), payload: 'p' } })),
  },
  { id: 'MQTT-3.1.3-11', says: 'the user name is UTF-8', run: refuses(connect({ id: 'x', username: Buffer.from([0xfe]), password: 'p' })) },
  {
    id: 'MQTT-3.1.4-1',
    says: 'a malformed CONNECT is closed without CONNACK',
    run: refuses(frame(CONNECT, 0, text('MQTT'), Buffer.from([4, 2, 0]))),
  },
  {
    id: 'MQTT-3.1.4-1',
    says: 'a CONNECT with bytes after its end is closed without CONNACK',
    run: refuses(raw(2, text('x'), Buffer.from([1]))),
  },
  {
    id: 'MQTT-3.1.4-5',
    says: 'what follows a refused CONNECT is not processed',
    run: async (bench) => {
      const watcher = await bench.subscriber(bench.name(), 0);
      const client = await bench.open();
      client.send(connect({ id: 'x', level: 9 }), publish(bench.name(), 'unheard'));
      expect(await watcher.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'MQTT-3.2.0-1',
    says: 'CONNACK is the first packet, whatever was sent along with CONNECT',
    run: async (bench) => {
      const id = bench.name('p');
      const first = await bench.subscriber(bench.name('/#'), 1, { id, clean: false });
      first.send(disconnect);
      await first.closed();
      await bench.publish(bench.name('/a'), 'queued', { qos: 1 });
      const client = await bench.open();
      client.send(connect({ id, clean: false }), ping, subscribe(5, [bench.name('/b'), 0]));
      expect((await client.next()).type).toBe(CONNACK);
      expect((await client.publishes(1))[0]?.payload).toBe('queued');
    },
  },
];

const sessions: readonly Statement[] = [
  {
    id: 'MQTT-3.1.2-4',
    says: 'CleanSession 0 resumes the session, with its subscriptions',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name('/+'), 1, { id, clean: false })).destroy();
      const again = await bench.open();
      expect(await again.connect({ id, clean: false })).toEqual({ code: 0, sessionPresent: true });
      await bench.publish(bench.name('/a'), 'x', { qos: 1 });
      expect((await again.publishes(1))[0]).toMatchObject({ payload: 'x', qos: 1 });
    },
  },
  {
    id: 'MQTT-3.1.2-5',
    says: 'QoS 1 and 2 messages are kept for a session that is away',
    run: async (bench) => {
      const id = bench.name('p');
      const first = await bench.subscriber(bench.name('/#'), 2, { id, clean: false });
      first.send(disconnect);
      await first.closed();
      await bench.publish(bench.name('/a'), 'one', { qos: 1 });
      await bench.publish(bench.name('/a'), 'two', { qos: 2 });
      const again = await bench.client({ id, clean: false });
      const kept = await again.publishes(2);
      expect(kept.map(({ payload, qos, dup, retain }) => [payload, qos, dup, retain])).toEqual([
        ['one', 1, false, false],
        ['two', 2, false, false],
      ]);
    },
  },
  {
    id: 'MQTT-3.1.2-5',
    says: 'each message is kept once, whatever number of filters match',
    run: async (bench) => {
      const id = bench.name('p');
      const first = await bench.client({ id, clean: false });
      await first.subscribe([bench.name('/#'), 1], [bench.name('/+'), 2]);
      first.destroy();
      await bench.publish(bench.name('/a'), 'once', { qos: 2 });
      const again = await bench.client({ id, clean: false });
      const kept = (await again.restOfPublishes()).map(({ qos }) => qos).sort();
      // Once at the greatest QoS, or once for each filter at its own.
      expect(kept.length === 1 ? kept : [kept[1]]).toEqual([2]);
      expect(new Set(kept).size).toBe(kept.length);
    },
  },
  {
    id: 'MQTT-3.1.2-6',
    says: 'CleanSession 1 discards the session, its subscriptions and what it was to get',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name(), 1, { id, clean: false })).destroy();
      await bench.publish(bench.name(), 'lost', { qos: 1 });
      const clean = await bench.client({ id });
      await bench.publish(bench.name(), 'unheard', { qos: 1 });
      expect(await clean.restOfPublishes()).toEqual([]);
      clean.destroy();
      const again = await bench.open();
      expect(await again.connect({ id, clean: false })).toEqual({ code: 0, sessionPresent: false });
      expect(await again.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'MQTT-3.1.2-7',
    says: 'retained messages outlive the session of their publisher',
    run: async (bench) => {
      const client = await bench.client({ id: bench.name('p') });
      client.send(publish(bench.name(), 'stays', { qos: 1, id: 1, retain: true }));
      await client.next(PUBACK);
      client.destroy();
      await bench.client({ id: bench.name('p') });
      expect(await bench.retained(bench.name())).toEqual(['stays']);
    },
  },
  {
    id: 'MQTT-3.1.3-2',
    says: 'state goes by the client identifier, to the letter',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name(), 1, { id, clean: false })).destroy();
      const other = await bench.open();
      expect((await other.connect({ id: id.toUpperCase(), clean: false })).sessionPresent).toBe(false);
      await other.alive();
    },
  },
  {
    id: 'MQTT-3.1.4-2',
    says: 'a client of the same identifier takes over, and the old connection is closed',
    run: async (bench) => {
      const old = await bench.client({ id: bench.name('p') });
      const taker = await bench.client({ id: bench.name('p') });
      await old.closed();
      await taker.alive();
      const third = await bench.client({ id: bench.name('p') });
      await taker.closed();
      await third.alive();
    },
  },
  {
    id: 'MQTT-3.1.4-2',
    says: 'also from a connection that has just been lost, and from one another in a burst',
    run: async (bench) => {
      const id = bench.name('p');
      const all: RawClient[] = [];
      for (let n = 0; n < 10; n++) {
        all.at(-1)?.destroy();
        const client = await bench.open();
        client.send(connect({ id }));
        all.push(client);
      }
      await all[9]?.next(CONNACK);
      const next = await bench.client({ id });
      await all[9]?.closed();
      await next.alive();
    },
  },
  {
    id: 'MQTT-3.1.4-3',
    says: 'a takeover keeps the session of CleanSession 0',
    run: async (bench) => {
      const id = bench.name('p');
      await bench.subscriber(bench.name(), 1, { id, clean: false });
      const taker = await bench.open();
      expect(await taker.connect({ id, clean: false })).toEqual({ code: 0, sessionPresent: true });
      await bench.publish(bench.name(), 'x', { qos: 1 });
      expect(await taker.publishes(1)).toHaveLength(1);
    },
  },
  {
    id: 'MQTT-3.1.4-4',
    says: 'a valid CONNECT gets CONNACK 0',
    run: async (bench) => {
      const client = await bench.open();
      client.send(connect({ id: bench.name('p'), username: 'u', password: 'p', will: { topic: 'w', payload: '', qos: 2 } }));
      const { flags, body } = await client.next(CONNACK);
      expect([flags, ...body]).toEqual([0, 0, 0]);
      client.send(disconnect);
    },
  },
  {
    id: 'MQTT-3.2.2-1',
    says: 'CleanSession 1 gets session present 0, also where a session was',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name(), 1, { id, clean: false })).destroy();
      const client = await bench.open();
      expect(await client.connect({ id })).toEqual({ code: 0, sessionPresent: false });
    },
  },
  {
    id: 'MQTT-3.2.2-2',
    says: 'a stored session is present, though it has no subscriptions',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.client({ id, clean: false })).destroy();
      const client = await bench.open();
      expect(await client.connect({ id, clean: false })).toEqual({ code: 0, sessionPresent: true });
    },
  },
  {
    id: 'MQTT-3.2.2-2',
    says: 'a stored session is present after its last UNSUBSCRIBE',
    run: async (bench) => {
      const id = bench.name('p');
      const first = await bench.subscriber(bench.name(), 1, { id, clean: false });
      first.send(frame(10, 2, uint16(8), text(bench.name())));
      await first.next(11);
      first.destroy();
      const client = await bench.open();
      expect(await client.connect({ id, clean: false })).toEqual({ code: 0, sessionPresent: true });
    },
  },
  {
    id: 'MQTT-3.2.2-3',
    says: 'without a stored session, session present is 0',
    run: async (bench) => {
      const client = await bench.open();
      expect(await client.connect({ id: bench.name('new'), clean: false })).toEqual({ code: 0, sessionPresent: false });
    },
  },
  {
    id: 'MQTT-3.2.2-4',
    says: 'with a code other than 0, session present is 0, and (3.2.2-5) the connection is closed',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name(), 1, { id, clean: false })).destroy();
      await refusesWithCode(1, connect({ id, clean: false, level: 9 }))(bench);
    },
  },
];

const wills: readonly Statement[] = [
  {
    id: 'MQTT-3.1.2-8',
    says: 'the will is published when the connection is lost',
    run: async (bench) => {
      const heard = await willAfter(bench, { qos: 1 }, (client) => client.destroy());
      expect(heard).toMatchObject([{ payload: 'gone', qos: 1, retain: false }]);
    },
  },
  {
    id: 'MQTT-3.1.2-8',
    says: 'the will is published when the server ends the connection for a protocol violation',
    run: async (bench) => {
      const heard = await willAfter(bench, {}, (client) => client.send(frame(CONNECT, 0, text('MQTT'))));
      expect(heard).toMatchObject([{ payload: 'gone', qos: 0 }]);
    },
  },
  {
    id: 'MQTT-3.1.2-8',
    says: 'the will is published when another client takes over',
    run: async (bench) => {
      const heard = await willAfter(bench, { qos: 2 }, async () => void (await bench.client({ id: bench.name('mortal') })));
      expect(heard).toMatchObject([{ payload: 'gone', qos: 2 }]);
    },
  },
  {
    id: 'MQTT-3.1.2-8',
    says: 'the will that came with the takeover is its own',
    run: async (bench) => {
      const topic = bench.name('/will');
      const heard = await willAfter(bench, {}, async () => {
        const taker = await bench.client({ id: bench.name('mortal'), will: { topic, payload: 'second', qos: 1 } });
        await clock.sleep(100);
        taker.destroy();
      });
      expect(heard.map(({ payload }) => payload)).toEqual(['gone', 'second']);
    },
  },
  {
    id: 'MQTT-3.1.2-8',
    says: 'the will reaches a session that is away',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name('/will'), 1, { id, clean: false })).destroy();
      const mortal = await bench.client({ will: { topic: bench.name('/will'), payload: 'gone', qos: 1 } });
      mortal.destroy();
      await clock.sleep(100);
      const again = await bench.client({ id, clean: false });
      expect((await again.publishes(1))[0]?.payload).toBe('gone');
    },
  },
  {
    id: 'MQTT-3.1.2-10',
    says: 'a will is published once',
    run: async (bench) => {
      const heard = await willAfter(bench, {}, async (client) => {
        client.destroy();
        await clock.sleep(50);
        (await bench.client({ id: bench.name('mortal'), clean: false })).destroy();
      });
      expect(heard).toHaveLength(1);
    },
  },
  {
    id: 'MQTT-3.1.2-12',
    says: 'without the will flag, nothing is published when the connection ends',
    run: async (bench) => {
      expect(await willAfter(bench, null, (client) => client.destroy())).toEqual([]);
    },
  },
  {
    id: 'MQTT-3.1.2-16',
    says: 'will retain 0: the will is not retained',
    run: async (bench) => {
      expect(await willAfter(bench, { qos: 1 }, (client) => client.destroy())).toHaveLength(1);
      expect(await bench.retained(bench.name('/will'))).toEqual([]);
    },
  },
  {
    id: 'MQTT-3.1.2-17',
    says: 'will retain 1: the will is retained, and RETAIN is 0 for who had subscribed',
    run: async (bench) => {
      const heard = await willAfter(bench, { qos: 1, retain: true }, (client) => client.destroy());
      expect(heard).toMatchObject([{ payload: 'gone', retain: false }]);
      expect(await bench.retained(bench.name('/will'))).toEqual(['gone']);
    },
  },
  {
    id: 'MQTT-3.14.4-3',
    says: 'DISCONNECT discards the will',
    run: async (bench) => {
      const heard = await willAfter(bench, { qos: 1 }, async (client) => {
        client.send(disconnect);
        await client.closed();
      });
      expect(heard).toEqual([]);
    },
  },
];

/** Some servers look at their clients every few seconds only. */
const LATE_MS = 8000;

const keepalive: readonly Statement[] = [
  {
    id: 'MQTT-3.1.2-24',
    says: 'silence for one and a half times the keepalive ends the connection, and publishes the will',
    run: async (bench) => {
      const startMs = clock.monotonicMs();
      const heard = await willAfter(bench, { qos: 1 }, async (client) => void (await client.closed(LATE_MS)), 1);
      expect(clock.monotonicMs() - startMs).toBeGreaterThan(1400);
      expect(heard).toMatchObject([{ payload: 'gone' }]);
    },
  },
  {
    id: 'MQTT-3.1.2-24',
    says: 'any packet counts, what the server sends does not',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 0, { keepaliveSeconds: 1 });
      for (let n = 0; n < 3; n++) {
        await clock.sleep(800);
        client.send(n === 1 ? publish(bench.name('/other'), 'x') : ping);
      }
      await client.alive();
      const feeder = clock.sleep(600).then(() => bench.publish(bench.name(), 'x'));
      await client.closed(LATE_MS);
      await feeder;
    },
  },
  {
    id: 'MQTT-3.1.2-24',
    says: 'a keepalive of 0 asks for none',
    run: async (bench) => {
      const client = await bench.client({ keepaliveSeconds: 0 });
      await clock.sleep(2500);
      await client.alive();
    },
  },
];

holdTo('CONNECT', [...beginnings, ...sessions, ...wills, ...keepalive]);
