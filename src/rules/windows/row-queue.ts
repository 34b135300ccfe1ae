/**
 * A queue of rows whose aggregate is always at hand: rows come at the new end and leave at the old one, each at a constant
 * cost on average, and nothing is ever subtracted.
 *
 * Two stacks do it. The rows before `split` are the front: each holds the aggregate of itself up to `split`. Those from `split`
 * on are the back: each holds the aggregate from `split` up to itself. The whole is the oldest front row's and the newest
 * back row's, merged. When rows of the back have to leave, the front is used up, and the back becomes the front. The
 * newest row is in no aggregate, nor is the one before where buckets still grow, so that they may change cheaply.
 *
 * Aggregates are computed when asked for, and from the rows and `split` alone: rows and `split` restored give the same bits.
 */
import { Aggregate, numberAt } from './aggregate.ts';
import { type Layout, TIME, VALUE } from './layout.ts';

const ROWS_MIN = 4;
/** An emptied queue keeps this much. */
const ROWS_KEPT = 16;
const NOTHING = new Float64Array(0);
/** What is being computed: one for all queues, nothing is computed in between. */
const scratch = new Aggregate();
const single = new Float64Array(2);

export class RowQueue {
  readonly layout: Layout;
  #data = NOTHING;
  #head = 0;
  #split = 0;
  #end = 0;
  /** Front rows from here on hold their aggregate. */
  #frontFrom = 0;
  /** Back rows before this hold theirs. */
  #backTo = 0;

  constructor(layout: Layout) {
    this.layout = layout;
  }

  get size(): number {
    return this.#end - this.#head;
  }
  get frontSize(): number {
    return this.#split - this.#head;
  }
  get byteLength(): number {
    return this.#data.byteLength;
  }

  /** Rows count from the oldest, 0. The time is that of the row's newest sample. */
  timeOf(row: number): number {
    return numberAt(this.#data, (this.#head + row) * this.layout.stride + TIME);
  }
  /** The value of the row's oldest sample, and its time. */
  valueOf(row: number): number {
    return numberAt(this.#data, (this.#head + row) * this.layout.stride + VALUE);
  }
  firstTimeOf(row: number): number {
    return numberAt(this.#data, (this.#head + row) * this.layout.stride + this.layout.firstTime);
  }

  /** The first row whose time is `at` or later. */
  search(at: number): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.timeOf(middle) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  push(at: number, value: number): void {
    this.#makeRoom();
    this.#end += 1;
    this.#write(this.#end - 1, at, value);
  }

  insert(row: number, at: number, value: number): void {
    this.#makeRoom();
    const index = this.#head + row;
    const { stride } = this.layout;
    this.#data.copyWithin((index + 1) * stride, index * stride, this.#end * stride);
    this.#end += 1;
    if (index < this.#split) {
      this.#split += 1;
      this.#backTo += 1;
      this.#frontFrom += 1;
    }
    this.#write(index, at, value);
    this.#touch(index);
  }

  /** Makes of the row a row of this one sample. */
  set(row: number, at: number, value: number): void {
    this.#write(this.#head + row, at, value);
    this.#touch(this.#head + row);
  }

  /** Adds a sample to a row that is a bucket. */
  absorb(row: number, at: number, value: number): void {
    const { layout } = this;
    const data = this.#data;
    const offset = (this.#head + row) * layout.stride;
    scratch.clear();
    scratch.merge(data, offset, layout.own, 1);
    single[TIME] = at;
    single[VALUE] = value;
    scratch.merge(single, 0, SAMPLE, 1);
    scratch.store(data, offset, layout.own);
    data[offset + TIME] = Math.max(at, numberAt(data, offset + TIME));
    if (layout.firstTime !== TIME && at < numberAt(data, offset + layout.firstTime)) {
      data[offset + layout.firstTime] = at;
      data[offset + VALUE] = value;
    }
    this.#touch(this.#head + row);
  }

  /** The row is in the back: what happens to it at the new end costs no recomputation of the front. */
  isInBack(row: number): boolean {
    return this.#head + row >= this.#split;
  }

  /** Takes the oldest rows away. */
  drop(rows: number): void {
    this.#head += rows;
    if (this.#head >= this.#end) this.clear();
    else if (this.#head > this.#split) {
      this.#split = this.#end - 1;
      this.#frontFrom = this.#split;
      this.#backTo = this.#split;
    }
  }

  clear(): void {
    if (this.#data.length > ROWS_KEPT * this.layout.stride) this.#data = NOTHING;
    this.#head = 0;
    this.#split = 0;
    this.#end = 0;
    this.#frontFrom = 0;
    this.#backTo = 0;
  }

  /** Of all rows. It is overwritten by the next call on any queue. */
  aggregate(): Aggregate {
    const { stride, own, total } = this.layout;
    const data = this.#data;
    this.#completeFront();
    this.#completeBack();
    scratch.clear();
    if (this.#head < this.#split) scratch.merge(data, this.#head * stride, total, this.#split - this.#head);
    if (this.#backTo > this.#split) scratch.merge(data, (this.#backTo - 1) * stride, total, this.#backTo - this.#split);
    for (let index = this.#backTo; index < this.#end; index++) scratch.merge(data, index * stride, own, 1);
    return scratch;
  }

  /** Writes what cannot be computed again, a row after the other; returns where it ends. */
  writeTo(numbers: Float64Array, start: number): number {
    const { stride, ownWidth } = this.layout;
    let next = start;
    for (let index = this.#head; index < this.#end; index++, next += ownWidth) {
      numbers.set(this.#data.subarray(index * stride, index * stride + ownWidth), next);
    }
    return next;
  }

  /** The queue that `writeTo` wrote. */
  static readFrom(numbers: Float64Array, start: number, options: { layout: Layout; rows: number; frontSize: number }): RowQueue {
    const { layout, rows, frontSize } = options;
    const queue = new RowQueue(layout);
    queue.#data = new Float64Array(rows * layout.stride);
    for (let row = 0; row < rows; row++) {
      const from = start + row * layout.ownWidth;
      queue.#data.set(numbers.subarray(from, from + layout.ownWidth), row * layout.stride);
    }
    queue.#end = rows;
    queue.#split = frontSize;
    queue.#frontFrom = frontSize;
    queue.#backTo = frontSize;
    return queue;
  }

  #completeFront(): void {
    if (this.#frontFrom <= this.#head || this.#head >= this.#split || !this.layout.hasTotal) return;
    const { stride, own, total } = this.layout;
    scratch.clear();
    if (this.#frontFrom < this.#split) scratch.merge(this.#data, this.#frontFrom * stride, total, this.#split - this.#frontFrom);
    for (let index = this.#frontFrom - 1; index >= this.#head; index--) {
      scratch.merge(this.#data, index * stride, own, 1);
      scratch.store(this.#data, index * stride, total);
    }
    this.#frontFrom = this.#head;
  }

  #completeBack(): void {
    const to = this.#end - (this.layout.isBucketed ? 2 : 1);
    if (this.#backTo >= to || !this.layout.hasTotal) return;
    const { stride, own, total } = this.layout;
    scratch.clear();
    if (this.#backTo > this.#split) scratch.merge(this.#data, (this.#backTo - 1) * stride, total, this.#backTo - this.#split);
    for (let index = this.#backTo; index < to; index++) {
      scratch.merge(this.#data, index * stride, own, 1);
      scratch.store(this.#data, index * stride, total);
    }
    this.#backTo = to;
  }

  /** Aggregates that the row is part of hold no longer. */
  #touch(index: number): void {
    if (index < this.#split) this.#frontFrom = Math.max(this.#frontFrom, index + 1);
    else this.#backTo = Math.min(this.#backTo, Math.max(index, this.#split));
  }

  #write(index: number, at: number, value: number): void {
    const { layout } = this;
    const data = this.#data;
    const offset = index * layout.stride;
    if (layout.isBucketed) {
      single[TIME] = at;
      single[VALUE] = value;
      scratch.clear();
      scratch.merge(single, 0, SAMPLE, 1);
      scratch.store(data, offset, layout.own);
    }
    data[offset + TIME] = at;
    data[offset + VALUE] = value;
    data[offset + layout.firstTime] = at;
  }

  /** Moves the rows to the start of their memory, or to larger or smaller memory, so that each push moves at most three. */
  #makeRoom(): void {
    const { stride } = this.layout;
    const capacity = this.#data.length / stride;
    if (this.#end < capacity) return;
    const live = this.size;
    if (capacity === 0 || live * 4 > capacity * 3 || (live * 4 < capacity && capacity > ROWS_KEPT)) {
      const data = new Float64Array(Math.max(ROWS_MIN, Math.ceil(live * 1.5)) * stride);
      data.set(this.#data.subarray(this.#head * stride, this.#end * stride));
      this.#data = data;
    } else this.#data.copyWithin(0, this.#head * stride, this.#end * stride);
    this.#split -= this.#head;
    this.#frontFrom = Math.max(0, this.#frontFrom - this.#head);
    this.#backTo -= this.#head;
    this.#end = live;
    this.#head = 0;
  }
}

const SAMPLE = { count: -1, sum: VALUE, mean: VALUE, squares: -1, min: VALUE, max: VALUE };
