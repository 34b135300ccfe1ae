/**
 * The embedded history's tables: one a day (UTC), so that retention is a DROP instead of a million DELETEs.
 *
 * A day is kept for `keep` after it ended and after the last write to it, whichever is later: what a logger of 2022
 * delivers today stays for `keep` from today. So that device clocks gone wild cannot make tables without end, at most
 * DISTANT_DAYS_MAX days outside the last six weeks have a table of their own; what comes beyond shares one table, whose
 * retention deletes rows by their time of writing.
 */
import type { StatementSync } from 'node:sqlite';
import type { Database } from '../sqlite/database.ts';

export const HOUR_US = 3_600_000_000;
export const DAY_US = 24 * HOUR_US;

const RECENT_DAYS = 42;
const DISTANT_DAYS_MAX = 1000;
const STATEMENTS_MAX = 64;
/** How far behind the catalogue's time of the last write may be. */
const WRITTEN_PRECISION_US = HOUR_US;
/** Rows of the shared table that one retention run deletes at most. */
const DELETE_ROWS_MAX = 50_000;
/** The day of the shared table; no reading has it. */
export const SHARED_DAY = Number.MIN_SAFE_INTEGER;

interface Entry {
  readonly day: number;
  readonly table: string;
  writtenAt: number;
}

export class Partitions {
  readonly #database: Database;
  readonly #entries = new Map<number, Entry>();
  readonly #inserts = new Map<number, StatementSync>();
  readonly #scans = new Map<number, StatementSync>();
  /** Days in ascending order; null after a change. */
  #days: number[] | null = null;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('history-partitions', [
      'CREATE TABLE partition (day INTEGER PRIMARY KEY, name TEXT NOT NULL, written_at INTEGER NOT NULL) STRICT',
    ]);
    this.reload();
  }

  /** Takes the catalogue from the file again: after a transaction that was rolled back, tables it made are gone. */
  reload(): void {
    this.#entries.clear();
    this.#inserts.clear();
    this.#scans.clear();
    this.#days = null;
    for (const row of this.#database.prepare('SELECT day, name, written_at FROM partition').all()) {
      const day = Number(row.day);
      this.#entries.set(day, { day, table: String(row.name), writtenAt: Number(row.written_at) });
    }
  }

  /** The statement that inserts (device, at, write, span, block) where a reading of that time belongs. In a transaction. */
  insertFor(at: number, now: number): StatementSync {
    const day = Math.floor(at / DAY_US);
    const entry = this.#entries.get(day) ?? this.#create(day, now);
    if (now - entry.writtenAt > WRITTEN_PRECISION_US) {
      this.#database.prepare('UPDATE partition SET written_at = ? WHERE day = ?').run(now, entry.day);
      entry.writtenAt = now;
    }
    return this.#cached(this.#inserts, entry, `INSERT INTO ${entry.table} VALUES (?, ?, ?, ?, ?)`);
  }

  /** Days with a table of their own that overlap the range, in order. */
  days(range: { from: number; to: number }): readonly number[] {
    this.#days ??= [...this.#entries.keys()].filter((day) => day !== SHARED_DAY).sort((a, b) => a - b);
    return this.#days.filter((day) => (day + 1) * DAY_US > range.from && day * DAY_US < range.to);
  }

  get hasShared(): boolean {
    return this.#entries.has(SHARED_DAY);
  }

  /** Blocks of (device, first at ≥, first at <, end ≥) in order of time and writing; undefined when the day is gone. */
  scan(day: number | 'shared'): StatementSync | undefined {
    const entry = this.#entries.get(day === 'shared' ? SHARED_DAY : day);
    if (entry === undefined) return undefined;
    const sql = `SELECT at, block FROM ${entry.table} WHERE device = ? AND at >= ? AND at < ? AND at + span >= ? ORDER BY at, write`;
    return this.#cached(this.#scans, entry, sql);
  }

  /** Drops what is past `keepUs`; returns the number of days dropped. */
  expire(now: number, keepUs: number): number {
    const horizon = now - keepUs;
    const expired = [...this.#entries.values()].filter(
      (entry) => entry.day !== SHARED_DAY && (entry.day + 1) * DAY_US < horizon && entry.writtenAt + WRITTEN_PRECISION_US < horizon,
    );
    this.#database.transaction(() => {
      for (const entry of expired) {
        this.#database.exec(`DROP TABLE ${entry.table}`);
        this.#database.prepare('DELETE FROM partition WHERE day = ?').run(entry.day);
      }
      const shared = this.#entries.get(SHARED_DAY);
      if (shared === undefined) return;
      const old = `SELECT device, at, write FROM ${shared.table} WHERE write < ? LIMIT ${DELETE_ROWS_MAX}`;
      this.#database.prepare(`DELETE FROM ${shared.table} WHERE (device, at, write) IN (${old})`).run(horizon);
    });
    if (expired.length > 0) {
      this.reload();
      this.#database.exec('PRAGMA incremental_vacuum');
    }
    return expired.length;
  }

  #create(day: number, now: number): Entry {
    const age = Math.floor(now / DAY_US) - day;
    const recent = age >= -1 && age <= RECENT_DAYS;
    if (!recent && day !== SHARED_DAY && this.#distantDays(now) >= DISTANT_DAYS_MAX)
      return this.#entries.get(SHARED_DAY) ?? this.#create(SHARED_DAY, now);
    const table = day === SHARED_DAY ? 'readings_shared' : `readings_${day < 0 ? 'm' : ''}${Math.abs(day)}`;
    this.#database.exec(`CREATE TABLE ${table} (
      device INTEGER NOT NULL, at INTEGER NOT NULL, write INTEGER NOT NULL, span INTEGER NOT NULL, block BLOB NOT NULL,
      PRIMARY KEY (device, at, write)) STRICT, WITHOUT ROWID`);
    this.#database.prepare('INSERT INTO partition VALUES (?, ?, ?)').run(day, table, now);
    const entry = { day, table, writtenAt: now };
    this.#entries.set(day, entry);
    this.#days = null;
    return entry;
  }

  #distantDays(now: number): number {
    const today = Math.floor(now / DAY_US);
    let count = 0;
    for (const day of this.#entries.keys()) if (day < today - RECENT_DAYS || day > today + 1) count += 1;
    return count;
  }

  #cached(cache: Map<number, StatementSync>, entry: Entry, sql: string): StatementSync {
    const known = cache.get(entry.day);
    if (known !== undefined) return known;
    if (cache.size >= STATEMENTS_MAX) cache.clear();
    const statement = this.#database.prepare(sql);
    cache.set(entry.day, statement);
    return statement;
  }
}
