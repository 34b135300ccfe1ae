/**
 * Acknowledgements: they stop reminders and escalation of an alert, not its end. One ends by itself, at its time or with the
 * alert; by somebody who takes it back; or by a higher level than was acknowledged.
 */
import { levelRank } from '../../domain/alert.ts';
import type { Operation } from '../../domain/operation.ts';
import type { DispatchState } from './dispatch-state.ts';
import { armEscalations, endEscalations } from './escalating.ts';
import { armGroup } from './grouping.ts';
import type { AlertEntry } from './state.ts';

const ACKNOWLEDGEMENT = '3/acknowledgement/';
export const isAcknowledgementKey = (key: string): boolean => key.startsWith(ACKNOWLEDGEMENT);

export function acknowledge(
  state: DispatchState,
  entry: AlertEntry,
  { by, comment, until }: Extract<Operation, { kind: 'acknowledge' }>,
): void {
  entry.acknowledgement = { by, at: state.now, until, level: entry.alert.level };
  endEscalations(state, entry);
  armAcknowledgement(state, entry);
  state.touch(entry);
  state.flag(entry.alert.id);
  const end = until === null ? '' : ` until ${new Date(until / 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  state.note(entry, `acknowledged by ${by}${end}${comment === null || comment === '' ? '' : `: ${comment}`}`);
}

/** Reminders and escalation begin again, the first reminder at once. */
export function unacknowledge(state: DispatchState, entry: AlertEntry, why: string): void {
  if (entry.acknowledgement === null) return;
  dropAcknowledgement(state, entry);
  state.flag(entry.alert.id);
  state.note(entry, why);
  for (const [contact, told] of Object.entries(entry.told)) entry.told[contact] = { ...told, remindedAt: null };
  for (const { group: key } of Object.values(entry.on)) {
    const group = state.tables.group.get(key);
    if (group === undefined || group.remindAt === null) continue;
    group.remindAt = state.now;
    armGroup(state, group);
  }
  armEscalations(state, entry);
}

/** A timer. */
export function expire(state: DispatchState, agendaKey: string): void {
  const entry = state.entry(agendaKey.slice(ACKNOWLEDGEMENT.length));
  if (entry !== undefined) unacknowledge(state, entry, `acknowledgement of ${entry.acknowledgement?.by ?? 'nobody'} has expired`);
}

/** At a higher level: acknowledged was what it was before. */
export function risen(state: DispatchState, entry: AlertEntry): void {
  const { acknowledgement, alert } = entry;
  if (acknowledgement !== null && levelRank(alert.level) > levelRank(acknowledgement.level)) {
    dropAcknowledgement(state, entry);
    state.note(entry, `${alert.level} is more than ${acknowledgement.by} has acknowledged (${acknowledgement.level})`);
    state.flag(alert.id);
  }
  if (entry.acknowledgement === null) endEscalations(state, entry);
}

export function dropAcknowledgement(state: DispatchState, entry: AlertEntry): void {
  entry.acknowledgement = null;
  state.agenda.delete(ACKNOWLEDGEMENT + entry.alert.id);
  state.touch(entry);
}

export function armAcknowledgement(state: DispatchState, { alert, acknowledgement }: AlertEntry): void {
  state.agenda.set(ACKNOWLEDGEMENT + alert.id, acknowledgement?.until ?? Number.POSITIVE_INFINITY);
}
