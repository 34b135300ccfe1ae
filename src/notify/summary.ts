/**
 * What a message tells of: one alert, or, as the summary of a device's backlog, several. Pure.
 *
 * A summary holds for each contact only the alerts that concern it. What takes the place of a summary that was not delivered
 * tells of everything that stood in it, each alert as it was last: so no alert is forgotten because another one went on.
 */
import { type Alert, levelRank, type Transition } from '../domain/alert.ts';
import type { Decision } from './decide.ts';

/** One contact and the transition as it is told to it. */
export interface Telling {
  readonly contact: string;
  readonly transition: Transition;
}

const ALERTS_MAX = 200;

export const isRetrospective = ({ alert }: Transition): boolean => alert.flags.includes('retrospective');

/** The alerts that a message about the transition tells of. */
export const alertsOf = ({ alert, backlog }: Transition): readonly Alert[] => backlog?.alerts ?? [alert];

export const isStillFiring = ({ state }: Alert): boolean => state === 'firing';

/** It cannot wait: something critical that still fires, or the news of a critical alert. */
export const isUrgent = ({ alert, backlog }: Transition): boolean =>
  backlog === undefined ? alert.level === 'critical' : backlog.alerts.some((each) => each.level === 'critical' && isStillFiring(each));

/** What a decision comes to: a message for each of these. Whoever gets one counts as told of its alerts. */
export function tellingsOf(transition: Transition, decision: Decision): Telling[] {
  const { backlog } = transition;
  const { kind, contacts, summary } = decision;
  if (kind === null) return [];
  if (backlog === undefined || summary === undefined) return contacts.map((contact) => ({ contact, transition }));
  return contacts.map((contact) => {
    const alerts = summary.filter((entry) => entry.contacts.includes(contact)).map(({ alert }) => alert);
    return { contact, transition: { ...transition, alert: foremost(alerts, transition.alert), backlog: { ...backlog, alerts } } };
  });
}

/** Alerts that are over with this transition: who was told of them is of no use any more. A retrospective end is told later. */
export function endedBy(transition: Transition): string[] {
  if (transition.kind === 'backlog') return alertsOf(transition).flatMap(({ id, state }) => (state === 'resolved' ? [id] : []));
  return transition.kind === 'resolved' && !isRetrospective(transition) ? [transition.alert.id] : [];
}

/**
 * The transition of a message that takes the place of older ones: itself, unless a summary among them told of more alerts.
 * @param older in the order in which they were decided on
 */
export function joined(newer: Transition, older: readonly Transition[]): Transition {
  const latest = older.findLast(({ backlog }) => backlog !== undefined)?.backlog;
  if (latest === undefined) return newer;
  const alerts = new Map([...older, newer].flatMap(alertsOf).map((alert) => [alert.id, alert]));
  const { backlog = latest } = newer;
  if (alerts.size === alertsOf(newer).length) return newer;
  const spans = [...older, newer].flatMap((each) => (each.backlog?.device === backlog.device ? [each.backlog] : []));
  const kept = [...alerts.values()].sort((a, b) => Number(isStillFiring(b)) - Number(isStillFiring(a))).slice(0, ALERTS_MAX);
  return {
    ...newer,
    alert: foremost(kept, newer.alert),
    backlog: {
      device: backlog.device,
      from: Math.min(...spans.map(({ from }) => from)),
      to: Math.max(...spans.map(({ to }) => to)),
      alerts: kept,
      more: Math.max(...spans.map(({ more }) => more)) + alerts.size - kept.length,
    },
  };
}

/** An open one of the highest level, else the one that ended last. */
function foremost(alerts: readonly Alert[], otherwise: Alert): Alert {
  const open = alerts.filter(isStillFiring);
  const [first = otherwise, ...others] = open.length > 0 ? open : alerts;
  const rankOf = (alert: Alert): number => (isStillFiring(alert) ? levelRank(alert.level) : (alert.resolvedAt ?? 0));
  return others.reduce((best, alert) => (rankOf(alert) > rankOf(best) ? alert : best), first);
}
