/** The history thread: readings into the series store, and what was rejected into the quarantine. */
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { createHistory } from '../history/history.ts';
import { openSeriesStore, type SeriesStoreConfig } from '../history/open.ts';
import { createQuarantine, type QuarantineQuery } from '../history/quarantine.ts';
import { READINGS_MAX, type SeriesStore } from '../history/series-store.ts';
import type { Position } from '../journal/journal.ts';
import { systemClock } from '../std/clock.ts';
import { createLogger } from '../std/logger.ts';
import type { Page, ReadingsQuery } from '../web/backend.ts';
import { hostWorker } from './host.ts';
import type { WorkerMethods } from './start.ts';

export interface HistoryData {
  readonly dataDirectory: string;
  readonly journalId: string;
  readonly range: { readonly first: Position; readonly head: Position };
  readonly history: SeriesStoreConfig;
  readonly quarantineBytesMax: number;
}

export interface HistoryMethods extends WorkerMethods {
  readings(query: ReadingsQuery): Promise<Page<unknown>>;
  quarantine(query: QuarantineQuery): Page<unknown>;
}

const READINGS_DEFAULT = 1000;

hostWorker<HistoryData>(async (data, journal) => {
  const clock = systemClock;
  const registry = new Registry();
  const logger = createLogger('history');
  const common = { journal, journalId: data.journalId, partition: 0, range: data.range, clock, logger, registry };
  const store = await openSeriesStore(data.history, { dataDirectory: data.dataDirectory, clock, logger });
  const quarantine = createQuarantine({ ...common, path: join(data.dataDirectory, 'quarantine.db'), bytesMax: data.quarantineBytesMax });
  const history = createHistory({ ...common, store, quarantine });
  return {
    services: [history, quarantine],
    methods: { readings: (query: ReadingsQuery) => readings(store, query), quarantine: quarantine.list },
    metrics: () => registry.metrics(),
    async close() {
      await store.close();
      quarantine.close();
    },
  };
});

async function readings(store: SeriesStore, query: ReadingsQuery): Promise<Page<unknown>> {
  const { device, metric, points } = query;
  const span = { from: query.from ?? null, to: query.to ?? null };
  if (points !== undefined && metric !== undefined) return { items: await store.buckets({ device, metric, points, ...span }), next: null };
  const { cursor, limit } = query;
  return store.readings({
    device,
    metric: metric ?? null,
    ...span,
    cursor: cursor ?? null,
    limit: Math.min(limit ?? READINGS_DEFAULT, READINGS_MAX),
  });
}
