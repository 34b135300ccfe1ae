/**
 * What holds an alert back on a route, and what goes out at the end of that. In this order, each a key:
 *
 *     inhibition   an unresolved source matches that has equal values, and that the alert does not inhibit in turn
 *     schedule     the route is not `active`, or is `muted`, at this time
 *     silence      one that has begun and not ended matches
 *
 * A mute remembers what it held back. When the last one ends that holds an alert, the alert goes into that mute's summary: what
 * fires still, and what came and went. So nothing is lost by having been muted, and nothing comes out of it one by one.
 */
import type { Alert } from '../../domain/alert.ts';
import { isWithin, nextBoundary } from '../calendar.ts';
import { isFiring } from '../content.ts';
import { matches } from '../matching.ts';
import { Audience } from './audience.ts';
import type { DispatchState } from './dispatch-state.ts';
import { leave } from './grouping.ts';
import { Inhibiting } from './inhibiting.ts';
import { DEFAULT_ROUTE, type RoutePlan } from './policy.ts';
import type { AlertEntry, Mute, StoredSilence } from './state.ts';
import { isOld } from './telling.ts';

/** Alerts that one mute keeps for its summary; past that the oldest that are over are only counted. */
const KEPT_PER_MUTE_MAX = 1000;
/** Silences that are over and can still be looked at. */
const ENDED_KEPT_MAX = 500;
const SILENCE = '1/silence/';
const SCHEDULE = '2/schedule/';

export class Muting {
  readonly #state: DispatchState;
  readonly #inhibiting: Inhibiting;

  constructor(state: DispatchState) {
    this.#state = state;
    this.#inhibiting = new Inhibiting(state.policy);
    state.onForgotten = (id) => this.#inhibiting.remove(id);
  }

  /** After a start: what there is of alerts and silences. */
  begin(): void {
    for (const { alert } of this.#state.tables.alert.values()) this.#inhibiting.place(alert);
    for (const silence of this.#state.tables.silence.values()) this.#armSilence(silence);
  }

  /** From the first event on: windows go back to the beginning of time, and there was nothing to mute. */
  armSchedules(): void {
    for (const id of this.#state.policy.schedules.keys()) this.#armSchedule(id);
  }

  /** The alert is new or has changed: who it inhibits, and what holds it back. */
  alertChanged(entry: AlertEntry): void {
    const { id } = entry.alert;
    const keys = this.#inhibiting.place(entry.alert);
    this.remute(entry);
    if (!isFiring(entry.alert)) for (const { mutes } of Object.values(entry.on)) this.#bound(mutes.at(-1));
    for (const key of keys) {
      const isHeld = (target: string): boolean =>
        Object.values(this.#state.entry(target)?.on ?? {}).some(({ mutes }) => mutes.includes(key));
      for (const target of this.#inhibiting.changedBy(id, key, isHeld)) this.#remuteById(target);
    }
  }

  #remuteById(id: string): void {
    const entry = this.#state.entry(id);
    if (entry !== undefined) this.remute(entry);
  }

  /** What holds the alert back on each of its routes, now. */
  remute(entry: AlertEntry): void {
    for (const route of Object.keys(entry.on)) {
      const plan = this.#state.policy.route(route);
      if (plan !== undefined) this.#hold(entry, plan, this.mutesOf(entry, plan));
    }
  }

  remuteAll(): void {
    for (const entry of this.#state.entries()) this.remute(entry);
  }

  mutesOf(entry: Pick<AlertEntry, 'alert'>, plan: RoutePlan, now: number = this.#state.now): string[] {
    const inhibited = this.#inhibiting.keysFor(entry.alert);
    const scheduled = isOff(plan, this.#state, now) ? [`schedule/${plan.key}`] : [];
    const silenced = this.#silences().flatMap((silence) =>
      isInForce(silence, now) && matches(silence.match, entry.alert) ? [`silence/${silence.id}`] : [],
    );
    // After a start they come in another order: of what holds an alert back, the last one's end tells of it.
    return [...inhibited, ...scheduled, ...silenced];
  }

  silence(silence: StoredSilence): void {
    const { silence: silences } = this.#state.tables;
    silences.set(silence.id, silence);
    const ended = this.#silences()
      .filter(({ endedAt }) => endedAt !== null)
      .sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0));
    for (const { id } of ended.slice(0, Math.max(0, ended.length - ENDED_KEPT_MAX))) silences.delete(id);
    this.#armSilence(silence);
    this.remuteAll();
  }

  /** It ends now; `by` null: by itself. */
  endSilence(id: string, by: string | null): void {
    const silence = this.#state.tables.silence.get(id);
    if (silence === undefined || silence.endedAt !== null) return;
    this.#state.tables.silence.set(id, { ...silence, endedAt: this.#state.now, endedBy: by });
    this.#state.agenda.delete(SILENCE + id);
    for (const { entry } of this.#state.members('mute', `silence/${id}`)) this.remute(entry);
  }

  /**
   * The alert is over: silences that were to hold until what they match is resolved, and it is. At whatever level it fires: one
   * that has risen beyond the silence is no end of it, and one that ended there does not leave it in force for ever.
   */
  endDone(over: Alert): void {
    for (const silence of this.#silences()) {
      if (silence.endsAt !== null || !isInForce(silence, this.#state.now)) continue;
      const ofAnyLevel = { ...silence.match, levels: null };
      if (!matches(ofAnyLevel, over)) continue;
      const isAnyLeft = this.#state.tables.alert.values().some(({ alert }) => isFiring(alert) && matches(ofAnyLevel, alert));
      if (!isAnyLeft) this.endSilence(silence.id, null);
    }
  }

  /** A timer of a silence or of a schedule; false: it is another's. */
  fired(key: string): boolean {
    if (key.startsWith(SILENCE)) {
      const silence = this.#state.tables.silence.get(key.slice(SILENCE.length));
      if (silence === undefined) return true;
      if (silence.endsAt !== null && silence.endsAt <= this.#state.now) this.endSilence(silence.id, null);
      else {
        this.#armSilence(silence);
        this.remuteAll();
      }
      return true;
    }
    if (!key.startsWith(SCHEDULE)) return false;
    this.#armSchedule(key.slice(SCHEDULE.length));
    this.remuteAll();
    return true;
  }

  /** In an order that a restart does not change. */
  #silences(): StoredSilence[] {
    return [...this.#state.tables.silence.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #hold(entry: AlertEntry, plan: RoutePlan, mutes: readonly string[]): void {
    const membership = entry.on[plan.key];
    if (membership === undefined) return;
    const before = membership.mutes;
    if (before.length === mutes.length && before.every((key, index) => key === mutes[index])) return;
    const state = this.#state;
    if (before.length === 0 && this.#isPast(entry, plan)) {
      leave(state, entry, plan);
      return;
    }
    for (const key of mutes) if (!before.includes(key)) this.#noteMuted(entry, plan, key);
    const ended = before.filter((key) => !mutes.includes(key)).at(-1);
    if (mutes.length > 0 || ended === undefined) {
      // What was to be told at the end of another mute is this one's to tell now.
      state.change(entry, plan.key, { mutes, summary: null, isInStorm: false });
    } else {
      this.#toSummary(entry, plan, ended);
    }
    for (const key of before) if (state.memberCount('mute', key) === 0) state.tables.mute.delete(key);
    state.flag(entry.alert.id);
  }

  /** It was over before anything held it back, and there is nothing to tell of it. What the end of a backlog has just brought is news. */
  #isPast(entry: AlertEntry, plan: RoutePlan): boolean {
    if (isOld(entry) || entry.firedAt === this.#state.now || entry.on[plan.key]?.summary !== null) return false;
    return new Audience(this.#state).isDone(entry, plan.key);
  }

  #toSummary(entry: AlertEntry, plan: RoutePlan, ended: string): void {
    const state = this.#state;
    const mute = state.tables.mute.get(ended);
    // The end of its backlog tells of it.
    if (isOld(entry)) {
      state.change(entry, plan.key, { mutes: [], summary: null });
      return;
    }
    const audience = new Audience(state);
    const isOver = audience.isDone(entry, plan.key);
    if (mute === undefined || (isOver && !audience.isNewTo(entry, plan.key))) {
      state.change(entry, plan.key, { mutes: [], summary: null });
      if (!isOver) return;
      state.leave(entry, plan.key);
      state.settle(entry);
      return;
    }
    const dueAt = state.now + (isFiring(entry.alert) ? plan.groupWaitMs[entry.alert.level] : plan.groupWaitMs.info) * 1000;
    const summary = state.tables.summary.get(ended);
    if (summary === undefined) {
      const { kind, name, by, since, more } = mute;
      state.tables.summary.set(ended, { key: ended, kind: 'mute-end', mute: kind, name, by, from: since, to: state.now, dueAt, more });
    } else if (dueAt < summary.dueAt) {
      summary.dueAt = dueAt;
      state.tables.summary.touch(ended);
    }
    state.change(entry, plan.key, { mutes: [], summary: ended });
    state.note(entry, `${describe(mute)} has ended: told in its summary`);
    state.agenda.set(summaryKey(ended), Math.min(dueAt, summary?.dueAt ?? dueAt));
  }

  #noteMuted(entry: AlertEntry, plan: RoutePlan, key: string): void {
    const { tables, now } = this.#state;
    let mute = tables.mute.get(key);
    if (mute === undefined) {
      mute = { key, since: now, more: 0, ...this.described(entry, plan, key) };
      tables.mute.set(key, mute);
    }
    if (isFiring(entry.alert)) this.#state.note(entry, `held back: ${describe(mute)}; its end tells of it`);
  }

  described(entry: Pick<AlertEntry, 'alert'>, plan: RoutePlan, key: string): Pick<Mute, 'kind' | 'name' | 'by'> {
    if (key.startsWith('silence/')) {
      const { comment, by } = this.#state.tables.silence.get(key.slice('silence/'.length)) ?? { comment: '', by: null };
      return { kind: 'silence', name: comment, by };
    }
    if (key.startsWith('schedule/')) return { kind: 'schedule', name: scheduleNames(plan), by: null };
    const [source] = this.#inhibiting.sourcesOf(key);
    const of = source === undefined ? undefined : this.#state.entry(source);
    return { kind: 'inhibition', name: of === undefined ? entry.alert.rule : `${of.alert.rule} on ${of.alert.device}`, by: null };
  }

  /** The oldest that are over go first: they are counted. */
  #bound(key: string | undefined): void {
    const state = this.#state;
    if (key === undefined || state.memberCount('mute', key) <= KEPT_PER_MUTE_MAX) return;
    const over = state.members('mute', key).filter(({ entry }) => !isFiring(entry.alert) && Object.keys(entry.told).length === 0);
    const oldest = over.sort((a, b) => a.entry.firedAt - b.entry.firedAt || (a.entry.alert.id < b.entry.alert.id ? -1 : 1))[0];
    const mute = state.tables.mute.get(key);
    if (oldest === undefined || mute === undefined) return;
    mute.more += 1;
    state.tables.mute.touch(key);
    state.note(oldest.entry, `too much is held back by the ${mute.kind}: only counted in its summary`);
    state.leave(oldest.entry, oldest.route);
    state.settle(oldest.entry);
  }

  #armSilence({ id, startsAt, endsAt, endedAt }: StoredSilence): void {
    const { agenda, boundariesTo } = this.#state;
    if (endedAt !== null) {
      agenda.delete(SILENCE + id);
      return;
    }
    agenda.set(SILENCE + id, startsAt > boundariesTo ? startsAt : (endsAt ?? Number.POSITIVE_INFINITY));
  }

  #armSchedule(id: string): void {
    const schedule = this.#state.policy.schedules.get(id);
    if (schedule !== undefined) this.#state.agenda.set(SCHEDULE + id, nextBoundary(schedule, this.#state.boundariesTo));
  }
}

export const isInForce = ({ startsAt, endedAt, endsAt }: StoredSilence, now: number): boolean =>
  endedAt === null && startsAt <= now && (endsAt === null || now < endsAt);

export const summaryKey = (key: string): string => `7/summary/${key}`;

function isOff({ active, muted }: RoutePlan, { policy }: DispatchState, now: number): boolean {
  const holds = (id: string): boolean => {
    const schedule = policy.schedules.get(id);
    return schedule !== undefined && isWithin(schedule, now);
  };
  return (active !== null && !holds(active)) || (muted !== null && holds(muted));
}

const scheduleNames = ({ active, muted, key, name }: RoutePlan): string =>
  [active === null ? '' : `not ${active}`, muted ?? '', key === DEFAULT_ROUTE ? '' : name].filter((part) => part !== '').join(', ');

export function describe({ kind, name, by }: Pick<Mute, 'kind' | 'name' | 'by'>): string {
  if (kind === 'silence') return `the silence${by === null ? '' : ` of ${by}`}${name === '' ? '' : ` (${name})`}`;
  return kind === 'schedule' ? `the schedule (${name})` : `the inhibition by ${name}`;
}
