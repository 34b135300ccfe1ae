/**
 * Sparkplug B payloads: bytes of protobuf → metrics with raw values. The schema is small and has not changed since 2016, so it stands here
 * by its field numbers. A field of an unknown number or of another wire type is skipped, as protobuf asks; bytes that end early, run over
 * or nest too deep are a refusal.
 *
 * Source: sparkplug_b.proto in https://sparkplug.eclipse.org/specification/version/3.0/documents/sparkplug-specification-3.0.0.pdf
 */
import { PbfReader } from 'pbf';
import { messageOf } from '../../std/errors.ts';
import { Refusal } from './value.ts';

/** Integers are bigint until their type tells how they are to be read. */
export type RawValue = bigint | number | boolean | string;

export interface SparkplugPayload {
  readonly timestampMs: number | null;
  readonly metrics: readonly SparkplugMetric[];
  readonly uuid: string | null;
}

export interface SparkplugMetric {
  readonly name: string | null;
  readonly alias: string | null;
  readonly timestampMs: number | null;
  /** 0: not said. */
  readonly datatype: number;
  readonly isNull: boolean;
  /** Null: none, or one of bytes. */
  readonly value: RawValue | null;
  /** Of a template instance: its own metrics. */
  readonly members: readonly SparkplugMetric[];
  readonly table: Table | null;
  readonly properties: ReadonlyMap<string, RawValue>;
}

export interface Table {
  readonly columns: readonly string[];
  readonly types: readonly number[];
  readonly rows: readonly (readonly (RawValue | null)[])[];
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const DEPTH_MAX = 8;
const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];

export function readPayload(bytes: Uint8Array): SparkplugPayload | Refusal {
  const pbf = new PbfReader(bytes);
  let timestampMs: number | null = null;
  let uuid: string | null = null;
  const metrics: SparkplugMetric[] = [];
  try {
    eachField(pbf, pbf.length, (field, type) => {
      if (field === 1 && type === VARINT) timestampMs = Number(readInteger(pbf));
      else if (field === 2 && type === BYTES) metrics.push(readMetric(pbf, 1));
      else if (field === 4 && type === BYTES) uuid = pbf.readString();
    });
  } catch (error) {
    return new Refusal('invalid-protobuf', messageOf(error));
  }
  return { timestampMs, metrics, uuid };
}

/** Calls back for each field; one that is not read is skipped. @throws Error when the message does not end where it should */
function eachField(pbf: PbfReader, end: number, read: (field: number, type: number) => void): void {
  if (end > pbf.length) throw new Error('it ends early');
  for (let field = pbf.nextField(end); field !== 0; field = pbf.nextField(end)) read(field, pbf.type);
  if (pbf.pos !== end) throw new Error(pbf.pos > end ? 'a field goes beyond the end of its message' : 'a field without a number');
}

/** A message within a message. */
function eachInner(pbf: PbfReader, read: (field: number, type: number) => void): void {
  const length = pbf.readVarint();
  eachField(pbf, pbf.pos + length, read);
}

function readMetric(pbf: PbfReader, depth: number): SparkplugMetric {
  if (depth > DEPTH_MAX) throw new Error(`templates nested deeper than ${DEPTH_MAX}`);
  const metric: Writable<SparkplugMetric> = {
    name: null,
    alias: null,
    timestampMs: null,
    datatype: 0,
    isNull: false,
    value: null,
    members: [],
    table: null,
    properties: NO_PROPERTIES,
  };
  eachInner(pbf, (field, type) => {
    if (field >= 10 && field <= 15) metric.value = readScalar(pbf, field - 10, type) ?? metric.value;
    else if (type === VARINT) readMark(pbf, field, metric);
    else if (type !== BYTES) return;
    else if (field === 1) metric.name = pbf.readString();
    else if (field === 9) metric.properties = readProperties(pbf);
    else if (field === 17) metric.table = readTable(pbf);
    else if (field === 18) metric.members = readTemplate(pbf, depth);
  });
  return metric;
}

function readMark(pbf: PbfReader, field: number, metric: Writable<SparkplugMetric>): void {
  if (field === 2) metric.alias = String(readInteger(pbf));
  else if (field === 3) metric.timestampMs = Number(readInteger(pbf));
  else if (field === 4) metric.datatype = pbf.readVarint();
  else if (field === 7) metric.isNull = pbf.readBoolean();
}

/** The six kinds of values stand in this order in all messages that hold one. @returns null when it is of another wire type */
function readScalar(pbf: PbfReader, kind: number, type: number): RawValue | null {
  if (kind <= 1) return type === VARINT ? readInteger(pbf) : null;
  if (kind === 2) return type === FIXED32 ? shortest(pbf.readFloat()) : null;
  if (kind === 3) return type === FIXED64 ? pbf.readDouble() : null;
  if (kind === 4) return type === VARINT ? pbf.readBoolean() : null;
  return type === BYTES ? pbf.readString() : null;
}

/** All 64 bits, unsigned. */
function readInteger(pbf: PbfReader): bigint {
  const start = pbf.pos;
  const near = pbf.readVarint();
  if (Number.isSafeInteger(near) && near >= 0) return BigInt(near);
  let exact = 0n;
  for (let at = pbf.pos - 1; at >= start; at--) exact = (exact << 7n) | BigInt((pbf.buf[at] ?? 0) & 0x7f);
  return BigInt.asUintN(64, exact);
}

/** The decimal number that a float was made from: 12.1, not 12.100000381469727. */
function shortest(float: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const decimal = Number(float.toPrecision(digits));
    if (Math.fround(decimal) === float) return decimal;
  }
  return float;
}

const NO_PROPERTIES: ReadonlyMap<string, RawValue> = new Map();

function readProperties(pbf: PbfReader): ReadonlyMap<string, RawValue> {
  const keys: string[] = [];
  const values: (RawValue | null)[] = [];
  eachInner(pbf, (field, type) => {
    if (field === 1 && type === BYTES) keys.push(pbf.readString());
    else if (field === 2 && type === BYTES) values.push(readOneValue(pbf, 3));
  });
  const named = keys.map((key, index) => [key, values[index] ?? null] as const);
  return new Map(named.flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
}

/** @param first the field number of the first kind of value */
function readOneValue(pbf: PbfReader, first: number): RawValue | null {
  let value: RawValue | null = null;
  eachInner(pbf, (field, type) => {
    if (field >= first && field < first + 6) value = readScalar(pbf, field - first, type) ?? value;
  });
  return value;
}

function readTable(pbf: PbfReader): Table {
  const columns: string[] = [];
  const types: number[] = [];
  const rows: (RawValue | null)[][] = [];
  eachInner(pbf, (field, type) => {
    if (field === 2 && type === BYTES) columns.push(pbf.readString());
    else if (field === 3 && type === VARINT) types.push(pbf.readVarint());
    else if (field === 3 && type === BYTES) readPacked(pbf, types);
    else if (field === 4 && type === BYTES) rows.push(readRow(pbf));
  });
  return { columns, types, rows };
}

/** pbf's own would go on for as long as the length says, wherever the bytes end. */
function readPacked(pbf: PbfReader, into: number[]): void {
  const length = pbf.readVarint();
  const end = pbf.pos + length;
  if (end > pbf.length) throw new Error('it ends early');
  while (pbf.pos < end) into.push(pbf.readVarint());
}

function readRow(pbf: PbfReader): (RawValue | null)[] {
  const row: (RawValue | null)[] = [];
  eachInner(pbf, (field, type) => {
    if (field === 1 && type === BYTES) row.push(readOneValue(pbf, 1));
  });
  return row;
}

/** A definition says what instances will look like, and measures nothing. */
function readTemplate(pbf: PbfReader, depth: number): readonly SparkplugMetric[] {
  const members: SparkplugMetric[] = [];
  let isDefinition = false;
  eachInner(pbf, (field, type) => {
    if (field === 2 && type === BYTES) members.push(readMetric(pbf, depth + 1));
    else if (field === 5 && type === VARINT) isDefinition = pbf.readBoolean();
  });
  return isDefinition ? [] : members;
}
