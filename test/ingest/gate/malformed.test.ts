/** What MQTT 3.1.1 does not allow closes the connection without an answer, or with the return code that it names. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectPacket, pingPacket, publishPacket, pubrelPacket, subscribePacket } from '../../load/wire.ts';
import { type Instance, RawSocket, refusals, startInstance } from './harness.ts';

let instance: Instance;
beforeAll(async () => {
  instance = await startInstance();
});
afterAll(() => instance[Symbol.asyncDispose]());

const bytes = (...values: readonly (number | string | Buffer)[]): Buffer =>
  Buffer.concat(values.map((value) => (typeof value === 'number' ? Buffer.from([value]) : Buffer.from(value as string))));
const text = (value: string | Buffer): Buffer => {
  const content = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([content.length >>> 8, content.length & 0xff]), content]);
};
/** With the remaining length that it has; all are short. */
const packet = (header: number, ...body: readonly (number | string | Buffer)[]): Buffer => {
  const whole = bytes(...body);
  if (whole.length > 127) throw new Error('too long for this');
  return bytes(header, whole.length, whole);
};
const connect = (options: { name?: string | Buffer; level?: number; flags?: number; rest?: Buffer }): Buffer =>
  packet(0x10, text(options.name ?? 'MQTT'), options.level ?? 4, options.flags ?? 2, 0, 60, options.rest ?? text('c'));

const CONNECT = connectPacket({ clientId: '', clean: true, keepaliveSeconds: 60 });
const SURROGATE = Buffer.from([0xed, 0xa0, 0x80]);
const OVERLONG = Buffer.from([0xc0, 0xaf]);
const BEYOND_UNICODE = Buffer.from([0xf4, 0x90, 0x80, 0x80]);
const NUL = Buffer.from('a\0b');
const CONNACK = Buffer.from([0x20, 2, 0, 0]);
const connack = (code: number): Buffer => Buffer.from([0x20, 2, 0, code]);

describe('before CONNECT, closed without an answer', () => {
  const will = (topic: string | Buffer): Buffer => connect({ flags: 0x06, rest: bytes(text('c'), text(topic), text('gone')) });
  const cases: readonly [name: string, sent: Buffer][] = [
    ['a publish first', publishPacket({ topic: 'a', payload: '', qos: 0, packetId: 0 })],
    ['PINGREQ first', pingPacket],
    ['a packet of type 0', bytes(0x00, 0)],
    ['a packet of type 15', bytes(0xf0, 0)],
    ['a packet that only a server sends', packet(0x20, 0, 0)],
    ['a declared length of 256 MB', bytes(0x10, 0xff, 0xff, 0xff, 0x7f)],
    ['a publish of a declared length of 256 MB', bytes(0x30, 0xff, 0xff, 0xff, 0x7f)],
    ['a remaining length of five bytes', bytes(0x10, 0xff, 0xff, 0xff, 0xff, 0x01)],
    ['flags in the header of CONNECT', bytes(0x11, CONNECT.subarray(1))],
    ['an empty CONNECT', packet(0x10)],
    ['another protocol name', connect({ name: 'MQTX' })],
    ['a protocol name that is no UTF-8', connect({ name: OVERLONG })],
    ['the reserved flag', connect({ flags: 0x03 })],
    ['the QoS of a will without a will', connect({ flags: 0x0a })],
    ['the retain flag of a will without a will', connect({ flags: 0x22 })],
    ['a will at QoS 3', connect({ flags: 0x1e, rest: bytes(text('c'), text('t'), text('p')) })],
    ['a password without a user name', connect({ flags: 0x42, rest: bytes(text('c'), text('p')) })],
    ['a will that is announced and missing', connect({ flags: 0x06 })],
    ['a user name that is announced and missing', connect({ flags: 0x82 })],
    ['a password that is announced and missing', connect({ flags: 0xc2, rest: bytes(text('c'), text('u')) })],
    ['more than its fields', connect({ rest: bytes(text('c'), 'x') })],
    ['a client id longer than the packet', connect({ rest: bytes(0, 9, 'c') })],
    ['U+0000 in the client id', connect({ rest: text(NUL) })],
    ['a surrogate in the client id', connect({ rest: text(SURROGATE) })],
    ['ill-formed UTF-8 in the user name', connect({ flags: 0x82, rest: bytes(text('c'), text(BEYOND_UNICODE)) })],
    ['a wildcard in the topic of the will', will('a/+')],
    ['an empty topic of the will', will('')],
    ['a surrogate in the topic of the will', will(SURROGATE)],
    ['U+0000 in the topic of the will', will(NUL)],
  ];
  it.each(cases)('%s', async (_, sent) => {
    const before = (await refusals(instance, 'malformed')) + (await refusals(instance, 'too-large'));
    using client = new RawSocket(instance.port).send(sent);
    expect(await client.closed()).toEqual(Buffer.alloc(0));
    expect((await refusals(instance, 'malformed')) + (await refusals(instance, 'too-large'))).toBe(before + 1);
  });
});

describe('CONNECT is refused with a return code', () => {
  const cases: readonly [name: string, code: number, sent: Buffer][] = [
    ['level 5, so that a client of MQTT 5 falls back', 1, connect({ level: 5, rest: bytes(0, text('c')) })],
    ['level 3 under the name of 3.1.1', 1, connect({ level: 3 })],
    ['level 4 under the name of 3.1', 1, connect({ name: 'MQIsdp', level: 4 })],
    ['an empty client id without a clean session', 2, connect({ flags: 0, rest: text('') })],
  ];
  it.each(cases)('%s', async (_, code, sent) => {
    using client = new RawSocket(instance.port).send(sent, publishPacket({ topic: 'behind/it', payload: 'x', qos: 1, packetId: 1 }));
    expect(await client.closed()).toEqual(connack(code));
  });

  it('a client id of more than 1024 bytes', async () => {
    using client = new RawSocket(instance.port).send(connectPacket({ clientId: 'c'.repeat(1025), clean: true, keepaliveSeconds: 0 }));
    expect(await client.closed()).toEqual(connack(2));
  });
});

describe('CONNECT is taken', () => {
  const cases: readonly [name: string, sent: Buffer][] = [
    ['of MQTT 3.1', connect({ name: 'MQIsdp', level: 3 })],
    ['of a mosquitto bridge', connect({ level: 0x84 })],
    ['with everything it may have', connect({ flags: 0xf6, rest: bytes(text('ü'), text('w/t'), text(NUL), text('u'), text(SURROGATE)) })],
    ['with an empty client id and a clean session', connect({ rest: text('') })],
    ['with U+FEFF, which is kept', connect({ rest: text('\uFEFFc') })],
  ];
  it.each(cases)('%s, byte by byte', async (_, sent) => {
    using client = new RawSocket(instance.port);
    for (const byte of sent) {
      client.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.next(4)).toEqual(CONNACK);
  });
});

describe('after CONNECT, closed without an answer', () => {
  const publish = (topic: string | Buffer, qos: number, packetId = 1): Buffer =>
    packet(0x30 | (qos << 1), text(topic), ...(qos > 0 ? [packetId >>> 8, packetId & 0xff] : []), 'x');
  const subscribe = (...entries: readonly Buffer[]): Buffer => packet(0x82, 0, 1, ...entries);
  const filter = (value: string | Buffer, qos = 0): Buffer => bytes(text(value), qos);
  const cases: readonly [name: string, sent: Buffer][] = [
    ['a second CONNECT', CONNECT],
    ['a publish at QoS 3', bytes(0x36, publish('a', 1).subarray(1))],
    ['DUP at QoS 0', bytes(0x38, publish('a', 0).subarray(1))],
    ['a publish under packet identifier 0', publish('a', 1, 0)],
    ['a publish at QoS 2 under packet identifier 0', publish('a', 2, 0)],
    ['an empty publish', packet(0x30)],
    ['a topic name longer than the publish', packet(0x30, 0, 9, 'a')],
    ['a publish without its packet identifier', packet(0x32, text('a'), 1)],
    ['an empty topic name', publish('', 0)],
    ['+ in a topic name', publish('a/+', 1)],
    ['# in a topic name', publish('#', 1)],
    ['U+0000 in a topic name', publish(NUL, 1)],
    ['a surrogate in a topic name', publish(SURROGATE, 1)],
    ['an overlong form in a topic name', publish(OVERLONG, 1)],
    ['a character cut short in a topic name', publish(Buffer.from([0xe2, 0x82]), 1)],
    ['beyond Unicode in a topic name', publish(BEYOND_UNICODE, 1)],
    ['flags of PUBACK', packet(0x42, 0, 1)],
    ['PUBACK of three bytes', packet(0x40, 0, 1, 0)],
    ['PUBACK of one byte', packet(0x40, 1)],
    ['PUBACK of packet identifier 0', packet(0x40, 0, 0)],
    ['PUBREC with flags', packet(0x52, 0, 1)],
    ['PUBREL without its flag', bytes(0x60, pubrelPacket(1).subarray(1))],
    ['PUBREL of packet identifier 0', pubrelPacket(0)],
    ['PUBCOMP with flags', packet(0x71, 0, 1)],
    ['SUBSCRIBE without its flag', bytes(0x80, subscribePacket(1, 'a', 0).subarray(1))],
    ['SUBSCRIBE without a filter', subscribe()],
    ['SUBSCRIBE under packet identifier 0', packet(0x82, 0, 0, filter('a'))],
    ['SUBSCRIBE at QoS 3', subscribe(filter('a', 3))],
    ['SUBSCRIBE with reserved bits', subscribe(filter('a', 0x04))],
    ['SUBSCRIBE with a filter and half of one', subscribe(filter('a'), bytes(0, 1, 'b'))],
    ['SUBSCRIBE to nothing', subscribe(filter(''))],
    ...['a#', '#/a', 'a/#/b', 'a/b#', '##', 'a+', 'a+/b', '+a', 'a/b+/c', '++'].map((wrong): [string, Buffer] => [
      `SUBSCRIBE to ${wrong}`,
      subscribe(filter(wrong)),
    ]),
    ['SUBSCRIBE with U+0000', subscribe(filter(NUL))],
    ['SUBSCRIBE with a surrogate', subscribe(filter(SURROGATE))],
    ['UNSUBSCRIBE without its flag', packet(0xa0, 0, 1, text('a'))],
    ['UNSUBSCRIBE without a filter', packet(0xa2, 0, 1)],
    ['UNSUBSCRIBE under packet identifier 0', packet(0xa2, 0, 0, text('a'))],
    ['UNSUBSCRIBE from nothing', packet(0xa2, 0, 1, text(''))],
    ['UNSUBSCRIBE from a#', packet(0xa2, 0, 1, text('a#'))],
    ['PINGREQ with a body', packet(0xc0, 0)],
    ['PINGREQ with flags', bytes(0xc1, 0)],
    ['DISCONNECT with a body', packet(0xe0, 0)],
    ['DISCONNECT with flags', bytes(0xe4, 0)],
    ['PINGRESP', bytes(0xd0, 0)],
    ['SUBACK', packet(0x90, 0, 1, 0)],
    ['AUTH of MQTT 5', bytes(0xf0, 0)],
    ['SUBSCRIBE of more than mqtt.limits.packetBytes', bytes(0x82, 0xff, 0xff, 0x7f)],
  ];
  it.each(cases)('%s', async (_, sent) => {
    using client = new RawSocket(instance.port).send(CONNECT);
    await client.next(4);
    client.send(sent);
    expect(await client.closed()).toEqual(Buffer.alloc(0));
  });

  const right = ['#', '+', '/', '+/+', 'a/#', '+/a/#', '/+', 'a//b', '+/', 'ü/€/𝄞', '\uFFFF'];
  it.each(right)('but SUBSCRIBE to %j is granted', async (value) => {
    using client = new RawSocket(instance.port).send(CONNECT, subscribe(filter(value)));
    expect(await client.next(9)).toEqual(bytes(CONNACK, 0x90, 3, 0, 1, 0));
  });

  it('and what came before it in the same chunk is taken', async () => {
    const before = await instance.metric('tocsin_messages_total{outcome="accepted"}');
    using client = new RawSocket(instance.port).send(
      CONNECT,
      publish('sensors/before/t', 0),
      publish('a/+', 0),
      publish('sensors/after/t', 0),
    );
    expect(await client.closed()).toEqual(CONNACK);
    expect(await instance.metric('tocsin_messages_total{outcome="accepted"}')).toBe(before + 1);
  });
});
