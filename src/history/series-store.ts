/**
 * Where history is kept. What a series store promises (test/contracts/series-store.ts holds every implementation to it):
 *
 * **Idempotence.** A value is identified by device, metric and time. Writing it again changes nothing; writing another
 * value there replaces it. A batch may therefore be repeated whole after a crash or a lost answer.
 *
 * **Isolation.** One reading that cannot be stored never drops its neighbours, nor one of its values the others: `write`
 * resolves with everything else stored, and names what was refused, and why.
 *
 * **Durability.** When `write` resolves, readings and cursor are with the store for good. The cursor is never ahead of the
 * readings before it: it commits in one transaction with them, or after them.
 *
 * **Outage.** A store that cannot be reached, or has no room, rejects with SeriesStoreUnavailable and holds nothing
 * back in memory: the journal keeps the readings, and the caller comes again.
 *
 * Times are µs. A query's `from` is inclusive, its `to` exclusive.
 */
import type { Reading, Value } from '../domain/reading.ts';
import { InvalidQuery, TocsinError } from '../std/errors.ts';

export interface SeriesStore {
  /** How far this store has got in a journal, or null when it is new. */
  cursor(partition: number): Cursor | null;
  write(readings: readonly Reading[], options: WriteOptions): Promise<WriteOutcome>;
  /**
   * Without `points`: raw readings in order of time, the metrics of one instant in one row.
   * With `points`, and then with `metric`: its numbers in at most that many equal steps of time; steps without one are left out.
   */
  query(query: SeriesQuery): Promise<SeriesPage>;
  close(): Promise<void>;
}

export interface Cursor {
  readonly partition: number;
  readonly journalId: string;
  readonly position: number;
}

export interface WriteOptions {
  /** Made durable with the readings, or after them. */
  readonly cursor: Cursor | null;
  readonly signal: AbortSignal;
  /** Called before the cursor is durable, with what the store refused for good. */
  readonly refused: (refusals: readonly Refusal[]) => void;
}

export interface WriteOutcome {
  /** Values stored. */
  readonly written: number;
  /** Values refused. */
  readonly refused: number;
}

export interface Refusal {
  /** With only those metrics that were refused. */
  readonly reading: Reading;
  /** A fixed code: `history-type-conflict`, `history-beyond-retention`, `history-refused`. */
  readonly reason: string;
  readonly detail: string;
}

export interface SeriesQuery {
  readonly device: string;
  readonly metric?: string;
  readonly from?: number;
  readonly to?: number;
  /** `next` of the page before. */
  readonly cursor?: string;
  /** 1 to READINGS_MAX. */
  readonly limit?: number;
  /** 1 to BUCKETS_MAX. */
  readonly points?: number;
}

export interface StoredReading {
  readonly at: number;
  readonly device: string;
  readonly values: Readonly<Record<string, Value>>;
}

export interface SeriesPage {
  readonly items: readonly (StoredReading | Bucket)[];
  readonly next: string | null;
}

export interface Bucket {
  /** Where the step begins. */
  readonly at: number;
  readonly avg: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

export const READINGS_MAX = 10_000;
export const BUCKETS_MAX = 10_000;
const READINGS_DEFAULT = 1000;

/** Worth another try: no answer, no room, or an access that someone must mend first. */
export class SeriesStoreUnavailable extends TocsinError {
  override readonly name = 'SeriesStoreUnavailable';
}

/** A query whose bounds hold; times that were not given are null. */
export type CheckedQuery =
  | {
      readonly kind: 'readings';
      readonly device: string;
      readonly metric: string | null;
      readonly from: number | null;
      readonly to: number | null;
      readonly limit: number;
    }
  | {
      readonly kind: 'buckets';
      readonly device: string;
      readonly metric: string;
      readonly from: number | null;
      readonly to: number | null;
      readonly points: number;
    };

/** Checks what a caller outside may get wrong, and turns a cursor into the time that the page begins at. */
export function checkedQuery(query: SeriesQuery): CheckedQuery {
  const { device, metric, limit = READINGS_DEFAULT, points, cursor } = query;
  const times = { from: query.from ?? null, to: query.to ?? null };
  if (points !== undefined) {
    if (metric === undefined) throw new InvalidQuery('points goes together with metric', { hint: 'averages are of one metric' });
    if (!Number.isInteger(points) || points < 1 || points > BUCKETS_MAX)
      throw new InvalidQuery(`points must be a whole number from 1 to ${BUCKETS_MAX}`);
    return { kind: 'buckets', device, metric, ...times, points };
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > READINGS_MAX) {
    throw new InvalidQuery(`limit must be a whole number from 1 to ${READINGS_MAX}`, { hint: 'page on with cursor' });
  }
  if (cursor === undefined) return { kind: 'readings', device, metric: metric ?? null, ...times, limit };
  const after = /^-?\d{1,16}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!Number.isSafeInteger(after))
    throw new InvalidQuery('no page of readings ended with this cursor', { hint: 'use `next` of the page before' });
  return { kind: 'readings', device, metric: metric ?? null, from: Math.max(times.from ?? after + 1, after + 1), to: times.to, limit };
}

/** The width in µs of each of at most `points` steps that together cover `from` to `to`. */
export const bucketWidth = (range: { from: number; to: number }, points: number): number =>
  Math.max(1, Math.ceil((range.to - range.from) / points));

/** The page of `limit` rows, given one row more than that where there is one. */
export function pageOf(rows: readonly StoredReading[], limit: number): SeriesPage {
  if (rows.length <= limit) return { items: rows, next: null };
  const items = rows.slice(0, limit);
  return { items, next: String(items.at(-1)?.at) };
}
