/**
 * How far a device's clock is off, estimated from what it sends. Readings on their way take a little and varying time, and a
 * backlog ever less of it; a clock that is off adds the same to all. So the offset is the least delay of a stretch of
 * readings that took at least `SPAN_US` to arrive and whose delays hardly differ; any other stretch says nothing, and what
 * was known stays. Times are µs.
 */
const SPAN_US = 60_000_000;
const READINGS_MIN = 3;
const SPREAD_US = 10_000_000;
/** What is less than this is the network's, not the clock's. */
const OFFSET_MIN_US = 2_000_000;

/** [offset, readings, first receipt, least delay, greatest delay] */
export type StoredClock = readonly [number, number, number, number, number];

export class DeviceClock {
  /** To be added to the device's time to get to ours: more than 0 where its clock is behind. */
  offsetUs: number;
  #count: number;
  #since: number;
  #least: number;
  #greatest: number;

  constructor([offset, count, since, least, greatest]: StoredClock = [0, 0, 0, 0, 0]) {
    this.offsetUs = offset;
    this.#count = count;
    this.#since = since;
    this.#least = least;
    this.#greatest = greatest;
  }

  note(at: number, receivedAt: number): void {
    const delay = receivedAt - at;
    if (this.#count === 0) {
      this.#since = receivedAt;
      this.#least = delay;
      this.#greatest = delay;
    } else if (delay < this.#least) this.#least = delay;
    else if (delay > this.#greatest) this.#greatest = delay;
    this.#count += 1;
    if (this.#count < READINGS_MIN || receivedAt - this.#since < SPAN_US) return;
    if (this.#greatest - this.#least <= SPREAD_US) this.offsetUs = Math.abs(this.#least) < OFFSET_MIN_US ? 0 : this.#least;
    this.#count = 0;
  }

  toRow(): StoredClock {
    return [this.offsetUs, this.#count, this.#since, this.#least, this.#greatest];
  }
}
