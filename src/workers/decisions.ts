/**
 * The decisions thread: alerting follows the journal, notifying follows alerting's transitions, and both keep their
 * state in one file, state.db. A fault of either stops both and neither loses anything: each has its own cursor.
 */
import { Registry } from 'prom-client';
import { createAlerting } from '../alerts/alerting.ts';
import type { Alert } from '../domain/alert.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Rule } from '../domain/rule.ts';
import type { Position } from '../journal/journal.ts';
import type { NotifyConfig } from '../notify/config.ts';
import { createNotifiers } from '../notify/notifiers.ts';
import { createNotifying } from '../notify/notifying.ts';
import { compileRules } from '../rules/compile.ts';
import { openDatabase } from '../sqlite/database.ts';
import { systemClock } from '../std/clock.ts';
import { InvalidConfig } from '../std/errors.ts';
import { createLogger } from '../std/logger.ts';
import { hostWorker } from './host.ts';
import type { WorkerMethods } from './start.ts';

export interface DecisionsData {
  readonly statePath: string;
  readonly mailDirectory: string;
  readonly journalId: string;
  readonly range: { readonly first: Position; readonly head: Position };
  readonly rules: readonly Rule[];
  readonly directory: DeviceDirectory;
  readonly notify: NotifyConfig;
  readonly email: { readonly smtp: string | null; readonly from: string };
  readonly publicUrl: string | null;
  readonly startGraceMs: number;
  readonly dependencyGraceMs: number;
}

type Alerting = ReturnType<typeof createAlerting>;
type Notifying = ReturnType<typeof createNotifying>;

export interface DecisionsMethods extends WorkerMethods {
  alerts: Alerting['alerts'];
  alert(id: string): unknown;
  devices: Alerting['devices'];
  device: Alerting['device'];
  notifications: Notifying['notifications'];
}

/** What this thread calls on the main thread. */
export interface DecisionsEvents {
  /** Alerts that changed, in order; at start all that are open. */
  alertsChanged(alerts: readonly Alert[]): void;
}

const TRANSITIONS_MAX = 1000;
const OPEN_ALERTS_PAGE = 1000;

hostWorker<DecisionsData, DecisionsEvents>(async (data, journal, main) => {
  const clock = systemClock;
  const registry = new Registry();
  const { compiled, problems } = compileRules(data.rules, data.directory);
  if (problems.length > 0) throw new InvalidConfig(problems);

  const database = openDatabase(data.statePath);
  const alertingLogger = createLogger('alerting');
  const alerting = createAlerting({
    journal,
    journalId: data.journalId,
    partition: 0,
    range: data.range,
    database,
    rules: compiled,
    directory: data.directory,
    clock,
    logger: alertingLogger,
    registry,
    startGraceMs: data.startGraceMs,
    onTransitions: () => {
      notifying.wake();
      telling.transitions();
    },
    followedTo: () => notifying.followedTo(),
  });
  const notifiers = createNotifiers({ ...data.email, mailDirectory: data.mailDirectory, clock, logger: createLogger('notifying') });
  const notifying = createNotifying({
    database,
    transitions: alerting.transitions,
    config: data.notify,
    rules: data.rules,
    directory: data.directory,
    notifiers,
    clock,
    logger: createLogger('notifying'),
    registry,
    publicUrl: data.publicUrl,
  });

  const telling = new Telling(alerting, (alerts) => {
    main.alertsChanged(alerts).catch((error: unknown) => alertingLogger.warn({ err: error }, 'alerts not published over MQTT'));
  });
  telling.openAlerts();

  return {
    services: [alerting, notifying],
    methods: {
      alerts: (query: Parameters<Alerting['alerts']>[0]) => alerting.alerts(query),
      alert: (id: string) => {
        const alert = alerting.alert(id);
        return alert === null ? null : { ...alert, timeline: [...alert.timeline, ...notifying.timeline(id)].sort((a, b) => a.at - b.at) };
      },
      devices: (query: Parameters<Alerting['devices']>[0]) => alerting.devices(query),
      device: (id: string) => alerting.device(id),
      notifications: (query: Parameters<Notifying['notifications']>[0]) => notifying.notifications(query),
    },
    metrics: () => registry.metrics(),
    async close() {
      for (const notifier of notifiers.values()) await notifier.close();
      database.close();
    },
  };
});

/** Tells the main thread of alerts, which it publishes over MQTT. */
class Telling {
  readonly #alerting: Alerting;
  readonly #tell: (alerts: readonly Alert[]) => void;
  #told: number;

  constructor(alerting: Alerting, tell: (alerts: readonly Alert[]) => void) {
    this.#alerting = alerting;
    this.#tell = tell;
    this.#told = alerting.transitions.latest();
  }

  openAlerts(): void {
    for (const state of ['pending', 'firing'] as const) {
      let cursor: string | null | undefined;
      do {
        const page = this.#alerting.alerts({ state, limit: OPEN_ALERTS_PAGE, ...(cursor == null ? {} : { cursor }) });
        if (page.items.length > 0) this.#tell(page.items);
        cursor = page.next;
      } while (cursor !== null);
    }
  }

  /** What became of alerts since it was last asked. */
  transitions(): void {
    for (;;) {
      const transitions = this.#alerting.transitions.after(this.#told, TRANSITIONS_MAX);
      const last = transitions.at(-1);
      if (last === undefined) return;
      this.#told = last.sequence;
      this.#tell(transitions.map(({ alert }) => alert));
    }
  }
}
