/**
 * The composition root: builds the parts, starts them in the order of the flow backwards (who consumes stands before who
 * produces), and stops them in reverse, so that nothing is taken in that would not be kept.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Gauge, Registry } from 'prom-client';
import type { Loaded } from './cli/load.ts';
import type { HistoryConfig } from './config.ts';
import { createDecoder } from './devices/decode.ts';
import type { Alert } from './domain/alert.ts';
import type { SeriesStoreConfig } from './history/open.ts';
import { type Broker, startBroker } from './ingest/broker.ts';
import { createIngest } from './ingest/ingest.ts';
import type { Journal } from './journal/journal.ts';
import { openSqliteJournal } from './journal/sqlite.ts';
import { systemClock } from './std/clock.ts';
import { messageOf } from './std/errors.ts';
import { createLogger } from './std/logger.ts';
import type { Backend } from './web/backend.ts';
import { collectProcessMetrics, joinMetrics } from './web/metrics.ts';
import { startWebServer } from './web/server.ts';
import { withTimes } from './web/times.ts';
import type { DecisionsData, DecisionsEvents, DecisionsMethods } from './workers/decisions.ts';
import type { HistoryData, HistoryMethods } from './workers/history.ts';
import { type RunningWorker, startWorker } from './workers/start.ts';

export interface App extends AsyncDisposable {
  /** Where it serves, with the real ports. */
  readonly mqtt: readonly string[];
  readonly http: string;
}

/** Consumers that hold the journal's disk until they have released it. */
const HOLDERS = { alerting: 'alerting', history: 'history', quarantine: 'quarantine' } as const;

export async function startApp({ config, directory, rules, notify }: Loaded): Promise<App> {
  const clock = systemClock;
  const logger = createLogger('main');
  const registry = new Registry();
  await using stack = new AsyncDisposableStack();
  mkdirSync(config.data, { recursive: true });

  const hasHistory = config.roles.includes('history');
  const journal = await openSqliteJournal({
    path: join(config.data, 'journal.db'),
    bytesMax: config.journal.bytesMax,
    reserveBytes: config.journal.reserveBytes,
    keepMs: config.journal.keepMs,
    clock,
    logger,
    holders: Object.values(HOLDERS).filter((consumer) => hasHistory || consumer !== HOLDERS.history),
  });
  stack.defer(() => journal.close());
  observeJournal(journal, registry);
  const common = { journal, clock, logger };
  const range = () => journal.range(0);

  const history = await startWorker<HistoryMethods>({
    ...common,
    name: 'history',
    module: new URL('./workers/history.ts', import.meta.url),
    data: (): HistoryData => ({
      dataDirectory: config.data,
      journalId: journal.id,
      range: range(),
      history: hasHistory ? seriesStoreOf(config.history) : null,
      quarantineBytesMax: config.quarantine.bytesMax,
    }),
  });
  stack.defer(() => history.stop());

  // Alerts are published over MQTT, by a broker that starts after the thread that decides on them.
  const outbox: { broker: Broker | null; waiting: Map<string, string> } = { broker: null, waiting: new Map() };
  const decisions = await startWorker<DecisionsMethods>({
    ...common,
    name: 'decisions',
    module: new URL('./workers/decisions.ts', import.meta.url),
    methods: { alertsChanged: (alerts: Parameters<DecisionsEvents['alertsChanged']>[0]) => publishAlerts(outbox, alerts) },
    data: (): DecisionsData => ({
      statePath: join(config.data, 'state.db'),
      mailDirectory: join(config.data, 'mail'),
      journalId: journal.id,
      range: range(),
      rules,
      directory,
      notify,
      email: config.email,
      publicUrl: config.http.publicUrl,
    }),
  });
  stack.defer(() => decisions.stop());

  const decoder = createDecoder(directory, config.mqtt.limits);
  const ingest = await createIngest({ ...common, decoder, partition: 0, registry });
  stack.defer(() => ingest.drained());
  const broker = await startBroker({ listeners: config.mqtt.listeners, limits: config.mqtt.limits, ingest, clock, logger, registry });
  stack.defer(() => broker.close());
  outbox.broker = broker;
  for (const [topic, payload] of outbox.waiting) broker.publish(topic, payload, { retain: true });
  outbox.waiting.clear();
  broker.publish('tocsin/status', JSON.stringify({ state: 'running', since: new Date(clock.now() / 1000).toISOString() }), {
    retain: true,
  });

  collectProcessMetrics(registry);
  const backend = createBackend({ journal, ingest, decisions, history, registry });
  const web = await startWebServer({ host: config.http.host, port: config.http.port, backend, logger });
  stack.defer(() => web.close());

  const running = stack.move();
  return { mqtt: broker.urls, http: web.url, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

function createBackend(parts: {
  journal: Journal;
  ingest: Awaited<ReturnType<typeof createIngest>>;
  decisions: RunningWorker<DecisionsMethods>;
  history: RunningWorker<HistoryMethods>;
  registry: Registry;
}): Backend {
  const { journal, ingest, decisions, history, registry } = parts;
  return {
    devices: (query) => decisions.remote.devices(query),
    device: (id) => decisions.remote.device(id),
    alerts: (query) => decisions.remote.alerts(query),
    alert: (id) => decisions.remote.alert(id),
    notifications: (query) => decisions.remote.notifications(query),
    readings: (query) => history.remote.readings(query),
    quarantine: (query) => history.remote.quarantine(query),
    journal: async () => ({ id: journal.id, ...journal.range(0), ...journal.stats() }),
    ingest: (readings, client) => ingest.post(readings, client),
    async readiness() {
      const reasons = [journal.stats().full, decisions.fault(), history.fault()].filter((reason) => reason !== null);
      return { ready: reasons.length === 0, reasons };
    },
    async metrics() {
      const workers = [decisions, history].filter((worker) => worker.fault() === null);
      const texts = await Promise.all(
        workers.map((worker) => worker.remote.metrics().catch((error: unknown) => `# ${messageOf(error)}\n`)),
      );
      return joinMetrics([await registry.metrics(), ...texts]);
    },
  };
}

const seriesStoreOf = (history: HistoryConfig): SeriesStoreConfig =>
  history.kind === 'sqlite' ? { url: 'sqlite:', keepMs: history.keepMs } : { influx: history.url, tags: history.tags };

/** The open alert is retained below `tocsin/alerts/`, and cleared when it ends. */
function publishAlerts(outbox: { broker: Broker | null; waiting: Map<string, string> }, alerts: readonly Alert[]): void {
  for (const alert of alerts) {
    const topic = `tocsin/alerts/${topicLevel(alert.rule)}/${topicLevel(alert.device)}`;
    const payload = alert.state === 'resolved' ? '' : JSON.stringify(withTimes(alert));
    if (outbox.broker === null) outbox.waiting.set(topic, payload);
    else outbox.broker.publish(topic, payload, { retain: true });
  }
}

const topicLevel = (text: string): string => text.replace(/[/+#%]/g, (character) => encodeURIComponent(character));

function observeJournal(journal: Journal, registry: Registry): void {
  new Gauge({
    name: 'tocsin_journal_bytes',
    help: 'Size of the journal on disk',
    registers: [registry],
    collect() {
      this.set(journal.stats().bytes);
    },
  });
  new Gauge({
    name: 'tocsin_consumer_lag_readings',
    help: 'Journal entries that a consumer has not worked through',
    labelNames: ['consumer'],
    registers: [registry],
    collect() {
      for (const { id, lag } of journal.stats().consumers) if (id in HOLDERS) this.set({ consumer: id }, lag);
    },
  });
}
