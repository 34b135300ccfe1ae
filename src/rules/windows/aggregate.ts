/**
 * What many samples come to: count, sum, mean, squared deviations, smallest and largest. Two aggregates merge into one,
 * in any grouping, with the same result up to rounding; none is ever taken out of another.
 *
 * The mean is kept as a mean, not as a sum to be divided: equal samples have exactly their value as mean, and a deviation of
 * exactly 0. So `avg(t, '5m') > 8.1` is not true of nothing but 8.1.
 */

/** Where in a row of numbers each part of an aggregate stands; -1: it is not kept. */
export interface Columns {
  /** -1: as many samples as rows. */
  readonly count: number;
  readonly sum: number;
  readonly mean: number;
  /** Sum of the squared deviations from the mean. -1: 0, or not asked for. */
  readonly squares: number;
  readonly min: number;
  readonly max: number;
}

export class Aggregate {
  count = 0;
  sum = 0;
  mean = 0;
  squares = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;

  clear(): void {
    this.count = 0;
    this.sum = 0;
    this.mean = 0;
    this.squares = 0;
    this.min = Number.POSITIVE_INFINITY;
    this.max = Number.NEGATIVE_INFINITY;
  }

  /** Merges in what stands in the row at `offset`, which is of `rows` samples unless it says how many itself. */
  merge(data: Float64Array, offset: number, columns: Columns, rows: number): void {
    const count = columns.count < 0 ? rows : numberAt(data, offset + columns.count);
    if (columns.mean >= 0) {
      const squares = columns.squares < 0 ? 0 : numberAt(data, offset + columns.squares);
      this.#mergeMean(count, numberAt(data, offset + columns.mean), squares);
    }
    this.count += count;
    if (columns.sum >= 0) this.sum += numberAt(data, offset + columns.sum);
    if (columns.min >= 0) this.min = Math.min(this.min, numberAt(data, offset + columns.min));
    if (columns.max >= 0) this.max = Math.max(this.max, numberAt(data, offset + columns.max));
  }

  store(data: Float64Array, offset: number, columns: Columns): void {
    if (columns.count >= 0) data[offset + columns.count] = this.count;
    if (columns.sum >= 0) data[offset + columns.sum] = this.sum;
    if (columns.mean >= 0) data[offset + columns.mean] = this.mean;
    if (columns.squares >= 0) data[offset + columns.squares] = this.squares;
    if (columns.min >= 0) data[offset + columns.min] = this.min;
    if (columns.max >= 0) data[offset + columns.max] = this.max;
  }

  #mergeMean(count: number, mean: number, squares: number): void {
    if (this.count === 0) {
      this.mean = mean;
      this.squares = squares;
      return;
    }
    const total = this.count + count;
    const delta = mean - this.mean;
    const share = count / total;
    // Two of the largest doubles may lie further apart than a double reaches.
    if (delta - delta === 0) this.mean += delta * share;
    else this.mean = this.mean * (this.count / total) + mean * share;
    this.squares += squares + delta * delta * (this.count * share);
  }
}

export const numberAt = (data: Float64Array, index: number): number => data[index] ?? Number.NaN;
