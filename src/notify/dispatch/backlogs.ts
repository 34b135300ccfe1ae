/**
 * The end of a device's backlog: what was retrospective in it is told in one summary, and what fires still is an alert like any
 * other from then on.
 */
import type { Alert, Transition } from '../../domain/alert.ts';
import type { DispatchState } from './dispatch-state.ts';
import { type Muting, summaryKey } from './muting.ts';
import { entryOf, plansOf, routeAll } from './routing.ts';
import type { AlertEntry } from './state.ts';
import { isOld } from './telling.ts';

export function backlogEnded(state: DispatchState, muting: Muting, { id, backlog, alert }: Transition): void {
  if (backlog === undefined) return;
  const { device, from, to } = backlog;
  const listed = new Map(backlog.alerts.filter(({ firedAt }) => firedAt !== null).map((each) => [each.id, each]));
  const left = state.entries().filter((entry) => isOld(entry) && entry.alert.device === device && !listed.has(entry.alert.id));
  const entries = [...listed.values()].map((each) => inBacklog(state, muting, { alert: each, transition: id }));
  for (const entry of left) {
    state.update(entry, { alert: { ...entry.alert, flags: entry.alert.flags.filter((flag) => flag !== 'retrospective') } });
  }
  const more = Math.max(0, backlog.more - left.length);
  const all = [...entries, ...left];
  if (all.length === 0)
    state.note({ alert, transition: id }, `summary of the backlog of ${device}: nothing in it had fired, nobody is told`);
  const key = `backlog/${id}`;
  let isAny = false;
  for (const entry of all) {
    for (const plan of plansOf(state, entry)) {
      if ((entry.on[plan.key]?.mutes.length ?? 0) > 0) continue;
      state.change(entry, plan.key, { summary: key, isInStorm: false });
      isAny = true;
    }
  }
  if (isAny) {
    state.tables.summary.set(key, { kind: 'backlog', key, device, from, to, dueAt: state.now, more });
    state.agenda.set(summaryKey(key), state.now);
  }
}

function inBacklog(state: DispatchState, muting: Muting, { alert, transition }: { alert: Alert; transition: string }): AlertEntry {
  const known = state.entry(alert.id);
  const entry = entryOf(state, { alert, transition, reason: known?.reason ?? 'in a backlog', receivedAt: known?.receivedAt ?? null });
  routeAll(state, entry);
  muting.alertChanged(entry);
  return entry;
}
