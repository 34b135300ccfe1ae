/**
 * Which channels fail, and who was not reached: what Tocsin alerts about itself with. Bounded; forgotten at a restart, as the next
 * attempts tell the same again. Times are µs.
 */
import type { Channel, DeliveryOutcome } from '../../domain/notification.ts';

export interface FailingChannel {
  /** Kind and shown address. */
  readonly channel: string;
  readonly contact: string;
  readonly since: number;
  readonly detail: string;
}

interface Failure extends FailingChannel {
  readonly isPermanent: boolean;
  readonly lastAt: number;
}

const FAILING_AFTER_US = 120_000_000;
const FORGET_AFTER_US = 86_400_000_000;
const CHANNELS_MAX = 1000;

export class ChannelHealth {
  /** By contact and channel. */
  readonly #failures = new Map<string, Failure>();
  /** When a message to a contact was given up, if none was delivered since. */
  readonly #givenUp = new Map<string, number>();

  attempted(channel: Channel, contact: string, outcome: DeliveryOutcome, now: number): void {
    const shown = `${channel.kind} ${channel.address}`;
    const key = `${contact}\n${shown}`;
    if (outcome.outcome === 'delivered') {
      this.#failures.delete(key);
      this.#givenUp.delete(contact);
      return;
    }
    const since = this.#failures.get(key)?.since ?? now;
    const isPermanent = outcome.outcome === 'permanent';
    this.#failures.set(key, { channel: shown, contact, since, detail: outcome.detail, isPermanent, lastAt: now });
    bound(this.#failures);
  }

  gaveUp(contact: string, now: number): void {
    this.#givenUp.set(contact, now);
    bound(this.#givenUp);
  }

  /** Channels whose last attempt failed for good, or that have failed for two minutes, and of which no more than a day ago something was heard. */
  failing(now: number): FailingChannel[] {
    return [...this.#failures.values()]
      .filter(({ lastAt, since, isPermanent }) => now - lastAt < FORGET_AFTER_US && (isPermanent || lastAt - since >= FAILING_AFTER_US))
      .map(({ channel, contact, since, detail }) => ({ channel, contact, since, detail }));
  }

  /** Contacts for whom something was given up within a day, and whom nothing has reached since. */
  undelivered(now: number): string[] {
    return [...this.#givenUp].flatMap(([contact, at]) => (now - at < FORGET_AFTER_US ? [contact] : []));
  }
}

/** The one set first goes. */
function bound(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (map.size > CHANNELS_MAX && oldest !== undefined) map.delete(oldest);
}
