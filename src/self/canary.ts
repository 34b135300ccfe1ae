/**
 * The canary: Tocsin's own readings on their way through everything that a device's readings go through. It knows when each
 * was posted and how far each stage has come, and from these how long the way takes. Pure: times are handed in, in
 * milliseconds of the monotonic clock.
 *
 * A stage passes canaries in the order of the journal. Of those on their way it remembers a bounded number: all at first, and
 * the longer it takes, the fewer (every second one, every fourth…), so that over an outage of any length the oldest is exact
 * and what lies between is evenly marked.
 */
import type { Position } from '../journal/journal.ts';

/** Alerting has evaluated it and notifying has followed; history has stored it. */
export type Stage = 'evaluated' | 'stored';

interface Mark {
  /** One past the reading. */
  readonly end: Position;
  readonly postedMs: number;
}

const MARKS_MAX = 256;

export class Canary {
  readonly #stages: Readonly<Record<Stage, StageMarks>> = { evaluated: new StageMarks(), stored: new StageMarks() };

  /** @param end one past its position, or any position after it that was durable together with it */
  posted(end: Position, postedMs: number): void {
    this.#stages.evaluated.add({ end, postedMs });
    this.#stages.stored.add({ end, postedMs });
  }

  /** The stage has worked through everything before `position`. */
  reached(stage: Stage, position: Position, nowMs: number): void {
    this.#stages[stage].reached(position, nowMs);
  }

  /** One past the oldest canary that the stage has not passed, or null. */
  next(stage: Stage): Position | null {
    return this.#stages[stage].oldest?.end ?? null;
  }

  /** How long the oldest one that the stage has not passed is on its way; 0 when there is none. */
  waitedMs(stage: Stage, nowMs: number): number {
    const { oldest } = this.#stages[stage];
    return oldest === undefined ? 0 : nowMs - oldest.postedMs;
  }

  /** How long the latest one took, or, when that is longer, how long the oldest one is on its way. Null: there was none yet. */
  tookMs(stage: Stage, nowMs: number): number | null {
    const { lastTookMs, oldest } = this.#stages[stage];
    if (lastTookMs === null && oldest === undefined) return null;
    return Math.max(lastTookMs ?? 0, this.waitedMs(stage, nowMs));
  }

  /** When the latest one that the stage has passed was posted, or null. */
  passedMs(stage: Stage): number | null {
    return this.#stages[stage].lastPassed?.postedMs ?? null;
  }
}

class StageMarks {
  #waiting: Mark[] = [];
  /** Every so many-th canary is remembered. */
  #stride = 1;
  #skipped = 0;
  lastPassed: Mark | null = null;
  lastTookMs: number | null = null;

  get oldest(): Mark | undefined {
    return this.#waiting[0];
  }

  add(mark: Mark): void {
    this.#skipped += 1;
    if (this.#skipped < this.#stride) return;
    this.#skipped = 0;
    this.#waiting.push(mark);
    if (this.#waiting.length <= MARKS_MAX) return;
    this.#waiting = this.#waiting.filter((_, index) => index % 2 === 0);
    this.#stride *= 2;
  }

  reached(position: Position, nowMs: number): void {
    const passed = this.#waiting.filter(({ end }) => end <= position);
    const last = passed.at(-1);
    if (last === undefined) return;
    this.#waiting = this.#waiting.slice(passed.length);
    if (this.#waiting.length === 0) this.#stride = 1;
    this.lastPassed = last;
    this.lastTookMs = nowMs - last.postedMs;
  }
}
