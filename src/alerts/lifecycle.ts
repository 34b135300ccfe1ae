/**
 * The life of an alert, pure: what an instance's verdict means for its alert.
 *
 *     none → PENDING → FIRING(level) → resolved        PENDING → cancelled        none → FIRING when nothing is waited for
 *
 * One alert is open per instance. Its id derives from the journal, the rule, the device and what opened it, so that a
 * replay after a crash comes to the same ids; its transitions are numbered from 1.
 */
import { createHash } from 'node:crypto';
import type { Alert, AlertFlag, Level, Transition, TransitionKind } from '../domain/alert.ts';
import type { Value } from '../domain/reading.ts';
import type { Verdict } from '../rules/evaluate.ts';

/** An alert and how many transitions it has had. */
export interface TrackedAlert {
  readonly alert: Alert;
  readonly transitions: number;
}
/** A transition before the store gave it its place among all others. */
export type NewTransition = Omit<Transition, 'sequence'>;

/** What brought the verdict about. */
export interface Moment {
  /** Event time, µs. */
  readonly at: number;
  readonly receivedAt: number | null;
  /** Journal time, µs. */
  readonly journaledAt: number;
  /** What an alert that opens now is named after: the reading's position or the timer's time. */
  readonly origin: string;
  readonly value: Value | null;
  readonly summary: string;
  /** Since when, where the verdict's own level does not say. */
  readonly since: number;
  /** It is told in a summary, not on its own. */
  readonly isRetrospective: boolean;
  readonly reason: (change: Change) => string;
}
export interface Change {
  readonly kind: TransitionKind;
  readonly fromLevel: Level | null;
  readonly toLevel: Level | null;
}
export interface Subject {
  readonly journalId: string;
  readonly rule: string;
  readonly device: string;
  readonly group?: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Advance {
  /** The open alert afterwards, or null. */
  readonly open: TrackedAlert | null;
  readonly transitions: readonly NewTransition[];
}

/** Null when the alert stays as it is. */
export function advance(open: TrackedAlert | null, verdict: Verdict, subject: Subject, moment: () => Moment): Advance | null {
  if (open === null) return verdict.phase === 'ok' ? null : opened(verdict, subject, moment());
  const { alert } = open;
  if (alert.state === 'pending') {
    if (verdict.phase === 'pending') return null;
    if (verdict.phase === 'ok') return closed(open, moment(), 'cancelled');
    const now = moment();
    return changed(open, verdict, now, { kind: 'firing', fromLevel: null, firedAt: now.at });
  }
  if (verdict.phase === 'firing') {
    const kind = verdict.level !== alert.level ? 'level' : verdict.noData !== alert.flags.includes('no-data') ? 'no-data' : null;
    return kind === null ? null : changed(open, verdict, moment(), { kind, fromLevel: alert.level, firedAt: alert.firedAt });
  }
  const now = moment();
  const end = closed(open, now, 'resolved');
  if (verdict.phase === 'ok') return end;
  // What fired is over, and another level is on its way: an alert of its own.
  const next = opened(verdict, subject, now);
  return { open: next.open, transitions: [...end.transitions, ...next.transitions] };
}

/** The rule or the device is gone from the configuration. */
export function removed(open: TrackedAlert, at: number): NewTransition[] {
  const kind = open.alert.state === 'pending' ? 'cancelled' : 'resolved';
  const { value, summary } = open.alert;
  return [
    ...closed(
      open,
      { at, receivedAt: null, journaledAt: at, origin: '', value, summary, since: at, isRetrospective: false, reason: () => 'removed' },
      kind,
    ).transitions,
  ];
}

function opened(verdict: Verdict, subject: Subject, moment: Moment): Advance {
  const isFiring = verdict.phase === 'firing';
  const level = verdict.level ?? 'warning';
  const alert: Alert = {
    id: alertId(subject, moment.origin),
    rule: subject.rule,
    device: subject.device,
    ...(subject.group !== undefined && { group: subject.group }),
    level,
    state: isFiring ? 'firing' : 'pending',
    flags: flagsOf(verdict.noData, moment),
    since: verdict.since ?? moment.since,
    firedAt: isFiring ? moment.at : null,
    resolvedAt: null,
    value: moment.value,
    summary: moment.summary,
    labels: subject.labels,
  };
  return moved(alert, 1, moment, { kind: isFiring ? 'firing' : 'pending', fromLevel: null, toLevel: level });
}

function changed(
  open: TrackedAlert,
  verdict: Verdict,
  moment: Moment,
  change: { kind: TransitionKind; fromLevel: Level | null; firedAt: number | null },
): Advance {
  const level = verdict.level ?? open.alert.level;
  const isSameLevel = level === open.alert.level;
  const alert: Alert = {
    ...open.alert,
    level,
    state: 'firing',
    flags: flagsOf(verdict.noData, moment),
    since: verdict.since ?? (isSameLevel ? open.alert.since : moment.since),
    firedAt: change.firedAt,
    value: moment.value,
    summary: moment.summary,
  };
  return moved(alert, open.transitions + 1, moment, { kind: change.kind, fromLevel: change.fromLevel, toLevel: level });
}

function closed(open: TrackedAlert, moment: Moment, kind: 'resolved' | 'cancelled'): Advance {
  const { value, summary } = moment;
  const alert: Alert = { ...open.alert, state: 'resolved', flags: flagsOf(false, moment), resolvedAt: moment.at, value, summary };
  const fromLevel = kind === 'resolved' ? open.alert.level : null;
  return { ...moved(alert, open.transitions + 1, moment, { kind, fromLevel, toLevel: null }), open: null };
}

function moved(alert: Alert, number: number, moment: Moment, change: Change): Advance {
  const { at, receivedAt, journaledAt } = moment;
  const { kind, fromLevel } = change;
  const transition = { id: `${alert.id}/${number}`, kind, fromLevel, alert, at, receivedAt, journaledAt, reason: moment.reason(change) };
  return { open: { alert, transitions: number }, transitions: [transition] };
}

/** Which of its alert's transitions it is, from 1. */
export const countOf = ({ id }: Pick<NewTransition, 'id'>): number => Number(id.slice(id.lastIndexOf('/') + 1));

function flagsOf(noData: boolean, moment: Moment): AlertFlag[] {
  const flags: AlertFlag[] = noData ? ['no-data'] : [];
  if (moment.isRetrospective) flags.push('retrospective');
  return flags;
}

function alertId(subject: Subject, origin: string): string {
  const parts = JSON.stringify([subject.journalId, subject.rule, subject.device, origin]);
  return createHash('sha256').update(parts).digest('hex').slice(0, 20);
}
