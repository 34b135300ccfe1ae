/**
 * SQLite as we use it: WAL with synchronous=FULL (NORMAL loses acknowledged data on power loss), one writer, incremental
 * vacuum so that a file shrinks again after an outage, and migrations that run in one transaction each.
 *
 * Calls are synchronous: a database is opened in a worker thread, never where sockets are served.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { messageOf, TocsinError } from '../std/errors.ts';

export type Database = {
  readonly path: string;
  readonly raw: DatabaseSync;
  prepare(sql: string): StatementSync;
  exec(sql: string): void;
  /** Runs `body` in one IMMEDIATE transaction; rolls back when it throws. Not to be nested. */
  transaction<T>(body: () => T): T;
  /** Applies the steps of `module` that this file has not seen. Steps are only ever appended. */
  migrate(module: string, steps: readonly string[]): void;
  close(): void;
} & Disposable;

/** @param path a file, or `:memory:` */
export function openDatabase(path: string, options: { pageSizeBytes?: number } = {}): Database {
  const raw = open(path);
  try {
    raw.exec(`PRAGMA page_size = ${options.pageSizeBytes ?? 4096}`);
    raw.exec('PRAGMA auto_vacuum = INCREMENTAL');
    raw.exec('PRAGMA journal_mode = WAL');
    raw.exec('PRAGMA synchronous = FULL');
    raw.exec('PRAGMA busy_timeout = 5000');
    raw.exec('PRAGMA foreign_keys = ON');
    raw.exec('CREATE TABLE IF NOT EXISTS migration (module TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT');
  } catch (cause) {
    raw.close();
    throw new TocsinError(`cannot use the database ${path}: ${messageOf(cause)}`, {
      hint: 'is it a SQLite file, whole, and writable by this user? a backup can be put in its place while Tocsin is stopped',
      cause,
    });
  }

  const database: Database = {
    path,
    raw,
    prepare: (sql) => raw.prepare(sql),
    exec: (sql) => raw.exec(sql),
    transaction(body) {
      raw.exec('BEGIN IMMEDIATE');
      try {
        const result = body();
        raw.exec('COMMIT');
        return result;
      } catch (error) {
        if (raw.isTransaction) raw.exec('ROLLBACK');
        throw error;
      }
    },
    migrate(module, steps) {
      const row = raw.prepare('SELECT version FROM migration WHERE module = ?').get(module);
      const version = row === undefined ? 0 : Number(row.version);
      if (version > steps.length) {
        throw new TocsinError(`${path} was written by a newer version of Tocsin (${module} ${version})`, {
          hint: 'run that version, or restore the backup made before the upgrade',
        });
      }
      for (const [index, step] of steps.entries()) {
        if (index < version) continue;
        database.transaction(() => {
          raw.exec(step);
          raw.prepare('INSERT INTO migration VALUES (?, ?) ON CONFLICT DO UPDATE SET version = excluded.version').run(module, index + 1);
        });
      }
    },
    close: () => {
      if (raw.isOpen) raw.close();
    },
    [Symbol.dispose]: () => database.close(),
  };
  return database;
}

function open(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path);
  } catch (cause) {
    throw new TocsinError(`cannot open ${path}: ${messageOf(cause)}`, {
      hint: 'does the folder exist, and may this user write there?',
      cause,
    });
  }
}
