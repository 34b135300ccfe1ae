/** Reads what `batch.ts` has written, entry by entry. */
import type { DeviceRef, Reading, Rejection, Shape, Value } from '../domain/reading.ts';
import { TocsinError } from '../std/errors.ts';
import {
  BATCH_VERSION,
  type LearnedMark,
  type Qos2Mark,
  TAG_DEVICE,
  TAG_HISTORY,
  TAG_LEARNED,
  TAG_QOS2,
  TAG_READING,
  TAG_REJECTION,
  TAG_SHAPE,
} from './batch.ts';

export interface BatchVisitor {
  reading?(reading: Reading, index: number): void;
  /** A reading for history alone. */
  forHistory?(reading: Reading, index: number): void;
  rejection?(rejection: Rejection, index: number): void;
  qos2?(mark: Qos2Mark, index: number): void;
  learned?(mark: LearnedMark, index: number): void;
}

/**
 * Calls the visitor for each entry from index `from` on, in order. The Reading is a fresh object, its device and metrics are shared within the batch.
 * `internDevice` and `internShape` let a consumer map them to its own objects once a batch instead of once a reading: a device with the first
 * reading that is visited.
 */
export function readBatch(
  bytes: Uint8Array,
  visitor: BatchVisitor,
  options: { from?: number; internDevice?: (device: DeviceRef) => DeviceRef; internShape?: (shape: Shape) => Shape } = {},
): void {
  const reader = new BatchReader(bytes);
  const from = options.from ?? 0;
  // Made one's own with the first reading that is visited, so that a device of which only others hear is not heard of.
  const devices = new DeviceTable(options.internDevice);
  const shapes: Shape[] = [];
  let index = 0;
  while (!reader.atEnd) {
    const tag = reader.byte();
    if (tag === TAG_READING) {
      if (visitor.reading === undefined || index < from) reader.skipReading(shapes);
      else visitor.reading(reader.reading(devices, shapes), index);
      index += 1;
    } else if (tag === TAG_HISTORY) {
      if (visitor.forHistory === undefined || index < from) reader.skipReading(shapes);
      else visitor.forHistory(reader.reading(devices, shapes), index);
      index += 1;
    } else if (tag === TAG_DEVICE && visitor.reading === undefined) {
      reader.skipDevice();
    } else if (tag === TAG_DEVICE) {
      devices.define(reader.device());
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
    } else if (tag === TAG_LEARNED) {
      const mark = reader.learned();
      if (index >= from) visitor.learned?.(mark, index);
      index += 1;
    } else {
      throw new TocsinError(`a journal batch holds an unknown entry (0x${tag.toString(16)})`, {
        hint: 'it was written by a newer version, or the file is damaged: restore data/journal.db from a backup',
      });
    }
  }
}

class DeviceTable {
  readonly #intern: ((device: DeviceRef) => DeviceRef) | undefined;
  readonly #defined: DeviceRef[] = [];
  readonly #interned: (DeviceRef | undefined)[] = [];

  constructor(intern: ((device: DeviceRef) => DeviceRef) | undefined) {
    this.#intern = intern;
  }

  define(device: DeviceRef): void {
    this.#defined.push(device);
    this.#interned.push(this.#intern === undefined ? device : undefined);
  }

  get(number: number): DeviceRef | undefined {
    const interned = this.#interned[number];
    const defined = this.#defined[number];
    if (interned !== undefined || defined === undefined) return interned;
    const device = this.#intern?.(defined) ?? defined;
    this.#interned[number] = device;
    return device;
  }
}

class BatchReader {
  readonly #bytes: Buffer;
  #offset = 1;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#bytes[0] !== BATCH_VERSION) {
      throw new TocsinError(`a journal batch has format ${this.#bytes[0]}; this version reads ${BATCH_VERSION}`, {
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

  reading(devices: DeviceTable, shapes: readonly Shape[]): Reading {
    const bytes = this.#bytes;
    const start = this.#offset;
    const device = devices.get(bytes.readUInt16LE(start));
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
    const payload = this.#payload();
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

  learned(): LearnedMark {
    const key = this.text();
    const json = this.#payload().toString('utf8');
    return { key, json: json === '' ? null : json, receivedAt: this.double() };
  }

  #payload(): Buffer {
    const size = this.#bytes.readUInt32LE(this.#offset);
    const payload = this.#bytes.subarray(this.#offset + 4, this.#offset + 4 + size);
    this.#offset += 4 + size;
    return payload;
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
