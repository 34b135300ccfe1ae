/**
 * How long, within (t−w, t], a value was beyond a threshold: what `timeAbove` and `timeBelow` answer. Times are integer µs; t is the
 * newest time that the window has heard of, from a reading or from a question, and never moves back.
 *
 * What it guarantees:
 *
 * - A reading holds until the next one, also from before the window into it, where it is cut at t−w. The newest holds for no time at
 *   all: nothing is claimed of what comes after it. Beyond is more than the threshold, or less; equal is not beyond.
 * - Between two readings further apart than the `maxGapUs` given with the later to arrive of the two, nothing is held.
 * - The newest 1,000 readings are kept (9 bytes each). A late reading among them parts the time between its neighbours; the same
 *   time again overwrites. One that is older than those kept is ignored, if any of the window's have been given up.
 * - Older ones are kept as stretches of time (24 bytes each): exact, unless there are more than 1,000 in the window; then the error is
 *   below w/240 (see beyond-runs.ts).
 * - All sums are of integers, so exact; the same calls give the same answers over any encoding and decoding.
 */
import { numberAt } from './aggregate.ts';
import { BeyondRuns } from './beyond-runs.ts';

const READINGS_MAX = 1000;
const READINGS_MIN = 4;
const BUCKETS_PER_WINDOW = 240;
const VERSION = 1;
const HEADER_NUMBERS = 8;
const NUMBERS_PER_RUN = 3;
/** Objects and their headers, roughly. */
const FIXED_BYTES = 450;
const BEYOND = 1;
/** The reading before it holds up to it. */
const HELD = 2;

export type Side = 'above' | 'below';

export class HoldWindow {
  readonly #durationUs: number;
  readonly #bucketUs: number;
  readonly #side: Side;
  readonly #threshold: number;
  #times = new Float64Array(READINGS_MIN);
  #flags = new Uint8Array(READINGS_MIN);
  #head = 0;
  #end = 0;
  /** Time beyond between the readings kept. */
  #recentUs = 0;
  #runs: BeyondRuns;
  /** Of readings before this one, only the runs are left. */
  #collapsedTo = Number.NEGATIVE_INFINITY;
  #now = Number.NEGATIVE_INFINITY;

  constructor(durationUs: number, side: Side, threshold: number) {
    this.#durationUs = durationUs;
    this.#bucketUs = Math.ceil(durationUs / BUCKETS_PER_WINDOW);
    this.#side = side;
    this.#threshold = threshold;
    this.#runs = new BeyondRuns(this.#bucketUs);
  }

  /** Readings and stretches kept. */
  get size(): number {
    return this.#end - this.#head + this.#runs.size;
  }
  /** True before the first reading only: the newest one is always kept. */
  get isEmpty(): boolean {
    return this.#end === this.#head;
  }
  get memoryBytes(): number {
    return FIXED_BYTES + this.#times.byteLength + this.#flags.byteLength + this.#runs.byteLength;
  }

  /** A value that is not finite is no reading. */
  add(at: number, value: number, maxGapUs: number): void {
    if (!Number.isFinite(value)) return;
    if (at > this.#now) this.#now = at;
    const beyond = (this.#side === 'above' ? value > this.#threshold : value < this.#threshold) ? BEYOND : 0;
    this.#dropOld();
    if (this.#end - this.#head === READINGS_MAX) this.#collapseOldest();
    this.#makeRoom();
    if (this.isEmpty || at > numberAt(this.#times, this.#end - 1)) this.#append(at, beyond, maxGapUs);
    else if (at >= this.#collapsedTo) this.#addLate(at, beyond, maxGapUs);
  }

  /** NaN before the first reading. */
  timeUs(now: number): number {
    if (now > this.#now) this.#now = now;
    if (this.isEmpty) return Number.NaN;
    this.#dropOld();
    const start = this.#now - this.#durationUs;
    const first = numberAt(this.#times, this.#head);
    const cut = first < start ? Math.min(this.#beyondAfter(this.#head), start - first) : 0;
    return this.#runs.timeAfter(start) + this.#recentUs - cut;
  }

  /** The same in everything, and apart from this one from here on. */
  copy(): HoldWindow {
    const copy = HoldWindow.decode(this.encode(), this.#durationUs, this.#side, this.#threshold);
    if (copy === null) throw new Error('a window cannot read what it has written');
    return copy;
  }

  encode(): Uint8Array {
    const readings = this.#end - this.#head;
    const runs = this.#runs.encode();
    const numbers = new Float64Array(HEADER_NUMBERS + readings + runs.length);
    const side = this.#side === 'above' ? 1 : 0;
    numbers.set([VERSION, side, this.#durationUs, this.#threshold, this.#now, this.#collapsedTo, readings, this.#runs.size]);
    numbers.set(this.#times.subarray(this.#head, this.#end), HEADER_NUMBERS);
    numbers.set(runs, HEADER_NUMBERS + readings);
    const bytes = new Uint8Array(numbers.byteLength + readings);
    bytes.set(new Uint8Array(numbers.buffer));
    bytes.set(this.#flags.subarray(this.#head, this.#end), numbers.byteLength);
    return bytes;
  }

  /** The window as it was encoded; null when that was another version's, or another window's. */
  static decode(bytes: Uint8Array, durationUs: number, side: Side, threshold: number): HoldWindow | null {
    if (bytes.byteLength < HEADER_NUMBERS * 8) return null;
    const copy = new Uint8Array(bytes);
    const header = new Float64Array(copy.buffer, 0, HEADER_NUMBERS);
    const [version, above, duration, limit, now = 0, collapsedTo = 0, readings = 0, runs = 0] = header;
    if (version !== VERSION || (above === 1 ? 'above' : 'below') !== side || duration !== durationUs || limit !== threshold) return null;
    const length = HEADER_NUMBERS + readings + runs * NUMBERS_PER_RUN;
    const isSized = Number.isInteger(readings) && readings >= 0 && readings <= READINGS_MAX && Number.isInteger(runs) && runs >= 0;
    if (!isSized || bytes.byteLength !== length * 8 + readings || Number.isNaN(now)) return null;
    const numbers = new Float64Array(copy.buffer, 0, length);
    const window = new HoldWindow(durationUs, side, threshold);
    window.#times = numbers.slice(HEADER_NUMBERS, HEADER_NUMBERS + readings);
    window.#flags = copy.slice(length * 8);
    window.#end = readings;
    window.#runs = BeyondRuns.decode(numbers.subarray(HEADER_NUMBERS + readings), window.#bucketUs);
    window.#collapsedTo = collapsedTo;
    window.#now = now;
    for (let index = 0; index + 1 < readings; index++) window.#recentUs += window.#beyondAfter(index);
    return window;
  }

  #append(at: number, beyond: number, maxGapUs: number): void {
    const index = this.#end;
    const isHeld = index > this.#head && at - numberAt(this.#times, index - 1) <= maxGapUs;
    this.#write(index, at, isHeld ? beyond | HELD : beyond);
    this.#end += 1;
    if (index > this.#head) this.#recentUs += this.#beyondAfter(index - 1);
  }

  /** There is a newer reading, or one of the same time. */
  #addLate(at: number, beyond: number, maxGapUs: number): void {
    const index = this.#search(at);
    if (numberAt(this.#times, index) === at) {
      this.#recentUs -= this.#beyondAfter(index);
      this.#write(index, at, this.#flagsAt(index) & HELD ? beyond | HELD : beyond);
      this.#recentUs += this.#beyondAfter(index);
      return;
    }
    const isFirst = index === this.#head;
    if (!isFirst) this.#recentUs -= this.#beyondAfter(index - 1);
    this.#times.copyWithin(index + 1, index, this.#end);
    this.#flags.copyWithin(index + 1, index, this.#end);
    this.#end += 1;
    const isHeld = !isFirst && at - numberAt(this.#times, index - 1) <= maxGapUs;
    this.#write(index, at, isHeld ? beyond | HELD : beyond);
    const next = numberAt(this.#times, index + 1);
    const nextBeyond = this.#flagsAt(index + 1) & BEYOND;
    this.#write(index + 1, next, next - at <= maxGapUs ? nextBeyond | HELD : nextBeyond);
    if (!isFirst) this.#recentUs += this.#beyondAfter(index - 1);
    this.#recentUs += this.#beyondAfter(index);
  }

  /** How long the reading was beyond, up to the next one. */
  #beyondAfter(index: number): number {
    if (index + 1 >= this.#end || (this.#flagsAt(index) & BEYOND) === 0 || (this.#flagsAt(index + 1) & HELD) === 0) return 0;
    return numberAt(this.#times, index + 1) - numberAt(this.#times, index);
  }

  /** What is left of the oldest reading is how long it was beyond. */
  #collapseOldest(): void {
    const next = numberAt(this.#times, this.#head + 1);
    const beyondUs = this.#beyondAfter(this.#head);
    if (beyondUs > 0) this.#runs.append(next - beyondUs, next);
    this.#recentUs -= beyondUs;
    this.#head += 1;
    this.#collapsedTo = next;
  }

  /** A reading goes when the one after it is not within the window either. */
  #dropOld(): void {
    const start = this.#now - this.#durationUs;
    while (this.#end - this.#head > 1 && numberAt(this.#times, this.#head + 1) <= start) {
      this.#recentUs -= this.#beyondAfter(this.#head);
      this.#head += 1;
    }
    this.#runs.dropUntil(start);
  }

  #search(at: number): number {
    let low = this.#head;
    let high = this.#end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (numberAt(this.#times, middle) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #flagsAt(index: number): number {
    return this.#flags[index] ?? 0;
  }

  #write(index: number, at: number, flags: number): void {
    this.#times[index] = at;
    this.#flags[index] = flags;
  }

  /** For one reading; moves those there are to the start of their memory, or to larger or smaller memory. */
  #makeRoom(): void {
    const capacity = this.#times.length;
    if (this.#end < capacity) return;
    const live = this.#end - this.#head;
    if (capacity === 0 || live * 4 > capacity * 3 || (live * 4 < capacity && capacity > READINGS_MIN * 4)) {
      const size = Math.max(READINGS_MIN, Math.ceil(live * 1.5));
      const times = new Float64Array(size);
      const flags = new Uint8Array(size);
      times.set(this.#times.subarray(this.#head, this.#end));
      flags.set(this.#flags.subarray(this.#head, this.#end));
      this.#times = times;
      this.#flags = flags;
    } else {
      this.#times.copyWithin(0, this.#head, this.#end);
      this.#flags.copyWithin(0, this.#head, this.#end);
    }
    this.#head = 0;
    this.#end = live;
  }
}
