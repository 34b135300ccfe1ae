/**
 * Group commit: everything that is received while one append is under way goes into the next. Whoever waits for
 * durability is called back once, in the order of arrival: with null after the append, or with an error when it did not
 * happen within `commitWaitMs`. After an error the entries may or may not be durable: the sender sends them again.
 *
 * A refused append (journal full, I/O error) is tried again until that time has passed; then its entries are dropped,
 * unacknowledged, and the next group takes its turn. So what waits in memory is at most `pendingBytesMax` in the open
 * group beside the one under way, and `isOverloaded` says when to take no more.
 */
import type { Clock } from '../std/clock.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { BatchWriter } from './batch.ts';
import type { Batch, Journal, Partition } from './journal.ts';

export type Committed = (error: Error | null) => void;

/** Callers that wait for one append. */
interface Group {
  waiting: Committed[];
  failed: Error | null;
  cancelTimeout: () => void;
}

const RETRY_MS = 250;
const PENDING_BYTES_MAX = 16 * 1024 * 1024;
const WAITING_MAX = 200_000;

export class GroupCommit {
  readonly #journal: Journal;
  readonly #partition: Partition;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #commitWaitMs: number;
  readonly #onAppend: (seconds: number) => void;
  readonly #writer = new BatchWriter();
  #open: Group | undefined;
  #busy = false;
  #scheduled = false;
  #refusedSince: number | null = null;
  #idle: (() => void)[] = [];

  constructor(options: {
    journal: Journal;
    partition: Partition;
    clock: Clock;
    logger: Logger;
    commitWaitMs: number;
    onAppend: (seconds: number) => void;
  }) {
    this.#journal = options.journal;
    this.#partition = options.partition;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#commitWaitMs = options.commitWaitMs;
    this.#onAppend = options.onAppend;
    this.#journal.receiving(() => (this.#writer.count === 0 ? null : this.#writer.firstAt));
  }

  /** Where entries are added; call `commit` or `whenDurable` in the same turn. */
  get writer(): BatchWriter {
    return this.#writer;
  }

  get isOverloaded(): boolean {
    return this.#writer.sizeBytes > PENDING_BYTES_MAX || this.#writer.isFull || (this.#open?.waiting.length ?? 0) >= WAITING_MAX;
  }

  /** True while appends are being refused: what nobody waits for (QoS 0) is better dropped than gathered. */
  get isRefusing(): boolean {
    return this.#refusedSince !== null;
  }

  /** Calls back when everything added so far is durable; in order, after every earlier call. */
  whenDurable(callback: Committed): void {
    this.#group().waiting.push(callback);
  }

  /** For entries that nobody waits for. */
  commit(): void {
    this.#group();
  }

  /** Resolves when nothing is under way or waiting. */
  drained(): Promise<void> {
    if (!this.#busy && this.#open === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #group(): Group {
    if (this.#open !== undefined) return this.#open;
    const group: Group = { waiting: [], failed: null, cancelTimeout: () => undefined };
    group.cancelTimeout = this.#clock.after(this.#commitWaitMs, () => this.#timedOut(group));
    this.#open = group;
    this.#schedule();
    return group;
  }

  #schedule(): void {
    if (this.#scheduled || this.#busy) return;
    this.#scheduled = true;
    // After this turn's sockets have been read: their messages share the fsync.
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#busy) void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const group = this.#open;
    if (group === undefined) return;
    this.#busy = true;
    this.#open = undefined;
    const batch = this.#writer.count === 0 ? undefined : this.#writer.take();
    if (batch !== undefined) await this.#append(batch, group);
    group.cancelTimeout();
    this.#busy = false;
    if (group.failed === null) for (const callback of group.waiting) callback(null);
    if (this.#open !== undefined) this.#schedule();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Returns once the batch is durable or its group has failed. */
  async #append(batch: Batch, group: Group): Promise<void> {
    while (group.failed === null) {
      const startMs = this.#clock.monotonicMs();
      try {
        await this.#journal.append(this.#partition, batch);
        this.#refusedSince = null;
        this.#onAppend((this.#clock.monotonicMs() - startMs) / 1000);
        return;
      } catch (error) {
        if (this.#refusedSince === null) this.#logger.error({ err: error, entries: batch.count }, 'journal append refused, trying again');
        this.#refusedSince ??= startMs;
        await this.#clock.sleep(RETRY_MS);
        if (group.failed !== null)
          this.#logger.warn({ entries: batch.count, reason: messageOf(error) }, 'entries dropped, not acknowledged');
      }
    }
  }

  #timedOut(group: Group): void {
    if (group === this.#open) {
      // Still waiting for the append before it: what was gathered for it is let go, and the next caller opens a new group.
      this.#open = undefined;
      this.#writer.take();
    }
    group.failed = new TocsinError(`not durable within ${this.#commitWaitMs} ms`);
    for (const callback of group.waiting.splice(0)) callback(group.failed);
  }
}
