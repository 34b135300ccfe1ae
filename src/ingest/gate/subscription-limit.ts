/** How many topic filters a client may be subscribed to at once. */
import type { Client } from 'aedes';

export const SUBSCRIPTIONS_MAX = 1000;

export class SubscriptionLimit {
  readonly #filters = new WeakMap<Client, Set<string>>();

  /** False when the client has as many already; true, and counted, when it may have this one. */
  admits(client: Client, filter: string): boolean {
    const filters = this.#filters.get(client) ?? new Set<string>();
    this.#filters.set(client, filters);
    if (filters.has(filter)) return true;
    if (filters.size >= SUBSCRIPTIONS_MAX) return false;
    filters.add(filter);
    return true;
  }

  forget(client: Client, filters: readonly string[]): void {
    for (const filter of filters) this.#filters.get(client)?.delete(filter);
  }
}
