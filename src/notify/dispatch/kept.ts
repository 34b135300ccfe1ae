/**
 * A map that knows what has changed since it was last asked, so that only that is written. In order of insertion, as a Map; what
 * is set again keeps its place.
 *
 * What `takeChanges` handed out counts as written: if the transaction fails, the map is not to be used any further.
 */

export interface Changes<T> {
  /** Each key once, with its value now. */
  readonly set: [key: string, value: T][];
  /** Some of them may never have been handed out as set: they came and went in between. */
  readonly deleted: string[];
}

/** `undefined` is no value: it stands for what is not kept. */
export class Kept<T extends NonNullable<unknown> | null> {
  readonly #values = new Map<string, T>();
  readonly #changed = new Set<string>();

  get size(): number {
    return this.#values.size;
  }

  get(key: string): T | undefined {
    return this.#values.get(key);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): MapIterator<string> {
    return this.#values.keys();
  }

  values(): MapIterator<T> {
    return this.#values.values();
  }

  set(key: string, value: T): void {
    this.#values.set(key, value);
    this.#changed.add(key);
  }

  /** Its value was changed in place. */
  touch(key: string): void {
    if (!this.#values.has(key)) throw new Error(`what is not kept cannot have changed: ${key}`);
    this.#changed.add(key);
  }

  delete(key: string): boolean {
    const isKept = this.#values.delete(key);
    if (isKept) this.#changed.add(key);
    return isKept;
  }

  /** In the order in which each first changed. */
  takeChanges(): Changes<T> {
    const changes: Changes<T> = { set: [], deleted: [] };
    for (const key of this.#changed) {
      const value = this.#values.get(key);
      if (value === undefined) changes.deleted.push(key);
      else changes.set.push([key, value]);
    }
    this.#changed.clear();
    return changes;
  }

  /** Holds these, as they are stored, and nothing else; no change. */
  load(entries: Iterable<readonly [key: string, value: T]>): void {
    this.#values.clear();
    this.#changed.clear();
    for (const [key, value] of entries) this.#values.set(key, value);
  }
}
