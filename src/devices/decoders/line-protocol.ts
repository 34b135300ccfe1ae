/**
 * InfluxDB line protocol → points, one line after another. Strict as InfluxDB is, with one exception: the bare `nan` and `inf` of C's
 * printf are no value, as they are in JSON. A broken line is a refusal, and reading goes on after it. One pass over the text, no
 * regular expression but on a single number.
 *
 * Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ (v1 and v3 write the same).
 */
import { type JsonObject, keyed } from './json.ts';
import { Refusal, shown } from './value.ts';

export interface Point {
  readonly measurement: string;
  /** In the order of their keys. */
  readonly tags: readonly (readonly [key: string, value: string])[];
  /** Integers beyond 2^53 are text, digit for digit. Null: nan. */
  readonly fields: JsonObject;
  /** Nanoseconds by definition; what a device takes for that shows in its size. Null: none. */
  readonly timestamp: number | null;
}

/** Lines, until one of them ends the text. */
export class LineReader {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  /** @returns null at the end */
  next(): Point | Refusal | null {
    this.#skipToLine();
    if (this.#at >= this.#text.length) return null;
    const line = this.#line;
    const point = this.#point();
    if (typeof point !== 'string') return point;
    // Where a text is never closed, the line it began on ends it: the next line has a chance.
    this.#at = endOfLine(this.#text, this.#at);
    return new Refusal('parse-error', `line ${line}: ${point}`);
  }

  /** Past empty lines, comments and white space. */
  #skipToLine(): void {
    for (; this.#at < this.#text.length; this.#at++) {
      if (this.#is(HASH)) this.#at = endOfLine(this.#text, this.#at);
      if (this.#is(NEWLINE)) this.#line += 1;
      else if (!isBlank(this.#text.charCodeAt(this.#at))) return;
    }
  }

  /** @returns what is wrong, as a sentence */
  #point(): Point | string {
    const measurement = this.#name('');
    if (measurement === '') return 'no measurement';
    const tags: [string, string][] = [];
    while (this.#is(COMMA)) {
      this.#at += 1;
      const key = this.#name('=');
      if (key === '' || !this.#is(EQUALS)) return 'a tag without a key or a value';
      this.#at += 1;
      const value = this.#name('=');
      if (value === '' || this.#is(EQUALS)) return `the tag ${shown(key)} has no value`;
      if (tags.some(([known]) => known === key)) return `the tag ${shown(key)} stands in it twice`;
      tags.push([key, value]);
      if (tags.length > TAGS_MAX) return `more than ${TAGS_MAX} tags`;
    }
    this.#skipBlanks();
    const fields = this.#fields();
    if (typeof fields === 'string') return fields;
    this.#skipBlanks();
    const timestamp = this.#timestamp();
    if (typeof timestamp === 'string') return timestamp;
    tags.sort(([a], [b]) => (a < b ? -1 : 1));
    return { measurement, tags, fields, timestamp };
  }

  #fields(): JsonObject | string {
    const fields = keyed<unknown>();
    if (this.#isAtEnd()) return 'no fields';
    for (;;) {
      const key = this.#name('=');
      if (key === '' || !this.#is(EQUALS)) return key === '' ? 'a field without a key' : `the field ${shown(key)} has no value`;
      this.#at += 1;
      const value = this.#is(QUOTE) ? this.#string() : fieldValue(this.#bare());
      if (value instanceof Refusal) return `the field ${shown(key)}: ${value.detail}`;
      fields[key] = value;
      if (!this.#is(COMMA)) return fields;
      this.#at += 1;
    }
  }

  #timestamp(): number | null | string {
    if (this.#isAtEnd()) return null;
    const word = this.#bare();
    this.#skipBlanks();
    if (!this.#isAtEnd()) return `${shown(word)} is followed by more than a time`;
    if (!INTEGER.test(word) || isOutside(word, INT64_MIN, INT64_MAX)) return `${shown(word)} is no time`;
    return Number(word);
  }

  /** Up to a comma, an equals sign where those end it, or white space, unless a backslash stands before. */
  #name(end: '' | '='): string {
    const text = this.#text;
    const start = this.#at;
    for (let at = start; at < text.length; at++) {
      const char = text.charCodeAt(at);
      if (char > EQUALS && char !== BACKSLASH) continue;
      if (char === BACKSLASH) return this.#escapedName(end);
      if (char === COMMA || isSpace(char) || (char === EQUALS && end === '=')) {
        this.#at = at;
        return text.slice(start, at);
      }
    }
    this.#at = text.length;
    return text.slice(start);
  }

  /** The same where there is a backslash in it. One before anything that ends no name is itself. */
  #escapedName(end: '' | '='): string {
    const text = this.#text;
    const escapable = `, ${end}`;
    let name = '';
    let from = this.#at;
    for (; this.#at < text.length; this.#at++) {
      const char = text.charCodeAt(this.#at);
      if (char === COMMA || isSpace(char) || (char === EQUALS && end === '=')) break;
      const next = text[this.#at + 1];
      if (char !== BACKSLASH || next === undefined || !escapable.includes(next)) continue;
      name += text.slice(from, this.#at);
      from = this.#at + 1;
      this.#at += 1;
    }
    return name + text.slice(from, this.#at);
  }

  /** A text in quotation marks: it may go over several lines. */
  #string(): string | Refusal {
    const start = this.#at;
    let text = '';
    let from = start + 1;
    let lines = 0;
    for (let at = from; at < this.#text.length; at++) {
      const char = this.#text[at];
      if (char === '\n') lines += 1;
      if (char === '"') {
        this.#at = at + 1;
        this.#line += lines;
        const value = text + this.#text.slice(from, at);
        const isEnd = this.#isAtEnd() || this.#is(COMMA) || isBlank(this.#text.charCodeAt(this.#at));
        return isEnd ? value : new Refusal('parse-error', 'more after the text than a comma or a time');
      }
      const next = this.#text[at + 1];
      if (char !== '\\' || (next !== '"' && next !== '\\')) continue;
      text += this.#text.slice(from, at);
      from = at + 1;
      at += 1;
    }
    return new Refusal('parse-error', 'a text that is never closed');
  }

  #bare(): string {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    for (; at < text.length; at++) {
      const char = text.charCodeAt(at);
      if (char <= COMMA && (char === COMMA || isSpace(char))) break;
    }
    this.#at = at;
    return text.slice(start, at);
  }

  #is(char: number): boolean {
    return this.#text.charCodeAt(this.#at) === char;
  }

  #skipBlanks(): void {
    while (isBlank(this.#text.charCodeAt(this.#at))) this.#at += 1;
  }

  #isAtEnd(): boolean {
    return this.#at >= this.#text.length || this.#is(NEWLINE);
  }
}

const TAGS_MAX = 64;
const [NEWLINE, QUOTE, HASH, COMMA, EQUALS, BACKSLASH] = [0x0a, 0x22, 0x23, 0x2c, 0x3d, 0x5c];
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?$/;
const INTEGER = /^-?\d{1,20}$/;
const NOT_A_NUMBER = /^[+-]?(?:nan|inf|infinity)$/i;
const TRUE = new Set(['t', 'T', 'true', 'True', 'TRUE']);
const FALSE = new Set(['f', 'F', 'false', 'False', 'FALSE']);
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

const isBlank = (char: number): boolean => char === 0x20 || char === 0x09 || char === 0x0d;
const isSpace = (char: number): boolean => char === NEWLINE || isBlank(char);

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end;
}

/** Few numbers are so long that only the exact way can tell: nanoseconds of our time are 19 digits, of which the first is small. */
const isOutside = (digits: string, min: bigint, max: bigint): boolean =>
  digits.length > 18 && !/^[1-8]\d{18}$/.test(digits) && (BigInt(digits) < min || BigInt(digits) > max);

function fieldValue(word: string): number | string | boolean | null | Refusal {
  const suffix = word.at(-1);
  if (suffix === 'i' || suffix === 'u') {
    const digits = word.slice(0, -1);
    const [min, max, name] = suffix === 'i' ? [INT64_MIN, INT64_MAX, 'int64'] : ([0n, UINT64_MAX, 'uint64'] as const);
    if (!INTEGER.test(digits)) return new Refusal('parse-error', `${shown(word)} is no ${name}`);
    if (isOutside(digits, min, max) || (suffix === 'u' && digits.startsWith('-')))
      return new Refusal('parse-error', `${shown(word)} is out of ${name} range`);
    const number = Number(digits);
    return Number.isSafeInteger(number) ? number : digits;
  }
  if (NUMBER.test(word)) {
    const number = Number(word);
    return Number.isFinite(number) ? number : new Refusal('parse-error', `${shown(word)} is more than a number can hold`);
  }
  if (TRUE.has(word)) return true;
  if (FALSE.has(word)) return false;
  return NOT_A_NUMBER.test(word) ? null : new Refusal('parse-error', `${shown(word)} is no value; a text stands in quotation marks`);
}
