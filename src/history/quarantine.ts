/**
 * The quarantine: what did not become a reading, or was refused by history, kept with topic, payload, client, time and reason
 * until someone has looked at it. It is a consumer of the journal with its own file; entries and cursor commit together, so
 * a crash neither loses nor doubles one. Past `bytesMax` the oldest go first, counted.
 *
 * Everything is synchronous, as SQLite is: it belongs in a worker.
 */
import type { Registry } from 'prom-client';
import type { Rejection } from '../domain/reading.ts';
import { readBatch } from '../journal/batch-reader.ts';
import { follow } from '../journal/consumer.ts';
import type { JournalReader, Position, Slice } from '../journal/journal.ts';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';
import { openCursorTable, startPosition } from './cursor-table.ts';
import {
  type QuarantineFilter,
  type QuarantineItem,
  type QuarantinePage,
  type QuarantineQuery,
  type QuarantineRange,
  type QuarantineReason,
  QuarantineTable,
  type Settled,
} from './quarantine-table.ts';
import { SeriesStoreUnavailable } from './series-store.ts';

const RETRY = { firstMs: 1000, maxMs: 30_000 };
/** Between two looks at the journal: nothing here is urgent, and each look costs the journal's thread a message. */
const PAUSE_MS = 250;
const IDLE_WAIT_MS = 60_000;
/** Without rejections the cursor is saved when this many entries are behind it, so that the journal may forget them. */
const CURSOR_ENTRIES_MAX = 100_000;
const CURSOR_AGE_MS = 5000;

export interface QuarantineOptions {
  readonly journal: JournalReader;
  readonly journalId: string;
  readonly partition: number;
  readonly range: { readonly first: Position; readonly head: Position };
  /** Its file. */
  readonly path: string;
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

export interface Quarantine extends Service {
  /** Keeps what history refused; durable when it returns. What is there already is not kept twice. */
  add(rejections: readonly Rejection[]): void;
  /** The newest first. */
  list(query: QuarantineQuery): QuarantinePage;
  show(id: number): QuarantineItem | null;
  /** How many of each reason, the most frequent first. */
  reasons(): readonly QuarantineReason[];
  /** The oldest first: what is to be replayed. */
  oldest(filter: QuarantineFilter, range: QuarantineRange): readonly QuarantineItem[];
  /** How many entries there are after the one with this id. */
  count(filter: QuarantineFilter, after: number): number;
  /** What has been replayed leaves; what is rejected still stays, with its reason of now. Durable when it returns. */
  settle(outcomes: readonly Settled[]): void;
  close(): void;
}

/** Throws a TocsinError when its cursor does not fit this journal. */
export function createQuarantine(options: QuarantineOptions): Quarantine {
  const table = new QuarantineTable(options);
  const cursors = openCursorTable(table.database);
  const from = startPosition({
    cursor: cursors.load(options.partition),
    journalId: options.journalId,
    range: options.range,
    file: options.path,
    logger: options.logger,
  });
  const save = (position: Position, rejections: readonly Rejection[]) =>
    table.transaction(() => {
      table.insert(rejections, null);
      cursors.save({ partition: options.partition, journalId: options.journalId, position });
    });
  return {
    id: 'quarantine',
    run: (signal) => run(options, { from, save, signal }),
    add: (rejections) => table.transaction(() => table.insert(rejections, refusalKey)),
    list: (query) => table.list(query),
    show: (id) => table.show(id),
    reasons: () => table.reasons(),
    oldest: (filter, range) => table.oldest(filter, range),
    count: (filter, after) => table.count(filter, after),
    settle: (outcomes) => table.transaction(() => table.settle(outcomes)),
    close: () => table.database.close(),
  };
}

/** Follows the journal; the cursor is saved with what was found, or every so often when there was nothing. */
async function run(
  options: QuarantineOptions,
  work: { from: Position; save: (position: Position, rejections: readonly Rejection[]) => void; signal: AbortSignal },
): Promise<void> {
  const { journal, partition, clock } = options;
  const { signal } = work;
  let position = work.from;
  let saved = work.from;
  let savedMs = clock.monotonicMs();
  const save = async (rejections: readonly Rejection[]) => {
    if (!(await saveWhenPossible(options, signal, () => work.save(position, rejections)))) return;
    saved = position;
    savedMs = clock.monotonicMs();
    await journal.release('quarantine', partition, position);
  };
  const apply = async (slice: Slice): Promise<void> => {
    const rejections: Rejection[] = [];
    for (const { first, count, bytes } of slice.batches) {
      if (first + count <= position) continue;
      readBatch(bytes, { rejection: (rejection) => void rejections.push(rejection) }, { from: Math.max(0, position - first) });
      position = first + count;
    }
    const isDue = position - saved >= CURSOR_ENTRIES_MAX || clock.monotonicMs() - savedMs >= CURSOR_AGE_MS;
    if (rejections.length > 0 || (position > saved && isDue)) await save(rejections);
    if (position >= slice.head) await clock.sleep(PAUSE_MS, signal);
  };
  await journal.release('quarantine', partition, position);
  const waitMs = () => (position > saved ? CURSOR_AGE_MS : IDLE_WAIT_MS);
  await follow({ id: 'quarantine', journal, partition, from: position, signal, handler: { apply, waitMs } });
  if (position > saved) await save([]);
}

/** While the disk has no room the rejections wait in the journal. False when it was told to stop before it succeeded. */
async function saveWhenPossible(options: QuarantineOptions, signal: AbortSignal, save: () => void): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      save();
      return true;
    } catch (error) {
      if (!(error instanceof SeriesStoreUnavailable)) throw error;
      if (signal.aborted) return false;
      const retryInMs = backoffMs(attempt, RETRY);
      options.logger.error({ reason: error.message, hint: error.hint, attempt, retryInMs }, 'the quarantine cannot be written');
      await options.clock.sleep(retryInMs, signal);
    }
  }
}

/** A refusal repeated after a crash is recognised by what was refused and why. */
const refusalKey = (rejection: Rejection): string => `${rejection.reason}\n${Buffer.from(rejection.payload).toString('latin1')}`;
