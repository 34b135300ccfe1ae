/**
 * Where alerting keeps what must survive: devices, instances, alerts, transitions and its cursors.
 *
 * A change is committed whole or not at all. Rows of devices and instances carry the position that they reflect: after a
 * crash readings are evaluated again from the cursor, and each row skips what it already reflects. A transition that is
 * already there (by id) is not stored twice.
 */
import type { Alert, Level, Transition } from '../domain/alert.ts';
import type { Value } from '../domain/reading.ts';
import type { BacklogRecord } from './backlog.ts';
import type { StoredClock } from './device-clock.ts';
import type { HeldReading } from './device-state.ts';
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
  readonly dependentsSeen?: number;
  readonly online?: boolean;
  readonly clock?: StoredClock;
  readonly held?: readonly HeldReading[];
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
  readonly level: Level | null;
  readonly noData: boolean;
  /** What each level has of runs, counts and ends; rows of versions before have none. */
  readonly levels?: readonly LevelRow[];
  readonly notBefore?: number;
  readonly inhibitedSince?: number;
  /** Of a group: when it was heard of, and with what value. */
  readonly heard?: Omit<StoredValue, 'name'>;
}
export interface LevelRow {
  readonly level: Level;
  /** Fingerprint of the condition that it was measured with; of another one it is void. */
  readonly of: string;
  readonly since?: number;
  readonly heldAt?: number;
  readonly bits?: number;
  readonly countedAt?: number;
  readonly endedAt?: number;
}
export interface WindowRow {
  readonly device: string;
  readonly key: string;
  readonly bytes: Uint8Array;
}
/** We were not running from the one to the other; µs of receipt. */
export interface Downtime {
  readonly from: number;
  readonly to: number;
}

/** How much of the time from `from` to `to` it was down. */
export function overlapUs(downtimes: readonly Downtime[], from: number, to: number): number {
  let overlap = 0;
  for (const downtime of downtimes) overlap += Math.max(0, Math.min(to, downtime.to) - Math.max(from, downtime.from));
  return overlap;
}

export interface StoredState {
  readonly devices: readonly DeviceRow[];
  readonly instances: readonly InstanceRow[];
  readonly open: readonly TrackedAlert[];
  readonly windows: readonly WindowRow[];
  readonly backlogs: readonly { readonly device: string; readonly backlog: BacklogRecord }[];
  /** The latest ones, in order. */
  readonly downtimes: readonly Downtime[];
  /** When we were last known to run; null at the first start. */
  readonly aliveAt: number | null;
}

export interface StateChange {
  readonly devices?: readonly DeviceRow[];
  readonly instances?: readonly InstanceRow[];
  /** Instances that are back to nothing. */
  readonly idle?: readonly { readonly rule: string; readonly device: string }[];
  readonly alerts?: readonly TrackedAlert[];
  readonly transitions?: readonly NewTransition[];
  readonly windows?: readonly WindowRow[];
  readonly unusedWindows?: readonly { readonly device: string; readonly key: string }[];
  /** Null: it has ended. */
  readonly backlogs?: readonly { readonly device: string; readonly backlog: BacklogRecord | null }[];
  readonly downtime?: Downtime;
  readonly aliveAt?: number;
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
