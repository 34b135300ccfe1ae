/** Chapter 4: sessions, QoS flows, redelivery, order, and what matches what. */
import { expect } from 'vitest';
import { systemClock as clock } from '../../../src/std/clock.ts';
import {
  answer,
  disconnect,
  frame,
  idOf,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  ping,
  publish,
  SUBSCRIBE,
  subscribe,
  text,
  uint16,
  unsubscribe,
} from './packets.ts';
import { type Bench, closes, complete, holdTo, type Statement } from './statements.ts';

const flows: readonly Statement[] = [
  {
    id: 'MQTT-4.3.1-1',
    says: 'QoS 0 is sent with QoS 0 and DUP 0',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 2);
      await bench.publish(bench.name(), 'x');
      expect((await client.next(PUBLISH)).flags).toBe(0);
    },
  },
  {
    id: 'MQTT-4.3.2-1',
    says: 'QoS 1 is sent under an unused identifier with DUP 0, and not again once acknowledged',
    run: async (bench) => {
      const id = bench.name('p');
      const client = await bench.subscriber(bench.name(), 1, { id, clean: false });
      await bench.publish(bench.name(), 'x', { qos: 1 });
      const [message] = await client.publishes(1);
      expect(message).toMatchObject({ qos: 1, dup: false });
      client.send(answer(PUBACK, message?.id ?? 0));
      await client.alive();
      client.destroy();
      const again = await bench.client({ id, clean: false });
      expect(await again.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'MQTT-4.3.2-1',
    says: 'while one is unacknowledged, its identifier is given to no other',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 1);
      const publisher = await bench.client();
      publisher.send(publish(bench.name(), 'kept', { qos: 1, id: 1 }));
      const [kept] = await client.publishes(1);
      // More messages than there are identifiers, all acknowledged but the first.
      for (let round = 0; round < 140; round++) {
        publisher.send(...Array.from({ length: 500 }, (_, n) => publish(bench.name(), 'x', { qos: 1, id: 2 + n })));
        const ids = (await client.take(500)).map(({ id }) => id);
        expect(ids).not.toContain(kept?.id);
        expect(ids).not.toContain(0);
      }
    },
  },
  {
    id: 'MQTT-4.3.2-2',
    says: 'QoS 1: after PUBACK the same identifier is a new message, whatever its DUP',
    run: async (bench) => {
      const watcher = await bench.subscriber(bench.name(), 1);
      const client = await bench.client();
      for (const dup of [false, true, false]) {
        client.send(publish(bench.name(), 'x', { qos: 1, id: 5, dup }));
        expect(idOf(await client.next(PUBACK))).toBe(5);
      }
      expect(await watcher.publishes(3)).toHaveLength(3);
    },
  },
  {
    id: 'MQTT-4.3.3-1',
    says: 'QoS 2 is sent with DUP 0, PUBREC is answered with PUBREL, and after PUBCOMP nothing is sent again',
    run: async (bench) => {
      const id = bench.name('p');
      const client = await bench.subscriber(bench.name(), 2, { id, clean: false });
      await bench.publish(bench.name(), 'x', { qos: 2 });
      const [message] = await client.publishes(1);
      expect(message).toMatchObject({ qos: 2, dup: false });
      client.send(answer(PUBREC, message?.id ?? 0));
      await client.next(PUBREL);
      client.send(answer(PUBCOMP, message?.id ?? 0));
      await client.alive();
      client.destroy();
      const again = await bench.client({ id, clean: false });
      expect((await again.rest()).map(({ type }) => type)).toEqual([]);
    },
  },
  {
    id: 'MQTT-4.3.3-1',
    says: 'once PUBREL is sent, PUBREL is sent again and PUBLISH is not',
    run: async (bench) => {
      const id = bench.name('p');
      const client = await bench.subscriber(bench.name(), 2, { id, clean: false });
      await bench.publish(bench.name(), 'x', { qos: 2 });
      const [message] = await client.publishes(1);
      client.send(answer(PUBREC, message?.id ?? 0));
      await client.next(PUBREL);
      client.destroy();
      const again = await bench.client({ id, clean: false });
      const packets = await again.rest();
      expect(packets.map((packet) => [packet.type, packet.flags, idOf(packet)])).toEqual([[PUBREL, 2, message?.id]]);
    },
  },
  {
    id: 'MQTT-4.3.3-1',
    says: 'several QoS 2 exchanges at once each come to their end',
    run: async (bench) => {
      const id = bench.name('p');
      const client = await bench.subscriber(bench.name(), 2, { id, clean: false });
      for (const payload of ['a', 'b', 'c']) await bench.publish(bench.name(), payload, { qos: 2 });
      const ids = (await client.publishes(3)).map((message) => message.id);
      client.send(...ids.map((each) => answer(PUBREC, each)));
      expect([await client.next(PUBREL), await client.next(PUBREL), await client.next(PUBREL)].map(idOf)).toEqual(ids);
      client.send(...ids.map((each) => answer(PUBCOMP, each)));
      await client.alive();
      client.destroy();
      const again = await bench.client({ id, clean: false });
      expect((await again.rest()).map(({ type }) => type)).toEqual([]);
    },
  },
  {
    id: 'MQTT-4.3.3-1',
    says: 'a PUBREC, PUBACK or PUBCOMP of no exchange ends nothing',
    run: async (bench) => {
      const client = await bench.client({ id: bench.name('p'), clean: false });
      client.send(answer(PUBACK, 900), answer(PUBCOMP, 901), answer(PUBREC, 902));
      await client.alive();
    },
  },
  {
    id: 'MQTT-4.3.3-2',
    says: 'QoS 2: PUBREC for each PUBLISH of the identifier, one message to subscribers, until PUBREL',
    run: async (bench) => {
      const watcher = await bench.subscriber(bench.name(), 2);
      const client = await bench.client();
      for (const dup of [false, true]) {
        client.send(publish(bench.name(), 'x', { qos: 2, id: 5, dup }));
        expect(idOf(await client.next(PUBREC))).toBe(5);
      }
      client.send(answer(PUBREL, 5));
      expect(idOf(await client.next(PUBCOMP))).toBe(5);
      expect(await watcher.restOfPublishes()).toHaveLength(1);
      client.send(publish(bench.name(), 'y', { qos: 2, id: 5 }));
      await client.next(PUBREC);
      client.send(answer(PUBREL, 5));
      await client.next(PUBCOMP);
      expect(await watcher.publishes(1)).toMatchObject([{ payload: 'y' }]);
    },
  },
  {
    id: 'MQTT-4.3.3-2',
    says: 'QoS 2: also when the repetition comes in the same segment',
    run: async (bench) => {
      const watcher = await bench.subscriber(bench.name(), 2);
      const client = await bench.client();
      client.send(publish(bench.name(), 'x', { qos: 2, id: 5 }), publish(bench.name(), 'x', { qos: 2, id: 5, dup: true }));
      expect((await client.rest()).map(({ type }) => type)).toEqual([PUBREC, PUBREC]);
      client.send(answer(PUBREL, 5));
      await client.next(PUBCOMP);
      expect(await watcher.restOfPublishes()).toHaveLength(1);
      client.send(publish(bench.name(), 'y', { qos: 2, id: 5 }));
      await client.next(PUBREC);
      client.send(answer(PUBREL, 5));
      await client.next(PUBCOMP);
      expect(await watcher.publishes(1)).toMatchObject([{ payload: 'y' }]);
    },
  },
  {
    id: 'MQTT-4.3.3-2',
    says: 'QoS 2: also over a reconnection of the session',
    run: async (bench) => {
      const id = bench.name('p');
      const watcher = await bench.subscriber(bench.name(), 2);
      const client = await bench.client({ id, clean: false });
      client.send(publish(bench.name(), 'x', { qos: 2, id: 5 }));
      await client.next(PUBREC);
      client.destroy();
      const again = await bench.client({ id, clean: false });
      again.send(publish(bench.name(), 'x', { qos: 2, id: 5, dup: true }));
      await again.next(PUBREC);
      again.send(answer(PUBREL, 5));
      expect(idOf(await again.next(PUBCOMP))).toBe(5);
      expect(await watcher.restOfPublishes()).toHaveLength(1);
    },
  },
  {
    id: 'MQTT-4.3.3-2',
    says: 'PUBREL gets PUBCOMP, also for an identifier of no exchange',
    run: async (bench) => {
      const client = await bench.client();
      client.send(answer(PUBREL, 321));
      expect(idOf(await client.next(PUBCOMP))).toBe(321);
    },
  },
];

/** Messages of a number each, as one publisher sends them in one segment. @returns the numbers as the subscriber gets them */
async function inOrder(bench: Bench, qos: 0 | 1 | 2, retainEvery = 0): Promise<number[]> {
  const client = await bench.subscriber(bench.name('/#'), qos, { id: bench.name('p'), clean: false });
  const publisher = await bench.client();
  const packets = NUMBERS.map((n) =>
    publish(bench.name('/a'), `${n}`, { qos, id: n + 1, retain: retainEvery > 0 && n % retainEvery === 0 }),
  );
  publisher.send(...packets);
  // Some servers hand a QoS 2 message on when it is released.
  if (qos === 2) publisher.send(...NUMBERS.map((n) => answer(PUBREL, n + 1)));
  return (await client.take(15)).map(({ payload }) => Number(payload));
}

const NUMBERS: readonly number[] = Array.from({ length: 15 }, (_, n) => n);

const delivery: readonly Statement[] = [
  {
    id: 'MQTT-4.1.0-1',
    says: 'the session lasts: subscriptions and exchanges, both ways, over several connections',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name(), 1, { id, clean: false })).destroy();
      await bench.publish(bench.name(), 'x', { qos: 1 });
      for (let n = 0; n < 3; n++) {
        const client = await bench.client({ id, clean: false });
        expect(await client.publishes(1)).toMatchObject([{ payload: 'x', dup: n > 0 }]);
        client.destroy();
      }
    },
  },
  {
    id: 'MQTT-4.4.0-1',
    says: 'unacknowledged PUBLISH and PUBREL are sent again with their identifiers',
    run: async (bench) => {
      const id = bench.name('p');
      const client = await bench.subscriber(bench.name(), 2, { id, clean: false });
      await bench.publish(bench.name(), 'released', { qos: 2 });
      const [released] = await client.publishes(1);
      client.send(answer(PUBREC, released?.id ?? 0));
      await client.next(PUBREL);
      await bench.publish(bench.name(), 'open', { qos: 2 });
      await bench.publish(bench.name(), 'one', { qos: 1 });
      const rest = await client.publishes(2);
      client.send(disconnect);
      await client.closed();
      const again = await bench.client({ id, clean: false });
      expect(idOf(await again.next(PUBREL))).toBe(released?.id);
      expect(await again.publishes(2)).toEqual(rest.map((message) => ({ ...message, dup: true })));
    },
  },
  {
    id: 'MQTT-4.5.0-1',
    says: 'a message goes to all whose subscriptions match, and to nobody else',
    run: async (bench) => {
      const filters = ['/a/b', '/+/b', '/a/+', '/#', '/a/b/#'];
      const clients = await Promise.all(filters.map((filter) => bench.subscriber(bench.name(filter), 1)));
      const others = await Promise.all(['/a', '/b', '/+', '/a/b/+', '/A/b'].map((filter) => bench.subscriber(bench.name(filter), 1)));
      await bench.publish(bench.name('/a/b'), 'x', { qos: 1 });
      for (const client of clients) expect(await client.publishes(1)).toHaveLength(1);
      for (const client of others) expect(await client.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'MQTT-4.5.0-1',
    says: 'none is lost where publishers of QoS 0 and 1 and a session that is away mix',
    run: async (bench) => {
      (await bench.subscriber(bench.name('/1/#'), 1, { id: bench.name('away'), clean: false })).destroy();
      const client = await bench.subscriber(bench.name('/#'), 1);
      const [one, zero] = [await bench.client(), await bench.client()];
      for (let n = 1; n <= 100; n++) {
        one.send(publish(bench.name(`/1/${n}`), 'x', { qos: 1, id: n, retain: n % 2 === 0 }));
        zero.send(publish(bench.name(`/0/${n}`), 'x'));
      }
      expect(await client.take(200)).toHaveLength(200);
    },
  },
  {
    id: 'MQTT-4.6.0-1',
    says: 'what is sent again comes in the order in which it was sent first',
    run: async (bench) => {
      const id = bench.name('p');
      const client = await bench.subscriber(bench.name('/#'), 2, { id, clean: false });
      for (let n = 0; n < 10; n++) await bench.publish(bench.name(`/${n % 3}`), `${n}`, { qos: n % 2 === 0 ? 1 : 2 });
      const before = (await client.publishes(10)).map(({ payload }) => payload);
      client.destroy();
      const again = await bench.client({ id, clean: false });
      expect((await again.publishes(10)).map(({ payload }) => payload)).toEqual(before);
    },
  },
  {
    id: 'MQTT-4.6.0-2',
    says: 'PUBACKs come in the order of the PUBLISHes',
    run: async (bench) => {
      const client = await bench.client();
      const ids = [9, 3, 7, 1, 8];
      client.send(...ids.map((id) => publish(bench.name(), 'x', { qos: 1, id })));
      for (const id of ids) expect(idOf(await client.next(PUBACK))).toBe(id);
    },
  },
  {
    id: 'MQTT-4.6.0-3',
    says: 'PUBRECs come in the order of the PUBLISHes',
    run: async (bench) => {
      const client = await bench.client();
      const ids = [9, 3, 7, 1, 8];
      client.send(...ids.map((id) => publish(bench.name(), 'x', { qos: 2, id })));
      for (const id of ids) expect(idOf(await client.next(PUBREC))).toBe(id);
    },
  },
  {
    id: 'MQTT-4.6.0-4',
    says: 'PUBRELs come in the order of the PUBRECs',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 2);
      for (const payload of ['a', 'b', 'c']) await bench.publish(bench.name(), payload, { qos: 2 });
      const ids = (await client.publishes(3)).map(({ id }) => id).reverse();
      client.send(...ids.map((id) => answer(PUBREC, id)));
      for (const id of ids) expect(idOf(await client.next(PUBREL))).toBe(id);
    },
  },
  ...([0, 1, 2] as const).map(
    (qos): Statement => ({
      id: 'MQTT-4.6.0-6',
      says: `messages of a topic come in the order in which they were published (QoS ${qos})`,
      run: async (bench) => expect(await inOrder(bench, qos)).toEqual(NUMBERS),
    }),
  ),
  ...([0, 1, 2] as const).map(
    (qos): Statement => ({
      id: 'MQTT-4.6.0-6',
      says: `also where only some are retained (QoS ${qos})`,
      run: async (bench) => expect(await inOrder(bench, qos, 4)).toEqual(NUMBERS),
    }),
  ),
  {
    id: 'MQTT-4.6.0-6',
    says: 'what was queued comes before what is published during the reconnection, and each once',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name(), 1, { id, clean: false })).destroy();
      const publisher = await bench.client();
      const send = (from: number, to: number) => {
        for (let n = from; n < to; n++) publisher.send(publish(bench.name(), `${n}`, { qos: 1, id: n + 1 }));
      };
      send(0, 200);
      for (let n = 0; n < 200; n++) await publisher.next(PUBACK);
      const connecting = bench.client({ id, clean: false });
      for (let n = 200; n < 400; n += 20) {
        send(n, n + 20);
        await clock.sleep(1);
      }
      const client = await connecting;
      const heard = await client.take(400);
      expect(heard.map(({ payload }) => Number(payload))).toEqual(Array.from({ length: 400 }, (_, n) => n));
      expect(await client.restOfPublishes()).toEqual([]);
      await client.alive();
      client.destroy();
      const again = await bench.client({ id, clean: false });
      expect(await again.restOfPublishes()).toEqual([]);
    },
  },
];

/** Filters and topics, and whether they match. */
const MATCHES: readonly (readonly [filter: string, topic: string, matches: boolean])[] = [
  ['/a/#', '/a', true],
  ['/a/#', '/a/b/c', true],
  ['/#', '/', true],
  ['/+', '/', true],
  ['/+', '', false],
  ['/+/+', '//', true],
  ['/+/b', '//b', true],
  ['/a/+', '/a', false],
  ['/a/+', '/a/', true],
  ['/a', '/a/', false],
  ['/a', '/A', false],
  ['/a/+/c', '/a/b/c', true],
  ['/a/+/c', '/a/b/b/c', false],
];

/** Published, and then read: by a live subscriber, a session that is away, and as retained. */
const matching = MATCHES.map(
  ([filter, topic, matches]): Statement => ({
    id: 'MQTT-4.7.1-3',
    says: `${filter} ${matches ? 'matches' : 'does not match'} ${topic === '' ? 'the level above' : topic}: here, away and retained`,
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name(filter), 1, { id, clean: false })).destroy();
      const live = await bench.subscriber(bench.name(filter), 1);
      await bench.publish(bench.name(topic), 'x', { qos: 1, retain: true });
      const expected = matches ? ['x'] : [];
      expect(
        (await live.restOfPublishes()).map(({ payload }) => payload),
        'here',
      ).toEqual(expected);
      const away = await bench.client({ id, clean: false });
      expect(
        (await away.restOfPublishes()).map(({ payload }) => payload),
        'away',
      ).toEqual(expected);
      expect(await bench.retained(bench.name(filter)), 'retained').toEqual(expected);
    },
  }),
);

const BAD_FILTERS = ['#/a', 'a#', 'a/b#', 'a/#/b', '#a', '##', 'a+', 'a+/b', '+a', '+a/b', 'a/+b', 'a/b+', '++'];

const topics: readonly Statement[] = [
  { id: 'MQTT-4.7.1-1', says: 'wildcards are for filters: a topic name + ends the connection', run: closes(publish('+', 'x')) },
  { id: 'MQTT-4.7.1-1', says: 'wildcards are for filters: a topic name # ends the connection', run: closes(publish('#', 'x')) },
  ...BAD_FILTERS.map(
    (filter): Statement => ({
      id: filter.includes('#') ? 'MQTT-4.7.1-2' : 'MQTT-4.7.1-3',
      says: `a wildcard is a level of its own, and # the last: ${filter} ends the connection`,
      run: closes(subscribe(1, [filter, 0])),
    }),
  ),
  { id: 'MQTT-4.7.1-3', says: 'also in UNSUBSCRIBE', run: closes(unsubscribe(1, 'a/b+')) },
  {
    id: 'MQTT-4.7.2-1',
    says: 'filters that begin with a wildcard do not match topics that begin with $',
    run: async (bench) => {
      const client = await bench.client();
      await client.subscribe(['#', 0], ['+/#', 0], [`+/${bench.name()}`, 0]);
      await bench.publish(`$x/${bench.name()}`, 'x', { qos: 1, retain: true });
      await clock.sleep(200);
      await client.subscribe(['#', 0], [`+/${bench.name()}`, 0]);
      const heard = (await client.restOfPublishes()).filter(({ topic }) => topic.startsWith('$'));
      expect(heard).toEqual([]);
    },
  },
  { id: 'MQTT-4.7.3-1', says: 'an empty topic name ends the connection', run: closes(publish('', 'x')) },
  { id: 'MQTT-4.7.3-1', says: 'an empty filter ends the connection', run: closes(subscribe(1, ['', 0])) },
  { id: 'MQTT-4.7.3-1', says: 'an empty filter in UNSUBSCRIBE ends the connection', run: closes(unsubscribe(1, '')) },
  { id: 'MQTT-4.7.3-2', says: 'U+0000 in a filter ends the connection', run: closes(subscribe(1, [Buffer.from([0x61, 0]), 0])) },
  {
    id: 'MQTT-4.7.3-3',
    says: 'a topic name may have many bytes',
    kind: 'should',
    run: async (bench) => {
      const topic = bench.name(`/${'x'.repeat(40_000)}`);
      const client = await bench.subscriber(topic, 0);
      await bench.publish(topic, 'x');
      expect((await client.publishes(1))[0]?.topic).toBe(topic);
    },
  },
  {
    id: 'MQTT-4.7.3-4',
    says: 'topics are not normalised: composed and decomposed, with and without a slash, in either case',
    run: async (bench) => {
      const spellings = ['/\u00c5', '/A\u030a', '/\u212b', '/\u00c5/', '//\u00c5', '/\u00e5'];
      const clients = await Promise.all(spellings.map((topic) => bench.subscriber(bench.name(topic), 0)));
      for (const topic of spellings) await bench.publish(bench.name(topic), topic);
      for (const [index, client] of clients.entries())
        expect((await client.restOfPublishes()).map(({ payload }) => payload)).toEqual([spellings[index]]);
    },
  },
  {
    id: 'MQTT-4.8.0-1',
    says: 'a protocol violation ends the connection of who commits it, and no other',
    run: async (bench) => {
      const other = await bench.client();
      await closes(frame(SUBSCRIBE, 2, uint16(1), text('a'), Buffer.from([0, 0])))(bench);
      await closes(Buffer.concat([ping.subarray(0, 1), Buffer.from([1, 0])]))(bench);
      await other.alive();
    },
  },
  {
    id: 'MQTT-4.1.0-2',
    says: 'a session lasts as long as its connection: a quiet client without keepalive keeps its subscription',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 1);
      await clock.sleep(1500);
      await complete(await bench.client(), publish(bench.name(), 'x', { qos: 1, id: 9 }), 1);
      expect(await client.publishes(1)).toHaveLength(1);
    },
  },
];

holdTo('Operation', [...flows, ...delivery, ...matching, ...topics]);
