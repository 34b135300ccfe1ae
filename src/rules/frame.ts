/**
 * What a condition sees when it is evaluated: the latest value of each metric that its rule names, the device's limits,
 * and the event time against which a value is fresh or not. One frame is reused for every evaluation.
 */
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

export interface Frame {
  /** In the order of the program's metrics. */
  cells: readonly Cell[];
  facts: DeviceFacts;
  limits: Readonly<Record<string, number>>;
  /** Event time of the evaluation, µs. */
  now: number;
  /** A value no older than this is fresh, whatever `maxGapUs` says: the cheap first question. */
  surelyFreshUs: number;
  /** How old a value may be and still count. */
  maxGapUs: () => number;
  /** Set by an evaluation that failed; it counts only when the result is unknown. */
  failure: string | null;
  /** Evaluations that failed since the caller last looked, and why the latest did. */
  errors: number;
  lastError: string | null;
}

export const createFrame = (): Frame => ({
  cells: [],
  facts: new DeviceFacts('', {}),
  limits: {},
  now: 0,
  surelyFreshUs: 0,
  maxGapUs: () => 0,
  failure: null,
  errors: 0,
  lastError: null,
});

export const isFresh = (frame: Frame, cell: Cell): boolean =>
  frame.now - cell.at <= frame.surelyFreshUs || frame.now - cell.at <= frame.maxGapUs();

/** A condition's value: true, false, or undefined for unknown. */
export type Truth = boolean | undefined;
