/**
 * A median of more samples than are kept: of each bucket of time at most 16 samples stay, and each counts for its share of
 * those that the bucket had. So at most 4,096 are kept, however many there were and however unevenly they came; a bucket with 16
 * samples or fewer is exact.
 *
 * Which ones stay is decided by a hash of their times: the smallest of the bucket. That is as good as chance, so no rhythm
 * of the signal falls in step with it; and it is the same after a restart and in whatever order the samples came.
 *
 * The error is one of rank. Where samples come evenly, what is given as the median lies between the 48th and the 52nd percentile in 95 of
 * 100 windows of pure noise (two standard deviations: 1 / √3,840), and closer for a signal that changes little within a bucket. If
 * nearly all samples fell into one bucket, it is between the 25th and the 75th. It is always a sample's value, or between two.
 */
import { numberAt } from './aggregate.ts';
import { midpoint } from './sorted-values.ts';

/** A power of two above the number of buckets that a window can touch, so that a bucket's number gives its place. */
const BUCKETS = 256;
const SAMPLES_PER_BUCKET = 16;
const SAMPLES_MAX = BUCKETS * SAMPLES_PER_BUCKET;

export class ThinnedValues {
  readonly #bucketUs: number;
  readonly #at = new Float64Array(SAMPLES_MAX);
  readonly #value = new Float64Array(SAMPLES_MAX);
  /** Of each bucket: all samples it had, the newest one's time, the largest hash kept. */
  readonly #count = new Float64Array(BUCKETS);
  readonly #newestAt = new Float64Array(BUCKETS);
  readonly #hashMax = new Uint32Array(BUCKETS);
  /** Places of the kept samples, by value and then time. */
  readonly #order = new Uint16Array(SAMPLES_MAX);
  #kept = 0;
  #samples = 0;
  /** Where in the order the median was last found, and the weight of all before it: from there it is not far to the next. */
  #cursor = 0;
  #below = 0;
  /** The number of a bucket before which none has samples. */
  #oldest = Number.POSITIVE_INFINITY;

  constructor(bucketUs: number) {
    this.#bucketUs = bucketUs;
  }

  get byteLength(): number {
    return SAMPLES_MAX * 18 + BUCKETS * 20;
  }

  /** The same time again replaces the value, where it is among those kept. */
  add(at: number, value: number): void {
    if (!this.overwrite(at, value)) this.#addNew(at, value);
  }

  /** Replaces the value of the sample with this time; false when it is not among those kept. */
  overwrite(at: number, value: number): boolean {
    const bucket = this.#bucketOf(at);
    if (at > numberAt(this.#newestAt, bucket)) return false;
    const start = bucket * SAMPLES_PER_BUCKET;
    for (let place = start; place < start + this.#keptOf(bucket); place++) {
      if (this.#at[place] !== at) continue;
      this.#remove(place);
      this.#value[place] = value;
      this.#insert(place);
      return true;
    }
    return false;
  }

  /** A bucket leaves with its newest sample. */
  dropUntil(cutoff: number): void {
    const last = Math.floor(cutoff / this.#bucketUs);
    for (let number = Math.max(this.#oldest, last - BUCKETS); number <= last; number++) {
      const bucket = number % BUCKETS;
      // After a pause the place may already be a newer bucket's: the time tells.
      if (numberAt(this.#count, bucket) > 0 && numberAt(this.#newestAt, bucket) <= cutoff) this.#clearBucket(bucket);
    }
    this.#oldest = Math.max(this.#oldest, last);
  }

  /** NaN when there is no sample. */
  median(): number {
    if (this.#samples === 0) return Number.NaN;
    const half = (this.#samples * SAMPLES_PER_BUCKET) / 2;
    while (this.#below > half) {
      this.#cursor -= 1;
      this.#below -= this.#weightAt(this.#cursor);
    }
    for (let next = this.#below + this.#weightAt(this.#cursor); next <= half; next += this.#weightAt(this.#cursor)) {
      this.#cursor += 1;
      this.#below = next;
    }
    const value = numberAt(this.#value, integerAt(this.#order, this.#cursor));
    return this.#below < half ? value : midpoint(numberAt(this.#value, integerAt(this.#order, this.#cursor - 1)), value);
  }

  /** Numbers from which `decode` makes the same again. */
  encode(): number[] {
    const numbers: number[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const kept = this.#keptOf(bucket);
      if (kept === 0) continue;
      const start = bucket * SAMPLES_PER_BUCKET;
      numbers.push(numberAt(this.#count, bucket), numberAt(this.#newestAt, bucket));
      for (let place = start; place < start + kept; place++) numbers.push(numberAt(this.#at, place), numberAt(this.#value, place));
    }
    return numbers;
  }

  /** Null when the numbers are not of this shape. */
  static decode(numbers: Float64Array, bucketUs: number): ThinnedValues | null {
    const values = new ThinnedValues(bucketUs);
    let next = 0;
    while (next < numbers.length) {
      const count = numberAt(numbers, next);
      const newestAt = numberAt(numbers, next + 1);
      const kept = Math.min(count, SAMPLES_PER_BUCKET);
      if (!Number.isSafeInteger(count) || count < 1 || next + 2 + kept * 2 > numbers.length) return null;
      for (let pair = next + 2; pair < next + 2 + kept * 2; pair += 2) values.#addNew(numberAt(numbers, pair), numberAt(numbers, pair + 1));
      const bucket = values.#bucketOf(newestAt);
      values.#newestAt[bucket] = newestAt;
      values.#samples += count - kept;
      values.#below += values.#keptBelow(bucket * SAMPLES_PER_BUCKET) * (count - kept);
      values.#count[bucket] = count;
      next += 2 + kept * 2;
    }
    return values;
  }

  #addNew(at: number, value: number): void {
    const bucket = this.#bucketOf(at);
    const count = numberAt(this.#count, bucket);
    const start = bucket * SAMPLES_PER_BUCKET;
    this.#samples += 1;
    if (count >= SAMPLES_PER_BUCKET) this.#below += this.#keptBelow(start);
    this.#count[bucket] = count + 1;
    this.#oldest = Math.min(this.#oldest, Math.floor(at / this.#bucketUs));
    this.#newestAt[bucket] = count === 0 ? at : Math.max(at, numberAt(this.#newestAt, bucket));
    const hash = hashOf(at);
    if (count < SAMPLES_PER_BUCKET) {
      this.#put(start + count, at, value);
      this.#hashMax[bucket] = count === 0 ? hash : Math.max(hash, integerAt(this.#hashMax, bucket));
    } else if (hash < integerAt(this.#hashMax, bucket)) {
      const place = this.#placeOfLargestHash(start);
      this.#remove(place);
      this.#put(place, at, value);
      this.#hashMax[bucket] = hashOf(numberAt(this.#at, this.#placeOfLargestHash(start)));
    }
  }

  #put(place: number, at: number, value: number): void {
    this.#at[place] = at;
    this.#value[place] = value;
    this.#insert(place);
  }

  #placeOfLargestHash(start: number): number {
    let largest = start;
    for (let place = start + 1; place < start + SAMPLES_PER_BUCKET; place++) {
      if (hashOf(numberAt(this.#at, place)) > hashOf(numberAt(this.#at, largest))) largest = place;
    }
    return largest;
  }

  #clearBucket(bucket: number): void {
    const start = bucket * SAMPLES_PER_BUCKET;
    for (let place = start; place < start + this.#keptOf(bucket); place++) this.#remove(place);
    this.#samples -= numberAt(this.#count, bucket);
    this.#count[bucket] = 0;
    this.#newestAt[bucket] = 0;
  }

  #insert(place: number): void {
    const index = this.#search(place);
    this.#order.copyWithin(index + 1, index, this.#kept);
    this.#order[index] = place;
    this.#kept += 1;
    if (index >= this.#cursor) return;
    this.#cursor += 1;
    this.#below += this.#weightAt(index);
  }

  #remove(place: number): void {
    const index = this.#search(place);
    if (index < this.#cursor) {
      this.#cursor -= 1;
      this.#below -= this.#weightAt(index);
    }
    this.#order.copyWithin(index, index + 1, this.#kept);
    this.#kept -= 1;
  }

  /** In sixteenths of a sample, so that all weights are integers and add up exactly. */
  #weightAt(index: number): number {
    return Math.max(SAMPLES_PER_BUCKET, numberAt(this.#count, integerAt(this.#order, index) >>> 4));
  }

  /** How many samples of a full bucket stand before the cursor. */
  #keptBelow(start: number): number {
    if (this.#cursor === this.#kept) return SAMPLES_PER_BUCKET;
    const cursor = integerAt(this.#order, this.#cursor);
    let below = 0;
    for (let place = start; place < start + SAMPLES_PER_BUCKET; place++) if (this.#isBefore(place, cursor)) below += 1;
    return below;
  }

  /** By value, then by time. */
  #isBefore(place: number, other: number): boolean {
    const value = numberAt(this.#value, place);
    const otherValue = numberAt(this.#value, other);
    return value < otherValue || (value === otherValue && numberAt(this.#at, place) < numberAt(this.#at, other));
  }

  #search(place: number): number {
    let low = 0;
    let high = this.#kept;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isBefore(integerAt(this.#order, middle), place)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #keptOf(bucket: number): number {
    return Math.min(numberAt(this.#count, bucket), SAMPLES_PER_BUCKET);
  }

  #bucketOf(at: number): number {
    return Math.floor(at / this.#bucketUs) % BUCKETS;
  }
}

const integerAt = (data: Uint16Array | Uint32Array, index: number): number => data[index] ?? 0;

/** Spreads times over 32 bits; they differ in their high and low half. */
function hashOf(at: number): number {
  let hash = (at >>> 0) ^ Math.imul(Math.floor(at / 2 ** 32), 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
