/** The outbox by itself: the order in which it hands out, what takes the place of what, and what it lets go of. */
import { describe, expect, it } from 'vitest';
import type { Alert } from '../../src/domain/alert.ts';
import { type Content, isUrgent, type News } from '../../src/notify/content.ts';
import { type Lane, Outbox, type SubjectOf } from '../../src/notify/outbox.ts';
import { openDatabase } from '../../src/sqlite/database.ts';

const DAY = 86_400_000_000;
/** Subjects as the tests want them: the foremost alert and what it has come to. */
const subject: SubjectOf = ({ items }) => `${items[0]?.alert.summary}`;

function contentOf(id: string, told: { news?: News; summary?: string } & Partial<Pick<Alert, 'level' | 'state'>> = {}): Content {
  const { news = 'firing', summary = id, level = 'warning', state = 'firing' } = told;
  const times = { since: 0, firedAt: 0, resolvedAt: null };
  const alert: Alert = { id, rule: 'r', device: 'd', level, state, flags: [], ...times, value: 9, summary, labels: {} };
  const item = { alert, news, fromLevel: null, transition: `${id}/1`, reason: 'because' };
  return { cause: { kind: 'update', group: {} }, items: [item], more: 0 };
}

/** With so many messages about an alert each, every other one critical; the contact's channels are `lanes`. */
function outboxWith(count: number, lanes: readonly Lane[] = ['email', 'webhook']) {
  const database = openDatabase(':memory:');
  const outbox = new Outbox(database, (_contact, channel) => lanes[channel] ?? 'none');
  let added = 0;
  const add = (content: Content, { now = 20, isSending = false, contact = 'c', thread = null as string | null } = {}): string => {
    const id = `m${added++}`;
    const message = { id, contact, content, thread, at: now, isUrgent: isUrgent(content), receivedAt: null };
    outbox.add(message, { subject, now, isSending: () => isSending });
    return id;
  };
  for (let i = 0; i < count; i++)
    add(contentOf(`a${i}`, { level: i % 2 === 0 ? 'warning' : 'critical', summary: `s${i}` }), { now: i, thread: 'first' });
  const first = (now = 10) => {
    const [message] = outbox.due('email', now, 10);
    if (message === undefined) throw new Error('nothing due');
    return message;
  };
  return { outbox, add, first, database, [Symbol.dispose]: () => database.close() };
}

describe('the outbox', () => {
  it('hands out critical messages first, then the longest due, and says when the next one is', () => {
    using parts = outboxWith(6);
    const { outbox } = parts;
    expect(outbox.due('email', 3, 10).map(({ alert }) => alert)).toEqual(['a1', 'a3', 'a0', 'a2']);
    expect(outbox.due('email', 3, 3)).toHaveLength(3);
    expect(outbox.dueCount('email', 3, 10)).toBe(4);
    expect(outbox.dueCount('email', 3, 2)).toBe(2);
    expect(outbox.nextDue('email', 3)).toBe(4);
    expect(outbox.nextDue('email', 5)).toBeNull();
  });

  it('adds a message once, however often it is decided on', () => {
    using parts = outboxWith(1);
    const [before] = parts.outbox.list({ limit: 1 });
    if (before === undefined) throw new Error('nothing there');
    const again = { ...before, at: 99, content: contentOf('other') };
    parts.outbox.add(again, { subject, now: 99, isSending: () => false });
    expect(parts.outbox.list({ limit: 10 })).toEqual([before]);
  });

  it('lets go of what ended a month ago, never of what waits', () => {
    using parts = outboxWith(2);
    const { outbox } = parts;
    const first = outbox.due('email', 10, 10).find(({ alert }) => alert === 'a0');
    if (first === undefined) throw new Error('nothing due');
    outbox.delivered(first, 'taken', 10);
    expect(outbox.prune(29 * DAY)).toBe(false);
    expect(outbox.counts()).toMatchObject({ waiting: 1, delivered: 1 });
    expect(outbox.timeline('a0').map(({ kind }) => kind)).toEqual(['sent']);
    outbox.prune(31 * DAY);
    expect(outbox.counts()).toMatchObject({ waiting: 1, delivered: 0 });
    expect(outbox.timeline('a0')).toEqual([]);
  });

  it('keeps a bounded number of what ended, the newest', () => {
    using parts = outboxWith(3);
    const { outbox, database } = parts;
    for (const message of outbox.due('email', 10, 10)) outbox.delivered(message, 'taken', 10);
    // As after a hundred thousand more: only the numbers matter.
    database.exec('UPDATE notify_message SET number = number + 100001 WHERE number = 3');
    outbox.prune(20);
    expect(outbox.list({ limit: 10 }).map(({ alert }) => alert)).toEqual(['a2']);
  });

  it('brings back what a clock that was set back would leave waiting', () => {
    using parts = outboxWith(1);
    parts.outbox.retryAt(parts.first(), DAY);
    parts.outbox.dueBy(100);
    expect(parts.outbox.nextDue('email', 10)).toBe(100);
  });

  it('counts equal attempts in one entry, and starts another when the answer changes', () => {
    using parts = outboxWith(1);
    const message = parts.first();
    for (const [at, detail] of ['busy', 'busy', 'busy', 'gone', 'busy'].entries()) parts.outbox.attempted(message, detail, 100 + at);
    expect(parts.outbox.timeline('a0')).toMatchObject([
      { detail: 'busy', times: 3, at: 100, lastAt: 102 },
      { detail: 'gone', times: 1 },
      { detail: 'busy', times: 1 },
    ]);
  });
});

describe('lanes', () => {
  it('hold what goes over one kind of channel each, from the first channel to the fallback', () => {
    using parts = outboxWith(2);
    const { outbox } = parts;
    const message = parts.first();
    expect(outbox.due('webhook', 10, 10)).toEqual([]);
    outbox.nextChannel(message, 'refused for good', 11);
    expect(outbox.due('webhook', 11, 10)).toMatchObject([{ id: message.id, channel: 1 }]);
    expect(outbox.due('email', 11, 10).map(({ alert }) => alert)).toEqual(['a0']);
    expect([outbox.dueCount('webhook', 11, 10), outbox.nextDue('webhook', 10)]).toEqual([1, 11]);
    // What takes its place goes on where it was.
    parts.add(contentOf('a1', { summary: 'better' }));
    expect(outbox.due('webhook', 20, 10)).toMatchObject([{ subject: 'better', channel: 1 }]);
  });

  it('follow the contacts at a start: what waits is found wherever its contact is reached by then', () => {
    const lanes: Lane[] = ['email'];
    using parts = outboxWith(3, lanes);
    const { outbox } = parts;
    outbox.delivered(parts.first(), 'taken', 10);
    lanes[0] = 'ntfy';
    outbox.relane();
    expect(outbox.due('email', 10, 10)).toEqual([]);
    expect(outbox.due('ntfy', 10, 10)).toHaveLength(2);
    lanes.length = 0;
    outbox.relane();
    expect(outbox.due('none', 10, 10)).toHaveLength(2);
  });

  it('are looked into without a look at what waits in others: among a hundred thousand as quickly as alone', () => {
    using parts = outboxWith(1);
    const { outbox, database } = parts;
    database.exec(`INSERT INTO notify_message (id, alert, contact, kind, urgent, subject, content, replaces, state, decided_at, created_at,
        channel, channel_since, channel_attempts, attempts, next_at, lane)
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
      SELECT 'x' || i, 'x', 'x', 'firing', i % 2, 's', content, '[]', 'waiting', 0, 0, 0, 0, 0, 0, i, 'email' FROM n, notify_message`);
    const message = parts.first(0);
    outbox.nextChannel(message, 'refused for good', 5);
    const looks = 1000;
    const begun = performance.now();
    for (let i = 0; i < looks; i++) {
      expect(outbox.due('webhook', 1_000_000, 10)).toHaveLength(1);
      outbox.dueCount('webhook', 1_000_000, 30);
      outbox.nextDue('webhook', 1_000_000);
      outbox.dueCount('email', 1_000_000, 30);
    }
    // A scan takes some 10 ms each time.
    expect((performance.now() - begun) / looks).toBeLessThan(1);
  });
});

describe('a message that takes the place of others', () => {
  it('of two that wait after a crash is the newest', () => {
    using parts = outboxWith(1);
    const { outbox } = parts;
    parts.add(contentOf('a0', { summary: 'newer' }), { isSending: true, thread: 'm0' });
    expect(outbox.counts().waiting).toBe(2);
    outbox.supersedeAllButNewest({ subject, now: 30 });
    expect(outbox.list({ limit: 10 })).toMatchObject([
      { state: 'waiting', subject: 'newer', thread: 'm0', replaces: [{ id: 'm0', subject: 's0' }] },
      { state: 'superseded', detail: 'replaced by: newer' },
    ]);
  });

  it('is only of those to the same contact about the same alert', () => {
    using parts = outboxWith(2);
    parts.add(contentOf('a0'), { contact: 'other' });
    parts.add(contentOf('a9'));
    expect(parts.outbox.counts()).toMatchObject({ waiting: 4, superseded: 0 });
  });

  it('is as urgent as a critical one was, and goes on along the channels from where that one was', () => {
    using parts = outboxWith(2);
    const { outbox } = parts;
    const critical = parts.first();
    expect(critical).toMatchObject({ alert: 'a1', isUrgent: true });
    outbox.nextChannel(critical, 'refused for good', 11);
    parts.add(contentOf('a1', { summary: 'better' }));
    expect(outbox.due('webhook', 20, 1)).toMatchObject([
      { subject: 'better', isUrgent: true, channel: 1, channelSince: 11, createdAt: 20, replaces: [{ subject: 's1', level: 'critical' }] },
    ]);
  });

  it('goes on the same when the other was tried in vain meanwhile', () => {
    using parts = outboxWith(2);
    const { outbox } = parts;
    const critical = parts.first();
    parts.add(contentOf('a1', { summary: 'better' }), { isSending: true });
    expect(outbox.supersededBy(critical, { subject, now: 30 })?.subject).toBe('better');
    expect(outbox.due('email', 30, 1)).toMatchObject([
      { subject: 'better', isUrgent: true, channelSince: 1, replaces: [{ subject: 's1' }] },
    ]);
  });

  it('remembers at most twenty: the first and the latest', () => {
    using parts = outboxWith(1);
    for (let i = 0; i < 30; i++) parts.add(contentOf('a0', { summary: `u${i}` }));
    const [latest] = parts.outbox.list({ limit: 1 });
    expect(latest?.replaces.map(({ subject: of }) => of)).toEqual(['s0', ...Array.from({ length: 19 }, (_, i) => `u${i + 10}`)]);
  });

  it('of many never forgets the last critical one', () => {
    using parts = outboxWith(1);
    for (let i = 0; i < 30; i++) parts.add(contentOf('a0', { level: i === 5 ? 'critical' : 'warning', summary: `u${i}` }));
    const [latest] = parts.outbox.list({ limit: 1 });
    expect(latest?.replaces).toHaveLength(20);
    expect(latest?.replaces.slice(0, 3).map(({ subject: of }) => of)).toEqual(['s0', 'u5', 'u11']);
    expect(latest?.isUrgent).toBe(true);
  });

  it('tells of all their alerts, under each of which it is found', () => {
    using parts = outboxWith(0);
    const { outbox } = parts;
    const of = (...ids: string[]): Content => ({ ...contentOf('x'), items: ids.flatMap((id) => contentOf(id).items) });
    parts.add(of('a', 'b'));
    parts.add(of('c'));
    const last = parts.add(of('b', 'c'));
    const [message] = outbox.list({ limit: 1 });
    expect(message?.content.items.map(({ alert }) => alert.id).sort()).toEqual(['a', 'b', 'c']);
    for (const id of ['a', 'b', 'c'])
      expect(outbox.list({ alert: id, state: 'waiting', limit: 10 }).map((each) => each.id)).toEqual([last]);
  });
});
