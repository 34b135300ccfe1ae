/**
 * Timers by key, in order of their due time and, of equal ones, of their keys: the same timers always fire in the same order. A
 * binary heap; a timer that was set anew or struck out leaves its old place behind, which is skipped when it comes up.
 */
interface Place {
  readonly key: string;
  readonly due: number;
}

/** Stale places that are let be, beside as many as there are timers. */
const STALE_MAX = 1000;

export class Agenda {
  readonly #due = new Map<string, number>();
  #heap: Place[] = [];

  get size(): number {
    return this.#due.size;
  }

  /** Infinity when no timer runs. */
  get nextDue(): number {
    return this.#first()?.due ?? Number.POSITIVE_INFINITY;
  }

  /** Sets the timer, whatever it was before; infinity strikes it out. */
  set(key: string, due: number): void {
    if (this.#due.get(key) === due) return;
    if (due === Number.POSITIVE_INFINITY) {
      this.delete(key);
      return;
    }
    this.#due.set(key, due);
    if (this.#heap.length > 2 * this.#due.size + STALE_MAX) this.#rebuild();
    else this.#push({ key, due });
  }

  delete(key: string): void {
    this.#due.delete(key);
  }

  /** Takes out the first timer that is due by then. */
  pop(until: number): Place | null {
    const first = this.#first();
    if (first === undefined || first.due > until) return null;
    this.#shift();
    this.#due.delete(first.key);
    return first;
  }

  #first(): Place | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#due.get(first.key) === first.due) return first;
      this.#shift();
    }
    return undefined;
  }

  #rebuild(): void {
    // In order it is a heap.
    this.#heap = [...this.#due].map(([key, due]) => ({ key, due })).sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  #push(place: Place): void {
    let index = this.#heap.push(place) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || !isBefore(place, parent)) break;
      this.#heap[index] = parent;
      index = above;
    }
    this.#heap[index] = place;
  }

  #shift(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    let index = 0;
    for (;;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      const [leftPlace, rightPlace] = [this.#heap[left], this.#heap[right]];
      const isRight = rightPlace !== undefined && leftPlace !== undefined && isBefore(rightPlace, leftPlace);
      const child = isRight ? rightPlace : leftPlace;
      if (child === undefined || !isBefore(child, last)) break;
      this.#heap[index] = child;
      index = isRight ? right : left;
    }
    this.#heap[index] = last;
  }
}

const isBefore = (a: Place, b: Place): boolean => a.due < b.due || (a.due === b.due && a.key < b.key);
