/** Where consumers of this thread keep their cursors: in the database of what they produced, one row a partition. */
import type { Database } from '../sqlite/database.ts';
import { TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Cursor } from './series-store.ts';

export interface CursorTable {
  load(partition: number): Cursor | null;
  /** In the caller's transaction, or one of its own when there is none. */
  save(cursor: Cursor): void;
}

export function openCursorTable(database: Database): CursorTable {
  database.migrate('cursor', [
    'CREATE TABLE cursor (partition INTEGER PRIMARY KEY, journal TEXT NOT NULL, position INTEGER NOT NULL) STRICT',
  ]);
  const select = database.prepare('SELECT journal, position FROM cursor WHERE partition = ?');
  const upsert = database.prepare(
    'INSERT INTO cursor VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET journal = excluded.journal, position = excluded.position',
  );
  return {
    load(partition) {
      const row = select.get(partition);
      return row === undefined ? null : { partition, journalId: String(row.journal), position: Number(row.position) };
    },
    save: (cursor) => {
      upsert.run(cursor.partition, cursor.journalId, cursor.position);
    },
  };
}

/**
 * Where to begin: the stored cursor, or the journal's first entry for a consumer that is new. A cursor of another
 * journal, or past this one's end, means that files of different times were put together: going on would lose readings.
 * One below the journal's first entry means that they are lost already (the consumer was away and did not hold them): said aloud.
 */
export function startPosition(options: {
  readonly cursor: Cursor | null;
  readonly journalId: string;
  readonly range: { readonly first: number; readonly head: number };
  /** The file that holds the cursor. */
  readonly file: string;
  readonly logger: Logger;
}): number {
  const { cursor, journalId, range, file, logger } = options;
  if (cursor === null) return range.first;
  if (cursor.journalId !== journalId) {
    throw new TocsinError(`${file} belongs to another journal (${cursor.journalId}, not ${journalId})`, {
      hint: 'restore journal, state and history from the same backup; or move this file away to begin a new one with what the journal still holds',
    });
  }
  if (cursor.position > range.head) {
    throw new TocsinError(`${file} has read the journal up to ${cursor.position}, but the journal ends at ${range.head}`, {
      hint: 'the journal was restored from an older backup than this file: restore both from the same one, or move this file away',
    });
  }
  if (cursor.position >= range.first) return cursor.position;
  const fields = { file, cursor: cursor.position, first: range.first, lost: range.first - cursor.position };
  logger.error(fields, 'the journal no longer holds entries that were never read into this file: they are missing from it');
  return range.first;
}
