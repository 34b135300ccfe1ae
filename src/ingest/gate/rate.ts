/** How many messages a client may still send: so many at once at most, filled up as time passes. */
import type { Clock } from '../../std/clock.ts';

/** So many times a second, at most, a client that is over its rate is looked at. */
const LOOKS_PER_SECOND = 4;

export class Rate {
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #atOnceMax: number;
  #left: number;
  #atMs: number;

  constructor(perSecond: number, clock: Clock, atOnceMax = perSecond) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#atOnceMax = atOnceMax;
    this.#left = atOnceMax;
    this.#atMs = clock.monotonicMs();
  }

  available(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#left = Math.min(this.#atOnceMax, this.#left + ((nowMs - this.#atMs) * this.#perSecond) / 1000);
    this.#atMs = nowMs;
    return Math.floor(this.#left);
  }

  spend(messages: number): void {
    this.#left -= messages;
  }

  /** Until there is enough again to be worth a look. */
  waitMs(): number {
    const wanted = Math.max(1, this.#perSecond / LOOKS_PER_SECOND);
    return Math.max(1, Math.ceil(((wanted - this.#left) * 1000) / this.#perSecond));
  }
}
