/**
 * Where alerting keeps what must survive: devices, instances, alerts, transitions and its cursors.
 *
 * A change is committed whole or not at all. Rows of devices and instances carry the position that they reflect: after a
 * crash readings are evaluated again from the cursor, and each row skips what it already reflects. A transition that is
 * already there (by id) is not stored twice.
 */
import type { Alert, Level, Transition } from '../domain/alert.ts';
import type { Value } from '../domain/reading.ts';
import type { Run } from '../rules/evaluate.ts';
import type { NewTransition, TrackedAlert } from './lifecycle.ts';
import type { TransitionSource } from './transitions.ts';

export interface DeviceRow {
  readonly id: string;
  readonly position: number;
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly registeredAt: number | null;
  readonly firstSeen: number | null;
  readonly lastSeen: number | null;
  readonly lastAt: number | null;
  readonly readings: number;
  readonly intervals: readonly number[];
  readonly values: readonly StoredValue[];
}
export interface StoredValue {
  readonly name: string;
  readonly value: Value;
  readonly at: number;
  readonly receivedAt: number;
  readonly heardAt: number;
}

export interface InstanceRow {
  readonly rule: string;
  readonly device: string;
  readonly position: number;
  /** What its runs were measured with; runs of another text are void. */
  readonly fingerprint: string;
  readonly level: Level | null;
  readonly noData: boolean;
  readonly runs: readonly (Run & { readonly level: Level })[];
}

export interface StoredState {
  readonly devices: readonly DeviceRow[];
  readonly instances: readonly InstanceRow[];
  readonly open: readonly TrackedAlert[];
}

export interface StateChange {
  readonly devices?: readonly DeviceRow[];
  readonly instances?: readonly InstanceRow[];
  /** Instances that are back to nothing. */
  readonly idle?: readonly { readonly rule: string; readonly device: string }[];
  readonly alerts?: readonly TrackedAlert[];
  readonly transitions?: readonly NewTransition[];
  /** Everything below it is reflected by what is stored. */
  readonly cursor?: number;
}

export interface AlertQuery {
  readonly state?: Alert['state'];
  readonly level?: Level;
  readonly device?: string;
  readonly rule?: string;
  readonly cursor?: string;
  readonly limit?: number;
}
export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
}

export type OpenCounts = ReadonlyMap<string, Readonly<Record<'pending' | 'firing', number>>>;

export interface LetGo {
  /** Alerts that ended before it, µs. */
  readonly endedBefore: number;
  /** And those that lie further back than so many transitions. */
  readonly transitionsMax: number;
  /** But none with a transition of a higher sequence. */
  readonly followedTo: number;
  readonly rowsMax: number;
}

export interface StateStore extends TransitionSource {
  /** The journal that the cursors belong to, and the partition's cursor; null when nothing was stored yet. */
  origin(partition: number): { journalId: string; cursor: number | null } | null;
  adopt(journalId: string): void;
  load(partition: number): StoredState;
  /** @param now what an alert that ends is kept from, µs */
  commit(partition: number, change: StateChange, now: number): void;
  /** Lets go of alerts that have ended, with their transitions, the first ended first; a bounded piece of work. */
  letGo(limits: LetGo): { readonly alerts: number; readonly isMore: boolean };
  /** The latest first. */
  alerts(query: AlertQuery): Page<Alert>;
  alert(id: string): Alert | null;
  /** How many alerts of each rule are open; a rule without any is left out. */
  openCounts(): OpenCounts;
  timeline(alertId: string): Transition[];
}
