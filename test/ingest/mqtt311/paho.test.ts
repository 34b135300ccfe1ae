/**
 * What the interoperability suite of Eclipse Paho for 3.1.1 plays through with two clients, where the statements one by one do not: its
 * topics, its order of steps, and what it accepts of a server.
 */
import { expect } from 'vitest';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { answer, connect, disconnect, PUBACK, PUBCOMP, PUBREC, PUBREL, publish, UNSUBACK, unsubscribe } from './packets.ts';
import type { RawClient } from './raw-client.ts';
import { type Bench, complete, holdTo, type Statement } from './statements.ts';

/** TopicA, TopicA/B, Topic/C, TopicA/C and /TopicA, below a level of the test's own. */
const TOPICS = ['TopicA', 'TopicA/B', 'Topic/C', 'TopicA/C', '/TopicA'] as const;

async function publishAll(client: RawClient, bench: Bench, options: { payload?: string; retain?: boolean } = {}): Promise<void> {
  for (const qos of [0, 1, 2] as const) {
    const payload = options.payload ?? `qos ${qos}`;
    await complete(client, publish(bench.name(`/${TOPICS[qos + 1]}`), payload, { qos, id: 9, retain: options.retain === true }), qos);
  }
}

async function leave(client: RawClient): Promise<void> {
  client.send(disconnect);
  await client.closed();
}

const suite: readonly Statement[] = [
  {
    id: 'paho',
    says: 'basic: connect twice over, three messages to oneself, and no second CONNECT on a connection',
    run: async (bench) => {
      const id = bench.name('myclientid');
      await leave(await bench.client({ id }));
      const client = await bench.subscriber(bench.name('/TopicA'), 2, { id });
      client.send(publish(bench.name('/TopicA'), 'qos 0'), publish(bench.name('/TopicA'), 'qos 1', { qos: 1, id: 1 }));
      await client.next(PUBACK);
      await complete(client, publish(bench.name('/TopicA'), 'qos 2', { qos: 2, id: 9 }), 2);
      expect((await client.take(3)).map(({ payload, qos }) => [payload, qos])).toEqual([
        ['qos 0', 0],
        ['qos 1', 1],
        ['qos 2', 2],
      ]);
      client.send(connect({ id }));
      await client.closed();
      const wrong = await bench.open();
      wrong.send(connect({ id, protocol: 'hj' }));
      await wrong.closed();
    },
  },
  {
    id: 'paho',
    says: 'retained: three of each QoS are found by +/+, and are gone when each was published empty',
    run: async (bench) => {
      const client = await bench.client();
      await publishAll(client, bench, { retain: true });
      await client.subscribe([bench.name('/+/+'), 2]);
      expect((await client.take(3)).every(({ retain }) => retain)).toBe(true);
      await leave(client);
      const again = await bench.client();
      await publishAll(again, bench, { payload: '', retain: true });
      await again.subscribe([bench.name('/+/+'), 2]);
      expect(await again.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'paho',
    says: 'offline queueing: QoS 1 and 2 are there on return, QoS 0 may be',
    run: async (bench) => {
      const id = bench.name('myclientid');
      await leave(await bench.subscriber(bench.name('/+/+'), 2, { id, clean: false }));
      await publishAll(await bench.client(), bench);
      const client = await bench.client({ id, clean: false });
      const heard = (await client.restOfPublishes()).map(({ payload }) => payload);
      expect(heard.filter((payload) => payload !== 'qos 0')).toEqual(['qos 1', 'qos 2']);
      expect(heard.length).toBeLessThanOrEqual(3);
    },
  },
  {
    id: 'paho',
    says: 'will: of a client that vanishes, to a session of another',
    run: async (bench) => {
      const topic = bench.name('/Topic/C');
      const mortal = await bench.client({ keepaliveSeconds: 2, will: { topic, payload: 'client not disconnected' } });
      const watcher = await bench.subscriber(topic, 2, { id: bench.name('myclientid2'), clean: false });
      mortal.destroy();
      expect(await watcher.publishes(1)).toMatchObject([{ payload: 'client not disconnected', retain: false }]);
    },
  },
  {
    id: 'paho',
    says: 'overlapping subscriptions: one message at the greatest QoS, or one for each at its own',
    run: async (bench) => {
      const client = await bench.client();
      await client.subscribe([bench.name('/TopicA/#'), 2], [bench.name('/TopicA/+'), 1]);
      await complete(client, publish(bench.name('/TopicA/C'), 'overlapping topic filters', { qos: 2, id: 9 }), 2);
      const heard = (await client.restOfPublishes()).map(({ qos }) => qos).sort();
      expect([[2], [1, 2]]).toContainEqual(heard);
    },
  },
  {
    id: 'paho',
    says: 'keepalive: a client that falls silent is disconnected, and its will published',
    run: async (bench) => {
      const topic = bench.name('//TopicA');
      const watcher = await bench.subscriber(topic, 2, { keepaliveSeconds: 0 });
      const silent = await bench.client({ keepaliveSeconds: 2, will: { topic, payload: 'keepalive expiry' } });
      await silent.closed(12_000);
      expect(await watcher.publishes(1)).toMatchObject([{ payload: 'keepalive expiry' }]);
    },
  },
  {
    id: 'paho',
    says: 'redelivery on reconnect: a client that answers nothing, not even to its own messages',
    run: async (bench) => {
      const id = bench.name('myclientid2');
      const client = await bench.subscriber(bench.name('/TopicA/#'), 2, { id, clean: false });
      client.send(publish(bench.name('/TopicA/B'), 'one', { qos: 1, id: 1 }), publish(bench.name('/TopicA/C'), 'two', { qos: 2, id: 2 }));
      // Some servers hand a QoS 2 message on when it is released.
      client.send(answer(PUBREL, 2));
      await clock.sleep(300);
      await leave(client);
      const again = await bench.client({ id, clean: false });
      // They are of different topics and QoS: in whatever order.
      expect((await again.take(2)).map(({ payload, dup }) => [payload, dup]).sort()).toEqual([
        ['one', true],
        ['two', true],
      ]);
      expect(await again.restOfPublishes()).toEqual([]);
      await leave(again);
      const last = await bench.client({ id, clean: false });
      expect(await last.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'paho',
    says: 'redelivery on reconnect: a QoS 2 exchange cut off after each of its steps, on both sides',
    run: async (bench) => {
      const id = bench.name('myclientid2');
      let client = await bench.subscriber(bench.name('/TopicA'), 2, { id, clean: false });
      const reconnect = async () => {
        client.destroy();
        client = await bench.client({ id, clean: false });
      };
      client.send(publish(bench.name('/TopicA'), 'x', { qos: 2, id: 7 }));
      await client.next(PUBREC);
      await reconnect();
      client.send(answer(PUBREL, 7));
      await client.next(PUBCOMP);
      const [message] = await client.publishes(1);
      await reconnect();
      expect(await client.publishes(1)).toMatchObject([{ id: message?.id, dup: true, payload: 'x' }]);
      client.send(answer(PUBREC, message?.id ?? 0));
      await client.next(PUBREL);
      await reconnect();
      await client.next(PUBREL);
      client.send(answer(PUBCOMP, message?.id ?? 0));
      await client.alive();
      await reconnect();
      expect(await client.rest()).toEqual([]);
    },
  },
  {
    id: 'paho',
    says: 'unsubscribe: one of three',
    run: async (bench) => {
      const client = await bench.client();
      const filters = [TOPICS[0], 'TopicA/+', TOPICS[2]].map((filter) => bench.name(`/${filter}`));
      await client.subscribe(...filters.map((filter) => [filter, 2] as const));
      client.send(unsubscribe(3, filters[0] ?? ''));
      await client.next(UNSUBACK);
      for (const topic of TOPICS.slice(0, 3)) await bench.publish(bench.name(`/${topic}`), topic, { qos: 1 });
      expect((await client.take(2)).map(({ payload }) => payload)).toEqual(['TopicA/B', 'Topic/C']);
      expect(await client.restOfPublishes()).toEqual([]);
    },
  },
  {
    id: 'paho',
    says: 'subscribe failure: what may not be subscribed to has code 128',
    kind: 'own',
    run: async (bench) => {
      expect(await (await bench.client()).subscribe(['$nosubscribe', 2])).toEqual([0x80]);
    },
  },
  {
    id: 'paho',
    says: '$ topics: not for +/+',
    run: async (bench) => {
      const client = await bench.subscriber(`+/${bench.name()}`, 2);
      await complete(client, publish(`$TopicA/${bench.name()}`, '', { qos: 1, id: 9 }), 1);
      expect(await client.restOfPublishes()).toEqual([]);
    },
  },
];

holdTo('Paho', suite);
