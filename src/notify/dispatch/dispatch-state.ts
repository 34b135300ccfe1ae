/**
 * The dispatcher's memory, and what it has decided since it was last asked. The indexes follow from the memberships: they are
 * made anew at a start, and kept by the methods here, which are the only ones that change a membership.
 */
import type { Alert } from '../../domain/alert.ts';
import { type Content, isFiring } from '../content.ts';
import { Agenda } from './agenda.ts';
import { Kept } from './kept.ts';
import type { Policy, RoutePlan } from './policy.ts';
import type { AlertEntry, ContactState, Fired, Flap, Group, Membership, Mute, StoredSilence, Storm, Summary } from './state.ts';

/** A message that the outbox is to hold. */
export interface NewMessage {
  readonly id: string;
  readonly contact: string;
  readonly content: Content;
  /** The first message of its incident to the contact; null: it is the first. */
  readonly thread: string | null;
  /** Journal time, µs. */
  readonly at: number;
  readonly isUrgent: boolean;
  /** When the reading reached us that it tells of; null when it tells of none in particular. */
  readonly receivedAt: number | null;
}

/** A step of the way from alert to message, for the alert's timeline. */
export interface Note {
  readonly alert: string;
  readonly transition: string;
  readonly detail: string;
  /** Journal time, µs. */
  readonly at: number;
}

export interface Decided {
  readonly messages: readonly NewMessage[];
  readonly notes: readonly Note[];
  /** Alerts whose flags may have changed. */
  readonly flagged: ReadonlySet<string>;
}

export interface Stamp {
  readonly now: number;
  readonly boundariesTo: number;
  readonly firedTo: number;
  readonly fingerprint: string;
}

/** What is kept, by kind: the rows of the state. */
export interface Tables {
  readonly alert: Kept<AlertEntry>;
  readonly group: Kept<Group>;
  readonly mute: Kept<Mute>;
  readonly summary: Kept<Summary>;
  readonly storm: Kept<Storm>;
  /** By route, what newly fired of late. */
  readonly rate: Kept<readonly Fired[]>;
  readonly contact: Kept<ContactState>;
  readonly flap: Kept<Flap>;
  readonly silence: Kept<StoredSilence>;
  /** `clock`: journal time of the last event, up to when timers have fired (since it, and ever), and the policy's fingerprint. */
  readonly meta: Kept<Stamp>;
}

/** What a group's timer is called: it ends with the group. */
export const GROUP = '6/group/';

export type SetKind = 'group' | 'mute' | 'summary' | 'storm' | 'held';
/** An alert on one of its routes. */
export interface Member {
  readonly entry: AlertEntry;
  readonly route: string;
}

export class DispatchState {
  readonly policy: Policy;
  readonly tables: Tables = {
    alert: new Kept(),
    group: new Kept(),
    mute: new Kept(),
    summary: new Kept(),
    storm: new Kept(),
    rate: new Kept(),
    contact: new Kept(),
    flap: new Kept(),
    silence: new Kept(),
    meta: new Kept(),
  };
  readonly agenda = new Agenda();
  /** Journal time of the last event, µs: of those alone, as how far time has come without any depends on who asks how often. */
  now = 0;
  /** Silences and schedules have begun and ended up to it: those of `now` do after the last transition of that instant. */
  boundariesTo = 0;
  #messages: NewMessage[] = [];
  #notes: Note[] = [];
  #flagged = new Set<string>();
  readonly #sets = new Map<string, Set<string>>();
  /** How many of each set fire. */
  readonly #firing = new Map<string, number>();
  /** An alert was forgotten: whoever keeps an index of alerts strikes it out. */
  onForgotten: (id: string) => void = () => undefined;
  /** What holds an alert back may have changed: whoever keeps a timer for it sets it anew. */
  onMoved: (entry: AlertEntry) => void = () => undefined;

  constructor(policy: Policy) {
    this.policy = policy;
  }

  take(): Decided {
    const decided = { messages: this.#messages, notes: this.#notes, flagged: this.#flagged };
    this.#messages = [];
    this.#notes = [];
    this.#flagged = new Set();
    return decided;
  }

  note(entry: { readonly alert: Pick<Alert, 'id'>; readonly transition: string }, detail: string): void {
    this.#notes.push({ alert: entry.alert.id, transition: entry.transition, detail, at: this.now });
  }

  message(message: NewMessage): void {
    this.#messages.push(message);
  }

  flag(alert: string): void {
    this.#flagged.add(alert);
  }

  entry(id: string): AlertEntry | undefined {
    return this.tables.alert.get(id);
  }

  /** All, in an order that a start does not change: what one does first may decide what becomes of the next. */
  entries(): AlertEntry[] {
    return [...this.tables.alert.values()].sort((a, b) => (a.alert.id < b.alert.id ? -1 : 1));
  }

  touch(entry: AlertEntry): void {
    // It may have been forgotten by now.
    if (this.tables.alert.has(entry.alert.id)) this.tables.alert.touch(entry.alert.id);
  }

  /** Alerts of a group, a mute, a summary, or in a route's storm, each with the route on which it is there; or held for a contact. */
  members(of: SetKind, key: string): Member[] {
    const set = this.#sets.get(`${of}/${key}`);
    if (set === undefined) return [];
    // In an order that a restart does not change.
    return [...set].sort().flatMap((member) => {
      const end = member.indexOf('\n');
      const entry = this.entry(member.slice(0, end));
      return entry === undefined ? [] : [{ entry, route: member.slice(end + 1) }];
    });
  }

  isAnyFiring(of: SetKind, key: string): boolean {
    return (this.#firing.get(`${of}/${key}`) ?? 0) > 0;
  }

  memberCount(of: SetKind, key: string): number {
    return this.#sets.get(`${of}/${key}`)?.size ?? 0;
  }

  /** After a start: every index from what the rows say. */
  reindex(): void {
    this.#sets.clear();
    this.#firing.clear();
    for (const entry of this.tables.alert.values()) {
      this.#indexAll(entry, true);
    }
  }

  /** The alert has changed. */
  update(entry: AlertEntry, to: Partial<Pick<AlertEntry, 'alert' | 'transition' | 'reason' | 'receivedAt'>>): void {
    this.#indexAll(entry, false);
    Object.assign(entry, to);
    this.#indexAll(entry, true);
    this.touch(entry);
  }

  join(entry: AlertEntry, plan: RoutePlan, membership: Membership): void {
    const before = entry.on[plan.key];
    if (before !== undefined) this.#index(entry, plan.key, before, false);
    entry.on[plan.key] = membership;
    this.#index(entry, plan.key, membership, true);
    this.touch(entry);
    if (before !== undefined) this.#tidy(before);
    this.onMoved(entry);
  }

  leave(entry: AlertEntry, route: string): void {
    const membership = entry.on[route];
    if (membership === undefined) return;
    this.#index(entry, route, membership, false);
    delete entry.on[route];
    this.touch(entry);
    this.#tidy(membership);
    this.onMoved(entry);
  }

  /** Without alerts an incident is over, and a mute holds nothing back. */
  #tidy(membership: Membership): void {
    if (this.memberCount('group', membership.group) === 0) {
      this.tables.group.delete(membership.group);
      this.agenda.delete(GROUP + membership.group);
    }
    for (const mute of membership.mutes) if (this.memberCount('mute', mute) === 0) this.tables.mute.delete(mute);
  }

  /** Changes a membership that the entry has. */
  change(entry: AlertEntry, route: string, to: Partial<Omit<Membership, 'group'>>): void {
    const membership = entry.on[route];
    if (membership === undefined) return;
    this.#index(entry, route, membership, false);
    Object.assign(membership, to);
    this.#index(entry, route, membership, true);
    this.touch(entry);
    this.onMoved(entry);
  }

  hold(entry: AlertEntry, contact: string, isEscalated: boolean): void {
    const { escalatedTo = [] } = entry;
    if (isEscalated && !escalatedTo.includes(contact)) {
      entry.escalatedTo = [...escalatedTo, contact];
      this.touch(entry);
    }
    if (entry.heldFor.includes(contact)) return;
    entry.heldFor = [...entry.heldFor, contact];
    this.#put(`held/${contact}`, entry, '', true);
    this.touch(entry);
  }

  release(entry: AlertEntry, contact: string): void {
    if (!entry.heldFor.includes(contact)) return;
    entry.heldFor = entry.heldFor.filter((other) => other !== contact);
    if (entry.escalatedTo !== undefined) entry.escalatedTo = entry.escalatedTo.filter((other) => other !== contact);
    this.#put(`held/${contact}`, entry, '', false);
    this.touch(entry);
  }

  /** Forgets an alert that is over when nobody is to hear of it any more. */
  settle(entry: AlertEntry): void {
    if (entry.alert.state === 'firing' || Object.keys(entry.on).length > 0 || entry.heldFor.length > 0) return;
    this.tables.alert.delete(entry.alert.id);
    this.onForgotten(entry.alert.id);
    this.flag(entry.alert.id);
  }

  #indexAll(entry: AlertEntry, isIn: boolean): void {
    for (const [route, membership] of Object.entries(entry.on)) this.#index(entry, route, membership, isIn);
    for (const contact of entry.heldFor) this.#put(`held/${contact}`, entry, '', isIn);
  }

  #index(entry: AlertEntry, route: string, { group, mutes, summary, isInStorm }: Membership, isIn: boolean): void {
    this.#put(`group/${group}`, entry, route, isIn);
    for (const mute of mutes) this.#put(`mute/${mute}`, entry, route, isIn);
    if (summary !== null) this.#put(`summary/${summary}`, entry, route, isIn);
    if (isInStorm) this.#put(`storm/${route}`, entry, route, isIn);
  }

  #put(key: string, { alert }: AlertEntry, route: string, isIn: boolean): void {
    const member = `${alert.id}\n${route}`;
    const set = this.#sets.get(key) ?? new Set();
    if (set.has(member) === isIn) return;
    if (isFiring(alert)) this.#firing.set(key, (this.#firing.get(key) ?? 0) + (isIn ? 1 : -1));
    if (isIn) this.#sets.set(key, set.add(member));
    else set.delete(member);
    if (set.size > 0) return;
    this.#sets.delete(key);
    this.#firing.delete(key);
  }
}
