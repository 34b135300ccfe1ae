/** What every journal must hold to; each implementation's test file runs it. */
import { describe, expect, it } from 'vitest';
import { BatchWriter } from '../../src/journal/batch.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';
import type { Batch, Journal } from '../../src/journal/journal.ts';
import { PositionLost } from '../../src/journal/journal.ts';

const device = { id: 'dev-1', profile: null, labels: {} };
const shape = ['n'];

export function numbered(from: number, count: number): Batch {
  const writer = new BatchWriter();
  for (let n = from; n < from + count; n++) writer.addReading(device, shape, [n], { at: n + 1, receivedAt: n + 1, flags: 0 });
  return writer.take();
}

/** Every number from `from` on, read slice by slice until the head. */
export async function readNumbers(journal: Journal, from: number, bytesMax = 1000): Promise<number[]> {
  const numbers: number[] = [];
  let position = from;
  for (;;) {
    const slice = await journal.read('test', 0, position, { bytesMax, waitMs: 0 });
    if (slice.batches.length === 0) return numbers;
    for (const batch of slice.batches) {
      readBatch(
        batch.bytes,
        { reading: (reading) => numbers.push(reading.values[0] as number) },
        { from: Math.max(0, position - batch.first) },
      );
      position = batch.first + batch.count;
    }
  }
}

export function journalContract(name: string, open: (options?: { recentBytesMax?: number }) => Promise<Journal>): void {
  describe(`journal contract: ${name}`, () => {
    it('hands out what was appended, in order, from any position', async () => {
      const journal = await open();
      expect(await journal.append(0, numbered(0, 3))).toBe(0);
      expect(await journal.append(0, numbered(3, 4))).toBe(3);
      expect(journal.range(0)).toEqual({ first: 0, head: 7 });
      for (let from = 0; from <= 7; from++) {
        expect(await readNumbers(journal, from)).toEqual([0, 1, 2, 3, 4, 5, 6].slice(from));
      }
      await journal.close();
    });

    it('hands out the same from storage as from memory', async () => {
      const journal = await open({ recentBytesMax: 200 });
      for (let n = 0; n < 300; n += 3) await journal.append(0, numbered(n, 3));
      const all = Array.from({ length: 300 }, (_, n) => n);
      expect(await readNumbers(journal, 0)).toEqual(all);
      expect(await readNumbers(journal, 151)).toEqual(all.slice(151));
      expect(await readNumbers(journal, 299)).toEqual([299]);
      await journal.close();
    });

    it('wakes a reader that waits at the end, and answers empty when its time limit passes', async () => {
      const journal = await open();
      const empty = await journal.read('test', 0, 0, { bytesMax: 1000, waitMs: 10 });
      expect(empty).toMatchObject({ batches: [], head: 0 });
      const waiting = journal.read('test', 0, 0, { bytesMax: 1000, waitMs: 10_000 });
      await journal.append(0, numbered(0, 1));
      expect((await waiting).batches).toHaveLength(1);
      await journal.close();
    });

    it('ends a wait when it is closed', async () => {
      const journal = await open();
      const waiting = journal.read('test', 0, 0, { bytesMax: 1000, waitMs: 60_000 });
      await journal.close();
      expect((await waiting).batches).toEqual([]);
    });

    it('refuses a position past its head', async () => {
      const journal = await open();
      await journal.append(0, numbered(0, 2));
      await expect(journal.read('test', 0, 3, { bytesMax: 1000, waitMs: 0 })).rejects.toThrow(PositionLost);
      await journal.close();
    });

    it('measures the lag of each consumer by what it last asked for', async () => {
      const journal = await open();
      await journal.append(0, numbered(0, 10));
      await journal.read('slow', 0, 2, { bytesMax: 1, waitMs: 0 });
      await journal.read('fast', 0, 10, { bytesMax: 1, waitMs: 0 });
      await journal.read(null, 0, 0, { bytesMax: 1, waitMs: 0 });
      const lags = Object.fromEntries(journal.stats().consumers.map(({ id, lag }) => [id, lag]));
      expect(lags).toEqual({ slow: 8, fast: 0 });
      await journal.close();
    });

    it('keeps journal time before an entry that was received and is not yet readable', async () => {
      const journal = await open();
      let receiving: number | null = 5000;
      journal.receiving(() => receiving);
      expect((await journal.read('test', 0, 0, { bytesMax: 1, waitMs: 0 })).time).toBe(4999);
      receiving = null;
      expect((await journal.read('test', 0, 0, { bytesMax: 1, waitMs: 0 })).time).toBeGreaterThan(5000);
      await journal.close();
    });
  });
}
