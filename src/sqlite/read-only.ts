/**
 * A database that another process may be writing to, opened so that nothing here can change it. Each statement sees the file as
 * it is when it runs; one that is stepped through slowly would keep the writer's log from being folded in, so read a piece at a time.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { messageOf, TocsinError } from '../std/errors.ts';

export type ReadOnlyDatabase = {
  readonly path: string;
  prepare(sql: string): StatementSync;
  close(): void;
} & Disposable;

/** Throws a TocsinError where there is no such file, or it cannot be read. */
export function openReadOnly(path: string): ReadOnlyDatabase {
  let raw: DatabaseSync | undefined;
  try {
    raw = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    // The first look at the file: before it, one that is no database at all would pass.
    raw.prepare('SELECT count(*) FROM sqlite_schema').get();
  } catch (cause) {
    raw?.close();
    const hint = existsSync(path)
      ? 'is it a SQLite file, and may this user read it? where nothing runs that writes it, its folder must be writable too'
      : 'does `data` in the config name the folder of the instance, and has it taken in anything yet?';
    throw new TocsinError(`cannot read ${path}: ${messageOf(cause)}`, { hint, cause });
  }
  const database = raw;
  const close = (): void => {
    if (database.isOpen) database.close();
  };
  return { path, prepare: (sql) => database.prepare(sql), close, [Symbol.dispose]: close };
}
