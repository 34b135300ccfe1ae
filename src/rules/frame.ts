/**
 * What a condition sees when it is evaluated: the latest value of each metric that its rule names, what else the rule reads
 * (windows, other devices, a group), the device's limits, and the event time against which a value is fresh or not. One
 * frame is reused for every evaluation.
 */
import { AVAILABILITY } from '../domain/device.ts';
import type { Value } from '../domain/reading.ts';

/** The latest value of one metric of one device. Mutable: it is written for every reading. Times are µs. */
export interface Cell {
  readonly name: string;
  /** Undefined until the first value. */
  value: Value | undefined;
  /** Event time of the newest value; never goes back. */
  at: number;
  /** When that newest value reached us. */
  receivedAt: number;
  /** When any value of the metric last reached us, a late one included: what silence is counted from. */
  heardAt: number;
  /** The windows over this metric; null: none, as for most. */
  windows: readonly CellWindow[] | null;
}

/** A window function's memory of one metric of one device. Values of a truth-valued metric count as 0 and 1. */
export interface CellWindow {
  /** Over the window that ends at `now`, µs of event time; NaN is unknown. */
  value(now: number): number;
  add(at: number, value: number, maxGapUs: number): void;
  /** To be asked about another time: asking moves a window, and who only looks must not. */
  copy(): CellWindow;
  /** What it holds; what has left since it was last asked counts still. */
  readonly size: number;
  readonly sizeUnit: 'samples' | 'buckets of samples' | 'readings';
}

/** A metric of another device, with what is needed to say how old it is. */
export interface RemoteCell {
  readonly device: string;
  readonly cell: Cell;
  /** How old a value of that device may be and still count. */
  readonly maxGapUs: () => number;
  /** What to add to that device's time to get to ours, µs: what its clock is behind by. */
  readonly clockOffsetUs: () => number;
}

/** What a rule reads beside its device's own latest values, in the order of the program's inputs. */
export interface FrameInputs {
  readonly windows: readonly CellWindow[];
  readonly remotes: readonly RemoteCell[];
  /** The group's value of an aggregate; NaN is unknown. */
  aggregate(index: number, now: number): number;
}

/** What `device` is in a condition. */
export class DeviceFacts {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  constructor(id: string, labels: Readonly<Record<string, string>>) {
    this.id = id;
    this.name = id;
    this.labels = labels;
  }
}

export const NO_INPUTS: FrameInputs = Object.freeze({ windows: [], remotes: [], aggregate: () => Number.NaN });

export interface Frame {
  /** In the order of the program's metrics. */
  cells: readonly Cell[];
  inputs: FrameInputs;
  facts: DeviceFacts;
  limits: Readonly<Record<string, number>>;
  /** Event time of the evaluation, µs. */
  now: number;
  /** What to add to event times of the device to get to ours, µs. */
  clockOffsetUs: number;
  /** False when time alone brought the evaluation about: such a one is no reading to count. */
  isReading: boolean;
  /** The device itself was heard of: whatever its silence was put down to is over. */
  isSign: boolean;
  /** A value no older than this is fresh, whatever `maxGapUs` says: the cheap first question. */
  surelyFreshUs: number;
  /** How old a value may be and still count. */
  maxGapUs: () => number;
  /** How much of the event time between the two we were down for, µs. */
  downUs: (from: number, to: number) => number;
  /** Set by an evaluation that failed; it counts only when the result is unknown. */
  failure: string | null;
  /** Evaluations that failed since the caller last looked, and why the latest did. */
  errors: number;
  lastError: string | null;
}

export const createFrame = (): Frame => ({
  cells: [],
  inputs: NO_INPUTS,
  facts: new DeviceFacts('', {}),
  limits: {},
  now: 0,
  clockOffsetUs: 0,
  isReading: true,
  isSign: true,
  surelyFreshUs: 0,
  maxGapUs: () => 0,
  downUs: () => 0,
  failure: null,
  errors: 0,
  lastError: null,
});

/** Whether a device is online is told when it changes, and not at intervals: what was told last counts until something else is. */
export const holds = (cell: Cell): boolean => cell.name === AVAILABILITY && typeof cell.value === 'boolean';

export const isFresh = (frame: Frame, cell: Cell): boolean =>
  frame.now - cell.at <= frame.surelyFreshUs || frame.now - cell.at <= frame.maxGapUs() || holds(cell);

/** Both times brought to our own: each device's clock may be off in its own way. */
export const isRemoteFresh = (frame: Frame, remote: RemoteCell): boolean =>
  frame.now + frame.clockOffsetUs - (remote.cell.at + remote.clockOffsetUs()) <= remote.maxGapUs() || holds(remote.cell);

/** A condition's value: true, false, or undefined for unknown. */
export type Truth = boolean | undefined;
