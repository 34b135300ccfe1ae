/**
 * A block: readings of one device with the same metrics within one hour, in order of time. One row of the embedded
 * history; as many readings as one write brought for the device, so that a busy device costs a fraction of a row a reading.
 *
 *     u8 version, varint count of metrics, varint metric × count, then for each reading:
 *     varint µs since the reading before (the row holds the first one's time), value × count
 *
 * A value is a tag and its content: 0 float64, 1 false, 2 true, 3 varint length and UTF-8, 4 zigzag varint, 5 zigzag
 * varint of hundredths. Tags 4 and 5 stand only where they give back the very same number.
 */
import type { Reading, Value } from '../domain/reading.ts';
import { TocsinError } from '../std/errors.ts';

const VERSION = 1;
/** What SQLite keeps within one 8 KiB page of an index tree, rather than on overflow pages. */
const BLOCK_BYTES_TARGET = 1900;
const VARINT_BYTES_MAX = 8;
const HUNDREDTHS_MAX = 2 ** 30;

export class BlockEncoder {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #length = 0;

  /**
   * Encodes readings from `start` on, as many as fit a block; they share their metrics and are in order of time.
   * Returns how many were taken; `bytes` holds them until the next call.
   */
  encode(readings: readonly Reading[], start: number, metricIds: readonly number[], endAt: number): number {
    this.#length = 0;
    this.#reserve((metricIds.length + 2) * VARINT_BYTES_MAX);
    this.#bytes[this.#length++] = VERSION;
    this.#varint(metricIds.length);
    for (const id of metricIds) this.#varint(id);
    let previousAt = readings[start]?.at ?? 0;
    let index = start;
    for (; index < readings.length; index++) {
      const reading = readings[index];
      if (reading === undefined || reading.at >= endAt || (index > start && this.#length >= BLOCK_BYTES_TARGET)) break;
      this.#reserve(VARINT_BYTES_MAX + metricIds.length * 9);
      this.#varint(reading.at - previousAt);
      previousAt = reading.at;
      for (const value of reading.values) {
        if (typeof value === 'number') this.#number(value);
        else if (typeof value === 'boolean') this.#bytes[this.#length++] = value ? 2 : 1;
        else this.#text(value, metricIds.length);
      }
    }
    return index - start;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #number(value: number): void {
    const bytes = this.#bytes;
    if (value === (value | 0) && (value !== 0 || Object.is(value, 0)) && value < HUNDREDTHS_MAX && value > -HUNDREDTHS_MAX) {
      bytes[this.#length++] = 4;
      this.#varint(value < 0 ? -2 * value - 1 : 2 * value);
      return;
    }
    const hundredths = Math.round(value * 100);
    if (hundredths !== 0 && hundredths / 100 === value && hundredths < HUNDREDTHS_MAX && hundredths > -HUNDREDTHS_MAX) {
      bytes[this.#length++] = 5;
      this.#varint(hundredths < 0 ? -2 * hundredths - 1 : 2 * hundredths);
      return;
    }
    bytes[this.#length] = 0;
    bytes.writeDoubleLE(value, this.#length + 1);
    this.#length += 9;
  }

  #text(value: string, metrics: number): void {
    const size = Buffer.byteLength(value);
    // The values that follow need their room too.
    this.#reserve(1 + VARINT_BYTES_MAX + size + metrics * 9);
    this.#bytes[this.#length++] = 3;
    this.#varint(size);
    this.#length += this.#bytes.write(value, this.#length);
  }

  #varint(value: number): void {
    let rest = value;
    // Bit operations end at 31 bits; a pause of more than 35 minutes between two readings is past that.
    while (rest >= 0x80000000) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

/** Calls `visit` for each value of the block, in order. */
export function decodeBlock(block: Uint8Array, firstAt: number, visit: (at: number, metric: number, value: Value) => void): void {
  const reader = new BlockReader(block);
  const metrics = reader.metrics();
  let at = firstAt;
  while (!reader.atEnd) {
    at += reader.varint();
    for (const metric of metrics) visit(at, metric, reader.value());
  }
}

/** Calls `rows.metrics` once, and then `rows.row` for each reading in order, its values in the order of those metrics. */
export function decodeRows(
  block: Uint8Array,
  firstAt: number,
  rows: { metrics(ids: readonly number[]): void; row(at: number, values: readonly Value[]): void },
): void {
  const reader = new BlockReader(block);
  const metrics = reader.metrics();
  rows.metrics(metrics);
  let at = firstAt;
  while (!reader.atEnd) {
    at += reader.varint();
    const values: Value[] = [];
    for (let count = metrics.length; count > 0; count--) values.push(reader.value());
    rows.row(at, values);
  }
}

class BlockReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(block: Uint8Array) {
    this.#bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  }

  get atEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  /** What the block begins with. */
  metrics(): readonly number[] {
    if (this.byte() !== VERSION) {
      throw new TocsinError('the history holds a block of an unknown format', { hint: 'run the version of Tocsin that wrote it' });
    }
    const metrics: number[] = [];
    for (let count = this.varint(); count > 0; count--) metrics.push(this.varint());
    return metrics;
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#offset++);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }

  value(): Value {
    const tag = this.byte();
    if (tag === 5) return this.#zigzag() / 100;
    if (tag === 4) return this.#zigzag();
    if (tag === 0) {
      this.#offset += 8;
      return this.#bytes.readDoubleLE(this.#offset - 8);
    }
    if (tag !== 3) return tag === 2;
    const size = this.varint();
    this.#offset += size;
    return this.#bytes.toString('utf8', this.#offset - size, this.#offset);
  }

  #zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
