/** The dispatcher's memory in state.db: a row a piece, JSON. Written inside the transaction of what was decided with it. */
import type { StatementSync } from 'node:sqlite';
import type { Database } from '../../sqlite/database.ts';
import type { Tables } from './dispatch-state.ts';
import type { Changes, Kept } from './kept.ts';

export const NOTIFY_STATE_MIGRATION = `
  CREATE TABLE notify_state (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;`;

export type Kind = keyof Tables;
/** Encoded when they are taken: what changes afterwards is the next ones'. */
export type StateChanges = readonly { readonly kind: Kind; readonly set: readonly (readonly [string, string])[]; readonly deleted: readonly string[] }[];

const KINDS: readonly Kind[] = ['alert', 'group', 'mute', 'summary', 'storm', 'rate', 'contact', 'flap', 'silence', 'meta'];

export class StateRows {
  readonly #load: StatementSync;
  readonly #set: StatementSync;
  readonly #delete: StatementSync;

  constructor({ raw }: Database) {
    this.#load = raw.prepare('SELECT key, value FROM notify_state WHERE kind = ? ORDER BY key');
    this.#set = raw.prepare('INSERT INTO notify_state VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
    this.#delete = raw.prepare('DELETE FROM notify_state WHERE kind = ? AND key = ?');
  }

  load(tables: Tables): void {
    for (const kind of KINDS) this.#fill(kind, tables[kind]);
  }

  write(changes: StateChanges): void {
    for (const { kind, set, deleted } of changes) {
      for (const [key, value] of set) this.#set.run(kind, key, value);
      for (const key of deleted) this.#delete.run(kind, key);
    }
  }

  /** Our own rows, of this version or brought up to it by a migration: trusted as they are. */
  #fill<T>(kind: Kind, kept: Kept<T>): void {
    kept.load(this.#load.all(kind).map((row): [string, T] => [String(row.key), JSON.parse(String(row.value))]));
  }
}

export function takeChanges(tables: Tables): StateChanges {
  return KINDS.flatMap((kind) => {
    const { set, deleted }: Changes<unknown> = tables[kind].takeChanges();
    if (set.length + deleted.length === 0) return [];
    return [{ kind, set: set.map(([key, value]): [string, string] => [key, JSON.stringify(value)]), deleted }];
  });
}
