/**
 * What is in the quarantine, as a table of its own file: entries by id, which grows with time, and how many bytes they take. Past
 * `bytesMax` the oldest go first, counted.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Rejection } from '../domain/reading.ts';
import { type Database, openDatabase } from '../sqlite/database.ts';
import { isPassing } from '../sqlite/fault.ts';
import { InvalidQuery, messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { SeriesStoreUnavailable } from './series-store.ts';

const LIST_DEFAULT = 100;
const LIST_MAX = 1000;
/** Of payloads; a page ends before it. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** What a row takes beside its texts and payload, about. */
const ROW_BYTES = 64;
const EVICTED_AT_ONCE = 200;

interface TableOptions {
  readonly path: string;
  readonly bytesMax: number;
  readonly logger: Logger;
  readonly registry: Registry;
}

/** All that is given must be equal. */
export interface QuarantineFilter {
  readonly reason?: string;
  readonly device?: string;
  readonly topic?: string;
}

export interface QuarantineQuery extends QuarantineFilter {
  readonly cursor?: string;
  readonly limit?: number;
}

export interface QuarantineRange {
  /** An id; not in it. */
  readonly after: number;
  readonly limit: number;
  readonly bytesMax: number;
}

export interface QuarantineItem extends Rejection {
  /** Grows with time; never used again. */
  readonly id: number;
}

export interface QuarantinePage {
  readonly items: readonly QuarantineItem[];
  readonly next: string | null;
}

export interface QuarantineReason {
  readonly reason: string;
  readonly count: number;
  readonly firstReceivedAt: number;
  readonly lastReceivedAt: number;
  /** The newest. */
  readonly example: QuarantineItem;
}

/** What a replay made of an entry. */
export interface Settled {
  readonly id: number;
  /** Null: it may leave. */
  readonly still: { readonly reason: string; readonly detail: string; readonly partial: boolean } | null;
}

export class QuarantineTable {
  readonly database: Database;
  readonly #bytesMax: number;
  readonly #kept: Counter<string>;
  readonly #dropped: Counter<string>;
  readonly #replayed: Counter<'outcome'>;
  readonly #logger: Logger;
  #bytes: number;

  constructor(options: TableOptions) {
    const { registry } = options;
    this.#bytesMax = options.bytesMax;
    this.#logger = options.logger;
    this.database = openDatabase(options.path);
    this.database.migrate('quarantine', [
      `CREATE TABLE rejection (
         id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, bytes INTEGER NOT NULL, received_at INTEGER NOT NULL, reason TEXT NOT NULL,
         detail TEXT NOT NULL, device TEXT, topic TEXT NOT NULL, client TEXT NOT NULL, partial INTEGER NOT NULL, payload BLOB NOT NULL
       ) STRICT;
       CREATE INDEX rejection_reason ON rejection (reason, id);
       CREATE INDEX rejection_device ON rejection (device, id)`,
      'CREATE INDEX rejection_topic ON rejection (topic, id)',
    ]);
    this.#bytes = Number(this.database.prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM rejection').get()?.bytes);
    this.#kept = new Counter({ name: 'tocsin_quarantine_kept_total', help: 'Rejections put into the quarantine', registers: [registry] });
    this.#dropped = new Counter({
      name: 'tocsin_quarantine_dropped_total',
      help: 'Rejections dropped from the quarantine, the oldest first, to stay below its size',
      registers: [registry],
    });
    this.#replayed = new Counter({
      name: 'tocsin_quarantine_replayed_total',
      help: 'Rejections decoded again on request: those that left the quarantine, and those that were rejected again',
      labelNames: ['outcome'],
      registers: [registry],
    });
    for (const outcome of ['replayed', 'kept']) this.#replayed.inc({ outcome }, 0);
    const bytes = () => this.#bytes;
    new Gauge({
      name: 'tocsin_quarantine_bytes',
      help: 'Size of what is in the quarantine',
      registers: [registry],
      collect() {
        this.set(bytes());
      },
    });
  }

  /** Throws SeriesStoreUnavailable for the disk's troubles; the caller comes again. */
  transaction(body: () => void): void {
    const bytes = this.#bytes;
    try {
      this.database.transaction(body);
    } catch (error) {
      this.#bytes = bytes;
      if (!isPassing(error)) throw error;
      throw new SeriesStoreUnavailable(`the quarantine ${this.database.path} cannot be written: ${messageOf(error)}`, {
        hint: 'is the disk full, or gone? the journal keeps what belongs here meanwhile',
        cause: error,
      });
    }
  }

  /** In a transaction. */
  insert(rejections: readonly Rejection[], keyOf: ((rejection: Rejection) => string) | null): void {
    const insert = this.database.prepare(
      `INSERT INTO rejection (key, bytes, received_at, reason, detail, device, topic, client, partial, payload)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`,
    );
    for (const rejection of rejections) {
      const { receivedAt, reason, detail, device, topic, client, payload } = rejection;
      const key = keyOf === null ? null : keyOf(rejection);
      const bytes = ROW_BYTES + payload.length + topic.length + detail.length + client.length + (device?.length ?? 0) + (key?.length ?? 0);
      const { changes } = insert.run(key, bytes, receivedAt, reason, detail, device, topic, client, rejection.partial ? 1 : 0, payload);
      if (Number(changes) === 0) continue;
      this.#bytes += bytes;
      this.#kept.inc();
    }
    this.#evict();
  }

  list(query: QuarantineQuery): QuarantinePage {
    const limit = query.limit ?? LIST_DEFAULT;
    if (!Number.isInteger(limit) || limit < 1 || limit > LIST_MAX)
      throw new InvalidQuery(`limit must be a whole number from 1 to ${LIST_MAX}`);
    const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(query.cursor);
    if (!Number.isSafeInteger(before)) {
      throw new InvalidQuery('no page of the quarantine ended with this cursor', { hint: 'use `next` of the page before' });
    }
    const { sql, values } = conditionsOf(query, { sql: 'id < ?', value: before });
    const rows = this.database.prepare(`SELECT * FROM rejection WHERE ${sql} ORDER BY id DESC LIMIT ?`).iterate(...values, limit + 1);
    const { items, isMore } = upTo(rows, { bytesMax: PAGE_BYTES_MAX, limit });
    return { items, next: isMore ? String(items.at(-1)?.id) : null };
  }

  oldest(filter: QuarantineFilter, { after, limit, bytesMax }: QuarantineRange): readonly QuarantineItem[] {
    const { sql, values } = conditionsOf(filter, { sql: 'id > ?', value: after });
    const rows = this.database.prepare(`SELECT * FROM rejection WHERE ${sql} ORDER BY id LIMIT ?`).iterate(...values, limit);
    return upTo(rows, { bytesMax, limit }).items;
  }

  count(filter: QuarantineFilter, after: number): number {
    const { sql, values } = conditionsOf(filter, { sql: 'id > ?', value: after });
    return Number(this.database.prepare(`SELECT count(*) AS count FROM rejection WHERE ${sql}`).get(...values)?.count);
  }

  show(id: number): QuarantineItem | null {
    const row = this.database.prepare('SELECT * FROM rejection WHERE id = ?').get(id);
    return row === undefined ? null : itemOf(row);
  }

  reasons(): readonly QuarantineReason[] {
    // From the index alone, whatever the payloads take; of each reason the first and the last row are looked at then.
    const sql = `SELECT reason, count(*) AS count, min(id) AS first, max(id) AS last FROM rejection
                 GROUP BY reason ORDER BY count DESC, reason`;
    return this.database
      .prepare(sql)
      .all()
      .flatMap(({ reason, count, first, last }) => {
        const example = this.show(Number(last));
        if (example === null) return [];
        const firstReceivedAt = this.show(Number(first))?.receivedAt ?? example.receivedAt;
        return [{ reason: String(reason), count: Number(count), firstReceivedAt, lastReceivedAt: example.receivedAt, example }];
      });
  }

  /** In a transaction. What has left meanwhile is left alone. */
  settle(outcomes: readonly Settled[]): void {
    const find = this.database.prepare('SELECT bytes, length(detail) AS detail FROM rejection WHERE id = ?');
    const remove = this.database.prepare('DELETE FROM rejection WHERE id = ?');
    const change = this.database.prepare('UPDATE rejection SET reason = ?, detail = ?, partial = ?, bytes = ? WHERE id = ?');
    for (const { id, still } of outcomes) {
      const row = find.get(id);
      if (row === undefined) continue;
      const bytes = Number(row.bytes);
      this.#replayed.inc({ outcome: still === null ? 'replayed' : 'kept' });
      if (still === null) {
        remove.run(id);
        this.#bytes -= bytes;
        continue;
      }
      const { reason, detail, partial } = still;
      const grown = bytes + detail.length - Number(row.detail);
      change.run(reason, detail, partial ? 1 : 0, grown, id);
      this.#bytes += grown - bytes;
    }
    this.#evict();
  }

  #evict(): void {
    let dropped = 0;
    while (this.#bytes > this.#bytesMax) {
      const oldest = this.database.prepare('SELECT id, bytes FROM rejection ORDER BY id LIMIT ?').all(EVICTED_AT_ONCE);
      let last = -1;
      for (const { id, bytes } of oldest) {
        if (this.#bytes <= this.#bytesMax) break;
        this.#bytes -= Number(bytes);
        last = Number(id);
        dropped += 1;
      }
      if (last < 0) break;
      this.database.prepare('DELETE FROM rejection WHERE id <= ?').run(last);
    }
    if (dropped === 0) return;
    this.#dropped.inc(dropped);
    this.#logger.warn({ dropped }, 'the quarantine is full: its oldest entries were dropped');
  }
}

function conditionsOf(
  filter: QuarantineFilter,
  begins: { readonly sql: string; readonly value: number },
): { readonly sql: string; readonly values: readonly (number | string)[] } {
  const conditions = [begins.sql];
  const values: (number | string)[] = [begins.value];
  for (const column of ['reason', 'device', 'topic'] as const) {
    const wanted = filter[column];
    if (wanted === undefined) continue;
    conditions.push(`${column} = ?`);
    values.push(wanted);
  }
  return { sql: conditions.join(' AND '), values };
}

/** At least one row, then as many as the bounds allow: payloads may be long, and there may be many. */
function upTo(
  rows: Iterable<Record<string, unknown>>,
  { bytesMax, limit }: { readonly bytesMax: number; readonly limit: number },
): { readonly items: readonly QuarantineItem[]; readonly isMore: boolean } {
  const items: QuarantineItem[] = [];
  let bytes = 0;
  for (const row of rows) {
    const item = itemOf(row);
    bytes += ROW_BYTES + item.payload.length;
    if (items.length === limit || (items.length > 0 && bytes > bytesMax)) return { items, isMore: true };
    items.push(item);
  }
  return { items, isMore: false };
}

function itemOf(row: Record<string, unknown>): QuarantineItem {
  return {
    id: Number(row.id),
    device: row.device === null ? null : String(row.device),
    topic: String(row.topic),
    payload: row.payload instanceof Uint8Array ? row.payload : new Uint8Array(),
    client: String(row.client),
    receivedAt: Number(row.received_at),
    reason: String(row.reason),
    detail: String(row.detail),
    partial: row.partial === 1,
  };
}
