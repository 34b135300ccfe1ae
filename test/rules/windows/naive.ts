/** What windows mean, in the plainest words: everything is kept, and everything is computed anew. For comparison with the real ones. */
import type { WindowFunction } from '../../../src/rules/windows/window-function.ts';

export class NaiveSampleWindow {
  readonly #durationUs: number;
  readonly #samples = new Map<number, number>();
  #now = Number.NEGATIVE_INFINITY;

  constructor(durationUs: number) {
    this.#durationUs = durationUs;
  }

  add(at: number, value: number): void {
    this.#now = Math.max(this.#now, at);
    if (at > this.#now - this.#durationUs) this.#samples.set(at, value);
  }

  /** Samples of (now−w−more, now], by time. */
  samples(now: number, more = 0): [at: number, value: number][] {
    this.#now = Math.max(this.#now, now);
    const start = this.#now - this.#durationUs - more;
    return [...this.#samples].filter(([at]) => at > start).sort(([a], [b]) => a - b);
  }

  value(name: WindowFunction, now: number): number {
    return evaluate(name, this.samples(now));
  }
}

export function evaluate(name: WindowFunction, samples: readonly [at: number, value: number][]): number {
  const values = samples.map(([, value]) => value);
  const [firstAt = 0, first = 0] = samples[0] ?? [];
  const [lastAt = 0, last = 0] = samples.at(-1) ?? [];
  const sum = values.reduce((total, value) => total + value, 0);
  const mean = sum / values.length;
  const ordered = values.toSorted((a, b) => a - b);
  const middle = ordered.length >>> 1;
  if (values.length === 0) return Number.NaN;
  const results: Record<WindowFunction, number> = {
    avg: mean,
    min: ordered[0] ?? 0,
    max: ordered.at(-1) ?? 0,
    sum,
    count: values.length,
    stddev: Math.sqrt(values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length),
    median: ordered.length % 2 === 1 ? (ordered[middle] ?? 0) : ((ordered[middle - 1] ?? 0) + (ordered[middle] ?? 0)) / 2,
    first,
    last,
    delta: firstAt === lastAt ? Number.NaN : last - first,
    rate: firstAt === lastAt ? Number.NaN : (last - first) / ((lastAt - firstAt) / 1e6),
  };
  return results[name];
}

export class NaiveHoldWindow {
  readonly #durationUs: number;
  readonly #isBeyond: (value: number) => boolean;
  /** In order of time; whether the reading before holds up to it. */
  readonly #readings: { at: number; value: number; isHeld: boolean }[] = [];
  #now = Number.NEGATIVE_INFINITY;

  constructor(durationUs: number, isBeyond: (value: number) => boolean) {
    this.#durationUs = durationUs;
    this.#isBeyond = isBeyond;
  }

  add(at: number, value: number, maxGapUs: number): void {
    this.#now = Math.max(this.#now, at);
    const index = this.#readings.findLastIndex((reading) => reading.at < at) + 1;
    const same = this.#readings[index];
    if (same?.at === at) {
      same.value = value;
      return;
    }
    const reading = { at, value, isHeld: false };
    this.#readings.splice(index, 0, reading);
    const before = this.#readings[index - 1];
    const after = this.#readings[index + 1];
    reading.isHeld = before !== undefined && at - before.at <= maxGapUs;
    if (after !== undefined) after.isHeld = after.at - at <= maxGapUs;
  }

  timeUs(now: number): number {
    this.#now = Math.max(this.#now, now);
    if (this.#readings.length === 0) return Number.NaN;
    const start = this.#now - this.#durationUs;
    let total = 0;
    this.#readings.forEach((reading, index) => {
      const next = this.#readings[index + 1];
      if (next?.isHeld && this.#isBeyond(reading.value)) total += Math.max(0, next.at - Math.max(start, reading.at));
    });
    return total;
  }
}
