/**
 * What the expressions of a rule read, in the order of first mention. Compiling fills the lists; a device or a group that
 * the rule is for holds one live thing for each entry, in the same order, and a frame hands them to the expressions.
 */
import type { Expression } from '../domain/rule.ts';
import type { Frame } from './frame.ts';
import type { WindowFunction } from './windows/window-function.ts';

export type HoldFunction = 'timeAbove' | 'timeBelow';
export type AggregateFunction = 'avg' | 'min' | 'max' | 'sum' | 'count';
export const HOLD_FUNCTIONS: readonly HoldFunction[] = ['timeAbove', 'timeBelow'];
export const AGGREGATE_FUNCTIONS: readonly AggregateFunction[] = ['avg', 'min', 'max', 'sum', 'count'];

/** `avg(temperature, '5m')`, `timeAbove(temperature, limits.temperature_max, '30d')` */
export interface WindowInput {
  /** As it is written, but for spaces: what a window is shared and stored under, once the threshold is known. */
  readonly text: string;
  readonly metric: string;
  readonly function: WindowFunction | HoldFunction;
  readonly durationUs: number;
  /** The bound of a hold function: the same for every reading of a device. Null for the others. */
  readonly threshold: ((frame: Frame) => number) | null;
}
/** `device('door-1').open` */
export interface RemoteInput {
  readonly device: string;
  readonly metric: string;
}
/** `stale(temperature, '2m')`: becomes true by time alone. */
export interface StaleInput {
  /** Index among the metrics. */
  readonly metric: number;
  readonly durationUs: number;
}
/** `max(temperature)`, in a rule on groups: one value for all members. */
export interface AggregateInput {
  readonly text: string;
  readonly function: AggregateFunction;
  /** What each member contributes. */
  readonly each: Expression;
}

export class Inputs {
  /** Names of the device's own metrics; a frame's cells stand in this order. */
  readonly metrics: string[] = [];
  readonly windows: WindowInput[] = [];
  readonly remotes: RemoteInput[] = [];
  readonly stales: StaleInput[] = [];
  readonly aggregates: AggregateInput[] = [];

  metric(name: string): number {
    const known = this.metrics.indexOf(name);
    return known >= 0 ? known : this.metrics.push(name) - 1;
  }
  window(input: WindowInput): number {
    return indexOrAdd(this.windows, input, (known) => known.text === input.text);
  }
  remote(input: RemoteInput): number {
    return indexOrAdd(this.remotes, input, (known) => known.device === input.device && known.metric === input.metric);
  }
  stale(input: StaleInput): number {
    return indexOrAdd(this.stales, input, (known) => known.metric === input.metric && known.durationUs === input.durationUs);
  }
  aggregate(input: AggregateInput): number {
    return indexOrAdd(this.aggregates, input, (known) => known.text === input.text);
  }
}

function indexOrAdd<T>(list: T[], item: T, isSame: (known: T) => boolean): number {
  const known = list.findIndex(isSame);
  return known >= 0 ? known : list.push(item) - 1;
}
