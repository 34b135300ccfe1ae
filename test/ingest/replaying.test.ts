/** Replays on request: durable before an entry leaves, bounded, one at a time. */
import { describe, expect, it } from 'vitest';
import type { Rejection } from '../../src/domain/reading.ts';
import type { Replayed } from '../../src/ingest/replay.ts';
import { type KeptRejections, QuarantineReplay } from '../../src/ingest/replaying.ts';
import { systemClock } from '../../src/std/clock.ts';

type Kept = Rejection & { readonly id: number };
const REPLAYED: Replayed = { kind: 'replayed', readings: 1 };
const KEPT: Replayed = { kind: 'kept', readings: 0, reason: 'out-of-range', detail: 'too much', partial: false };

const entry = (id: number): Kept => ({
  id,
  device: 'd',
  topic: 't',
  payload: Buffer.from(String(id)),
  client: 'c',
  receivedAt: id,
  reason: 'invalid-json',
  detail: '',
  partial: false,
});

/** Entries in memory, and what decoding them again gives by id. */
function setUp(count: number, options: { outcomeOf?: (id: number) => Replayed; keepsHistory?: boolean } = {}) {
  const entries = new Map(Array.from({ length: count }, (_, index) => [index + 1, entry(index + 1)]));
  const steps: string[] = [];
  const kept: KeptRejections = {
    rejection: async (id) => entries.get(id) ?? null,
    oldest: async (_, { after, limit }) => [...entries.values()].filter(({ id }) => id > after).slice(0, limit),
    count: async (_, after) => [...entries.keys()].filter((id) => id > after).length,
    settle: async (outcomes) => {
      steps.push(`settle ${outcomes.length}`);
      for (const { id, still } of outcomes) {
        const known = entries.get(id);
        if (still === null) entries.delete(id);
        else if (known !== undefined) entries.set(id, { ...known, ...still });
      }
    },
  };
  let fail: Error | null = null;
  const ingest = {
    replay: async (list: readonly Rejection[]): Promise<readonly Replayed[]> => {
      if (fail !== null) throw fail;
      steps.push(`durable ${list.length}`);
      return list.map(({ receivedAt }) => options.outcomeOf?.(receivedAt) ?? REPLAYED);
    },
  };
  const replay = new QuarantineReplay({ kept, ingest, clock: systemClock, keepsHistory: options.keepsHistory ?? true });
  const failWith = (error: Error): void => {
    fail = error;
  };
  return { entries, steps, replay, failWith };
}

const ALL = { rules: false, limit: 1000, after: 0 };

describe('one', () => {
  it('leaves once what came of it is durable', async () => {
    const { replay, entries, steps } = setUp(2);
    expect(await replay.one(1, { rules: false })).toEqual({ id: 1, outcome: 'replayed', readings: 1 });
    expect(steps).toEqual(['durable 1', 'settle 1']);
    expect([...entries.keys()]).toEqual([2]);
    expect(await replay.one(1, { rules: false })).toBeNull();
  });

  it('stays when it is not durable, and the next replay is not held up', async () => {
    const { replay, entries, failWith } = setUp(1);
    failWith(new Error('not durable'));
    await expect(replay.one(1, { rules: false })).rejects.toThrow('not durable');
    await expect(replay.one(1, { rules: false })).rejects.toThrow('not durable');
    expect(entries.size).toBe(1);
  });

  it('stays with its reason of now when it is rejected still, and leaves when there is nothing to keep in it', async () => {
    const { replay, entries } = setUp(2, { outcomeOf: (id) => (id === 1 ? KEPT : { kind: 'replayed', readings: 0 }) });
    expect(await replay.one(1, { rules: false })).toMatchObject({ outcome: 'kept', reason: 'out-of-range', detail: 'too much' });
    expect(await replay.one(2, { rules: false })).toMatchObject({ outcome: 'nothing', readings: 0 });
    expect([...entries.values()]).toMatchObject([{ id: 1, reason: 'out-of-range' }]);
  });
});

describe('many', () => {
  it('are taken in bounded pieces, and what stays is looked at once', async () => {
    const { replay, steps, entries } = setUp(250, { outcomeOf: (id) => (id % 10 === 0 ? KEPT : REPLAYED) });
    const summary = await replay.many({}, ALL);
    expect(summary).toMatchObject({ replayed: 225, kept: 25, readings: 225, remaining: 0, next: null });
    expect(summary.still).toHaveLength(20);
    expect(steps.filter((step) => step.startsWith('durable'))).toEqual(['durable 100', 'durable 100', 'durable 50']);
    expect(entries.size).toBe(25);
  });

  it('are no more than asked for; the rest is counted, and the next request goes on there', async () => {
    const { replay } = setUp(130);
    const first = await replay.many({}, { ...ALL, limit: 110 });
    expect(first).toMatchObject({ replayed: 110, remaining: 20, next: '110' });
    expect(await replay.many({}, { ...ALL, after: Number(first.next) })).toMatchObject({ replayed: 20, remaining: 0, next: null });
  });
});

it('one replay at a time: another is told to come again', async () => {
  const { replay } = setUp(3);
  const first = replay.many({}, ALL);
  await expect(replay.one(1, { rules: false })).rejects.toMatchObject({ name: 'Unavailable', message: 'another replay is under way' });
  await first;
  expect(await replay.one(9, { rules: false })).toBeNull();
});

it('without a history there is nowhere to put them, but before rules', async () => {
  const { replay } = setUp(1, { keepsHistory: false });
  await expect(replay.one(1, { rules: false })).rejects.toMatchObject({ name: 'Unavailable' });
  expect(await replay.one(1, { rules: true })).toMatchObject({ outcome: 'replayed' });
});
