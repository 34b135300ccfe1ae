/**
 * The composition root: builds the parts, starts them in the order of the flow backwards (who consumes stands before who
 * produces), and stops them in reverse, so that nothing is taken in that would not be kept.
 */
import { join } from 'node:path';
import { Gauge, Registry } from 'prom-client';
import { AlertTopics } from './alert-topics.ts';
import { createBackend } from './backend.ts';
import type { Loaded } from './cli/load.ts';
import type { Config, ConfigSource, HistoryConfig } from './config.ts';
import { createDecoder } from './devices/decode.ts';
import type { SeriesStoreConfig } from './history/open.ts';
import { startBroker } from './ingest/broker.ts';
import { createIngest } from './ingest/ingest.ts';
import type { Journal } from './journal/journal.ts';
import { openSqliteJournal } from './journal/sqlite.ts';
import { Reloader } from './reload.ts';
import { holdDataFolder } from './sqlite/data-folder.ts';
import { type Clock, systemClock } from './std/clock.ts';
import { createLogger, type Logger } from './std/logger.ts';
import { collectProcessMetrics } from './web/metrics.ts';
import { startWebServer } from './web/server.ts';
import { formatTime } from './web/times.ts';
import type { DecisionsData, DecisionsEvents, DecisionsMethods } from './workers/decisions.ts';
import type { Configuration } from './workers/generations.ts';
import type { HistoryData, HistoryMethods } from './workers/history.ts';
import { LoadingThread } from './workers/load.ts';
import { type RunningWorker, startWorker } from './workers/start.ts';

export interface App extends AsyncDisposable {
  /** Reads the configuration again and applies it, unless it is invalid; what became of it is in the log. */
  reload(reason: string): void;
  /** Where it serves, with the real ports. */
  readonly mqtt: readonly string[];
  readonly http: string;
}

/** Consumers that hold the journal's disk until they have released it. */
const HOLDERS = { alerting: 'alerting', history: 'history', quarantine: 'quarantine' } as const;

/** @param source where a reload reads from: what `loaded` came from */
export async function startApp(loaded: Loaded, source: ConfigSource): Promise<App> {
  const { config } = loaded;
  const clock = systemClock;
  const logger = createLogger('main');
  const registry = new Registry();
  await using stack = new AsyncDisposableStack();
  stack.use(holdDataFolder(config.data));

  const journal = await openJournal(config, { clock, logger });
  stack.defer(() => journal.close());
  observeJournal(journal, registry);
  const common = { journal, clock, logger };

  const history = await startHistory(config, common);
  stack.defer(() => history.stop());
  const alertTopics = new AlertTopics();
  let inForce = loaded;
  const decisions = await startDecisions(() => inForce, common, alertTopics);
  stack.defer(() => decisions.stop());

  let decoder = createDecoder(loaded.directory, config.mqtt.limits);
  const ingest = await createIngest({ ...common, decoder, partition: 0, registry });
  stack.defer(() => ingest.drained());
  const broker = await startBroker({ listeners: config.mqtt.listeners, limits: config.mqtt.limits, ingest, clock, logger, registry });
  stack.defer(() => broker.close());
  alertTopics.publishThrough(broker);
  const status = { state: 'running', since: formatTime(clock.now()) };
  broker.publish('tocsin/status', JSON.stringify(status), { retain: true });

  const apply = async (next: Loaded): Promise<void> => {
    await decisions.remote.reload(configurationOf(next));
    inForce = next;
    decoder = createDecoder(next.directory, config.mqtt.limits, decoder);
    ingest.useDecoder(decoder);
  };
  const loading = stack.use(new LoadingThread(source, clock));
  const reloader = new Reloader({ loaded, load: () => loading.load(), apply, clock, logger });
  stack.defer(() => reloader.end());

  collectProcessMetrics(registry);
  const backend = createBackend({ journal, ingest, decisions, history, registry, reloader });
  const { host, port, publicUrl } = config.http;
  const web = await startWebServer({ host, port, publicUrl, backend, logger });
  stack.defer(() => web.close());

  for (const { place, hint, message } of loaded.warnings) logger.warn({ place, hint }, message);
  const running = stack.move();
  return {
    mqtt: broker.urls,
    http: web.url,
    reload: (reason) => reloader.request(reason),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface Common {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly logger: Logger;
}

function openJournal(config: Config, { clock, logger }: Omit<Common, 'journal'>): Promise<Journal> {
  const { bytesMax, reserveBytes, keepMs } = config.journal;
  const holders = Object.values(HOLDERS).filter((consumer) => consumer !== HOLDERS.history || config.roles.includes('history'));
  return openSqliteJournal({ path: join(config.data, 'journal.db'), bytesMax, reserveBytes, keepMs, clock, logger, holders });
}

function startHistory(config: Config, common: Common): Promise<RunningWorker<HistoryMethods>> {
  const { journal } = common;
  return startWorker<HistoryMethods>({
    ...common,
    name: 'history',
    module: new URL('./workers/history.ts', import.meta.url),
    data: (): HistoryData => ({
      dataDirectory: config.data,
      journalId: journal.id,
      range: journal.range(0),
      history: config.roles.includes('history') ? seriesStoreOf(config.history) : null,
      quarantineBytesMax: config.quarantine.bytesMax,
    }),
  });
}

function startDecisions(inForce: () => Loaded, common: Common, alertTopics: AlertTopics): Promise<RunningWorker<DecisionsMethods>> {
  const { config } = inForce();
  const { journal } = common;
  const range: DecisionsEvents['range'] = () => journal.range(0);
  return startWorker<DecisionsMethods>({
    ...common,
    name: 'decisions',
    module: new URL('./workers/decisions.ts', import.meta.url),
    methods: { range, alertsChanged: (alerts: Parameters<DecisionsEvents['alertsChanged']>[0]) => alertTopics.update(alerts) },
    data: (): DecisionsData => ({
      statePath: join(config.data, 'state.db'),
      mailDirectory: join(config.data, 'mail'),
      journalId: journal.id,
      range: range(),
      ...configurationOf(inForce()),
      email: config.email,
      ...config.alerting,
      publicUrl: config.http.publicUrl,
    }),
  });
}

const configurationOf = ({ rules, directory, notify }: Loaded): Configuration => ({ rules, directory, notify });

const seriesStoreOf = (history: HistoryConfig): SeriesStoreConfig =>
  history.kind === 'sqlite' ? { url: 'sqlite:', keepMs: history.keepMs } : { influx: history.url, tags: history.tags };

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
