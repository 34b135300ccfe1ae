/**
 * Which topics anybody listens to: so that a publish nobody subscribes to need not travel through the broker's delivery.
 * Counts the filters of live subscriptions and of persistent sessions whose client is away. It may say yes where the
 * broker then finds nobody; it never says no where there is somebody.
 */

/** Filters with wildcards are tried one by one: past so many, everything counts as wanted. */
const WILDCARDS_MAX = 500;
const TOPICS_REMEMBERED_MAX = 100_000;

export class Interest {
  readonly #exact = new Map<string, number>();
  readonly #wildcard = new Map<string, { count: number; levels: readonly string[] }>();
  readonly #sessions = new Map<string, Set<string>>();
  readonly #answers = new Map<string, boolean>();

  add(filter: string): void {
    this.#answers.clear();
    if (!isWildcard(filter)) {
      this.#exact.set(filter, (this.#exact.get(filter) ?? 0) + 1);
      return;
    }
    const known = this.#wildcard.get(filter);
    if (known === undefined) this.#wildcard.set(filter, { count: 1, levels: filter.split('/') });
    else known.count += 1;
  }

  remove(filter: string): void {
    this.#answers.clear();
    if (!isWildcard(filter)) {
      const count = this.#exact.get(filter) ?? 0;
      if (count <= 1) this.#exact.delete(filter);
      else this.#exact.set(filter, count - 1);
      return;
    }
    const known = this.#wildcard.get(filter);
    if (known === undefined) return;
    known.count -= 1;
    if (known.count === 0) this.#wildcard.delete(filter);
  }

  /** A persistent session's subscription outlives its connection. */
  addToSession(client: string, filter: string): void {
    const filters = this.#sessions.get(client) ?? new Set<string>();
    this.#sessions.set(client, filters);
    if (filters.has(filter)) return;
    filters.add(filter);
    this.add(filter);
  }

  removeFromSession(client: string, filter: string): void {
    if (this.#sessions.get(client)?.delete(filter) === true) this.remove(filter);
  }

  removeSession(client: string): void {
    for (const filter of this.#sessions.get(client) ?? []) this.remove(filter);
    this.#sessions.delete(client);
  }

  isWanted(topic: string): boolean {
    if (this.#exact.size === 0 && this.#wildcard.size === 0) return false;
    const known = this.#answers.get(topic);
    if (known !== undefined) return known;
    const answer = this.#exact.has(topic) || this.#wildcard.size > WILDCARDS_MAX || this.#matchesWildcard(topic.split('/'));
    if (this.#answers.size >= TOPICS_REMEMBERED_MAX) this.#answers.clear();
    this.#answers.set(topic, answer);
    return answer;
  }

  #matchesWildcard(topic: readonly string[]): boolean {
    for (const { levels } of this.#wildcard.values()) if (matches(levels, topic)) return true;
    return false;
  }
}

const isWildcard = (filter: string): boolean => filter.includes('+') || filter.includes('#');

/** `a/#` matches `a` itself too. */
function matches(filter: readonly string[], topic: readonly string[]): boolean {
  for (const [index, level] of filter.entries()) {
    if (level === '#') return true;
    if (index >= topic.length || (level !== '+' && level !== topic[index])) return false;
  }
  return filter.length === topic.length;
}
