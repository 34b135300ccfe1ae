/**
 * The journal: the durable, ordered, replayable log of what devices said. It is the event bus: the ingest appends,
 * consumers follow by cursor. What it promises (test/journal/contract.ts holds every implementation to it):
 *
 * **Durability.** `append` resolves only when the batch is on disk; `kill -9` or power loss later loses nothing of it.
 * An append that rejected may or may not be there after a restart: whoever sent it sends it again.
 *
 * **Order.** A journal has one or more partitions; a device always maps to one. Entries of a partition are read in the
 * order of append, from any position, any number of times, with no entry left out and none invented.
 *
 * **Positions** are integers that grow within their partition and survive restarts: the position of an entry is that of
 * its batch plus its index. They are meaningless in a journal with another `id`; a cursor is stored with that id.
 *
 * **Following.** A `read` at the end waits for the next append or for its time limit. What was just appended is handed
 * out from memory; a consumer that lags reads from disk, and no consumer slows the producer or another consumer.
 *
 * **Bounds.** A full journal (disk budget spent, or the file system's reserve reached) rejects appends with JournalFull
 * and recovers by itself when space returns. Nothing that was acknowledged is deleted to make room, except below every
 * cursor that may hold it and past `keep`: that is the embedded journal's own promise, not the interface's.
 *
 * The journal does not deduplicate: recognising a retransmission is the ingest's work, idempotence the consumers'.
 */
import { TocsinError } from '../std/errors.ts';

export type Partition = number;
export type Position = number;

/** Entries as encoded by BatchWriter, and how many. */
export interface Batch {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Time of receipt of its first and last entry; µs. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** A batch with its place: entries `first` to `first + count - 1`. */
export interface StoredBatch {
  readonly first: Position;
  readonly count: number;
  readonly bytes: Uint8Array;
}

export interface Slice {
  /** In order; the first one holds `from`, and may begin before it. Empty when the time limit passed. */
  readonly batches: readonly StoredBatch[];
  /** One past the last durable entry. */
  readonly head: Position;
  /**
   * Journal time in µs: every entry received up to this time is below `head`. Timers of a consumer that has read up to
   * `head` may fire up to it.
   */
  readonly time: number;
}

export interface ReadOptions {
  /** About how many bytes to hand out; at least one batch is, whatever its size. */
  readonly bytesMax: number;
  /** How long to wait at the end for something to arrive; 0 answers at once. */
  readonly waitMs: number;
  /**
   * The least time between two answers to this consumer while it is at the end: under load it is then woken for many
   * batches at once instead of for each. A consumer that was idle is answered at once.
   */
  readonly lingerMs?: number;
}

/** What consumers need of a journal; crosses threads. */
export interface JournalReader {
  /**
   * Entries from `from` on. The consumer named has by this call worked through everything before `from` (its lag is
   * measured against it); null only looks, and is not followed. Rejects with PositionLost when `from` is below what is kept or past the head.
   */
  read(consumer: string | null, partition: Partition, from: Position, options: ReadOptions): Promise<Slice>;
  /** The consumer's cursor is durable at `position`: nothing below it is needed by it any more. */
  release(consumer: string, partition: Partition, position: Position): Promise<void>;
}

export interface Journal extends JournalReader {
  /** Random, made when the journal was created. */
  readonly id: string;
  readonly partitions: readonly Partition[];
  /** Resolves with the position of the batch's first entry, once it is durable. One append at a time per partition. */
  append(partition: Partition, batch: Batch): Promise<Position>;
  /**
   * Names the producer's oldest entry that was received and not yet handed to `append` (µs; null: none), so that journal
   * time never passes an entry that is still on its way.
   */
  receiving(oldest: () => number | null): void;
  /** The kept range: the first readable position and one past the last. */
  range(partition: Partition): { first: Position; head: Position };
  stats(): JournalStats;
  close(): Promise<void>;
}

export interface JournalStats {
  readonly bytes: number;
  /** Why appends are refused at present, or null. */
  readonly full: string | null;
  readonly consumers: readonly { id: string; position: Position; released: Position; lag: number }[];
}

export class JournalFull extends TocsinError {
  override readonly name = 'JournalFull';
}

/** The position asked for is not in this journal. */
export class PositionLost extends TocsinError {
  override readonly name = 'PositionLost';
}
