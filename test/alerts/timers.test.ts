import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Timed, Timers } from '../../src/alerts/timers.ts';

interface Named extends Timed {
  readonly name: string;
}
const item = (name: string): Named => ({ name, due: Number.POSITIVE_INFINITY, heapIndex: -1 });
const createTimers = () => new Timers<Named>((a, b) => a.name < b.name);

it('timers come up in order of due time, and move up but never back', () => {
  const operation = fc.record({ item: fc.nat(7), due: fc.nat(100), isPop: fc.boolean() });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
      const timers = createTimers();
      const items = Array.from({ length: 8 }, (_, index) => item(String(index)));
      const model = new Map<Named, number>();
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
  const timers = createTimers();
  const one = item('one');
  timers.atLatest(one, 5);
  expect(timers.pop()).toBe(one);
  timers.atLatest(one, 9);
  expect([timers.nextDue, timers.size]).toEqual([9, 1]);
});

it('what is due at the same time comes up by name, in whatever order it was set', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(['a', 'b', 'c', 'd', 'e', 'f', 'g']), fc.nat(3), (names, early) => {
      const timers = createTimers();
      const items = names.map(item);
      for (const [index, one] of items.entries()) timers.atLatest(one, index < early ? 9 : 5);
      for (const one of items) timers.atLatest(one, 5);
      expect(items.map(() => timers.pop()?.name)).toEqual(names.toSorted());
    }),
  );
});
