/**
 * The decisions thread: alerting follows the journal, notifying follows alerting's transitions, and both keep their
 * state in one file, state.db. A fault of either stops both and neither loses anything: each has its own cursor.
 */
import { Registry } from 'prom-client';
import description from '../../package.json' with { type: 'json' };
import { createAlerting } from '../alerts/alerting.ts';
import type { ExplainQuery } from '../alerts/explaining.ts';
import type { TransitionSource } from '../alerts/transitions.ts';
import type { Alert } from '../domain/alert.ts';
import { createNotifiers } from '../notify/channels/notifiers.ts';
import { createNotifying } from '../notify/notifying.ts';
import { type RuleView, rulesPage } from '../rules/rule-view.ts';
import { openDatabase } from '../sqlite/database.ts';
import { systemClock } from '../std/clock.ts';
import { createLogger } from '../std/logger.ts';
import { explainWithStories } from './explain.ts';
import { type Configuration, type Generation, Generations, type Prepared, prepare, type Range } from './generations.ts';
import { hostWorker } from './host.ts';
import type { WorkerMethods } from './start.ts';

export interface DecisionsData extends Configuration {
  readonly statePath: string;
  readonly mailDirectory: string;
  readonly journalId: string;
  readonly range: Range;
  readonly email: { readonly smtp: string | null; readonly from: string };
  readonly publicUrl: string | null;
  readonly startGraceMs: number;
  readonly dependencyGraceMs: number;
}

type Alerting = Generation['alerting'];
type Notifying = Generation['notifying'];

export interface DecisionsMethods extends WorkerMethods {
  alerts: Alerting['alerts'];
  alert(id: string): unknown;
  devices: Alerting['devices'];
  device: Alerting['device'];
  explain(query: ExplainQuery): ReturnType<typeof explainWithStories>;
  notifications: Notifying['notifications'];
  rules(query: { cursor?: string; limit?: number }): { items: RuleView[]; next: string | null };
  /** Resolves when it is in force. */
  reload(configuration: Configuration): void;
}

/** What this thread calls on the main thread. */
export interface DecisionsEvents {
  /** Alerts that changed, in order; at start all that are open. */
  alertsChanged(alerts: readonly Alert[]): void;
  /** What the journal holds now. */
  range(): Range;
}

const TRANSITIONS_MAX = 1000;
const OPEN_ALERTS_PAGE = 1000;

hostWorker<DecisionsData, DecisionsEvents>(async (data, journal, main) => {
  const { journalId, email, mailDirectory, publicUrl, dependencyGraceMs } = data;
  const clock = systemClock;
  const graceEndMs = clock.monotonicMs() + data.startGraceMs;
  const registry = new Registry();
  const loggers = { alerting: createLogger('alerting'), notifying: createLogger('notifying') };
  const first = prepare(data);
  const database = openDatabase(data.statePath);
  const { version } = description;
  const notifiers = createNotifiers({ ...email, mailDirectory, publish: null, version, clock, logger: loggers.notifying });

  const make = ({ rules, compiled, directory, notify }: Prepared, range: Range): Generation => {
    const alerting = createAlerting({
      journal,
      journalId,
      partition: 0,
      range,
      database,
      rules: compiled,
      directory,
      clock,
      logger: loggers.alerting,
      registry,
      dependencyGraceMs,
      startGraceMs: Math.max(0, graceEndMs - clock.monotonicMs()),
      onTransitions: () => {
        notifying.wake();
        telling.transitions(alerting.transitions);
      },
      followedTo: () => notifying.followedTo(),
    });
    const { transitions } = alerting;
    const common = { database, transitions, rules, directory, notifiers, clock, registry, publicUrl };
    const notifying = createNotifying({ ...common, config: notify, logger: loggers.notifying });
    return { rules, alerting, notifying };
  };
  const generations = new Generations({ first: { prepared: first, range: data.range }, make, range: () => main.range() });

  const telling = new Telling((alerts) => {
    main.alertsChanged(alerts).catch((error: unknown) => loggers.alerting.warn({ err: error }, 'alerts not published over MQTT'));
  });
  telling.openAlerts(generations.current.alerting);
  // Asked at each call: a reload exchanges who answers.
  const alerting = (): Alerting => generations.current.alerting;
  const notifying = (): Notifying => generations.current.notifying;

  return {
    services: [generations],
    methods: {
      alerts: (query: Parameters<Alerting['alerts']>[0]) => alerting().alerts(query),
      alert: (id: string) => {
        const alert = alerting().alert(id);
        if (alert === null) return null;
        return { ...alert, timeline: [...alert.timeline, ...notifying().timeline(id)].sort((a, b) => a.at - b.at) };
      },
      devices: (query: Parameters<Alerting['devices']>[0]) => alerting().devices(query),
      device: (id: string) => alerting().device(id),
      explain: (query: ExplainQuery) => explainWithStories(generations.current, query),
      notifications: (query: Parameters<Notifying['notifications']>[0]) => notifying().notifications(query),
      rules: (query: Parameters<DecisionsMethods['rules']>[0]) =>
        rulesPage(generations.current.rules, { open: alerting().openCounts(), errors: alerting().ruleErrors() }, query),
      reload: (configuration: Configuration) => generations.reload(configuration),
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
  readonly #tell: (alerts: readonly Alert[]) => void;
  #told = 0;

  constructor(tell: (alerts: readonly Alert[]) => void) {
    this.#tell = tell;
  }

  /** At the start. */
  openAlerts(alerting: Alerting): void {
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
