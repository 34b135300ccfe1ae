/**
 * Writes behind the broker's memory: operations go to its thread in batches, in order, one batch under way while the next gathers. Who
 * waits for durability is called back once, in the order of asking: with null when everything added so far is on disk, or with an
 * error when it is not within `waitMs`.
 *
 * A batch that the disk does not take is tried again until it does, as memory holds it already. What gathers meanwhile is bounded by
 * whoever adds: they ask `isOverloaded` first, and take nothing more.
 */
import { type Committed, NotDurable } from '../../journal/group-commit.ts';
import type { Clock } from '../../std/clock.ts';
import type { Logger } from '../../std/logger.ts';
import type { Applied, Operation } from './operations.ts';

export interface WritesOptions {
  readonly apply: (operations: readonly Operation[]) => Promise<Applied>;
  readonly onApplied: (applied: Applied) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly waitMs: number;
}

interface Batch {
  readonly operations: Operation[];
  /** Where in it each retained topic is: only its latest value is written. */
  readonly retained: Map<string, number>;
  waiting: Committed[];
  cancelTimeout: (() => void) | null;
}

const RETRY_MS = 250;
const GATHERED_BYTES_MAX = 32 * 1024 * 1024;
const OPERATION_BYTES = 100;
const RECIPIENT_BYTES = 8;

export class Writes {
  readonly #options: WritesOptions;
  #open: Batch = emptyBatch();
  #underWay: Batch | null = null;
  #gatheredBytes = 0;
  #isScheduled = false;
  #isRefused = false;
  #isClosed = false;
  #idle: (() => void)[] = [];

  constructor(options: WritesOptions) {
    this.#options = options;
  }

  get isOverloaded(): boolean {
    return this.#gatheredBytes > GATHERED_BYTES_MAX;
  }

  add(operation: Operation): void {
    const { operations, retained } = this.#open;
    this.#gatheredBytes += bytesOf(operation);
    if (operation.kind === 'retain') {
      const index = retained.get(operation.topic);
      if (index !== undefined) {
        operations[index] = operation;
        return;
      }
      retained.set(operation.topic, operations.length);
    }
    operations.push(operation);
    this.#schedule();
  }

  whenDurable(callback: Committed): void {
    const batch = this.#open.operations.length > 0 ? this.#open : this.#underWay;
    if (batch === null) {
      callback(null);
      return;
    }
    batch.waiting.push(callback);
    batch.cancelTimeout ??= this.#options.clock.after(this.#options.waitMs, () => this.#timedOut(batch));
  }

  durable(): Promise<void> {
    return new Promise((resolve, reject) => this.whenDurable((error) => (error === null ? resolve() : reject(error))));
  }

  /** Resolves when nothing is left to write, at the latest after `waitMs`. */
  drained(): Promise<void> {
    if (this.#underWay === null && this.#open.operations.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(this.#options.waitMs, resolve);
      this.#idle.push(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Nothing is tried again from now on. */
  close(): void {
    this.#isClosed = true;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#underWay !== null) return;
    this.#isScheduled = true;
    // After this turn's sockets have been read: what comes of them shares the fsync.
    setImmediate(() => {
      this.#isScheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    if (this.#underWay !== null) return;
    const batch = this.#open;
    this.#underWay = batch;
    this.#open = emptyBatch();
    const bytes = this.#gatheredBytes;
    const applied = await this.#apply(batch);
    if (applied === null) return;
    this.#options.onApplied(applied);
    this.#gatheredBytes -= bytes;
    this.#underWay = null;
    batch.cancelTimeout?.();
    for (const callback of batch.waiting.splice(0)) callback(null);
    if (this.#open.operations.length > 0) this.#schedule();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #apply(batch: Batch): Promise<Applied | null> {
    const { apply, clock, logger } = this.#options;
    for (;;) {
      try {
        const applied = await apply(batch.operations);
        if (this.#isRefused) logger.info('sessions and retained messages are written again');
        this.#isRefused = false;
        return applied;
      } catch (error) {
        if (this.#isClosed) return null;
        if (!this.#isRefused) logger.error({ err: error }, 'sessions and retained messages could not be written, trying again');
        this.#isRefused = true;
        await clock.sleep(RETRY_MS);
      }
    }
  }

  #timedOut(batch: Batch): void {
    batch.cancelTimeout = null;
    const error = new NotDurable(`a session or retained message was not durable within ${this.#options.waitMs} ms`);
    for (const callback of batch.waiting.splice(0)) callback(error);
  }
}

const emptyBatch = (): Batch => ({ operations: [], retained: new Map(), waiting: [], cancelTimeout: null });

function bytesOf(operation: Operation): number {
  const payload = 'payload' in operation && operation.payload !== null ? operation.payload.length : 0;
  const recipients = operation.kind === 'queue' ? operation.to.length * RECIPIENT_BYTES : 0;
  return OPERATION_BYTES + payload + recipients;
}
