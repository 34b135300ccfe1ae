/**
 * What notifying remembers between two decisions: plain data, a row each, committed together with the messages and the cursor.
 * So a restart in the middle of any wait goes on as if nothing had been. Times are journal time, µs.
 *
 * Who belongs to what stands with the alert alone (`Membership`); the sets of a group, a mute or a storm follow from it.
 */
import type { Alert, Level } from '../../domain/alert.ts';
import type { Silence } from '../../domain/operation.ts';

/** What a contact was last told of an alert. */
export interface Told {
  readonly state: 'firing' | 'flapping' | 'resolved';
  readonly level: Level;
  readonly noData: boolean;
  readonly at: number;
  /** When it was last told that it fires still. */
  readonly remindedAt: number | null;
}

/** An alert on one route. */
export interface Membership {
  /** Key of the group. */
  readonly group: string;
  /** Keys of the mutes that hold it back now. */
  mutes: readonly string[];
  /** Key of the summary that will tell of it, after a mute or a backlog has ended. */
  summary: string | null;
  /** Its route's storm tells of it. */
  isInStorm: boolean;
}

export interface Acknowledgement {
  readonly by: string;
  readonly at: number;
  readonly until: number | null;
  readonly level: Level;
}

/** An alert that fires, or that is over and of which somebody is still to hear. */
export interface AlertEntry {
  alert: Alert;
  /** Id and reason of its latest transition, and when the reading behind it reached us. */
  transition: string;
  reason: string;
  receivedAt: number | null;
  /** When it was first seen firing. */
  readonly firedAt: number;
  /** By contact. */
  readonly told: Record<string, Told>;
  /** By route. */
  readonly on: Record<string, Membership>;
  acknowledgement: Acknowledgement | null;
  /** By escalation: when it began to count, and the next step. */
  readonly escalations: Record<string, { since: number; step: number }>;
  /** Contacts for whom it waits for a digest. */
  heldFor: readonly string[];
  /** Those of them to whom it was escalated: their own routes are not asked. Rows of an earlier version do not say. */
  escalatedTo?: readonly string[];
}

export interface Group {
  readonly key: string;
  readonly route: string;
  /** Its groupBy values, by name. */
  readonly by: Readonly<Record<string, string>>;
  /** By contact, the first message of the incident: the others answer to it. */
  readonly first: Record<string, string>;
  /** When its news go out. */
  dueAt: number | null;
  lastSentAt: number | null;
  remindAt: number | null;
}

/** What mutes alerts, from the first one that it held back on. */
export interface Mute {
  readonly key: string;
  readonly kind: 'silence' | 'schedule' | 'inhibition';
  readonly name: string;
  readonly by: string | null;
  readonly since: number;
  /** Alerts that came and went and are not kept any more: too many. */
  more: number;
}

/** What goes out once a mute or a backlog has ended. */
export type Summary = { readonly key: string; dueAt: number; more: number; readonly from: number } & (
  | { readonly kind: 'mute-end'; readonly mute: Mute['kind']; readonly name: string; readonly by: string | null; readonly to: number }
  | { readonly kind: 'backlog'; readonly device: string; readonly to: number }
);

export interface Storm {
  readonly route: string;
  readonly since: number;
  /** New alerts join it. */
  isOpen: boolean;
  level: Level | null;
  total: number;
  readonly first: Record<string, string>;
  dueAt: number | null;
  lastSentAt: number | null;
  remindAt: number | null;
}

export interface Fired {
  readonly alert: string;
  readonly at: number;
}

export interface ContactState {
  /** Of the messages of the last hour. */
  sentAt: readonly number[];
  /** Messages held back since the last digest, and since when. */
  held: number;
  heldSince: number | null;
}

/** Of an instance: a rule on a device or group. */
export interface Flap {
  /** Level changes, the latest last. */
  changes: readonly number[];
  isFlapping: boolean;
  /** Id of its latest alert. */
  alert: string;
}

export interface StoredSilence extends Silence {
  readonly endedAt: number | null;
  readonly endedBy: string | null;
}
