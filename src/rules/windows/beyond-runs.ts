/**
 * Stretches of time during which a value was beyond its threshold: each has a start, an end, and how much of it counts. They are exact and
 * bounded: past 1,000, neighbours within one bucket of time become one stretch that counts less than it is long. Where such a
 * one is cut, the part that is left counts in proportion; only one can be cut at a time, so the error is below one bucket.
 * All times are integer µs, so that totals are exact.
 */
import { numberAt } from './aggregate.ts';

const RUNS_MAX = 1000;
const RUNS_MIN = 4;
/** Memory for so many stays when all have been forgotten. */
const RUNS_KEPT = 16;
/** Start, end, and the time that counts. */
const WIDTH = 3;
const NOTHING = new Float64Array(0);

export class BeyondRuns {
  readonly #bucketUs: number;
  #data = NOTHING;
  #head = 0;
  #end = 0;
  #totalUs = 0;

  constructor(bucketUs: number) {
    this.#bucketUs = bucketUs;
  }

  get size(): number {
    return this.#end - this.#head;
  }
  get byteLength(): number {
    return this.#data.byteLength;
  }

  /** Not before the end of the last one. */
  append(start: number, end: number): void {
    if (this.size > 0) {
      const last = (this.#end - 1) * WIDTH;
      // The last one is exact: merging is followed by a new one.
      if (numberAt(this.#data, last + 1) === start) {
        this.#data[last + 1] = end;
        this.#data[last + 2] = end - numberAt(this.#data, last);
        this.#totalUs += end - start;
        return;
      }
    }
    if (this.size === RUNS_MAX) this.#mergeWithinBuckets();
    this.#makeRoom();
    this.#write(this.#end, start, end, end - start);
    this.#end += 1;
    this.#totalUs += end - start;
  }

  /** Forgets what ended by `start`. */
  dropUntil(start: number): void {
    while (this.#head < this.#end && numberAt(this.#data, this.#head * WIDTH + 1) <= start) {
      this.#totalUs -= numberAt(this.#data, this.#head * WIDTH + 2);
      this.#head += 1;
    }
    if (this.#head < this.#end) return;
    this.#head = 0;
    this.#end = 0;
    if (this.#data.length > RUNS_KEPT * WIDTH) this.#data = NOTHING;
  }

  /** How much counts after `start`, by which none has ended. */
  timeAfter(start: number): number {
    if (this.size === 0) return 0;
    const first = this.#head * WIDTH;
    const begin = numberAt(this.#data, first);
    const end = numberAt(this.#data, first + 1);
    const timeUs = numberAt(this.#data, first + 2);
    if (begin >= start) return this.#totalUs;
    const before = start - begin;
    return this.#totalUs - (timeUs === end - begin ? before : Math.round(timeUs * (before / (end - begin))));
  }

  /** Three numbers each. */
  encode(): Float64Array {
    return this.#data.slice(this.#head * WIDTH, this.#end * WIDTH);
  }

  static decode(numbers: Float64Array, bucketUs: number): BeyondRuns {
    const runs = new BeyondRuns(bucketUs);
    runs.#data = numbers.slice();
    runs.#end = numbers.length / WIDTH;
    for (let run = 0; run < runs.#end; run++) runs.#totalUs += numberAt(numbers, run * WIDTH + 2);
    return runs;
  }

  /** Leaves at most one a bucket, and those that reach from one bucket to another: fewer than 500. */
  #mergeWithinBuckets(): void {
    let last = 0;
    for (let run = this.#head; run < this.#end; run++) {
      const start = numberAt(this.#data, run * WIDTH);
      const end = numberAt(this.#data, run * WIDTH + 1);
      const timeUs = numberAt(this.#data, run * WIDTH + 2);
      const previous = (last - 1) * WIDTH;
      if (last > 0 && this.#bucketOf(numberAt(this.#data, previous)) === this.#bucketOf(end - 1)) {
        this.#write(last - 1, numberAt(this.#data, previous), end, numberAt(this.#data, previous + 2) + timeUs);
      } else {
        this.#write(last, start, end, timeUs);
        last += 1;
      }
    }
    this.#head = 0;
    this.#end = last;
  }

  #write(run: number, start: number, end: number, timeUs: number): void {
    this.#data[run * WIDTH] = start;
    this.#data[run * WIDTH + 1] = end;
    this.#data[run * WIDTH + 2] = timeUs;
  }

  #makeRoom(): void {
    const capacity = this.#data.length / WIDTH;
    if (this.#end < capacity) return;
    const live = this.size;
    if (capacity === 0 || live * 4 > capacity * 3) {
      const data = new Float64Array(Math.max(RUNS_MIN, Math.ceil(live * 1.5)) * WIDTH);
      data.set(this.#data.subarray(this.#head * WIDTH, this.#end * WIDTH));
      this.#data = data;
    } else this.#data.copyWithin(0, this.#head * WIDTH, this.#end * WIDTH);
    this.#head = 0;
    this.#end = live;
  }

  #bucketOf(at: number): number {
    return Math.floor(at / this.#bucketUs);
  }
}
