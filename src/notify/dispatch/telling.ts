/**
 * What is new about an alert to a contact, and the message that says so. What a contact was told last stands with the alert:
 * so the same news reach nobody twice, over however many routes, and whoever was told of an alert hears of its end.
 *
 * **Limits.** A contact that had its messages of this hour gets what is not critical in a digest, as soon as there is room.
 */
import { createHash } from 'node:crypto';
import { type Alert, type Level, levelRank } from '../../domain/alert.ts';
import { type Cause, type Content, ITEMS_MAX, type Item, isFiring, isUrgent, kindOf, type News } from '../content.ts';
import type { DispatchState } from './dispatch-state.ts';
import type { AlertEntry, Told } from './state.ts';

export interface Pick {
  readonly entry: AlertEntry;
  readonly news: News;
}

const HOUR_US = 3_600_000_000;

/** Flapping is of an instance, its alerts come and go. */
export const flapKey = ({ alert }: { readonly alert: Alert }): string => `${alert.rule}\n${alert.device}`;
export const isInstanceFlapping = (state: DispatchState, of: { readonly alert: Alert }): boolean =>
  state.tables.flap.get(flapKey(of))?.isFlapping === true;
/** Its latest alert tells of it: what was over before it began is over. */
export const isFlapping = (state: DispatchState, entry: { readonly alert: Alert }): boolean =>
  isInstanceFlapping(state, entry) && state.tables.flap.get(flapKey(entry))?.alert === entry.alert.id;

/** Null: the contact knows. What is over is no news to whoever never heard of it. */
export function newsFor(state: DispatchState, entry: AlertEntry, contact: string): News | null {
  const told = entry.told[contact];
  const { alert } = entry;
  if (isFlapping(state, entry)) return told?.state === 'flapping' ? null : told === undefined && !isFiring(alert) ? null : 'flapping';
  if (!isFiring(alert)) return told === undefined || told.state === 'resolved' ? null : 'resolved';
  if (told === undefined || told.state === 'resolved') return 'firing';
  if (told.state === 'flapping') return 'calm';
  if (told.level !== alert.level) return 'level';
  return told.noData === alert.flags.includes('no-data') ? null : 'no-data';
}

/** It cannot wait for others: newly firing, a higher level, the beginning or the end of flapping. */
export function isPressing({ alert, told }: AlertEntry, contact: string, news: News): boolean {
  if (news === 'level') return levelRank(alert.level) > levelRank(told[contact]?.level ?? null);
  return news === 'firing' || news === 'flapping' || news === 'calm';
}

/** Whoever was told of it and is a contact still. */
export const toldOf = (state: DispatchState, entry: AlertEntry): string[] =>
  Object.keys(entry.told).filter((contact) => state.policy.contacts.has(contact));

/** Part of a backlog, the end of which tells of it. */
export const isOld = ({ alert }: AlertEntry): boolean => alert.flags.includes('retrospective');

/** On no route anybody is to hear of it: it is over, and whoever was told of it knows. */
export const isDone = (state: DispatchState, entry: AlertEntry): boolean =>
  !isFiring(entry.alert) &&
  !isFlapping(state, entry) &&
  toldOf(state, entry).every((contact) => entry.told[contact]?.state === 'resolved' || entry.heldFor.includes(contact));

/** Reminded of it so lately that another route's reminder would say the same again. */
export const isReminded = (state: DispatchState, entry: AlertEntry, of: { contact: string; repeatIntervalMs: number | null }): boolean => {
  const remindedAt = entry.told[of.contact]?.remindedAt ?? null;
  return remindedAt !== null && state.now < remindedAt + (of.repeatIntervalMs ?? 0) * 1000;
};

/**
 * On each of its routes that names the contact; what was escalated to them, on each of all. What is over has left the routes that have
 * told it, and be it to the limit: on those nothing mutes it, and another route's mute is none of the contact's.
 */
function isMutedFor(state: DispatchState, { alert, on, escalatedTo = [] }: AlertEntry, contact: string): boolean {
  const all = new Set([...Object.keys(on), ...state.policy.routesOf(alert).map(({ key }) => key)]);
  const isMuted = (route: string): boolean => (on[route]?.mutes.length ?? 0) > 0;
  if (escalatedTo.includes(contact) && ![...all].every(isMuted)) return false;
  const naming = [...all].filter((route) => {
    const plan = state.policy.route(route);
    return plan !== undefined && state.policy.persons(plan.to, state.now).includes(contact);
  });
  const routes = naming.length > 0 || !isFiring(alert) ? naming : Object.keys(on);
  return routes.length > 0 && routes.every(isMuted);
}

/** It waits for a digest: unless it has become critical, when nothing is held back. */
export const isHeld = ({ alert, heldFor }: AlertEntry, contact: string): boolean => heldFor.includes(contact) && alert.level !== 'critical';

export interface Sending {
  readonly cause: Cause;
  readonly picks: readonly Pick[];
  /** By contact, the first message of the incident; the new one is added where there is none. */
  readonly first?: Record<string, string>;
  /** Alerts beyond the picks. */
  readonly more?: number;
  /** It may be held back by the contact's limit. */
  readonly mayBeHeld: boolean;
}

/** @returns whether it went out; false: it is held back for a digest */
export function send(state: DispatchState, contact: string, sending: Sending): boolean {
  const { picks, cause } = sending;
  const isCritical = picks.some(({ entry }) => entry.alert.level === 'critical');
  if (sending.mayBeHeld && !isCritical && isSpent(state, contact)) {
    hold(state, contact, sending);
    return false;
  }
  const content = contentOf(sending, contact);
  // By all that it tells of: of two escalations at one time, one may tell of more; the alerts of a backlog share a transition.
  const id = messageId([cause, state.now, content.items.map(({ alert, transition }) => [alert.id, transition]), contact]);
  const thread = sending.first?.[contact] ?? null;
  if (sending.first !== undefined && thread === null) sending.first[contact] = id;
  const received = picks.map(({ entry }) => entry.receivedAt).filter((at) => at !== null);
  state.message({
    id,
    contact,
    content,
    thread,
    at: state.now,
    isUrgent: isUrgent(content),
    receivedAt: cause.kind === 'update' && received.length === picks.length ? Math.max(...received.slice(0, ITEMS_MAX)) : null,
  });
  const kind = kindOf(content);
  for (const { entry, news } of picks) {
    state.note(entry, kind === news ? `${news}: told to ${contact}` : `${kind}: told to ${contact} (${news})`);
    told(state, { entry, news }, { contact, cause });
    state.release(entry, contact);
  }
  const before = state.tables.contact.get(contact);
  state.tables.contact.set(contact, {
    held: before?.held ?? 0,
    heldSince: before?.heldSince ?? null,
    sentAt: [...recent(state, contact), state.now].slice(-(state.policy.config.limits?.perHour ?? 1)),
  });
  armDigest(state, contact);
  return true;
}

function told(state: DispatchState, { entry, news }: Pick, { contact, cause }: { contact: string; cause: Cause }): void {
  const { alert } = entry;
  const isReminded = news === 'still' && (cause.kind === 'reminder' || cause.kind === 'update' || cause.kind === 'storm');
  const now: Told = {
    state: isFlapping(state, entry) ? 'flapping' : isFiring(alert) ? 'firing' : 'resolved',
    level: alert.level,
    noData: alert.flags.includes('no-data'),
    at: state.now,
    remindedAt: isReminded ? state.now : (entry.told[contact]?.remindedAt ?? null),
  };
  entry.told[contact] = now;
  state.touch(entry);
}

/** Whether the contact has had all messages of the hour. */
export function isSpent(state: DispatchState, contact: string, now: number = state.now): boolean {
  const { limits } = state.policy.config;
  return limits !== null && recent(state, contact, now).length >= limits.perHour;
}

const recent = (state: DispatchState, contact: string, now: number = state.now): readonly number[] =>
  (state.tables.contact.get(contact)?.sentAt ?? []).filter((at) => at > now - HOUR_US);

function hold(state: DispatchState, contact: string, { picks, cause }: Sending): void {
  const isEscalated = cause.kind === 'escalation';
  const before = state.tables.contact.get(contact);
  state.tables.contact.set(contact, {
    sentAt: recent(state, contact),
    held: (before?.held ?? 0) + 1,
    heldSince: before?.heldSince ?? state.now,
  });
  for (const { entry, news } of picks) {
    const known = isEscalated ? (entry.escalatedTo ?? []) : entry.heldFor;
    if (!known.includes(contact))
      state.note(
        entry,
        `${isEscalated ? 'escalation' : news}: held back for ${contact}, who had ${state.policy.config.limits?.perHour} messages within the hour`,
      );
    state.hold(entry, contact, isEscalated);
  }
  armDigest(state, contact);
}

const DIGEST = '9/digest/';
export const isDigestKey = (key: string): boolean => key.startsWith(DIGEST);

function armDigest(state: DispatchState, contact: string): void {
  const { sentAt = [], held = 0 } = state.tables.contact.get(contact) ?? {};
  const { limits } = state.policy.config;
  if (held === 0) {
    state.agenda.delete(DIGEST + contact);
    return;
  }
  const blocking = limits === null ? undefined : sentAt.at(-limits.perHour);
  state.agenda.set(DIGEST + contact, blocking === undefined ? state.now : blocking + HOUR_US);
}

/** After a start. */
export function armDigests(state: DispatchState): void {
  for (const contact of state.tables.contact.keys()) armDigest(state, contact);
}

/** What was held back for a contact, as it is now. */
export function digest(state: DispatchState, key: string): void {
  const contact = key.slice(DIGEST.length);
  const { held = 0, heldSince, sentAt = [] } = state.tables.contact.get(contact) ?? {};
  const members = state.members('held', contact);
  state.tables.contact.set(contact, { sentAt, held: 0, heldSince: null });
  // What is muted by now is told at the end of that.
  const heard = members.filter(({ entry }) => !isMutedFor(state, entry, contact));
  for (const { entry } of members) state.release(entry, contact);
  const picks = heard.map(
    ({ entry }): Pick => ({ entry, news: newsFor(state, entry, contact) ?? (isFiring(entry.alert) ? 'still' : 'ended') }),
  );
  if (picks.length > 0 && state.policy.contacts.has(contact)) {
    const perHour = state.policy.config.limits?.perHour ?? 0;
    send(state, contact, { cause: { kind: 'digest', held, since: heldSince ?? state.now, perHour }, picks, mayBeHeld: false });
  }
  for (const { entry } of members) state.settle(entry);
}

function contentOf({ cause, picks, more = 0 }: Sending, contact: string): Content {
  const ordered = picks.toSorted(byWeight);
  const items = ordered.slice(0, ITEMS_MAX).map(
    ({ entry, news }): Item => ({
      alert: entry.alert,
      news,
      fromLevel: otherLevel(entry, contact),
      transition: entry.transition,
      reason: entry.reason,
    }),
  );
  return { cause, items, more: more + ordered.length - items.length };
}

function otherLevel({ alert, told }: AlertEntry, contact: string): Level | null {
  const before = told[contact]?.level ?? null;
  return before === alert.level ? null : before;
}

/** What fires before what is over, the highest level first, then the oldest. */
function byWeight({ entry: a }: Pick, { entry: b }: Pick): number {
  if (isFiring(a.alert) !== isFiring(b.alert)) return isFiring(a.alert) ? -1 : 1;
  return levelRank(b.alert.level) - levelRank(a.alert.level) || a.firedAt - b.firedAt || (a.alert.id < b.alert.id ? -1 : 1);
}

/** The same decision makes the same message, however often it is replayed; and of two at one moment that tell of other things, neither is lost. */
const messageId = (parts: readonly unknown[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
