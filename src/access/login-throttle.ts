/**
 * How many logins of one address may fail: a burst, then one every few seconds. Past that nothing is checked that could be guessed, until
 * the address has been quiet. Addresses are remembered in a table of bounded size; the one whose failure is oldest is forgotten first.
 */
import { isIPv6 } from 'node:net';
import type { Clock } from '../std/clock.ts';

/** Enough for a hall of devices behind one address that come back with an old password, and too few to guess one. */
export const FAILURES_MAX = 20;
const FORGIVEN_EVERY_MS = 3000;
const ADDRESSES_MAX = 10_000;

export class LoginThrottle {
  readonly #clock: Clock;
  /** Failures that are not forgiven yet, and since when forgiving counts. */
  readonly #failures = new Map<string, { count: number; sinceMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isThrottled(address: string): boolean {
    return this.#open(networkOf(address)) >= FAILURES_MAX;
  }

  /** @returns how many failures of this address are not forgiven, this one included */
  failed(address: string): number {
    const network = networkOf(address);
    const count = Math.min(this.#open(network) + 1, FAILURES_MAX);
    const sinceMs = this.#failures.get(network)?.sinceMs ?? this.#clock.monotonicMs();
    this.#failures.delete(network);
    const [oldest] = this.#failures.keys();
    if (this.#failures.size >= ADDRESSES_MAX && oldest !== undefined) this.#failures.delete(oldest);
    this.#failures.set(network, { count, sinceMs });
    return count;
  }

  #open(network: string): number {
    const known = this.#failures.get(network);
    if (known === undefined) return 0;
    const forgiven = Math.floor((this.#clock.monotonicMs() - known.sinceMs) / FORGIVEN_EVERY_MS);
    if (forgiven === 0) return known.count;
    known.count -= forgiven;
    known.sinceMs += forgiven * FORGIVEN_EVERY_MS;
    if (known.count > 0) return known.count;
    this.#failures.delete(network);
    return 0;
  }
}

/** Whoever has one IPv6 address has its whole /64. */
function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const first = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - first.length - (tail === '' ? 0 : tail.split(':').length);
  const groups = [...first, ...Array<string>(Math.max(0, missing)).fill('0'), ...(tail ?? '').split(':')];
  return groups.slice(0, 4).join(':');
}
