/**
 * The part of a journal that consumers see: the newest batches in memory, who reads where, and who waits at the end.
 * Both embedded journals are built on it. The memory is bounded by bytes; what falls out of it is read from storage.
 */
import type { Clock } from '../std/clock.ts';
import type { JournalStats, Position, ReadOptions, Slice, StoredBatch } from './journal.ts';

interface Follower {
  position: Position;
  released: Position;
  answeredMs: number;
}

const FORGOTTEN: StoredBatch = { first: -1, count: 0, bytes: new Uint8Array() };

export class Followers {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #followers = new Map<string, Follower>();
  readonly #waiting = new Set<() => void>();
  #recent: StoredBatch[] = [];
  #recentStart = 0;
  #recentBytes = 0;
  #head: Position;
  #oldestReceiving: () => number | null = () => null;
  #appendingSince: number | null = null;
  #closed = false;

  constructor(options: { clock: Clock; head: Position; recentBytesMax: number }) {
    this.#clock = options.clock;
    this.#head = options.head;
    this.#bytesMax = options.recentBytesMax;
  }

  get head(): Position {
    return this.#head;
  }

  receiving(oldest: () => number | null): void {
    this.#oldestReceiving = oldest;
  }

  /** An append of entries received from `firstAt` on has begun; `appended` or `failed` ends it. */
  appending(firstAt: number): void {
    this.#appendingSince = firstAt;
  }

  failed(): void {
    this.#appendingSince = null;
  }

  appended(batch: StoredBatch): void {
    this.#appendingSince = null;
    this.#head = batch.first + batch.count;
    this.#recent.push(batch);
    this.#recentBytes += batch.bytes.length;
    while (this.#recentBytes > this.#bytesMax && this.#recentStart < this.#recent.length - 1) {
      this.#recentBytes -= this.#recent[this.#recentStart]?.bytes.length ?? 0;
      // Let go at once: the list itself is cut only now and then.
      this.#recent[this.#recentStart] = FORGOTTEN;
      this.#recentStart += 1;
    }
    if (this.#recentStart > 1024) {
      this.#recent = this.#recent.slice(this.#recentStart);
      this.#recentStart = 0;
    }
    this.#wake();
  }

  /** Reads from memory, else through `fromStorage`; waits at the end. */
  async read(
    consumer: string | null,
    from: Position,
    options: ReadOptions,
    fromStorage: (from: Position, bytesMax: number) => Promise<readonly StoredBatch[]> | readonly StoredBatch[],
  ): Promise<Slice> {
    const follower = consumer === null ? newFollower(from) : this.#follower(consumer, from);
    follower.position = from;
    // Deliberately after the position is noted: a consumer that waits has no lag.
    if (from >= this.#head && options.waitMs > 0 && !this.#closed) {
      await this.#nextAppend(options.waitMs);
      const lingerMs = follower.answeredMs + (options.lingerMs ?? 0) - this.#clock.monotonicMs();
      if (lingerMs > 0 && !this.#closed) await this.#clock.sleep(lingerMs);
    }
    follower.answeredMs = this.#clock.monotonicMs();
    // Journal time is taken before the batches: what arrives later than it must not count as read.
    const time = this.#time();
    const head = this.#head;
    if (from >= head) return { batches: [], head, time };
    const batches = this.#fromMemory(from, options.bytesMax) ?? (await fromStorage(from, options.bytesMax));
    return { batches, head, time };
  }

  release(consumer: string, position: Position): void {
    const follower = this.#follower(consumer, position);
    follower.released = Math.max(follower.released, position);
  }

  /** The lowest durable cursor of the consumers named, or null when one of them has not reported yet. */
  released(consumers: readonly string[]): Position | null {
    let lowest = this.#head;
    for (const id of consumers) {
      const follower = this.#followers.get(id);
      if (follower === undefined || follower.released < 0) return null;
      lowest = Math.min(lowest, follower.released);
    }
    return lowest;
  }

  stats(): JournalStats['consumers'] {
    return [...this.#followers].map(([id, { position, released }]) => ({
      id,
      position,
      released,
      lag: Math.max(0, this.#head - position),
    }));
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #time(): number {
    const pending = [this.#oldestReceiving(), this.#appendingSince].filter((at) => at !== null);
    return Math.min(this.#clock.now(), ...pending.map((at) => at - 1));
  }

  #follower(id: string, position: Position): Follower {
    const known = this.#followers.get(id);
    if (known !== undefined) return known;
    const follower = newFollower(position);
    this.#followers.set(id, follower);
    return follower;
  }

  #fromMemory(from: Position, bytesMax: number): StoredBatch[] | undefined {
    const oldest = this.#recent[this.#recentStart];
    if (oldest === undefined || from < oldest.first) return undefined;
    let low = this.#recentStart;
    let high = this.#recent.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#recent[middle] as StoredBatch).first <= from) low = middle;
      else high = middle - 1;
    }
    const batches: StoredBatch[] = [];
    let bytes = 0;
    for (let index = low; index < this.#recent.length && bytes < bytesMax; index++) {
      const batch = this.#recent[index] as StoredBatch;
      batches.push(batch);
      bytes += batch.bytes.length;
    }
    return batches;
  }

  #nextAppend(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const cancel = this.#clock.after(waitMs, done);
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}

const newFollower = (position: Position): Follower => ({ position, released: -1, answeredMs: Number.NEGATIVE_INFINITY });
