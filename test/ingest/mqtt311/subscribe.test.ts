/** Chapters 3.8 to 3.14: SUBSCRIBE, UNSUBSCRIBE, PINGREQ and DISCONNECT. */
import { expect } from 'vitest';
import {
  answer,
  DISCONNECT,
  disconnect,
  frame,
  idOf,
  PINGREQ,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  ping,
  publish,
  SUBACK,
  SUBSCRIBE,
  subscribe,
  text,
  UNSUBACK,
  UNSUBSCRIBE,
  uint16,
  unsubscribe,
} from './packets.ts';
import { closes, holdTo, type Statement } from './statements.ts';

const subscribing: readonly Statement[] = [
  {
    id: 'MQTT-3.8.1-1',
    says: 'SUBSCRIBE has flags 2: else closed',
    run: closes(frame(SUBSCRIBE, 3, uint16(1), text('a'), Buffer.from([0]))),
  },
  { id: 'MQTT-3.8.3-1', says: 'filters are UTF-8', run: closes(subscribe(1, ['a', 0], [Buffer.from([0x62, 0xc3]), 0])) },
  { id: 'MQTT-3.8.3-3', says: 'SUBSCRIBE without a filter ends the connection', run: closes(frame(SUBSCRIBE, 2, uint16(1))) },
  { id: 'MQTT-3.8.3-3', says: 'a filter without its QoS ends the connection', run: closes(frame(SUBSCRIBE, 2, uint16(1), text('a'))) },
  { id: 'MQTT-3.8.3-4', says: 'QoS 3 ends the connection', run: closes(subscribe(1, ['a', 3])) },
  { id: 'MQTT-3.8.3-4', says: 'reserved bits beside the QoS end the connection', run: closes(subscribe(1, ['a', 4 | 1])) },
  {
    id: 'MQTT-3.8.4-1',
    says: 'SUBSCRIBE gets SUBACK, also for what is subscribed already',
    run: async (bench) => {
      const client = await bench.client();
      expect(await client.subscribe([bench.name(), 1])).toEqual([1]);
      expect(await client.subscribe([bench.name(), 1])).toEqual([1]);
    },
  },
  {
    id: 'MQTT-3.8.4-2',
    says: 'SUBACKs carry the identifiers of their SUBSCRIBEs',
    run: async (bench) => {
      const client = await bench.client();
      client.send(subscribe(7, [bench.name('/a'), 0]), subscribe(1, [bench.name('/b'), 0]), subscribe(65_535, [bench.name('/c'), 0]));
      const ids = [await client.next(SUBACK), await client.next(SUBACK), await client.next(SUBACK)].map(idOf);
      expect(ids).toEqual([7, 1, 65_535]);
    },
  },
  {
    id: 'MQTT-3.8.4-3',
    says: 'the same filter again replaces the subscription, its QoS up or down',
    run: async (bench) => {
      const client = await bench.client();
      for (const qos of [0, 2, 1] as const) {
        await client.subscribe([bench.name('/+'), qos]);
        await bench.publish(bench.name('/a'), 'x', { qos: 2 });
        expect((await client.restOfPublishes()).map((message) => message.qos)).toEqual([qos]);
      }
    },
  },
  {
    id: 'MQTT-3.8.4-3',
    says: 'also for a session that is away',
    run: async (bench) => {
      const id = bench.name('p');
      const client = await bench.client({ id, clean: false });
      for (const qos of [2, 0, 1]) await client.subscribe([bench.name('/+'), qos]);
      client.destroy();
      await bench.publish(bench.name('/a'), 'x', { qos: 2 });
      const again = await bench.client({ id, clean: false });
      expect((await again.restOfPublishes()).map(({ qos }) => qos)).toEqual([1]);
    },
  },
  {
    id: 'MQTT-3.8.4-3',
    says: 'and what is retained is sent again',
    run: async (bench) => {
      await bench.publish(bench.name(), 'x', { retain: true });
      const client = await bench.client();
      for (const qos of [0, 0, 1]) {
        await client.subscribe([bench.name(), qos]);
        expect((await client.restOfPublishes()).map(({ retain }) => retain)).toEqual([true]);
      }
    },
  },
  {
    id: 'MQTT-3.8.4-3',
    says: 'and no message is lost or doubled meanwhile',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 1);
      const publisher = await bench.client();
      for (let n = 1; n <= 15; n++) {
        publisher.send(publish(bench.name(), `${n}`, { qos: 1, id: n }));
        client.send(subscribe(n, [bench.name(), n % 3]));
      }
      const heard = await client.restOfPublishes();
      expect(heard.map(({ payload }) => Number(payload)).sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, n) => n + 1));
    },
  },
  {
    id: 'MQTT-3.8.4-4',
    says: 'many filters in one SUBSCRIBE are many subscriptions',
    run: async (bench) => {
      const client = await bench.client();
      const filters = Array.from({ length: 20 }, (_, n) => [bench.name(`/${n}`), n % 3] as const);
      expect(await client.subscribe(...filters)).toEqual(filters.map(([, qos]) => qos));
      await bench.publish(bench.name('/0'), 'x', { qos: 2 });
      await bench.publish(bench.name('/19'), 'x', { qos: 2 });
      expect((await client.publishes(2)).map(({ topic, qos }) => [topic, qos])).toEqual([
        [bench.name('/0'), 0],
        [bench.name('/19'), 1],
      ]);
    },
  },
  {
    id: 'MQTT-3.8.4-5',
    says: 'SUBACK has a code for each filter, also for one that comes twice',
    run: async (bench) => {
      const client = await bench.client();
      expect(await client.subscribe([bench.name(), 0], [bench.name('/b'), 1], [bench.name(), 2])).toEqual([0, 1, 2]);
      await bench.publish(bench.name(), 'x', { qos: 2 });
      expect((await client.restOfPublishes()).map(({ qos }) => qos)).toEqual([2]);
    },
  },
  ...([0, 1, 2] as const).flatMap((granted) =>
    ([0, 1, 2] as const).map(
      (qos): Statement => ({
        id: 'MQTT-3.8.4-6',
        says: `the lesser of both: a message of QoS ${qos} to a subscription of QoS ${granted}, by wildcard and not, here, away and retained`,
        run: async (bench) => {
          const expected = Math.min(qos, granted);
          const id = bench.name('p');
          (await bench.subscriber(bench.name('/#'), granted, { id, clean: false })).destroy();
          const exact = await bench.subscriber(bench.name('/a'), granted);
          const wildcard = await bench.subscriber(bench.name('/+'), granted, { id: bench.name('q'), clean: false });
          await bench.publish(bench.name('/a'), 'x', { qos, retain: true });
          for (const client of [exact, wildcard]) expect((await client.publishes(1))[0]?.qos).toBe(expected);
          const later = await bench.subscriber(bench.name('/a'), granted);
          expect((await later.publishes(1))[0]).toMatchObject({ qos: expected, retain: true });
          const away = await bench.client({ id, clean: false });
          // What is of QoS 0 need not be kept.
          if (expected > 0) expect((await away.publishes(1))[0]?.qos).toBe(expected);
        },
      }),
    ),
  ),
  {
    id: 'MQTT-3.9.3-1',
    says: 'the codes of SUBACK are in the order of the filters',
    run: async (bench) => {
      const client = await bench.client();
      const order = [2, 0, 1, 1, 0, 2];
      expect(await client.subscribe(...order.map((qos, n) => [bench.name(`/${n}`), qos] as const))).toEqual(order);
    },
  },
  {
    id: 'MQTT-3.9.3-1',
    says: 'a filter that is refused has its code in its place',
    kind: 'own',
    run: async (bench) => {
      const client = await bench.client();
      expect(await client.subscribe([bench.name('/a'), 1], ['$SYS/#', 1], [bench.name('/b'), 2])).toEqual([1, 0x80, 2]);
      await bench.publish(bench.name('/b'), 'x', { qos: 2 });
      expect(await client.publishes(1)).toMatchObject([{ qos: 2 }]);
    },
  },
  {
    id: 'MQTT-3.9.3-2',
    says: 'the codes are 0, 1, 2 or 128',
    run: async (bench) => {
      const client = await bench.client();
      const codes = await client.subscribe([bench.name('/#'), 2], ['$SYS/broker/x', 1], ['+', 0]);
      for (const code of codes) expect([0, 1, 2, 0x80]).toContain(code);
    },
  },
];

const unsubscribing: readonly Statement[] = [
  { id: 'MQTT-3.10.1-1', says: 'UNSUBSCRIBE has flags 2: else closed', run: closes(frame(UNSUBSCRIBE, 0, uint16(1), text('a'))) },
  { id: 'MQTT-3.10.3-1', says: 'filters are UTF-8', run: closes(unsubscribe(1, 'a', Buffer.from([0xc3, 0x28]))) },
  { id: 'MQTT-3.10.3-2', says: 'UNSUBSCRIBE without a filter ends the connection', run: closes(frame(UNSUBSCRIBE, 2, uint16(1))) },
  {
    id: 'MQTT-3.10.4-1',
    says: 'filters are compared byte for byte: one that only matches is left',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name('/+'), 0);
      for (const filter of ['/a', '/#', '/+/', '/']) {
        client.send(unsubscribe(3, bench.name(filter)));
        await client.next(UNSUBACK);
      }
      await bench.publish(bench.name('/a'), 'x');
      expect(await client.publishes(1)).toHaveLength(1);
    },
  },
  ...([true, false] as const).map(
    (clean): Statement => ({
      id: 'MQTT-3.10.4-2',
      says: `after UNSUBSCRIBE no message is added (CleanSession ${clean ? 1 : 0})`,
      run: async (bench) => {
        const id = bench.name('p');
        const client = await bench.subscriber(bench.name('/+'), 1, { id, clean });
        client.send(unsubscribe(3, bench.name('/+')));
        await client.next(UNSUBACK);
        await bench.publish(bench.name('/a'), 'x', { qos: 1 });
        expect(await client.restOfPublishes()).toEqual([]);
        client.destroy();
        const again = await bench.client({ id, clean });
        await bench.publish(bench.name('/a'), 'x', { qos: 1 });
        expect(await again.restOfPublishes()).toEqual([]);
      },
    }),
  ),
  {
    id: 'MQTT-3.10.4-3',
    says: 'what the server has begun to send it completes',
    run: async (bench) => {
      const id = bench.name('p');
      const client = await bench.subscriber(bench.name(), 2, { id, clean: false });
      await bench.publish(bench.name(), 'x', { qos: 2 });
      const [message] = await client.publishes(1);
      client.send(unsubscribe(3, bench.name()));
      await client.next(UNSUBACK);
      client.destroy();
      const again = await bench.client({ id, clean: false });
      expect(await again.publishes(1)).toEqual([{ ...message, dup: true }]);
      again.send(answer(PUBREC, message?.id ?? 0));
      expect(idOf(await again.next(PUBREL))).toBe(message?.id);
      again.send(answer(PUBCOMP, message?.id ?? 0));
      await again.alive();
    },
  },
  {
    id: 'MQTT-3.10.4-5',
    says: 'UNSUBSCRIBE of what was not subscribed gets UNSUBACK',
    run: async (bench) => {
      const client = await bench.client();
      client.send(unsubscribe(9, bench.name('/nothing')));
      expect(idOf(await client.next(UNSUBACK))).toBe(9);
    },
  },
  {
    id: 'MQTT-3.10.4-6',
    says: 'many filters in one UNSUBSCRIBE, one UNSUBACK',
    run: async (bench) => {
      const client = await bench.client();
      await client.subscribe([bench.name('/a'), 0], [bench.name('/b'), 0], [bench.name('/c'), 0]);
      client.send(unsubscribe(9, bench.name('/a'), bench.name('/x'), bench.name('/c'), bench.name('/a')));
      expect((await client.rest()).map(({ type }) => type)).toEqual([UNSUBACK]);
      for (const topic of ['/a', '/b', '/c']) await bench.publish(bench.name(topic), 'x');
      expect((await client.restOfPublishes()).map(({ topic }) => topic)).toEqual([bench.name('/b')]);
    },
  },
  ...([true, false] as const).map(
    (clean): Statement => ({
      id: 'MQTT-3.10.4-4',
      says: `UNSUBSCRIBE and SUBSCRIBE in one segment are done in their order (CleanSession ${clean ? 1 : 0})`,
      run: async (bench) => {
        const client = await bench.subscriber(bench.name(), 1, { id: bench.name('p'), clean });
        client.send(unsubscribe(3, bench.name()), subscribe(4, [bench.name(), 1]));
        expect((await client.rest()).map(({ type }) => type)).toEqual([UNSUBACK, SUBACK]);
        await bench.publish(bench.name(), 'x', { qos: 1 });
        expect(await client.publishes(1)).toHaveLength(1);
        client.send(subscribe(5, [bench.name(), 1]), unsubscribe(6, bench.name()));
        expect((await client.rest()).map(({ type }) => type)).toEqual([SUBACK, UNSUBACK]);
        await bench.publish(bench.name(), 'x', { qos: 1 });
        expect(await client.restOfPublishes()).toEqual([]);
      },
    }),
  ),
];

const ending: readonly Statement[] = [
  {
    id: 'MQTT-3.12.4-1',
    says: 'PINGREQ gets PINGRESP',
    run: async (bench) => {
      const client = await bench.client();
      client.send(ping, ping);
      for (let n = 0; n < 2; n++) expect(await client.next()).toEqual({ type: PINGRESP, flags: 0, body: Buffer.alloc(0) });
    },
  },
  { id: 'MQTT-2.2.2-2', says: 'PINGREQ has flags 0: else closed', run: closes(frame(PINGREQ, 1)) },
  { id: 'MQTT-3.14.1-1', says: 'DISCONNECT has flags 0: else closed', run: closes(frame(DISCONNECT, 2)) },
  {
    id: 'MQTT-3.14.1-1',
    says: 'DISCONNECT with wrong flags is none: the will is published',
    run: async (bench) => {
      const watcher = await bench.subscriber(bench.name(), 0);
      const client = await bench.client({ will: { topic: bench.name(), payload: 'gone' } });
      client.send(frame(DISCONNECT, 2));
      expect(await watcher.publishes(1)).toMatchObject([{ payload: 'gone' }]);
    },
  },
  {
    id: 'MQTT-3.14.4-1',
    says: 'after DISCONNECT the server closes the connection, if the client does not',
    kind: 'should',
    run: closes(disconnect),
  },
  {
    id: 'MQTT-3.14.4-2',
    says: 'what follows DISCONNECT is not processed',
    run: async (bench) => {
      const watcher = await bench.subscriber(bench.name(), 0);
      const client = await bench.client();
      client.send(disconnect, publish(bench.name(), 'x'));
      expect(await watcher.restOfPublishes()).toEqual([]);
    },
  },
  ...([0, 1] as const).map(
    (qos): Statement => ({
      id: 'MQTT-4.5.0-1',
      says: `what came before DISCONNECT in the same segment is processed (QoS ${qos})`,
      run: async (bench) => {
        const watcher = await bench.subscriber(bench.name(), 1);
        const client = await bench.client({ will: { topic: bench.name(), payload: 'will' } });
        client.send(publish(bench.name(), 'x', { qos, id: 3 }), disconnect);
        const before = await client.closed();
        expect(before.map(({ type }) => type)).toEqual(qos === 1 ? [PUBACK] : []);
        expect((await watcher.restOfPublishes()).map(({ payload }) => payload)).toEqual(['x']);
      },
    }),
  ),
];

holdTo('SUBSCRIBE to DISCONNECT', [...subscribing, ...unsubscribing, ...ending]);
