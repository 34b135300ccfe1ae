/**
 * The quarantine: what did not become a reading, or was refused by history, kept with topic, payload, client, time and reason
 * until someone has looked at it. It is a consumer of the journal with its own file; entries and cursor commit together, so
 * a crash neither loses nor doubles one. Past `bytesMax` the oldest go first, counted.
 *
 * Everything is synchronous, as SQLite is: it belongs in a worker.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Rejection } from '../domain/reading.ts';
import { readBatch } from '../journal/batch-reader.ts';
import { follow } from '../journal/consumer.ts';
import type { JournalReader, Position, Slice } from '../journal/journal.ts';
import { type Database, openDatabase } from '../sqlite/database.ts';
import { isPassing } from '../sqlite/fault.ts';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import { InvalidQuery, messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';
import { openCursorTable, startPosition } from './cursor-table.ts';
import { SeriesStoreUnavailable } from './series-store.ts';

const RETRY = { firstMs: 1000, maxMs: 30_000 };
const LIST_DEFAULT = 100;
const LIST_MAX = 1000;
/** Between two looks at the journal: nothing here is urgent, and each look costs the journal's thread a message. */
const PAUSE_MS = 250;
const IDLE_WAIT_MS = 60_000;
/** Without rejections the cursor is saved when this many entries are behind it, so that the journal may forget them. */
const CURSOR_ENTRIES_MAX = 100_000;
const CURSOR_AGE_MS = 5000;
/** What a row takes beside its texts and payload, about. */
const ROW_BYTES = 64;
const EVICTED_AT_ONCE = 200;

export interface QuarantineOptions {
  readonly journal: JournalReader;
  readonly journalId: string;
  readonly partition: number;
  readonly range: { readonly first: Position; readonly head: Position };
  /** Its file. */
  readonly path: string;
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

export interface QuarantineQuery {
  readonly reason?: string;
  readonly device?: string;
  readonly cursor?: string;
  readonly limit?: number;
}

export interface QuarantineItem extends Rejection {
  /** Grows with time; never used again. */
  readonly id: number;
}

export interface QuarantinePage {
  readonly items: readonly QuarantineItem[];
  readonly next: string | null;
}

export interface Quarantine extends Service {
  /** Keeps what history refused; durable when it returns. What is there already is not kept twice. */
  add(rejections: readonly Rejection[]): void;
  /** The newest first. */
  list(query: QuarantineQuery): QuarantinePage;
  show(id: number): QuarantineItem | null;
  /** How many of each reason, the most frequent first. */
  reasons(): readonly { reason: string; count: number; lastReceivedAt: number }[];
  close(): void;
}

/** Throws a TocsinError when its cursor does not fit this journal. */
export function createQuarantine(options: QuarantineOptions): Quarantine {
  const table = new QuarantineTable(options);
  const cursors = openCursorTable(table.database);
  const from = startPosition({
    cursor: cursors.load(options.partition),
    journalId: options.journalId,
    range: options.range,
    file: options.path,
    logger: options.logger,
  });
  const save = (position: Position, rejections: readonly Rejection[]) =>
    table.transaction(() => {
      table.insert(rejections, null);
      cursors.save({ partition: options.partition, journalId: options.journalId, position });
    });
  return {
    id: 'quarantine',
    run: (signal) => run(options, { from, save, signal }),
    add: (rejections) => table.transaction(() => table.insert(rejections, refusalKey)),
    list: (query) => table.list(query),
    show: (id) => table.show(id),
    reasons: () => table.reasons(),
    close: () => table.database.close(),
  };
}

/** Follows the journal; the cursor is saved with what was found, or every so often when there was nothing. */
async function run(
  options: QuarantineOptions,
  work: { from: Position; save: (position: Position, rejections: readonly Rejection[]) => void; signal: AbortSignal },
): Promise<void> {
  const { journal, partition, clock } = options;
  const { signal } = work;
  let position = work.from;
  let saved = work.from;
  let savedMs = clock.monotonicMs();
  const save = async (rejections: readonly Rejection[]) => {
    if (!(await saveWhenPossible(options, signal, () => work.save(position, rejections)))) return;
    saved = position;
    savedMs = clock.monotonicMs();
    await journal.release('quarantine', partition, position);
  };
  const apply = async (slice: Slice): Promise<void> => {
    const rejections: Rejection[] = [];
    for (const { first, count, bytes } of slice.batches) {
      if (first + count <= position) continue;
      readBatch(bytes, { rejection: (rejection) => void rejections.push(rejection) }, { from: Math.max(0, position - first) });
      position = first + count;
    }
    const isDue = position - saved >= CURSOR_ENTRIES_MAX || clock.monotonicMs() - savedMs >= CURSOR_AGE_MS;
    if (rejections.length > 0 || (position > saved && isDue)) await save(rejections);
    if (position >= slice.head) await clock.sleep(PAUSE_MS, signal);
  };
  await journal.release('quarantine', partition, position);
  const waitMs = () => (position > saved ? CURSOR_AGE_MS : IDLE_WAIT_MS);
  await follow({ id: 'quarantine', journal, partition, from: position, signal, handler: { apply, waitMs } });
  if (position > saved) await save([]);
}

/** While the disk has no room the rejections wait in the journal. False when it was told to stop before it succeeded. */
async function saveWhenPossible(options: QuarantineOptions, signal: AbortSignal, save: () => void): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      save();
      return true;
    } catch (error) {
      if (!(error instanceof SeriesStoreUnavailable)) throw error;
      if (signal.aborted) return false;
      const retryInMs = backoffMs(attempt, RETRY);
      options.logger.error({ reason: error.message, hint: error.hint, attempt, retryInMs }, 'the quarantine cannot be written');
      await options.clock.sleep(retryInMs, signal);
    }
  }
}

/** A refusal repeated after a crash is recognised by what was refused and why. */
const refusalKey = (rejection: Rejection): string => `${rejection.reason}\n${Buffer.from(rejection.payload).toString('latin1')}`;

class QuarantineTable {
  readonly database: Database;
  readonly #bytesMax: number;
  readonly #kept: Counter<string>;
  readonly #dropped: Counter<string>;
  readonly #logger: Logger;
  #bytes: number;

  constructor(options: QuarantineOptions) {
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
    ]);
    this.#bytes = Number(this.database.prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM rejection').get()?.bytes);
    this.#kept = new Counter({ name: 'tocsin_quarantine_kept_total', help: 'Rejections put into the quarantine', registers: [registry] });
    this.#dropped = new Counter({
      name: 'tocsin_quarantine_dropped_total',
      help: 'Rejections dropped from the quarantine, the oldest first, to stay below its size',
      registers: [registry],
    });
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
    const conditions = ['id < ?'];
    const values: (number | string)[] = [before];
    for (const column of ['reason', 'device'] as const) {
      const wanted = query[column];
      if (wanted === undefined) continue;
      conditions.push(`${column} = ?`);
      values.push(wanted);
    }
    const sql = `SELECT * FROM rejection WHERE ${conditions.join(' AND ')} ORDER BY id DESC LIMIT ?`;
    const items = this.database
      .prepare(sql)
      .all(...values, limit + 1)
      .map(itemOf);
    if (items.length <= limit) return { items, next: null };
    items.pop();
    return { items, next: String(items.at(-1)?.id) };
  }

  show(id: number): QuarantineItem | null {
    const row = this.database.prepare('SELECT * FROM rejection WHERE id = ?').get(id);
    return row === undefined ? null : itemOf(row);
  }

  reasons(): readonly { reason: string; count: number; lastReceivedAt: number }[] {
    const sql = 'SELECT reason, count(*) AS count, max(received_at) AS last FROM rejection GROUP BY reason ORDER BY count DESC, reason';
    return this.database
      .prepare(sql)
      .all()
      .map((row) => ({ reason: String(row.reason), count: Number(row.count), lastReceivedAt: Number(row.last) }));
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
