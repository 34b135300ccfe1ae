/** Queues, limits, wills and exchanges, each over a restart where that matters. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { openPersistence } from '../../../src/ingest/persistence/open.ts';
import type { Applied, QueueBounds } from '../../../src/ingest/persistence/operations.ts';
import type { Packet } from '../../../src/ingest/persistence/packet.ts';
import type { Persistence } from '../../../src/ingest/persistence/persistence.ts';
import type { RetainedBounds } from '../../../src/ingest/persistence/retained.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { temporaryFolder } from '../../load/server.ts';

const logger = pino({ level: 'silent' });
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Options {
  readonly path?: string;
  readonly sessions?: number;
  readonly retainedCount?: number;
  readonly queues?: Partial<QueueBounds>;
  readonly retained?: Partial<RetainedBounds>;
}

function folder(): string {
  const made = temporaryFolder('persistence');
  cleanups.push(() => made[Symbol.dispose]());
  return made.path;
}

async function open(options: Options = {}) {
  const applied: Applied[] = [];
  const { path = ':memory:', sessions = 0, retainedCount = 0, ...bounds } = options;
  const persistence = await openPersistence({
    ...bounds,
    path,
    limits: { sessions, retained: retainedCount },
    onApplied: (one) => applied.push(one),
    clock,
    logger,
  });
  await persistence.setup({ id: 'broker', counter: 0 });
  cleanups.push(() => persistence.destroy());
  return { persistence, applied };
}

let counter = 0;
const message = (topic: string, text: string, options: Partial<Packet> = {}): Packet => {
  counter += 1;
  return {
    cmd: 'publish',
    topic,
    payload: Buffer.from(text),
    qos: 1,
    retain: false,
    brokerId: 'broker',
    brokerCounter: counter,
    ...options,
  };
};
const keep = async (persistence: Persistence, packet: Packet, from: Parameters<Persistence['keep']>[1]['from'] = null): Promise<void> => {
  persistence.keep(packet, { isOwn: false, from });
  await new Promise<void>((resolve, reject) => persistence.whenDurable((error) => (error === null ? resolve() : reject(error))));
};
const queue = async (persistence: Persistence, client: string): Promise<Packet[]> => persistence.outgoingStream({ id: client }).toArray();
const texts = async (persistence: Persistence, client: string): Promise<string[]> =>
  (await queue(persistence, client)).map(({ payload }) => payload.toString());

describe('the queue of a session', () => {
  it('is there again after a restart, in order, with the highest QoS that its filters grant, and nothing of other sessions', async () => {
    const path = join(folder(), 'broker.db');
    const { persistence } = await open({ path });
    await persistence.addSubscriptions({ id: 'one' }, [
      { topic: 'a/#', qos: 1 },
      { topic: 'a/+', qos: 2 },
      { topic: 'a/b', qos: 0 },
    ]);
    await persistence.addSubscriptions({ id: 'two' }, [{ topic: 'other', qos: 1 }]);
    for (const [text, qos] of [
      ['first', 2],
      ['second', 1],
      ['third', 2],
    ] as const)
      await keep(persistence, message('a/b', text, { qos }));
    await persistence.destroy();
    const { persistence: again } = await open({ path });
    const found = await queue(again, 'one');
    expect(found.map(({ payload, qos, dup }) => [payload.toString(), qos, dup])).toEqual([
      ['first', 2, false],
      ['second', 1, false],
      ['third', 2, false],
    ]);
    expect(await texts(again, 'two')).toEqual([]);
    expect(again.broker.counter).toBeGreaterThanOrEqual(found.at(-1)?.brokerCounter ?? Number.POSITIVE_INFINITY);
  });

  it('drops its oldest by count and by bytes, and counts them; other queues keep the same messages', async () => {
    const { persistence, applied } = await open({ queues: { countMax: 3, bytesMax: 1000 } });
    await persistence.addSubscriptions({ id: 'short' }, [{ topic: '#', qos: 1 }]);
    for (let n = 1; n <= 4; n++) await keep(persistence, message('a', `${n}`));
    await persistence.addSubscriptions({ id: 'late' }, [{ topic: 'a', qos: 1 }]);
    await keep(persistence, message('a', '5'));
    expect(await texts(persistence, 'short')).toEqual(['3', '4', '5']);
    await keep(persistence, message('b', 'x'.repeat(700)));
    await keep(persistence, message('c', 'y'.repeat(700)));
    expect(await texts(persistence, 'short')).toEqual(['y'.repeat(700)]);
    expect(await texts(persistence, 'late')).toEqual(['5']);
    const dropped = applied.flatMap(({ dropped }) => [...dropped.values()]).reduce((sum, count) => sum + count, 0);
    expect(dropped).toBe(6);
    expect(applied.at(-1)).toMatchObject({ queued: 2 });
  });

  it('gives way when all queues together are full', async () => {
    const { persistence } = await open({ queues: { countMaxInAll: 4 } });
    for (const id of ['one', 'two']) await persistence.addSubscriptions({ id }, [{ topic: id, qos: 1 }]);
    await keep(persistence, message('one', 'kept'));
    for (let n = 1; n <= 5; n++) await keep(persistence, message('two', `${n}`));
    expect([await texts(persistence, 'one'), await texts(persistence, 'two')]).toEqual([['kept'], ['3', '4', '5']]);
  });

  it('says DUP of what an earlier connection was sent, under the same identifier, and PUBREL where PUBREC has come', async () => {
    const path = join(folder(), 'broker.db');
    const { persistence } = await open({ path });
    const client = { id: 'one' };
    await persistence.addSubscriptions(client, [{ topic: 'a', qos: 2 }]);
    for (const text of ['unsent', 'sent', 'received', 'done']) await keep(persistence, message('a', text, { qos: 2 }));
    const [, sent, received, done] = await queue(persistence, 'one');
    for (const [packet, messageId] of [
      [sent, 11],
      [received, 12],
      [done, 13],
    ] as const)
      await persistence.outgoingUpdate(client, { ...(packet ?? message('', '')), messageId });
    await persistence.outgoingUpdate(client, { ...message('', ''), cmd: 'pubrel', messageId: 12 });
    expect(await persistence.outgoingClearMessageId(client, { messageId: 13 })).toMatchObject({ messageId: 13, topic: 'a' });
    await persistence.destroy();
    const { persistence: again } = await open({ path });
    const found: Partial<Packet>[] = await queue(again, 'one');
    expect(found.map(({ cmd, messageId, dup, payload }) => [cmd, messageId, dup, payload?.toString()])).toEqual([
      // Handed over for sending: whether it got there nobody knows.
      ['publish', undefined, true, 'unsent'],
      ['publish', 11, true, 'sent'],
      ['pubrel', 12, undefined, undefined],
    ]);
    // Acknowledged under identifiers of a connection long gone.
    expect(await again.outgoingClearMessageId(client, { messageId: 11 })).toMatchObject({ messageId: 11 });
    await again.outgoingClearMessageId(client, { messageId: 12 });
    expect(await texts(again, 'one')).toEqual(['unsent']);
  });

  it('gives no identifier twice at once', async () => {
    const { persistence } = await open();
    const client = { id: 'one' };
    await persistence.addSubscriptions(client, [{ topic: 'a', qos: 1 }]);
    const packets = [
      message('a', '1', { messageId: 65_535 }),
      message('a', '2', { messageId: 65_535 }),
      message('a', '3', { messageId: 1 }),
    ];
    for (const packet of packets) await keep(persistence, packet);
    for (const packet of packets) await persistence.outgoingUpdate(client, packet);
    expect(packets.map(({ messageId }) => messageId)).toEqual([65_535, 1, 2]);
  });

  it('is on disk when the sender may be told so: a copy of the files taken at that moment holds it', async () => {
    const from = folder();
    const { persistence } = await open({ path: join(from, 'broker.db') });
    await persistence.addSubscriptions({ id: 'one' }, [{ topic: 'a', qos: 1 }]);
    await keep(persistence, message('a', 'safe', { retain: true }));
    const copy = folder();
    for (const name of ['broker.db', 'broker.db-wal']) cpSync(join(from, name), join(copy, name));
    const { persistence: revived } = await open({ path: join(copy, 'broker.db') });
    expect(await texts(revived, 'one')).toEqual(['safe']);
    expect((await revived.createRetainedStream('a').toArray()).map(({ payload }) => String(payload))).toEqual(['safe']);
  });

  it('ends with the session', async () => {
    const { persistence, applied } = await open();
    await persistence.addSubscriptions({ id: 'one' }, [{ topic: 'a', qos: 1 }]);
    await keep(persistence, message('a', '1'));
    await persistence.cleanSubscriptions({ id: 'one' });
    expect(await queue(persistence, 'one')).toEqual([]);
    expect(applied.at(-1)).toMatchObject({ queued: 0, queuedBytes: 0 });
    expect(persistence.sessions.find('one')).toBeUndefined();
  });
});

describe('limits', () => {
  it('of sessions: the one away for longest without subscriptions gives way, and where there is none no new one is taken', async () => {
    const { persistence } = await open({ sessions: 3 });
    await persistence.addSubscriptions({ id: 'subscriber' }, [{ topic: 'a', qos: 0 }]);
    for (const client of ['first', 'second', 'third']) persistence.beginSession(client);
    expect([...persistence.sessions.all()].map(({ client }) => client)).toEqual(['subscriber', 'second', 'third']);
    for (const id of ['second', 'third']) await persistence.addSubscriptions({ id }, [{ topic: 'a', qos: 0 }]);
    expect(() => persistence.beginSession('fourth')).toThrow('mqtt.limits.sessions');
    persistence.beginSession('second');
    expect([persistence.sessions.count, persistence.sessions.refused]).toEqual([3, 1]);
  });

  it('of retained messages: their number, the size of each and of all; own ones do not count', async () => {
    const { persistence } = await open({ retainedCount: 2, retained: { bytesMax: 100, bytesMaxInAll: 150 } });
    const retain = (topic: string, text: string, isOwn = false) =>
      persistence.keep(message(topic, text, { qos: 0, retain: true }), { isOwn, from: null });
    const retained = async () =>
      (await persistence.createRetainedStream('#').toArray()).map(({ topic, payload }) => `${topic} ${payload.length}`);
    for (const topic of ['a', 'b', 'c']) retain(topic, '12345');
    retain('tocsin/status', 'running', true);
    expect(await retained()).toEqual(['a 5', 'b 5', 'tocsin/status 7']);
    expect(persistence.retained.refused).toBe(1);
    // What is too large is not retained, and what was there before it is not the latest any more.
    retain('a', 'x'.repeat(100));
    expect(await retained()).toEqual(['b 5', 'tocsin/status 7']);
    retain('b', 'x'.repeat(99));
    retain('c', 'x'.repeat(99));
    expect(await retained()).toEqual(['b 99', 'tocsin/status 7']);
    retain('b', '');
    retain('c', 'x'.repeat(99));
    expect(await retained()).toEqual(['tocsin/status 7', 'c 99']);
    expect([persistence.retained.refused, persistence.retained.bytes]).toEqual([3, 120]);
  });

  it('of QoS 2 exchanges: a client that withholds PUBREL gets no more taken, and another one does', async () => {
    const { persistence } = await open();
    const begin = (id: string, messageId: number) =>
      persistence.incomingStorePacket({ id }, { ...message('a', 'x', { qos: 2 }), messageId });
    for (let messageId = 1; messageId <= 1000; messageId++) await begin('one', messageId);
    await expect(begin('one', 1001)).rejects.toThrow('PUBREL');
    await begin('two', 1);
    await persistence.incomingDelPacket({ id: 'one' }, { messageId: 5 });
    await begin('one', 1001);
  });
});

describe('after a crash', () => {
  it('a QoS 2 message that was kept is known by its identifier until that is released, and not longer', async () => {
    const path = join(folder(), 'broker.db');
    const { persistence } = await open({ path });
    const publisher = { id: 'publisher' };
    persistence.beginSession(publisher.id);
    await persistence.addSubscriptions({ id: 'one' }, [{ topic: 'a', qos: 2 }]);
    for (const messageId of [7, 8]) {
      const packet = { ...message('a', 'once', { qos: 2 }), messageId };
      await persistence.incomingStorePacket(publisher, packet);
      await keep(persistence, packet, { client: publisher.id, messageId });
    }
    await persistence.incomingDelPacket(publisher, { messageId: 8 });
    await persistence.destroy();
    const { persistence: again } = await open({ path });
    expect(await again.incomingGetPacket(publisher, { messageId: 7 })).toMatchObject({ messageId: 7 });
    await expect(again.incomingGetPacket(publisher, { messageId: 8 })).rejects.toThrow('no such packet');
  });

  it('the wills of the connections there were are those of another broker, and are there to be published', async () => {
    const path = join(folder(), 'broker.db');
    const { persistence } = await open({ path });
    const will = message('will', 'gone', { qos: 0, retain: true });
    await persistence.putWill({ id: 'one' }, { ...will });
    await persistence.putWill({ id: 'two' }, { ...will });
    await persistence.delWill({ id: 'two' });
    await persistence.destroy();
    const { persistence: again } = await open({ path });
    await again.setup({ id: 'next', counter: 0 });
    const wills: (Packet & { clientId?: string })[] = await again.streamWill({ next: clock.now() }).toArray();
    expect(wills.map(({ clientId, topic, payload, retain, brokerId }) => [clientId, topic, payload.toString(), retain, brokerId])).toEqual([
      ['one', 'will', 'gone', true, 'broker'],
    ]);
  });
});
