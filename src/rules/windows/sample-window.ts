/**
 * The samples of (t−w, t], and what functions of them come to. Event times are integer µs; t is the newest time that the window
 * has heard of, from a sample or from a question, and never moves back. Asking and adding cost the same whatever the window's length.
 *
 * What it guarantees:
 *
 * - A late sample is put in its place if the window still holds its time, otherwise it is ignored. The same time again overwrites.
 * - Up to 1,000 samples are exact. With more, the window goes over to buckets of w/240 (rounded up to a whole µs and counted from 1970),
 *   until it has been empty once. A bucket leaves with its newest sample, so the window then reaches back at least w and less
 *   than w + w/240: `count` and `sum` may contain samples of up to one bucket too many, `min`, `max` and `first` may be one of
 *   them. What is held is computed exactly. The newest sample is always itself. A repeated time counts as one more, unless it
 *   is the newest.
 * - `median` is of a thinned-out sample there: see thinned-values.ts for its error.
 * - `stddev` is the population's (divided by n), as PromQL's stddev_over_time. `delta` is last − first, `rate` that per second between
 *   those two. Both need two samples. NaN is unknown: an empty window, and whatever is not finite. Deviations over 1e154 have
 *   squares that no double holds.
 * - No sum is ever subtracted from: a sample that has left has left no trace.
 * - The same calls give the same bits, also if the window was encoded and decoded between any two of them. Other calls, such as a question
 *   at another time, may group sums differently: who only wants to look asks a decoded copy.
 */
import { type Layouts, layoutsOf } from './layout.ts';
import { RowQueue } from './row-queue.ts';
import { SortedValues } from './sorted-values.ts';
import { ThinnedValues } from './thinned-values.ts';
import { functionMask, type WindowFunction } from './window-function.ts';

const EXACT_SAMPLES_MAX = 1000;
const BUCKETS_PER_WINDOW = 240;
const MICROSECONDS_PER_SECOND = 1_000_000;
const VERSION = 1;
const HEADER_NUMBERS = 7;
/** Objects and their headers, roughly. */
const FIXED_BYTES = 400;

export class SampleWindow {
  readonly #durationUs: number;
  readonly #bucketUs: number;
  readonly #mask: number;
  readonly #layouts: Layouts;
  #rows: RowQueue;
  /** For the median: all values while exact, a part of them in buckets. */
  #sorted: SortedValues | null = null;
  #thinned: ThinnedValues | null = null;
  #now = Number.NEGATIVE_INFINITY;

  constructor(durationUs: number, functions: ReadonlySet<WindowFunction>) {
    this.#durationUs = durationUs;
    this.#bucketUs = Math.ceil(durationUs / BUCKETS_PER_WINDOW);
    this.#mask = functionMask(functions);
    this.#layouts = layoutsOf(this.#mask);
    this.#rows = new RowQueue(this.#layouts.exact);
    if (functions.has('median')) this.#sorted = new SortedValues();
  }

  /** Samples, or buckets of them. Those that have left since the last call count still. */
  get size(): number {
    return this.#rows.size;
  }
  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }
  get isBucketed(): boolean {
    return this.#rows.layout.isBucketed;
  }
  get memoryBytes(): number {
    return FIXED_BYTES + this.#rows.byteLength + (this.#sorted?.byteLength ?? 0) + (this.#thinned?.byteLength ?? 0);
  }

  /** A value that is not finite is no sample. */
  add(at: number, value: number): void {
    if (!Number.isFinite(value)) return;
    if (at > this.#now) this.#now = at;
    this.#dropOld();
    if (at <= this.#now - this.#durationUs) return;
    // There is one zero only.
    const sample = value + 0;
    const newest = this.#rows.size - 1;
    if (newest < 0 || at > this.#rows.timeOf(newest)) this.#append(at, sample);
    else if (at === this.#rows.timeOf(newest)) this.#overwrite(newest, at, sample);
    else this.#addLate(at, sample);
  }

  /** NaN is unknown. The function must be one of the window's. */
  value(name: WindowFunction, now: number): number {
    if (!this.#layouts.functions.has(name)) throw new TypeError(`the window was not made for ${name}()`);
    if (now > this.#now) this.#now = now;
    this.#dropOld();
    if (this.#rows.size === 0) return Number.NaN;
    const value = this.#compute(name);
    // There is one zero only.
    return Number.isFinite(value) ? value + 0 : Number.NaN;
  }

  /** The same in everything, and apart from this one from here on. */
  copy(): SampleWindow {
    const copy = SampleWindow.decode(this.encode(), this.#durationUs, this.#layouts.functions);
    if (copy === null) throw new Error('a window cannot read what it has written');
    return copy;
  }

  encode(): Uint8Array {
    const rows = this.#rows;
    const { isBucketed, ownWidth } = rows.layout;
    const thinned = this.#thinned?.encode() ?? [];
    const numbers = new Float64Array(HEADER_NUMBERS + rows.size * ownWidth + thinned.length);
    numbers.set([VERSION, this.#mask, this.#durationUs, isBucketed ? 1 : 0, this.#now, rows.size, rows.frontSize]);
    numbers.set(thinned, rows.writeTo(numbers, HEADER_NUMBERS));
    return new Uint8Array(numbers.buffer);
  }

  /** The window as it was encoded; null when that was another version's, or another window's. */
  static decode(bytes: Uint8Array, durationUs: number, functions: ReadonlySet<WindowFunction>): SampleWindow | null {
    if (bytes.byteLength % 8 !== 0 || bytes.byteLength < HEADER_NUMBERS * 8) return null;
    const numbers = new Float64Array(new Uint8Array(bytes).buffer);
    const [version, mask, duration, mode, now = 0, size = 0, frontSize = 0] = numbers;
    const window = new SampleWindow(durationUs, functions);
    if (version !== VERSION || mask !== window.#mask || duration !== durationUs || (mode !== 0 && mode !== 1)) return null;
    const layout = mode === 1 ? window.#layouts.bucketed : window.#layouts.exact;
    const thinnedStart = HEADER_NUMBERS + size * layout.ownWidth;
    const isSized =
      Number.isInteger(size) && size >= 0 && Number.isInteger(frontSize) && frontSize >= 0 && frontSize <= Math.max(0, size - 1);
    if (!isSized || thinnedStart > numbers.length || Number.isNaN(now)) return null;
    window.#now = now;
    window.#rows = RowQueue.readFrom(numbers, HEADER_NUMBERS, { layout, rows: size, frontSize });
    if (functions.has('median') && layout.isBucketed) {
      window.#sorted = null;
      window.#thinned = ThinnedValues.decode(numbers.subarray(thinnedStart), window.#bucketUs);
      return window.#thinned === null ? null : window;
    }
    for (let row = 0; row < size && window.#sorted !== null; row++) window.#sorted.add(window.#rows.valueOf(row));
    return thinnedStart === numbers.length ? window : null;
  }

  #compute(name: WindowFunction): number {
    const rows = this.#rows;
    const newest = rows.size - 1;
    switch (name) {
      case 'first':
        return rows.valueOf(0);
      case 'last':
        return rows.valueOf(newest);
      case 'delta':
        return rows.timeOf(newest) === rows.firstTimeOf(0) ? Number.NaN : rows.valueOf(newest) - rows.valueOf(0);
      case 'rate': {
        const seconds = (rows.timeOf(newest) - rows.firstTimeOf(0)) / MICROSECONDS_PER_SECOND;
        return seconds === 0 ? Number.NaN : (rows.valueOf(newest) - rows.valueOf(0)) / seconds;
      }
      case 'count':
        return rows.layout.isBucketed ? rows.aggregate().count : rows.size;
      case 'sum':
        return rows.aggregate().sum;
      case 'avg':
        return rows.aggregate().mean;
      case 'min':
        return rows.aggregate().min;
      case 'max':
        return rows.aggregate().max;
      case 'stddev': {
        const { squares, count } = rows.aggregate();
        return Math.sqrt(squares / count);
      }
      case 'median':
        return this.#thinned?.median() ?? this.#sorted?.median() ?? Number.NaN;
    }
  }

  #append(at: number, value: number): void {
    if (this.#rows.layout.isBucketed) this.#appendToBucket(at, value);
    else if (this.#rows.size === EXACT_SAMPLES_MAX) {
      this.#goOverToBuckets();
      this.#appendToBucket(at, value);
    } else {
      this.#rows.push(at, value);
      this.#sorted?.add(value);
    }
  }

  /** The newest sample stands alone; the one that was newest joins the bucket before it, or opens one. */
  #appendToBucket(at: number, value: number): void {
    const rows = this.#rows;
    const newest = rows.size - 1;
    const open = newest - 1;
    if (open >= 0 && rows.isInBack(open) && this.#bucketOf(rows.timeOf(open)) === this.#bucketOf(rows.timeOf(newest))) {
      rows.absorb(open, rows.timeOf(newest), rows.valueOf(newest));
      rows.set(newest, at, value);
    } else rows.push(at, value);
    this.#thinned?.add(at, value);
  }

  #overwrite(row: number, at: number, value: number): void {
    if (this.#rows.layout.isBucketed) this.#thinned?.overwrite(at, value);
    else if (this.#sorted !== null) {
      this.#sorted.remove(this.#rows.valueOf(row));
      this.#sorted.add(value);
    }
    this.#rows.set(row, at, value);
  }

  #addLate(at: number, value: number): void {
    if (this.#rows.layout.isBucketed) {
      this.#addLateToBucket(at, value);
      return;
    }
    const row = this.#rows.search(at);
    if (this.#rows.timeOf(row) === at) this.#overwrite(row, at, value);
    else if (this.#rows.size === EXACT_SAMPLES_MAX) {
      this.#goOverToBuckets();
      this.#addLateToBucket(at, value);
    } else {
      this.#rows.insert(row, at, value);
      this.#sorted?.add(value);
    }
  }

  #addLateToBucket(at: number, value: number): void {
    const rows = this.#rows;
    const bucket = this.#bucketOf(at);
    const row = rows.search(at);
    if (row < rows.size - 1 && this.#bucketOf(rows.timeOf(row)) === bucket) rows.absorb(row, at, value);
    else if (row > 0 && this.#bucketOf(rows.timeOf(row - 1)) === bucket) rows.absorb(row - 1, at, value);
    else rows.insert(row, at, value);
    this.#thinned?.add(at, value);
  }

  #goOverToBuckets(): void {
    const exact = this.#rows;
    this.#rows = new RowQueue(this.#layouts.bucketed);
    if (this.#sorted !== null) this.#thinned = new ThinnedValues(this.#bucketUs);
    this.#sorted = null;
    for (let row = 0; row < exact.size; row++) this.#appendToBucket(exact.timeOf(row), exact.valueOf(row));
  }

  #dropOld(): void {
    const rows = this.#rows;
    const cutoff = this.#now - this.#durationUs;
    const { size } = rows;
    let old = 0;
    while (old < size && rows.timeOf(old) <= cutoff) old += 1;
    if (old === 0) return;
    if (old === size) this.#empty();
    else {
      if (this.#sorted !== null) for (let row = 0; row < old; row++) this.#sorted.remove(rows.valueOf(row));
      this.#thinned?.dropUntil(cutoff);
      rows.drop(old);
    }
  }

  #empty(): void {
    if (this.#thinned !== null) this.#sorted = new SortedValues();
    this.#thinned = null;
    this.#sorted?.clear();
    if (this.#rows.layout.isBucketed) this.#rows = new RowQueue(this.#layouts.exact);
    else this.#rows.clear();
  }

  #bucketOf(at: number): number {
    return Math.floor(at / this.#bucketUs);
  }
}
