/** A bounded number of values in order, for their median. Adding and removing search logarithmically and move memory once. */
import { numberAt } from './aggregate.ts';

const VALUES_MIN = 4;

export class SortedValues {
  #values = new Float64Array(VALUES_MIN);
  #size = 0;

  get byteLength(): number {
    return this.#values.byteLength;
  }

  add(value: number): void {
    const index = this.#search(value);
    if (this.#size === this.#values.length) {
      const values = new Float64Array(Math.ceil(this.#size * 1.5));
      values.set(this.#values);
      this.#values = values;
    }
    this.#values.copyWithin(index + 1, index, this.#size);
    this.#values[index] = value;
    this.#size += 1;
  }

  /** The value must be there. */
  remove(value: number): void {
    const index = this.#search(value);
    this.#values.copyWithin(index, index + 1, this.#size);
    this.#size -= 1;
  }

  /** NaN when there is no value. */
  median(): number {
    const middle = this.#size >>> 1;
    const upper = numberAt(this.#values, middle);
    if (this.#size === 0) return Number.NaN;
    return (this.#size & 1) === 1 ? upper : midpoint(numberAt(this.#values, middle - 1), upper);
  }

  clear(): void {
    if (this.#values.length > VALUES_MIN * 4) this.#values = new Float64Array(VALUES_MIN);
    this.#size = 0;
  }

  #search(value: number): number {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (numberAt(this.#values, middle) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Between two values, exactly theirs when they are equal; their sum may be more than a double holds. */
export const midpoint = (low: number, high: number): number => {
  const sum = low + high;
  return low === high ? low : sum - sum === 0 ? sum / 2 : low / 2 + high / 2;
};
