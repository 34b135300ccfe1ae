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
      const char = this.#text[this.#at];
      if (char === '#') this.#at = endOfLine(this.#text, this.#at);
      if (this.#text[this.#at] === '\n') this.#line += 1;
      else if (!isBlank(this.#text[this.#at])) return;
    }
  }

  /** @returns what is wrong, as a sentence */
  #point(): Point | string {
    const measurement = this.#name(', ');
    if (measurement === '') return 'no measurement';
    const tags: [string, string][] = [];
    while (this.#text[this.#at] === ',') {
      this.#at += 1;
      const key = this.#name(',= ');
      if (key === '' || this.#text[this.#at] !== '=') return 'a tag without a key or a value';
      this.#at += 1;
      const value = this.#name(',= ');
      if (value === '' || this.#text[this.#at] === '=') return `the tag ${shown(key)} has no value`;
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
      const key = this.#name(',= ');
      if (key === '' || this.#text[this.#at] !== '=') return key === '' ? 'a field without a key' : `the field ${shown(key)} has no value`;
      this.#at += 1;
      const value = this.#text[this.#at] === '"' ? this.#string() : fieldValue(this.#bare());
      if (value instanceof Refusal) return `the field ${shown(key)}: ${value.detail}`;
      fields[key] = value;
      if (this.#text[this.#at] !== ',') return fields;
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

  /** Up to one of `ends` that no backslash stands before, or white space. A backslash before anything else is itself. */
  #name(ends: string): string {
    let name = '';
    let from = this.#at;
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at] ?? '';
      if (char === '\n' || ends.includes(char) || isBlank(char)) break;
      const next = this.#text[this.#at + 1];
      if (char !== '\\' || next === undefined || !ends.includes(next)) continue;
      name += this.#text.slice(from, this.#at);
      from = this.#at + 1;
      this.#at += 1;
    }
    return name + this.#text.slice(from, this.#at);
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
        const isEnd = this.#isAtEnd() || this.#text[this.#at] === ',' || isBlank(this.#text[this.#at]);
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
    const start = this.#at;
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      if (char === ',' || char === '\n' || isBlank(char)) break;
      this.#at += 1;
    }
    return this.#text.slice(start, this.#at);
  }

  #skipBlanks(): void {
    while (isBlank(this.#text[this.#at])) this.#at += 1;
  }

  #isAtEnd(): boolean {
    return this.#at >= this.#text.length || this.#text[this.#at] === '\n';
  }
}

const TAGS_MAX = 64;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?$/;
const INTEGER = /^-?\d{1,20}$/;
const NOT_A_NUMBER = /^[+-]?(?:nan|inf|infinity)$/i;
const TRUE = new Set(['t', 'T', 'true', 'True', 'TRUE']);
const FALSE = new Set(['f', 'F', 'false', 'False', 'FALSE']);
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\t' || char === '\r';

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end;
}

/** Few numbers are so long that only the exact way can tell. */
const isOutside = (digits: string, min: bigint, max: bigint): boolean =>
  digits.length > 18 && (BigInt(digits) < min || BigInt(digits) > max);

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
