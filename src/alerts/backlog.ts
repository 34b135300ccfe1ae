/**
 * The retrospective part of what one device sent late, while it lasts: which alerts had transitions in it. It is told as
 * one summary when it ends, which is with the first reading that is not old any more, or when nothing further comes.
 * Durable with the transitions it is made of. Times are µs.
 */
import { type Alert, type Backlog, levelRank } from '../domain/alert.ts';
import type { NewTransition, TrackedAlert } from './lifecycle.ts';

/** More are counted only. */
const ALERTS_MAX = 50;
const NOBODYS_CONCERN = ['pending', 'cancelled', 'backlog'];

/** As it is stored. */
export interface BacklogRecord {
  readonly from: number;
  readonly to: number;
  /** Journal time of the last of its readings: it ends by itself some time after. */
  readonly receivedAt: number;
  /** How far the journal had been read when the last of its transitions came: readings before are none that could end it. */
  readonly position: number;
  readonly alerts: readonly TrackedAlert[];
  readonly more: number;
}

/** The backlog with one more transition; unchanged by those that concern nobody. */
export function noted(
  backlog: BacklogRecord | null,
  given: { transition: NewTransition; tracked: TrackedAlert; receivedAt: number; position: number },
): BacklogRecord | null {
  const { transition, tracked, receivedAt, position } = given;
  if (NOBODYS_CONCERN.includes(transition.kind)) return backlog;
  const { at } = transition;
  const known = backlog?.alerts ?? [];
  const others = known.filter(({ alert }) => alert.id !== tracked.alert.id);
  const isFull = others.length >= ALERTS_MAX;
  return {
    from: Math.min(backlog?.from ?? at, at),
    to: Math.max(backlog?.to ?? at, at),
    receivedAt,
    position,
    alerts: isFull ? others : [...others, tracked],
    more: (backlog?.more ?? 0) + (isFull ? 1 : 0),
  };
}

/**
 * The backlog when one of its alerts has had a transition that is not old: it is told as it is at the end, and numbered on.
 * The same object where the alert is none of its.
 */
export function followed(backlog: BacklogRecord, tracked: TrackedAlert): BacklogRecord {
  if (!backlog.alerts.some(({ alert }) => alert.id === tracked.alert.id)) return backlog;
  return { ...backlog, alerts: backlog.alerts.map((known) => (known.alert.id === tracked.alert.id ? tracked : known)) };
}

/**
 * The transition that tells of the backlog as a whole. It is numbered among those of the alert that matters most.
 * @param latest each alert as it is now
 */
export function ended(
  device: string,
  backlog: BacklogRecord,
  latest: (tracked: TrackedAlert) => TrackedAlert,
  now: number,
): { transition: NewTransition; of: TrackedAlert } | null {
  // What fires still comes first, the highest level before the others.
  const alerts = backlog.alerts
    .map((tracked) => recent(latest(tracked)))
    .sort((left, right) => weight(right.alert) - weight(left.alert) || right.alert.since - left.alert.since);
  const [first] = alerts;
  if (first === undefined) return null;
  const summary: Backlog = { device, from: backlog.from, to: backlog.to, alerts: alerts.map(({ alert }) => alert), more: backlog.more };
  const of = { alert: first.alert, transitions: first.transitions + 1 };
  const count = alerts.length + backlog.more;
  const transition: NewTransition = {
    id: `${first.alert.id}/${of.transitions}`,
    kind: 'backlog',
    fromLevel: null,
    alert: first.alert,
    at: now,
    receivedAt: null,
    journaledAt: now,
    reason: `the backlog of ${device} has ended: ${count} alert${count === 1 ? '' : 's'} in it`,
    backlog: summary,
  };
  return { transition, of };
}

/** From here on its alert is like any other. */
const recent = ({ alert, transitions }: TrackedAlert): TrackedAlert => ({
  alert: { ...alert, flags: alert.flags.filter((flag) => flag !== 'retrospective') },
  transitions,
});

const weight = ({ state, level }: Alert): number => (state === 'resolved' ? 0 : levelRank(level));
