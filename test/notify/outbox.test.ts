import { describe, expect, it } from 'vitest';
import { messageId, Outbox } from '../../src/notify/outbox.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { TransitionLog } from './fixtures.ts';

const DAY = 86_400_000_000;

function outboxWith(count: number) {
  const database = openDatabase(':memory:');
  const outbox = new Outbox(database);
  const log = new TransitionLog();
  for (let i = 0; i < count; i++) {
    const transition = log.add('firing', { id: `a${i}`, level: i % 2 === 0 ? 'warning' : 'critical' });
    outbox.record(transition, { kind: 'firing', contacts: ['c'], reason: 'because' }, { subject: `s${i}`, now: i, isSending: () => false });
  }
  return { outbox, log, database, [Symbol.dispose]: () => database.close() };
}

describe('the outbox', () => {
  it('hands out critical messages first, then the longest due, and says when the next one is', () => {
    using parts = outboxWith(6);
    const { outbox } = parts;
    expect(outbox.due(3, 10).map(({ alert }) => alert)).toEqual(['a1', 'a3', 'a0', 'a2']);
    expect(outbox.due(3, 3)).toHaveLength(3);
    expect(outbox.dueCount(3, 10)).toBe(4);
    expect(outbox.dueCount(3, 2)).toBe(2);
    expect(outbox.nextDue(3)).toBe(4);
    expect(outbox.nextDue(5)).toBeNull();
  });

  it('lets go of what ended a month ago, never of what waits', () => {
    using parts = outboxWith(2);
    const { outbox } = parts;
    const first = outbox.due(10, 10).find(({ alert }) => alert === 'a0');
    if (first === undefined) throw new Error('nothing due');
    outbox.delivered(first, 'taken', 10);
    expect(outbox.prune(29 * DAY)).toBe(false);
    expect(outbox.counts()).toMatchObject({ waiting: 1, delivered: 1 });
    expect(outbox.timeline('a0').map(({ kind }) => kind)).toEqual(['decision', 'sent']);
    outbox.prune(31 * DAY);
    expect(outbox.counts()).toMatchObject({ waiting: 1, delivered: 0 });
    expect(outbox.timeline('a0')).toEqual([]);
  });

  it('keeps a bounded number of what ended, the newest', () => {
    using parts = outboxWith(3);
    const { outbox, database } = parts;
    for (const message of outbox.due(10, 10)) outbox.delivered(message, 'taken', 10);
    // As after a hundred thousand more: only the numbers matter.
    database.exec('UPDATE notify_message SET number = number + 100001 WHERE number = 3');
    outbox.prune(20);
    expect(outbox.list({ limit: 10 }).map(({ alert }) => alert)).toEqual(['a2']);
  });

  it('brings back what a clock that was set back would leave waiting', () => {
    using parts = outboxWith(1);
    const { outbox } = parts;
    const [message] = outbox.due(10, 10);
    if (message === undefined) throw new Error('nothing due');
    outbox.retryAt(message, DAY);
    outbox.dueBy(100);
    expect(outbox.nextDue(10)).toBe(100);
  });

  it('counts equal attempts in one entry, and starts another when the answer changes', () => {
    using parts = outboxWith(1);
    const { outbox } = parts;
    const [message] = outbox.due(10, 10);
    if (message === undefined) throw new Error('nothing due');
    for (const [at, detail] of ['busy', 'busy', 'busy', 'gone', 'busy'].entries()) outbox.attempted(message, detail, 100 + at);
    expect(outbox.timeline('a0').slice(1)).toMatchObject([
      { detail: 'busy', times: 3, at: 100, lastAt: 102 },
      { detail: 'gone', times: 1 },
      { detail: 'busy', times: 1 },
    ]);
  });

  it('keeps the newest of two that wait after a crash', () => {
    using parts = outboxWith(1);
    const { outbox, log } = parts;
    const update = log.add('level', { id: 'a0' });
    outbox.record(update, { kind: 'level', contacts: ['c'], reason: 'because' }, { subject: 'newer', now: 20, isSending: () => true });
    expect(outbox.counts().waiting).toBe(2);
    outbox.supersedeAllButNewest(30);
    expect(outbox.list({ limit: 10 })).toMatchObject([
      { state: 'waiting', subject: 'newer', thread: messageId('a0/1', 'c'), replaces: [{ transition: 'a0/1', subject: 's0' }] },
      { state: 'superseded', detail: 'replaced by: newer' },
    ]);
  });

  it('what takes the place of a critical message is as urgent, and goes on along the channels from where that one was', () => {
    using parts = outboxWith(2);
    const { outbox, log } = parts;
    const [critical] = outbox.due(10, 10);
    if (critical === undefined) throw new Error('nothing due');
    expect(critical).toMatchObject({ alert: 'a1', isUrgent: true });
    outbox.nextChannel(critical, 'refused for good', 11);
    const better = log.add('level', { id: 'a1', level: 'warning' }, { fromLevel: 'critical' });
    outbox.record(better, { kind: 'level', contacts: ['c'], reason: 'because' }, { subject: 'better', now: 20, isSending: () => false });
    expect(outbox.due(20, 1)).toMatchObject([
      { subject: 'better', isUrgent: true, channel: 1, channelSince: 11, createdAt: 20, replaces: [{ subject: 's1', level: 'critical' }] },
    ]);
  });

  it('a message that was tried in vain while a newer one came hands on the same', () => {
    using parts = outboxWith(2);
    const { outbox, log } = parts;
    const [critical] = outbox.due(10, 10);
    if (critical === undefined) throw new Error('nothing due');
    const better = log.add('level', { id: 'a1', level: 'warning' }, { fromLevel: 'critical' });
    outbox.record(better, { kind: 'level', contacts: ['c'], reason: 'because' }, { subject: 'better', now: 20, isSending: () => true });
    expect(outbox.supersededBy(critical, 30)?.subject).toBe('better');
    expect(outbox.due(30, 1)).toMatchObject([{ subject: 'better', isUrgent: true, channelSince: 1, replaces: [{ subject: 's1' }] }]);
  });

  it('remembers at most twenty replaced messages: the first and the latest', () => {
    using parts = outboxWith(1);
    const { outbox, log } = parts;
    for (let i = 0; i < 30; i++) {
      const update = log.add('level', { id: 'a0' });
      outbox.record(update, { kind: 'level', contacts: ['c'], reason: 'because' }, { subject: `u${i}`, now: 20, isSending: () => false });
    }
    const [latest] = outbox.list({ limit: 1 });
    expect(latest?.replaces.map(({ subject }) => subject)).toEqual(['s0', ...Array.from({ length: 19 }, (_, i) => `u${i + 10}`)]);
  });

  it('of many replaced messages never forgets the last critical one', () => {
    using parts = outboxWith(1);
    const { outbox, log } = parts;
    for (let i = 0; i < 30; i++) {
      const update = log.add('level', { id: 'a0', level: i === 5 ? 'critical' : 'warning' });
      outbox.record(update, { kind: 'level', contacts: ['c'], reason: 'because' }, { subject: `u${i}`, now: 20, isSending: () => false });
    }
    const [latest] = outbox.list({ limit: 1 });
    expect(latest?.replaces).toHaveLength(20);
    expect(latest?.replaces.slice(0, 3).map(({ subject }) => subject)).toEqual(['s0', 'u5', 'u11']);
    expect(latest?.isUrgent).toBe(true);
  });
});
