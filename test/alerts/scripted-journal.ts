/**
 * A journal whose arrivals and time are written down beforehand, for alerting alone: it hands out slices of a few
 * batches, and when all is read its time goes on step by step, as a clock would.
 */
import type { DeviceRef, Shape, Value } from '../../src/domain/reading.ts';
import { BatchWriter } from '../../src/journal/batch.ts';
import type { JournalReader, Partition, Position, ReadOptions, Slice, StoredBatch } from '../../src/journal/journal.ts';
import type { Clock } from '../../src/std/clock.ts';

export interface ScriptedReading {
  readonly device: DeviceRef;
  readonly metrics: Shape;
  readonly values: readonly Value[];
  readonly at: number;
  readonly receivedAt: number;
  readonly flags: number;
}

export class ScriptedJournal implements JournalReader {
  readonly batches: StoredBatch[] = [];
  readonly released: Position[] = [];
  #head = 0;
  #time = 0;
  /** How many batches a slice holds. */
  batchesPerSlice = 1;
  /** Reads stop being answered once this much was handed out: the place of a kill. */
  stopAfter = Number.POSITIVE_INFINITY;
  /** Journal times at which a reader that has reached the end is woken, in order. */
  ticks: number[] = [];
  /** Called when nothing further will come. */
  onEnd: () => void = () => undefined;

  get head(): Position {
    return this.#head;
  }
  get time(): number {
    return this.#time;
  }

  append(readings: readonly ScriptedReading[]): void {
    const writer = new BatchWriter();
    for (const { device, metrics, values, ...times } of readings) writer.addReading(device, metrics, values, times);
    const { bytes, count } = writer.take();
    this.batches.push({ first: this.#head, count, bytes });
    this.#head += count;
    this.#time = Math.max(this.#time, readings.at(-1)?.receivedAt ?? 0);
  }

  async read(_consumer: string, _partition: Partition, from: Position, _options: ReadOptions): Promise<Slice> {
    if (from >= this.stopAfter) return this.#end();
    const index = this.batches.findIndex((batch) => batch.first + batch.count > from);
    if (index >= 0) return { batches: this.batches.slice(index, index + this.batchesPerSlice), head: this.#head, time: this.#time };
    const tick = this.ticks.shift();
    if (tick === undefined) return this.#end();
    this.#time = Math.max(this.#time, tick);
    return { batches: [], head: this.#head, time: this.#time };
  }

  async release(_consumer: string, _partition: Partition, position: Position): Promise<void> {
    this.released.push(position);
  }

  #end(): Promise<Slice> {
    this.onEnd();
    return new Promise(() => undefined);
  }
}

/** A clock that stands still but for what its sleepers ask for. */
export function createStillClock(nowUs: number): Clock & { advanceMs: (ms: number) => void } {
  let elapsedMs = 0;
  return {
    now: () => nowUs + elapsedMs * 1000,
    monotonicMs: () => elapsedMs,
    async sleep(delayMs) {
      elapsedMs += delayMs;
    },
    after: () => () => undefined,
    advanceMs: (ms) => {
      elapsedMs += ms;
    },
  };
}
