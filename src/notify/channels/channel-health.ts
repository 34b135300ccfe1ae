/**
 * Which channels do not work, and who does not hear of us at all. Follows from the outcomes of delivery, in memory only: after a
 * start it knows nothing until something was tried. Bounded, whatever the config and its reloads: what was tried the longest ago
 * is forgotten first. Times are µs.
 *
 *     a failure   the channel fails when `failingAfterMs` have passed since the first one without a delivery; at once when the
 *                 failure is permanent
 *     delivered   it works, and its contact hears of us
 */
import type { Channel, Contact, DeliveryOutcome } from '../../domain/notification.ts';

export interface FailingChannel {
  /** Kind and shown address: `webhook hooks.example.org`. Of two with the same each is listed. */
  readonly channel: string;
  readonly contact: string;
  /** Of its first failure since it last delivered. */
  readonly since: number;
  /** Of its last failure. */
  readonly detail: string;
}

interface Failures extends FailingChannel {
  readonly isPermanent: boolean;
}

const FAILING_AFTER_MS = 2 * 60_000;
const UNDELIVERED_WITHIN_MS = 24 * 3_600_000;
const ENTRIES_MAX = 1000;

export class ChannelHealth {
  readonly #failingAfterMs: number;
  /** By channel and contact, the one tried last at the end. Without those that work. */
  readonly #failures = new Map<string, Failures>();
  /** When something to that contact was last given up, the latest at the end. Without contacts to whom something was delivered since. */
  readonly #givenUpAt = new Map<string, number>();
  #givenUp = 0;

  constructor(options: { readonly failingAfterMs?: number } = {}) {
    this.#failingAfterMs = options.failingAfterMs ?? FAILING_AFTER_MS;
  }

  /** How many messages were given up since the start. */
  get givenUp(): number {
    return this.#givenUp;
  }

  attempted(channel: Channel, contact: string, outcome: DeliveryOutcome, now: number): void {
    const key = keyOf(channel, contact);
    if (outcome.outcome === 'delivered') {
      this.#failures.delete(key);
      this.#givenUpAt.delete(contact);
      return;
    }
    const before = this.#failures.get(key);
    putLast(this.#failures, key, {
      channel: `${channel.kind} ${channel.address}`,
      contact,
      since: before?.since ?? now,
      detail: outcome.detail,
      // A permanent one is not mended by a later one that may pass: only a delivery shows that it is.
      isPermanent: outcome.outcome === 'permanent' || before?.isPermanent === true,
    });
  }

  /** A message to the contact was given up, over all its channels. */
  gaveUp(contact: string, now: number): void {
    this.#givenUp += 1;
    putLast(this.#givenUpAt, contact, now);
  }

  /** The longest failing first. */
  failing(now: number): FailingChannel[] {
    return [...this.#failures.values()]
      .filter(({ isPermanent, since }) => isPermanent || now - since >= this.#failingAfterMs * 1000)
      .sort((a, b) => a.since - b.since)
      .map(({ channel, contact, since, detail }) => ({ channel, contact, since, detail }));
  }

  /** Contacts to whom something was given up within that time and nothing was delivered since, the longest ago first. */
  undelivered(now: number, withinMs: number = UNDELIVERED_WITHIN_MS): string[] {
    return [...this.#givenUpAt].filter(([, at]) => now - at <= withinMs * 1000).map(([contact]) => contact);
  }

  /** Forgets what the config no longer has: nothing will ever be delivered there. */
  keepOnly(contacts: readonly Contact[]): void {
    const kept = new Set(contacts.flatMap(({ id, channels }) => channels.map((channel) => keyOf(channel, id))));
    const ids = new Set(contacts.map(({ id }) => id));
    for (const key of this.#failures.keys()) if (!kept.has(key)) this.#failures.delete(key);
    for (const id of this.#givenUpAt.keys()) if (!ids.has(id)) this.#givenUpAt.delete(id);
  }
}

/** Two channels may show the same address: of a URL that is a secret only its host is shown. */
const keyOf = (channel: Channel, contact: string): string =>
  JSON.stringify([contact, channel.kind, channel.address, 'url' in channel ? channel.url : null]);

function putLast<T>(entries: Map<string, T>, key: string, value: T): void {
  entries.delete(key);
  entries.set(key, value);
  const [oldest] = entries.keys();
  if (entries.size > ENTRIES_MAX && oldest !== undefined) entries.delete(oldest);
}
