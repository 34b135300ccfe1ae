/**
 * What a client may send, decoded and checked once: the packets have the form in which Aedes takes them from mqtt-packet, so that nothing
 * is parsed twice and no second parser can be of another opinion. CONNECT has a file of its own. Payloads are slices, not copies.
 */
import { Fields } from './fields.ts';
import { Fault } from './refusals.ts';
import type { TopicNames } from './topics.ts';

export interface PublishPacket {
  readonly cmd: 'publish';
  readonly retain: boolean;
  readonly qos: number;
  readonly dup: boolean;
  readonly length: number;
  readonly topic: string;
  readonly payload: Buffer;
  readonly messageId: number | undefined;
}
interface Subscription {
  readonly topic: string;
  readonly qos: number;
  readonly rh?: number;
  readonly rap?: boolean;
  readonly nl?: boolean;
}
export type Packet =
  | PublishPacket
  | { readonly cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'; readonly messageId: number }
  | { readonly cmd: 'subscribe'; readonly messageId: number; readonly subscriptions: readonly Subscription[] }
  | { readonly cmd: 'unsubscribe'; readonly messageId: number; readonly unsubscriptions: readonly string[] }
  | { readonly cmd: 'pingreq' | 'disconnect' };

export const CONNECT = 0x10;
export const DISCONNECT = 0xe0;
const PUBLISH_DUP = 0x08;
const PUBLISH_RETAIN = 0x01;
/** Types with their flags, as they stand in the first byte. */
const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBREL = 0x62;
const PUBCOMP = 0x70;
const SUBSCRIBE = 0x82;
const UNSUBSCRIBE = 0xa2;
const PINGREQ = 0xc0;
/** As many as a client may have subscriptions. */
const FILTERS_MAX = 1000;

/** By first byte: whether a client may send a packet that begins so. */
const MAY_BEGIN = new Uint8Array(256);
for (const header of [CONNECT, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT]) MAY_BEGIN[header] = 1;
for (const qos of [0, 1, 2]) {
  for (const retain of [0, PUBLISH_RETAIN]) {
    MAY_BEGIN[0x30 | (qos << 1) | retain] = 1;
    if (qos > 0) MAY_BEGIN[0x30 | PUBLISH_DUP | (qos << 1) | retain] = 1;
  }
}

export const mayBegin = (header: number): boolean => MAY_BEGIN[header] === 1;
export const isPublish = (header: number): boolean => header >>> 4 === 3;

/** @param header one that `mayBegin`, of a publish */
export function publishAt(bytes: Buffer, header: number, start: number, end: number, names: TopicNames): PublishPacket {
  const topicStart = start + 2;
  if (topicStart > end) throw new Fault('malformed', 'a publish is cut short');
  const topicEnd = topicStart + (((bytes[start] as number) << 8) | (bytes[start + 1] as number));
  const qos = (header >>> 1) & 3;
  const payloadStart = qos === 0 ? topicEnd : topicEnd + 2;
  if (payloadStart > end) throw new Fault('malformed', 'a publish is cut short');
  const messageId = qos === 0 ? undefined : ((bytes[topicEnd] as number) << 8) | (bytes[topicEnd + 1] as number);
  if (messageId === 0) throw new Fault('malformed', 'the packet identifier is 0');
  return {
    cmd: 'publish',
    retain: (header & PUBLISH_RETAIN) !== 0,
    qos,
    dup: (header & PUBLISH_DUP) !== 0,
    length: end - start,
    topic: names.nameAt(bytes, topicStart, topicEnd),
    payload: bytes.subarray(payloadStart, end),
    messageId,
  };
}

/**
 * Any packet but CONNECT and a publish.
 * @param header one that `mayBegin`
 * @param isBridge whether what this client subscribes to keeps its retain flag and never comes back to it
 */
export function packetAt(bytes: Buffer, header: number, start: number, end: number, isBridge: boolean): Packet {
  const fields = new Fields(bytes, start, end);
  switch (header) {
    case PUBACK:
      return acknowledgement('puback', fields);
    case PUBREC:
      return acknowledgement('pubrec', fields);
    case PUBREL:
      return acknowledgement('pubrel', fields);
    case PUBCOMP:
      return acknowledgement('pubcomp', fields);
    case SUBSCRIBE:
      return { cmd: 'subscribe', messageId: identifier(fields), subscriptions: subscriptions(fields, isBridge) };
    case UNSUBSCRIBE:
      return { cmd: 'unsubscribe', messageId: identifier(fields), unsubscriptions: entries(fields, () => fields.filter()) };
    default:
      fields.expectEnd('PINGREQ or DISCONNECT');
      return { cmd: header === PINGREQ ? 'pingreq' : 'disconnect' };
  }
}

function acknowledgement(cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', fields: Fields): Packet {
  const messageId = identifier(fields);
  fields.expectEnd('an acknowledgement');
  return { cmd, messageId };
}

function identifier(fields: Fields): number {
  const messageId = fields.uint16('the packet identifier');
  if (messageId === 0) throw new Fault('malformed', 'the packet identifier is 0');
  return messageId;
}

const BRIDGED = { rh: 0, rap: true, nl: true };

function subscriptions(fields: Fields, isBridge: boolean): Subscription[] {
  return entries(fields, () => {
    const topic = fields.filter();
    const qos = fields.byte('the QoS of a subscription');
    if (qos > 2) throw new Fault('malformed', 'the QoS of a subscription is not 0, 1 or 2');
    return isBridge ? { topic, qos, ...BRIDGED } : { topic, qos };
  });
}

function entries<T>(fields: Fields, read: () => T): T[] {
  const found: T[] = [];
  while (!fields.isAtEnd) {
    if (found.length >= FILTERS_MAX) throw new Fault('subscriptions', `more than ${FILTERS_MAX} topic filters in one packet`);
    found.push(read());
  }
  if (found.length === 0) throw new Fault('malformed', 'SUBSCRIBE or UNSUBSCRIBE without a topic filter');
  return found;
}
