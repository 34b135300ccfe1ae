/**
 * The one message at the end of a mute or of a device's backlog: what fires still, what has changed, and what came and went. Each
 * contact hears of the alerts on whose routes it is, and of those that it was told of before.
 */
import { type Cause, isFiring } from '../content.ts';
import { Audience } from './audience.ts';
import type { DispatchState } from './dispatch-state.ts';
import { armEscalations } from './escalating.ts';
import { newsIn, toldElsewhere } from './grouping.ts';
import { summaryKey } from './muting.ts';
import type { Summary } from './state.ts';
import { isOld, newsFor, type Pick, send } from './telling.ts';

const SUMMARY = summaryKey('');
export const isSummaryKey = (key: string): boolean => key.startsWith(SUMMARY);

export function sum(state: DispatchState, agendaKey: string): void {
  const summary = state.tables.summary.get(agendaKey.slice(SUMMARY.length));
  if (summary === undefined) return;
  const all = state.members('summary', summary.key);
  // Of what has come to be part of a backlog, the end of that tells.
  const members = summary.kind === 'backlog' ? all : all.filter(({ entry }) => !isOld(entry));
  if (members.length < all.length) for (const { entry, route } of all) if (isOld(entry)) state.change(entry, route, { summary: null });
  const audience = new Audience(state);
  const picksOf = new Map<string, Map<string, Pick>>();
  const groupsOf = new Map<string, Set<string | undefined>>();
  for (const { entry, route } of members) {
    for (const contact of audience.of(route, [entry])) {
      const told = entry.told[contact];
      // Told just now, at the end of a mute on another of its routes: it is no news.
      const otherwise = told?.at === state.now ? null : isFiring(entry.alert) ? 'still' : told === undefined ? 'ended' : null;
      const news = newsFor(state, entry, contact) ?? otherwise;
      if (news === null) continue;
      const picks = picksOf.get(contact) ?? new Map<string, Pick>();
      picks.set(entry.alert.id, { entry, news });
      picksOf.set(contact, picks);
      const groups = groupsOf.get(contact) ?? new Set<string | undefined>();
      groupsOf.set(contact, groups.add(entry.on[route]?.group));
    }
  }
  // The order of alerts, and so that of contacts, is another one after a start.
  for (const [contact, picks] of [...picksOf].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const cause = causeOf(summary);
    const [only, ...others] = groupsOf.get(contact) ?? [];
    const group = only === undefined || others.length > 0 ? undefined : state.tables.group.get(only);
    send(state, contact, {
      cause,
      picks: [...picks.values()],
      more: summary.more,
      mayBeHeld: true,
      // Where all that this contact hears of is one group's, it belongs to the incident.
      ...(group !== undefined && { first: group.first }),
    });
    if (group !== undefined) state.tables.group.touch(group.key);
  }
  state.tables.summary.delete(summary.key);
  for (const { entry, route } of members) {
    const plan = state.policy.route(route);
    state.change(entry, route, { summary: null });
    const membership = entry.on[route];
    const own = membership === undefined ? undefined : state.tables.group.get(membership.group);
    const isForNobody = plan !== undefined && audience.of(route, [entry]).length === 0;
    if (isForNobody)
      state.note(entry, `in the summary of ${summary.kind === 'backlog' ? 'a backlog' : 'what was held back'}: ${plan.name} tells nobody`);
    if (isFiring(entry.alert) && plan !== undefined && own !== undefined) {
      toldElsewhere(state, own, plan);
      if (!isOld(entry)) newsIn(state, plan, entry);
      armEscalations(state, entry);
    } else if (audience.isDone(entry, route)) {
      if (picksOf.size === 0 && !isForNobody) state.note(entry, 'over, and nobody is to be told of it');
      state.leave(entry, route);
      state.settle(entry);
    }
  }
}

function causeOf(summary: Summary): Cause {
  if (summary.kind === 'backlog') return { kind: 'backlog', device: summary.device, from: summary.from, to: summary.to };
  const { mute, name, by, from, to } = summary;
  return { kind: 'mute-end', mute, name, by, from, to };
}
