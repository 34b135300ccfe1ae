/**
 * Strings, topic names and topic filters as they come over the wire: well-formed UTF-8 without U+0000, names without wildcards, filters
 * with wildcards only where they may be. What is neither is a `Fault`.
 *
 * A topic name that was seen lately is recognised by its bytes, and costs neither a check nor a new string.
 */
import { isUtf8 } from 'node:buffer';
import { Fault } from './refusals.ts';

/** Where a publish is handed on that is to be acknowledged and dropped. With U+0000 in it no client can name it. */
export const REFUSED_TOPIC = 'tocsin/\0';

/** Aedes' own bound: its matchers throw beyond. */
const LEVELS_MAX = 100;
const SLOTS = 16_384;
const REMEMBERED_BYTES_MAX = 128;
const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

export function textAt(bytes: Buffer, start: number, end: number, what: string): string {
  const part = bytes.subarray(start, end);
  if (!isUtf8(part)) throw new Fault('malformed', `${what} is no well-formed UTF-8`);
  if (part.includes(0)) throw new Fault('malformed', `${what} contains U+0000`);
  return part.toString('utf8');
}

/** A topic name, as of a publish or a will. */
export function nameAt(bytes: Buffer, start: number, end: number, what = 'the topic name'): string {
  if (start === end) throw new Fault('malformed', `${what} is empty`);
  const part = bytes.subarray(start, end);
  if (part.includes(PLUS) || part.includes(HASH)) throw new Fault('malformed', `${what} contains a wildcard`);
  return textAt(bytes, start, end, what);
}

export function filterAt(bytes: Buffer, start: number, end: number): string {
  if (start === end) throw new Fault('malformed', 'a topic filter is empty');
  for (let index = start; index < end; index++) {
    const byte = bytes[index];
    if (byte !== PLUS && byte !== HASH) continue;
    const isLevel = (index === start || bytes[index - 1] === SLASH) && (index + 1 === end || bytes[index + 1] === SLASH);
    if (!isLevel || (byte === HASH && index + 1 !== end)) throw new Fault('malformed', 'a topic filter has a wildcard where none may be');
  }
  const filter = textAt(bytes, start, end, 'a topic filter');
  if (isTooDeep(bytes, start, end)) throw new Fault('levels', `a topic filter has more than ${LEVELS_MAX} levels`);
  return filter;
}

export function isTooDeep(bytes: Buffer, start: number, end: number): boolean {
  let levels = 1;
  for (let index = start; index < end; index++) if (bytes[index] === SLASH) levels += 1;
  return levels > LEVELS_MAX;
}

/** Shared by all connections; a name takes the place of another that happens to fall into its slot. Only ASCII is remembered. */
export class TopicNames {
  readonly #names: string[] = new Array(SLOTS).fill('');

  /** The name, or `REFUSED_TOPIC` for one that is too deep to be handed on. */
  nameAt(bytes: Buffer, start: number, end: number): string {
    let hash = end - start;
    for (let index = start; index < end; index++) hash = Math.imul(hash ^ (bytes[index] as number), 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#names[slot] as string;
    return start < end && isSame(known, bytes, start, end) ? known : this.#learn(slot, bytes, start, end);
  }

  #learn(slot: number, bytes: Buffer, start: number, end: number): string {
    const name = nameAt(bytes, start, end);
    if (isTooDeep(bytes, start, end)) return REFUSED_TOPIC;
    const isAscii = name.length === end - start;
    if (isAscii && name.length <= REMEMBERED_BYTES_MAX) this.#names[slot] = name;
    return name;
  }
}

function isSame(known: string, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let index = 0; index < known.length; index++) if (known.charCodeAt(index) !== bytes[start + index]) return false;
  return true;
}
