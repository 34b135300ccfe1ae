/**
 * Goes along the log of a run and judges each message: whether it is true, whether there is a cause for it, whether whom it is for
 * is to hear of it, whether nothing holds it back; and, wherever time goes on, whether somebody has not heard what they had to.
 */
import * as z from 'zod';
import type { Transition } from '../../../src/domain/alert.ts';
import type { LoggedOperation } from '../../../src/domain/operation.ts';
import type { Content, Item } from '../../../src/notify/content.ts';
import { personsOf } from './hours.ts';
import { fits, isOld, Model, partOf, type Tracked, type Way } from './model.ts';
import type { Seen, Told } from './run.ts';

const HOUR_US = 3_600_000_000;
const TOLD = /: told to (\S+)/g;
const HELD_BACK = /: held back for (\S+), who had/;

interface Message {
  readonly id: string;
  readonly contact: string;
  readonly at: number;
  readonly content: Content;
}

interface Hold {
  readonly tracked: Tracked;
  readonly contact: string;
  readonly at: number;
  readonly isEscalation: boolean;
}

export class Judging {
  readonly model: Model;
  readonly counts: Record<string, number> = {};
  readonly #told: Told;
  /** By contact, when each of its messages was decided on, and whether it tells of something critical. */
  readonly #messages = new Map<string, { at: number; isCritical: boolean }[]>();
  #limitedSince: number;
  /** What a limit holds back: from when all is known that was told at the same time. */
  #holds: Hold[] = [];
  /** What the transaction says was told: alert, contact, time. */
  #toldNow: ReadonlySet<string> = new Set();
  #transition = 0;
  #transitionsUntil = 0;

  constructor(told: Told) {
    this.#told = told;
    this.model = new Model(told.script);
    this.#limitedSince = told.script.startsAt;
  }

  judge(): readonly string[] {
    const { seen, script } = this.#told;
    let commit: Seen[] = [];
    for (const row of seen) {
      if (row.kind === 'config') {
        const config = script.configs[Number(row.ref)] ?? this.model.config;
        // Of a start with the same, what came meanwhile has still to be taken up.
        if (config === this.model.config) continue;
        this.#goOn(row.at);
        this.#holdAll();
        if (this.model.config.limits?.perHour !== config.limits?.perHour) this.#limitedSince = row.at;
        this.model.configure(config);
      } else {
        commit.push(row);
        if (row.kind !== 'cursor') continue;
        this.#committed(commit, Number(row.ref));
        commit = [];
      }
    }
    this.#goOn(script.endsAt);
    for (const tracked of this.model.active) {
      const { alert, told, owed } = tracked;
      const unaware = [...told.keys()].filter((contact) => this.#isContact(contact) && this.model.lacks(tracked, contact) !== null);
      const left = [...new Set([...unaware, ...owed.keys()])];
      if (left.length > 0) this.model.fault(`${alert.id} is ${alert.state}, and at the end ${left.join(', ')} do not know`);
    }
    return this.model.faults;
  }

  /** What one transaction brought, in the order in which it came about. */
  #committed(rows: readonly Seen[], cursor: number): void {
    this.#transitionsUntil = cursor;
    const notes = rows.filter(({ kind }) => kind === 'note');
    this.#toldNow = new Set(notes.flatMap(({ ref, at, body }) => [...body.matchAll(TOLD)].map(([, contact]) => `${ref} ${contact} ${at}`)));
    for (const row of rows.filter(({ kind }) => kind === 'message')) {
      this.#transitionsTo(row.at, notes);
      this.#message({ id: row.ref, contact: row.contact, at: row.at, content: contentOf(row.body) });
    }
    this.#transitionsTo(Number.POSITIVE_INFINITY, notes);
    for (const { at, body } of rows.filter(({ kind }) => kind === 'operation')) {
      this.#goOn(at);
      this.model.operation(operationOf(body));
    }
  }

  #transitionsTo(until: number, notes: Seen[]): void {
    for (;;) {
      const next: Transition | undefined = this.#told.transitions[this.#transition];
      const at = next === undefined || next.sequence > this.#transitionsUntil || next.journaledAt > until ? null : next.journaledAt;
      while (notes[0] !== undefined && (at === null ? notes[0].at <= until : notes[0].at < at)) this.#note(notes.shift(), notes);
      if (at === null || next === undefined) return;
      this.#goOn(at);
      this.model.transition(next);
      this.#transition += 1;
    }
  }

  #note(note: Seen | undefined, later: readonly Seen[]): void {
    if (note === undefined) return;
    const tracked = this.model.alerts.get(note.ref);
    if (tracked === undefined) return;
    this.#goOn(note.at);
    if (note.body.includes('one of many alerts at once')) this.model.inStorm(tracked);
    if (note.body.startsWith('too much is held back')) tracked.isMissed = false;
    const contact = HELD_BACK.exec(note.body)?.[1];
    if (contact === undefined) return;
    // Something critical may have told of it after all.
    if (!later.some(({ ref, at, body }) => ref === note.ref && at === note.at && body.includes(`told to ${contact}`)))
      this.#holds.push({ tracked, contact, at: note.at, isEscalation: note.body.startsWith('escalation') });
  }

  /** Once all that was told at the same time, by the same config, is known. */
  #holdAll(): void {
    for (const hold of this.#holds.splice(0)) this.#hold(hold);
  }

  #hold({ tracked, contact, at, isEscalation }: Hold): void {
    this.#count('held back by a limit');
    const { limits } = this.model.config;
    if (limits === null || this.#recent(contact, at).length < limits.perHour)
      this.model.fault(`${tracked.alert.id} is held back for ${contact}, who had fewer messages than that`);
    tracked.held.add(contact);
    tracked.lapsed.delete(contact);
    this.model.endOn(tracked, contact);
    if (isEscalation) tracked.summoned.add(contact);
    this.model.active.add(tracked);
  }

  #goOn(until: number): void {
    if (until <= this.model.now) return;
    this.#holdAll();
    this.model.advance(until, (before) => this.#overdue(before));
  }

  /** What should have happened before then. */
  #overdue(before: number): void {
    for (const tracked of this.model.active) {
      const { alert, owed, held } = tracked;
      for (const [contact, deadline] of owed) {
        if (deadline >= before || (held.has(contact) && (alert.level !== 'critical' || alert.state !== 'firing'))) continue;
        const lack = this.model.lacks(tracked, contact);
        this.model.fault(`${contact} should have heard (${lack}) of ${alert.id} (${alert.level} ${alert.state}) by ${iso(deadline)}`);
        owed.delete(contact);
      }
      for (const contact of held) this.#digestOverdue(tracked, contact, before);
      this.#escalationOverdue(tracked, before);
    }
  }

  #digestOverdue(tracked: Tracked, contact: string, before: number): void {
    const { alert, isAdrift } = tracked;
    if (this.#roomAt(contact) >= before) return;
    const isMuted = this.model.isMutedFor(tracked, contact);
    this.model.leave(tracked, contact);
    // What is muted by then is told at the end of that.
    if (!isMuted && !isAdrift && this.#isContact(contact))
      this.model.fault(`the digest to ${contact} with ${alert.id} should have come by ${iso(this.#roomAt(contact))}`);
  }

  #escalationOverdue(tracked: Tracked, before: number): void {
    const { alert, escalatingSince, escalated, wasMuted, isInStorm, toldAt, levels } = tracked;
    const { escalations, contacts, limits } = this.model.config;
    // Steps that came due while it was muted, and storms, have a pace of their own.
    if (escalatingSince === null || escalations.length === 0 || wasMuted || isInStorm) return;
    const ways = this.model.waysOf(alert);
    const lead = Math.max(...ways.map((way) => (Math.max(...Object.values(way.groupWaitMs)) + 2 * way.groupIntervalMs) * 1000));
    for (const { match, steps } of escalations) {
      if (![...levels].every((level) => fits(match, { ...alert, level }))) continue;
      for (const [index, { afterMs, to }] of steps.entries()) {
        const due = escalatingSince + lead + afterMs * 1000;
        if (due >= before || escalated.has(`${afterMs} ${index + 1}`)) continue;
        escalated.set(`${afterMs} ${index + 1}`, before);
        // Who was told of it at that time for another reason knows. Those of one incident are told together, with the first of them.
        const first = Math.min(...this.#incidentOf(tracked).map(({ firedAt }) => firedAt));
        if (to.some((id) => (toldAt.get(id) ?? 0) >= Math.max(escalatingSince, first + afterMs * 1000))) continue;
        // Nobody may be on call, and a limit may hold it back for the digest.
        const isSomebody = contacts.some(({ id, onCall }) => to.includes(id) && onCall === null);
        if (isSomebody && (limits === null || alert.level === 'critical'))
          this.model.fault(`${alert.id} should have been escalated to ${to.join(', ')} (step ${index + 1}) by ${iso(due)}`);
      }
    }
  }

  /** It and those of its groups that fire, or did while it fired. */
  #incidentOf({ alert, firedAt }: Tracked): Tracked[] {
    const ways = this.model.waysOf(alert);
    return [...this.model.alerts.values()].filter((other) => {
      if (other.alert.state !== 'firing' && (other.alert.resolvedAt ?? 0) < firedAt) return false;
      const shared = this.model.waysOf(other.alert).filter((way) => ways.includes(way));
      return shared.some(({ groupBy }) => groupBy.every((name) => partOf(other.alert, name) === partOf(alert, name)));
    });
  }

  #message(message: Message): void {
    const { contact, at, content } = message;
    const { cause, items, more } = content;
    this.#goOn(at);
    this.#count(cause.kind);
    const wrong = (text: string): void => this.model.fault(`the ${cause.kind} to ${contact} (${message.id.slice(0, 6)}) ${text}`);
    this.#limits(message, wrong);
    for (const item of items) this.#item(message, item, wrong);
    this.#cause(message, wrong);
    for (const { alert } of items) {
      const tracked = this.model.alerts.get(alert.id);
      if (tracked !== undefined) this.#learned(tracked, contact);
    }
    if (cause.kind === 'digest' && more === 0) this.#leftOut(message, wrong);
    // Of whom it does not tell by name it tells in number: it stands on them that they were told, and they are not owed anything.
    if (more > 0 && cause.kind !== 'backlog')
      for (const tracked of [...this.model.active])
        if (tracked.owed.has(contact) && this.#toldNow.has(`${tracked.alert.id} ${contact} ${at}`)) this.#learned(tracked, contact);
  }

  /** What is muted by then is told at the end of that; everything else that was held back is in the digest. */
  #leftOut({ contact, content }: Message, wrong: (text: string) => void): void {
    for (const tracked of this.model.active) {
      const { alert, held, isAdrift } = tracked;
      if (!held.has(contact) || content.items.some((item) => item.alert.id === alert.id)) continue;
      if (!this.model.isMutedFor(tracked, contact) && !isAdrift) wrong(`leaves out ${alert.id}`);
      this.model.leave(tracked, contact);
    }
  }

  #learned(tracked: Tracked, contact: string): void {
    const { alert } = tracked;
    const isFlapping = this.model.isFlapping(alert);
    const state = isFlapping ? 'flapping' : alert.state === 'firing' ? 'firing' : 'resolved';
    tracked.told.set(contact, { state, level: alert.level, noData: alert.flags.includes('no-data') });
    tracked.heard.add(contact);
    tracked.toldAt.set(contact, this.model.now);
    this.model.endOn(tracked, contact);
    tracked.held.delete(contact);
    tracked.summoned.delete(contact);
    if (this.model.lacks(tracked, contact) === null) tracked.owed.delete(contact);
    this.model.rest(tracked);
  }

  /** It says what is the case, of somebody's alert, for a reason, and while nothing holds it back. */
  #item({ contact, content: { cause, items } }: Message, item: Item, wrong: (text: string) => void): void {
    const { alert, news } = item;
    const tracked = this.model.alerts.get(alert.id);
    if (tracked === undefined) {
      wrong(`tells of ${alert.id}, which there is not`);
      return;
    }
    const is = (of: typeof alert): string => `${of.level} ${of.state}${of.flags.includes('no-data') ? ' without data' : ''}`;
    if (tracked.transition !== item.transition) wrong(`tells of ${item.transition}, and the latest is ${tracked.transition}`);
    if (is(tracked.alert) !== is(alert)) wrong(`says that ${alert.id} is ${is(alert)}, and it is ${is(tracked.alert)}`);
    if (isOld(tracked.alert)) wrong(`tells of ${alert.id}, which belongs to a backlog`);
    const others = items.some((other) => other.news !== 'still' && other.news !== 'ended');
    const problem = this.#newsProblem(tracked, { contact, news, cause: cause.kind, isWithNews: others });
    if (problem !== null) wrong(`has ${news} of ${alert.id}, ${problem}`);
    if (tracked.isAdrift) return;
    // What was over and held back by a limit before it was muted is an old story.
    if (tracked.ways.size === 0 && (cause.kind !== 'digest' || alert.state === 'firing')) wrong(`tells of ${alert.id} while it is muted`);
    const isOurs = this.model.persons(tracked.ways).has(contact) || tracked.heard.has(contact) || tracked.held.has(contact);
    if (!isOurs && cause.kind !== 'escalation') wrong(`tells of ${alert.id}, which is none of theirs`);
    if (news === 'still' && (cause.kind === 'reminder' || cause.kind === 'update') && tracked.acknowledged !== null)
      wrong(`reminds of ${alert.id}, which is acknowledged`);
  }

  #newsProblem(tracked: Tracked, of: { contact: string; news: string; cause: string; isWithNews: boolean }): string | null {
    const { alert, told } = tracked;
    const known = told.get(of.contact);
    const isFiring = alert.state === 'firing';
    const isFlapping = this.model.isFlapping(alert);
    const isNew = known === undefined || known.state === 'resolved';
    const noData = alert.flags.includes('no-data');
    // What was over before a mute, and of which nobody had been told, is no news at its end.
    const wasHeldBack = tracked.isMissed || tracked.wasMuted || told.size + tracked.held.size > 0;
    const isMissed: Record<string, boolean> = { 'mute-end': wasHeldBack, backlog: true, digest: true };
    const holdsFor: Record<string, boolean> = {
      firing: isFiring && isNew && !isFlapping,
      level: isFiring && known?.state === 'firing' && known.level !== alert.level && !isFlapping,
      'no-data': isFiring && known?.state === 'firing' && known.level === alert.level && known.noData !== noData && !isFlapping,
      resolved: !isFiring && !isNew && !isFlapping,
      flapping: isFlapping && known?.state !== 'flapping',
      calm: isFiring && !isFlapping && known?.state === 'flapping',
      still: isFiring && this.model.lacks(tracked, of.contact) === null && (of.cause !== 'update' || of.isWithNews),
      ended: !isFiring && (isNew ? isMissed[of.cause] === true : isFlapping && of.cause === 'digest'),
    };
    if (holdsFor[of.news] === true) return null;
    const knows = known === undefined ? 'nothing' : `${known.level} ${known.state}`;
    return `${isFiring ? `${alert.level} firing` : 'over'}${isFlapping ? ' and flapping' : ''}; they were told ${knows}`;
  }

  #cause(message: Message, wrong: (text: string) => void): void {
    const { contact, at, content } = message;
    const { cause, items } = content;
    const trackeds = items.flatMap(({ alert }) => this.model.alerts.get(alert.id) ?? []);
    if (cause.kind === 'update' && !items.some(({ news }) => news !== 'still' && news !== 'ended')) wrong('has no news');
    if (cause.kind === 'update' || cause.kind === 'reminder') {
      for (const { alert } of trackeds)
        for (const [name, value] of Object.entries(cause.group))
          if (partOf(alert, name) !== value) wrong(`is of ${name} ${value}, and ${alert.id} is not`);
    }
    if (cause.kind === 'reminder') for (const tracked of trackeds) this.#reminder(message, tracked, wrong);
    if (cause.kind === 'escalation') this.#escalation(message, cause, trackeds, wrong);
    if (cause.kind === 'backlog') {
      const isEnd = this.#told.transitions.some(({ journaledAt, backlog }) => journaledAt === at && backlog?.device === cause.device);
      if (!isEnd) wrong(`is of a backlog of ${cause.device} that has not ended now`);
    }
    if (cause.kind === 'storm' && cause.phase === 'begun') {
      const { storm } = this.model.config;
      const inUs = (storm?.inMs ?? 0) * 1000;
      const fired = this.#told.transitions.filter(
        ({ kind, journaledAt }) => kind === 'firing' && journaledAt >= cause.since && journaledAt <= cause.since + inUs,
      );
      if (storm === null || fired.length <= storm.after) wrong(`is of a storm of only ${fired.length}`);
    }
    if (cause.kind === 'digest' && (cause.held < 1 || cause.since > at)) wrong(`is of ${cause.held} messages since ${iso(cause.since)}`);
    if (cause.kind === 'digest' && !trackeds.every(({ held }) => held.has(contact))) wrong('tells of what was not held back');
  }

  #reminder({ contact, at }: Message, tracked: Tracked, wrong: (text: string) => void): void {
    const ways = [...tracked.ways];
    const repeat = Math.min(...ways.map(({ repeatIntervalMs }) => (repeatIntervalMs ?? Number.POSITIVE_INFINITY) * 1000));
    const before = tracked.reminders.get(contact) ?? [];
    const last = before.at(-ways.length);
    if (last !== undefined && at - last < repeat && !this.#isFree(tracked, ways, last))
      wrong(`comes again for ${tracked.alert.id} since ${iso(last)}`);
    tracked.reminders.set(contact, [...before, at]);
  }

  /** An acknowledgement in one of its groups has gone since: reminders begin anew. */
  #isFree({ alert }: Tracked, ways: readonly Way[], since: number): boolean {
    return this.model.freed.some(
      (freed) =>
        freed.at >= since && ways.some(({ groupBy }) => groupBy.every((name) => partOf(freed.tracked.alert, name) === partOf(alert, name))),
    );
  }

  #escalation(
    { contact }: Message,
    cause: Extract<Content['cause'], { kind: 'escalation' }>,
    trackeds: readonly Tracked[],
    wrong: (text: string) => void,
  ): void {
    const { config, now } = this.model;
    const candidates = config.escalations.filter(({ steps }) => {
      const step = steps[cause.step - 1];
      return steps.length === cause.steps && step?.afterMs === cause.afterMs && personsOf(config, step.to, now).has(contact);
    });
    // Those of one incident that stand at the same step are told together, with the first of them.
    if (trackeds.every(({ firedAt }) => now < firedAt + cause.afterMs * 1000)) wrong('is too early');
    for (const tracked of trackeds) {
      const { alert, acknowledged, escalated, levels } = tracked;
      // Until somebody acknowledges it, or it is over: also when it has fallen to a level that would begin none.
      const own = candidates.filter(({ match }) => [...levels].some((level) => fits(match, { ...alert, level })));
      if (own.length === 0) wrong(`is of no escalation of ${alert.id}`);
      if (acknowledged !== null || alert.state !== 'firing')
        wrong(`is of ${alert.id}, which is ${acknowledged === null ? 'over' : 'acknowledged'}`);
      const key = `${cause.afterMs} ${cause.step}/${cause.steps} ${contact}`;
      if (escalated.has(key) && !own.some(({ loop }) => loop) && candidates.length < 2) wrong(`comes again for ${alert.id}`);
      escalated.set(key, now);
      escalated.set(`${cause.afterMs} ${cause.step}`, now);
    }
  }

  #limits({ contact, at, content }: Message, wrong: (text: string) => void): void {
    const isCritical = content.items.some(({ alert }) => alert.level === 'critical');
    this.#messages.set(contact, [...this.#recent(contact, at), { at, isCritical }]);
    const perHour = this.model.config.limits?.perHour ?? Number.POSITIVE_INFINITY;
    if (isCritical || at - this.#limitedSince < HOUR_US) return;
    const count = this.#recent(contact, at).filter((message) => !message.isCritical).length;
    if (count > perHour) wrong(`is the ${count}th within an hour`);
  }

  #recent(contact: string, at: number): { at: number; isCritical: boolean }[] {
    return (this.#messages.get(contact) ?? []).filter((message) => message.at > at - HOUR_US);
  }

  /** When the contact may have one more. */
  #roomAt(contact: string): number {
    const blocking = this.#messages.get(contact)?.at(-(this.model.config.limits?.perHour ?? Number.POSITIVE_INFINITY));
    return Math.max(blocking === undefined ? 0 : blocking.at + HOUR_US, this.#limitedSince);
  }

  #isContact(id: string): boolean {
    return this.model.config.contacts.some((contact) => contact.id === id);
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

const iso = (at: number): string => (Number.isFinite(at) ? new Date(at / 1000).toISOString().slice(5, 23) : 'never');

// Rows of ours, written by the code under test and checked by it when it reads them.
const contentOf = (body: string): Content => z.custom<Content>().parse(JSON.parse(body));
const operationOf = (body: string): LoggedOperation['operation'] => z.custom<LoggedOperation['operation']>().parse(JSON.parse(body));
