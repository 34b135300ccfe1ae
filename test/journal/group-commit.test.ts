import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { GroupCommit } from '../../src/journal/group-commit.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { systemClock } from '../../src/std/clock.ts';
import { readNumbers } from './contract.ts';

const device = { id: 'a', profile: null, labels: {} };
const shape = ['n'];

function setUp(options: { bytesMax?: number; commitWaitMs?: number } = {}) {
  const journal = createMemoryJournal({
    clock: systemClock,
    holders: ['history'],
    ...(options.bytesMax === undefined ? {} : { bytesMax: options.bytesMax }),
  });
  const appends: number[] = [];
  const commit = new GroupCommit({
    journal,
    partition: 0,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    commitWaitMs: options.commitWaitMs ?? 2000,
    onAppend: (seconds) => appends.push(seconds),
  });
  const add = (n: number): void => commit.writer.addReading(device, shape, [n], { at: n, receivedAt: n + 1, flags: 0 });
  const durable = (): Promise<Error | null> => new Promise((resolve) => commit.whenDurable(resolve));
  return { journal, commit, appends, add, durable };
}

describe('group commit', () => {
  it('puts everything of one turn into one append, and calls back in order', async () => {
    const { journal, commit, appends, add } = setUp();
    const order: number[] = [];
    for (let n = 0; n < 5; n++) {
      add(n);
      commit.whenDurable(() => order.push(n));
    }
    await commit.drained();
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(appends).toHaveLength(1);
    expect(await readNumbers(journal, 0)).toEqual([0, 1, 2, 3, 4]);
  });

  it('answers what adds nothing to the journal too, after what came before it', async () => {
    const { commit, add } = setUp();
    const order: string[] = [];
    add(0);
    commit.whenDurable(() => order.push('reading'));
    commit.whenDurable(() => order.push('plain message'));
    await commit.drained();
    expect(order).toEqual(['reading', 'plain message']);
  });

  it('keeps trying while the journal is full, and acknowledges when there is room', async () => {
    const { journal, commit, add, durable } = setUp({ bytesMax: 300, commitWaitMs: 5000 });
    for (let n = 0; n < 5; n++) add(n);
    expect(await durable()).toBeNull();
    for (let n = 5; n < 10; n++) add(n);
    const waiting = durable();
    await systemClock.sleep(300);
    expect(commit.isRefusing).toBe(true);
    await journal.release('history', 0, 5);
    expect(await waiting).toBeNull();
    expect(commit.isRefusing).toBe(false);
    expect(await readNumbers(journal, 5)).toEqual([5, 6, 7, 8, 9]);
  });

  it('fails everybody who waits when it did not happen in time, and works on afterwards', async () => {
    const { journal, add, durable } = setUp({ bytesMax: 300, commitWaitMs: 400 });
    for (let n = 0; n < 5; n++) add(n);
    expect(await durable()).toBeNull();
    for (let n = 5; n < 10; n++) add(n);
    const first = durable();
    await systemClock.sleep(50);
    add(99);
    const second = durable();
    expect((await first)?.message).toContain('not durable within 400 ms');
    expect((await second)?.message).toContain('what came before it could not be made durable');
    await journal.release('history', 0, 5);
    add(10);
    expect(await durable()).toBeNull();
    expect(await readNumbers(journal, 5)).toEqual([10]);
  });

  it('keeps journal time before entries that are being tried again', async () => {
    const { journal, add, durable } = setUp({ bytesMax: 300, commitWaitMs: 600 });
    for (let n = 0; n < 5; n++) add(n);
    expect(await durable()).toBeNull();
    for (let n = 50; n < 55; n++) add(n);
    const waiting = durable();
    await systemClock.sleep(100);
    expect((await journal.read('timers', 0, 5, { bytesMax: 1000, waitMs: 0 })).time).toBe(50);
    await waiting;
    expect((await journal.read('timers', 0, 5, { bytesMax: 1000, waitMs: 0 })).time).toBeGreaterThan(50);
  });

  it('is drained in bounded time, though the disk hangs', async () => {
    const hanging = { append: () => new Promise<never>(() => undefined), receiving: () => undefined };
    const commit = new GroupCommit({
      journal: { ...createMemoryJournal({ clock: systemClock }), ...hanging },
      partition: 0,
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      commitWaitMs: 100,
      onAppend: () => undefined,
    });
    commit.writer.addReading(device, shape, [1], { at: 1, receivedAt: 1, flags: 0 });
    const durable = new Promise<Error | null>((resolve) => commit.whenDurable(resolve));
    await commit.drained();
    expect(await durable).not.toBeNull();
  });
});
