import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HoldWindow, type Side } from '../../../src/rules/windows/hold-window.ts';
import { NaiveHoldWindow } from './naive.ts';

const SECOND = 1_000_000;
const START = 1_780_000_000 * SECOND;
const side = fc.constantFrom<Side>('above', 'below');
const beyond = (which: Side, threshold: number) => (value: number) => (which === 'above' ? value > threshold : value < threshold);

const gap = fc.constantFrom(5 * SECOND, 20 * SECOND, 1000 * SECOND);
const value = fc.integer({ min: 6, max: 10 });
const after = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 8 * SECOND }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 150 * SECOND }) },
);
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('next' as const), after, value, gap }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('late' as const), before: fc.integer({ min: 0, max: 130 * SECOND }), value, gap }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('again' as const), back: fc.nat({ max: 20 }), value, gap }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ask' as const), after }) },
);

/** Adds, or asks where there is no value. */
function* callsOf(steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  let newest = START;
  const times = [START];
  for (const item of steps) {
    if (item.kind === 'next') newest += item.after;
    if (item.kind === 'next') times.push(newest);
    if (item.kind === 'ask') yield { at: newest + item.after, value: null, gap: 0 };
    else {
      const at = item.kind === 'next' ? newest : item.kind === 'late' ? newest - item.before : (times.at(-1 - item.back) ?? START);
      yield { at, value: item.value, gap: item.gap };
    }
  }
}

const restored = (window: HoldWindow, durationUs: number, which: Side, threshold: number): HoldWindow =>
  HoldWindow.decode(Buffer.from(window.encode()), durationUs, which, threshold) ?? expect.fail('it was not decoded');

describe('the time beyond a threshold', () => {
  it('is to the microsecond what a naive one is: in order, late, repeated, with gaps, over restarts', () => {
    fc.assert(
      fc.property(
        side,
        fc.array(step, { minLength: 1, maxLength: 150, size: 'max' }),
        fc.integer({ min: 1, max: 9 }),
        (which, steps, every) => {
          let window = new HoldWindow(100 * SECOND, which, 8);
          const naive = new NaiveHoldWindow(100 * SECOND, beyond(which, 8));
          let count = 0;
          for (const call of callsOf(steps)) {
            if (call.value !== null) {
              window.add(call.at, call.value, call.gap);
              naive.add(call.at, call.value, call.gap);
            }
            count += 1;
            if (count % every === 0) window = restored(window, 100 * SECOND, which, 8);
            if (count % 3 !== 0) expect(window.timeUs(call.at)).toBe(naive.timeUs(call.at));
          }
        },
      ),
      { numRuns: 600 },
    );
  });

  it('holds a reading until the next one, and the newest not at all', () => {
    const window = new HoldWindow(60 * SECOND, 'above', 8);
    expect([window.timeUs(START), window.isEmpty]).toEqual([Number.NaN, true]);
    window.add(START, 9, 30 * SECOND);
    expect(window.timeUs(START + 20 * SECOND)).toBe(0);
    window.add(START + 20 * SECOND, 8, 30 * SECOND);
    expect(window.timeUs(START + 20 * SECOND)).toBe(20 * SECOND);
    window.add(START + 40 * SECOND, 9, 30 * SECOND);
    // Equal was not above.
    expect(window.timeUs(START + 40 * SECOND)).toBe(20 * SECOND);
    expect(window.timeUs(START + 65 * SECOND)).toBe(15 * SECOND);
    expect(window.timeUs(START + 3600 * SECOND)).toBe(0);
    expect(window.isEmpty).toBe(false);
  });

  it('reaches into the window from before it', () => {
    const window = new HoldWindow(10 * SECOND, 'below', 2);
    window.add(START, 1, 3600 * SECOND);
    window.add(START + 100 * SECOND, 5, 3600 * SECOND);
    expect(window.timeUs(START + 100 * SECOND)).toBe(10 * SECOND);
    expect(window.timeUs(START + 104 * SECOND)).toBe(6 * SECOND);
  });

  it('does not reach over a gap, unless a late reading closes it', () => {
    const window = new HoldWindow(3600 * SECOND, 'above', 8);
    window.add(START, 9, 60 * SECOND);
    window.add(START + 100 * SECOND, 9, 60 * SECOND);
    expect(window.timeUs(START + 100 * SECOND)).toBe(0);
    window.add(START + 50 * SECOND, 9, 60 * SECOND);
    expect(window.timeUs(START + 100 * SECOND)).toBe(100 * SECOND);
    window.add(START + 50 * SECOND, 7, 60 * SECOND);
    expect(window.timeUs(START + 100 * SECOND)).toBe(50 * SECOND);
  });

  it('takes what is not finite for no reading', () => {
    const window = new HoldWindow(10 * SECOND, 'above', 8);
    for (const sample of [Number.NaN, Number.POSITIVE_INFINITY]) window.add(START, sample, SECOND);
    expect(window.isEmpty).toBe(true);
  });
});

describe('more than 1,000 readings', () => {
  /** A reading a second; each threshold crossing is one in `1 / crossing`. */
  const simulate = (options: { duration: number; count: number; crossing: number; seed: number; restartEvery: number }) => {
    let window = new HoldWindow(options.duration, 'above', 8);
    const naive = new NaiveHoldWindow(options.duration, beyond('above', 8));
    let state = options.seed | 1;
    let current = 7;
    let worst = 0;
    let sum = 0;
    let asked = 0;
    let size = 0;
    for (let index = 0; index < options.count; index++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      if (state / 2 ** 32 < options.crossing) current = 16 - current;
      const isLate = index > 1000 && index % 5 === 0;
      const at = START + index * SECOND - (isLate ? 1 + (state % (800 * SECOND)) : 0);
      window.add(at, current, 5 * SECOND);
      naive.add(at, current, 5 * SECOND);
      if (index % options.restartEvery === 0) window = restored(window, options.duration, 'above', 8);
      if (index > options.duration / SECOND && index % 97 === 0) {
        const error = window.timeUs(at) - naive.timeUs(at);
        worst = Math.max(worst, Math.abs(error));
        sum += error;
        asked += 1;
      }
      size = Math.max(size, window.size);
    }
    return { worst, size, mean: sum / asked };
  };

  it('are exact as long as the value was not beyond it more than 1,000 times', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { worst } = simulate({ duration: 4000 * SECOND, count: 9000, crossing: 0.05, seed, restartEvery: 501 });
        expect(worst).toBe(0);
      }),
      { numRuns: 4 },
    );
  });

  it('are wrong by less than a bucket after that, and take no more memory', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { worst, size, mean } = simulate({ duration: 6000 * SECOND, count: 14_000, crossing: 0.5, seed, restartEvery: 1001 });
        expect(worst).toBeGreaterThan(0);
        expect(worst).toBeLessThan(25 * SECOND);
        // What is cut counts in proportion, so the errors cancel out.
        expect(Math.abs(mean)).toBeLessThan(1.5 * SECOND);
        expect(size).toBeLessThanOrEqual(2000);
      }),
      { numRuns: 3 },
    );
  });

  it('need not be asked for what they have left', () => {
    const window = new HoldWindow(100 * SECOND, 'above', 8);
    for (let index = 0; index < 50_000; index++)
      window.add(START + index * SECOND * (index % 5000 < 1200 ? 1e-3 : 1), index % 2 === 0 ? 9 : 7, SECOND);
    expect(window.memoryBytes).toBeLessThan(40_000);
  });

  it('ignore a late one from before those kept', () => {
    const window = new HoldWindow(10_000 * SECOND, 'above', 8);
    for (let index = 0; index < 3000; index++) window.add(START + index * SECOND, 9, 5 * SECOND);
    window.add(START + 500.5 * SECOND, 9, 5000 * SECOND);
    window.add(START + 600.5 * SECOND, 7, 5000 * SECOND);
    expect(window.timeUs(START + 2999 * SECOND)).toBe(2999 * SECOND);
    window.add(START + 2500.5 * SECOND, 7, 5 * SECOND);
    expect(window.timeUs(START + 2999 * SECOND)).toBe(2998.5 * SECOND);
  });
});

describe('a window of time beyond that was encoded', () => {
  const window = new HoldWindow(10_000 * SECOND, 'above', 8);
  for (let index = 0; index < 1500; index++) window.add(START + index * SECOND, 7 + (index % 3), 5 * SECOND);
  const bytes = window.encode();

  it('is read as the same', () => {
    const copy = restored(window, 10_000 * SECOND, 'above', 8);
    expect(copy.encode()).toEqual(bytes);
    expect(copy.timeUs(START)).toBe(window.timeUs(START));
    expect(copy.size).toBe(window.size);
  });

  it('is not taken for another', () => {
    expect(HoldWindow.decode(bytes, 9000 * SECOND, 'above', 8)).toBeNull();
    expect(HoldWindow.decode(bytes, 10_000 * SECOND, 'below', 8)).toBeNull();
    expect(HoldWindow.decode(bytes, 10_000 * SECOND, 'above', 8.5)).toBeNull();
    for (const length of [0, 63, 64, 100, bytes.length - 1]) {
      expect(HoldWindow.decode(bytes.subarray(0, length), 10_000 * SECOND, 'above', 8), `${length} bytes`).toBeNull();
    }
  });
});
