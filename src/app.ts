/**
 * The composition root: builds the parts, starts them in the order of the flow backwards (who consumes stands before who
 * produces), and stops them in reverse, so that nothing is taken in that would not be kept.
 */
import { join } from 'node:path';
import { Gauge, Registry } from 'prom-client';
import { Access, type AccessSettings } from './access/access.ts';
import type { TlsFiles } from './access/certificates.ts';
import { AlertTopics } from './alert-topics.ts';
import { createBackend } from './backend.ts';
import type { Loaded } from './cli/load.ts';
import { watchFiles } from './config/watch.ts';
import type { Config, ConfigSource, HistoryConfig } from './config.ts';
import { loadCodecs } from './devices/codecs/codecs.ts';
import { createDecoder } from './devices/decode.ts';
import type { Shape } from './domain/reading.ts';
import type { SeriesStoreConfig } from './history/open.ts';
import { type Broker, startBroker } from './ingest/broker.ts';
import { createIngest, type Ingest } from './ingest/ingest.ts';
import { LearnedFile, loadLearned } from './ingest/learned-file.ts';
import type { Journal } from './journal/journal.ts';
import { openSqliteJournal } from './journal/sqlite.ts';
import type { Chart, ChartOrder } from './notify/composing.ts';
import { Reloader } from './reload.ts';
import { Heartbeat } from './self/heartbeat.ts';
import { hostOf, ping } from './self/ping.ts';
import { SELF_DEVICE } from './self/self-profile.ts';
import { Watching } from './self/watching.ts';
import { holdDataFolder } from './sqlite/data-folder.ts';
import { type Clock, systemClock } from './std/clock.ts';
import { messageOf, Unavailable } from './std/errors.ts';
import { createLogger, type Logger } from './std/logger.ts';
import type { Service } from './std/service.ts';
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
  const outlets: Outlets = { alertTopics, history, broker: null };
  const decisions = await startDecisions(() => inForce, common, outlets);
  stack.defer(() => decisions.stop());

  let decoder = createDecoder(loaded.directory, config.mqtt.limits, undefined, await loadCodecs(loaded.directory.profiles, clock));
  const learnedFile = { ...common, path: join(config.data, 'learned.json'), partition: 0 };
  const learnedUpTo = await loadLearned(learnedFile, decoder.learned);
  const ingest = await createIngest({ ...common, decoder, partition: 0, registry, learnedUpTo });
  const learning = new LearnedFile(learnedFile, { position: learnedUpTo, learned: () => decoder.learned });
  stack.defer(() => ingest.drained());
  const { broker, admit } = stack.use(await startMqtt(loaded, { clock, logger, registry, ingest }));
  alertTopics.publishThrough(broker);
  outlets.broker = broker;
  const status = { state: 'running', since: formatTime(clock.now()) };
  await broker.publish('tocsin/status', JSON.stringify(status), { retain: true });

  const watching = createWatching(config, { ...common, ingest, decisions, history, registry });
  const apply = async (next: Loaded): Promise<void> => {
    const codecs = await loadCodecs(next.directory.profiles, clock);
    await decisions.remote.reload(configurationOf(next));
    watching.useEvery(next.config.self.everyMs);
    inForce = next;
    decoder = createDecoder(next.directory, config.mqtt.limits, decoder, codecs);
    ingest.useDecoder(decoder);
  };
  const loading = stack.use(new LoadingThread(source, clock));
  const reloader = new Reloader({ loaded, load: () => loading.load(), apply, admit, clock, logger });
  stack.defer(() => reloader.end());

  collectProcessMetrics(registry);
  const keepsHistory = config.roles.includes('history');
  const learned = () => decoder.learned;
  const backend = createBackend({ journal, ingest, decisions, history, registry, reloader, learned, keepsHistory });
  const { host, port, publicUrl } = config.http;
  const web = await startWebServer({ host, port, publicUrl, backend, logger });
  stack.defer(() => web.close());
  const heartbeat = createHeartbeat(config, { ...common, decisions, registry, isPassing: () => watching.isPassing() });
  stack.use(runUntilDisposed([watching, learning, ...heartbeat]));

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

interface Mqtt extends AsyncDisposable {
  readonly broker: Broker;
  /** Puts into force who may connect, and what listeners show. */
  admit(next: Loaded): void;
}

async function startMqtt(loaded: Loaded, parts: Omit<Common, 'journal'> & { registry: Registry; ingest: Ingest }): Promise<Mqtt> {
  const { mqtt } = loaded.config;
  await using stack = new AsyncDisposableStack();
  const access = stack.use(new Access(accessOf(loaded), parts));
  const broker = await startBroker({ ...mqtt, ...parts, access, path: join(loaded.config.data, 'broker.db') });
  stack.defer(() => broker.close());
  if (mqtt.tls !== null) stack.defer(watchFiles(filesOf(mqtt.tls), { ...parts, onChange: () => broker.renewCertificates() }));
  const running = stack.move();
  return {
    broker,
    admit(next) {
      access.use(accessOf(next));
      broker.renewSessions();
      broker.renewCertificates();
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
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

/** What the decisions thread reaches through this one. */
interface Outlets {
  readonly alertTopics: AlertTopics;
  readonly history: RunningWorker<HistoryMethods>;
  /** Null until it listens. */
  broker: Broker | null;
}

function startDecisions(inForce: () => Loaded, common: Common, outlets: Outlets): Promise<RunningWorker<DecisionsMethods>> {
  const { config } = inForce();
  const { journal } = common;
  const range: DecisionsEvents['range'] = () => journal.range(0);
  const publish = async (topic: string, payload: string, retain: boolean): Promise<void> => {
    if (outlets.broker === null) throw new Unavailable('the broker does not listen yet');
    await outlets.broker.publish(topic, payload, { retain });
  };
  const draw = async (order: ChartOrder): Promise<Chart | null> =>
    config.roles.includes('history') ? outlets.history.remote.chart(order) : null;
  return startWorker<DecisionsMethods>({
    ...common,
    name: 'decisions',
    module: new URL('./workers/decisions.ts', import.meta.url),
    methods: {
      range,
      publish,
      draw,
      alertsChanged: (alerts: Parameters<DecisionsEvents['alertsChanged']>[0]) => outlets.alertTopics.update(alerts),
    },
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

const accessOf = ({ config, credentials, directory }: Loaded): AccessSettings => ({
  anonymous: config.mqtt.anonymous,
  credentials,
  directory,
});

const filesOf = ({ cert, key, ca }: TlsFiles): string[] => [cert, key, ...(ca === null ? [] : [ca])];

const configurationOf = ({ rules, directory, notify }: Loaded): Configuration => ({ rules, directory, notify });

const seriesStoreOf = (history: HistoryConfig): SeriesStoreConfig =>
  history.kind === 'sqlite' ? { url: 'sqlite:', keepMs: history.keepMs } : { influx: history.url, tags: history.tags };

interface Observable extends Common {
  readonly ingest: Ingest;
  readonly decisions: RunningWorker<DecisionsMethods>;
  readonly history: RunningWorker<HistoryMethods>;
  readonly registry: Registry;
}

/** Tocsin's readings of itself. */
function createWatching(config: Config, { ingest, decisions, history, ...common }: Observable): Watching {
  const { bytesMax, reserveBytes } = config.journal;
  // One for each set of names, as a batch names them once.
  const shapes = new Map<string, Shape>();
  return new Watching({
    ...common,
    everyMs: config.self.everyMs,
    post: (values) => {
      const names = Object.keys(values);
      const shape = shapes.get(names.join()) ?? names;
      shapes.set(names.join(), shape);
      return ingest.postOwn(SELF_DEVICE, shape, Object.values(values));
    },
    disk: { folder: config.data, bytesMax, reserveBytes },
    progress: () => decisions.remote.progress(),
    channels: () => decisions.remote.channelHealth(),
    historyTrouble: async () => (config.roles.includes('history') ? history.remote.trouble() : null),
  });
}

/** None or one. */
function createHeartbeat(
  { heartbeat }: Config,
  { clock, decisions, ...common }: Common & Pick<Observable, 'decisions' | 'registry'> & { readonly isPassing: () => boolean },
): Heartbeat[] {
  if (heartbeat === null) return [];
  const { everyMs } = heartbeat;
  const sender =
    heartbeat.kind === 'http'
      ? { to: hostOf(heartbeat.url), send: (signal: AbortSignal) => ping(heartbeat.url, clock, signal) }
      : { to: heartbeat.to, send: () => decisions.remote.sendHeartbeat(heartbeat.to, everyMs).catch(messageOf) };
  return [new Heartbeat({ ...common, ...sender, clock, everyMs })];
}

function runUntilDisposed(services: readonly Service[]): AsyncDisposable {
  const stop = new AbortController();
  const running = Promise.all(services.map((service) => service.run(stop.signal)));
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

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
