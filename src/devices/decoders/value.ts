/**
 * Raw values → values. Three outcomes: a value; undefined, which is "no reading" (null, NaN, `unavailable`, a profile's
 * `absent`); or a Refusal, which drops this value and no other.
 *
 * Without a profile a number is a number, also as decimal text (`"100.00"`); `true` and `false` are booleans; any other text
 * is text. What could be an identifier stays text, digit for digit: leading zeros, exponents inside JSON text (`"3E10"`),
 * integers beyond 2^53. With a profile the metric's type decides.
 */
import type { MetricDefinition } from '../../domain/device.ts';
import type { Value } from '../../domain/reading.ts';

export class Refusal {
  readonly reason: string;
  readonly detail: string;
  constructor(reason: string, detail: string) {
    this.reason = reason;
    this.detail = detail;
  }
}

export type Converted = Value | undefined | Refusal;

export const TEXT_LENGTH_MAX = 8192;
const SHOWN_LENGTH_MAX = 60;

/** Any way of writing a decimal number; no hexadecimal, no thousands, nothing before or after it. */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?$/;
/** A number as text that nothing but a number is written like. */
const PLAIN_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/;
const INTEGER = /^[+-]?\d+$/;

/** Words with which devices and home automation say that there is no value. */
const ABSENT_WORDS = new Set([
  '',
  'nan',
  '-nan',
  'inf',
  '-inf',
  '+inf',
  'infinity',
  '-infinity',
  'null',
  'none',
  'undefined',
  'unavailable',
  'unknown',
]);
const ABSENT_LENGTH_MAX = 11;
const TRUE_WORDS = new Set(['true', 'on', '1']);
const FALSE_WORDS = new Set(['false', 'off', '0']);

const isAbsentWord = (text: string): boolean => text.length <= ABSENT_LENGTH_MAX && ABSENT_WORDS.has(text.toLowerCase());

/** A scalar payload without a profile, white space around it removed. */
export function freeScalar(text: string): Converted {
  if (NUMBER.test(text)) {
    const number = Number(text);
    if (!Number.isFinite(number)) return new Refusal('not-a-number', `${shown(text)} is more than a number can hold`);
    return INTEGER.test(text) && !Number.isSafeInteger(number) ? text : number;
  }
  return wordOrText(text);
}

/** A value of a JSON payload without a profile; objects and lists are not asked. */
export function freeValue(raw: unknown): Converted {
  if (typeof raw === 'number') return Number.isFinite(raw) ? raw : undefined;
  if (typeof raw === 'boolean') return raw;
  if (typeof raw !== 'string') return undefined;
  if (PLAIN_NUMBER.test(raw)) {
    const number = Number(raw);
    return Number.isFinite(number) && (Math.abs(number) <= Number.MAX_SAFE_INTEGER || raw.includes('.')) ? number : textOf(raw);
  }
  return wordOrText(raw);
}

/** A value under a profile. `raw` is what the payload holds: a JSON value, or a scalar payload's text. */
export function definedValue(definition: MetricDefinition, raw: unknown): Converted {
  if (raw === null || raw === undefined) return undefined;
  if (definition.absent.length > 0 && definition.absent.some((absent) => absent === raw || String(absent) === raw)) return undefined;
  if (typeof raw === 'string') {
    const text = raw.trim();
    if (definition.type !== 'text' && isAbsentWord(text)) return undefined;
    if (definition.type === 'text') return isAbsentWord(text) ? undefined : textOf(raw);
    if (definition.type === 'boolean') return booleanOf(definition, text.toLowerCase());
    const number = definition.decimal === 'comma' ? text.replace(',', '.') : text;
    const isWrittenSo = number === text || !text.includes('.');
    if (!isWrittenSo || !NUMBER.test(number)) return new Refusal('not-a-number', `${definition.name} is ${shown(text)}`);
    return scaledValue(definition, Number(number));
  }
  if (definition.type === 'text') return typeof raw === 'object' ? wrongType(definition, raw) : String(raw);
  if (definition.type === 'boolean') {
    if (typeof raw === 'boolean') return raw;
    return raw === 1 || raw === 0 ? raw === 1 : wrongType(definition, raw);
  }
  return typeof raw === 'number' ? scaledValue(definition, raw) : wrongType(definition, raw);
}

/** A value that comes under the metric's own name and in its own unit, as over HTTP: checked, neither scaled nor absent. */
export function postedValue(definition: MetricDefinition, value: Value): Converted {
  if (typeof value !== definition.type && !(definition.type === 'text' && typeof value === 'string')) return wrongType(definition, value);
  return typeof value === 'number' ? inRange(definition, value) : typeof value === 'string' ? textOf(value) : value;
}

/** A value without a profile from where types are meant (a format that has them, HTTP): a number as text stays text. */
export function typedValue(raw: unknown): Converted {
  if (typeof raw === 'number') return Number.isFinite(raw) ? raw : undefined;
  if (typeof raw === 'boolean') return raw;
  return typeof raw !== 'string' || isAbsentWord(raw) ? undefined : textOf(raw);
}

/** For messages. Lists and objects are named, not shown: they may be large, and nested deeper than the stack is. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, SHOWN_LENGTH_MAX)) : String(value);
  return typeof value === 'string' && value.length > SHOWN_LENGTH_MAX ? `${text}…` : text;
}

function scaledValue(definition: MetricDefinition, raw: number): Converted {
  if (definition.absent.includes(raw)) return undefined;
  return inRange(definition, raw * definition.scale + definition.offset);
}

function inRange(definition: MetricDefinition, value: number): Converted {
  if (!Number.isFinite(value)) return new Refusal('not-a-number', `${definition.name} is more than a number can hold`);
  const range = definition.range;
  if (range !== null && (value < range[0] || value > range[1])) {
    return new Refusal('out-of-range', `${definition.name} is ${value}, outside ${range[0]} to ${range[1]}`);
  }
  return value;
}

function booleanOf(definition: MetricDefinition, word: string): Converted {
  if (TRUE_WORDS.has(word)) return true;
  return FALSE_WORDS.has(word) ? false : wrongType(definition, word);
}

const wrongType = (definition: MetricDefinition, raw: unknown): Refusal =>
  new Refusal('wrong-type', `${definition.name} is ${shown(raw)}, the profile says ${definition.type}`);

function wordOrText(text: string): Converted {
  if (text === 'true') return true;
  if (text === 'false') return false;
  return isAbsentWord(text) ? undefined : textOf(text);
}

function textOf(text: string): Converted {
  if (text.length > TEXT_LENGTH_MAX)
    return new Refusal('too-long', `a text of ${text.length} characters; at most ${TEXT_LENGTH_MAX} are kept`);
  return text.toWellFormed();
}
