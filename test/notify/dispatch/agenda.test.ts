import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Agenda } from '../../../src/notify/dispatch/agenda.ts';

/** The same, done plainly. */
class PlainAgenda {
  readonly timers = new Map<string, number>();
  set(key: string, due: number): void {
    if (due === Infinity) this.timers.delete(key);
    else this.timers.set(key, due);
  }
  delete(key: string): void {
    this.timers.delete(key);
  }
  get nextDue(): number {
    return Math.min(Infinity, ...this.timers.values());
  }
  pop(until: number): { key: string; due: number } | null {
    const due = this.nextDue;
    if (due === Infinity || due > until) return null;
    const [key = ''] = [...this.timers].flatMap(([name, at]) => (at === due ? [name] : [])).sort();
    this.timers.delete(key);
    return { key, due };
  }
}

function popAll(agenda: Agenda, until = Infinity): string[] {
  const keys: string[] = [];
  for (let timer = agenda.pop(until); timer !== null; timer = agenda.pop(until)) keys.push(timer.key);
  return keys;
}

describe('the agenda', () => {
  it('hands out what is due, the earliest first, of equal ones the first key', () => {
    const agenda = new Agenda();
    for (const [key, due] of [
      ['d', 20],
      ['b', 10],
      ['c', 10],
      ['a', 10],
      ['e', 5],
    ] as const)
      agenda.set(key, due);
    expect(agenda.nextDue).toBe(5);
    expect(popAll(agenda, 10)).toEqual(['e', 'a', 'b', 'c']);
    expect([agenda.size, agenda.nextDue, agenda.pop(19)]).toEqual([1, 20, null]);
    expect(agenda.pop(20)).toEqual({ key: 'd', due: 20 });
    expect([agenda.size, agenda.nextDue, agenda.pop(Infinity)]).toEqual([0, Infinity, null]);
  });

  it('has one timer a key: the one set last', () => {
    const agenda = new Agenda();
    for (const due of [5, 7, 5, 9]) agenda.set('a', due);
    expect([agenda.size, agenda.nextDue]).toEqual([1, 9]);
    expect(agenda.pop(10)).toEqual({ key: 'a', due: 9 });
    agenda.set('a', 5);
    expect(popAll(agenda)).toEqual(['a']);
  });

  it('has none that was set to Infinity or deleted', () => {
    const agenda = new Agenda();
    agenda.set('a', 1);
    agenda.set('b', 2);
    agenda.set('a', Infinity);
    agenda.delete('b');
    agenda.delete('never there');
    expect([agenda.size, agenda.nextDue, agenda.pop(Infinity)]).toEqual([0, Infinity, null]);
  });

  it('refuses a timer that is due at no time', () => {
    expect(() => new Agenda().set('a', Number.NaN)).toThrow('due at some time: a');
  });

  it('does what a plain list of timers does', () => {
    const key = fc.constantFrom(...'abcdefghijkl', 'ä', 'aa', 'B');
    const due = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constant(Infinity));
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), key, due }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('pop' as const), until: due }) },
    );
    // Long enough for the heap to be built anew in between.
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
        const agenda = new Agenda();
        const plain = new PlainAgenda();
        for (const each of steps) {
          if (each.kind === 'pop') expect(agenda.pop(each.until)).toEqual(plain.pop(each.until));
          for (const one of [agenda, plain]) {
            if (each.kind === 'set') one.set(each.key, each.due);
            if (each.kind === 'delete') one.delete(each.key);
          }
          expect([agenda.size, agenda.nextDue]).toEqual([plain.timers.size, plain.nextDue]);
        }
        for (let timer = plain.pop(Infinity); timer !== null; timer = plain.pop(Infinity)) expect(agenda.pop(Infinity)).toEqual(timer);
        expect(agenda.pop(Infinity)).toBeNull();
      }),
      { numRuns: 200 },
    );
  });

  it('keeps nothing of a million timers that were put off', () => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    if (typeof collect !== 'function') throw new Error('no collector to be called');
    const agenda = new Agenda();
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 1_000_000; i++) agenda.set(`device-${i % 100}`, i);
    collect();
    // Kept, they would take up some 30 MB at least.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
    expect(agenda.size).toBe(100);
    expect(popAll(agenda)).toEqual(Array.from({ length: 100 }, (_, index) => `device-${index}`));
  });
});
