/** Payloads that are almost right: real ones, cut, flipped, spliced, repeated, with odd words put in. The same seed yields the same. */
import { Dice } from '../notify/random/dice.ts';

const WORDS: readonly Uint8Array[] = [
  ...[
    '__proto__',
    '"__proto__":{"x":1}',
    'constructor',
    'null',
    'nan',
    '1e999',
    '-0',
    '99999999999999999999',
    '"',
    '\\u0000',
    '{',
    '}',
    '[',
    ']',
  ],
  ...[
    ',',
    ':',
    '\\',
    '\n',
    '#',
    ' ',
    '=',
    '1.5e308',
    'true',
    '18446744073709551615i',
    '{{',
    'é',
    '\u{1f525}',
    '\ufeff',
    '[[[[[[[[[[[[[[[[[[[[',
  ],
].map((text) => Buffer.from(text));
const BYTES: readonly Uint8Array[] = [
  [0],
  [0xff],
  [0x80, 0x80, 0x80, 0x80],
  [0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
  [0x9f],
  [0xbf],
  [0xc0, 0xaf],
].map((bytes) => Uint8Array.from(bytes));
const LENGTH_MAX = 64 * 1024;

export class Mutator {
  readonly #dice: Dice;
  readonly #seeds: readonly Uint8Array[];

  constructor(seed: number, seeds: readonly Uint8Array[]) {
    this.#dice = new Dice(seed);
    this.#seeds = seeds;
  }

  below(count: number): number {
    return this.#dice.int(0, count - 1);
  }

  payload(): Uint8Array {
    let bytes = this.#dice.pick(this.#seeds);
    for (let steps = this.#dice.int(0, 4); steps > 0; steps--) bytes = this.#mutate(bytes);
    return bytes.subarray(0, LENGTH_MAX);
  }

  #mutate(bytes: Uint8Array): Uint8Array {
    const dice = this.#dice;
    const at = dice.int(0, bytes.length);
    switch (dice.weighted({ flip: 3, cut: 2, insert: 4, splice: 2, repeat: 1, remove: 2, digit: 2, noise: 1 })) {
      case 'flip': {
        const copy = Uint8Array.from(bytes);
        if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << dice.int(0, 7));
        return copy;
      }
      case 'cut':
        return bytes.slice(0, at);
      case 'insert':
        return Buffer.concat([bytes.subarray(0, at), dice.pick(dice.chance(0.7) ? WORDS : BYTES), bytes.subarray(at)]);
      case 'splice': {
        const other = dice.pick(this.#seeds);
        return Buffer.concat([bytes.subarray(0, at), other.subarray(dice.int(0, other.length))]);
      }
      case 'repeat': {
        const part = bytes.subarray(at, dice.int(at, bytes.length));
        const times = Math.min(dice.int(2, 200), Math.ceil(LENGTH_MAX / (part.length + 1)));
        return Buffer.concat([bytes.subarray(0, at), ...Array.from({ length: times }, () => part), bytes.subarray(at)]);
      }
      case 'remove':
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(dice.int(at, Math.min(bytes.length, at + 8)))]);
      case 'digit': {
        const copy = Uint8Array.from(bytes);
        for (let index = at; index < copy.length; index++) {
          const byte = copy[index] ?? 0;
          if (byte < 0x30 || byte > 0x39) continue;
          copy[index] = 0x30 + dice.int(0, 9);
          if (dice.chance(0.5)) break;
        }
        return copy;
      }
      case 'noise':
        return Uint8Array.from({ length: dice.int(0, 60) }, () => dice.int(0, 255));
    }
  }
}
