/** Chapter 3.3: PUBLISH, with its flags and retained messages. */
import { expect } from 'vitest';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { answer, PUBACK, PUBREC, PUBREL, publish, SUBACK, subscribe } from './packets.ts';
import { closes, complete, holdTo, type Statement } from './statements.ts';

const flags: readonly Statement[] = [
  {
    id: 'MQTT-3.3.1-1',
    says: 'DUP is 1 when a PUBLISH is sent again, with the identifier it had',
    run: async (bench) => {
      const id = bench.name('p');
      const first = await bench.subscriber(bench.name(), 2, { id, clean: false });
      await bench.publish(bench.name(), 'one', { qos: 1 });
      await bench.publish(bench.name(), 'two', { qos: 2 });
      const before = await first.publishes(2);
      expect(before.map(({ dup }) => dup)).toEqual([false, false]);
      first.destroy();
      const again = await bench.client({ id, clean: false });
      expect(await again.publishes(2)).toEqual(before.map((message) => ({ ...message, dup: true })));
    },
  },
  {
    id: 'MQTT-3.3.1-2',
    says: 'DUP is 0 at QoS 0',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 0);
      await bench.publish(bench.name(), 'x', { qos: 1 });
      expect((await client.publishes(1))[0]).toMatchObject({ qos: 0, dup: false });
    },
  },
  ...([1, 2] as const).map(
    (qos): Statement => ({
      id: 'MQTT-3.3.1-3',
      says: `DUP of an incoming PUBLISH is not handed on (QoS ${qos})`,
      run: async (bench) => {
        const id = bench.name('p');
        (await bench.subscriber(bench.name(), qos, { id, clean: false })).destroy();
        const live = await bench.subscriber(bench.name(), qos);
        await complete(await bench.client(), publish(bench.name(), 'x', { qos, id: 9, dup: true }), qos);
        expect((await live.publishes(1))[0]).toMatchObject({ payload: 'x', dup: false });
        const away = await bench.client({ id, clean: false });
        expect((await away.publishes(1))[0]).toMatchObject({ payload: 'x', dup: false });
      },
    }),
  ),
  { id: 'MQTT-3.3.1-4', says: 'QoS 3 ends the connection', run: closes(publish('a', 'b', { qos: 3 })) },
  {
    id: 'MQTT-3.3.2-1',
    says: 'the topic name must be there',
    run: closes(Buffer.from([0x30, 0]), publish('a', 'b')),
  },
  { id: 'MQTT-3.3.2-1', says: 'the topic name must end within the packet', run: closes(Buffer.from([0x30, 4, 0, 9, 0x61, 0x62])) },
  { id: 'MQTT-3.3.2-2', says: 'a topic name with # ends the connection', run: closes(publish('a/#', 'b')) },
  { id: 'MQTT-3.3.2-2', says: 'a topic name with + ends the connection', run: closes(publish('a/+/b', 'b')) },
  {
    id: 'MQTT-3.3.2-3',
    says: 'the topic name that is sent matches the filter, and is the one that was published',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name('/+/#'), 0);
      await bench.publish(bench.name('/ä b/日本/$x'), 'x');
      expect((await client.publishes(1))[0]?.topic).toBe(bench.name('/ä b/日本/$x'));
    },
  },
  {
    id: 'MQTT-3.3.4-1',
    says: 'QoS 0 gets no answer, QoS 1 PUBACK, QoS 2 PUBREC',
    run: async (bench) => {
      const client = await bench.client();
      client.send(publish(bench.name(), 'x'), publish(bench.name(), 'x', { qos: 1, id: 1 }), publish(bench.name(), 'x', { qos: 2, id: 2 }));
      expect((await client.rest()).map(({ type }) => type)).toEqual([PUBACK, PUBREC]);
    },
  },
  ...([0, 1, 2] as const).map(
    (qos): Statement => ({
      id: 'MQTT-3.3.5-1',
      says: `overlapping subscriptions: the greatest QoS of those that match (message of QoS ${qos})`,
      run: async (bench) => {
        const client = await bench.client();
        await client.subscribe([bench.name('/#'), 0], [bench.name('/+/b'), 2], [bench.name('/a/b'), 1], [bench.name('/else'), 2]);
        await bench.publish(bench.name('/a/b'), 'x', { qos });
        const heard = (await client.restOfPublishes()).map((message) => message.qos).sort();
        // Once, or once for each subscription at its own.
        expect(heard.length === 1 ? heard : heard.slice(-1)).toEqual([qos]);
        if (heard.length > 1) expect(heard).toEqual([0, Math.min(qos, 1), qos]);
      },
    }),
  ),
  {
    id: 'MQTT-3.3.5-2',
    says: 'a PUBLISH that is not allowed is acknowledged, and goes nowhere',
    kind: 'own',
    run: async (bench) => {
      const watcher = await bench.subscriber('tocsin/#', 0);
      const client = await bench.client();
      client.send(publish('tocsin/forged', bench.name(), { qos: 1, id: 3 }));
      await client.next(PUBACK);
      expect((await watcher.restOfPublishes()).filter(({ payload }) => payload === bench.name())).toEqual([]);
    },
  },
];

const retained: readonly Statement[] = [
  {
    id: 'MQTT-3.3.1-5',
    says: 'a retained message is kept with its QoS for those who subscribe later',
    run: async (bench) => {
      for (const qos of [0, 1, 2] as const) await bench.publish(bench.name(`/${qos}`), `${qos}`, { qos, retain: true });
      const client = await bench.subscriber(bench.name('/+'), 2);
      const found = (await client.publishes(3)).map(({ payload, qos, retain, dup }) => [payload, qos, retain, dup]).sort();
      expect(found).toEqual([0, 1, 2].map((qos) => [`${qos}`, qos, true, false]));
    },
  },
  {
    id: 'MQTT-3.3.1-5',
    says: 'it takes the place of the one before',
    run: async (bench) => {
      for (const payload of ['old', 'new']) await bench.publish(bench.name(), payload, { qos: 1, retain: true });
      expect(await bench.retained(bench.name())).toEqual(['new']);
    },
  },
  ...(['/a', '/+', '/#', '/a/#', '/+/#'] as const).map(
    (filter): Statement => ({
      id: 'MQTT-3.3.1-6',
      says: `a new subscription gets what is retained on the topics it matches: ${filter}`,
      run: async (bench) => {
        const topics = ['/a', '/b', '/a/b', '/', '//', '/a/'];
        const matched: Readonly<Record<typeof filter, readonly string[]>> = {
          '/a': ['/a'],
          '/+': ['/', '/a', '/b'],
          '/#': ['/', '//', '/a', '/a/', '/a/b', '/b'],
          '/a/#': ['/a', '/a/', '/a/b'],
          '/+/#': ['/', '//', '/a', '/a/', '/a/b', '/b'],
        };
        for (const topic of topics) await bench.publish(bench.name(topic), topic, { retain: true });
        expect((await bench.retained(bench.name(filter))).sort()).toEqual(matched[filter]);
      },
    }),
  ),
  {
    id: 'MQTT-3.3.1-6',
    says: 'a restored subscription is no new one: nothing retained is sent again',
    run: async (bench) => {
      const id = bench.name('p');
      await bench.publish(bench.name(), 'x', { qos: 1, retain: true });
      const first = await bench.subscriber(bench.name(), 0, { id, clean: false });
      await first.publishes(1);
      first.destroy();
      const again = await bench.client({ id, clean: false });
      expect(await again.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'MQTT-3.3.1-7',
    says: 'a retained message of QoS 0 takes the place of the one before, of whatever QoS',
    run: async (bench) => {
      await bench.publish(bench.name(), 'old', { qos: 2, retain: true });
      await bench.publish(bench.name(), 'new', { qos: 0, retain: true });
      expect(await bench.retained(bench.name())).not.toContain('old');
    },
  },
  {
    id: 'MQTT-3.3.1-8',
    says: 'RETAIN is 1 in what a new subscription brings, also the second time',
    run: async (bench) => {
      await bench.publish(bench.name(), 'x', { qos: 1, retain: true });
      const client = await bench.subscriber(bench.name(), 1);
      expect((await client.publishes(1))[0]).toMatchObject({ retain: true, qos: 1 });
      await client.subscribe([bench.name(), 1]);
      expect((await client.publishes(1))[0]).toMatchObject({ retain: true, qos: 1 });
    },
  },
  {
    id: 'MQTT-3.3.1-9',
    says: 'RETAIN is 0 in what an established subscription brings, here or away',
    run: async (bench) => {
      const id = bench.name('p');
      (await bench.subscriber(bench.name(), 1, { id, clean: false })).destroy();
      const live = await bench.subscriber(bench.name(), 1);
      await bench.publish(bench.name(), 'x', { qos: 1, retain: true });
      expect((await live.publishes(1))[0]).toMatchObject({ payload: 'x', retain: false });
      const away = await bench.client({ id, clean: false });
      expect((await away.publishes(1))[0]).toMatchObject({ payload: 'x', retain: false });
    },
  },
  {
    id: 'MQTT-3.3.1-10',
    says: 'an empty retained message is sent to subscribers, and removes what was retained',
    run: async (bench) => {
      const live = await bench.subscriber(bench.name(), 1);
      await bench.publish(bench.name(), 'x', { qos: 1, retain: true });
      await bench.publish(bench.name(), '', { qos: 1, retain: true });
      expect((await live.publishes(2)).map(({ payload, retain }) => [payload, retain])).toEqual([
        ['x', false],
        ['', false],
      ]);
      expect(await bench.retained(bench.name())).toEqual([]);
    },
  },
  {
    id: 'MQTT-3.3.1-11',
    says: 'an empty message is never retained',
    run: async (bench) => {
      await bench.publish(bench.name(), '', { qos: 1, retain: true });
      const client = await bench.subscriber(bench.name(), 1);
      expect(await client.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'MQTT-3.3.1-12',
    says: 'a message without RETAIN leaves what is retained as it is',
    run: async (bench) => {
      await bench.publish(bench.name(), 'kept', { qos: 1, retain: true });
      await bench.publish(bench.name(), 'passing', { qos: 1 });
      await bench.publish(bench.name(), '', { qos: 1 });
      await bench.publish(bench.name('/other'), 'passing', { qos: 1 });
      expect(await bench.retained(bench.name('/#'))).toEqual(['kept']);
    },
  },
  ...([0, 1, 2] as const).map(
    (qos): Statement => ({
      id: 'MQTT-3.3.1-8',
      says: `a retained PUBLISH and, in the same segment, SUBSCRIBE: one copy, retained (QoS ${qos})`,
      run: async (bench) => {
        const client = await bench.client();
        const released = qos === 2 ? [answer(PUBREL, 4)] : [];
        client.send(publish(bench.name(), 'x', { qos, id: 4, retain: true }), ...released, subscribe(5, [bench.name(), qos]));
        const heard = await client.restOfPublishes();
        expect(heard).toMatchObject([{ payload: 'x', retain: true }]);
      },
    }),
  ),
  {
    id: 'MQTT-3.3.1-9',
    says: 'SUBSCRIBE and, in the same segment, a retained PUBLISH: one copy, not retained',
    run: async (bench) => {
      const client = await bench.client();
      client.send(subscribe(5, [bench.name(), 1]), publish(bench.name(), 'x', { qos: 1, id: 4, retain: true }));
      expect(await client.restOfPublishes()).toMatchObject([{ payload: 'x', retain: false }]);
    },
  },
  {
    id: 'MQTT-3.3.1-6',
    says: 'a retained message of QoS 1 to a stored session is sent again until it is acknowledged',
    run: async (bench) => {
      const id = bench.name('p');
      await bench.publish(bench.name(), 'x', { qos: 1, retain: true });
      const first = await bench.subscriber(bench.name(), 1, { id, clean: false });
      const [message] = await first.publishes(1);
      first.destroy();
      const again = await bench.client({ id, clean: false });
      expect(await again.publishes(1)).toMatchObject([{ payload: 'x', qos: 1, id: message?.id, dup: true }]);
      again.send(answer(PUBACK, message?.id ?? 0));
      await again.alive();
      again.destroy();
      const last = await bench.client({ id, clean: false });
      expect(await last.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'MQTT-3.3.1-6',
    says: 'a retained message of QoS 2 to a stored session goes through its exchange',
    run: async (bench) => {
      await bench.publish(bench.name(), 'x', { qos: 2, retain: true });
      const client = await bench.subscriber(bench.name(), 2, { id: bench.name('p'), clean: false });
      const [message] = await client.publishes(1);
      client.send(answer(PUBREC, message?.id ?? 0));
      await client.next(6);
      client.send(answer(7, message?.id ?? 0));
      await client.alive();
    },
  },
  {
    id: 'MQTT-3.3.1-6',
    says: 'retained messages survive the publishing of many others meanwhile',
    run: async (bench) => {
      const client = await bench.client();
      for (let n = 1; n <= 50; n++) client.send(publish(bench.name(`/${n}`), `${n}`, { qos: 1, id: n, retain: true }));
      for (let n = 1; n <= 50; n++) await client.next(PUBACK);
      client.send(subscribe(5, [bench.name('/+'), 1]));
      await client.next(SUBACK);
      expect((await client.take(50)).filter(({ retain }) => retain)).toHaveLength(50);
      await clock.sleep(50);
      expect(await client.restOfPublishes()).toEqual([]);
    },
  },
];

holdTo('PUBLISH', [...flags, ...retained]);
