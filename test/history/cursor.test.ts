/** Where a consumer begins, and what it says when that is not where it left off. */
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { startPosition } from '../../src/history/cursor-table.ts';

function start(position: number | null, range: { first: number; head: number }, journalId = 'j') {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const cursor = position === null ? null : { partition: 0, journalId, position };
  return { position: startPosition({ cursor, journalId: 'j', range, file: 'history.db', logger }), lines };
}

describe('a consumer begins', () => {
  it.each([
    ['with the journal when it is new', null, 40],
    ['where it left off', 50, 50],
    ['at the end', 90, 90],
  ])('%s, and says nothing', (_, cursor, expected) => {
    expect(start(cursor, { first: 40, head: 90 })).toEqual({ position: expected, lines: [] });
  });

  it('with what is left, and says how much it has missed, when the journal went on without it', () => {
    const { position, lines } = start(10, { first: 40, head: 90 });
    expect(position).toBe(40);
    expect(lines).toMatchObject([{ level: 50, file: 'history.db', lost: 30, first: 40, cursor: 10 }]);
  });

  it('not at all with the cursor of another journal, or past the end', () => {
    expect(() => start(50, { first: 40, head: 90 }, 'other')).toThrow(/another journal/);
    expect(() => start(91, { first: 40, head: 90 })).toThrow(/ends at 90/);
  });
});
