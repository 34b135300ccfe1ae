/**
 * The embedded journal: one SQLite file with one partition, written by a worker thread (sqlite-worker.ts) that does
 * nothing else. Beyond the interface's promises it keeps to a disk budget: entries past `keep`, or the oldest when the
 * budget runs short, are deleted once every holder has released them, and never before.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../std/clock.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { connect, RemoteError } from '../std/rpc.ts';
import { Followers } from './followers.ts';
import { type Batch, type Journal, JournalFull, type Position, PositionLost } from './journal.ts';
import type { JournalWorkerData, JournalWorkerMethods } from './sqlite-worker.ts';

export interface SqliteJournalOptions extends JournalWorkerData {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Consumers that hold the disk: nothing they have not released is deleted. */
  readonly holders: readonly string[];
  /** How many bytes of the newest entries stay in memory for consumers that keep up. */
  readonly recentBytesMax?: number;
}

const RECENT_BYTES_MAX = 16 * 1024 * 1024;
const RETAIN_INTERVAL_MS = 5000;
/** With more to delete, the next piece follows after this: commits go in between. */
const RETAIN_MORE_MS = 20;

export async function openSqliteJournal(options: SqliteJournalOptions): Promise<Journal> {
  const { clock, logger, holders } = options;
  const { path, bytesMax, reserveBytes, keepMs } = options;
  const workerData: JournalWorkerData = { path, bytesMax, reserveBytes, keepMs };
  const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData, name: 'journal' });
  const { remote, disconnect } = connect<JournalWorkerMethods>(worker, {});
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  worker.once('error', (cause) => disconnect(new TocsinError(`the journal's thread failed: ${messageOf(cause)}`, { cause })));
  worker.once('exit', () => disconnect(new TocsinError('the journal is closed')));

  const opened = await remote.open();
  const followers = new Followers({ clock, head: opened.head, recentBytesMax: options.recentBytesMax ?? RECENT_BYTES_MAX });
  const state = { first: opened.first, bytes: opened.bytes, full: null as string | null, closed: false };

  let retaining = false;
  const retain = async (): Promise<void> => {
    if (retaining) return;
    retaining = true;
    let delayMs = RETAIN_INTERVAL_MS;
    try {
      const position = followers.released(holders);
      const result = position === null ? undefined : await remote.retain(position, clock.now());
      if (result !== undefined) {
        state.bytes = result.bytes;
        // An empty journal has no first batch: its only position is the head.
        state.first = result.first;
        if (result.more) delayMs = RETAIN_MORE_MS;
      }
      noteFull(await remote.check());
    } catch (error) {
      if (!state.closed) logger.warn({ err: error }, 'journal retention failed and is tried again');
    }
    retaining = false;
    if (!state.closed) cancelRetain = clock.after(delayMs, () => void retain());
  };
  let cancelRetain = clock.after(RETAIN_INTERVAL_MS, () => void retain());

  const noteFull = (full: string | null): void => {
    if (full !== null && state.full === null) logger.error({ reason: full }, 'journal WRITABLE => FULL: devices are not acknowledged');
    if (full === null && state.full !== null) logger.info('journal FULL => WRITABLE');
    state.full = full;
  };

  return {
    id: opened.id,
    partitions: [0],
    async append(_partition, batch: Batch): Promise<Position> {
      const first = followers.head;
      followers.appending(batch.firstAt);
      try {
        const { bytes } = await remote.append(first, batch.count, batch.lastAt, batch.bytes);
        state.bytes = bytes;
      } catch (error) {
        followers.failed();
        if (!(error instanceof RemoteError) || error.remoteName !== 'JournalFull') throw error;
        noteFull(error.message);
        cancelRetain();
        void retain();
        throw new JournalFull(error.message, error.hint === undefined ? {} : { hint: error.hint });
      }
      if (state.full !== null) noteFull(null);
      followers.appended({ first, count: batch.count, bytes: batch.bytes });
      return first;
    },
    receiving: (oldest) => followers.receiving(oldest),
    async read(consumer, _partition, from, readOptions) {
      if (from < state.first || from > followers.head) {
        throw new PositionLost(`${consumer} asks for position ${from}; the journal keeps ${state.first} to ${followers.head}`, {
          hint: 'its state does not belong to this journal: restore both from one backup',
        });
      }
      return followers.read(consumer, from, readOptions, (position, most) => remote.read(position, most));
    },
    async release(consumer, _partition, position) {
      followers.release(consumer, position);
    },
    range: () => ({ first: state.first, head: followers.head }),
    stats: () => ({ bytes: state.bytes, full: state.full, consumers: followers.stats() }),
    async close() {
      if (state.closed) return;
      state.closed = true;
      cancelRetain();
      followers.close();
      await remote.close();
      await worker.terminate();
      await ended;
    },
  };
}
