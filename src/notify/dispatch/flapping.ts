/**
 * Flapping: more level changes of an instance than its rule's `flapping` says within the time. The beginning is told, further
 * changes are not, and when fewer than half as many fall within the time the true state is told. An instance's alerts come and go
 * meanwhile: what was told passes on from one to the next, so that whoever heard of the beginning hears of the end.
 */
import { isFiring } from '../content.ts';
import type { DispatchState } from './dispatch-state.ts';
import type { AlertEntry } from './state.ts';
import { flapKey } from './telling.ts';

const FLAP = '4/flap/';
export const isFlapKey = (key: string): boolean => key.startsWith(FLAP);
/** Instances whose changes are remembered: the rest of a larger number counts from anew. */
const FLAPS_MAX = 100_000;

/** Notes a level change of the entry's instance. */
export function flapped(state: DispatchState, entry: AlertEntry): void {
  const limit = state.policy.flappingOf(entry.alert.rule);
  const key = flapKey(entry);
  const before = state.tables.flap.get(key);
  if (limit === null) {
    state.tables.flap.delete(key);
    arm(state, key);
    return;
  }
  if (before === undefined && state.tables.flap.size >= FLAPS_MAX) return;
  const inUs = limit.inMs * 1000;
  const changes = [...(before?.changes ?? []), state.now].filter((at) => at > state.now - inUs).slice(-(limit.changes + 1));
  const isFlapping = before?.isFlapping === true || changes.length > limit.changes;
  const last = before === undefined ? undefined : state.entry(before.alert);
  state.tables.flap.set(key, { changes, isFlapping, alert: entry.alert.id });
  if (isFlapping && last !== undefined && last !== entry) passOn(state, last, entry);
  if (isFlapping && before?.isFlapping !== true) {
    state.note(entry, `flapping: more than ${limit.changes} changes within ${Math.round(limit.inMs / 1000)} s; further ones are not told`);
    state.flag(entry.alert.id);
  } else if (isFlapping) state.note(entry, 'flapping: not told before it is calm');
  arm(state, key);
}

/** A timer; @returns the alert that has calmed down, open or over */
export function calmed(state: DispatchState, agendaKey: string): AlertEntry | null {
  const key = agendaKey.slice(FLAP.length);
  const flap = state.tables.flap.get(key);
  if (flap === undefined) return null;
  const entry = state.entry(flap.alert);
  const limit = state.policy.flappingOf(key.slice(0, key.indexOf('\n')));
  const inUs = limit === null ? 0 : limit.inMs * 1000;
  const changes = flap.changes.filter((at) => at > state.now - inUs);
  const isCalm = limit === null || changes.length * 2 < limit.changes;
  if (changes.length === 0) state.tables.flap.delete(key);
  else state.tables.flap.set(key, { ...flap, changes, isFlapping: flap.isFlapping && !isCalm });
  arm(state, key);
  if (!flap.isFlapping || !isCalm || entry === undefined) return null;
  state.note(entry, `calm: changes seldom enough again, and ${isFiring(entry.alert) ? `is ${entry.alert.level}` : 'is over'}`);
  state.flag(entry.alert.id);
  return entry;
}

/** After a start: a rule may have gone, or have other limits. */
export function armFlaps(state: DispatchState): void {
  for (const key of [...state.tables.flap.keys()]) arm(state, key);
}

/** When so few changes are left within the time that it is calm, or none is left to remember. */
function arm(state: DispatchState, key: string): void {
  const flap = state.tables.flap.get(key);
  const limit = state.policy.flappingOf(key.slice(0, key.indexOf('\n')));
  if (flap === undefined) {
    state.agenda.delete(FLAP + key);
    return;
  }
  if (limit === null) {
    state.agenda.set(FLAP + key, state.now);
    return;
  }
  const { changes, isFlapping } = flap;
  // Calm with fewer than half as many: the change after whose end that is so.
  const left = isFlapping ? Math.ceil(limit.changes / 2) - 1 : 0;
  const decisive = changes[changes.length - 1 - left];
  state.agenda.set(FLAP + key, decisive === undefined ? state.now : Math.max(state.now, decisive + limit.inMs * 1000));
}

function passOn(state: DispatchState, from: AlertEntry, to: AlertEntry): void {
  // Whoever knows that the one before is over knows nothing of this one.
  for (const [contact, told] of Object.entries(from.told)) if (told.state !== 'resolved') to.told[contact] ??= told;
  for (const contact of from.heldFor) {
    state.hold(to, contact, from.escalatedTo?.includes(contact) === true);
    state.release(from, contact);
  }
  for (const contact of Object.keys(from.told)) delete from.told[contact];
  if (!isFiring(from.alert)) for (const route of Object.keys(from.on)) state.leave(from, route);
  state.touch(to);
  state.touch(from);
  state.settle(from);
}
