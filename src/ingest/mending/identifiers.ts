/** The packet identifiers of what has gone out to a client and is not acknowledged: each of one message at a time [MQTT-2.3.1-4]. */

const LAST = 0xffff;

export class Identifiers {
  readonly #taken = new Set<number>();
  #last = 0;

  /** One that is free, now taken; undefined when none is. */
  next(): number | undefined {
    if (this.#taken.size >= LAST) return undefined;
    do this.#last = this.#last === LAST ? 1 : this.#last + 1;
    while (this.#taken.has(this.#last));
    this.#taken.add(this.#last);
    return this.#last;
  }

  take(identifier: number): void {
    this.#taken.add(identifier);
  }

  free(identifier: number): void {
    this.#taken.delete(identifier);
  }

  isTaken(identifier: number): boolean {
    return this.#taken.has(identifier);
  }
}
