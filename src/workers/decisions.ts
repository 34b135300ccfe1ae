/**
 * The decisions thread: alerting follows the journal, notifying follows alerting's transitions, and both keep their
 * state in one file, state.db. A fault of either stops both and neither loses anything: each has its own cursor.
 */
import { Registry } from 'prom-client';
import description from '../../package.json' with { type: 'json' };
import { createAlerting } from '../alerts/alerting.ts';
import type { ExplainQuery } from '../alerts/explaining.ts';
import type { Alert } from '../domain/alert.ts';
import { ChannelHealth } from '../notify/channels/channel-health.ts';
import type { Publish } from '../notify/channels/mqtt.ts';
import { createNotifiers } from '../notify/channels/notifiers.ts';
import type { Chart, ChartOrder } from '../notify/composing.ts';
import { createNotifying } from '../notify/notifying.ts';
import type { Operating } from '../notify/operating.ts';
import { type RuleView, rulesPage } from '../rules/rule-view.ts';
import { openDatabase } from '../sqlite/database.ts';
import { systemClock } from '../std/clock.ts';
import { createLogger } from '../std/logger.ts';
import { explainWithStories } from './explain.ts';
import { type Configuration, type Generation, Generations, type Prepared, prepare, type Range } from './generations.ts';
import { hostWorker } from './host.ts';
import { operationsPage } from './operations-page.ts';
import { selectedPage } from './selected-page.ts';
import { type SelfMethods, selfMethods } from './self-methods.ts';
import type { WorkerMethods } from './start.ts';
import { Telling } from './telling.ts';

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
/** `acknowledged` is notifying's to know, and no column of alerting's. */
type AlertsQuery = Parameters<Alerting['alerts']>[0] & { readonly acknowledged?: boolean };

interface Answers {
  alerts(query: AlertsQuery): ReturnType<Alerting['alerts']>;
  alert(id: string): unknown;
  devices: Alerting['devices'];
  device: Alerting['device'];
  explain(query: ExplainQuery): ReturnType<typeof explainWithStories>;
  notifications: Notifying['notifications'];
  operationLog(query: { cursor?: string; limit?: number }): ReturnType<typeof operationsPage>;
  rules(query: { cursor?: string; limit?: number }): { items: RuleView[]; next: string | null };
}

export interface DecisionsMethods extends WorkerMethods, Answers, Operating, SelfMethods {
  /** Resolves when it is in force. */
  reload(configuration: Configuration): void;
}

/** What this thread calls on the main thread. */
export interface DecisionsEvents {
  /** Alerts that changed, in order; at start all that are open. */
  alertsChanged(alerts: readonly Alert[]): void;
  /** What the journal holds now. */
  range(): Range;
  /** Over MQTT, by this installation's own broker. */
  publish(topic: string, payload: string, retain: boolean): void;
  /** A chart of the history; null where there is nothing to show. */
  draw(order: ChartOrder): Chart | null;
}

hostWorker<DecisionsData, DecisionsEvents>(async (data, journal, main) => {
  const { journalId, email, mailDirectory, publicUrl, dependencyGraceMs } = data;
  const clock = systemClock;
  const graceEndMs = clock.monotonicMs() + data.startGraceMs;
  const registry = new Registry();
  const loggers = { alerting: createLogger('alerting'), notifying: createLogger('notifying') };
  const first = prepare(data);
  const database = openDatabase(data.statePath);
  const { version } = description;
  const publish: Publish = (topic, payload, { retain }) => main.publish(topic, payload, retain);
  const health = new ChannelHealth();
  const notifiers = createNotifiers({ ...email, mailDirectory, publish, version, clock, logger: loggers.notifying });

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
      followersDue: () => notifying.nextDue(),
    });
    const { transitions } = alerting;
    const notifying = createNotifying({
      ...{ database, transitions, rules, directory, notifiers, health, clock, registry, publicUrl },
      config: notify,
      journalTime: () => alerting.journalTime(),
      alertOf: (id) => alerting.alert(id),
      draw: (order) => main.draw(order),
      onFlagged: (alerts) => telling.flagged(alerts),
      logger: loggers.notifying,
    });
    return { rules, alerting, notifying };
  };
  const generations = new Generations({ first: { prepared: first, range: data.range }, make, range: () => main.range() });

  const alertOf = (id: string): Alert | null => bareOf(generations.current.alerting.alert(id));
  const telling = new Telling((alerts) => {
    const flagged = alerts.map((alert) => withFlags(alert, generations.current.notifying));
    main.alertsChanged(flagged).catch((error: unknown) => loggers.alerting.warn({ err: error }, 'alerts not published over MQTT'));
  }, alertOf);
  telling.openAlerts(generations.current.alerting);
  return {
    services: [generations],
    methods: {
      ...answersOf(generations),
      ...selfMethods({ current: () => generations.current, notifiers, clock }),
      reload: (configuration: Configuration) => generations.reload(configuration),
      ...operatingOf(() => generations.current.notifying),
    },
    metrics: () => registry.metrics(),
    async close() {
      for (const notifier of notifiers.values()) await notifier.close();
      database.close();
    },
  };
});

/** What is asked, answered by whoever is in force at the time of the call: a reload exchanges them. */
function answersOf(generations: Generations): Answers {
  const alerting = (): Alerting => generations.current.alerting;
  const notifying = (): Notifying => generations.current.notifying;
  return {
    alerts: (query: AlertsQuery) => alertsPage(generations.current, query),
    alert: (id: string) => {
      const alert = alerting().alert(id);
      if (alert === null) return null;
      return { ...withFlags(alert, notifying()), timeline: [...alert.timeline, ...notifying().timeline(id)].sort((a, b) => a.at - b.at) };
    },
    devices: (query: Parameters<Alerting['devices']>[0]) => alerting().devices(query),
    device: (id: string) => alerting().device(id),
    explain: (query: ExplainQuery) => explainWithStories(generations.current, query),
    notifications: (query: Parameters<Notifying['notifications']>[0]) => notifying().notifications(query),
    operationLog: (query: Parameters<Answers['operationLog']>[0]) => operationsPage(generations.current, query),
    rules: (query: Parameters<Answers['rules']>[0]) =>
      rulesPage(generations.current.rules, { open: alerting().openCounts(), errors: alerting().ruleErrors() }, query),
  };
}

function bareOf(alert: ReturnType<Alerting['alert']>): Alert | null {
  if (alert === null) return null;
  const { timeline: _, ...bare } = alert;
  return bare;
}

/** With the flags that are notifying's to know. */
const withFlags = <T extends Alert>(alert: T, notifying: Notifying): T => ({
  ...alert,
  flags: [...alert.flags, ...notifying.flagsOf(alert.id)],
});

function alertsPage({ alerting, notifying }: Generation, { acknowledged, ...query }: AlertsQuery): ReturnType<Alerting['alerts']> {
  const ask = (part: Parameters<Alerting['alerts']>[0]): ReturnType<Alerting['alerts']> => {
    const page = alerting.alerts(part);
    return { ...page, items: page.items.map((alert) => withFlags(alert, notifying)) };
  };
  if (acknowledged === undefined) return ask(query);
  return selectedPage(query, {
    ask,
    isWanted: ({ flags }) => flags.includes('acknowledged') === acknowledged,
  });
}

/** Notifying's answers to what people do and ask, by whoever notifies at the time of the call. */
function operatingOf(notifying: () => Operating): Operating {
  return {
    operate: (operation) => notifying().operate(operation),
    silences: (query) => notifying().silences(query),
    silence: (id) => notifying().silence(id),
    openLink: (token) => notifying().openLink(token),
    test: (contact, by) => notifying().test(contact, by),
    preview: (alert, contact) => notifying().preview(alert, contact),
    contacts: () => notifying().contacts(),
  };
}
