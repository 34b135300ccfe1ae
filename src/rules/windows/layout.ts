/**
 * Which numbers a row of a window holds: only those that its functions need, so that a window of one `max` is small. Layouts are
 * shared by all windows with the same functions.
 *
 * A row is one sample (exact), or the samples of one bucket of time. It opens with the time of its newest sample and the value
 * of its oldest; then come its own parts, where it is a bucket; then the running aggregate, `total`, that RowQueue keeps in it.
 */
import type { Columns } from './aggregate.ts';
import { WINDOW_FUNCTIONS, type WindowFunction } from './window-function.ts';

export const TIME = 0;
export const VALUE = 1;

export interface Layout {
  readonly isBucketed: boolean;
  /** Numbers a row. */
  readonly stride: number;
  /** How many of them are the row's own; the rest can be computed again. */
  readonly ownWidth: number;
  /** Where the time of the row's oldest sample stands. */
  readonly firstTime: number;
  readonly own: Columns;
  readonly total: Columns;
  readonly hasTotal: boolean;
}

export interface Layouts {
  readonly functions: ReadonlySet<WindowFunction>;
  readonly exact: Layout;
  readonly bucketed: Layout;
}

const known = new Map<number, Layouts>();

export function layoutsOf(mask: number): Layouts {
  const cached = known.get(mask);
  if (cached !== undefined) return cached;
  const functions = new Set(WINDOW_FUNCTIONS.filter((_, index) => (mask & (1 << index)) !== 0));
  const layouts = { functions, exact: createLayout(functions, false), bucketed: createLayout(functions, true) };
  known.set(mask, layouts);
  return layouts;
}

function createLayout(functions: ReadonlySet<WindowFunction>, isBucketed: boolean): Layout {
  const needs = {
    sum: functions.has('sum'),
    mean: functions.has('avg') || functions.has('stddev'),
    squares: functions.has('stddev'),
    min: functions.has('min'),
    max: functions.has('max'),
    count: isBucketed && (functions.has('count') || functions.has('avg') || functions.has('stddev')),
    firstTime: isBucketed && (functions.has('rate') || functions.has('delta') || functions.has('first')),
  };
  let next = VALUE + 1;
  const column = (isNeeded: boolean): number => (isNeeded ? next++ : -1);
  const columns = (): Columns => ({
    count: column(needs.count),
    sum: column(needs.sum),
    mean: column(needs.mean),
    squares: column(needs.squares),
    min: column(needs.min),
    max: column(needs.max),
  });
  const sample = (isNeeded: boolean): number => (isNeeded ? VALUE : -1);
  const ofOneSample: Columns = {
    count: -1,
    sum: sample(needs.sum),
    mean: sample(needs.mean),
    squares: -1,
    min: sample(needs.min),
    max: sample(needs.max),
  };
  const firstTime = needs.firstTime ? column(true) : TIME;
  const own = isBucketed ? columns() : ofOneSample;
  const ownWidth = next;
  const total = columns();
  return { isBucketed, stride: next, ownWidth, firstTime, own, total, hasTotal: next > ownWidth };
}
