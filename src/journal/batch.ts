/**
 * The encoding of a journal batch, and its writer; `batch-reader.ts` reads it. A batch stands alone: device and metric names are written
 * once in it, at first use, and referred to by number. Every entry counts one position. Little-endian; text is UTF-8 with a 16-bit length, payloads have a 32-bit length.
 *
 *     u8 version
 *     'S' shape     u16 count, text × count                          defines the next shape number
 *     'D' device    text id, u8 hasProfile [text], u8 labels, (text key, text value) ×    defines the next device number
 *     'R' reading   u16 device, u16 shape, u8 flags, f64 at, f64 receivedAt, value × count of the shape
 *     'H' the same, for history alone
 *     'X' rejection u8 hasDevice [text], text topic, bytes payload, text client, f64 receivedAt, text reason, text detail, u8 partial
 *     'Q' QoS 2     u8 open (1) or released (0), text client, u16 packetId, u32 hash, f64 receivedAt
 *     'L' learned   text key, bytes JSON (empty: forgotten), f64 receivedAt
 *
 * A value is a tag (0 number, 1 false, 2 true, 3 text) and, for 0 and 3, its content.
 */
import type { DeviceRef, Rejection, Shape, Value } from '../domain/reading.ts';
import type { Batch } from './journal.ts';

export const BATCH_VERSION = 1;
export const TAG_SHAPE = 0x53;
export const TAG_DEVICE = 0x44;
export const TAG_READING = 0x52;
export const TAG_HISTORY = 0x48;
export const TAG_REJECTION = 0x58;
export const TAG_QOS2 = 0x51;
export const TAG_LEARNED = 0x4c;
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

/** What the decoder has learned from a message, or forgotten; read back by the ingest after a restart. */
export interface LearnedMark {
  readonly key: string;
  /** Null: forgotten. */
  readonly json: string | null;
  readonly receivedAt: number;
}

interface ReadingTimes {
  readonly at: number;
  readonly receivedAt: number;
  readonly flags: number;
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

  addReading(device: DeviceRef, metrics: Shape, values: readonly Value[], times: ReadingTimes): void {
    this.#reading(TAG_READING, { device, metrics, values }, times);
  }

  /**
   * A reading that only history takes: rules, windows, latest values and signs of life know nothing of it. @param times.receivedAt when it
   * is put in, as everything in a journal stands in the order of receipt
   */
  addForHistory(device: DeviceRef, metrics: Shape, values: readonly Value[], times: ReadingTimes): void {
    this.#reading(TAG_HISTORY, { device, metrics, values }, times);
  }

  #reading(
    tag: number,
    { device, metrics, values }: { device: DeviceRef; metrics: Shape; values: readonly Value[] },
    times: ReadingTimes,
  ): void {
    if (metrics.length > NAMES_MAX) {
      // Read back as two readings of the same instant.
      this.#reading(tag, { device, metrics: metrics.slice(0, NAMES_MAX), values: values.slice(0, NAMES_MAX) }, times);
      this.#reading(tag, { device, metrics: metrics.slice(NAMES_MAX), values: values.slice(NAMES_MAX) }, times);
      return;
    }
    const deviceNumber = this.#devices.get(device) ?? this.#defineDevice(device);
    const shapeNumber = this.#shapes.get(metrics) ?? this.#defineShape(metrics);
    this.#reserve(22 + values.length * 9);
    const bytes = this.#bytes;
    let offset = this.#length;
    bytes[offset] = tag;
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

  /** @param receivedAt in journal time: that of the rejection itself is made unique for its device */
  addRejection(rejection: Rejection, receivedAt = rejection.receivedAt): void {
    this.#byte(TAG_REJECTION);
    this.#optionalText(rejection.device);
    this.#text(rejection.topic);
    this.#payload(rejection.payload);
    this.#text(rejection.client);
    this.#double(rejection.receivedAt);
    this.#text(rejection.reason);
    this.#text(rejection.detail);
    this.#byte(rejection.partial ? 1 : 0);
    this.#counted(receivedAt);
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

  addLearned({ key, json, receivedAt }: LearnedMark): void {
    this.#byte(TAG_LEARNED);
    this.#text(key);
    this.#payload(Buffer.from(json ?? ''));
    this.#double(receivedAt);
    this.#counted(receivedAt);
  }

  /** Hands out what was added, as a copy, and starts anew. */
  take(): Batch {
    this.#bytes[0] = BATCH_VERSION;
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

  #payload(bytes: Uint8Array): void {
    this.#reserve(4 + bytes.length);
    this.#bytes.writeUInt32LE(bytes.length, this.#length);
    this.#bytes.set(bytes, this.#length + 4);
    this.#length += 4 + bytes.length;
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
