/** Chapters 1 and 2: strings, fixed headers and packet identifiers. */
import { expect } from 'vitest';
import {
  answer,
  CONNACK,
  connect,
  DISCONNECT,
  frame,
  idOf,
  PINGREQ,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
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
import { type Bench, closes, holdTo, type Statement } from './statements.ts';

const utf8 = (...bytes: readonly number[]): Buffer => Buffer.from([0x61, ...bytes, 0x62]);
const BROKEN: Readonly<Record<string, Buffer>> = {
  'a byte that begins nothing': utf8(0xff),
  'a sequence cut short': utf8(0xe2, 0x82),
  'an overlong slash': utf8(0xc0, 0xaf),
  'a surrogate': utf8(0xed, 0xa0, 0x80),
  'past U+10FFFF': utf8(0xf4, 0x90, 0x80, 0x80),
};

const strings: readonly Statement[] = [
  ...Object.entries(BROKEN).flatMap(([what, bytes]): Statement[] => [
    { id: 'MQTT-1.5.3-1', says: `ill-formed UTF-8 ends the connection: ${what}, in a topic`, run: closes(publish(bytes, 'x')) },
    { id: 'MQTT-1.5.3-1', says: `ill-formed UTF-8 ends the connection: ${what}, in a filter`, run: closes(subscribe(1, [bytes, 0])) },
  ]),
  { id: 'MQTT-1.5.3-1', says: 'ill-formed UTF-8 ends the connection: in UNSUBSCRIBE', run: closes(unsubscribe(1, utf8(0xff))) },
  { id: 'MQTT-1.5.3-2', says: 'U+0000 ends the connection: in a topic', run: closes(publish(utf8(0), 'x')) },
  { id: 'MQTT-1.5.3-2', says: 'U+0000 ends the connection: in a filter', run: closes(subscribe(1, [utf8(0), 0])) },
  {
    id: 'MQTT-1.5.3-2',
    says: 'U+0000 ends the connection: in a client identifier',
    run: async (bench) => {
      const client = await bench.open();
      client.send(connect({ id: utf8(0) }));
      expect((await client.closed()).filter(({ type, body }) => type === CONNACK && body[1] === 0)).toEqual([]);
    },
  },
  {
    id: 'MQTT-1.5.3-3',
    says: 'a byte order mark is a character like any',
    run: async (bench) => {
      const marked = bench.name('/\u{feff}a');
      const client = await bench.subscriber(bench.name('/#'), 0);
      const exact = await bench.subscriber(bench.name('/a'), 0);
      await bench.publish(marked, 'x');
      expect((await client.publishes(1))[0]?.topic).toBe(marked);
      expect(await exact.restOfPublishes()).toEqual([]);
    },
  },
];

const WRONG_FLAGS: readonly (readonly [name: string, packet: Buffer])[] = [
  ['PUBACK', frame(PUBACK, 2, uint16(1))],
  ['PUBREC', frame(PUBREC, 1, uint16(1))],
  ['PUBREL', frame(PUBREL, 0, uint16(1))],
  ['PUBCOMP', frame(PUBCOMP, 8, uint16(1))],
  ['SUBSCRIBE', frame(SUBSCRIBE, 0, uint16(1), text('a'), Buffer.from([0]))],
  ['UNSUBSCRIBE', frame(UNSUBSCRIBE, 3, uint16(1), text('a'))],
  ['PINGREQ', frame(PINGREQ, 4)],
  ['DISCONNECT', frame(DISCONNECT, 1)],
];

const headers: readonly Statement[] = [
  ...WRONG_FLAGS.map(
    ([name, packet]): Statement => ({ id: 'MQTT-2.2.2-2', says: `wrong flags of ${name} end the connection`, run: closes(packet) }),
  ),
  ...[0, 15].map(
    (type): Statement => ({ id: 'MQTT-4.8.0-1', says: `reserved packet type ${type} ends the connection`, run: closes(frame(type, 0)) }),
  ),
  ...[CONNACK, SUBACK, UNSUBACK, 13].map(
    (type): Statement => ({
      id: 'MQTT-4.8.0-1',
      says: `packet type ${type} is the server's: it ends the connection`,
      run: closes(frame(type, 0, ...(type === 13 ? [] : [uint16(1), Buffer.alloc(type === SUBACK ? 1 : 0)]))),
    }),
  ),
  {
    id: 'MQTT-4.8.0-1',
    says: 'a remaining length of five bytes ends the connection',
    run: closes(Buffer.from([PUBLISH << 4, 0xff, 0xff, 0xff, 0xff, 0x01])),
  },
  {
    id: 'MQTT-2.2.3',
    says: 'a remaining length may take more bytes than it needs, and packets may come byte by byte',
    kind: 'own',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 0);
      for (const byte of publish(bench.name(), 'x'.repeat(200))) client.send(Buffer.from([byte]));
      expect((await client.publishes(1))[0]?.payload).toHaveLength(200);
    },
  },
];

/** Three messages of a QoS, none acknowledged. @returns their identifiers */
async function idsOfThree(bench: Bench, qos: 1 | 2): Promise<number[]> {
  const client = await bench.subscriber(bench.name(), qos);
  for (const payload of ['a', 'b', 'c']) await bench.publish(bench.name(), payload, { qos });
  return (await client.publishes(3)).map(({ id }) => id);
}

const identifiers: readonly Statement[] = [
  { id: 'MQTT-2.3.1-1', says: 'SUBSCRIBE with identifier 0 ends the connection', run: closes(subscribe(0, ['a', 0])) },
  { id: 'MQTT-2.3.1-1', says: 'UNSUBSCRIBE with identifier 0 ends the connection', run: closes(unsubscribe(0, 'a')) },
  { id: 'MQTT-2.3.1-1', says: 'PUBLISH of QoS 1 with identifier 0 ends the connection', run: closes(publish('a', 'b', { qos: 1, id: 0 })) },
  { id: 'MQTT-2.3.1-1', says: 'PUBLISH of QoS 2 with identifier 0 ends the connection', run: closes(publish('a', 'b', { qos: 2, id: 0 })) },
  {
    id: 'MQTT-2.3.1-4',
    says: 'the server gives each unacknowledged PUBLISH an identifier of its own, never 0',
    run: async (bench) => {
      for (const qos of [1, 2] as const) {
        const ids = await idsOfThree(bench, qos);
        expect(new Set(ids).size).toBe(3);
        expect(ids).not.toContain(0);
      }
    },
  },
  {
    id: 'MQTT-2.3.1-4',
    says: 'also across a reconnection, where old ones are still unacknowledged',
    run: async (bench) => {
      const id = bench.name('p');
      const first = await bench.subscriber(bench.name(), 1, { id, clean: false });
      for (let n = 0; n < 10; n++) await bench.publish(bench.name(), `${n}`, { qos: 1 });
      const before = await first.publishes(10);
      first.destroy();
      const again = await bench.client({ id, clean: false });
      for (let n = 10; n < 20; n++) await bench.publish(bench.name(), `${n}`, { qos: 1 });
      const after = await again.publishes(20);
      expect(after.slice(0, 10).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
      expect(new Set(after.map(({ id }) => id)).size).toBe(20);
    },
  },
  {
    id: 'MQTT-2.3.1-5',
    says: 'a PUBLISH of QoS 0 has no identifier',
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 2);
      await bench.publish(bench.name(), 'x');
      const { body } = await client.next(PUBLISH);
      expect(body).toEqual(Buffer.concat([text(bench.name()), Buffer.from('x')]));
    },
  },
  {
    id: 'MQTT-2.3.1-6',
    says: 'PUBACK, PUBREC and PUBCOMP carry the identifier of the PUBLISH',
    run: async (bench) => {
      const client = await bench.client();
      client.send(publish(bench.name(), 'x', { qos: 1, id: 65_535 }));
      expect(idOf(await client.next(PUBACK))).toBe(65_535);
      client.send(publish(bench.name(), 'x', { qos: 2, id: 258 }));
      expect(idOf(await client.next(PUBREC))).toBe(258);
      client.send(answer(PUBREL, 258));
      expect(idOf(await client.next(PUBCOMP))).toBe(258);
    },
  },
  {
    id: 'MQTT-2.3.1-6',
    says: "the server's PUBREL carries the identifier of its PUBLISH",
    run: async (bench) => {
      const client = await bench.subscriber(bench.name(), 2);
      await bench.publish(bench.name(), 'x', { qos: 2 });
      const [message] = await client.publishes(1);
      client.send(answer(PUBREC, message?.id ?? 0));
      const pubrel = await client.next(PUBREL);
      expect([pubrel.flags, idOf(pubrel)]).toEqual([2, message?.id]);
    },
  },
  {
    id: 'MQTT-2.3.1-7',
    says: 'SUBACK and UNSUBACK carry the identifier of SUBSCRIBE and UNSUBSCRIBE',
    run: async (bench) => {
      const client = await bench.client();
      client.send(subscribe(41_000, [bench.name(), 0]));
      expect(idOf(await client.next(SUBACK))).toBe(41_000);
      client.send(unsubscribe(41_001, bench.name()));
      const unsuback = await client.next(UNSUBACK);
      expect([idOf(unsuback), unsuback.body.length]).toEqual([41_001, 2]);
    },
  },
];

holdTo('Format', [...strings, ...headers, ...identifiers]);
