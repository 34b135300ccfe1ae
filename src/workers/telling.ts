/** Tells the main thread of alerts, which it publishes over MQTT: at the start all that are open, then what becomes of them. */
import type { TransitionSource } from '../alerts/transitions.ts';
import type { Alert } from '../domain/alert.ts';
import type { Generation } from './generations.ts';

const TRANSITIONS_MAX = 1000;
const OPEN_ALERTS_PAGE = 1000;

export class Telling {
  readonly #tell: (alerts: readonly Alert[]) => void;
  readonly #alertOf: (id: string) => Alert | null;
  #told = 0;

  constructor(tell: (alerts: readonly Alert[]) => void, alertOf: (id: string) => Alert | null) {
    this.#tell = tell;
    this.#alertOf = alertOf;
  }

  /** Their flags may have changed. */
  flagged(ids: ReadonlySet<string>): void {
    const alerts = [...ids].flatMap((id) => this.#alertOf(id) ?? []).filter(({ state }) => state !== 'resolved');
    if (alerts.length > 0) this.#tell(alerts);
  }

  /** At the start. */
  openAlerts(alerting: Generation['alerting']): void {
    this.#told = alerting.transitions.latest();
    for (const state of ['pending', 'firing'] as const) {
      let cursor: string | null | undefined;
      do {
        const page = alerting.alerts({ state, limit: OPEN_ALERTS_PAGE, ...(cursor == null ? {} : { cursor }) });
        if (page.items.length > 0) this.#tell(page.items);
        cursor = page.next;
      } while (cursor !== null);
    }
  }

  /** What became of alerts since it was last asked. */
  transitions(source: TransitionSource): void {
    for (;;) {
      const transitions = source.after(this.#told, TRANSITIONS_MAX);
      const last = transitions.at(-1);
      if (last === undefined) return;
      this.#told = last.sequence;
      this.#tell(transitions.map(({ alert }) => alert));
    }
  }
}
