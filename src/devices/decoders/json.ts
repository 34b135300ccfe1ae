/**
 * JSON payloads → values under dotted names. Bounded in depth and in number of values, whatever is sent. The bare `nan` and
 * `inf` that C's printf writes are read as "no reading"; nothing else that is not JSON is guessed at.
 */
import type { MetricDefinition } from '../../domain/device.ts';
import type { NameNode, NameTree } from '../interning.ts';
import { type Converted, definedValue, freeValue, Refusal } from './value.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const DEPTH_MAX = 16;
const VALUES_MAX = 1000;
/** Sensors that print nan print short messages; a regular expression over megabytes is not worth its risk. */
const MENDED_LENGTH_MAX = 65_536;
const BARE_NAN = /[:[,]\s*[+-]?(?:nan|inf)/i;
const STRING_OR_BARE_NAN = /"[^"\\]*(?:\\.[^"\\]*)*"|[+-]?\b(?:nan|infinity|inf)\b/gi;

/**
 * @param integers `exact` keeps integers beyond 2^53 as text: it costs more, so it is asked for only where one was met.
 * @returns a Refusal when it is not JSON
 */
export function parseJson(text: string, integers: 'double' | 'exact'): unknown {
  const parsed = tryParse(text, integers);
  if (!(parsed instanceof Refusal) || text.length > MENDED_LENGTH_MAX || !BARE_NAN.test(text)) return parsed;
  const mended = tryParse(
    text.replace(STRING_OR_BARE_NAN, (token) => (token.startsWith('"') ? token : 'null')),
    integers,
  );
  return mended instanceof Refusal ? parsed : mended;
}

function tryParse(text: string, integers: 'double' | 'exact'): unknown {
  try {
    return integers === 'double' ? JSON.parse(text) : JSON.parse(text, keepExact);
  } catch (error) {
    if (error instanceof SyntaxError) return new Refusal('invalid-json', error.message);
    // Looking at every value of the text is recursive in V8, and this one is nested deeper than the stack.
    if (error instanceof RangeError) return new Refusal('too-deep', `nested deeper than ${DEPTH_MAX} levels`);
    throw error;
  }
}

const keepExact = (_key: string, value: unknown, context?: { source?: string }): unknown =>
  typeof value === 'number' && isInexact(value) && context?.source !== undefined && /^-?\d+$/.test(context.source) ? context.source : value;

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** True for a double that may stand for another integer than the one that was written. */
export const isInexact = (value: number): boolean =>
  (value > Number.MAX_SAFE_INTEGER || value < -Number.MAX_SAFE_INTEGER) && Number.isFinite(value);

/** What a message yielded so far; one is reused for all messages. */
export interface Collected {
  readonly names: string[];
  values: (number | boolean | string)[];
  readonly refusals: Refusal[];
  /** A number met that the double does not hold exactly: worth parsing again. */
  sawInexact: boolean;
}

/**
 * Every value of the object under its dotted path, but for what a profile has claimed.
 * @param convert what becomes of a value
 */
export function collectAll(
  object: JsonObject,
  names: NameTree,
  claimed: ReadonlySet<string>,
  into: Collected,
  convert: (raw: unknown) => Converted = freeValue,
): Refusal | null {
  return collect(object, { names, claimed, convert, node: names.root, depth: 1 }, into);
}

interface Branch {
  readonly names: NameTree;
  readonly claimed: ReadonlySet<string>;
  readonly convert: (raw: unknown) => Converted;
  readonly node: NameNode;
  readonly depth: number;
}

function collect(object: JsonObject, at: Branch, into: Collected): Refusal | null {
  const { names, claimed, convert } = at;
  for (const key in object) {
    const raw = object[key];
    if (raw === null || (at.depth === 1 && claimed.has(key))) continue;
    const node = names.child(at.node, key);
    if (claimed.has(node.name)) continue;
    if (typeof raw === 'object') {
      if (at.depth >= DEPTH_MAX) return new Refusal('too-deep', `nested deeper than ${DEPTH_MAX} levels`);
      const refusal = collect(raw as JsonObject, { names, claimed, convert, node, depth: at.depth + 1 }, into);
      if (refusal !== null) return refusal;
      continue;
    }
    if (node.invalid !== null) {
      into.refusals.push(new Refusal('invalid-metric', node.invalid));
      continue;
    }
    if (typeof raw === 'number' && isInexact(raw)) into.sawInexact = true;
    const value = convert(raw);
    if (value instanceof Refusal) into.refusals.push(new Refusal(value.reason, `${node.name}: ${value.detail}`));
    else if (value !== undefined) {
      if (into.values.length >= VALUES_MAX) return new Refusal('too-many-values', `more than ${VALUES_MAX} values in one message`);
      into.names.push(node.name);
      into.values.push(value);
    }
  }
  return null;
}

/** A profile's metric with its path, ready to be looked up. */
export interface DefinedMetric {
  readonly definition: MetricDefinition;
  readonly path: JsonPath;
}

export function collectDefined(object: JsonObject, metrics: readonly DefinedMetric[], into: Collected): void {
  for (const metric of metrics) {
    const raw = lookUp(object, metric.path);
    if (raw === undefined) continue;
    if (typeof raw === 'number' && isInexact(raw) && metric.definition.type === 'text') into.sawInexact = true;
    const value = definedValue(metric.definition, raw);
    if (value instanceof Refusal) into.refusals.push(value);
    else if (value !== undefined) {
      into.names.push(metric.definition.name);
      into.values.push(value);
    }
  }
}

/** A dotted path: the whole of it as one key, or a key and the rest of it. `AM2301.Temperature` finds both spellings. */
export interface JsonPath {
  readonly whole: string;
  readonly splits: readonly { readonly key: string; readonly rest: JsonPath }[];
}

const PATH_PARTS_MAX = 8;

/** @returns null when the path has more than 8 parts */
export function parsePath(path: string): JsonPath | null {
  const parts = path.split('.');
  if (parts.length > PATH_PARTS_MAX) return null;
  const build = (from: number): JsonPath => ({
    whole: parts.slice(from).join('.'),
    splits: parts
      .slice(from + 1)
      .map((_, index) => ({ key: parts.slice(from, from + 1 + index).join('.'), rest: build(from + 1 + index) })),
  });
  return build(0);
}

/** @returns undefined when nothing is there */
export function lookUp(value: unknown, path: JsonPath): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const direct = own(value as JsonObject, path.whole);
  if (direct !== undefined || path.splits.length === 0) return direct;
  for (const { key, rest } of path.splits) {
    const found = lookUp(own(value as JsonObject, key), rest);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What objects inherit (`constructor`, `__proto__`) are functions and objects: only those need the slower question. */
function own(object: JsonObject, key: string): unknown {
  const value = object[key];
  if (typeof value === 'function' || typeof value === 'object') return Object.hasOwn(object, key) ? value : undefined;
  return value;
}
