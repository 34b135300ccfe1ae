/**
 * The embedded journal's file read from the outside, while the instance that owns it appends: batches in order, and nothing
 * else. It is no consumer, so it holds nothing back: what is deleted meanwhile is left out.
 */
import { openReadOnly, type ReadOnlyDatabase } from '../sqlite/read-only.ts';
import type { StoredBatch } from './journal.ts';

/** What one query reads: a statement that stayed open would keep the writer's log from being folded in. */
const CHUNK_BYTES = 1024 * 1024;
const MICROSECONDS_PER_MILLISECOND = 1000;

export class JournalFile implements Disposable {
  readonly #database: ReadOnlyDatabase;
  /** As the journal's own; alerts' ids are made from it. */
  readonly id: string;

  constructor(path: string) {
    this.#database = openReadOnly(path);
    this.id = String(this.#database.prepare('SELECT id FROM journal').get()?.id ?? '');
  }

  /** From the first batch on that has an entry received at `from` (µs) or later. */
  *batches(from: number): Generator<StoredBatch> {
    const start = this.#database.prepare('SELECT first FROM batch WHERE last_ms >= ? ORDER BY first LIMIT 1');
    const row = start.get(Math.floor(from / MICROSECONDS_PER_MILLISECOND));
    let next = row === undefined ? null : Number(row.first);
    while (next !== null) {
      const chunk = this.#chunk(next);
      yield* chunk;
      const last = chunk.at(-1);
      next = last === undefined ? null : last.first + last.count;
    }
  }

  #chunk(from: number): readonly StoredBatch[] {
    const batches: StoredBatch[] = [];
    let size = 0;
    for (const row of this.#database.prepare('SELECT first, count, bytes FROM batch WHERE first >= ? ORDER BY first').iterate(from)) {
      if (!(row.bytes instanceof Uint8Array)) continue;
      batches.push({ first: Number(row.first), count: Number(row.count), bytes: row.bytes });
      size += row.bytes.length;
      if (size >= CHUNK_BYTES) break;
    }
    return batches;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
