/**
 * Numbers and times on the axes of a chart: where the round ones are and how they are written. Pure, and total: whatever
 * finite numbers come in, what comes out is finite.
 */

/** Beyond it, differences would overflow; nearer to zero, they would vanish. */
const VALUE_MAX = 1e300;
const VALUE_MIN = 1e-300;
const MINUTE = 60_000_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TIME_STEPS: readonly number[] = [
  ...[1, 2, 5, 10, 15, 30].map((seconds) => (seconds * MINUTE) / 60),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 28].map((days) => days * DAY),
];

export interface ValueScale {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly { readonly value: number; readonly text: string }[];
}

export const bounded = (value: number): number => (Math.abs(value) < VALUE_MIN ? 0 : Math.min(VALUE_MAX, Math.max(-VALUE_MAX, value)));

/**
 * A range that holds the values with some air, and the round numbers in it.
 * @param values `bounded`
 */
export function valueScale(values: readonly number[]): ValueScale {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [min, max] = [Math.min(min, value), Math.max(max, value)];
  if (min > max) [min, max] = [0, 1];
  const size = Math.max(Math.abs(min), Math.abs(max));
  // A constant, or no more than noise of the arithmetic.
  const pad = max - min > size * 1e-9 ? (max - min) * 0.1 : size === 0 ? 1 : size * 0.1;
  [min, max] = [min - pad, max + pad];
  const step = roundStep((max - min) / 4);
  const ticks: { value: number; text: string }[] = [];
  const first = Math.ceil(min / step);
  for (let i = 0; i < 8 && (first + i) * step <= max; i++) {
    const value = (first + i) * step;
    ticks.push({ value, text: tickText(value, step, size) });
  }
  return { min, max, ticks };
}

/** 1, 2 or 5 times a power of ten, at least so large. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  if (power === 0) return least;
  return ([1, 2, 5].find((factor) => factor * power >= least) ?? 10) * power;
}

function tickText(value: number, step: number, size: number): string {
  if (Math.abs(value) < step / 1e6) return '0';
  if (size >= 1e7 || (size > 0 && size < 1e-4)) return Number(value.toPrecision(4)).toExponential().replace('e+', 'e');
  const decimals = Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return value.toFixed(decimals);
}

export interface TimeTick {
  readonly at: number;
  readonly text: string;
}

/** Round times in UTC, at most `countMax`; midnight is told as its day. */
export function timeTicks(from: number, to: number, countMax: number): TimeTick[] {
  const step = TIME_STEPS.find((candidate) => (to - from) / candidate <= countMax) ?? Math.ceil((to - from) / countMax / DAY) * DAY;
  const ticks: TimeTick[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to && ticks.length <= countMax; at += step)
    ticks.push({ at, text: clockText(at, step) });
  return ticks;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
function clockText(at: number, step: number): string {
  const text = new Date(at / 1000).toISOString();
  if (at % DAY === 0) return dayText(at);
  return step < MINUTE ? text.slice(11, 19) : text.slice(11, 16);
}

/** `2 Jan` */
export function dayText(at: number): string {
  const date = new Date(at / 1000);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()] ?? ''}`;
}
