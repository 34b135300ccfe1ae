/** What takes the place of messages that were not delivered forgets none of their alerts, and tells of each as it is now. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEVELS, type Level, levelRank } from '../../src/domain/alert.ts';
import { type Cause, type Content, ITEMS_MAX, type Item, isFiring } from '../../src/notify/content.ts';
import { joined } from '../../src/notify/joined.ts';

interface Told {
  readonly id: string;
  readonly rule?: string;
  readonly isOver?: boolean;
  readonly level?: Level;
  readonly transition?: number;
  readonly firedAt?: number;
}

const item = ({ id, rule = 'r', isOver = false, level = 'warning', transition = 1, firedAt = 0 }: Told): Item => ({
  alert: {
    id,
    rule,
    device: `device of ${rule}`,
    level,
    state: isOver ? 'resolved' : 'firing',
    flags: [],
    since: 0,
    firedAt,
    resolvedAt: isOver ? 1 : null,
    value: null,
    summary: '',
    labels: { site: 'berlin' },
  },
  news: isOver ? 'resolved' : 'firing',
  fromLevel: null,
  transition: `${id}/${transition}`,
  reason: '',
});
const update = (...items: Item[]): Content => ({
  cause: { kind: 'update', group: { rule: items[0]?.alert.rule ?? '', 'labels.site': 'berlin' } },
  items,
  more: 0,
});
const backlog: Cause = { kind: 'backlog', device: 'd', from: 100, to: 200 };
const because = (cause: Cause, ...items: Item[]): Content => ({ cause, items, more: 0 });

const causes = fc.constantFrom<Cause>(
  { kind: 'update', group: { rule: 'r' } },
  { kind: 'reminder', since: 1, group: { rule: 'r' } },
  { kind: 'escalation', step: 1, steps: 2, afterMs: 1 },
  backlog,
  { kind: 'mute-end', mute: 'silence', name: 'n', by: null, from: 1, to: 2 },
  { kind: 'storm', phase: 'begun', since: 1, explanation: null, total: 3, firing: 2 },
  { kind: 'digest', held: 3, since: 5, perHour: 60 },
);
const items = fc.record({
  id: fc.constantFrom(...'abcdefgh'),
  rule: fc.constantFrom('r', 's'),
  isOver: fc.boolean(),
  level: fc.constantFrom(...LEVELS),
  transition: fc.nat(99),
  firedAt: fc.nat(9),
});
const contents = fc.record({
  cause: causes,
  items: fc.uniqueArray(items.map(item), { selector: ({ alert }) => alert.id, minLength: 1, maxLength: 6 }),
  more: fc.constantFrom(0, 0, 0, 3),
});

describe('what takes the place of other messages', () => {
  it('tells of every alert once, as the last of them has it, the weightiest first', () => {
    fc.assert(
      fc.property(contents, fc.array(contents, { maxLength: 5 }), (newer, older) => {
        const result = joined(newer, older);
        const last = new Map([...older, newer].flatMap((content) => content.items.map((each) => [each.alert.id, each])));
        expect(new Map(result.items.map((each) => [each.alert.id, each]))).toEqual(last);
        expect(result.items).toHaveLength(last.size);
        expect(result.more).toBe(Math.max(newer.more, ...older.map(({ more }) => more)));
        if (result.items === newer.items) return;
        const weights = result.items.map(({ alert }) => Number(isFiring(alert)) * 10 + levelRank(alert.level));
        expect(weights).toEqual(weights.toSorted((a, b) => b - a));
      }),
    );
  });

  it('is the newer one itself where that tells of all', () => {
    fc.assert(
      fc.property(contents, fc.array(contents, { maxLength: 3 }), (newer, older) => {
        const covered = older.map((content) => ({
          ...content,
          cause: { kind: 'update' as const, group: {} },
          items: newer.items.slice(0, 1),
          more: 0,
        }));
        expect(joined(newer, covered)).toBe(newer);
      }),
    );
  });

  it('tells of the same whether it took the place of all at once or of one after another', () => {
    fc.assert(
      fc.property(contents, contents, contents, (a, b, c) => {
        const idsOf = (content: Content) => content.items.map(({ alert, transition }) => `${alert.id} ${transition}`).sort();
        expect(idsOf(joined(c, [joined(b, [a])]))).toEqual(idsOf(joined(c, [a, b])));
      }),
    );
  });

  it('lists so many and counts the rest: none of them goes uncounted', () => {
    const many = (from: number, count: number): Content =>
      update(...Array.from({ length: count }, (_, index) => item({ id: `a${from + index}`, isOver: index % 2 === 0 })));
    const result = joined({ ...many(0, 400), more: 7 }, [{ ...many(300, 400), more: 5 }]);
    expect(result.items).toHaveLength(ITEMS_MAX);
    expect(result.more).toBe(7 + 700 - ITEMS_MAX);
    // What fires is listed before what is over.
    expect(result.items.filter(({ alert }) => isFiring(alert))).toHaveLength(350);
  });

  it('stays of its group only as far as all of it is', () => {
    expect(joined(update(item({ id: 'a' })), [update(item({ id: 'b' }))]).cause).toEqual({
      kind: 'update',
      group: { rule: 'r', 'labels.site': 'berlin' },
    });
    expect(joined(update(item({ id: 'a' })), [update(item({ id: 'b', rule: 's' }))]).cause).toEqual({
      kind: 'update',
      group: { 'labels.site': 'berlin' },
    });
  });

  it('is still the summary, when it is but a newer state of what that told of', () => {
    const summary = because(backlog, item({ id: 'a' }), item({ id: 'b', rule: 's' }));
    const over = update(item({ id: 'b', rule: 's', isOver: true }));
    expect(joined(over, [summary])).toMatchObject({
      cause: backlog,
      items: [{ alert: { id: 'a' } }, { alert: { id: 'b' }, news: 'resolved' }],
    });
    expect(joined(update(item({ id: 'c' })), [summary]).cause.kind).toBe('update');
    expect(joined(update(item({ id: 'a' }), item({ id: 'b', rule: 's' })), [summary]).cause.kind).toBe('update');
  });

  it('of two backlogs of a device tells both spans, of two digests all that was held back', () => {
    const second: Cause = { kind: 'backlog', device: 'd', from: 150, to: 400 };
    expect(joined(because(second, item({ id: 'a' })), [because(backlog, item({ id: 'a' }))]).cause).toEqual({ ...second, from: 100 });
    const ofOther: Cause = { ...second, device: 'e' };
    expect(joined(because(ofOther, item({ id: 'a' })), [because(backlog, item({ id: 'b' }))]).cause).toEqual(ofOther);
    const digest: Cause = { kind: 'digest', held: 3, since: 5, perHour: 60 };
    const later: Cause = { kind: 'digest', held: 4, since: 9, perHour: 60 };
    expect(joined(because(later, item({ id: 'a' })), [because(digest, item({ id: 'b' }))]).cause).toEqual({ ...digest, held: 7 });
  });
});
