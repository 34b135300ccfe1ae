/**
 * From transitions to messages: `(state, event, now) → (state, messages)`, without a clock, a database or a network. Events are
 * transitions, operations of people, and timers; what is decided is timed by journal time alone, so that the same journal and the
 * same operations give the same messages, live and in a replay.
 *
 *     inhibition → schedule → silence → route → group → dedupe → limits → outbox        (`muting`, `policy`, `grouping`, `telling`)
 *     flapping and storms stand before the group; escalation, reminders, summaries and digests are timers
 *
 * A timer due at T fires with now = T, once every transition decided up to T has been worked through; of several at the same T
 * mutes begin and end first, then groups are told, then summaries, escalations, digests.
 */
import type { Alert, AlertFlag, Transition } from '../../domain/alert.ts';
import { levelRank } from '../../domain/alert.ts';
import type { Operation, OperationResult } from '../../domain/operation.ts';
import { isFiring } from '../content.ts';
import { matches } from '../matching.ts';
import {
  acknowledge,
  armAcknowledgement,
  dropAcknowledgement,
  expire,
  isAcknowledgementKey,
  risen,
  unacknowledge,
} from './acknowledging.ts';
import { backlogEnded } from './backlogs.ts';
import { type Decided, DispatchState, type Tables } from './dispatch-state.ts';
import { armEscalations, awaitEscalations, endEscalations, escalate, isEscalationKey } from './escalating.ts';
import { armFlaps, calmed, flapped, isFlapKey } from './flapping.ts';
import { armGroup, dueBy, flush, groupIn, isGroupKey, newsIn, remindAnew } from './grouping.ts';
import { Muting, summaryKey } from './muting.ts';
import type { Policy, RoutePlan } from './policy.ts';
import { type AlertPreview, previewOf } from './previewing.ts';
import { entryOf, explainRoutes, plansOf, route } from './routing.ts';
import type { AlertEntry, StoredSilence } from './state.ts';
import { isStormKey, Storming } from './storming.ts';
import { isSummaryKey, sum } from './summing.ts';
import { armDigests, digest, isDigestKey, isFlapping, isOld } from './telling.ts';

const META = 'clock';

export class Dispatcher {
  readonly #state: DispatchState;
  readonly #muting: Muting;
  readonly #storming: Storming;
  #isPolicyNew = false;
  #firedTo = 0;
  /** Nothing has happened yet: time begins with the first event, and no schedule is followed from 1970 on. */
  #isUntouched = false;

  /** @param load puts the stored rows in; without it there is nothing yet */
  constructor(policy: Policy, load: (tables: Tables) => void = () => undefined) {
    this.#state = new DispatchState(policy);
    this.#muting = new Muting(this.#state);
    this.#storming = new Storming(this.#state);
    this.#state.onMoved = (entry) => awaitEscalations(this.#state, entry);
    load(this.#state.tables);
    this.#begin();
  }

  /** Journal time of the last event, µs. */
  get now(): number {
    return this.#state.now;
  }
  /** Every timer due by then has fired since the last event; 0: none has. */
  get firedTo(): number {
    return this.#firedTo;
  }
  /** What is under way was decided by another policy: `reload` comes before anything else. */
  get isPolicyNew(): boolean {
    return this.#isPolicyNew;
  }
  /** Journal time of the next timer, µs; infinity when none runs. */
  get nextDue(): number {
    return this.#isPolicyNew ? this.#state.now : this.#state.agenda.nextDue;
  }
  get policy(): Policy {
    return this.#state.policy;
  }
  /** Rows that have changed since they were last written. */
  get tables(): Tables {
    return this.#state.tables;
  }

  /** What was decided since it was last asked. */
  take(): Decided {
    return this.#state.take();
  }

  transition(transition: Transition): void {
    this.advance(transition.journaledAt - 1);
    this.#to(transition.journaledAt);
    const { kind, alert } = transition;
    if (kind === 'pending' || kind === 'cancelled') {
      const why = kind === 'pending' ? 'pending: nobody is told before it fires' : 'ended before it fired: nobody is told';
      this.#state.note({ alert, transition: transition.id }, why);
      return;
    }
    if (kind === 'backlog') backlogEnded(this.#state, this.#muting, transition);
    else this.#changed(transition);
  }

  /** The policy that it was given takes effect, where it is another one: who is to be told now, and was not, is told. @param at journal time */
  reload(at: number): void {
    if (!this.#isPolicyNew) return;
    this.#isPolicyNew = false;
    this.#to(at);
    this.#policyChanged();
  }

  /** Journal time goes on: every timer due up to and including `until` fires. */
  advance(until: number): void {
    if (this.#isUntouched && until > 0) this.#timeBegins(until);
    this.reload(until);
    for (let next = this.#state.agenda.pop(until); next !== null; next = this.#state.agenda.pop(until)) {
      this.#to(next.due);
      this.#state.boundariesTo = Math.max(this.#state.boundariesTo, next.due);
      this.#fire(next.key);
    }
    // Its time is that of what was decided last, however often it is asked to go on: or a clock that steps back would matter.
    this.#state.boundariesTo = Math.max(this.#state.boundariesTo, until);
    this.#firedTo = Math.max(this.#firedTo, until);
  }

  /**
   * Before timers of that time: transitions of it may still come, and those timers come after them.
   * @param at journal time, not before `now`
   */
  operate(operation: Operation, at: number): OperationResult {
    this.advance(at - 1);
    const { now } = this.#state;
    const firedTo = this.#firedTo;
    this.#to(at);
    const result = this.#operate(operation);
    if (result.done) return result;
    // What has no effect is no event.
    this.#state.now = now;
    this.#firedTo = firedTo;
    return result;
  }

  #operate(operation: Operation): OperationResult {
    if (operation.kind === 'silence') return this.#silence(operation.silence);
    if (operation.kind === 'end-silence') {
      const silence = this.#state.tables.silence.get(operation.silence);
      if (silence === undefined) return refused(`there is no silence ${operation.silence}`, 'tocsin silences lists them');
      this.#muting.endSilence(operation.silence, operation.by);
      return { done: true };
    }
    const entry = this.#state.entry(operation.alert);
    if (operation.kind === 'comment') {
      this.#state.note(entry ?? { alert: { id: operation.alert }, transition: '' }, `${operation.by}: ${operation.comment}`);
      return { done: true };
    }
    if (entry === undefined || !isFiring(entry.alert)) return refused(`the alert ${operation.alert} does not fire`, null);
    if (operation.kind === 'acknowledge') acknowledge(this.#state, entry, operation);
    else if (entry.acknowledgement !== null) unacknowledge(this.#state, entry, `acknowledgement taken back by ${operation.by}`);
    return { done: true };
  }

  /** What stands beside the alert's state: alerting knows of the other flags. */
  flagsOf(id: string): AlertFlag[] {
    const entry = this.#state.entry(id);
    if (entry === undefined || !isFiring(entry.alert)) return [];
    const mutes = Object.values(entry.on).flatMap((membership) => membership.mutes);
    const flags: AlertFlag[] = [];
    if (entry.acknowledgement !== null) flags.push('acknowledged');
    if (mutes.some((key) => key.startsWith('silence/'))) flags.push('silenced');
    if (mutes.some((key) => key.startsWith('inhibition/'))) flags.push('inhibited');
    if (isFlapping(this.#state, entry)) flags.push('flapping');
    return flags;
  }

  entry(id: string): AlertEntry | undefined {
    return this.#state.entry(id);
  }

  /** How many alerts a silence mutes now. */
  silencedCount(id: string): number {
    return new Set(this.#state.members('mute', `silence/${id}`).map(({ entry }) => entry.alert.id)).size;
  }

  /** What would become of an alert if it fired at that time. */
  preview(alert: Alert, at: number): AlertPreview {
    return previewOf(alert, at, { state: this.#state, muting: this.#muting });
  }

  #timeBegins(at: number): void {
    this.#isUntouched = false;
    this.#state.boundariesTo = at;
    this.#muting.armSchedules();
  }

  /** An event: what it makes due at once has not fired yet. */
  #to(time: number): void {
    this.#firedTo = 0;
    this.#state.now = Math.max(this.#state.now, time);
  }

  /** Notes journal time and policy beside the rest, when something of it is about to be written. */
  stamp(): void {
    const { now, boundariesTo, policy, tables } = this.#state;
    const { fingerprint } = policy;
    const stamp = { now, boundariesTo, firedTo: this.#firedTo, fingerprint };
    if (JSON.stringify(tables.meta.get(META)) !== JSON.stringify(stamp)) tables.meta.set(META, stamp);
  }

  #begin(): void {
    const state = this.#state;
    const { tables, policy } = state;
    const meta = tables.meta.get(META);
    state.now = meta?.now ?? 0;
    state.boundariesTo = meta?.boundariesTo ?? 0;
    this.#firedTo = meta?.firedTo ?? 0;
    state.reindex();
    this.#isUntouched = meta === undefined;
    this.#muting.begin();
    this.#storming.begin();
    for (const group of tables.group.values()) armGroup(state, group);
    for (const { key, dueAt } of tables.summary.values()) state.agenda.set(summaryKey(key), dueAt);
    for (const entry of tables.alert.values()) armAcknowledgement(state, entry);
    // A restart, or a reload that changes nothing, is silent.
    this.#isPolicyNew = meta !== undefined && meta.fingerprint !== policy.fingerprint;
    if (this.#isUntouched || this.#isPolicyNew) return;
    this.#armPolicy();
    for (const entry of tables.alert.values()) awaitEscalations(state, entry);
  }

  /** Timers that follow from the policy: of a new one only from the time of the change on. */
  #armPolicy(): void {
    this.#muting.armSchedules();
    armFlaps(this.#state);
    armDigests(this.#state);
  }

  /** Other routes, contacts, schedules: whoever is to be told now, and was not, is told. */
  #policyChanged(): void {
    const state = this.#state;
    this.#armPolicy();
    this.#storming.policyChanged();
    for (const entry of state.entries()) {
      route(state, entry);
      if (Object.keys(entry.on).length === 0) {
        state.note(entry, 'over, and its route is gone: nobody is told that it came and went');
        state.settle(entry);
        continue;
      }
      this.#muting.alertChanged(entry);
      for (const plan of plansOf(state, entry)) {
        const group = groupIn(state, plan, entry);
        if (group !== undefined) dueBy(state, group, state.now + plan.groupWaitMs[entry.alert.level] * 1000);
        const { isInStorm = false, summary = null } = entry.on[plan.key] ?? {};
        if (isInStorm) this.#storming.changed(entry, plan);
        if (summary !== null) this.#hasten(summary, entry, plan);
      }
      for (const key of Object.keys(entry.escalations)) if (!state.policy.escalations.has(key)) delete entry.escalations[key];
      state.touch(entry);
      // What nobody was told of yet begins to count with that.
      if (isFiring(entry.alert) && Object.keys(entry.told).length > 0) armEscalations(state, entry);
    }
    for (const group of [...state.tables.group.values()]) remindAnew(state, group);
  }

  #fire(key: string): void {
    const state = this.#state;
    if (this.#muting.fired(key)) {
      this.#storming.tidy();
      return;
    }
    if (isGroupKey(key)) flush(state, key);
    else if (isStormKey(key)) this.#storming.flush(key);
    else if (isSummaryKey(key)) sum(state, key);
    else if (isEscalationKey(key)) escalate(state, key);
    else if (isDigestKey(key)) digest(state, key);
    else if (isAcknowledgementKey(key)) expire(state, key);
    else if (isFlapKey(key)) {
      const entry = calmed(state, key);
      if (entry !== null) this.#tell(entry);
    }
  }

  #changed({ kind, alert, id, reason, receivedAt, fromLevel }: Transition): void {
    const state = this.#state;
    const known = state.entry(alert.id);
    if (known === undefined && !isFiring(alert)) {
      state.note({ alert, transition: id }, 'resolved: nobody had been told of it');
      return;
    }
    const entry = entryOf(state, { alert, transition: id, reason, receivedAt });
    if (isOld(entry)) state.note(entry, 'retrospective: told in the summary at the end of the backlog');
    else if (kind !== 'no-data') flapped(state, entry);
    const isHigher = kind === 'level' && levelRank(alert.level) > levelRank(fromLevel);
    if (isHigher) risen(state, entry);
    if (!isFiring(alert)) endEscalations(state, entry);
    route(state, entry);
    this.#muting.alertChanged(entry);
    awaitEscalations(state, entry);
    this.#storming.tidy();
    if (!isOld(entry)) {
      if (kind === 'firing') explainRoutes(state, entry);
      this.#tell(entry, kind === 'firing');
    }
    if (!isFiring(alert)) this.#over(entry);
  }

  /** News of an alert, on each of its routes: what a storm or a summary tells of is theirs. */
  #tell(entry: AlertEntry, isNew = false): void {
    const state = this.#state;
    for (const plan of plansOf(state, entry)) {
      const membership = entry.on[plan.key];
      if (membership === undefined || membership.mutes.length > 0) continue;
      if (membership.summary !== null) this.#hasten(membership.summary, entry, plan);
      else if (membership.isInStorm) this.#storming.changed(entry, plan);
      else if (!(isNew && this.#storming.takes(entry, plan))) newsIn(state, plan, entry);
    }
  }

  /** What is critical by now does not wait for the summary of the rest, nor longer than another policy says. */
  #hasten(key: string, { alert }: AlertEntry, plan: RoutePlan): void {
    const summary = this.#state.tables.summary.get(key);
    const dueAt = this.#state.now + plan.groupWaitMs[alert.level] * 1000;
    if (summary === undefined || !isFiring(alert) || dueAt >= summary.dueAt) return;
    summary.dueAt = dueAt;
    this.#state.tables.summary.touch(key);
    this.#state.agenda.set(summaryKey(key), dueAt);
  }

  #over(entry: AlertEntry): void {
    dropAcknowledgement(this.#state, entry);
    this.#muting.endDone(entry.alert);
  }

  #silence(silence: StoredSilence | Omit<StoredSilence, 'endedAt' | 'endedBy'>): OperationResult {
    const { endsAt, startsAt } = silence;
    const state = this.#state;
    const known = state.tables.silence.get(silence.id);
    if (known !== undefined && known.endedAt !== null) return refused(`the silence ${silence.id} has ended`, 'make a new one');
    if (endsAt !== null && endsAt <= state.now) return refused('the silence would have ended already', 'give a later end');
    const isMatching = [...state.tables.alert.values()].some(({ alert }) => isFiring(alert) && matches(silence.match, alert));
    if (endsAt === null && (startsAt > state.now || !isMatching))
      return refused('nothing that it matches fires, so it would end at once', 'give it an end: for or until');
    this.#muting.silence({ ...silence, endedAt: null, endedBy: null });
    return { done: true };
  }
}

const refused = (problem: string, hint: string | null): OperationResult => ({ done: false, problem, hint });
