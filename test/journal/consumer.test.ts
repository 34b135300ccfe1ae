/** The loop that every consumer runs, for as long as the process lives: what it leaves behind at each turn adds up. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { follow } from '../../src/journal/consumer.ts';
import type { JournalReader, Slice } from '../../src/journal/journal.ts';

const BATCH_BYTES = 1024 * 1024;
const SLICES = 200;
const COLLECTIONS_MAX = 50;

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/** Slices without end, each with bytes of its own. */
const endless: JournalReader = {
  async read(_consumer, _partition, from): Promise<Slice> {
    await new Promise((resolve) => setImmediate(resolve));
    return { batches: [{ first: from, count: 1, bytes: new Uint8Array(BATCH_BYTES) }], head: from + 2, time: 0 };
  },
  async release() {},
};

describe('following a journal', () => {
  it('keeps nothing of what it has worked through', async () => {
    const stop = new AbortController();
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    let held = 0;
    const apply = (_slice: Slice, cursor: number): void => {
      if (cursor < SLICES) return;
      collectGarbage();
      held = process.memoryUsage().arrayBuffers - before;
      // Buffers are given back a little after the collection that found them: a leak is what stays for many of them.
      if (held < 20 * BATCH_BYTES || cursor > SLICES + COLLECTIONS_MAX) stop.abort();
    };
    await follow({ id: 'test', journal: endless, partition: 0, from: 0, signal: stop.signal, handler: { apply, waitMs: () => 0 } });
    expect(held).toBeLessThan(20 * BATCH_BYTES);
  });

  it('ends at once when it is told to while it waits, and leaves no listener', async () => {
    const stop = new AbortController();
    const waiting: JournalReader = { read: () => new Promise(() => undefined), async release() {} };
    const handler = { apply: () => undefined, waitMs: () => 60_000 };
    const ended = follow({ id: 'test', journal: waiting, partition: 0, from: 7, signal: stop.signal, handler });
    stop.abort();
    expect(await ended).toBe(7);
  });

  it('passes on what a read is refused with', async () => {
    const refusing: JournalReader = { read: () => Promise.reject(new Error('position lost')), async release() {} };
    const handler = { apply: () => undefined, waitMs: () => 0 };
    const ended = follow({ id: 'test', journal: refusing, partition: 0, from: 0, signal: new AbortController().signal, handler });
    await expect(ended).rejects.toThrow('position lost');
  });
});
