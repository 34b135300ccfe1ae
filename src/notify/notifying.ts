/**
 * Notifying follows alerting's transitions as alerting follows readings: its own cursor, one for the whole fleet. For
 * each transition it decides who is told, and commits the messages together with the cursor in one transaction: a crash
 * in between decides again and reaches the same messages, which are there at most once. Delivery takes a committed
 * message up in the same turn of the event loop.
 *
 * While `WAITING_MAX` messages wait, no further transitions are taken up: they keep where they are, in alerting's state.
 */
import type { Registry } from 'prom-client';
import type { Explained, NothingToExplain } from '../alerts/explaining.ts';
import type { TransitionSource } from '../alerts/transitions.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Channel } from '../domain/notification.ts';
import type { Rule } from '../domain/rule.ts';
import type { Database } from '../sqlite/database.ts';
import { isPassing } from '../sqlite/fault.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';
import type { Notifier, OutgoingMessage } from './channels/notifier.ts';
import type { NotifyConfig } from './config.ts';
import { decide, type MessageKind } from './decide.ts';
import { Delivery } from './delivery.ts';
import { factsOf } from './mail/facts.ts';
import { oneLine } from './mail/mail-text.ts';
import { render, subjectOf } from './mail/render.ts';
import { createNotifyMetrics, type NotifyMetrics } from './metrics.ts';
import { Outbox, type TimelineEntry } from './outbox.ts';
import type { MessageState, OutboxMessage } from './outbox-row.ts';
import { DELIVERY_TIMING, type DeliveryTiming } from './settle.ts';
import { alertsOf, isUrgent } from './summary.ts';
import { type ToldExplanation, withTellings } from './would-tell.ts';

export { createNotifiers } from './channels/notifiers.ts';

export interface NotifyingOptions {
  readonly database: Database;
  readonly transitions: TransitionSource;
  readonly config: NotifyConfig;
  readonly rules: readonly Rule[];
  readonly directory: DeviceDirectory;
  /** Handed in open; whoever made them closes them. */
  readonly notifiers: ReadonlyMap<Channel['kind'], Notifier>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly publicUrl: string | null;
  readonly timing?: DeliveryTiming;
  readonly waitingMax?: number;
}

/** Times in µs. */
export interface NotificationItem {
  readonly id: string;
  readonly alert: string;
  readonly transition: string;
  readonly rule: string;
  readonly device: string;
  readonly group?: string;
  readonly level: string;
  readonly kind: MessageKind;
  /** Ids of all alerts that it tells of: more than `alert` for the summary of a backlog. */
  readonly alerts: readonly string[];
  readonly contact: string;
  readonly channel: Channel | null;
  readonly state: MessageState | 'sending';
  readonly subject: string;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly attempts: number;
  /** Of the next attempt, while it waits. */
  readonly nextAt: number | null;
  /** The last attempt's answer, or how it ended. */
  readonly detail: string | null;
  /** Transitions whose messages it stands in for. */
  readonly replaces: readonly string[];
}

export interface Notifying extends Service {
  /** There may be new transitions. Cheap; calls within one turn of the event loop count as one. */
  wake(): void;
  /** Sequence of the last transition that was worked through. */
  followedTo(): number;
  /** Newest first; `cursor` is the `next` of the page before. */
  notifications(query: { alert?: string; state?: string; cursor?: string; limit?: number }): {
    items: NotificationItem[];
    next: string | null;
  };
  /** What was decided about an alert and each attempt to tell of it, oldest first. */
  timeline(alert: string): TimelineEntry[];
  /** An explanation with who would be told if it fired now. */
  withTellings(explained: Explained): ToldExplanation | NothingToExplain;
}

const TRANSITIONS_AT_ONCE = 200;
const WAITING_MAX = 100_000;
const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;
const PRUNE_EVERY_MS = 3_600_000;
const STORAGE_RETRY_MS = 1000;
const STATES: readonly string[] = ['waiting', 'delivered', 'superseded', 'given-up'] satisfies MessageState[];

export function createNotifying(options: NotifyingOptions): Notifying {
  const notifying = new NotifyingService(options);
  return {
    id: 'notifying',
    run: (signal) => notifying.run(signal),
    wake: () => notifying.wake(),
    followedTo: () => notifying.followedTo(),
    notifications: (query) => notifying.notifications(query),
    timeline: (alert) => notifying.timeline(alert),
    withTellings: (explained) => notifying.withTellings(explained),
  };
}

class NotifyingService {
  readonly #options: NotifyingOptions;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #metrics: NotifyMetrics;
  readonly #rules: ReadonlyMap<string, Rule>;
  #isRunning = false;
  #isScheduled = false;
  #fail: (error: unknown) => void = () => undefined;
  #cancelTimers: (() => void)[] = [];

  constructor(options: NotifyingOptions) {
    this.#options = options;
    this.#rules = new Map(options.rules.map((rule) => [rule.id, rule]));
    this.#outbox = new Outbox(options.database);
    this.#metrics = createNotifyMetrics(options.registry, { outbox: this.#outbox, sending: () => this.#delivery.sendingCount });
    this.#delivery = new Delivery({
      ...options,
      outbox: this.#outbox,
      metrics: this.#metrics,
      contacts: options.config.contacts,
      compose: (message, channel) => this.#compose(message, channel),
      timing: options.timing ?? DELIVERY_TIMING,
      onFault: (error) => this.#fail(error),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { database, clock } = this.#options;
    const faults = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    database.transaction(() => this.#outbox.supersedeAllButNewest(clock.now()));
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
    const items = page.map((message) => this.#item(message)).filter((item) => query.state === undefined || item.state === query.state);
    return { items, next: messages.length > limit ? String(page.at(-1)?.number) : null };
  }

  followedTo(): number {
    return this.#outbox.cursor();
  }

  timeline(alert: string): TimelineEntry[] {
    return this.#outbox.timeline(alert);
  }

  withTellings(explained: Explained): ToldExplanation | NothingToExplain {
    return withTellings(explained, this.#options.config, (alert) => this.#outbox.told(alert));
  }

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
    const { database, transitions, clock, config, waitingMax = WAITING_MAX } = this.#options;
    if (this.#outbox.waitingCount() >= waitingMax) {
      this.#after(STORAGE_RETRY_MS, () => this.wake());
      return false;
    }
    const batch = transitions.after(this.#outbox.cursor(), TRANSITIONS_AT_ONCE);
    const last = batch.at(-1);
    if (last === undefined) return false;
    const now = clock.now();
    database.transaction(() => {
      const toldOf = (alert: string): string[] => this.#outbox.told(alert);
      for (const transition of batch) {
        const decision = decide(transition, { config, told: toldOf(transition.alert.id), toldOf });
        const subject = decision.kind === null ? '' : subjectOf({ kind: decision.kind, transition, facts: this.#facts(transition.alert) });
        this.#outbox.record(transition, decision, { subject, now, isSending: this.#delivery.isSending });
      }
      this.#outbox.moveCursor(last.sequence);
    });
    return batch.length === TRANSITIONS_AT_ONCE;
  }

  #compose(message: OutboxMessage, channel: Channel): OutgoingMessage {
    const { transition, kind, replaces } = message;
    const { publicUrl } = this.#options;
    const rendered = render({
      kind,
      transition,
      facts: this.#facts(transition.alert),
      factsOf: (alert) => this.#facts(alert),
      replaces,
      publicUrl,
    });
    const header = (text: string): string => oneLine(text, 200).replace(/[^\x20-\x7e]/g, '?');
    return {
      id: message.id,
      thread: message.thread,
      channel,
      subject: message.subject,
      text: rendered.text,
      html: rendered.html,
      at: message.createdAt,
      isUrgent: message.isUrgent && kind !== 'resolved' && (kind !== 'backlog' || isUrgent(transition)),
      labels: {
        Alert: header(transition.alert.id),
        Transition: header(transition.id),
        ...(replaces.length > 0 && { Replaces: replaces.map((replaced) => header(replaced.transition)).join(', ') }),
      },
    };
  }

  #facts(alert: OutboxMessage['transition']['alert']): ReturnType<typeof factsOf> {
    return factsOf(alert, this.#rules.get(alert.rule), this.#options.directory);
  }

  #item(message: OutboxMessage): NotificationItem {
    const { alert } = message.transition;
    const contact = this.#options.config.contacts.find(({ id }) => id === message.contact);
    return {
      id: message.id,
      alert: message.alert,
      transition: message.transition.id,
      rule: alert.rule,
      device: alert.device,
      ...(alert.group !== undefined && { group: alert.group }),
      level: alert.level,
      kind: message.kind,
      alerts: alertsOf(message.transition).map(({ id }) => id),
      contact: message.contact,
      channel: contact?.channels[Math.min(message.channel, contact.channels.length - 1)] ?? null,
      state: this.#delivery.isSending(message.id) ? 'sending' : message.state,
      subject: message.subject,
      createdAt: message.createdAt,
      endedAt: message.endedAt,
      attempts: message.attempts,
      nextAt: message.state === 'waiting' ? message.nextAt : null,
      detail: message.detail,
      replaces: message.replaces.map(({ transition }) => transition),
    };
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

const isMessageState = (state: string): state is MessageState => STATES.includes(state);
