/**
 * Who hears of an alert on a route: whom the route names now, and whoever was told of the alert before and is named by none of its
 * routes (the level has changed, or the turn of who was on call is over). So who is named by another of its routes hears of it
 * there alone, with its waits and its mutes.
 */
import { isFiring } from '../content.ts';
import type { DispatchState } from './dispatch-state.ts';
import type { AlertEntry } from './state.ts';
import { isFlapping, toldOf } from './telling.ts';

/** As of now: not to be kept. */
export class Audience {
  readonly #state: DispatchState;
  readonly #named = new Map<string, ReadonlySet<string>>();

  constructor(state: DispatchState) {
    this.#state = state;
  }

  isNamed(route: string, contact: string): boolean {
    return this.#namedBy(route).has(contact);
  }

  hears(entry: AlertEntry, route: string, contact: string): boolean {
    if (this.isNamed(route, contact)) return true;
    return entry.told[contact] !== undefined && !Object.keys(entry.on).some((other) => this.isNamed(other, contact));
  }

  /** All who hear of one of them at least. */
  of(route: string, entries: readonly AlertEntry[]): string[] {
    const told = new Set<string>();
    for (const entry of entries) for (const contact of toldOf(this.#state, entry)) if (this.hears(entry, route, contact)) told.add(contact);
    // In an order that a start does not change.
    return [...new Set([...this.#namedBy(route), ...[...told].sort()])];
  }

  /** Nobody is to hear of it any more on this route: it is over, and whoever was told of it knows. */
  isDone(entry: AlertEntry, route: string): boolean {
    if (isFiring(entry.alert) || isFlapping(this.#state, entry)) return false;
    return toldOf(this.#state, entry).every(
      (contact) => entry.told[contact]?.state === 'resolved' || entry.heldFor.includes(contact) || !this.hears(entry, route, contact),
    );
  }

  /** Who never heard of it. */
  isNewTo(entry: AlertEntry, route: string): boolean {
    return [...this.#namedBy(route)].some((contact) => entry.told[contact] === undefined);
  }

  #namedBy(route: string): ReadonlySet<string> {
    let named = this.#named.get(route);
    if (named === undefined) {
      named = new Set(this.#state.policy.persons(this.#state.policy.route(route)?.to ?? [], this.#state.now));
      this.#named.set(route, named);
    }
    return named;
  }
}
