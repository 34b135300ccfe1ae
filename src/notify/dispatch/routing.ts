/**
 * On which routes an alert is, and in which group of each. It follows the alert as it is now: other levels and labels may lead
 * elsewhere. What another route told of it, it keeps.
 */
import type { Transition } from '../../domain/alert.ts';
import { isFiring } from '../content.ts';
import type { DispatchState } from './dispatch-state.ts';
import { groupOf } from './grouping.ts';
import { groupKey, groupValues, type RoutePlan } from './policy.ts';
import type { AlertEntry } from './state.ts';
import { isDone } from './telling.ts';

/** The alert's entry with what the transition says; it is made where there is none. */
export function entryOf(
  state: DispatchState,
  { alert, transition, reason, receivedAt }: Pick<Transition, 'alert' | 'reason' | 'receivedAt'> & { readonly transition: string },
): AlertEntry {
  const known = state.entry(alert.id);
  if (known !== undefined) {
    state.update(known, { alert, transition, reason, receivedAt });
    return known;
  }
  const rest = { told: {}, on: {}, acknowledgement: null, escalations: {}, heldFor: [] };
  const entry: AlertEntry = { alert, transition, reason, receivedAt, firedAt: state.now, ...rest };
  state.tables.alert.set(alert.id, entry);
  return entry;
}

/** One that is over stays where it was. */
export function route(state: DispatchState, entry: AlertEntry): void {
  if (!isFiring(entry.alert)) {
    for (const key of Object.keys(entry.on)) if (state.policy.route(key) === undefined) state.leave(entry, key);
    if (Object.keys(entry.on).length > 0 || isDone(state, entry)) return;
  }
  const plans = state.policy.routesOf(entry.alert);
  const firsts = Object.values(entry.on).flatMap(({ group }) => Object.entries(state.tables.group.get(group)?.first ?? {}));
  for (const key of Object.keys(entry.on)) if (!plans.some((plan) => plan.key === key)) state.leave(entry, key);
  for (const plan of plans) {
    const group = groupKey(plan, groupValues(plan, entry.alert));
    if (entry.on[plan.key]?.group === group) continue;
    const { first } = groupOf(state, plan, entry);
    // Whoever was told of it elsewhere hears of it in the same thread.
    for (const [contact, message] of firsts) if (entry.told[contact] !== undefined) first[contact] ??= message;
    state.tables.group.touch(group);
    // In another group of the route, what holds it back or tells of it is the same.
    state.join(entry, plan, { mutes: [], summary: null, isInStorm: false, ...entry.on[plan.key], group });
  }
}

/** Also what came and went before it was ever on a route. */
export function routeAll(state: DispatchState, entry: AlertEntry): void {
  if (Object.keys(entry.on).length > 0) {
    route(state, entry);
    return;
  }
  for (const plan of state.policy.routesOf(entry.alert)) {
    const { key } = groupOf(state, plan, entry);
    state.join(entry, plan, { group: key, mutes: [], summary: null, isInStorm: false });
  }
}

export function plansOf(state: DispatchState, entry: AlertEntry): RoutePlan[] {
  return Object.keys(entry.on).flatMap((key) => state.policy.route(key) ?? []);
}

export function explainRoutes(state: DispatchState, entry: AlertEntry): void {
  for (const plan of plansOf(state, entry)) {
    const persons = state.policy.persons(plan.to, state.now);
    const whom = persons.length === 0 ? 'tells nobody' : `to ${persons.join(', ')}`;
    const waitMs = plan.groupWaitMs[entry.alert.level];
    state.note(entry, `${plan.name} ${whom}${waitMs === 0 || persons.length === 0 ? '' : `, in ${waitMs / 1000} s`}`);
  }
}
