/** MQTT 3.1.1 packets as bytes, right ones and, part by part, wrong ones; and bytes as packets. */

export const CONNECT = 1;
export const CONNACK = 2;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBSCRIBE = 8;
export const SUBACK = 9;
export const UNSUBSCRIBE = 10;
export const UNSUBACK = 11;
export const PINGREQ = 12;
export const PINGRESP = 13;
export const DISCONNECT = 14;

export type Qos = 0 | 1 | 2;
type Text = string | Buffer;

export interface Packet {
  readonly type: number;
  /** The low half of the first byte. */
  readonly flags: number;
  readonly body: Buffer;
}

export interface Published {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 at QoS 0, which has none. */
  readonly id: number;
}

export interface ConnectOptions {
  readonly id?: Text;
  readonly clean?: boolean;
  readonly keepaliveSeconds?: number;
  readonly will?: { readonly topic: Text; readonly payload: Text; readonly qos?: number; readonly retain?: boolean };
  readonly username?: Text;
  readonly password?: Text;
  readonly protocol?: string;
  readonly level?: number;
  /** In place of those that follow from the rest. */
  readonly flags?: number;
}

export function connect(options: ConnectOptions = {}): Buffer {
  const { will, username, password } = options;
  const flags =
    (options.clean === false ? 0 : 2) |
    (will === undefined ? 0 : 4 | ((will.qos ?? 0) << 3) | (will.retain === true ? 32 : 0)) |
    (password === undefined ? 0 : 64) |
    (username === undefined ? 0 : 128);
  const fields = [options.id ?? '', ...(will === undefined ? [] : [will.topic, will.payload])];
  const credentials = [username, password].filter((part) => part !== undefined);
  const head = [text(options.protocol ?? 'MQTT'), Buffer.from([options.level ?? 4, options.flags ?? flags])];
  return frame(CONNECT, 0, ...head, uint16(options.keepaliveSeconds ?? 0), ...[...fields, ...credentials].map(text));
}

export interface PublishOptions {
  readonly qos?: number;
  readonly id?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
}

export function publish(topic: Text, payload: Text, options: PublishOptions = {}): Buffer {
  const qos = options.qos ?? 0;
  const flags = (options.dup === true ? 8 : 0) | (qos << 1) | (options.retain === true ? 1 : 0);
  return frame(PUBLISH, flags, text(topic), qos === 0 ? Buffer.alloc(0) : uint16(options.id ?? 1), Buffer.from(payload));
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export const answer = (type: number, id: number): Buffer => frame(type, type === PUBREL ? 2 : 0, uint16(id));

export const subscribe = (id: number, ...filters: readonly (readonly [filter: Text, qos: number])[]): Buffer =>
  frame(SUBSCRIBE, 2, uint16(id), ...filters.flatMap(([filter, qos]) => [text(filter), Buffer.from([qos])]));

export const unsubscribe = (id: number, ...filters: readonly Text[]): Buffer => frame(UNSUBSCRIBE, 2, uint16(id), ...filters.map(text));

export const ping: Buffer = Buffer.from([PINGREQ << 4, 0]);
export const disconnect: Buffer = Buffer.from([DISCONNECT << 4, 0]);

export function frame(type: number, flags: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = [(type << 4) | flags];
  let rest = body.length;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    head.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(head), body]);
}

export const uint16 = (value: number): Buffer => Buffer.from([value >>> 8, value & 0xff]);

export function text(value: Text): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

export function readPublish({ flags, body }: Packet): Published {
  const qos = (flags >>> 1) & 3;
  const topicEnd = 2 + body.readUInt16BE(0);
  return {
    topic: body.toString('utf8', 2, topicEnd),
    payload: body.toString('utf8', topicEnd + (qos > 0 ? 2 : 0)),
    qos,
    retain: (flags & 1) === 1,
    dup: (flags & 8) === 8,
    id: qos > 0 ? body.readUInt16BE(topicEnd) : 0,
  };
}

/** The packet identifier of any acknowledgement. */
export const idOf = (packet: Packet): number => packet.body.readUInt16BE(0);

/** Takes whole packets off the front of what has been read. */
export function parse(bytes: Buffer): { packets: Packet[]; rest: Buffer } {
  const packets: Packet[] = [];
  let start = 0;
  for (;;) {
    let length = 0;
    let at = start + 1;
    let shift = 0;
    for (; at < bytes.length; at++, shift += 7) {
      const byte = bytes[at] ?? 0;
      length += (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const bodyStart = at + 1;
    if (at >= bytes.length || bodyStart + length > bytes.length) return { packets, rest: bytes.subarray(start) };
    const first = bytes[start] ?? 0;
    packets.push({ type: first >>> 4, flags: first & 0xf, body: bytes.subarray(bodyStart, bodyStart + length) });
    start = bodyStart + length;
  }
}
