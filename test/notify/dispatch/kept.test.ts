import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kept } from '../../../src/notify/dispatch/kept.ts';

const NOTHING = { set: [], deleted: [] };

describe('what is kept', () => {
  it('is handed out once, each key with its value now, in the order of the changes', () => {
    const kept = new Kept<number>();
    kept.set('a', 1);
    kept.set('b', 2);
    kept.set('a', 3);
    expect(kept.takeChanges()).toEqual({
      set: [
        ['a', 3],
        ['b', 2],
      ],
      deleted: [],
    });
    expect(kept.takeChanges()).toEqual(NOTHING);
    kept.set('b', 2);
    expect(kept.takeChanges()).toEqual({ set: [['b', 2]], deleted: [] });
  });

  it('is deleted, unless it was set again', () => {
    const kept = new Kept<number>();
    kept.load([
      ['a', 1],
      ['b', 2],
    ]);
    expect([kept.delete('a'), kept.delete('b'), kept.delete('c')]).toEqual([true, true, false]);
    kept.set('b', 3);
    expect(kept.takeChanges()).toEqual({ set: [['b', 3]], deleted: ['a'] });
    expect([kept.has('a'), kept.get('a'), kept.get('b'), kept.size]).toEqual([false, undefined, 3, 1]);
  });

  it('may be changed in place, if that is said', () => {
    const kept = new Kept<{ count: number }>();
    kept.load([
      ['a', { count: 1 }],
      ['b', { count: 1 }],
    ]);
    const value = kept.get('a');
    if (value === undefined) throw new Error('nothing loaded');
    value.count = 2;
    expect(kept.takeChanges()).toEqual(NOTHING);
    kept.touch('a');
    expect(kept.takeChanges()).toEqual({ set: [['a', { count: 2 }]], deleted: [] });
    expect(() => kept.touch('c')).toThrow('what is not kept cannot have changed: c');
  });

  it('may be null, which is a value', () => {
    const kept = new Kept<null>();
    kept.set('a', null);
    expect(kept.takeChanges()).toEqual({ set: [['a', null]], deleted: [] });
  });

  it('is in order of insertion', () => {
    const kept = new Kept<number>();
    for (const [index, key] of ['c', 'a', 'b', '1'].entries()) kept.set(key, index);
    kept.set('c', 9);
    kept.delete('a');
    kept.set('a', 4);
    expect([...kept.keys()]).toEqual(['c', 'b', '1', 'a']);
    expect([...kept.values()]).toEqual([9, 2, 3, 4]);
  });

  it('is replaced by what is loaded, which is no change', () => {
    const kept = new Kept<number>();
    kept.set('a', 1);
    kept.load([['b', 2]]);
    expect([[...kept.keys()], kept.takeChanges()]).toEqual([['b'], NOTHING]);
  });

  it('is the same as what is written of it', () => {
    const step = fc.record({
      kind: fc.constantFrom('set', 'touch', 'delete', 'write'),
      key: fc.constantFrom(...'abcde'),
      value: fc.integer(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const kept = new Kept<{ value: number }>();
        const stored = new Map<string, number>();
        const write = (): void => {
          const changes = kept.takeChanges();
          for (const key of changes.deleted) stored.delete(key);
          for (const [key, { value }] of changes.set) stored.set(key, value);
          expect(Object.fromEntries(stored)).toEqual(Object.fromEntries([...kept.keys()].map((key) => [key, kept.get(key)?.value])));
        };
        for (const { kind, key, value } of steps) {
          const held = kept.get(key);
          if (kind === 'set') kept.set(key, { value });
          if (kind === 'touch' && held !== undefined) {
            held.value = value;
            kept.touch(key);
          }
          if (kind === 'delete') kept.delete(key);
          if (kind === 'write') write();
        }
        write();
      }),
    );
  });
});
