/**
 * What people do about alerts: each is an event, kept with its time in a log, and replayed from it like readings from the
 * journal. Times are µs.
 */
import type { Level } from './alert.ts';

/** All that is given must match; a list matches any of its entries. Rule and device may hold `*` and `?`. */
export interface AlertMatch {
  readonly levels: readonly Level[] | null;
  readonly rules: readonly string[] | null;
  readonly devices: readonly string[] | null;
  /** Ids of alerts: of silences only. */
  readonly alerts: readonly string[] | null;
  /** A label that an alert does not have is the empty text. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

export interface Silence {
  readonly id: string;
  readonly match: AlertMatch;
  readonly by: string;
  readonly comment: string;
  readonly startsAt: number;
  /** Null: until everything that it matches is resolved. */
  readonly endsAt: number | null;
}

export type Operation =
  /** Stops reminders and escalation of an alert, for good or up to `until`. */
  | {
      readonly kind: 'acknowledge';
      readonly alert: string;
      readonly by: string;
      readonly comment: string | null;
      readonly until: number | null;
    }
  | { readonly kind: 'unacknowledge'; readonly alert: string; readonly by: string }
  | { readonly kind: 'comment'; readonly alert: string; readonly by: string; readonly comment: string }
  /** Begins a silence, or changes the one with its id. */
  | { readonly kind: 'silence'; readonly silence: Silence }
  | { readonly kind: 'end-silence'; readonly silence: string; readonly by: string };

/**
 * From here on other contacts, routes or rules decide; what was due by `firedUntil` was decided by those before, but nothing where it
 * is 0.
 */
export interface Reload {
  readonly kind: 'reload';
  readonly firedUntil: number;
}

/** What was done, with the journal time at which it took effect: after timers before it, and before those of that time. */
export interface LoggedOperation {
  readonly number: number;
  readonly at: number;
  /** Of the last transition before it. */
  readonly sequence: number;
  readonly operation: Operation | Reload;
}

/** Whether it took effect; else why not, and what to do. */
export type OperationResult = { readonly done: true } | { readonly done: false; readonly problem: string; readonly hint: string | null };

export interface SilenceView extends Silence {
  /** `pending` before it starts. */
  readonly state: 'pending' | 'active' | 'ended';
  /** When it ended, and who ended it (null: by itself). */
  readonly endedAt: number | null;
  readonly endedBy: string | null;
  /** How many alerts it mutes now. */
  readonly alerts: number;
}
