/** A filter that the list below does not know: nothing is lost or doubled between pages, and no call looks at everything. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selectedPage } from '../../src/workers/selected-page.ts';

interface Query {
  readonly cursor?: string;
  readonly limit?: number;
}
function listOf(items: readonly number[]) {
  let asked = 0;
  return {
    asked: () => asked,
    ask({ cursor = '0', limit = 100 }: Query) {
      asked += 1;
      const end = Number(cursor) + limit;
      return { items: items.slice(Number(cursor), end), next: end < items.length ? String(end) : null };
    },
  };
}

describe('a page of what a filter lets through', () => {
  it('gives every wanted item once and in order, over however many pages', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 300 }), fc.integer({ min: 1, max: 20 }), fc.nat(9), (items, limit, most) => {
        const isWanted = (item: number): boolean => item <= most;
        const { ask } = listOf(items);
        const found: number[] = [];
        let query: Query = { limit };
        for (let pages = 0; pages <= items.length + 1; pages++) {
          const page = selectedPage(query, { ask, isWanted });
          expect(page.items.length).toBeLessThanOrEqual(limit);
          found.push(...page.items);
          if (page.next === null) break;
          query = { limit, cursor: page.next };
        }
        expect(found).toEqual(items.filter(isWanted));
      }),
    );
  });

  it('looks at a bounded number of items a call, and goes on from there', () => {
    const list = listOf([...Array(10_000).fill(0), 1]);
    const first = selectedPage({ limit: 10 }, { ask: list.ask, isWanted: (item) => item === 1 });
    expect(first).toEqual({ items: [], next: '200' });
    expect(list.asked()).toBe(20);
    expect(selectedPage({ limit: 1000, cursor: '9000' }, { ask: list.ask, isWanted: (item) => item === 1 })).toEqual({
      items: [1],
      next: null,
    });
  });
});
