/** The history thread: readings into the series store, and what was rejected into the quarantine. */
import { isUtf8 } from 'node:buffer';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { createHistory } from '../history/history.ts';
import { openSeriesStore, type SeriesStoreConfig } from '../history/open.ts';
import { createQuarantine } from '../history/quarantine.ts';
import type {
  QuarantineFilter,
  QuarantineItem,
  QuarantineQuery,
  QuarantineRange,
  QuarantineReason,
  Settled,
} from '../history/quarantine-table.ts';
import type { SeriesPage, SeriesQuery } from '../history/series-store.ts';
import type { Position } from '../journal/journal.ts';
import type { Chart, ChartOrder } from '../notify/composing.ts';
import { systemClock } from '../std/clock.ts';
import { Unavailable } from '../std/errors.ts';
import { createLogger } from '../std/logger.ts';
import type { Page } from '../web/backend.ts';
import { drawChart } from './chart.ts';
import { hostWorker } from './host.ts';
import type { WorkerMethods } from './start.ts';

export interface HistoryData {
  readonly dataDirectory: string;
  readonly journalId: string;
  readonly range: { readonly first: Position; readonly head: Position };
  /** null: the role is left out, and only the quarantine runs. */
  readonly history: SeriesStoreConfig | null;
  readonly quarantineBytesMax: number;
}

export interface HistoryMethods extends WorkerMethods {
  readings(query: SeriesQuery): Promise<SeriesPage>;
  /** For a mail. */
  chart(order: ChartOrder): Promise<Chart | null>;
  quarantine(query: QuarantineQuery): Page<unknown>;
  quarantineReasons(): readonly unknown[];
  /** With all its bytes. */
  quarantined(id: number): unknown | null;
  /** For a replay, as they are. */
  rejection(id: number): QuarantineItem | null;
  rejections(filter: QuarantineFilter, range: QuarantineRange): readonly QuarantineItem[];
  countRejections(filter: QuarantineFilter, after: number): number;
  settleRejections(outcomes: readonly Settled[]): void;
  /** Why the series store is not written to at present, or null. */
  trouble(): string | null;
}

hostWorker<HistoryData>(async (data, journal) => {
  const clock = systemClock;
  const registry = new Registry();
  const logger = createLogger('history');
  const common = { journal, journalId: data.journalId, partition: 0, range: data.range, clock, logger, registry };
  const store = data.history === null ? null : await openSeriesStore(data.history, { dataDirectory: data.dataDirectory, clock, logger });
  const quarantine = createQuarantine({ ...common, path: join(data.dataDirectory, 'quarantine.db'), bytesMax: data.quarantineBytesMax });
  const history = store === null ? [] : [createHistory({ ...common, store, quarantine })];
  return {
    services: [...history, quarantine],
    methods: {
      readings: (query: SeriesQuery) => {
        if (store === null) throw new Unavailable('this instance keeps no history', { hint: 'add history to roles' });
        return store.query(query);
      },
      chart: async (order: ChartOrder) => (store === null ? null : drawChart(order, (query) => store.query(query))),
      quarantine: (query: QuarantineQuery) => {
        const { items, next } = quarantine.list(query);
        return { items: items.map(readable), next };
      },
      quarantineReasons: () =>
        quarantine.reasons().map(({ example, ...reason }: QuarantineReason) => ({ ...reason, example: readable(example) })),
      quarantined: (id: number) => {
        const item = quarantine.show(id);
        return item === null ? null : { ...readable(item), ...writtenOut(item) };
      },
      rejection: (id: number) => quarantine.show(id),
      rejections: (filter: QuarantineFilter, range: QuarantineRange) => quarantine.oldest(filter, range),
      countRejections: (filter: QuarantineFilter, after: number) => quarantine.count(filter, after),
      settleRejections: (outcomes: readonly Settled[]) => quarantine.settle(outcomes),
      trouble: () => history[0]?.trouble() ?? null,
    },
    metrics: () => registry.metrics(),
    async close() {
      await store?.close();
      quarantine.close();
    },
  };
});

/** Payloads as a person reads them: text where it is text, else base64. */
function readable({ payload, ...item }: QuarantineItem): object {
  const bytes = Buffer.from(payload);
  return isUtf8(bytes) ? { ...item, payload: bytes.toString() } : { ...item, payloadBase64: bytes.toString('base64') };
}

function writtenOut({ payload }: QuarantineItem): object {
  const bytes = Buffer.from(payload);
  return { payloadBytes: bytes.length, payloadBase64: bytes.toString('base64'), payloadHex: bytes.toString('hex') };
}
