/**
 * Notifying follows alerting's transitions as alerting follows readings: its own cursor, one for the whole fleet. What the dispatcher
 * decides commits together with the cursor in one transaction: a crash in between decides again and reaches the same messages,
 * which are there at most once. Delivery takes a committed message up in the same turn of the event loop.
 *
 * Its timers run on journal time: they fire once alerting has evaluated every reading received by then, and every transition that
 * came of it has been worked through.
 *
 * While `WAITING_MAX` messages wait, no further transitions are taken up: they keep where they are, in alerting's state.
 */
import type { Registry } from 'prom-client';
import type { Explained, NothingToExplain } from '../alerts/explaining.ts';
import type { TransitionSource } from '../alerts/transitions.ts';
import type { Alert, AlertFlag, Transition } from '../domain/alert.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { ChannelKind } from '../domain/notification.ts';
import type { LoggedOperation, Operation, OperationResult } from '../domain/operation.ts';
import type { Rule } from '../domain/rule.ts';
import type { Database } from '../sqlite/database.ts';
import { isPassing } from '../sqlite/fault.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf, Unavailable } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';
import { Asking } from './asking.ts';
import type { ChannelHealth, FailingChannel } from './channels/channel-health.ts';
import type { Notifier } from './channels/notifier.ts';
import { type Chart, type ChartOrder, Composing } from './composing.ts';
import { Deciding } from './deciding.ts';
import { Delivery, lanesOf } from './delivery.ts';
import { Policy } from './dispatch/policy.ts';
import { linkKeyOf } from './link-key.ts';
import { createNotifyMetrics } from './metrics.ts';
import { itemOf, type NotificationItem } from './notification-item.ts';
import type { NotifyConfig } from './notify-config.ts';
import type { Operating } from './operating.ts';
import { Outbox, type TimelineEntry } from './outbox.ts';
import type { MessageState } from './outbox-row.ts';
import { DELIVERY_TIMING, type DeliveryTiming } from './settle.ts';
import { type ToldExplanation, withTellings } from './would-tell.ts';

export { createNotifiers } from './channels/notifiers.ts';
export type { NotificationItem } from './notification-item.ts';

export interface NotifyingOptions {
  readonly database: Database;
  readonly transitions: TransitionSource;
  readonly config: NotifyConfig;
  readonly rules: readonly Rule[];
  readonly directory: DeviceDirectory;
  /** What is known of the channels beyond a reload. */
  readonly health: ChannelHealth;
  /** Handed in open; whoever made them closes them. */
  readonly notifiers: ReadonlyMap<ChannelKind, Notifier>;
  /** What alerting has come to: every reading received by then is evaluated, and what came of it is in `transitions`; µs. */
  readonly journalTime: () => number;
  /** Null when it is not kept. */
  readonly alertOf: (id: string) => (Alert & { readonly timeline: readonly Transition[] }) | null;
  /** Null: there are no charts. */
  readonly draw: ((order: ChartOrder) => Promise<Chart | null>) | null;
  /** Their flags may have changed. */
  readonly onFlagged: (alerts: ReadonlySet<string>) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly publicUrl: string | null;
  readonly timing?: DeliveryTiming;
  readonly waitingMax?: number;
  /** In [0, 1): of the jitter between attempts. */
  readonly random?: () => number;
}

export interface Notifying extends Service, Operating {
  /** There may be new transitions, or journal time may have come to a timer. Cheap; calls within one turn of the event loop count as one. */
  wake(): void;
  /** Sequence of the last transition that was worked through. */
  followedTo(): number;
  /** Journal time of its next timer, µs; infinity when none runs. */
  nextDue(): number;
  /** Newest first; `cursor` is the `next` of the page before. */
  notifications(query: { alert?: string; state?: string; cursor?: string; limit?: number }): {
    items: NotificationItem[];
    next: string | null;
  };
  /** What was decided about an alert and each attempt to tell of it, oldest first. */
  timeline(alert: string): TimelineEntry[];
  /** Flags that stand beside alerting's own. */
  flagsOf(alert: string): AlertFlag[];
  /** An explanation with who would be told if it fired now. */
  withTellings(explained: Explained): ToldExplanation | NothingToExplain;
  /** What people did, in order, after the one of that number. */
  operations(after: number, limit: number): LoggedOperation[];
  channelHealth(): { failing: FailingChannel[]; undelivered: string[] };
}

const TRANSITIONS_AT_ONCE = 200;
const WAITING_MAX = 100_000;
const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;
const PRUNE_EVERY_MS = 3_600_000;
const STORAGE_RETRY_MS = 1000;
const STATES: readonly string[] = ['waiting', 'delivered', 'superseded', 'given-up'] satisfies MessageState[];

export function createNotifying(options: NotifyingOptions): Notifying {
  return new NotifyingService(options);
}

class NotifyingService implements Notifying {
  readonly id = 'notifying';
  readonly #options: NotifyingOptions;
  readonly #outbox: Outbox;
  readonly #deciding: Deciding;
  readonly #delivery: Delivery;
  readonly #asking: Asking;
  /** Journal time up to which everything was worked through. */
  #workedTo = 0;
  #isRunning = false;
  #isScheduled = false;
  #fail: (error: unknown) => void = () => undefined;
  #cancelTimers: (() => void)[] = [];

  constructor(options: NotifyingOptions) {
    this.#options = options;
    const { database, config, rules, clock, onFlagged, health } = options;
    health.keepOnly(config.contacts);
    this.#outbox = new Outbox(database, lanesOf(config.contacts));
    const composing = new Composing({ ...options, linkKey: linkKeyOf(database) });
    const { subjectOf } = composing;
    const isSending = (id: string): boolean => this.#delivery.isSending(id);
    this.#deciding = new Deciding(new Policy(config, rules), { database, outbox: this.#outbox, clock, subjectOf, isSending, onFlagged });
    const metrics = createNotifyMetrics(options.registry, { outbox: this.#outbox, sending: () => this.#delivery.sendingCount });
    this.#delivery = new Delivery({
      ...options,
      outbox: this.#outbox,
      metrics,
      contacts: config.contacts,
      compose: (message, channel) => composing.compose(message, channel),
      subjectOf,
      timing: options.timing ?? DELIVERY_TIMING,
      onFault: (error) => this.#fail(error),
    });
    this.#asking = new Asking({ ...options, composing, dispatcher: this.#deciding.dispatcher, linkKey: linkKeyOf(database) });
  }

  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { database, clock } = this.#options;
    const faults = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    const subject = this.#deciding.subjectOf;
    database.transaction(() => {
      this.#outbox.relane();
      this.#outbox.supersedeAllButNewest({ subject, now: clock.now() });
    });
    this.#isRunning = true;
    this.#prune();
    this.wake();
    try {
      await Promise.race([stopped, faults]);
    } finally {
      this.#isRunning = false;
      for (const cancel of this.#cancelTimers) cancel();
      await this.#delivery.stop();
    }
  }

  wake(): void {
    if (this.#isScheduled || !this.#isRunning) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#step());
  }

  notifications(query: { alert?: string; state?: string; cursor?: string; limit?: number }): ReturnType<Notifying['notifications']> {
    const limit = Math.min(Math.max(1, query.limit ?? PAGE_DEFAULT), PAGE_MAX);
    const before = query.cursor === undefined ? undefined : Number(query.cursor);
    const isSendingOnly = query.state === 'sending';
    const state = isSendingOnly ? 'waiting' : query.state;
    if (before !== undefined && !Number.isSafeInteger(before)) return { items: [], next: null };
    if (state !== undefined && !isMessageState(state)) return { items: [], next: null };
    const messages = this.#outbox.list({
      limit: limit + 1,
      ...(query.alert !== undefined && { alert: query.alert }),
      ...(state !== undefined && { state }),
      ...(before !== undefined && { before }),
    });
    const page = messages.slice(0, limit);
    const { contacts } = this.#deciding.dispatcher.policy;
    const items = page
      .map((message) => itemOf(message, contacts.get(message.contact), this.#delivery.isSending(message.id)))
      .filter((item) => query.state === undefined || item.state === query.state);
    return { items, next: messages.length > limit ? String(page.at(-1)?.number) : null };
  }

  followedTo(): number {
    return this.#outbox.cursor();
  }

  nextDue(): number {
    return this.#deciding.dispatcher.nextDue;
  }

  timeline(alert: string): TimelineEntry[] {
    return this.#outbox.timeline(alert);
  }

  flagsOf(alert: string): AlertFlag[] {
    return this.#deciding.dispatcher.flagsOf(alert);
  }

  withTellings(explained: Explained): ToldExplanation | NothingToExplain {
    return withTellings(explained, this.#deciding.dispatcher);
  }

  operations(after: number, limit: number): LoggedOperation[] {
    return this.#deciding.operations.after(after, limit);
  }

  channelHealth(): { failing: FailingChannel[]; undelivered: string[] } {
    const now = this.#options.clock.now();
    return { failing: this.#options.health.failing(now), undelivered: this.#options.health.undelivered(now) };
  }

  operate(operation: Operation): OperationResult {
    if (!this.#isRunning) throw new Unavailable('notifying is being started again');
    try {
      // Whatever is known by now comes before it.
      while (this.#takeUp());
      // While too much waits to be sent, that is less than alerting has come to.
      const { now } = this.#deciding.dispatcher;
      const time = Math.max(this.#workedTo + 1, now);
      if (this.#workedTo + now === 0)
        throw new Unavailable('Tocsin is only just starting, and does not know what time it is in its journal: try again');
      return this.#deciding.operate(fromNow(operation, { time, now: this.#options.clock.now() }), time);
    } catch (error) {
      if (isPassing(error)) throw new Unavailable('the state of notifications cannot be written now: see whether it took effect later');
      throw error;
    } finally {
      this.wake();
    }
  }

  silences: Operating['silences'] = (query) => this.#asking.silences(query);
  silence: Operating['silence'] = (id) => this.#asking.silence(id);
  openLink: Operating['openLink'] = (token) => this.#asking.openLink(token);
  test: Operating['test'] = (contact, by) => this.#asking.test(contact, by);
  preview: Operating['preview'] = (alert, contact) => this.#asking.preview(alert, contact);
  contacts: Operating['contacts'] = () => this.#asking.contacts();

  /** Works through what alerting has committed, a bounded number at a time, so that sending goes on in between. */
  #step(): void {
    this.#isScheduled = false;
    if (!this.#isRunning) return;
    try {
      const isMore = this.#takeUp();
      this.#delivery.pump();
      if (isMore) {
        this.#isScheduled = true;
        setImmediate(() => this.#step());
      }
    } catch (error) {
      if (!isPassing(error)) {
        this.#fail(error);
        return;
      }
      this.#options.logger.error({ error: messageOf(error) }, 'the state of notifications cannot be written; trying again');
      this.#after(STORAGE_RETRY_MS, () => this.wake());
    }
  }

  /** @returns true when there may be more. */
  #takeUp(): boolean {
    const { transitions, waitingMax = WAITING_MAX, journalTime } = this.#options;
    if (this.#outbox.waitingCount() >= waitingMax) {
      this.#after(STORAGE_RETRY_MS, () => this.wake());
      return false;
    }
    // Asked first: what is decided later than this time is in none of the transitions that follow.
    const time = journalTime();
    const batch = transitions.after(this.#deciding.cursor, TRANSITIONS_AT_ONCE);
    if (batch.length > 0) this.#deciding.transitions(batch);
    if (batch.length === TRANSITIONS_AT_ONCE) return true;
    this.#deciding.advance(time);
    this.#workedTo = time;
    return false;
  }

  #prune(): void {
    const { database, clock, logger } = this.#options;
    let isMore = false;
    try {
      isMore = database.transaction(() => this.#outbox.prune(clock.now()));
    } catch (error) {
      if (!isPassing(error)) {
        this.#fail(error);
        return;
      }
      logger.warn({ error: messageOf(error) }, 'old notifications cannot be let go; trying again later');
    }
    this.#after(isMore ? STORAGE_RETRY_MS : PRUNE_EVERY_MS, () => this.#prune());
  }

  #after(delayMs: number, callback: () => void): void {
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#cancelTimers = this.#cancelTimers.filter((other) => other !== cancel);
      callback();
    });
    this.#cancelTimers.push(cancel);
  }
}

/** A silence from now on holds at once, though journal time may lag behind the clock. */
function fromNow(operation: Operation, { time, now }: { time: number; now: number }): Operation {
  if (operation.kind !== 'silence' || operation.silence.startsAt > now) return operation;
  return { ...operation, silence: { ...operation.silence, startsAt: Math.min(operation.silence.startsAt, time) } };
}

const isMessageState = (state: string): state is MessageState => STATES.includes(state);
