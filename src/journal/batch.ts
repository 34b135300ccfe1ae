/**
 * The encoding of a journal batch. A batch stands alone: device and metric names are written once in it, at first use,
 * and referred to by number. Every entry counts one position. Little-endian; text is UTF-8 with a 16-bit length, payloads have a 32-bit length.
 *
 *     u8 version
 *     'S' shape     u16 count, text × count                          defines the next shape number
 *     'D' device    text id, u8 hasProfile [text], u8 labels, (text key, text value) ×    defines the next device number
 *     'R' reading   u16 device, u16 shape, u8 flags, f64 at, f64 receivedAt, value × count of the shape
 *     'X' rejection u8 hasDevice [text], text topic, bytes payload, text client, f64 receivedAt, text reason, text detail, u8 partial
 *     'Q' QoS 2     u8 open (1) or released (0), text client, u16 packetId, u32 hash, f64 receivedAt
 *
 * A value is a tag (0 number, 1 false, 2 true, 3 text) and, for 0 and 3, its content.
 */
import type { DeviceRef, Reading, Rejection, Shape, Value } from '../domain/reading.ts';
import { TocsinError } from '../std/errors.ts';
import type { Batch } from './journal.ts';

const VERSION = 1;
const TAG_SHAPE = 0x53;
const TAG_DEVICE = 0x44;
const TAG_READING = 0x52;
const TAG_REJECTION = 0x58;
const TAG_QOS2 = 0x51;
const TEXT_BYTES_MAX = 65_535;
/** Shapes and devices are numbered by 16 bits in a batch, and so are the names of a shape. */
const NAMES_MAX = 65_535;
/** What one message or request may add after the batch was found not to be full. */
const NAMES_ADDED_MAX = 10_000;
const LABELS_MAX = 255;
const INITIAL_BYTES = 64 * 1024;
/** A buffer that grew past this for one burst is let go after it. */
const KEPT_BYTES_MAX = 1024 * 1024;

/** An inbound QoS 2 packet identifier taken, or released by PUBREL; read back by the ingest after a restart. */
export interface Qos2Mark {
  readonly open: boolean;
  readonly client: string;
  readonly packetId: number;
  readonly hash: number;
  readonly receivedAt: number;
}

export class BatchWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 1;
  #count = 0;
  #firstAt = 0;
  #lastAt = 0;
  readonly #shapes = new Map<Shape, number>();
  readonly #devices = new Map<DeviceRef, number>();
  readonly #latestById = new Map<string, DeviceRef>();
  #devicesDefined = 0;

  get count(): number {
    return this.#count;
  }
  get sizeBytes(): number {
    return this.#length;
  }
  /** Time of receipt of the first entry, µs; 0 when empty. */
  get firstAt(): number {
    return this.#firstAt;
  }
  /** True when another message may need a name number that 16 bits cannot hold. */
  get isFull(): boolean {
    return Math.max(this.#devicesDefined, this.#shapes.size) > NAMES_MAX - NAMES_ADDED_MAX;
  }

  addReading(device: DeviceRef, metrics: Shape, values: readonly Value[], times: { at: number; receivedAt: number; flags: number }): void {
    if (metrics.length > NAMES_MAX) {
      // Read back as two readings of the same instant.
      this.addReading(device, metrics.slice(0, NAMES_MAX), values.slice(0, NAMES_MAX), times);
      this.addReading(device, metrics.slice(NAMES_MAX), values.slice(NAMES_MAX), times);
      return;
    }
    const deviceNumber = this.#devices.get(device) ?? this.#defineDevice(device);
    const shapeNumber = this.#shapes.get(metrics) ?? this.#defineShape(metrics);
    this.#reserve(22 + values.length * 9);
    const bytes = this.#bytes;
    let offset = this.#length;
    bytes[offset] = TAG_READING;
    bytes[offset + 1] = deviceNumber & 0xff;
    bytes[offset + 2] = deviceNumber >>> 8;
    bytes[offset + 3] = shapeNumber & 0xff;
    bytes[offset + 4] = shapeNumber >>> 8;
    bytes[offset + 5] = times.flags;
    bytes.writeDoubleLE(times.at, offset + 6);
    bytes.writeDoubleLE(times.receivedAt, offset + 14);
    offset += 22;
    for (const value of values) {
      if (typeof value === 'number') {
        bytes[offset] = 0;
        this.#bytes.writeDoubleLE(value, offset + 1);
        offset += 9;
      } else if (typeof value === 'boolean') {
        this.#bytes[offset] = value ? 2 : 1;
        offset += 1;
      } else {
        this.#length = offset;
        this.#reserve(1);
        this.#bytes[this.#length++] = 3;
        this.#text(value);
        // Room for the values that follow a text, which the first reservation did not know of.
        this.#reserve(values.length * 9);
        offset = this.#length;
      }
    }
    this.#length = offset;
    this.#counted(times.receivedAt);
  }

  addRejection(rejection: Rejection): void {
    this.#byte(TAG_REJECTION);
    this.#optionalText(rejection.device);
    this.#text(rejection.topic);
    this.#reserve(4 + rejection.payload.length);
    this.#bytes.writeUInt32LE(rejection.payload.length, this.#length);
    this.#bytes.set(rejection.payload, this.#length + 4);
    this.#length += 4 + rejection.payload.length;
    this.#text(rejection.client);
    this.#double(rejection.receivedAt);
    this.#text(rejection.reason);
    this.#text(rejection.detail);
    this.#byte(rejection.partial ? 1 : 0);
    this.#counted(rejection.receivedAt);
  }

  addQos2Mark(mark: Qos2Mark): void {
    this.#byte(TAG_QOS2);
    this.#byte(mark.open ? 1 : 0);
    this.#text(mark.client);
    this.#reserve(6);
    this.#bytes.writeUInt16LE(mark.packetId, this.#length);
    this.#bytes.writeUInt32LE(mark.hash >>> 0, this.#length + 2);
    this.#length += 6;
    this.#double(mark.receivedAt);
    this.#counted(mark.receivedAt);
  }

  /** Hands out what was added, as a copy, and starts anew. */
  take(): Batch {
    this.#bytes[0] = VERSION;
    const bytes = new Uint8Array(this.#length);
    bytes.set(this.#bytes.subarray(0, this.#length));
    const batch = { bytes, count: this.#count, firstAt: this.#firstAt, lastAt: this.#lastAt };
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = Buffer.allocUnsafe(INITIAL_BYTES);
    this.#length = 1;
    this.#count = 0;
    this.#firstAt = 0;
    this.#lastAt = 0;
    this.#shapes.clear();
    this.#devices.clear();
    this.#latestById.clear();
    this.#devicesDefined = 0;
    return batch;
  }

  #defineDevice(device: DeviceRef): number {
    this.#byte(TAG_DEVICE);
    this.#text(device.id);
    this.#optionalText(device.profile);
    const labels = Object.entries(device.labels).slice(0, LABELS_MAX);
    this.#byte(labels.length);
    for (const [key, value] of labels) {
      this.#text(key);
      this.#text(value);
    }
    // What a device is changes with the reading that says so, back again too: its other reference is defined anew when it returns.
    this.#devices.delete(this.#latestById.get(device.id) ?? device);
    this.#latestById.set(device.id, device);
    const number = this.#devicesDefined++;
    this.#devices.set(device, number);
    return number;
  }

  #defineShape(metrics: Shape): number {
    this.#byte(TAG_SHAPE);
    this.#reserve(2);
    this.#bytes.writeUInt16LE(metrics.length, this.#length);
    this.#length += 2;
    for (const metric of metrics) this.#text(metric);
    const number = this.#shapes.size;
    this.#shapes.set(metrics, number);
    return number;
  }

  #counted(receivedAt: number): void {
    if (this.#count === 0) this.#firstAt = receivedAt;
    this.#lastAt = receivedAt;
    this.#count += 1;
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  #double(value: number): void {
    this.#reserve(8);
    this.#bytes.writeDoubleLE(value, this.#length);
    this.#length += 8;
  }

  #optionalText(value: string | null): void {
    this.#byte(value === null ? 0 : 1);
    if (value !== null) this.#text(value);
  }

  #text(value: string): void {
    const size = Buffer.byteLength(value);
    const text = size > TEXT_BYTES_MAX ? value.slice(0, Math.floor(TEXT_BYTES_MAX / 3)) : value;
    const bytes = size > TEXT_BYTES_MAX ? Buffer.byteLength(text) : size;
    this.#reserve(2 + bytes);
    this.#bytes.writeUInt16LE(bytes, this.#length);
    this.#bytes.write(text, this.#length + 2);
    this.#length += 2 + bytes;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

export interface BatchVisitor {
  reading?(reading: Reading, index: number): void;
  rejection?(rejection: Rejection, index: number): void;
  qos2?(mark: Qos2Mark, index: number): void;
}

/**
 * Calls the visitor for each entry from index `from` on, in order. The Reading is a fresh object, its device and metrics are shared within the batch.
 * `internDevice` and `internShape` let a consumer map them to its own objects once a batch instead of once a reading.
 */
export function readBatch(
  bytes: Uint8Array,
  visitor: BatchVisitor,
  options: { from?: number; internDevice?: (device: DeviceRef) => DeviceRef; internShape?: (shape: Shape) => Shape } = {},
): void {
  const reader = new BatchReader(bytes);
  const from = options.from ?? 0;
  const devices: DeviceRef[] = [];
  const shapes: Shape[] = [];
  let index = 0;
  while (!reader.atEnd) {
    const tag = reader.byte();
    if (tag === TAG_READING) {
      if (visitor.reading === undefined) reader.skipReading(shapes);
      else {
        const reading = reader.reading(devices, shapes);
        if (index >= from) visitor.reading(reading, index);
      }
      index += 1;
    } else if (tag === TAG_DEVICE && visitor.reading === undefined) {
      reader.skipDevice();
    } else if (tag === TAG_DEVICE) {
      const device = reader.device();
      devices.push(options.internDevice?.(device) ?? device);
    } else if (tag === TAG_SHAPE) {
      const shape = reader.shape();
      shapes.push(options.internShape?.(shape) ?? shape);
    } else if (tag === TAG_REJECTION) {
      const rejection = reader.rejection();
      if (index >= from) visitor.rejection?.(rejection, index);
      index += 1;
    } else if (tag === TAG_QOS2) {
      const mark = reader.qos2();
      if (index >= from) visitor.qos2?.(mark, index);
      index += 1;
    } else {
      throw new TocsinError(`a journal batch holds an unknown entry (0x${tag.toString(16)})`, {
        hint: 'it was written by a newer version, or the file is damaged: restore data/journal.db from a backup',
      });
    }
  }
}

class BatchReader {
  readonly #bytes: Buffer;
  #offset = 1;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#bytes[0] !== VERSION) {
      throw new TocsinError(`a journal batch has format ${this.#bytes[0]}; this version reads ${VERSION}`, {
        hint: 'run the version that wrote it',
      });
    }
  }

  get atEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#offset++);
  }

  reading(devices: readonly DeviceRef[], shapes: readonly Shape[]): Reading {
    const bytes = this.#bytes;
    const start = this.#offset;
    const device = devices[bytes.readUInt16LE(start)];
    const metrics = shapes[bytes.readUInt16LE(start + 2)];
    if (device === undefined || metrics === undefined) throw new TocsinError('a journal batch refers to a name it does not define');
    const flags = bytes.readUInt8(start + 4);
    const at = bytes.readDoubleLE(start + 5);
    const receivedAt = bytes.readDoubleLE(start + 13);
    this.#offset = start + 21;
    const values: Value[] = [];
    for (let i = 0; i < metrics.length; i++) {
      const tag = bytes[this.#offset++];
      if (tag === 0) {
        values.push(bytes.readDoubleLE(this.#offset));
        this.#offset += 8;
      } else if (tag === 3) values.push(this.text());
      else values.push(tag === 2);
    }
    return { device, at, receivedAt, flags, metrics, values };
  }

  /** For consumers of other entries: most of a batch is readings. */
  skipReading(shapes: readonly Shape[]): void {
    const bytes = this.#bytes;
    const metrics = shapes[bytes.readUInt16LE(this.#offset + 2)];
    if (metrics === undefined) throw new TocsinError('a journal batch refers to a name it does not define');
    let offset = this.#offset + 21;
    for (let count = metrics.length; count > 0; count--) {
      const tag = bytes[offset++];
      if (tag === 0) offset += 8;
      else if (tag === 3) offset += 2 + bytes.readUInt16LE(offset);
    }
    this.#offset = offset;
  }

  skipDevice(): void {
    this.#skipText();
    if (this.byte() === 1) this.#skipText();
    for (let count = this.byte(); count > 0; count--) {
      this.#skipText();
      this.#skipText();
    }
  }

  #skipText(): void {
    this.#offset += 2 + this.#bytes.readUInt16LE(this.#offset);
  }

  device(): DeviceRef {
    const id = this.text();
    const profile = this.optionalText();
    const labels: [string, string][] = [];
    for (let count = this.byte(); count > 0; count--) labels.push([this.text(), this.text()]);
    return { id, profile, labels: Object.fromEntries(labels) };
  }

  shape(): Shape {
    const count = this.#bytes.readUInt16LE(this.#offset);
    this.#offset += 2;
    return Array.from({ length: count }, () => this.text());
  }

  rejection(): Rejection {
    const device = this.optionalText();
    const topic = this.text();
    const size = this.#bytes.readUInt32LE(this.#offset);
    const payload = this.#bytes.subarray(this.#offset + 4, this.#offset + 4 + size);
    this.#offset += 4 + size;
    const client = this.text();
    const receivedAt = this.double();
    return { device, topic, payload, client, receivedAt, reason: this.text(), detail: this.text(), partial: this.byte() === 1 };
  }

  qos2(): Qos2Mark {
    const open = this.byte() === 1;
    const client = this.text();
    const packetId = this.#bytes.readUInt16LE(this.#offset);
    const hash = this.#bytes.readUInt32LE(this.#offset + 2);
    this.#offset += 6;
    return { open, client, packetId, hash, receivedAt: this.double() };
  }

  double(): number {
    const value = this.#bytes.readDoubleLE(this.#offset);
    this.#offset += 8;
    return value;
  }

  optionalText(): string | null {
    return this.byte() === 1 ? this.text() : null;
  }

  text(): string {
    const size = this.#bytes.readUInt16LE(this.#offset);
    const start = this.#offset + 2;
    this.#offset = start + size;
    return this.#bytes.toString('utf8', start, start + size);
  }
}
