/** What the HTTP API asks for, answered by the threads that know it: part of the composition root. */
import type { Registry } from 'prom-client';
import description from '../package.json' with { type: 'json' };
import { describe } from './devices/describing.ts';
import type { LearnedTable } from './devices/learned.ts';
import { SELF } from './domain/device.ts';
import type { Ingest } from './ingest/ingest.ts';
import { type KeptFilter, type KeptRejections, QuarantineReplay } from './ingest/replaying.ts';
import type { Journal } from './journal/journal.ts';
import type { Reloader } from './reload.ts';
import { systemClock } from './std/clock.ts';
import { messageOf } from './std/errors.ts';
import type { Backend, Page } from './web/backend.ts';
import { joinMetrics } from './web/metrics.ts';
import type { DecisionsMethods } from './workers/decisions.ts';
import type { HistoryMethods } from './workers/history.ts';
import type { RunningWorker, WorkerMethods } from './workers/start.ts';

const METRICS_WAIT_MS = 2000;

export function createBackend(parts: {
  journal: Journal;
  ingest: Ingest;
  decisions: RunningWorker<DecisionsMethods>;
  history: RunningWorker<HistoryMethods>;
  registry: Registry;
  reloader: Reloader;
  keepsHistory: boolean;
  /** What the messages of devices have said of them: the decoder's, which a reload exchanges. */
  learned: () => LearnedTable;
}): Backend {
  const { journal, ingest, decisions, history, registry, reloader, keepsHistory } = parts;
  const replay = replayOf({ ingest, history, keepsHistory });
  const known = () => ({
    profiles: new Map(reloader.current.directory.profiles.map((profile) => [profile.name, profile])),
    learned: (device: string) => parts.learned().description(device),
  });
  return {
    // Tocsin's own device is asked for by its name, and is in nobody's way otherwise.
    async devices(query) {
      const { items, next } = withoutSelf(await decisions.remote.devices(query));
      const described = known();
      return { items: items.map((device) => describe(device, described)), next };
    },
    async device(id) {
      const device = await decisions.remote.device(id);
      return device === null ? null : describe(device, known());
    },
    explain: (query) => decisions.remote.explain(query),
    alerts: (query) => decisions.remote.alerts(query),
    alert: (id) => decisions.remote.alert(id),
    notifications: (query) => decisions.remote.notifications(query),
    rules: (query) => decisions.remote.rules(query),
    operationLog: (query) => decisions.remote.operationLog(query),
    operate: (operation) => decisions.remote.operate(operation),
    silences: (query) => decisions.remote.silences(query),
    silence: (id) => decisions.remote.silence(id),
    openLink: (token) => decisions.remote.openLink(token),
    test: (contact, by) => decisions.remote.test(contact, by),
    preview: (alert, contact) => decisions.remote.preview(alert, contact),
    contacts: () => decisions.remote.contacts(),
    configuration: async () => ({ version: description.version, ...reloader.described() }),
    reload: () => reloader.reload('HTTP'),
    readings: (query) => history.remote.readings(query),
    quarantine: (query) => history.remote.quarantine(query),
    quarantineReasons: () => history.remote.quarantineReasons(),
    quarantined: (id) => history.remote.quarantined(id),
    replay: (id, options) => replay.one(id, options),
    replayMany: (filter, request) => replay.many(filter, request),
    journal: async () => ({ id: journal.id, ...journal.range(0), ...journal.stats() }),
    ingest: (readings, client) => ingest.post(readings, client),
    async readiness() {
      const reasons = [journal.stats().full, decisions.fault(), history.fault()].filter((reason) => reason !== null);
      return { ready: reasons.length === 0, reasons };
    },
    async metrics() {
      const workers = [decisions, history].filter((worker) => worker.fault() === null);
      const texts = await Promise.all(workers.map((worker) => metricsOf(worker)));
      return joinMetrics([await registry.metrics(), ...texts]);
    },
  };
}

function replayOf(parts: { ingest: Ingest; history: RunningWorker<HistoryMethods>; keepsHistory: boolean }): QuarantineReplay {
  const { ingest, history, keepsHistory } = parts;
  const kept = {
    rejection: (id: number) => history.remote.rejection(id),
    oldest: (filter: KeptFilter, range: Parameters<KeptRejections['oldest']>[1]) => history.remote.rejections(filter, range),
    count: (filter: KeptFilter, after: number) => history.remote.countRejections(filter, after),
    settle: (outcomes: Parameters<KeptRejections['settle']>[0]) => history.remote.settleRejections(outcomes),
  };
  return new QuarantineReplay({ kept, ingest, keepsHistory, clock: systemClock });
}

const withoutSelf = <Item extends { readonly id: string }>({ items, next }: Page<Item>): Page<Item> => ({
  items: items.filter(({ id }) => id !== SELF),
  next,
});

/** A thread that is busy or stuck must not cost the others' metrics: its own are left out then. */
async function metricsOf(worker: RunningWorker<WorkerMethods>): Promise<string> {
  const late = systemClock.sleep(METRICS_WAIT_MS).then(() => `# ${worker.name} does not answer\n`);
  return Promise.race([worker.remote.metrics().catch((error: unknown) => `# ${messageOf(error)}\n`), late]);
}
