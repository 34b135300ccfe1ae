/** Names and their numbers in a database: a name is numbered at first use and keeps its number. Known ones stay in memory, within a bound. */
import type { StatementSync } from 'node:sqlite';
import type { Database } from '../sqlite/database.ts';

const KNOWN_MAX = 200_000;

export class NameTable {
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, string>();
  readonly #selectId: StatementSync;
  readonly #selectName: StatementSync;
  readonly #insert: StatementSync;

  constructor(database: Database, table: 'device' | 'metric') {
    database.migrate(`history-${table}`, [`CREATE TABLE ${table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT`]);
    this.#selectId = database.prepare(`SELECT id FROM ${table} WHERE name = ?`);
    this.#selectName = database.prepare(`SELECT name FROM ${table} WHERE id = ?`);
    this.#insert = database.prepare(`INSERT INTO ${table} (name) VALUES (?)`);
  }

  find(name: string): number | undefined {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const row = this.#selectId.get(name);
    return row === undefined ? undefined : this.#remember(name, Number(row.id));
  }

  /** Numbers the name when it is new; in a transaction. */
  idOf(name: string): number {
    return this.#ids.get(name) ?? this.find(name) ?? this.#remember(name, Number(this.#insert.run(name).lastInsertRowid));
  }

  nameOf(id: number): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const name = String(this.#selectName.get(id)?.name);
    this.#remember(name, id);
    return name;
  }

  /** After a rollback, numbers given in it are void. */
  forget(): void {
    this.#ids.clear();
    this.#names.clear();
  }

  #remember(name: string, id: number): number {
    if (this.#ids.size >= KNOWN_MAX) this.forget();
    this.#ids.set(name, id);
    this.#names.set(id, name);
    return id;
  }
}
