/**
 * One rule test: its readings through a replay, and what its expectations make of that.
 *
 * An expectation at T says what is so once every reading received by T was evaluated and every timer due by T has fired; its
 * messages are those about the same alert and device after the previous expectation about them, up to T. Messages that tell of
 * news count at the time of the news, though they wait for others of their group: who writes a test need not know how long.
 *
 * **No alarm goes unnoticed.** Of a rule that the test names, every alert that fires or rises must be spoken of: the next
 * expectation about it states that level or a higher one, or counts its message. Else the test fails, however well it
 * looked at the moments it asked about.
 */
import { type Alert, type Level, levelRank, type Transition } from '../domain/alert.ts';
import type { Operation, OperationResult } from '../domain/operation.ts';
import { Replay, type ReplayMessage, type RuleError } from './replay.ts';
import type { Deed } from './rule-test-actions.ts';
import type { ExpectedMessage } from './rule-test-file.ts';
import type { ReadyAction, ReadyExpectation, ReadyTest, World } from './rule-test-names.ts';
import type { Arrival } from './rule-test-readings.ts';
import { timeOf } from './rule-test-times.ts';

export interface Failure {
  /** `file:line:column` of what was expected. */
  readonly place: string;
  /** µs from the test's start; null: the test as a whole. */
  readonly at: number | null;
  readonly expected: string;
  readonly got: string;
}

/** What happened, in order. `at` is µs from the test's start. */
export type Event =
  | { readonly kind: 'reading'; readonly at: number; readonly arrival: Arrival }
  | { readonly kind: 'transition'; readonly at: number; readonly transition: Transition }
  | { readonly kind: 'message'; readonly at: number; readonly message: ReplayMessage }
  | { readonly kind: 'action'; readonly at: number; readonly action: ReadyAction; readonly done: string };

export interface Outcome {
  readonly ready: ReadyTest;
  /** None: it passed. In the order of the file. */
  readonly failures: readonly Failure[];
  readonly events: readonly Event[];
  /** Conditions that could not be evaluated. */
  readonly ruleErrors: readonly RuleError[];
}

export function runRuleTest(ready: ReadyTest, world: World): Outcome {
  return new Run(ready, world).outcome();
}

class Run {
  readonly #ready: ReadyTest;
  readonly #replay: Replay;
  readonly #events: Event[] = [];
  readonly #open: Alert[] = [];
  readonly #failures: Failure[] = [];
  readonly #failed = new Set<ReadyExpectation>();
  /** Transitions of which a message was expected; and alerts, where it was the summary of a backlog. */
  readonly #spokenOf = new Set<string>();
  readonly #transitionAt = new Map<string, number>();
  /** The longest that news wait, for others or since the last message of their group. */
  readonly #waitMs: number;
  /** Null while the test runs. */
  #endsAt: number | null = null;

  constructor(ready: ReadyTest, world: World) {
    this.#ready = ready;
    const { routes, default: fallback } = world.notify;
    this.#waitMs = Math.max(...[...routes, fallback].flatMap((route) => [...Object.values(route.groupWaitMs), route.groupIntervalMs]));
    this.#replay = new Replay({
      rules: world.rules,
      directory: ready.directory,
      notify: world.notify,
      ruleTexts: world.rules.map(({ rule }) => rule),
      startsAt: ready.test.startsAt,
      onTransition: (transition) => this.#happened(transition),
      onMessage: (message) => this.#events.push({ kind: 'message', at: message.at - ready.test.startsAt, message }),
    });
  }

  outcome(): Outcome {
    const { arrivals, actions, expectations, test } = this.#ready;
    let next = 0;
    let done = 0;
    const readUntil = (at: number): void => {
      for (let arrival = arrivals[next]; arrival !== undefined && arrival.receivedAt <= test.startsAt + at; arrival = arrivals[++next])
        this.#arrive(arrival);
      this.#replay.until(test.startsAt + at);
    };
    const runUntil = (at: number): void => {
      for (let action = actions[done]; action !== undefined && action.at <= at; action = actions[++done]) {
        readUntil(action.at);
        this.#act(action);
      }
      readUntil(at);
    };
    for (const at of [...new Set(expectations.map((expectation) => expectation.at))].sort((a, b) => a - b)) {
      runUntil(at);
      for (const expectation of expectations) if (expectation.at === at) this.#checkState(expectation);
    }
    runUntil(Math.max(test.until ?? 0, this.#now, actions.at(-1)?.at ?? 0, (arrivals.at(-1)?.receivedAt ?? 0) - test.startsAt));
    this.#awaitMessages();
    for (const expectation of expectations) {
      this.#checkMessages(expectation, 'email');
      this.#checkMessages(expectation, 'message');
    }
    this.#checkRises();
    this.#checkTotals();
    const order = [...actions.map(({ place }) => place), ...expectations.map(({ place }) => place)];
    const failures = this.#failures.toSorted((a, b) => rank(order, a.place) - rank(order, b.place));
    return { ready: this.#ready, failures, events: this.#events, ruleErrors: this.#replay.ruleErrors };
  }

  /** What waits for others of its group at the end still counts; what happens meanwhile does not. */
  #awaitMessages(): void {
    const end = this.#now;
    this.#endsAt = end;
    this.#replay.until(this.#replay.time + this.#waitMs * 1000);
    const late = this.#events.filter((event) => event.at > end && !(event.kind === 'message' && this.#toldAt(event) <= end));
    for (const event of late) this.#events.splice(this.#events.indexOf(event), 1);
  }

  /** When the news came about that it tells of, or, where there are none, when it went out. */
  #toldAt({ at, message }: Extract<Event, { kind: 'message' }>): number {
    const { cause, items } = message.content;
    if (cause.kind !== 'update' && cause.kind !== 'storm') return at;
    return Math.max(...items.map(({ transition }) => this.#transitionAt.get(transition) ?? at));
  }

  get #now(): number {
    return this.#replay.time - this.#ready.test.startsAt;
  }

  #arrive(arrival: Arrival): void {
    const at = arrival.receivedAt - this.#ready.test.startsAt;
    if (arrival.reading === null) this.#events.push({ kind: 'reading', at, arrival });
    else {
      // What was due before stands before it.
      this.#replay.until(arrival.receivedAt - 1);
      this.#events.push({ kind: 'reading', at, arrival });
      this.#replay.reading(arrival.reading);
    }
  }

  #act(action: ReadyAction): void {
    const { at, by, deed, subject, place } = action;
    const { startsAt } = this.#ready.test;
    const alert = 'alert' in deed ? this.#open.find((open) => open.rule === deed.alert && open.device === subject) : undefined;
    const done = deedText(action);
    this.#events.push({ kind: 'action', at, action, done });
    const result = alert === undefined && 'alert' in deed ? NOTHING : this.#replay.operate(operationOf(deed, { by, startsAt, at, alert }));
    if (!result.done) this.#failures.push({ place, at, expected: done, got: result.problem });
    this.#replay.until(startsAt + at);
  }

  #happened(transition: Transition): void {
    if (this.#endsAt !== null) return;
    this.#events.push({ kind: 'transition', at: this.#now, transition });
    this.#transitionAt.set(transition.id, this.#now);
    const { alert } = transition;
    const index = this.#open.findIndex(({ id }) => id === alert.id);
    if (index >= 0) this.#open.splice(index, 1);
    if (alert.state !== 'resolved') this.#open.push(alert);
  }

  #checkState(expectation: ReadyExpectation): void {
    const { level, flags } = expectation;
    const open = this.#open.find((candidate) => isAbout(expectation, candidate));
    const alert = open === undefined ? undefined : this.#replay.flagged(open);
    const isPending = alert?.state === 'pending';
    const found = alert === undefined ? 'none' : isPending ? 'pending' : alert.level;
    // What is pending has told nobody: whoever expects no alert has none.
    const isLevel = found === level || (level === 'none' && isPending);
    const isFlagged = flags === null || sameFlags(flags, alert?.flags ?? []);
    if (isLevel && isFlagged) return;
    const expected = `${level}${flags === null ? '' : flagged(flags)}`;
    this.#fail(expectation, `${named(expectation)}: ${expected}`, alert === undefined ? 'none' : stateOf(alert, this.#ready.test.startsAt));
  }

  #checkMessages(expectation: ReadyExpectation, channel: 'email' | 'message'): void {
    const wanted = channel === 'email' ? expectation.emails : expectation.messages;
    if (wanted === null) return;
    const all = this.#messagesFor(expectation).filter((message) => channel === 'message' || isEmail(message));
    const word = channel === 'email' ? 'e-mail' : 'message';
    if (wanted.length === 0 && all.length > 0) this.#fail(expectation, `no ${word} about ${named(expectation)}`, listed(all, word));
    for (const entry of wanted) {
      const matching = all.filter((message) => matches(entry, message));
      for (const { content } of matching) {
        for (const { transition, alert } of content.items) {
          this.#spokenOf.add(transition);
          if (content.items.length > 1 || content.cause.kind !== 'update') this.#spokenOf.add(alert.id);
        }
      }
      if (matching.length === entry.count) continue;
      const expected = `${counted(entry.count, word)} to ${entry.to}${contentOf(entry)}, ${this.#interval(expectation)}`;
      this.#fail(expectation, expected, listed(all, word));
    }
    const unspoken = all.filter(
      (message) => wanted.some((entry) => isTo(entry, message)) && !wanted.some((entry) => matches(entry, message)),
    );
    const isTold = this.#failed.has(expectation);
    if (unspoken.length > 0 && !isTold) {
      const whom = [...new Set(wanted.map(({ to }) => to))].join(', ');
      this.#fail(expectation, `no other ${word} to ${whom}, ${this.#interval(expectation)}`, listed(unspoken, word));
    }
  }

  /** About its alert and device, after the previous expectation about them. */
  #messagesFor(expectation: ReadyExpectation): ReplayMessage[] {
    const after = this.#previous(expectation);
    return this.#events.flatMap((event) =>
      event.kind === 'message' &&
      this.#toldAt(event) > after &&
      this.#toldAt(event) <= expectation.at &&
      tellsOf(expectation, event.message)
        ? [event.message]
        : [],
    );
  }

  #previous({ at, alert, subject }: ReadyExpectation): number {
    const earlier = this.#ready.expectations.filter((other) => other.alert === alert && other.subject === subject && other.at < at);
    return Math.max(Number.NEGATIVE_INFINITY, ...earlier.map((other) => other.at));
  }

  #interval(expectation: ReadyExpectation): string {
    const after = this.#previous(expectation);
    return after === Number.NEGATIVE_INFINITY ? `by ${timeOf(expectation.at)}` : `after ${timeOf(after)} and by ${timeOf(expectation.at)}`;
  }

  #checkRises(): void {
    const { expectations, test } = this.#ready;
    const named = new Set(expectations.map(({ alert }) => alert));
    for (const event of this.#events) {
      if (event.kind !== 'transition' || !isRise(event.transition)) continue;
      const { alert, reason, id } = event.transition;
      if (!test.noOther && !named.has(alert.rule)) continue;
      const about = expectations.filter((expectation) => isAbout(expectation, alert));
      const next = about.filter((expectation) => expectation.at >= event.at).toSorted((a, b) => a.at - b.at)[0];
      const isStated = next !== undefined && levelRank(levelOf(next)) >= levelRank(alert.level);
      // Of what does not hold already, this would most likely say the same again.
      if (isStated || this.#spokenOf.has(id) || this.#spokenOf.has(alert.id) || about.some((expectation) => this.#failed.has(expectation)))
        continue;
      const expected =
        next === undefined
          ? `no alert of ${alert.rule} on ${alert.device} that no expectation speaks of`
          : `${alert.rule} on ${alert.device}: ${next.level} at ${timeOf(next.at)}, and nothing unspoken of before`;
      this.#failures.push({
        place: next?.place ?? test.place,
        at: event.at,
        expected,
        got: `${alert.level} at ${timeOf(event.at)}: ${reason}`,
      });
    }
  }

  #checkTotals(): void {
    const { emails, messages, place } = this.#ready.test;
    const all = this.#events.flatMap((event) => (event.kind === 'message' ? [event.message] : []));
    const check = (wanted: number | null, found: readonly ReplayMessage[], word: string): void => {
      if (wanted === null || found.length === wanted) return;
      this.#failures.push({ place, at: null, expected: `${counted(wanted, word)} in all`, got: listed(found, word) });
    };
    check(emails, all.filter(isEmail), 'e-mail');
    check(messages, all, 'message');
  }

  #fail(expectation: ReadyExpectation, expected: string, got: string): void {
    this.#failed.add(expectation);
    this.#failures.push({ place: expectation.place, at: expectation.at, expected, got });
  }
}

const NOTHING: OperationResult = { done: false, problem: 'there is no such alert at that time', hint: null };

function operationOf(deed: Deed, of: { by: string; startsAt: number; at: number; alert: Alert | undefined }): Operation {
  const { by, startsAt, at, alert } = of;
  if (deed.kind === 'endSilence') return { kind: 'end-silence', silence: deed.name, by };
  if (deed.kind === 'silence') {
    const { name, match, comment, endsAt } = deed;
    const end = endsAt === null ? null : startsAt + endsAt;
    return { kind: 'silence', silence: { id: name, match, by, comment, startsAt: startsAt + at, endsAt: end } };
  }
  const id = alert?.id ?? '';
  if (deed.kind === 'unacknowledge') return { kind: 'unacknowledge', alert: id, by };
  const { comment, until } = deed;
  return { kind: 'acknowledge', alert: id, by, comment, until: until === null ? null : startsAt + until };
}

function deedText({ deed, subject, by }: ReadyAction): string {
  if (deed.kind === 'endSilence') return `${by} ends the silence ${deed.name}`;
  if (deed.kind === 'silence') return `${by} begins the silence ${deed.name}`;
  return `${by} ${deed.kind}s ${deed.alert} on ${subject}`;
}

const rank = (order: readonly string[], place: string): number => {
  const index = order.indexOf(place);
  return index < 0 ? order.length : index;
};

const isAbout = ({ alert: rule, subject }: ReadyExpectation, alert: Alert): boolean =>
  alert.rule === rule && (alert.device === subject || alert.group === subject);
/** A message may tell of several alerts. */
const tellsOf = (expectation: ReadyExpectation, { content }: ReplayMessage): boolean =>
  content.items.some(({ alert }) => isAbout(expectation, alert));
const named = ({ alert, subject }: ReadyExpectation): string => `${alert} on ${subject}`;
const levelOf = ({ level }: ReadyExpectation): Level | null => (level === 'none' || level === 'pending' ? null : level);
const isRise = ({ kind, fromLevel, alert }: Transition): boolean =>
  kind === 'firing' || (kind === 'level' && levelRank(alert.level) > levelRank(fromLevel));

const sameFlags = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && left.every((flag) => right.includes(flag));
const flagged = (flags: readonly string[]): string => (flags.length === 0 ? ' without flags' : ` (${flags.join(', ')})`);

function stateOf({ state, level, flags, since }: Alert, startsAt: number): string {
  const shown = flags.length === 0 ? '' : flagged(flags);
  return state === 'pending'
    ? `pending (${level}), since ${timeOf(since - startsAt)}`
    : `${level}${shown}, since ${timeOf(since - startsAt)}`;
}

const isEmail = ({ channels }: ReplayMessage): boolean => channels[0]?.kind === 'email';
const isTo = ({ to }: ExpectedMessage, { contact, channels }: ReplayMessage): boolean => to === contact || to === channels[0]?.address;
const matches = (expected: ExpectedMessage, message: ReplayMessage): boolean =>
  isTo(expected, message) &&
  (expected.subject === null || message.subject.includes(expected.subject)) &&
  expected.contains.every((text) => message.subject.includes(text) || message.text.includes(text));

function contentOf({ contains, subject }: ExpectedMessage): string {
  const parts = [
    ...(subject === null ? [] : [`with ${JSON.stringify(subject)} in its subject`]),
    ...(contains.length === 0 ? [] : [`containing ${contains.map((text) => JSON.stringify(text)).join(' and ')}`]),
  ];
  return parts.length === 0 ? '' : ` ${parts.join(' and ')}`;
}

const MESSAGES_LISTED_MAX = 5;
function listed(messages: readonly ReplayMessage[], word: string): string {
  if (messages.length === 0) return 'none';
  const shown = messages.slice(0, MESSAGES_LISTED_MAX).map(({ contact, subject }) => `${contact} ${JSON.stringify(subject)}`);
  const more = messages.length > MESSAGES_LISTED_MAX ? `, and ${messages.length - MESSAGES_LISTED_MAX} more` : '';
  return `${counted(messages.length, word)}: ${shown.join(', ')}${more}`;
}

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
