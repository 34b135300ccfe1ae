/**
 * Groups: the alerts of a route with equal `groupBy` values. Their news go out together:
 *
 *     newly firing, a higher level, all resolved   after `groupWait` of the level
 *     other changes, some resolved                 when `groupInterval` has passed since the last message
 *     a reminder                                   every `repeatInterval` while something fires that nobody has acknowledged
 *
 * What is muted, waits for a summary, belongs to a storm or to a backlog is told elsewhere.
 */
import { type Cause, isFiring } from '../content.ts';
import { Audience } from './audience.ts';
import { type DispatchState, GROUP, type Member } from './dispatch-state.ts';
import { armEscalations } from './escalating.ts';
import { groupKey, groupValues, type RoutePlan } from './policy.ts';
import type { AlertEntry, Group } from './state.ts';
import { isHeld, isOld, isPressing, isReminded, newsFor, type Pick, send } from './telling.ts';

export const isGroupKey = (key: string): boolean => key.startsWith(GROUP);

/** The group of an alert on a route; it is made where there is none. */
export function groupOf(state: DispatchState, plan: RoutePlan, entry: AlertEntry): Group {
  const by = groupValues(plan, entry.alert);
  const key = groupKey(plan, by);
  const known = state.tables.group.get(key);
  if (known !== undefined) return known;
  const group: Group = { key, route: plan.key, by, first: {}, dueAt: null, lastSentAt: null, remindAt: null };
  state.tables.group.set(key, group);
  return group;
}

/** Where it is on the route: what is over stays in its group, though the route may group otherwise by now. */
export const groupIn = (state: DispatchState, plan: RoutePlan, { on }: AlertEntry): Group | undefined =>
  state.tables.group.get(on[plan.key]?.group ?? '');

export const isToldElsewhere = ({ entry, route }: Member): boolean => {
  const membership = entry.on[route];
  return membership === undefined || membership.mutes.length > 0 || membership.summary !== null || membership.isInStorm || isOld(entry);
};

/** The alert has news for its group: when they go out at the latest. */
export function newsIn(state: DispatchState, plan: RoutePlan, entry: AlertEntry): void {
  const group = groupIn(state, plan, entry);
  if (group === undefined) return;
  const contacts = new Audience(state).of(plan.key, [entry]);
  const all = contacts.map((contact) => ({ contact, news: newsFor(state, entry, contact) }));
  const isUrgent = all.some(({ contact, news }) => news !== null && isPressing(entry, contact, news));
  const waitUs = plan.groupWaitMs[entry.alert.level] * 1000;
  const isOver = !isFiring(entry.alert) && !state.isAnyFiring('group', group.key);
  const dueAt = isUrgent || isOver ? state.now + waitUs : Math.max(state.now + waitUs, intervalEnd(group, plan));
  dueBy(state, group, dueAt);
}

export function dueBy(state: DispatchState, group: Group, dueAt: number): void {
  if (group.dueAt === null || dueAt < group.dueAt) group.dueAt = dueAt;
  armGroup(state, group);
}

/** Something was told of it elsewhere: reminders count from now, and its interval, unless that would put off what waits in it. */
export function toldElsewhere(state: DispatchState, group: Group, plan: RoutePlan): void {
  if (group.dueAt === null) group.lastSentAt = state.now;
  remindLater(state, group, plan);
  armGroup(state, group);
}

/** By another policy: how often is what it says now. */
export function remindAnew(state: DispatchState, group: Group): void {
  const plan = state.policy.route(group.route);
  if (plan === undefined || group.remindAt === null) return;
  const since = group.lastSentAt ?? state.now;
  group.remindAt = plan.repeatIntervalMs === null ? null : Math.max(state.now, since + plan.repeatIntervalMs * 1000);
  armGroup(state, group);
}

export function armGroup(state: DispatchState, group: Group): void {
  // With its last alert it has ended.
  if (!state.tables.group.has(group.key)) return;
  state.tables.group.touch(group.key);
  const due = Math.min(group.dueAt ?? Number.POSITIVE_INFINITY, group.remindAt ?? Number.POSITIVE_INFINITY);
  state.agenda.set(GROUP + group.key, due);
}

export function flush(state: DispatchState, agendaKey: string): void {
  const group = state.tables.group.get(agendaKey.slice(GROUP.length));
  if (group === undefined) return;
  const plan = state.policy.route(group.route);
  const members = state.members('group', group.key);
  if (plan === undefined) {
    forget(state, group);
    return;
  }
  group.dueAt = null;
  const here = members.filter((member) => !isToldElsewhere(member)).map(({ entry }) => entry);
  const isReminding = group.remindAt !== null && group.remindAt <= state.now;
  const since = group.lastSentAt;
  const audience = new Audience(state);
  const isSent = sendNews(state, { group, plan, entries: here, isReminding, audience });
  if (isSent) group.lastSentAt = state.now;
  if (isSent || isReminding) remindLater(state, group, plan);
  else if (since === null && here.some(({ alert }) => isFiring(alert))) group.remindAt ??= remindAt(state, plan);
  for (const entry of here) {
    if (isFiring(entry.alert)) armEscalations(state, entry);
    else if (audience.isDone(entry, plan.key)) leave(state, entry, plan);
  }
  if (state.memberCount('group', group.key) === 0) forget(state, group);
  else armGroup(state, group);
}

/** Nobody is to hear of it any more on this route. */
export function leave(state: DispatchState, entry: AlertEntry, plan: RoutePlan): void {
  if (Object.keys(entry.told).length === 0 && entry.heldFor.length === 0) state.note(entry, 'resolved: nobody had been told of it');
  state.leave(entry, plan.key);
  state.settle(entry);
}

interface Flushing {
  readonly group: Group;
  readonly plan: RoutePlan;
  readonly entries: readonly AlertEntry[];
  readonly isReminding: boolean;
  readonly audience: Audience;
}

/** What each contact does not know and is to be told, whoever knows all included. */
function newsByContact(state: DispatchState, { plan, entries, audience }: Flushing): Map<string, Pick[]> {
  const isAnyFiring = entries.some(({ alert }) => isFiring(alert));
  const newsOf = (contact: string): Pick[] =>
    entries.flatMap((entry): Pick[] => {
      if (!audience.hears(entry, plan.key, contact)) return [];
      const news = newsFor(state, entry, contact);
      if (news === null || isHeld(entry, contact)) return [];
      return news !== 'resolved' || plan.sendResolved || !isAnyFiring ? [{ entry, news }] : [];
    });
  return new Map(audience.of(plan.key, entries).map((contact) => [contact, newsOf(contact)]));
}

/** @returns whether anything went out, or was held back by a limit */
function sendNews(state: DispatchState, of: Flushing): boolean {
  const { group, plan, entries, isReminding, audience } = of;
  const isAnyFiring = entries.some(({ alert }) => isFiring(alert));
  const isIntervalOver = state.now >= intervalEnd(group, plan);
  let isSent = false;
  let isWaiting = false;
  const news = newsByContact(state, of);
  // When a group tells anybody, it tells all that it has: else what one contact waits for is put off by every message to another.
  const isPressed = [...news].some(([contact, told]) => told.some(({ entry, news: each }) => isPressing(entry, contact, each)));
  for (const [contact, told] of news) {
    const isToRemind = (entry: AlertEntry): boolean =>
      isFiring(entry.alert) &&
      entry.acknowledgement === null &&
      !isReminded(state, entry, { contact, repeatIntervalMs: plan.repeatIntervalMs });
    const reminded = isReminding && audience.isNamed(plan.key, contact) ? entries.filter(isToRemind) : [];
    const isDue = told.length > 0 && (isPressed || !isAnyFiring || isIntervalOver);
    if (!isDue && reminded.length === 0) {
      isWaiting ||= told.length > 0;
      continue;
    }
    const still = reminded.filter((entry) => !told.some((pick) => pick.entry === entry) && !isHeld(entry, contact));
    const all = [...told, ...still.map((entry): Pick => ({ entry, news: 'still' }))];
    if (all.length === 0) continue;
    const cause: Cause = isDue
      ? { kind: 'update', group: group.by }
      : { kind: 'reminder', since: group.lastSentAt ?? state.now, group: group.by };
    send(state, contact, { cause, picks: all, first: group.first, mayBeHeld: true });
    isSent = true;
  }
  if (isWaiting) group.dueAt = Math.max(intervalEnd(group, plan), state.now + 1);
  return isSent;
}

const intervalEnd = ({ lastSentAt }: Group, { groupIntervalMs }: RoutePlan): number =>
  lastSentAt === null ? 0 : lastSentAt + groupIntervalMs * 1000;

const remindAt = (state: DispatchState, { repeatIntervalMs }: RoutePlan): number | null =>
  repeatIntervalMs === null ? null : state.now + repeatIntervalMs * 1000;

function remindLater(state: DispatchState, group: Group, plan: RoutePlan): void {
  const isAnyFiring = state.isAnyFiring('group', group.key);
  group.remindAt = isAnyFiring ? remindAt(state, plan) : null;
}

function forget(state: DispatchState, group: Group): void {
  state.agenda.delete(GROUP + group.key);
  state.tables.group.delete(group.key);
}
