/** Percentiles of positive numbers in fixed memory: buckets grow by 2 %, from a microsecond to hours when the unit is ms. */

const SMALLEST = 0.001;
const GROWTH = Math.log(1.02);
const BUCKETS = 1200;

export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }
  get max(): number {
    return this.#max;
  }

  record(value: number): void {
    const bucket = value <= SMALLEST ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(value / SMALLEST) / GROWTH));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    if (value > this.#max) this.#max = value;
  }

  /** The upper edge of the bucket in which the share `quantile` (0 to 1) is reached; NaN when nothing was recorded. */
  quantile(quantile: number): number {
    if (this.#count === 0) return Number.NaN;
    const wanted = Math.max(1, Math.ceil(this.#count * quantile));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= wanted) return Math.min(this.#max, SMALLEST * Math.exp(bucket * GROWTH));
    }
    return this.#max;
  }
}

/** The middle of the values, the mean of the two middle ones when their number is even; NaN when there is none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
