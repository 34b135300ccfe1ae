/**
 * The history consumer: follows the journal and writes its readings to the series store, in batches.
 *
 * A batch holds up to BATCH_READINGS_MAX readings; near the journal's head it lingers up to LINGER_MS for a fuller one, for
 * a batch costs as much as some hundred readings. While the store is unavailable it holds one batch, tries again with backoff for
 * as long as it takes, and lets the rest wait in the journal: memory stays flat, and nothing is lost.
 *
 * The cursor is durable with the readings (series-store.ts), and only then released to the journal.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Reading, Rejection } from '../domain/reading.ts';
import { readBatch } from '../journal/batch-reader.ts';
import { follow } from '../journal/consumer.ts';
import type { JournalReader, Position, Slice } from '../journal/journal.ts';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';
import { startPosition } from './cursor-table.ts';
import { Interning } from './interning.ts';
import { type Refusal, type SeriesStore, SeriesStoreUnavailable, type WriteOutcome } from './series-store.ts';

const BATCH_READINGS_MAX = 10_000;
const LINGER_MS = 100;
const IDLE_WAIT_MS = 60_000;
const RETRY = { firstMs: 1000, maxMs: 30_000 };
/** How long the last batch may take when stopping; what it does not manage is read from the journal again. */
const LAST_WRITE_MS = 2000;

export interface HistoryOptions {
  readonly journal: JournalReader;
  readonly journalId: string;
  readonly partition: number;
  /** What the journal held when it was opened. */
  readonly range: { readonly first: Position; readonly head: Position };
  readonly store: SeriesStore;
  /** Keeps what the store refused. */
  readonly quarantine: { add(rejections: readonly Rejection[]): void };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

export interface History extends Service {
  /** Why the store is not written to at present, or null. */
  trouble(): string | null;
}

/** Throws a TocsinError when the store's cursor does not fit this journal. */
export function createHistory(options: HistoryOptions): History {
  const from = startPosition({
    cursor: options.store.cursor(options.partition),
    journalId: options.journalId,
    range: options.range,
    file: 'the history',
    logger: options.logger,
  });
  const consumer = new HistoryConsumer(options, from);
  return { id: 'history', run: (signal) => consumer.run(signal), trouble: () => consumer.trouble };
}

class HistoryConsumer {
  readonly #options: HistoryOptions;
  readonly #interning = new Interning();
  readonly #points: Counter<'outcome'>;
  readonly #available: Gauge;
  /** One past the last entry taken into `#pending`. */
  #position: Position;
  #released: Position;
  #pending: Reading[] = [];
  #pendingSinceMs = 0;
  trouble: string | null = null;

  constructor(options: HistoryOptions, from: Position) {
    this.#options = options;
    this.#position = from;
    this.#released = from;
    this.#points = new Counter({
      name: 'tocsin_history_points_total',
      help: 'Values written to history, or refused by it for good',
      labelNames: ['outcome'],
      registers: [options.registry],
    });
    for (const outcome of ['written', 'refused']) this.#points.inc({ outcome }, 0);
    this.#available = new Gauge({
      name: 'tocsin_history_available',
      help: 'Whether the series store took the last write (1) or could not be reached (0)',
      registers: [options.registry],
    });
    this.#available.set(1);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { journal, partition, clock } = this.#options;
    await journal.release('history', partition, this.#position);
    await follow({
      id: 'history',
      journal,
      partition,
      from: this.#position,
      signal,
      handler: {
        apply: (slice) => this.#apply(slice, signal),
        // While readings are pending, the linger has been waited for already.
        waitMs: () => (this.#isBehind() ? 0 : IDLE_WAIT_MS),
      },
    });
    const last = new AbortController();
    const cancel = clock.after(LAST_WRITE_MS, () => last.abort());
    try {
      await this.#write(last.signal, 1);
    } finally {
      cancel();
    }
  }

  #isBehind(): boolean {
    return this.#position > this.#released;
  }

  async #apply(slice: Slice, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    if (!this.#isBehind()) this.#pendingSinceMs = clock.monotonicMs();
    const take = (reading: Reading): void => void this.#pending.push(reading);
    for (const { first, count, bytes } of slice.batches) {
      if (first + count <= this.#position) continue;
      readBatch(
        bytes,
        { reading: take, forHistory: take },
        { from: Math.max(0, this.#position - first), internDevice: this.#interning.device, internShape: this.#interning.shape },
      );
      this.#position = first + count;
      if (this.#pending.length >= BATCH_READINGS_MAX) await this.#write(signal);
      if (signal.aborted) return;
    }
    // With more in the journal already, the batch is filled by reading on.
    if (!this.#isBehind() || this.#position < slice.head) return;
    const lingeredMs = clock.monotonicMs() - this.#pendingSinceMs;
    if (lingeredMs >= LINGER_MS) await this.#write(signal);
    else await clock.sleep(LINGER_MS - lingeredMs, signal);
  }

  /** Writes what is pending, however long it takes; gives up only at the signal, or after `attemptsMax`. */
  async #write(signal: AbortSignal, attemptsMax = Number.POSITIVE_INFINITY): Promise<void> {
    const { clock, logger, journal, partition } = this.#options;
    if (!this.#isBehind()) return;
    for (let attempt = 1; !signal.aborted && attempt <= attemptsMax; attempt++) {
      try {
        const outcome = await this.#writeOnce(signal);
        this.#succeeded(outcome);
        this.#pending = [];
        this.#released = this.#position;
        this.#pendingSinceMs = clock.monotonicMs();
        await journal.release('history', partition, this.#position);
        return;
      } catch (error) {
        if (!(error instanceof SeriesStoreUnavailable)) throw error;
        if (signal.aborted) return;
        const retryInMs = backoffMs(attempt, RETRY);
        this.#failed(error, attempt, retryInMs);
        if (attempt < attemptsMax) await clock.sleep(retryInMs, signal);
      }
    }
    logger.info({ readings: this.#pending.length }, 'stopped before the last readings were in history: they wait in the journal');
  }

  async #writeOnce(signal: AbortSignal): Promise<WriteOutcome> {
    const { store, quarantine, journalId, partition } = this.#options;
    return await store.write(this.#pending, {
      cursor: { partition, journalId, position: this.#position },
      signal,
      refused: (refusals) => quarantine.add(refusals.map(asRejection)),
    });
  }

  #succeeded(outcome: WriteOutcome): void {
    this.#points.inc({ outcome: 'written' }, outcome.written);
    this.#points.inc({ outcome: 'refused' }, outcome.refused);
    if (outcome.refused > 0)
      this.#options.logger.warn({ values: outcome.refused }, 'history refused values for good: they are in the quarantine');
    if (this.trouble !== null) this.#options.logger.info('history UNAVAILABLE => AVAILABLE: it is being caught up from the journal');
    this.#setTrouble(null);
  }

  #failed(error: SeriesStoreUnavailable, attempt: number, retryInMs: number): void {
    const fields = { reason: messageOf(error), hint: error.hint, attempt, retryInMs };
    if (this.trouble === null) this.#options.logger.error(fields, 'history AVAILABLE => UNAVAILABLE: readings wait in the journal');
    else this.#options.logger.warn(fields, 'history is still unavailable');
    this.#setTrouble(messageOf(error));
  }

  #setTrouble(trouble: string | null): void {
    this.trouble = trouble;
    this.#available.set(trouble === null ? 1 : 0);
  }
}

/** A reading that history does not take, as the quarantine keeps it. */
function asRejection({ reading, reason, detail }: Refusal): Rejection {
  const { device, at, metrics, values, receivedAt } = reading;
  const named = Object.fromEntries(metrics.map((metric, index) => [metric, values[index]]));
  const payload = Buffer.from(JSON.stringify({ device: device.id, at, values: named }));
  return { device: device.id, topic: '', payload, client: 'history', receivedAt, reason, detail, partial: true };
}
