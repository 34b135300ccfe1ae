import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Timed, Timers } from '../../src/alerts/timers.ts';

const item = (): Timed => ({ due: Number.POSITIVE_INFINITY, heapIndex: -1 });

it('timers come up in order of due time, and move up but never back', () => {
  const operation = fc.record({ item: fc.nat(7), due: fc.nat(100), isPop: fc.boolean() });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
      const timers = new Timers<Timed>();
      const items = Array.from({ length: 8 }, item);
      const model = new Map<Timed, number>();
      for (const { item: index, due, isPop } of operations) {
        const chosen = items[index];
        if (chosen === undefined) continue;
        if (isPop) {
          const first = Math.min(Number.POSITIVE_INFINITY, ...model.values());
          expect(timers.nextDue).toBe(first);
          const popped = timers.pop();
          if (popped === undefined) expect(model.size).toBe(0);
          else {
            expect(model.get(popped)).toBe(first);
            model.delete(popped);
          }
        } else {
          timers.atLatest(chosen, due);
          model.set(chosen, Math.min(due, model.get(chosen) ?? Number.POSITIVE_INFINITY));
        }
        expect(timers.size).toBe(model.size);
      }
    }),
  );
});

it('a timer that was taken out can be set again', () => {
  const timers = new Timers<Timed>();
  const one = item();
  timers.atLatest(one, 5);
  expect(timers.pop()).toBe(one);
  timers.atLatest(one, 9);
  expect([timers.nextDue, timers.size]).toEqual([9, 1]);
});
