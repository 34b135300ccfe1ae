/**
 * One object a metric name, one a sequence of names, so that whatever follows compares by identity. Bounded: a full table
 * starts anew, which costs a little time and changes no result.
 */
import type { Shape } from '../domain/reading.ts';

export interface NameNode {
  /** The dotted name from the root to here. */
  readonly name: string;
  /** Why this is no name for a metric, or null. */
  readonly invalid: string | null;
  children: Map<string, NameNode> | null;
}

export const NAME_LENGTH_MAX = 200;
const NODES_MAX = 100_000;
const SHAPES_MAX = 20_000;

/** @returns why this cannot name a metric or a device, or null */
export function nameProblem(name: string): string | null {
  if (name === '') return 'an empty name';
  if (name.length > NAME_LENGTH_MAX) return `a name of ${name.length} characters; at most ${NAME_LENGTH_MAX} are kept`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return `control characters in the name ${JSON.stringify(name)}`;
  if (!name.isWellFormed()) return 'a name that is no valid Unicode';
  return null;
}

/** Names by their path in the payload: a lookup a level, and no text is put together twice. */
export class NameTree {
  root: NameNode = { name: '', invalid: null, children: null };
  #nodes = 0;

  child(parent: NameNode, key: string): NameNode {
    const known = parent.children?.get(key);
    if (known !== undefined) return known;
    const name = parent === this.root ? key : `${parent.name}.${key}`;
    const invalid = parent.invalid ?? (key === '__proto__' ? 'a metric cannot be called __proto__' : nameProblem(name));
    // What is invalid is not remembered, and its long name not kept: it would only fill the table.
    if (invalid !== null) return { name: name.slice(0, NAME_LENGTH_MAX), invalid, children: null };
    if (this.#nodes >= NODES_MAX) {
      this.root.children = null;
      this.#nodes = 0;
    }
    const node: NameNode = { name, invalid, children: null };
    parent.children ??= new Map();
    parent.children.set(key, node);
    this.#nodes += 1;
    return node;
  }
}

export interface InternedShape {
  /** The names as they came. */
  readonly names: readonly string[];
  readonly shape: Shape;
  /** Where a name came twice (`{"a.b": 1, "a": {"b": 2}}`): the indices to keep, the last of each. Else null. */
  readonly keep: readonly number[] | null;
}

export class ShapeTable {
  readonly #shapes = new Map<string, InternedShape>();

  intern(names: readonly string[]): InternedShape {
    const key = names.join('\u0000');
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    if (this.#shapes.size >= SHAPES_MAX) this.#shapes.clear();
    const copy = Object.freeze([...names]);
    const last = new Map(copy.map((name, index) => [name, index]));
    const keep = last.size === copy.length ? null : [...last.values()].sort((a, b) => a - b);
    const shape = keep === null ? copy : Object.freeze(keep.map((index) => copy[index] ?? ''));
    const interned: InternedShape = { names: copy, shape: keep === null ? shape : this.intern(shape).shape, keep };
    this.#shapes.set(key, interned);
    return interned;
  }
}

/** Remembers what was asked for lately: at most twice `size` entries, the oldest half forgotten at once. */
export class RecentMap<Value> {
  readonly #size: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  constructor(size: number) {
    this.#size = size;
  }

  get(key: string): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  set(key: string, value: Value): void {
    if (this.#young.size >= this.#size) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
