/** Where alerting begins to read: at its stored cursor, if state and journal belong together. */
import type { Partition, Position } from '../journal/journal.ts';
import { TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { StateStore } from './state-store.ts';

interface Journal {
  readonly journalId: string;
  readonly partition: Partition;
  readonly range: { readonly first: Position; readonly head: Position };
  readonly logger: Logger;
}

/** Throws a TocsinError when they do not. */
export function startingCursor(store: StateStore, { journalId, partition, range, logger }: Journal): Position {
  const origin = store.origin(partition);
  if (origin === null) store.adopt(journalId);
  else if (origin.journalId !== journalId) {
    throw new TocsinError('the alerting state belongs to another journal', {
      hint: 'state.db and journal.db go together: restore both from one backup, or move state.db away to begin with no alerts',
    });
  }
  const cursor = origin?.cursor ?? range.first;
  if (cursor > range.head) {
    throw new TocsinError(`the alerting state has seen position ${cursor}, and the journal ends at ${range.head}`, {
      hint: 'the journal is older than the state: restore both from one backup, or move state.db away to begin with no alerts',
    });
  }
  if (cursor >= range.first) return cursor;
  logger.warn({ cursor, first: range.first }, 'the journal no longer holds some readings that were never evaluated');
  return range.first;
}
