/**
 * An alert: one rule on one device, with a life of pending → firing (a level) → resolved; and the transitions that make
 * up that life. Alerting creates transitions; notifying follows them as alerting follows readings. Times are µs.
 */
import type { Value } from './reading.ts';

export type Level = 'info' | 'warning' | 'critical';
export const LEVELS: readonly Level[] = ['info', 'warning', 'critical'];
/** info 1 < warning 2 < critical 3; no level is 0. */
export const levelRank = (level: Level | null): number => (level === null ? 0 : LEVELS.indexOf(level) + 1);

export type AlertState = 'pending' | 'firing' | 'resolved';
export type AlertFlag = 'no-data' | 'acknowledged' | 'silenced' | 'inhibited' | 'flapping' | 'retrospective';

export interface Alert {
  /** Stable over restarts and replays: derived from rule, device and the journal position that opened it. */
  readonly id: string;
  readonly rule: string;
  /** The device; of a rule on groups, the group's name. */
  readonly device: string;
  /** `site=berlin`, for a rule on groups only. */
  readonly group?: string;
  readonly level: Level;
  readonly state: AlertState;
  readonly flags: readonly AlertFlag[];
  /** Event time at which the condition of the current level first held. */
  readonly since: number;
  readonly firedAt: number | null;
  readonly resolvedAt: number | null;
  /** The value of the first metric that the rule's condition names, at the last transition. */
  readonly value: Value | null;
  readonly summary: string;
  /** The rule's labels over the device's labels. */
  readonly labels: Readonly<Record<string, string>>;
}

export type TransitionKind =
  | 'pending' // OK → PENDING
  | 'cancelled' // PENDING → OK without having fired
  | 'firing' // → FIRING at a level
  | 'level' // FIRING at one level → FIRING at another
  | 'no-data' // the flag was raised or lowered on an alert that fires already
  | 'resolved' // FIRING → OK
  | 'backlog'; // a device's backlog has ended: the summary of what was retrospective in it; changes no alert

export interface Transition {
  /** `<alert id>/<n>`, n counting the alert's transitions from 1: the same after a replay. */
  readonly id: string;
  /** Order in the whole fleet, given by the state store at commit. */
  readonly sequence: number;
  readonly kind: TransitionKind;
  readonly fromLevel: Level | null;
  /** The alert as it is after the transition. */
  readonly alert: Alert;
  /** Event time: of the reading, or the due time of the timer. */
  readonly at: number;
  /** When the reading behind it reached us (for the latency figure), or null for a timer. */
  readonly receivedAt: number | null;
  /** Journal time at which it was decided: what everything that follows from it is timed by. */
  readonly journaledAt: number;
  /** One sentence: what was true, since when, which timer. */
  readonly reason: string;
  /** What a backlog held, of kind `backlog` only. */
  readonly backlog?: Backlog;
}

/** The retrospective part of what a device sent late: told as one message. Times are µs of event time. */
export interface Backlog {
  readonly device: string;
  readonly from: number;
  readonly to: number;
  /** Each alert that had a transition in it, as it is at the end of the backlog. */
  readonly alerts: readonly Alert[];
  /** Alerts beyond those listed. */
  readonly more: number;
}
