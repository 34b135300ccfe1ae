/**
 * Escalation: who else is told while nobody acknowledges. It counts from the moment at which the alert was told of (or would
 * have been, where its route tells nobody), anew after a higher level, and after an acknowledgement that has expired. Alerts of
 * one incident that stand at the same step are told together. A mute holds it back until its end.
 */
import { isFiring } from '../content.ts';
import { matches } from '../matching.ts';
import type { DispatchState } from './dispatch-state.ts';
import type { AlertEntry } from './state.ts';
import { isOld, newsFor, type Pick, send } from './telling.ts';

const ESCALATION = '8/escalation/';
export const isEscalationKey = (key: string): boolean => key.startsWith(ESCALATION);

/** Begins what has not begun, and sets the timer. */
export function armEscalations(state: DispatchState, entry: AlertEntry): void {
  if (state.policy.escalations.size === 0) return;
  const { alert, acknowledgement } = entry;
  // What is held back begins, or goes on, when its mute or its backlog has ended.
  const isOn = isFiring(alert) && acknowledgement === null && !isHeldBack(entry);
  for (const [key, escalation] of state.policy.escalations) {
    if (!isOn || entry.escalations[key] !== undefined || !matches(escalation.match, alert)) continue;
    entry.escalations[key] = { since: state.now, step: 0 };
    state.touch(entry);
  }
  awaitEscalations(state, entry);
}

/** Sets the timer of what has begun; after a start too, which begins nothing. What is held back goes on when its mute has ended. */
export function awaitEscalations(state: DispatchState, entry: AlertEntry): void {
  const { alert, acknowledgement } = entry;
  const isOn = isFiring(alert) && acknowledgement === null && !isHeldBack(entry);
  const due = isOn ? Math.min(...Object.keys(entry.escalations).map((key) => dueOf(state, entry, key))) : Number.POSITIVE_INFINITY;
  state.agenda.set(ESCALATION + alert.id, due);
}

/** From the beginning: acknowledged, or risen since. */
export function endEscalations(state: DispatchState, entry: AlertEntry): void {
  state.agenda.delete(ESCALATION + entry.alert.id);
  for (const key of Object.keys(entry.escalations)) delete entry.escalations[key];
  state.touch(entry);
}

export function escalate(state: DispatchState, agendaKey: string): void {
  const entry = state.entry(agendaKey.slice(ESCALATION.length));
  if (entry === undefined) return;
  if (isHeldBack(entry)) return;
  for (const key of Object.keys(entry.escalations)) if (dueOf(state, entry, key) <= state.now) step(state, entry, key);
  armEscalations(state, entry);
}

const isHeldBack = (entry: AlertEntry): boolean => {
  if (isOld(entry)) return true;
  const memberships = Object.values(entry.on);
  return memberships.length > 0 && memberships.every(({ mutes, summary }) => mutes.length > 0 || summary !== null);
};

function dueOf(state: DispatchState, { escalations }: AlertEntry, key: string): number {
  const progress = escalations[key];
  const next = progress === undefined ? undefined : state.policy.escalations.get(key)?.steps[progress.step];
  return progress === undefined || next === undefined ? Number.POSITIVE_INFINITY : progress.since + next.afterMs * 1000;
}

function step(state: DispatchState, entry: AlertEntry, key: string): void {
  const escalation = state.policy.escalations.get(key);
  const at = entry.escalations[key]?.step ?? 0;
  const next = escalation?.steps[at];
  if (escalation === undefined || next === undefined) return;
  const peers = incidentOf(state, entry).filter(
    (other) => other.escalations[key]?.step === at && isFiring(other.alert) && other.acknowledgement === null && !isHeldBack(other),
  );
  for (const peer of peers) {
    const isLast = at + 1 >= escalation.steps.length;
    const since = peer.escalations[key]?.since ?? state.now;
    peer.escalations[key] = isLast && escalation.loop ? { since: state.now, step: 0 } : { since, step: at + 1 };
    state.touch(peer);
    awaitEscalations(state, peer);
  }
  const [membership] = Object.values(entry.on);
  const group = membership === undefined ? undefined : state.tables.group.get(membership.group);
  const persons = state.policy.persons(next.to, state.now);
  if (persons.length === 0) for (const peer of peers) state.note(peer, `step ${at + 1} of its escalation: nobody is on call`);
  for (const contact of persons) {
    // Who was told at this instant knows.
    if (peers.every((peer) => peer.told[contact]?.at === state.now)) continue;
    const picks = peers.map((peer): Pick => ({ entry: peer, news: newsFor(state, peer, contact) ?? 'still' }));
    const cause = { kind: 'escalation', step: at + 1, steps: escalation.steps.length, afterMs: next.afterMs } as const;
    send(state, contact, { cause, picks, mayBeHeld: true, ...(group !== undefined && { first: group.first }) });
    if (group !== undefined && state.tables.group.has(group.key)) state.tables.group.touch(group.key);
  }
}

/** The alert and those of its group, or of its route's storm. */
function incidentOf(state: DispatchState, entry: AlertEntry): AlertEntry[] {
  const peers = Object.entries(entry.on).flatMap(([route, { group, isInStorm }]) =>
    isInStorm ? state.members('storm', route) : state.members('group', group),
  );
  return [...new Set([entry, ...peers.map((peer) => peer.entry)])];
}
