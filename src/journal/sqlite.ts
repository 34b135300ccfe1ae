/**
 * The embedded journal: one SQLite file with one partition, written by a worker thread (sqlite-worker.ts) that does
 * nothing else. Beyond the interface's promises it keeps to a disk budget: entries past `keep`, or the oldest when the
 * budget runs short, are deleted once every holder has released them, and never before.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../std/clock.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { connect, type Remote, RemoteError } from '../std/rpc.ts';
import { Followers } from './followers.ts';
import {
  type Batch,
  type Journal,
  JournalFull,
  type JournalStats,
  type Partition,
  type Position,
  PositionLost,
  type ReadOptions,
  type Slice,
} from './journal.ts';
import type { JournalWorkerData, JournalWorkerMethods } from './sqlite-worker.ts';

export interface SqliteJournalOptions extends JournalWorkerData {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Consumers that hold the disk: nothing they have not released is deleted. */
  readonly holders: readonly string[];
  /** How many bytes of the newest entries stay in memory for consumers that keep up. */
  readonly recentBytesMax?: number;
}

const RECENT_BYTES_MAX = 8 * 1024 * 1024;
const RETAIN_INTERVAL_MS = 5000;
/** With more to delete, the next piece follows after this: commits go in between. */
const RETAIN_MORE_MS = 20;

/** Rejects when the file cannot be used. A fault of the journal's thread later on is thrown: without it nothing can be promised. */
export async function openSqliteJournal(options: SqliteJournalOptions): Promise<Journal> {
  const { path, bytesMax, reserveBytes, keepMs } = options;
  const workerData: JournalWorkerData = { path, bytesMax, reserveBytes, keepMs };
  const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData, name: 'journal' });
  const { remote, disconnect } = connect<JournalWorkerMethods>(worker, {});
  const life = { isOver: false };
  worker.once('exit', (code) => {
    disconnect(new TocsinError('the journal is closed'));
    if (!life.isOver) throw new TocsinError(`the journal's thread ended with exit code ${code}`);
  });
  worker.once('error', (cause) => {
    throw new TocsinError(`the journal's thread failed: ${messageOf(cause)}`, { cause });
  });
  try {
    return new SqliteJournal(options, { worker, remote, life, opened: await remote.open() });
  } catch (error) {
    life.isOver = true;
    await worker.terminate();
    throw error;
  }
}

class SqliteJournal implements Journal {
  readonly id: string;
  readonly partitions = [0];
  readonly #options: SqliteJournalOptions;
  readonly #worker: Worker;
  readonly #remote: Remote<JournalWorkerMethods>;
  readonly #life: { isOver: boolean };
  readonly #followers: Followers;
  #first: Position;
  #bytes: number;
  #full: string | null = null;
  /** Why the latest append failed though there was room. */
  #refusal: string | null = null;
  #isClosed = false;
  #isRetaining = false;
  #cancelRetain: () => void;

  constructor(
    options: SqliteJournalOptions,
    thread: {
      worker: Worker;
      remote: Remote<JournalWorkerMethods>;
      /** Over: its thread may end. */
      life: { isOver: boolean };
      opened: { id: string; first: Position; head: Position; bytes: number };
    },
  ) {
    const { clock, recentBytesMax = RECENT_BYTES_MAX } = options;
    const { id, first, head, bytes } = thread.opened;
    this.id = id;
    this.#options = options;
    this.#worker = thread.worker;
    this.#remote = thread.remote;
    this.#life = thread.life;
    this.#first = first;
    this.#bytes = bytes;
    this.#followers = new Followers({ clock, head, recentBytesMax });
    this.#cancelRetain = clock.after(RETAIN_INTERVAL_MS, () => void this.#retain());
  }

  async append(_partition: Partition, batch: Batch): Promise<Position> {
    const first = this.#followers.head;
    this.#followers.appending(batch.firstAt);
    try {
      const { bytes } = await this.#remote.append(first, batch.count, batch.lastAt, batch.bytes);
      this.#bytes = bytes;
    } catch (error) {
      this.#followers.failed();
      if (!(error instanceof RemoteError) || error.remoteName !== 'JournalFull') {
        this.#refusal = messageOf(error);
        throw error;
      }
      this.#noteFull(error.message);
      this.#cancelRetain();
      void this.#retain();
      throw new JournalFull(error.message, error.hint === undefined ? {} : { hint: error.hint });
    }
    this.#noteFull(null);
    this.#refusal = null;
    this.#followers.appended({ first, count: batch.count, bytes: batch.bytes });
    return first;
  }

  receiving(oldest: () => number | null): void {
    this.#followers.receiving(oldest);
  }

  async read(consumer: string | null, _partition: Partition, from: Position, options: ReadOptions): Promise<Slice> {
    if (from < this.#first || from > this.#followers.head) {
      throw new PositionLost(
        `${consumer ?? 'someone'} asks for position ${from}; the journal keeps ${this.#first} to ${this.#followers.head}`,
        {
          hint: 'its state does not belong to this journal: restore both from one backup',
        },
      );
    }
    return this.#followers.read(consumer, from, options, (position, most) => this.#remote.read(position, most));
  }

  async release(consumer: string, _partition: Partition, position: Position): Promise<void> {
    this.#followers.release(consumer, position);
  }

  range(): { first: Position; head: Position } {
    return { first: this.#first, head: this.#followers.head };
  }

  stats(): JournalStats {
    return { bytes: this.#bytes, full: this.#full ?? this.#refusal, consumers: this.#followers.stats() };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#life.isOver = true;
    this.#cancelRetain();
    this.#followers.close();
    await this.#remote.close();
    await this.#worker.terminate();
  }

  /** Deletes what may go, a piece at a time, and looks whether a full journal has room again. */
  async #retain(): Promise<void> {
    if (this.#isRetaining) return;
    this.#isRetaining = true;
    const { clock, logger, holders } = this.#options;
    let delayMs = RETAIN_INTERVAL_MS;
    try {
      const position = this.#followers.released(holders);
      if (position !== null) {
        const { first, bytes, more } = await this.#remote.retain(position, clock.now());
        this.#first = first;
        this.#bytes = bytes;
        if (more) delayMs = RETAIN_MORE_MS;
      }
      this.#noteFull(await this.#remote.check());
    } catch (error) {
      if (!this.#isClosed) logger.warn({ err: error }, 'journal retention failed and is tried again');
    }
    this.#isRetaining = false;
    if (!this.#isClosed) this.#cancelRetain = clock.after(delayMs, () => void this.#retain());
  }

  #noteFull(full: string | null): void {
    const { logger } = this.#options;
    if (full !== null && this.#full === null) logger.error({ reason: full }, 'journal WRITABLE => FULL: devices are not acknowledged');
    if (full === null && this.#full !== null) logger.info('journal FULL => WRITABLE');
    this.#full = full;
  }
}
