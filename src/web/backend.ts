/**
 * What the HTTP server asks of the rest of the program. The composition root implements it over the threads; the server
 * knows nothing of journals, stores or workers. Times are integer µs on this side: the server turns them into RFC 3339.
 */
import type { ExplainQuery } from '../alerts/explaining.ts';
import type { Value } from '../domain/reading.ts';
import type { Operating } from '../notify/operating.ts';

export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque; null on the last page. */
  readonly next: string | null;
}

export interface PageQuery {
  readonly cursor?: string;
  readonly limit?: number;
}

/** All that is given must be equal. */
export interface QuarantineFilter {
  readonly reason?: string;
  readonly device?: string;
  readonly topic?: string;
}

export interface QuarantinePageQuery extends PageQuery, QuarantineFilter {}

export interface AlertsQuery extends PageQuery {
  readonly state?: 'pending' | 'firing' | 'resolved';
  readonly level?: 'info' | 'warning' | 'critical';
  readonly device?: string;
  readonly rule?: string;
  readonly acknowledged?: boolean;
}

export interface DevicesQuery extends PageQuery {
  /** Those that are said to be, or not to be; a device of which nothing is said is neither. */
  readonly online?: boolean;
}

export interface ReadingsQuery extends PageQuery {
  readonly device: string;
  readonly metric?: string;
  /** Inclusive; µs. */
  readonly from?: number;
  /** Exclusive; µs. */
  readonly to?: number;
  /** Downsample to about this many buckets; only together with a metric. */
  readonly points?: number;
}

export interface IngestReading {
  readonly device: string;
  /** µs; absent: the time of receipt counts. */
  readonly at?: number;
  /** Numbers are finite. */
  readonly values: Readonly<Record<string, Value>>;
}

export interface IngestResult {
  readonly accepted: number;
  /** What was quarantined, by the reading's place in the list handed over. A reading may be accepted in part. */
  readonly rejected: readonly { readonly index: number; readonly reason: string; readonly detail: string }[];
}

/** The same methods, asked on another thread. */
type Asked<T> = { [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never };

export interface Backend extends Asked<Operating> {
  devices(query: DevicesQuery): Promise<Page<unknown>>;
  device(id: string): Promise<unknown | null>;
  /** Why a device did, or did not, alert; `unknown` is a sentence: what was asked about is not there. */
  explain(query: ExplainQuery): Promise<object | { readonly unknown: string; readonly hint: string | null }>;
  alerts(query: AlertsQuery): Promise<Page<unknown>>;
  alert(id: string): Promise<unknown | null>;
  readings(query: ReadingsQuery): Promise<Page<unknown>>;
  quarantine(query: QuarantinePageQuery): Promise<Page<unknown>>;
  /** By reason, the most frequent first. */
  quarantineReasons(): Promise<readonly unknown[]>;
  /** Null: there is none, or not any more. */
  quarantined(id: number): Promise<unknown | null>;
  /** Decodes it again, by the present profiles. Resolves once what came of it is durable. */
  replay(id: number, options: { readonly rules: boolean }): Promise<unknown | null>;
  /** The oldest first, from `after` on, which is an id. */
  replayMany(
    filter: QuarantineFilter,
    request: { readonly rules: boolean; readonly limit: number; readonly after: number },
  ): Promise<unknown>;
  notifications(query: PageQuery): Promise<Page<unknown>>;
  /** What people did, oldest first. */
  operationLog(query: PageQuery): Promise<Page<unknown>>;
  /** Rules as they are in force. */
  rules(query: PageQuery): Promise<Page<unknown>>;
  /** What is in force, as it may be shown; plain data, handed on as it is. */
  configuration(): Promise<unknown>;
  /** Resolves with what changed; rejects with InvalidConfig when nothing was applied. */
  reload(): Promise<unknown>;
  journal(): Promise<unknown>;
  /** Resolves once the readings are durable; rejects with JournalFull while the disk budget is spent. */
  ingest(readings: readonly IngestReading[], client: string): Promise<IngestResult>;
  readiness(): Promise<{ readonly ready: boolean; readonly reasons: readonly string[] }>;
  /** The registries of all threads, as one text in Prometheus' format. */
  metrics(): Promise<string>;
}
