/**
 * The journal's own thread: the only place that writes journal.db. One append is one transaction with one row, so that
 * an answer means fsync. Synchronous calls: a slow disk stalls this thread and nothing else.
 *
 * Full means: the live pages and the write-ahead log reach `bytesMax`, or the file system has less than `reserveBytes`
 * left. It is checked before a write, because on a full disk SQLite can no longer delete either.
 */
import { randomUUID } from 'node:crypto';
import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { type Database, openDatabase } from '../sqlite/database.ts';
import { messageOf } from '../std/errors.ts';
import { connect } from '../std/rpc.ts';
import type { Position, StoredBatch } from './journal.ts';
import { JournalFull } from './journal.ts';

export interface JournalWorkerData {
  readonly path: string;
  readonly bytesMax: number;
  readonly reserveBytes: number;
  /** Entries older than this may go once every holder has released them; null keeps them until bytesMax. */
  readonly keepMs: number | null;
}

export interface JournalWorkerMethods {
  open(): { id: string; first: Position; head: Position; bytes: number };
  append(first: Position, count: number, lastAt: number, bytes: Uint8Array): { bytes: number };
  read(from: Position, bytesMax: number): StoredBatch[];
  /** Deletes what lies below `position` and is past `keep` or over the budget; a bounded piece of it at each call. */
  retain(position: Position, now: number): { first: Position; bytes: number; more: boolean };
  /** Why an append would be refused now, or null. */
  check(): string | null;
  close(): void;
}

const MIGRATIONS = [
  `CREATE TABLE journal (id TEXT NOT NULL) STRICT;
   CREATE TABLE batch (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, last_ms INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT`,
];
/** How many batches one call of `retain` deletes: it shares the thread with commits. */
const RETAIN_BATCHES_MAX = 200;
const VACUUM_PAGES = 500;
/** Room an append may need beyond its own bytes: pages of the index and of the write-ahead log. */
const APPEND_OVERHEAD_BYTES = 64 * 1024;
/** The budget at which retention by size starts, as a share of bytesMax: room is made before it is needed. */
const RETAIN_SHARE = 0.9;

class JournalFile implements JournalWorkerMethods {
  readonly #options: JournalWorkerData;
  readonly #database: Database;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #pages: StatementSync;
  readonly #freePages: StatementSync;
  readonly #pageSizeBytes: number;
  /** What the latest append asked for: a refused one is refused until there is room for it, not for a smaller one. */
  #needed = APPEND_OVERHEAD_BYTES;
  #used = 0;

  constructor(options: JournalWorkerData) {
    this.#options = options;
    this.#database = openDatabase(options.path);
    this.#database.migrate('journal', MIGRATIONS);
    // The log is folded into the file at 4 MB, and cut back to that size after an outage's burst.
    this.#database.exec('PRAGMA journal_size_limit = 4194304');
    this.#insert = this.#database.prepare('INSERT INTO batch VALUES (?, ?, ?, ?)');
    this.#select = this.#database.prepare(
      'SELECT first, count, bytes FROM batch WHERE first >= (SELECT coalesce(max(first), 0) FROM batch WHERE first <= ?) ORDER BY first',
    );
    this.#pages = this.#database.prepare('PRAGMA page_count');
    this.#freePages = this.#database.prepare('PRAGMA freelist_count');
    this.#pageSizeBytes = Number(this.#database.prepare('PRAGMA page_size').get()?.page_size);
  }

  open(): { id: string; first: Position; head: Position; bytes: number } {
    const id = this.#database.prepare('SELECT id FROM journal').get()?.id ?? createId(this.#database);
    return { id: String(id), ...range(this.#database), bytes: this.#usage() };
  }

  append(first: Position, count: number, lastAt: number, bytes: Uint8Array): { bytes: number } {
    this.#needed = bytes.length * 2 + APPEND_OVERHEAD_BYTES;
    const full = this.check();
    if (full !== null)
      throw new JournalFull(full, { hint: 'free disk space, raise journal.maxBytes, or see which consumer lags (/metrics)' });
    try {
      this.#insert.run(first, count, Math.floor(lastAt / 1000), bytes);
    } catch (cause) {
      if (isDiskFull(cause)) throw new JournalFull(`the disk is full: ${messageOf(cause)}`, { cause });
      throw cause;
    }
    // Nothing after the insert may fail: it is durable, and an answer that says otherwise would have it appended again.
    return { bytes: this.#used + bytes.length };
  }

  read(from: Position, bytesMax: number): StoredBatch[] {
    const batches: StoredBatch[] = [];
    let size = 0;
    for (const row of this.#select.iterate(from)) {
      const bytes = row.bytes as Uint8Array;
      batches.push({ first: Number(row.first), count: Number(row.count), bytes });
      size += bytes.length;
      if (size >= bytesMax) break;
    }
    return batches;
  }

  retain(position: Position, now: number): { first: Position; bytes: number; more: boolean } {
    const { keepMs } = this.#options;
    const before = keepMs === null ? -1 : Math.floor(now / 1000) - keepMs;
    const result = this.#database
      .prepare(
        `DELETE FROM batch WHERE first IN
           (SELECT first FROM batch
            WHERE first + count <= ? AND (last_ms < ? OR ?) AND first < (SELECT max(first) FROM batch)
            ORDER BY first LIMIT ?)`,
      )
      .run(position, before, this.#isShort() ? 1 : 0, RETAIN_BATCHES_MAX);
    // What was deleted is the file's own until it is cut: the disk gets it back a piece at a time, however much it was.
    if (this.#freePageCount() > 0) this.#database.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
    const more = result.changes === RETAIN_BATCHES_MAX || this.#freePageCount() > 0;
    return { first: range(this.#database).first, bytes: this.#usage(), more };
  }

  /** Whether room is to be made before entries are past `keep`. Not while the disk has yet to get back what was deleted last. */
  #isShort(): boolean {
    if (this.#usage() > this.#options.bytesMax * RETAIN_SHARE) return true;
    return this.check() !== null && this.#freePageCount() < VACUUM_PAGES;
  }

  check(): string | null {
    const { bytesMax, reserveBytes, path } = this.#options;
    const used = this.#usage();
    this.#used = used;
    if (used + this.#needed > bytesMax) return `the journal holds ${used} bytes of journal.maxBytes ${bytesMax}`;
    const space = statfsSync(dirname(path));
    const free = space.bavail * space.bsize;
    if (free - this.#needed < reserveBytes) return `${free} bytes are free on the journal's disk, journal.reserve is ${reserveBytes}`;
    return null;
  }

  close(): void {
    this.#database.close();
  }

  #freePageCount(): number {
    return Number(this.#freePages.get()?.freelist_count);
  }

  #usage(): number {
    const live = Number(this.#pages.get()?.page_count) - this.#freePageCount();
    return live * this.#pageSizeBytes + walBytes(this.#options.path);
  }
}

function createId(database: Database): string {
  const id = randomUUID();
  database.prepare('INSERT INTO journal VALUES (?)').run(id);
  return id;
}

/** The head is where the last batch ends, which is why `retain` never deletes the last batch. */
function range(database: Database): { first: Position; head: Position } {
  const row = database.prepare('SELECT (SELECT min(first) FROM batch) AS first, (SELECT max(first) FROM batch) AS last').get();
  if (row === undefined || row.last === null) return { first: 0, head: 0 };
  const last = database.prepare('SELECT first + count AS head FROM batch WHERE first = ?').get(row.last ?? 0);
  return { first: Number(row.first), head: Number(last?.head ?? 0) };
}

function walBytes(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}

/** SQLITE_FULL (13), and SQLITE_IOERR (10), which some file systems give for a failed extension of the log. */
function isDiskFull(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' && ((code & 0xff) === 13 || (code & 0xff) === 10);
}

if (parentPort !== null) {
  let opened: JournalFile | undefined;
  // Opened by a call, so that what is wrong with the file is its answer.
  const open = (): JournalFile => {
    opened ??= new JournalFile(workerData as JournalWorkerData);
    return opened;
  };
  const methods: JournalWorkerMethods = {
    open: () => open().open(),
    append: (first, count, lastAt, bytes) => open().append(first, count, lastAt, bytes),
    read: (from, bytesMax) => open().read(from, bytesMax),
    retain: (position, now) => open().retain(position, now),
    check: () => open().check(),
    close: () => opened?.close(),
  };
  connect(parentPort, { ...methods });
}
