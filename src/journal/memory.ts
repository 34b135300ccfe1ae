/** A journal without durability: for tests and for throw-away runs. It keeps the interface's every other promise. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../std/clock.ts';
import { Followers } from './followers.ts';
import { type Batch, type Journal, JournalFull, type Partition, type Position, PositionLost, type StoredBatch } from './journal.ts';

export function createMemoryJournal(options: { clock: Clock; bytesMax?: number; holders?: readonly string[] }): Journal {
  const bytesMax = options.bytesMax ?? 64 * 1024 * 1024;
  const batches: StoredBatch[] = [];
  const followers = new Followers({ clock: options.clock, head: 0, recentBytesMax: bytesMax });
  let bytes = 0;
  let full: string | null = null;

  const makeRoom = (needed: number): void => {
    const below = followers.released(options.holders ?? []) ?? 0;
    while (bytes + needed > bytesMax && batches[0] !== undefined && batches[0].first + batches[0].count <= below) {
      bytes -= batches.shift()?.bytes.length ?? 0;
    }
  };

  return {
    id: randomUUID(),
    partitions: [0],
    async append(_partition: Partition, batch: Batch): Promise<Position> {
      makeRoom(batch.bytes.length);
      full = bytes + batch.bytes.length > bytesMax ? `the memory journal holds ${bytes} of ${bytesMax} bytes` : null;
      if (full !== null) throw new JournalFull(full);
      const stored = { first: followers.head, count: batch.count, bytes: batch.bytes };
      batches.push(stored);
      bytes += batch.bytes.length;
      followers.appended(stored);
      return stored.first;
    },
    receiving: (oldest) => followers.receiving(oldest),
    async read(consumer, _partition, from, readOptions) {
      const first = batches[0]?.first ?? followers.head;
      if (from < first || from > followers.head) throw new PositionLost(`position ${from} is not within ${first} to ${followers.head}`);
      return followers.read(consumer, from, readOptions, (position, most) => {
        const found: StoredBatch[] = [];
        let size = 0;
        for (const batch of batches) {
          if (batch.first + batch.count <= position || size >= most) continue;
          found.push(batch);
          size += batch.bytes.length;
        }
        return found;
      });
    },
    async release(consumer, _partition, position) {
      followers.release(consumer, position);
    },
    range: () => ({ first: batches[0]?.first ?? followers.head, head: followers.head }),
    stats: () => ({ bytes, full, consumers: followers.stats() }),
    async close() {
      followers.close();
    },
  };
}
