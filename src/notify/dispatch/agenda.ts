/**
 * What is to be done when: timers by key, one a key. The earliest comes first, of equal ones the first key by its code units, so
 * that the order depends on nothing but keys and times.
 *
 * A binary heap. What was replaced or deleted stays in it until it comes to the top, or until there is more of that than of what
 * counts: then the heap is built anew, so its size stays within twice that of the timers.
 */

interface Timer {
  readonly key: string;
  readonly due: number;
}

/** A heap so small is not worth building anew. */
const STALE_MIN = 64;

export class Agenda {
  readonly #dueByKey = new Map<string, number>();
  #heap: Timer[] = [];

  /** Replaces the timer of that key. Infinity: there is none. */
  set(key: string, due: number): void {
    if (Number.isNaN(due)) throw new Error(`a timer has to be due at some time: ${key}`);
    if (due === Infinity) this.delete(key);
    else if (this.#dueByKey.get(key) !== due) this.#add({ key, due });
  }

  delete(key: string): void {
    if (this.#dueByKey.delete(key)) this.#tidy();
  }

  /** Infinity when there is no timer. */
  get nextDue(): number {
    return this.#first()?.due ?? Infinity;
  }

  /** Takes out the earliest timer that is due at `untilUs` or before. */
  pop(untilUs: number): { key: string; due: number } | null {
    const first = this.#first();
    if (first === undefined || first.due > untilUs) return null;
    this.#removeTop();
    this.#dueByKey.delete(first.key);
    return first;
  }

  get size(): number {
    return this.#dueByKey.size;
  }

  #add(timer: Timer): void {
    this.#dueByKey.set(timer.key, timer.due);
    this.#heap.push(timer);
    this.#rise(this.#heap.length - 1);
    this.#tidy();
  }

  #first(): Timer | undefined {
    for (;;) {
      const [top] = this.#heap;
      if (top === undefined || this.#dueByKey.get(top.key) === top.due) return top;
      this.#removeTop();
    }
  }

  #tidy(): void {
    if (this.#heap.length - this.#dueByKey.size <= Math.max(this.#dueByKey.size, STALE_MIN)) return;
    this.#heap = Array.from(this.#dueByKey, ([key, due]) => ({ key, due }));
    for (let index = (this.#heap.length >> 1) - 1; index >= 0; index--) this.#sink(index);
  }

  #removeTop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(start: number): void {
    const timer = this.#at(start);
    let index = start;
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (!isBefore(timer, this.#at(above))) break;
      this.#heap[index] = this.#at(above);
      index = above;
    }
    this.#heap[index] = timer;
  }

  #sink(start: number): void {
    const timer = this.#at(start);
    const { length } = this.#heap;
    let index = start;
    for (let below = 2 * index + 1; below < length; below = 2 * index + 1) {
      if (below + 1 < length && isBefore(this.#at(below + 1), this.#at(below))) below += 1;
      if (!isBefore(this.#at(below), timer)) break;
      this.#heap[index] = this.#at(below);
      index = below;
    }
    this.#heap[index] = timer;
  }

  #at(index: number): Timer {
    const timer = this.#heap[index];
    if (timer === undefined) throw new Error(`no timer at ${index} of ${this.#heap.length}`);
    return timer;
  }
}

const isBefore = (a: Timer, b: Timer): boolean => a.due < b.due || (a.due === b.due && a.key < b.key);
