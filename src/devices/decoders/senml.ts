/**
 * SenML (RFC 8428) in JSON and in CBOR: a list of records, in which base fields hold for the records after them.
 *
 * Names: the base name, less the separator at its end, is the device, and a record's own name the metric (`urn:dev:ow:10e2:` and
 * `voltage`). A record without a base name is of the topic's device, unless its name is a URN: that is a device wherever it stands. What
 * has a device's name only is told apart by its unit, as in the RFC's own examples (`%RH`, `lon`, `lat` of one device): the unit
 * is the metric, `value` where there is none. A sum is `<metric>.sum`.
 *
 * Units stay as SenML spells them (`Cel`, `%RH`). Times below 2^28 count from now. Octets (`vd`) are no reading. A record that is wrong is
 * refused alone; a wrong base field, a higher version or an extension that must be understood refuse the pack, as the RFC asks.
 */
import { decode as decodeCbor, type TagDecoder } from 'cborg';
import { messageOf } from '../../std/errors.ts';
import { type Format, type FormatMessage, type Part, readText, withRefusals } from './format.ts';
import { isObject, type JsonObject, keyed, parseJson } from './json.ts';
import { Refusal, shown } from './value.ts';

const VERSION_MAX = 10;
const RELATIVE_BELOW_S = 2 ** 28;
const PARTS_MAX = 1001;
const REFUSALS_MAX = 1000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9\-:./_]*$/;
const URN = /^urn:/i;
const SEPARATOR = /[:/._-]$/;
const NO_UNIT = 'value';

export const senml: Format = {
  name: 'senml',
  topics: ['senml/#'],
  namesDevices: true,
  bearsTime: true,
  read(message) {
    const text = readText(message.payload);
    if (text instanceof Refusal) return text;
    const document = parseJson(text, 'double');
    return document instanceof Refusal ? document : readPack(document, message);
  },
};

export const senmlCbor: Format = {
  name: 'senml-cbor',
  topics: ['senml-cbor/#'],
  namesDevices: true,
  bearsTime: true,
  read(message) {
    const document = parseCbor(message.payload);
    return document instanceof Refusal ? document : readPack(document, message);
  },
};

/** What holds from a record on. */
interface Base {
  name: string;
  timeS: number;
  unit: string | null;
  value: number;
  sum: number | null;
}

function readPack(document: unknown, message: FormatMessage): readonly Part[] | Refusal {
  if (!Array.isArray(document)) return new Refusal('not-a-list', `a SenML pack is a list of records, and this is ${shown(document)}`);
  const base: Base = { name: '', timeS: 0, unit: null, value: 0, sum: null };
  const pack = new Pack(message);
  for (const [index, record] of document.entries()) {
    if (pack.isFull) break;
    if (!isObject(record)) {
      pack.refuse(new Refusal('not-an-object', `record ${index} is ${shown(record)}`));
      continue;
    }
    const problem = unsupported(record) ?? rebase(base, record);
    if (problem !== null) return new Refusal(problem.reason, `record ${index}: ${problem.detail}`);
    const refusal = pack.add(record, base);
    if (refusal !== null) pack.refuse(new Refusal(refusal.reason, `record ${index}: ${refusal.detail}`));
  }
  return pack.finish();
}

function unsupported(record: JsonObject): Refusal | null {
  const { bver } = record;
  if (bver !== undefined && (typeof bver !== 'number' || bver > VERSION_MAX))
    return new Refusal('unsupported-version', `version ${shown(bver)}; known are those up to ${VERSION_MAX}`);
  for (const label in record)
    if (label.endsWith('_')) return new Refusal('unsupported-extension', `${shown(label)} must be understood, and is not`);
  return null;
}

/** Takes over the base fields of a record. @returns which of them is wrong */
function rebase(base: Base, { bn, bt, bu, bv, bs }: JsonObject): Refusal | null {
  const wrong = (label: string, value: unknown) => new Refusal('parse-error', `${label} is ${shown(value)}`);
  if (bn !== undefined) {
    if (typeof bn !== 'string') return wrong('bn', bn);
    base.name = bn;
  }
  if (bt !== undefined) {
    if (!isNumber(bt)) return wrong('bt', bt);
    base.timeS = bt;
  }
  if (bu !== undefined) {
    if (typeof bu !== 'string') return wrong('bu', bu);
    base.unit = bu;
  }
  if (bv !== undefined) {
    if (!isNumber(bv)) return wrong('bv', bv);
    base.value = bv;
  }
  if (bs !== undefined) {
    if (!isNumber(bs)) return wrong('bs', bs);
    base.sum = bs;
  }
  return null;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

interface OpenPart {
  readonly device: string | null;
  readonly timeS: number;
  readonly values: Record<string, unknown>;
  readonly units: Record<string, string>;
}

/** Records → parts: one for each device and time, in the order in which they came. */
class Pack {
  readonly #message: FormatMessage;
  readonly #parts: OpenPart[] = [];
  /** The latest part by device and time. */
  readonly #open = new Map<string, OpenPart>();
  readonly #refusals: Refusal[] = [];

  constructor(message: FormatMessage) {
    this.#message = message;
  }

  get isFull(): boolean {
    return this.#parts.length >= PARTS_MAX || this.#refusals.length >= REFUSALS_MAX;
  }

  refuse(refusal: Refusal): void {
    this.#refusals.push(refusal);
  }

  /** @returns what is wrong with the record */
  add(record: JsonObject, base: Base): Refusal | null {
    const { n: own = '', t = 0, u: unit = base.unit } = record;
    if (typeof own !== 'string') return new Refusal('invalid-name', `n is ${shown(own)}`);
    if (!isNumber(t)) return new Refusal('invalid-time', `t is ${shown(t)}`);
    if (unit !== null && typeof unit !== 'string') return new Refusal('parse-error', `u is ${shown(unit)}`);
    const value = recordValue(record, base);
    if (value instanceof Refusal) return value;
    const sum = recordSum(record, base);
    if (sum instanceof Refusal) return sum;
    if (value === undefined && sum === undefined) return null;
    const name = base.name + own;
    if (!NAME.test(name)) return new Refusal('invalid-name', `${shown(name)} is no name: letters, digits, and - : . / _ after the first`);
    const measured = typeof value === 'number' || value === undefined ? unit : null;
    const { device, metric } = this.#placeOf(base.name, own, measured);
    const timeS = base.timeS + t;
    if (value !== undefined) this.#keep({ device, timeS, metric, value, unit: measured });
    if (sum !== undefined) this.#keep({ device, timeS, metric: `${metric}.sum`, value: sum, unit: null });
    return null;
  }

  finish(): readonly Part[] {
    return withRefusals(
      this.#parts.map((part) => partOf(part, this.#message.receivedAt)),
      this.#refusals,
    );
  }

  #placeOf(baseName: string, own: string, unit: string | null): { device: string | null; metric: string } {
    const byUnit = unit === null || unit === '' ? NO_UNIT : unit;
    if (baseName !== '') return { device: baseName.replace(SEPARATOR, ''), metric: own === '' ? byUnit : own };
    const { device, rest } = this.#message.match;
    if (!URN.test(own) && (device !== null || rest.length > 0)) return { device: device === null ? (rest[0] ?? null) : null, metric: own };
    return { device: own, metric: byUnit };
  }

  #keep({
    device,
    timeS,
    metric,
    value,
    unit,
  }: {
    device: string | null;
    timeS: number;
    metric: string;
    value: unknown;
    unit: string | null;
  }): void {
    const key = `${device ?? ''}\u0000${timeS}`;
    let part = this.#open.get(key);
    // The same once more at the same time: RFC 8428 has no rule against it, and neither may be lost.
    if (part === undefined || Object.hasOwn(part.values, metric)) {
      part = { device, timeS, values: keyed(), units: keyed() };
      this.#open.set(key, part);
      this.#parts.push(part);
    }
    part.values[metric] = value;
    if (unit !== null && unit !== '') part.units[metric] = unit;
  }
}

/** A time below 2^28 counts from the receipt. @param receivedAt µs */
function partOf({ device, timeS, values, units }: OpenPart, receivedAt: number): Part {
  const at = timeS === 0 ? null : timeS < RELATIVE_BELOW_S ? Math.round(receivedAt + timeS * 1e6) : timeS;
  return { device, values, units, isTyped: true, at };
}

/** @returns undefined when the record has none, or one that is no reading */
function recordValue({ v, vb, vs }: JsonObject, base: Base): number | boolean | string | undefined | Refusal {
  if (v !== undefined && v !== null) {
    if (typeof v !== 'number') return new Refusal('not-a-number', `v is ${shown(v)}`);
    return Number.isFinite(v) ? v + base.value : undefined;
  }
  if (vb !== undefined && vb !== null) return typeof vb === 'boolean' ? vb : new Refusal('wrong-type', `vb is ${shown(vb)}`);
  if (vs !== undefined && vs !== null) return typeof vs === 'string' ? vs : new Refusal('wrong-type', `vs is ${shown(vs)}`);
  return undefined;
}

/** Of base sum and sum, the one that is missing is zero; what has neither a value nor a sum is no measurement. */
function recordSum({ s, v }: JsonObject, { sum }: Base): number | undefined | Refusal {
  if (s === undefined || s === null) return sum !== null && v !== undefined ? sum : undefined;
  return isNumber(s) ? s + (sum ?? 0) : new Refusal('not-a-number', `s is ${shown(s)}`);
}

/** Integer keys of a record in CBOR; extensions have text. */
const LABELS: ReadonlyMap<unknown, string> = new Map([
  [-1, 'bver'],
  [-2, 'bn'],
  [-3, 'bt'],
  [-4, 'bu'],
  [-5, 'bv'],
  [-6, 'bs'],
  [0, 'n'],
  [1, 'u'],
  [2, 'v'],
  [3, 'vs'],
  [4, 'vb'],
  [5, 's'],
  [6, 't'],
  [7, 'ut'],
  [8, 'vd'],
]);

/** 4: decimal fractions, in which a pack may write numbers. 55799: “this is CBOR”, in front of the whole. */
const TAGS: Record<number, TagDecoder> = { 4: decimalFraction, 55799: (content) => content() };

function parseCbor(payload: Uint8Array): unknown {
  try {
    const document: unknown = decodeCbor(payload, { useMaps: true, rejectDuplicateMapKeys: true, allowUndefined: false, tags: TAGS });
    return Array.isArray(document) ? document.map(fromMap) : document;
  } catch (error) {
    // Reading is recursive, and this one is nested deeper than the stack.
    if (error instanceof RangeError && error.message.includes('call stack')) return new Refusal('too-deep', 'nested too deeply');
    return new Refusal('invalid-cbor', messageOf(error));
  }
}

function fromMap(record: unknown): unknown {
  if (!(record instanceof Map)) return record;
  const fields = keyed<unknown>();
  for (const [key, value] of record) {
    const label = LABELS.get(key) ?? (typeof key === 'string' ? key : null);
    if (label !== null) fields[label] = typeof value === 'bigint' ? Number(value) : value;
  }
  return fields;
}

function decimalFraction(content: () => unknown): number {
  const [exponent, mantissa]: unknown[] = asList(content());
  const isWhole = typeof exponent === 'number' && (typeof mantissa === 'number' || typeof mantissa === 'bigint');
  if (!isWhole) throw new Error('a decimal fraction has an exponent and a mantissa');
  // By way of text: multiplying would round twice.
  return Number(`${mantissa}e${exponent}`);
}

const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
