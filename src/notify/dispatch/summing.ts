/**
 * The one message at the end of a mute or of a device's backlog: what fires still, what has changed, and what came and went. Each
 * contact hears of the alerts on whose routes it is, and of those that it was told of before.
 */
import { type Cause, isFiring } from '../content.ts';
import { Audience } from './audience.ts';
import type { DispatchState } from './dispatch-state.ts';
import { armEscalations } from './escalating.ts';
import { isOld, newsIn, toldElsewhere } from './grouping.ts';
import { summaryKey } from './muting.ts';
import type { Summary } from './state.ts';
import { newsFor, type Pick, send } from './telling.ts';

const SUMMARY = summaryKey('');
export const isSummaryKey = (key: string): boolean => key.startsWith(SUMMARY);

export function sum(state: DispatchState, agendaKey: string): void {
  const summary = state.tables.summary.get(agendaKey.slice(SUMMARY.length));
  if (summary === undefined) return;
  const all = state.members('summary', summary.key);
  // What has come to belong to a backlog meanwhile is told in the summary of that.
  const members = all.filter(({ entry }) => !isOld(entry));
  for (const { entry, route } of all) if (isOld(entry)) state.change(entry, route, { summary: null });
  const audience = new Audience(state);
  const picksOf = new Map<string, Map<string, Pick>>();
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
    }
  }
  const [only, ...others] = new Set(members.map(({ entry }) => Object.values(entry.on)[0]?.group));
  const group = only === undefined || others.length > 0 ? undefined : state.tables.group.get(only);
  for (const [contact, picks] of picksOf) {
    const cause = causeOf(summary);
    send(state, contact, {
      cause,
      picks: [...picks.values()],
      more: summary.more,
      mayBeHeld: true,
      // Of one alert, or of one group, it belongs to the incident.
      ...(group !== undefined && { first: group.first }),
    });
  }
  state.tables.summary.delete(summary.key);
  for (const { entry, route } of members) {
    const plan = state.policy.route(route);
    state.change(entry, route, { summary: null });
    const membership = entry.on[route];
    const own = membership === undefined ? undefined : state.tables.group.get(membership.group);
    if (isFiring(entry.alert) && plan !== undefined && own !== undefined) {
      toldElsewhere(state, own, plan);
      newsIn(state, plan, entry);
      armEscalations(state, entry);
    } else if (audience.isDone(entry, route)) {
      if (picksOf.size === 0) state.note(entry, 'over, and nobody is to be told of it');
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
