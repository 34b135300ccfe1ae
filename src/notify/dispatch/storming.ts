/**
 * Storm mode: more than `after` alerts that newly fire on one route within `in` are told as one incident: how many, and the
 * label that explains most of them. It is told again at most once a `groupInterval`, at once when it rises to a higher level, and
 * when all of it is over. While they keep coming it takes in what is new; when fewer than half as many come, what is new
 * is told by its own group again.
 */
import { type Level, levelRank } from '../../domain/alert.ts';
import { type Explanation, isFiring } from '../content.ts';
import { Audience } from './audience.ts';
import type { DispatchState } from './dispatch-state.ts';
import { armEscalations } from './escalating.ts';
import type { RoutePlan } from './policy.ts';
import type { AlertEntry, Fired, Storm } from './state.ts';
import { isHeld, isReminded, newsFor, type Pick as Picked, send } from './telling.ts';

const STORM = '5/storm/';
export const isStormKey = (key: string): boolean => key.startsWith(STORM);
/** The likeliest first; other labels come after them. */
const LIKELY_CAUSES = ['gateway', 'rule', 'site'];
/** A share of what explains most. */
const NEARLY = 0.9;

export class Storming {
  readonly #state: DispatchState;

  constructor(state: DispatchState) {
    this.#state = state;
  }

  begin(): void {
    for (const storm of this.#state.tables.storm.values()) this.#arm(storm);
  }

  /** By another policy: a storm of a route that is gone is over. */
  policyChanged(): void {
    const { tables, policy } = this.#state;
    for (const storm of [...tables.storm.values()]) if (policy.route(storm.route) === undefined) this.#end(storm, this.#membersOf(storm));
    for (const route of [...tables.rate.keys()]) if (policy.route(route) === undefined) tables.rate.delete(route);
  }

  /** Its alerts may have left otherwise than by their end: muted, or to another route. */
  tidy(): void {
    const { tables } = this.#state;
    if (tables.storm.size === 0) return;
    for (const storm of [...tables.storm.values()]) if (this.#state.memberCount('storm', storm.route) === 0) this.#end(storm, []);
  }

  /** The alert newly fires on the route. @returns whether a storm tells of it */
  takes(entry: AlertEntry, plan: RoutePlan): boolean {
    const state = this.#state;
    const { storm: config } = state.policy.config;
    if (config === null) return false;
    const recent = this.#note(plan.key, entry, config);
    let storm = state.tables.storm.get(plan.key);
    const isMany = recent.length > config.after;
    if (!isMany && !(storm?.isOpen === true && recent.length * 2 > config.after)) {
      if (storm?.isOpen === true) {
        storm.isOpen = false;
        state.tables.storm.touch(plan.key);
      }
      return false;
    }
    if (storm === undefined) {
      const since = Math.min(...recent.map(({ at }) => at));
      storm = { route: plan.key, since, isOpen: true, level: null, total: 0, first: {}, dueAt: null, lastSentAt: null, remindAt: null };
      state.tables.storm.set(plan.key, storm);
    }
    storm.isOpen = true;
    for (const { alert } of recent) this.#join(state.entry(alert), plan, storm);
    this.#arm(storm);
    return true;
  }

  /** An alert of a storm has changed. */
  changed(entry: AlertEntry, plan: RoutePlan): void {
    const storm = this.#state.tables.storm.get(plan.key);
    if (storm === undefined) return;
    this.#due(storm, plan, entry);
    this.#arm(storm);
  }

  flush(agendaKey: string): void {
    const state = this.#state;
    const storm = state.tables.storm.get(agendaKey.slice(STORM.length));
    const plan = storm === undefined ? undefined : state.policy.route(storm.route);
    if (storm === undefined) return;
    const members = this.#membersOf(storm);
    if (plan === undefined) {
      this.#end(storm, members);
      return;
    }
    const isReminding = storm.remindAt !== null && storm.remindAt <= state.now;
    storm.dueAt = null;
    const firing = members.filter(({ alert }) => isFiring(alert));
    const audience = new Audience(state);
    const cause = {
      kind: 'storm',
      phase: storm.lastSentAt === null ? 'begun' : firing.length === 0 ? 'over' : 'goes-on',
      since: storm.since,
      explanation: explained(members),
      total: storm.total,
      firing: firing.length,
    } as const;
    let isSent = false;
    for (const contact of audience.of(plan.key, members)) {
      const picks = members.flatMap((entry): Picked[] => {
        if (isHeld(entry, contact)) return [];
        if (!audience.hears(entry, plan.key, contact)) return [];
        const isStill = isReminding && audience.isNamed(plan.key, contact) && isFiring(entry.alert) && entry.acknowledgement === null;
        const isToRemind = isStill && !isReminded(state, entry, { contact, repeatIntervalMs: plan.repeatIntervalMs });
        const news = newsFor(state, entry, contact) ?? (isToRemind ? 'still' : null);
        return news === null ? [] : [{ entry, news }];
      });
      if (picks.length === 0) continue;
      send(state, contact, { cause, picks, first: storm.first, mayBeHeld: true });
      isSent = true;
    }
    storm.level = worst(firing, storm.level);
    if (isSent || storm.lastSentAt === null) storm.lastSentAt = state.now;
    if (isSent || isReminding) storm.remindAt = plan.repeatIntervalMs === null ? null : state.now + plan.repeatIntervalMs * 1000;
    for (const entry of firing) armEscalations(state, entry);
    if (firing.length === 0) {
      this.#end(storm, members);
      return;
    }
    for (const entry of members) if (audience.isDone(entry, plan.key)) this.#leave(entry, storm);
    this.#arm(storm);
  }

  #note(route: string, { alert }: AlertEntry, { after, inMs }: { after: number; inMs: number }): readonly Fired[] {
    const { now, tables } = this.#state;
    const known = (tables.rate.get(route) ?? []).filter(({ at }) => at > now - inMs * 1000);
    // More than it takes to tell a storm need not be known.
    const recent = [...known, { alert: alert.id, at: now }].slice(-(after + 1));
    tables.rate.set(route, recent);
    return recent;
  }

  #join(entry: AlertEntry | undefined, plan: RoutePlan, storm: Storm): void {
    const membership = entry?.on[plan.key];
    if (
      entry === undefined ||
      membership === undefined ||
      membership.isInStorm ||
      membership.mutes.length > 0 ||
      membership.summary !== null
    )
      return;
    this.#state.change(entry, plan.key, { isInStorm: true });
    storm.total += 1;
    this.#state.note(entry, `${plan.name}: one of many alerts at once, told as one incident`);
    this.#due(storm, plan, entry);
  }

  #due(storm: Storm, plan: RoutePlan, { alert, on }: AlertEntry): void {
    const state = this.#state;
    const isHigher = isFiring(alert) && levelRank(alert.level) > levelRank(storm.level);
    const isOver = !isFiring(alert) && !state.isAnyFiring('storm', plan.key);
    // What its group would have told by then does not wait any longer.
    const groupDueAt = state.tables.group.get(on[plan.key]?.group ?? '')?.dueAt ?? Number.POSITIVE_INFINITY;
    const waitEnd = Math.max(state.now, Math.min(groupDueAt, state.now + plan.groupWaitMs[alert.level] * 1000));
    const isAtOnce = isHigher || isOver || storm.lastSentAt === null;
    const dueAt = isAtOnce ? waitEnd : Math.max(waitEnd, (storm.lastSentAt ?? 0) + plan.groupIntervalMs * 1000);
    if (storm.dueAt === null || dueAt < storm.dueAt) storm.dueAt = dueAt;
  }

  #arm(storm: Storm): void {
    if (!this.#state.tables.storm.has(storm.route)) return;
    this.#state.tables.storm.touch(storm.route);
    const due = Math.min(storm.dueAt ?? Number.POSITIVE_INFINITY, storm.remindAt ?? Number.POSITIVE_INFINITY);
    this.#state.agenda.set(STORM + storm.route, due);
  }

  #membersOf({ route }: Storm): AlertEntry[] {
    return this.#state.members('storm', route).map(({ entry }) => entry);
  }

  #leave(entry: AlertEntry, { route }: Storm): void {
    this.#state.leave(entry, route);
    this.#state.settle(entry);
  }

  /** What is left of it, as its route is gone, is told by groups again. */
  #end(storm: Storm, members: readonly AlertEntry[]): void {
    this.#state.agenda.delete(STORM + storm.route);
    this.#state.tables.storm.delete(storm.route);
    const audience = new Audience(this.#state);
    for (const entry of members) {
      if (!audience.isDone(entry, storm.route)) this.#state.change(entry, storm.route, { isInStorm: false });
      else this.#leave(entry, storm);
    }
  }
}

function worst(entries: readonly AlertEntry[], atLeast: Level | null): Level | null {
  return entries.reduce<Level | null>((level, { alert }) => (levelRank(alert.level) > levelRank(level) ? alert.level : level), atLeast);
}

/**
 * The label and value that most of them share. Of those that explain nearly as many the likeliest cause counts: a dead gateway tells
 * more than the site at which everything is. Null when nothing is shared by two.
 */
export function explained(entries: readonly Pick<AlertEntry, 'alert'>[]): Explanation | null {
  const counts = new Map<string, { name: string; value: string; count: number }>();
  const add = (name: string, value: string, by = 1): void => {
    const key = `${name}\n${value}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { name, value, count: by });
    else known.count += by;
  };
  for (const { alert } of entries) {
    for (const [name, value] of Object.entries(alert.labels)) add(name, value);
    add('rule', alert.rule);
  }
  // The gateway itself is of the same cause.
  for (const { alert } of entries) if (counts.has(`gateway\n${alert.device}`)) add('gateway', alert.device);
  const most = Math.max(0, ...[...counts.values()].map(({ count }) => count));
  const candidates = [...counts.values()].filter(({ count }) => count >= 2 && count >= NEARLY * most);
  const [best] = candidates.sort(
    (a, b) => likelihood(a) - likelihood(b) || b.count - a.count || compared(a.name, b.name) || compared(a.value, b.value),
  );
  return best ?? null;
}

function likelihood({ name }: { name: string }): number {
  const index = LIKELY_CAUSES.indexOf(name);
  return index >= 0 ? index : LIKELY_CAUSES.length;
}

const compared = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
