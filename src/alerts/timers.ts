/**
 * Timers in order of their due time: a binary heap in which each timer knows its place. A timer that turns out to be due
 * later is left where it is and looked at again when it comes up (most readings push a no-data timer further away, and
 * that must cost nothing); one that is due earlier moves up. What is due at the same time comes up in an order of its own, not in
 * that in which it was set: that would be another one after a start.
 */
export interface Timed {
  /** Infinity when not set. Written by Timers only. */
  due: number;
  /** Place in the heap, or -1. Written by Timers only. */
  heapIndex: number;
}

export class Timers<T extends Timed> {
  readonly #heap: T[] = [];
  readonly #comesFirst: (a: T, b: T) => boolean;

  /** @param comesFirst of two that are due at the same time */
  constructor(comesFirst: (a: T, b: T) => boolean) {
    this.#comesFirst = comesFirst;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Infinity when none is set. */
  get nextDue(): number {
    return this.#heap[0]?.due ?? Number.POSITIVE_INFINITY;
  }

  /** Sets the timer, or moves it up; one that is set for an earlier time stays. */
  atLatest(item: T, due: number): void {
    if (due >= item.due) return;
    item.due = due;
    if (item.heapIndex < 0) item.heapIndex = this.#heap.push(item) - 1;
    this.#up(item.heapIndex);
  }

  /** Takes the first one out. */
  pop(): T | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return undefined;
    first.due = Number.POSITIVE_INFINITY;
    first.heapIndex = -1;
    if (last !== first) {
      this.#place(last, 0);
      this.#down(0);
    }
    return first;
  }

  #isBefore(a: T, b: T): boolean {
    return a.due < b.due || (a.due === b.due && this.#comesFirst(a, b));
  }

  #place(item: T, index: number): void {
    this.#heap[index] = item;
    item.heapIndex = index;
  }

  #up(start: number): void {
    let index = start;
    const item = this.#heap[index];
    if (item === undefined) return;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || !this.#isBefore(item, parent)) break;
      this.#place(parent, index);
      index = above;
    }
    this.#place(item, index);
  }

  #down(start: number): void {
    let index = start;
    const item = this.#heap[index];
    if (item === undefined) return;
    for (;;) {
      const left = this.#heap[2 * index + 1];
      const right = this.#heap[2 * index + 2];
      const child = right !== undefined && left !== undefined && this.#isBefore(right, left) ? right : left;
      if (child === undefined || !this.#isBefore(child, item)) break;
      const below = child.heapIndex;
      this.#place(child, index);
      index = below;
    }
    this.#place(item, index);
  }
}
