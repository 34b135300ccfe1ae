/**
 * MQTT 3.1.1 on a raw socket, both ways, for load tests: packets are built once and sent many times, and what comes back
 * is read without an object per packet. A load generator shares its machine with what it measures, so it must cost little.
 */

export const CONNACK = 2;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBACK = 9;

const PROTOCOL = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4]);
const DUP = 0x08;

export function connectPacket(options: {
  clientId: string;
  clean: boolean;
  keepaliveSeconds: number;
  /** Both or none. */
  login?: { username: string; password: string };
}): Buffer {
  const { login } = options;
  const flags = (options.clean ? 2 : 0) | (login === undefined ? 0 : 0xc0);
  const credentials = login === undefined ? [] : [text(login.username), text(login.password)];
  const tail = Buffer.concat([PROTOCOL, Buffer.from([flags]), uint16(options.keepaliveSeconds), text(options.clientId), ...credentials]);
  return Buffer.concat([header(0x10, tail.length), tail]);
}

export function publishPacket(options: {
  topic: string;
  payload: Buffer | string;
  qos: 0 | 1 | 2;
  packetId: number;
  duplicate?: boolean;
}): Buffer {
  const payload = typeof options.payload === 'string' ? Buffer.from(options.payload) : options.payload;
  const parts = [text(options.topic), options.qos === 0 ? Buffer.alloc(0) : uint16(options.packetId), payload];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([header(0x30 | (options.qos << 1) | (options.duplicate === true ? DUP : 0), length), ...parts]);
}

/** The same publish as a retransmission. */
export function asDuplicate(packet: Buffer): Buffer {
  const copy = Buffer.from(packet);
  copy[0] = (copy[0] ?? 0) | DUP;
  return copy;
}

export function subscribePacket(packetId: number, filter: string, qos: 0 | 1): Buffer {
  const tail = Buffer.concat([uint16(packetId), text(filter), Buffer.from([qos])]);
  return Buffer.concat([header(0x82, tail.length), tail]);
}

export const pubrelPacket = (packetId: number): Buffer => Buffer.from([0x62, 2, packetId >>> 8, packetId & 0xff]);
export const pingPacket: Buffer = Buffer.from([0xc0, 0]);
export const disconnectPacket: Buffer = Buffer.from([0xe0, 0]);

/**
 * Calls back for every packet with its type and, for the kinds that carry only one, its packet identifier (CONNACK: the
 * return code). Bodies of PUBLISH are skipped. Packets may be cut anywhere between two chunks.
 */
export class PacketScanner {
  #type = 0;
  #body = 0;
  #seen = 0;
  #identifier = 0;
  #lengthShift = -1;
  readonly #onPacket: (type: number, identifier: number) => void;

  constructor(onPacket: (type: number, identifier: number) => void) {
    this.#onPacket = onPacket;
  }

  push(chunk: Buffer): void {
    let offset = 0;
    const size = chunk.length;
    while (offset < size) {
      if (this.#lengthShift === -1 && offset + 4 <= size && chunk[offset + 1] === 2) {
        // The common case, an acknowledgement in one piece.
        this.#onPacket((chunk[offset] ?? 0) >>> 4, ((chunk[offset + 2] ?? 0) << 8) | (chunk[offset + 3] ?? 0));
        offset += 4;
      } else if (this.#lengthShift === -1) {
        this.#type = (chunk[offset++] ?? 0) >>> 4;
        this.#body = 0;
        this.#seen = 0;
        this.#identifier = 0;
        this.#lengthShift = 0;
      } else if (this.#lengthShift >= 0) {
        const byte = chunk[offset++] ?? 0;
        this.#body += (byte & 0x7f) << this.#lengthShift;
        this.#lengthShift = byte < 0x80 ? -2 : this.#lengthShift + 7;
        if (this.#lengthShift === -2 && this.#body === 0) this.#finish();
      } else {
        offset = this.#readBody(chunk, offset);
      }
    }
  }

  #readBody(chunk: Buffer, from: number): number {
    let offset = from;
    while (this.#seen < 2 && offset < chunk.length && this.#seen < this.#body) {
      this.#identifier = (this.#identifier << 8) | (chunk[offset++] ?? 0);
      this.#seen += 1;
    }
    const skipped = Math.min(this.#body - this.#seen, chunk.length - offset);
    this.#seen += skipped;
    if (this.#seen === this.#body) this.#finish();
    return offset + skipped;
  }

  #finish(): void {
    this.#lengthShift = -1;
    this.#onPacket(this.#type, this.#identifier);
  }
}

function header(first: number, length: number): Buffer {
  const bytes = [first];
  let rest = length;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}

const uint16 = (value: number): Buffer => Buffer.from([value >>> 8, value & 0xff]);

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}
