/**
 * Sends what waits in the outbox, as soon as it is due: one message per contact and alert, in order, and a bounded number at a
 * time over each kind of channel: while one hangs, the others go on. There is no queue in memory: the outbox's index of due
 * messages is the queue, and a slot is taken from picking a message until its result is committed. Results that arrive in one
 * turn of the event loop commit together.
 *
 * A crash at any moment leaves a message waiting: it is sent again, recognisable by its id. A commit that fails for a
 * reason that may pass (a full disk) is tried again, and nothing is sent twice meanwhile.
 */
import type { Channel, ChannelKind, Contact, DeliveryOutcome } from '../domain/notification.ts';
import type { Database } from '../sqlite/database.ts';
import { isPassing } from '../sqlite/fault.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { ChannelHealth } from './channels/channel-health.ts';
import type { Notifier, OutgoingMessage } from './channels/notifier.ts';
import type { NotifyMetrics } from './metrics.ts';
import type { Lane, LaneOf, Outbox, SubjectOf } from './outbox.ts';
import type { OutboxMessage } from './outbox-row.ts';
import { type DeliveryTiming, type Settlement, settle } from './settle.ts';

/** Over one kind of channel. */
const SENDING_MAX = 6;
/**
 * A new connection costs far more than a message (some servers hold back their greeting): a few messages wait for one that
 * is open, unless what goes over it takes longer than `PROMPT_MS`.
 */
const MESSAGES_PER_SLOT = 4;
const PROMPT_MS = 100;
const STOP_WITHIN_MS = 4000;
const COMMIT_RETRY_MS = 1000;
/** Woken at least this often, so that a clock that was set cannot hold a message back for long. */
const WAKE_MS_MAX = 60_000;

export interface DeliveryOptions {
  readonly database: Database;
  readonly outbox: Outbox;
  readonly contacts: readonly Contact[];
  readonly notifiers: ReadonlyMap<ChannelKind, Notifier>;
  /** Never rejects for long: what cannot be had (a chart) is left out. */
  readonly compose: (message: OutboxMessage, channel: Channel) => Promise<OutgoingMessage>;
  /** The subject of a message whose content has grown. */
  readonly subjectOf: SubjectOf;
  readonly health: ChannelHealth;
  readonly timing: DeliveryTiming;
  /** In [0, 1): of the jitter between attempts. */
  readonly random?: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: NotifyMetrics;
  /** Called at most once, with what must not be carried on from. */
  readonly onFault: (error: unknown) => void;
}

interface Result {
  readonly message: OutboxMessage;
  readonly channel: Channel | null;
  readonly outcome: DeliveryOutcome;
}

interface Sending {
  /** Of its contact and each of its alerts. */
  readonly keys: readonly string[];
  readonly lane: Lane;
  readonly begunMs: number;
}

/** Over what a message goes that has got to a contact's channel: past the last one, over that. */
export function lanesOf(contacts: readonly Contact[]): LaneOf {
  const kinds = new Map(contacts.map(({ id, channels }) => [id, channels.map(({ kind }) => kind)]));
  return (contact, channel) => {
    const of = kinds.get(contact) ?? [];
    return of[channel] ?? of.at(-1) ?? 'none';
  };
}

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #contacts: ReadonlyMap<string, Contact>;
  readonly #lanes: readonly Lane[];
  /** By message id. */
  readonly #sending = new Map<string, Sending>();
  #results: Result[] = [];
  #isCommitDue = false;
  #isStopping = false;
  #isFaulty = false;
  #cancelWake: () => void = () => undefined;
  readonly #abort = new AbortController();
  #onIdle: () => void = () => undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#contacts = new Map(options.contacts.map((contact) => [contact.id, contact]));
    this.#lanes = [...new Set(options.contacts.flatMap(({ channels }) => channels.map(({ kind }) => kind))), 'none'];
  }

  isSending = (id: string): boolean => this.#sending.has(id);
  get sendingCount(): number {
    return this.#sending.size;
  }

  /** Takes up what is due, as far as there are slots. */
  pump(): void {
    if (this.#isStopping || this.#isFaulty) return;
    try {
      this.#pick();
    } catch (error) {
      this.#faultOr(error, () => this.#wakeIn(COMMIT_RETRY_MS));
    }
  }

  /** Lets what is being sent finish for a few seconds, commits the results, and resolves. What is not done waits for the next start. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelWake();
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    if (this.#sending.size > 0 && !this.#isFaulty) await Promise.race([idle, this.#options.clock.sleep(STOP_WITHIN_MS)]);
    this.#abort.abort();
  }

  #pick(): void {
    const taken = new Set([...this.#sending.values()].flatMap(({ keys }) => keys));
    const wakes = this.#lanes.flatMap((lane) => this.#pickFrom(lane, taken) ?? []);
    if (wakes.length > 0) this.#wakeIn(Math.min(...wakes));
  }

  /** @returns in how many milliseconds to look again, or null */
  #pickFrom(lane: Lane, taken: Set<string>): number | null {
    const { outbox, clock } = this.#options;
    const now = clock.now();
    const nowMs = clock.monotonicMs();
    const here = [...this.#sending.values()].filter((sending) => sending.lane === lane);
    const promptCount = here.filter(({ begunMs }) => nowMs - begunMs < PROMPT_MS).length;
    const dueCount = outbox.dueCount(lane, now, SENDING_MAX * (MESSAGES_PER_SLOT + 1)) - here.length;
    let free = Math.min(SENDING_MAX - here.length, Math.ceil(dueCount / MESSAGES_PER_SLOT) - promptCount);
    if (free <= 0 && dueCount > 0 && promptCount > 0) return PROMPT_MS;
    if (free > 0) {
      // Beside what is being sent at most one message per contact and alert waits: so many may have to be passed over.
      for (const message of outbox.due(lane, now, free + here.length + taken.size)) {
        if (free <= 0) break;
        const keys = keysOf(message);
        if (this.#sending.has(message.id) || keys.some((key) => taken.has(key))) continue;
        for (const key of keys) taken.add(key);
        free -= 1;
        this.#sending.set(message.id, { keys, lane, begunMs: nowMs });
        void this.#send(message);
      }
    }
    const next = outbox.nextDue(lane, now);
    return next === null ? null : (next - now) / 1000;
  }

  #wakeIn(delayMs: number): void {
    const { clock, database, outbox, timing } = this.#options;
    this.#cancelWake();
    this.#cancelWake = clock.after(Math.min(Math.ceil(delayMs), WAKE_MS_MAX), () => {
      if (delayMs > WAKE_MS_MAX) {
        try {
          database.transaction(() => outbox.dueBy(clock.now() + timing.retryMaxMs * 1500));
        } catch (error) {
          this.#faultOr(error, () => undefined);
        }
      }
      this.pump();
    });
  }

  async #send(message: OutboxMessage): Promise<void> {
    const { notifiers, compose, clock, metrics } = this.#options;
    const contact = this.#contacts.get(message.contact);
    // A contact with fewer channels than when the message fell back: its last one.
    const channel = contact?.channels[Math.min(message.channel, contact.channels.length - 1)] ?? null;
    const notifier = channel === null ? undefined : notifiers.get(channel.kind);
    let outcome: DeliveryOutcome;
    if (channel === null || notifier === undefined) {
      const detail = channel === null ? `there is no contact ${message.contact} any more` : `nothing here sends over ${channel.kind}`;
      outcome = { outcome: 'permanent', detail, isMendable: false };
    } else {
      try {
        outcome = await notifier.send(await compose(message, channel), this.#abort.signal);
      } catch (error) {
        outcome = { outcome: 'retryable', detail: `a fault of ours: ${messageOf(error)}` };
      }
    }
    // What was cut short by our own stop has no result: it waits for the next start.
    if (this.#abort.signal.aborted && outcome.outcome !== 'delivered') return;
    const { receivedAt } = message;
    if (outcome.outcome === 'delivered' && receivedAt !== null) metrics.latencySeconds.observe(Math.max(0, clock.now() - receivedAt) / 1e6);
    this.#results.push({ message, channel, outcome });
    if (this.#isCommitDue) return;
    this.#isCommitDue = true;
    setImmediate(() => this.#commit());
  }

  #commit(): void {
    if (this.#isFaulty || (this.#abort.signal.aborted && !this.#options.database.raw.isOpen)) return;
    const { database } = this.#options;
    const results = this.#results;
    try {
      const settled = database.transaction(() => results.map((result) => ({ result, settlement: this.#settle(result) })));
      this.#isCommitDue = false;
      this.#results = this.#results.slice(results.length);
      for (const { result, settlement } of settled) {
        this.#sending.delete(result.message.id);
        this.#tell(result, settlement);
      }
    } catch (error) {
      this.#faultOr(error, () => this.#options.clock.after(COMMIT_RETRY_MS, () => this.#commit()));
      return;
    }
    if (this.#sending.size === 0) this.#onIdle();
    this.pump();
  }

  /** Writes a result into the outbox; inside a transaction. */
  #settle({ message, channel, outcome }: Result): Settlement | { next: 'superseded' } {
    const { outbox, clock, timing, subjectOf, random } = this.#options;
    const now = clock.now();
    if (outcome.outcome === 'delivered') {
      outbox.delivered(message, outcome.detail, now);
      return { next: 'delivered' };
    }
    outbox.attempted(message, channel === null ? outcome.detail : `${channel.kind} to ${channel.address}: ${outcome.detail}`, now);
    if (outbox.supersededBy(message, { subject: subjectOf, now }) !== null) return { next: 'superseded' };
    const channels = this.#contacts.get(message.contact)?.channels.length ?? 0;
    const attempted = { ...message, channelAttempts: message.channelAttempts + 1, hasNextChannel: message.channel + 1 < channels };
    const settlement = settle(outcome, attempted, { now, timing, ...(random && { random }) });
    if (settlement.next === 'retry') outbox.retryAt(message, settlement.at);
    else if (settlement.next === 'fallback') outbox.nextChannel(message, settlement.reason, now);
    else if (settlement.next === 'given-up') outbox.giveUp(message, `${settlement.reason}: ${outcome.detail}`, now);
    return settlement;
  }

  #tell({ message, channel, outcome }: Result, settlement: Settlement | { next: 'superseded' }): void {
    const { metrics, logger, health, clock } = this.#options;
    const now = clock.now();
    if (channel !== null) health.attempted(channel, message.contact, outcome, now);
    if (settlement.next === 'given-up') health.gaveUp(message.contact, now);
    const kind = channel?.kind ?? 'none';
    metrics.notifications.inc({ channel: kind, outcome: outcome.outcome });
    const fields = {
      subject: message.subject,
      to: channel?.address,
      contact: message.contact,
      alert: message.alert,
      detail: outcome.detail,
    };
    if (settlement.next === 'delivered') {
      logger.info(fields, 'notification delivered');
    } else if (settlement.next === 'given-up') {
      metrics.notifications.inc({ channel: kind, outcome: 'given-up' });
      logger.error({ ...fields, reason: settlement.reason }, 'notification given up: nobody was told by it');
    } else if (settlement.next === 'superseded') {
      metrics.notifications.inc({ channel: kind, outcome: 'superseded' });
      logger.info(fields, 'notification superseded by a newer state of the alert');
    } else {
      // In an outage every message fails every few minutes: the first tries are told, then ever fewer.
      const attempt = message.attempts + 1;
      const level = (attempt & (attempt - 1)) === 0 || settlement.next === 'fallback' ? 'warn' : 'debug';
      logger[level]({ ...fields, attempt, next: settlement.next }, 'notification not delivered yet');
    }
  }

  #faultOr(error: unknown, retry: () => void): void {
    if (isPassing(error)) {
      this.#options.logger.error({ error: messageOf(error) }, 'the state of notifications cannot be written; trying again');
      retry();
      return;
    }
    if (this.#isFaulty) return;
    this.#isFaulty = true;
    this.#options.onFault(error);
  }
}

const keysOf = ({ contact, content }: OutboxMessage): string[] => content.items.map(({ alert }) => `${contact}\n${alert.id}`);
