/** What formats learn from messages is bounded, told once, and comes back. */
import { describe, expect, it } from 'vitest';
import { topicKey } from '../../src/devices/decoders/format.ts';
import { LearnedTable } from '../../src/devices/learned.ts';

describe('what is learned', () => {
  it('is handed out once, and only when it changed', () => {
    const table = new LearnedTable();
    expect(table.set('x a', { b: 1 })).toBe(true);
    expect(table.takeChanges()).toEqual([{ key: 'x a', json: '{"b":1}' }]);
    table.set('x a', { b: 1 });
    table.set('x never', null);
    expect(table.takeChanges()).toEqual([]);
    table.set('x a', null);
    expect(table.takeChanges()).toEqual([{ key: 'x a', json: null }]);
    expect(table.get('x a')).toBeUndefined();
  });

  it('comes back from its changes, and from a snapshot', () => {
    const table = new LearnedTable();
    table.set('x a', [1, 2]);
    table.set('x b', 'text');
    table.set('x a', null);
    const again = new LearnedTable();
    for (const change of table.takeChanges()) again.recall(change);
    expect([...again.entries()]).toEqual([{ key: 'x b', json: '"text"' }]);
    expect([...again.entries()]).toEqual([...table.entries()]);
    expect(again.takeChanges()).toEqual([]);
  });

  it('that did not become durable is handed out again, unless it was overtaken', () => {
    const table = new LearnedTable();
    table.set('x a', 1);
    const [first] = table.takeChanges();
    if (first === undefined) throw new Error('nothing was handed out');
    table.owe(first);
    expect(table.takeChanges()).toEqual([first]);
    table.set('x a', 2);
    table.takeChanges();
    table.owe(first);
    expect(table.takeChanges()).toEqual([]);
  });

  it('has limits, and says when it keeps nothing', () => {
    const table = new LearnedTable();
    expect(table.set('x', 'y'.repeat(300 * 1024))).toBe(false);
    expect(table.set('k'.repeat(501), 1)).toBe(false);
    const large = 'z'.repeat(255 * 1024);
    const kept = Array.from({ length: 300 }, (_, index) => table.set(`x ${index}`, large)).filter(Boolean).length;
    // 64 MiB in all.
    expect(kept).toBe(257);
    expect(table.set('x 0', null)).toBe(true);
    expect(table.set('x more', large)).toBe(true);
    expect(table.set('x 1', 'less')).toBe(true);
    expect(table.get('x 1')).toBe('less');
  });

  it('describes a device bit by bit', () => {
    const table = new LearnedTable();
    expect(table.description('d')).toEqual({ name: null, units: {} });
    table.describe('d', { units: { t: '°C' } });
    table.describe('d', { name: 'Cellar' });
    table.describe('d', { units: { h: '%', t: '°F', __proto__x: 'x'.repeat(201) } });
    expect(table.description('d')).toEqual({ name: 'Cellar', units: { t: '°F', h: '%' } });
    for (let index = 0; index < 600; index++) table.describe('d', { units: { [`m${index}`]: 'V' } });
    expect(Object.keys(table.description('d').units)).toHaveLength(500);
  });

  it('of topics is told, so that they are recognised anew', () => {
    const table = new LearnedTable();
    table.set(topicKey('a/b'), 1);
    table.set('x a', 1);
    expect(table.topicsChanged()).toEqual(['a/b']);
    expect(table.topicsChanged()).toEqual([]);
  });
});
