/**
 * Where the state of dispatching is kept: JSON values by kind and key, in state.db. Writes run in a transaction of the caller's,
 * so that the state is never ahead of its cursor nor behind it.
 */
import type { StatementSync } from 'node:sqlite';
import type { Database } from '../../sqlite/database.ts';
import { messageOf, TocsinError } from '../../std/errors.ts';

/** A step of notifying's migrations. */
export const NOTIFY_STATE_MIGRATION = `CREATE TABLE notify_state (
     kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
     PRIMARY KEY (kind, key)
   ) STRICT, WITHOUT ROWID;`;

export class StateRows {
  readonly #path: string;
  readonly #load: StatementSync;
  readonly #set: StatementSync;
  readonly #delete: StatementSync;

  /** @param database with `NOTIFY_STATE_MIGRATION` applied */
  constructor(database: Database) {
    this.#path = database.path;
    this.#load = database.prepare('SELECT key, value FROM notify_state WHERE kind = ? ORDER BY key');
    this.#set = database.prepare('INSERT INTO notify_state VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
    this.#delete = database.prepare('DELETE FROM notify_state WHERE kind = ? AND key = ?');
  }

  /** By key, which may be another order than the one in which they were written. */
  load(kind: string): [key: string, value: unknown][] {
    return this.#load.all(kind).map(({ key, value }) => [String(key), this.#parsed(kind, String(key), String(value))]);
  }

  write(
    kind: string,
    changes: { readonly set: readonly (readonly [key: string, value: unknown])[]; readonly deleted: readonly string[] },
  ): void {
    for (const key of changes.deleted) this.#delete.run(kind, key);
    for (const [key, value] of changes.set) this.#set.run(kind, key, textOf(kind, key, value));
  }

  #parsed(kind: string, key: string, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new TocsinError(`${this.#path} holds a damaged row of notify_state, ${kind} ${JSON.stringify(key)}: ${messageOf(cause)}`, {
        hint: 'put a backup of the file in its place while Tocsin is stopped',
        cause,
      });
    }
  }
}

function textOf(kind: string, key: string, value: unknown): string {
  const text: string | undefined = JSON.stringify(value, finite);
  if (text === undefined) throw new Error(`${kind} ${key} has no value that JSON can hold`);
  return text;
}

/** JSON makes null of Infinity, and a timer that is never due would be due at once after the next start. */
function finite(name: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`${name} is ${value}, which JSON cannot hold`);
  return value;
}
