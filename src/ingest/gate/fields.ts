/** Reads a packet's fields one after the other; one that reaches past the packet's end is a `Fault`. */
import { Fault } from './refusals.ts';
import { filterAt, isTooDeep, nameAt, REFUSED_TOPIC, textAt } from './topics.ts';

export class Fields {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  expectEnd(what: string): void {
    if (!this.isAtEnd) throw new Fault('malformed', `${what} is longer than what it says`);
  }

  byte(what: string): number {
    const at = this.#advance(1, what);
    return this.#bytes[at] as number;
  }

  uint16(what: string): number {
    const at = this.#advance(2, what);
    return this.#bytes.readUInt16BE(at);
  }

  binary(what: string): Buffer {
    const length = this.uint16(what);
    const at = this.#advance(length, what);
    return this.#bytes.subarray(at, at + length);
  }

  text(what: string): string {
    const length = this.uint16(what);
    const at = this.#advance(length, what);
    return textAt(this.#bytes, at, at + length, what);
  }

  name(what: string): string {
    const length = this.uint16(what);
    const at = this.#advance(length, what);
    const name = nameAt(this.#bytes, at, at + length, what);
    return isTooDeep(this.#bytes, at, at + length) ? REFUSED_TOPIC : name;
  }

  filter(): string {
    const length = this.uint16('a topic filter');
    const at = this.#advance(length, 'a topic filter');
    return filterAt(this.#bytes, at, at + length);
  }

  #advance(length: number, what: string): number {
    const at = this.#at;
    if (at + length > this.#end) throw new Fault('malformed', `${what} is cut short`);
    this.#at = at + length;
    return at;
  }
}
