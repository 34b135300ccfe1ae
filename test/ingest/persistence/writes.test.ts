/** Batches, order and trouble with the disk, with a disk that does as it is told. */
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import type { Applied, Operation } from '../../../src/ingest/persistence/operations.ts';
import { Writes } from '../../../src/ingest/persistence/writes.ts';
import { NotDurable } from '../../../src/journal/group-commit.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';

const logger = pino({ level: 'silent' });
const NOTHING: Applied = { queued: 0, queuedBytes: 0, dropped: new Map() };
const done = (seq: number): Operation => ({ kind: 'done', session: 1, seq });
const retain = (topic: string, text: string): Operation => ({ kind: 'retain', topic, qos: 0, payload: text });

function open(options: { waitMs?: number; isRefusing?: () => boolean } = {}) {
  const batches: (readonly Operation[])[] = [];
  const writes = new Writes({
    apply: async (operations) => {
      await clock.sleep(5);
      if (options.isRefusing?.() === true) throw new Error('disk full');
      batches.push([...operations]);
      return NOTHING;
    },
    onApplied: () => undefined,
    clock,
    logger,
    waitMs: options.waitMs ?? 2000,
  });
  return { writes, batches };
}

describe('writes', () => {
  it('of one turn are one batch; those that come meanwhile are the next; callers hear in order', async () => {
    const { writes, batches } = open();
    const heard: number[] = [];
    writes.whenDurable(() => heard.push(0));
    expect(heard).toEqual([0]);
    writes.add(done(1));
    writes.whenDurable(() => heard.push(1));
    writes.add(done(2));
    writes.whenDurable(() => heard.push(2));
    await new Promise(setImmediate);
    writes.whenDurable(() => heard.push(3));
    writes.add(done(3));
    writes.whenDurable(() => heard.push(4));
    await writes.drained();
    expect(batches).toEqual([[done(1), done(2)], [done(3)]]);
    expect(heard).toEqual([0, 1, 2, 3, 4]);
  });

  it('of one retained topic leave its latest', async () => {
    const { writes, batches } = open();
    for (const operation of [retain('a', '1'), retain('b', '1'), retain('a', '2')]) writes.add(operation);
    await writes.drained();
    expect(batches).toEqual([[retain('a', '2'), retain('b', '1')]]);
  });

  it('that the disk refuses are tried again until it takes them; who waited too long is told so', async () => {
    let isRefusing = true;
    const { writes, batches } = open({ waitMs: 50, isRefusing: () => isRefusing });
    writes.add(done(1));
    await expect(writes.durable()).rejects.toBeInstanceOf(NotDurable);
    writes.add(done(2));
    isRefusing = false;
    await expect.poll(() => batches).toEqual([[done(1)], [done(2)]]);
  });

  it('are overloaded while too much waits', async () => {
    let isRefusing = true;
    const { writes } = open({ isRefusing: () => isRefusing });
    for (let n = 0; n < 40 && !writes.isOverloaded; n++) writes.add(retain(`t${n}`, 'x'.repeat(1024 * 1024)));
    expect(writes.isOverloaded).toBe(true);
    isRefusing = false;
    await expect.poll(() => writes.isOverloaded).toBe(false);
  });
});
