/**
 * Group commit: everything that is received while one append is under way goes into the next. Whoever waits for
 * durability is called back once, in the order of arrival: with null after the append, or with an error when it did not
 * happen within `commitWaitMs`. After an error the entries may or may not be durable: the sender sends them again.
 *
 * A refused append (journal full, I/O error) is tried again until that time has passed; then its entries are dropped,
 * unacknowledged, and the next group takes its turn. So what waits in memory is at most `pendingBytesMax` in the open
 * group beside the one under way, and `isOverloaded` says when to take no more.
 *
 * What is dropped is handed to `onDropped` before anybody else is answered, so that the same message sent again is not
 * taken for one that is safe already. Who waits behind dropped entries is refused with them: it may have repeated them.
 */
import type { Clock } from '../std/clock.ts';
import { TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { BatchWriter } from './batch.ts';
import type { Batch, Journal, Partition } from './journal.ts';

export type Committed = (error: Error | null) => void;

/** Not on disk, or not known to be: not to be acknowledged. */
export class NotDurable extends TocsinError {
  override readonly name = 'NotDurable';
}

/** Callers that wait for one append. */
interface Group {
  waiting: Committed[];
  failed: Error | null;
  cancelTimeout: () => void;
  /** Ends the wait before the next try. */
  wake: () => void;
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
  readonly #onDropped: (batch: Batch) => void;
  readonly #writer = new BatchWriter();
  #open: Group | undefined;
  #busy = false;
  /** Callers of the append under way. */
  #underWay = 0;
  #scheduled = false;
  #isRefusing = false;
  /** After a drop: until then only those who wait for an answer may find out whether there is room again. */
  #quietUntilMs = 0;
  /** Time of receipt of the oldest entry taken from the writer and not yet durable; µs. */
  #underWaySince: number | null = null;
  #idle: (() => void)[] = [];

  constructor(options: {
    journal: Journal;
    partition: Partition;
    clock: Clock;
    logger: Logger;
    commitWaitMs: number;
    onAppend: (seconds: number) => void;
    /** These entries were given up: nobody was told that they are durable. */
    onDropped?: (batch: Batch) => void;
  }) {
    this.#journal = options.journal;
    this.#partition = options.partition;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#commitWaitMs = options.commitWaitMs;
    this.#onAppend = options.onAppend;
    this.#onDropped = options.onDropped ?? (() => undefined);
    this.#journal.receiving(() => this.#underWaySince ?? (this.#writer.count === 0 ? null : this.#writer.firstAt));
  }

  /** Where entries are added; call `commit` or `whenDurable` in the same turn. */
  get writer(): BatchWriter {
    return this.#writer;
  }

  get isOverloaded(): boolean {
    return this.#writer.sizeBytes > PENDING_BYTES_MAX || this.#writer.isFull || (this.#open?.waiting.length ?? 0) >= WAITING_MAX;
  }

  /** How many callers wait: those of the append under way and those of the next. */
  get waiting(): number {
    return this.#underWay + (this.#open?.waiting.length ?? 0);
  }

  /** True while appends are being refused: what nobody waits for (QoS 0) is better dropped than gathered. */
  get isRefusing(): boolean {
    return this.#isRefusing || (this.#quietUntilMs > 0 && this.#clock.monotonicMs() < this.#quietUntilMs);
  }

  /** Calls back when everything added so far is durable; in order, after every earlier call. */
  whenDurable(callback: Committed): void {
    this.#group().waiting.push(callback);
  }

  /** For entries that nobody waits for. */
  commit(): void {
    this.#group();
  }

  /**
   * Resolves when nothing is under way or waiting; at the latest when everybody who waits now has been answered, so that a
   * disk that hangs cannot hold up a stop.
   */
  drained(): Promise<void> {
    if (!this.#busy && this.#open === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#clock.after(this.#commitWaitMs, resolve);
      this.#idle.push(() => {
        cancel();
        resolve();
      });
    });
  }

  #group(): Group {
    if (this.#open !== undefined) return this.#open;
    const group: Group = { waiting: [], failed: null, cancelTimeout: () => undefined, wake: () => undefined };
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
    this.#underWay = group.waiting.length;
    const batch = this.#writer.count === 0 ? undefined : this.#writer.take();
    if (batch !== undefined) await this.#append(batch, group);
    group.cancelTimeout();
    this.#busy = false;
    this.#underWay = 0;
    if (group.failed === null) for (const callback of group.waiting) callback(null);
    if (this.#open !== undefined) this.#schedule();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Returns once the batch is durable or dropped. */
  async #append(batch: Batch, group: Group): Promise<void> {
    this.#underWaySince = batch.firstAt;
    while (group.failed === null) {
      const startMs = this.#clock.monotonicMs();
      try {
        await this.#journal.append(this.#partition, batch);
        this.#onAppend((this.#clock.monotonicMs() - startMs) / 1000);
        this.#underWaySince = null;
        this.#isRefusing = false;
        this.#quietUntilMs = 0;
        return;
      } catch (error) {
        if (!this.#isRefusing) this.#logger.error({ err: error, entries: batch.count }, 'journal append refused, trying again');
        this.#isRefusing = true;
        await this.#retryWait(group);
      }
    }
    this.#underWaySince = null;
    this.#isRefusing = false;
    this.#quietUntilMs = this.#clock.monotonicMs() + this.#commitWaitMs;
    this.#drop(batch);
    const behind = this.#open;
    if (behind !== undefined) this.#fail(behind, 'what came before it could not be made durable');
  }

  #retryWait(group: Group): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(RETRY_MS, resolve);
      group.wake = () => {
        cancel();
        resolve();
      };
    });
  }

  #timedOut(group: Group): void {
    this.#fail(group, `not durable within ${this.#commitWaitMs} ms`);
  }

  #fail(group: Group, reason: string): void {
    group.cancelTimeout();
    group.failed = new NotDurable(reason);
    if (group === this.#open) {
      // Not handed to the journal yet: what was gathered is let go, and the next caller opens a new group.
      this.#open = undefined;
      if (this.#writer.count > 0) this.#drop(this.#writer.take());
    }
    group.wake();
    for (const callback of group.waiting.splice(0)) callback(group.failed);
  }

  #drop(batch: Batch): void {
    this.#logger.warn({ entries: batch.count }, 'entries dropped, not acknowledged');
    this.#onDropped(batch);
  }
}
