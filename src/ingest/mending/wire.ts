/** The packets that are written here in place of Aedes, as bytes. */

const PUBLISH = 0x30;
const PUBREL = 0x62;
const SUBACK = 0x90;

export interface PublishHeader {
  readonly topic: string;
  readonly payloadBytes: number;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  /** Left out at QoS 0 [MQTT-2.3.1-5]. */
  readonly messageId: number;
}

/** All of a PUBLISH but its payload, with room for that if it is to be copied behind. @returns how far it is written */
export function writePublish(
  { topic, payloadBytes, qos, retain, dup, messageId }: PublishHeader,
  room: number,
): { bytes: Buffer; end: number } {
  const topicBytes = Buffer.byteLength(topic);
  const length = 2 + topicBytes + (qos > 0 ? 2 : 0) + payloadBytes;
  const bytes = Buffer.allocUnsafe(5 + length - payloadBytes + room);
  bytes[0] = PUBLISH | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  let end = writeLength(bytes, length);
  end = bytes.writeUInt16BE(topicBytes, end);
  end += bytes.write(topic, end);
  if (qos > 0) end = bytes.writeUInt16BE(messageId, end);
  return { bytes, end };
}

export const pubrelBytes = (messageId: number): Buffer => Buffer.from([PUBREL, 2, messageId >>> 8, messageId & 0xff]);

export function subackBytes(messageId: number, codes: readonly number[]): Buffer {
  const bytes = Buffer.alloc(7 + codes.length);
  bytes[0] = SUBACK;
  const start = bytes.writeUInt16BE(messageId, writeLength(bytes, 2 + codes.length));
  bytes.set(codes, start);
  return bytes.subarray(0, start + codes.length);
}

function writeLength(bytes: Buffer, length: number): number {
  let at = 1;
  let rest = length;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes[at++] = rest > 0 ? low | 0x80 : low;
  } while (rest > 0);
  return at;
}
