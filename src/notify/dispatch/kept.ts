/** A map that knows what has changed since it was last asked, so that only that is written. */
export interface Changes<T> {
  readonly set: readonly (readonly [key: string, value: T])[];
  readonly deleted: readonly string[];
}

export class Kept<T> {
  readonly #values = new Map<string, T>();
  readonly #changed = new Set<string>();

  get size(): number {
    return this.#values.size;
  }
  get(key: string): T | undefined {
    return this.#values.get(key);
  }
  keys(): IterableIterator<string> {
    return this.#values.keys();
  }
  values(): IterableIterator<T> {
    return this.#values.values();
  }

  set(key: string, value: T): void {
    this.#values.set(key, value);
    this.#changed.add(key);
  }

  /** The value was changed in place. */
  touch(key: string): void {
    if (this.#values.has(key)) this.#changed.add(key);
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#changed.add(key);
  }

  /** What was stored: no change. */
  load(entries: Iterable<readonly [key: string, value: T]>): void {
    for (const [key, value] of entries) this.#values.set(key, value);
  }

  takeChanges(): Changes<T> {
    const set: [string, T][] = [];
    const deleted: string[] = [];
    for (const key of this.#changed) {
      const value = this.#values.get(key);
      if (value === undefined) deleted.push(key);
      else set.push([key, value]);
    }
    this.#changed.clear();
    return { set, deleted };
  }
}
