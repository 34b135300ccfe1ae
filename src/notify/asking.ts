/** Questions to notifying: silences, what a link stands for, who would be told what. Changes nothing; a test sends a sample. */
import { createHash } from 'node:crypto';
import type { Alert, Transition } from '../domain/alert.ts';
import type { Channel, ChannelKind, Contact } from '../domain/notification.ts';
import type { SilenceView } from '../domain/operation.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import { readLink } from './action-links.ts';
import type { Notifier } from './channels/notifier.ts';
import type { Composing } from './composing.ts';
import { type Content, foremost, isFiring, isUrgent, kindOf } from './content.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { isInForce } from './dispatch/muting.ts';
import type { StoredSilence } from './dispatch/state.ts';
import type { ContactView, OpenedLink, Operating, Preview, TestOutcome } from './operating.ts';
import type { OutboxMessage } from './outbox-row.ts';

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;
/** Shorter than any request over HTTP waits. */
const TEST_WAIT_MS = 25_000;

export interface AskingOptions {
  readonly composing: Composing;
  readonly dispatcher: Dispatcher;
  readonly notifiers: ReadonlyMap<ChannelKind, Notifier>;
  /** Null when it is not kept. */
  readonly alertOf: (id: string) => (Alert & { readonly timeline: readonly Transition[] }) | null;
  readonly linkKey: Uint8Array;
  readonly clock: Clock;
}

export class Asking {
  readonly #options: AskingOptions;

  constructor(options: AskingOptions) {
    this.#options = options;
  }

  silences(query: Parameters<Operating['silences']>[0]): ReturnType<Operating['silences']> {
    const limit = Math.min(Math.max(1, query.limit ?? PAGE_DEFAULT), PAGE_MAX);
    const all = [...this.#options.dispatcher.tables.silence.values()]
      .map((silence) => this.#view(silence))
      .filter(({ state }) => query.state === undefined || state === query.state)
      .sort((a, b) => b.startsAt - a.startsAt || (a.id < b.id ? -1 : 1));
    const from = query.cursor === undefined ? 0 : all.findIndex(({ id }) => id === query.cursor) + 1;
    const items = all.slice(from, from + limit);
    return { items, next: from + limit < all.length ? (items.at(-1)?.id ?? null) : null };
  }

  silence(id: string): SilenceView | null {
    const silence = this.#options.dispatcher.tables.silence.get(id);
    return silence === undefined ? null : this.#view(silence);
  }

  openLink(token: string): OpenedLink {
    const { linkKey, clock, alertOf, dispatcher } = this.#options;
    const link = readLink(token, linkKey, clock.now());
    if ('problem' in link) return link;
    const alert = alertOf(link.alert);
    const flags = alert === null ? [] : [...alert.flags, ...dispatcher.flagsOf(alert.id)];
    return { contact: link.contact, action: link.action, alert: alert === null ? null : { ...alert, flags } };
  }

  contacts(): ContactView[] {
    const { policy } = this.#options.dispatcher;
    return [...policy.contacts.values()].map(({ id, channels, onCall }) => ({
      id,
      channels: channels.map(({ kind, address }) => ({ kind, address })),
      onCall: onCall === null ? null : policy.persons([id], this.#options.clock.now()),
    }));
  }

  preview(id: string, contact: string | null): Preview | null {
    const { alertOf, dispatcher, composing, clock } = this.#options;
    const kept = alertOf(id);
    if (kept === null || (contact !== null && !dispatcher.policy.contacts.has(contact))) return null;
    const { timeline, ...alert } = kept;
    const told = contact ?? dispatcher.preview(alert, clock.now()).routes.flatMap(({ named, toldBefore }) => [...named, ...toldBefore])[0];
    if (told === undefined) return null;
    const last = timeline.at(-1);
    const item = {
      alert,
      news: isFiring(alert) ? 'firing' : 'resolved',
      fromLevel: null,
      transition: last?.id ?? '',
      reason: last?.reason ?? '',
    } as const;
    const content: Content = { cause: { kind: 'update', group: {} }, items: [item], more: 0 };
    const channel = dispatcher.policy.contacts.get(told)?.channels[0];
    const shown = channel === undefined ? null : `${channel.kind} ${channel.address}`;
    return { contact: told, channel: shown, ...composing.preview(content, told, clock.now()) };
  }

  async test(id: string, by: string): Promise<TestOutcome[] | null> {
    const { dispatcher, clock } = this.#options;
    const { policy } = dispatcher;
    if (!policy.contacts.has(id)) return null;
    const contacts = policy.persons([id], clock.now()).flatMap((person) => policy.contacts.get(person) ?? []);
    const sending = contacts.flatMap((contact) => contact.channels.map((channel) => this.#sendSample(contact, channel, by)));
    return Promise.all(sending);
  }

  async #sendSample(contact: Contact, channel: Channel, by: string): Promise<TestOutcome> {
    const { composing, notifiers, clock } = this.#options;
    const shown = `${channel.kind} ${channel.address}`;
    const notifier = notifiers.get(channel.kind);
    if (notifier === undefined) return { channel: shown, outcome: 'permanent', detail: `nothing here sends over ${channel.kind}` };
    const late = new AbortController();
    const cancel = clock.after(TEST_WAIT_MS, () => late.abort());
    try {
      const message = await composing.compose(sample(contact.id, by, clock.now(), composing), channel);
      const { outcome, detail } = await notifier.send(message, late.signal);
      // A notifier takes it for our own stop.
      if (late.signal.aborted && outcome !== 'delivered')
        return { channel: shown, outcome: 'retryable', detail: `not taken within ${TEST_WAIT_MS / 1000} s` };
      return { channel: shown, outcome, detail };
    } catch (error) {
      return { channel: shown, outcome: 'retryable', detail: `a fault of ours: ${messageOf(error)}` };
    } finally {
      cancel();
    }
  }

  #view(silence: StoredSilence): SilenceView {
    const { dispatcher, clock } = this.#options;
    const now = Math.max(dispatcher.now, silence.endedAt === null ? 0 : clock.now());
    const state = silence.endedAt !== null ? 'ended' : isInForce(silence, now) ? 'active' : silence.startsAt > now ? 'pending' : 'ended';
    return { ...silence, state, alerts: dispatcher.silencedCount(silence.id) };
  }
}

/** What an alert looks like, of a device that there is not. */
function sample(contact: string, by: string, now: number, composing: Composing): OutboxMessage {
  const alert: Alert = {
    id: 'sample',
    rule: 'sample',
    device: 'no-device',
    level: 'info',
    state: 'firing',
    flags: [],
    since: now,
    firedAt: now,
    resolvedAt: null,
    value: 9.3,
    summary: 'This is what an alert looks like; nothing is wrong.',
    labels: {},
  };
  const item = { alert, news: 'firing', fromLevel: null, transition: 'sample/1', reason: 'asked for' } as const;
  const content: Content = { cause: { kind: 'test', by }, items: [item], more: 0 };
  return {
    number: 0,
    id: createHash('sha256').update(`test\n${contact}\n${now}`).digest('hex').slice(0, 32),
    alert: foremost(content).id,
    contact,
    kind: kindOf(content),
    isUrgent: isUrgent(content),
    subject: composing.subjectOf(content, now),
    content,
    thread: null,
    replaces: [],
    state: 'waiting',
    detail: null,
    decidedAt: now,
    receivedAt: null,
    createdAt: now,
    endedAt: null,
    channel: 0,
    channelSince: now,
    channelAttempts: 0,
    attempts: 0,
    nextAt: now,
  };
}
