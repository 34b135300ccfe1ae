/** What the quarantine's table does for replays: the oldest first, what leaves, what stays with another reason, and its bounds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Rejection } from '../../src/domain/reading.ts';
import { QuarantineTable } from '../../src/history/quarantine-table.ts';

let folder = '';
let table: QuarantineTable;
let registry: Registry;
const open = (bytesMax = 1_000_000): void => {
  registry = new Registry();
  table = new QuarantineTable({ path: join(folder, 'quarantine.db'), bytesMax, logger: pino({ level: 'silent' }), registry });
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-quarantine-'));
  open();
});
afterEach(() => {
  table.database.close();
  rmSync(folder, { recursive: true });
});

const rejection = (index: number, more: Partial<Rejection> = {}): Rejection => ({
  device: 'd1',
  topic: 'sensors/d1/telemetry',
  payload: Buffer.from(`{"n":${index}`),
  client: 'c1',
  receivedAt: 1000 + index,
  reason: 'invalid-json',
  detail: `it ends too early (${index})`,
  partial: false,
  ...more,
});
const insert = (rejections: readonly Rejection[]): void => table.transaction(() => table.insert(rejections, null));
const ids = (items: readonly { readonly id: number }[]): number[] => items.map(({ id }) => id);
const bytes = async (): Promise<number> => Number(/^tocsin_quarantine_bytes (\d+)$/m.exec(await registry.metrics())?.[1]);

describe('what is to be replayed', () => {
  it('comes oldest first, filtered, as many as are wanted, from where the page before ended', () => {
    insert([
      rejection(1),
      rejection(2, { reason: 'out-of-range' }),
      rejection(3, { device: 'd2' }),
      rejection(4, { topic: 'other' }),
      rejection(5),
    ]);
    const range = { after: 0, limit: 100, bytesMax: 1_000_000 };
    expect(ids(table.oldest({}, range))).toEqual([1, 2, 3, 4, 5]);
    expect(ids(table.oldest({}, { ...range, limit: 2 }))).toEqual([1, 2]);
    expect(ids(table.oldest({}, { ...range, after: 3 }))).toEqual([4, 5]);
    expect(ids(table.oldest({ reason: 'invalid-json', device: 'd1' }, range))).toEqual([1, 4, 5]);
    expect(ids(table.oldest({ topic: 'other' }, range))).toEqual([4]);
    expect(table.count({}, 3)).toBe(2);
    expect(table.count({ reason: 'out-of-range' }, 0)).toBe(1);
  });

  it('and lists stay within a size, at one entry least', () => {
    const payload = Buffer.alloc(50_000, 'x');
    insert(Array.from({ length: 6 }, (_, index) => rejection(index, { payload })));
    expect(ids(table.oldest({}, { after: 0, limit: 100, bytesMax: 120_000 }))).toEqual([1, 2]);
    expect(ids(table.oldest({}, { after: 0, limit: 100, bytesMax: 10 }))).toEqual([1]);
    table.database.close();
    open(100_000_000);
    insert(Array.from({ length: 5 }, (_, index) => rejection(index, { payload: Buffer.alloc(1_500_000) })));
    const first = table.list({});
    expect(ids(first.items)).toEqual([11, 10]);
    expect(ids(table.list({ cursor: first.next ?? '' }).items)).toEqual([9, 8]);
  });
});

describe('after a replay', () => {
  it('what decoded has left, and what did not has its reason of now', async () => {
    insert([rejection(1), rejection(2), rejection(3)]);
    const before = await bytes();
    const still = { reason: 'out-of-range', detail: 'too much', partial: true };
    table.transaction(() =>
      table.settle([
        { id: 1, still: null },
        { id: 2, still },
        { id: 99, still: null },
      ]),
    );
    expect(table.show(1)).toBeNull();
    expect(table.show(2)).toMatchObject({ ...still, receivedAt: 1002 });
    expect(table.show(3)).toMatchObject({ reason: 'invalid-json' });
    expect(await bytes()).toBeLessThan(before);
    expect(await registry.metrics()).toMatch(/replayed_total\{outcome="replayed"\} 1\n.*outcome="kept"\} 1\n/s);
    const counted = await bytes();
    table.database.close();
    open();
    expect(await bytes()).toBe(counted);
  });

  it('it is still bounded, when reasons have grown', () => {
    table.database.close();
    open(3000);
    insert(Array.from({ length: 10 }, (_, index) => rejection(index)));
    const [first] = table.oldest({}, { after: 0, limit: 1, bytesMax: 1 });
    table.transaction(() => table.settle([{ id: 10, still: { reason: 'x', detail: 'y'.repeat(2500), partial: false } }]));
    expect(table.show(first?.id ?? 0)).toBeNull();
    expect(table.show(10)).not.toBeNull();
  });
});

it('reasons are counted with first, last and the newest as an example', () => {
  insert([rejection(1), rejection(2, { reason: 'out-of-range' }), rejection(3), rejection(4)]);
  expect(table.reasons()).toMatchObject([
    { reason: 'invalid-json', count: 3, firstReceivedAt: 1001, lastReceivedAt: 1004, example: { id: 4 } },
    { reason: 'out-of-range', count: 1, firstReceivedAt: 1002, lastReceivedAt: 1002, example: { id: 2 } },
  ]);
});
