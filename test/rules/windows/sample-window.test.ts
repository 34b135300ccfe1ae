import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SampleWindow } from '../../../src/rules/windows/sample-window.ts';
import { WINDOW_FUNCTIONS, type WindowFunction } from '../../../src/rules/windows/window-function.ts';
import { NaiveSampleWindow } from './naive.ts';

const SECOND = 1_000_000;
const ALL = new Set(WINDOW_FUNCTIONS);
const START = 1_780_000_000 * SECOND;

type Step =
  | { readonly kind: 'next'; readonly after: number; readonly value: number }
  | { readonly kind: 'late'; readonly before: number; readonly value: number }
  | { readonly kind: 'again'; readonly back: number; readonly value: number }
  | { readonly kind: 'ask'; readonly after: number };

const value = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.double({ min: -1000, max: 1000, noNaN: true }),
  fc.constantFrom(0.1, 8.1, -0, 1e-300),
);
/** Windows last 100 s: most steps are small, some jump over the window. */
const after = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 4 * SECOND }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 130 * SECOND }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('next' as const), after, value }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('late' as const), before: fc.integer({ min: 0, max: 110 * SECOND }), value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('again' as const), back: fc.nat({ max: 20 }), value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ask' as const), after }) },
);
const steps = fc.array(step, { minLength: 1, maxLength: 150, size: 'max' });
const functions = fc.subarray([...WINDOW_FUNCTIONS], { minLength: 1 }).map((names) => new Set<WindowFunction>(names));

/** Turns steps into calls: samples to add, and times to ask at. */
function* callsOf(all: readonly Step[]): Generator<{ readonly at: number; readonly value: number | null }> {
  let newest = START;
  const times: number[] = [START];
  for (const item of all) {
    if (item.kind === 'next') newest += item.after;
    if (item.kind === 'next') times.push(newest);
    if (item.kind === 'next') yield { at: newest, value: item.value };
    else if (item.kind === 'late') yield { at: newest - item.before, value: item.value };
    else if (item.kind === 'again') yield { at: times.at(-1 - item.back) ?? START, value: item.value };
    else yield { at: newest + item.after, value: null };
  }
}

/** Rounding depends on the grouping of a sum; everything else is to the bit. */
function expectNear(name: WindowFunction, actual: number, expected: number, magnitude: number): void {
  if (Number.isNaN(expected)) expect(actual, name).toBeNaN();
  else if (['sum', 'avg', 'stddev'].includes(name)) {
    expect(Math.abs(actual - expected), `${name}: ${actual}, not ${expected}`).toBeLessThanOrEqual(magnitude);
  } else expect(actual, name).toBe(expected + 0);
}

function expectSameBits(actual: SampleWindow, expected: SampleWindow, names: ReadonlySet<WindowFunction>, now: number): void {
  for (const name of names) expect(actual.value(name, now), name).toBe(expected.value(name, now));
}

const restored = (window: SampleWindow, durationUs: number, names: ReadonlySet<WindowFunction>): SampleWindow => {
  const copy = SampleWindow.decode(Buffer.from(window.encode()), durationUs, names);
  if (copy === null) throw new Error('it was not decoded');
  return copy;
};

describe('a window of up to 1,000 samples', () => {
  it('is what a naive one is: in order, late, repeated, with gaps, asked at any time', () => {
    fc.assert(
      fc.property(functions, steps, fc.nat({ max: 3 }), (names, all, askEvery) => {
        const window = new SampleWindow(100 * SECOND, names);
        const naive = new NaiveSampleWindow(100 * SECOND);
        let count = 0;
        for (const { at, value } of callsOf(all)) {
          if (value !== null) {
            window.add(at, value);
            naive.add(at, value);
          }
          // Not asked after every call, so that several are taken in at once.
          if (count++ % (askEvery + 1) !== 0) continue;
          for (const name of names) expectNear(name, window.value(name, at), naive.value(name, at), 1e-9);
          expect(window.size).toBe(naive.samples(at).length);
        }
      }),
      { numRuns: 600 },
    );
  });

  it('gives the same bits after a restart between any two calls', () => {
    fc.assert(
      fc.property(functions, steps, fc.nat(), (names, all, seed) => {
        const window = new SampleWindow(100 * SECOND, names);
        let copy = new SampleWindow(100 * SECOND, names);
        let count = seed % 7;
        for (const { at, value } of callsOf(all)) {
          if (value !== null) window.add(at, value);
          if (value !== null) copy.add(at, value);
          if (count++ % 7 === 0) copy = restored(copy, 100 * SECOND, names);
          if (count % 2 === 0) expectSameBits(copy, window, names, at);
        }
        expect(copy.encode()).toEqual(window.encode());
      }),
      { numRuns: 400 },
    );
  });

  it('takes the values that the functions are said to have', () => {
    const window = new SampleWindow(10 * SECOND, ALL);
    for (const [index, sample] of [50, 2, 4, 4, 4, 5, 5, 7, 9].entries()) window.add(START + (index * 10 * SECOND) / 8, sample);
    const results = WINDOW_FUNCTIONS.map((name) => [name, window.value(name, START + 10 * SECOND)]);
    expect(Object.fromEntries(results)).toEqual({
      avg: 5,
      min: 2,
      max: 9,
      sum: 40,
      count: 8,
      stddev: 2,
      median: 4.5,
      first: 2,
      last: 9,
      delta: 7,
      rate: 0.8,
    });
  });

  it('is unknown when empty, and delta and rate with one sample', () => {
    const window = new SampleWindow(10 * SECOND, ALL);
    for (const name of WINDOW_FUNCTIONS) expect(window.value(name, START)).toBeNaN();
    window.add(START, 5);
    const unknown = WINDOW_FUNCTIONS.filter((name) => Number.isNaN(window.value(name, START)));
    expect(unknown).toEqual(['delta', 'rate']);
    for (const name of WINDOW_FUNCTIONS) expect(window.value(name, START + 10 * SECOND)).toBeNaN();
    expect(window.isEmpty).toBe(true);
  });

  it('holds what is later than t−w, and t itself', () => {
    const window = new SampleWindow(10, new Set(['count'] as const));
    for (let at = 100; at <= 120; at++) window.add(at, at);
    expect(window.value('count', 120)).toBe(10);
    expect(window.value('count', 121)).toBe(9);
    // The past is not asked again.
    expect(window.value('count', 110)).toBe(9);
    window.add(111, 0);
    expect(window.size).toBe(9);
    expect(window.value('count', 121)).toBe(9);
  });

  it('of equal samples has exactly their value as mean and no deviation', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: 1, max: 300 }), (constant, count) => {
        const names = new Set(['avg', 'stddev', 'median'] as const);
        const window = new SampleWindow(100 * SECOND, names);
        for (let index = 0; index < count; index++) {
          window.add(START + index * SECOND, constant);
          expect([...names].map((name) => window.value(name, START))).toEqual([constant + 0, 0, constant + 0]);
        }
      }),
    );
  });

  it('forgets the largest doubles as if they had never been', () => {
    const window = new SampleWindow(10 * SECOND, ALL);
    const fresh = new SampleWindow(10 * SECOND, ALL);
    const extremes = [1e300, -1e300, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 0.1];
    for (const [index, sample] of extremes.entries()) {
      window.add(START + index, sample);
      const results = WINDOW_FUNCTIONS.map((name) => window.value(name, START + index));
      expect(results.filter((result) => !Number.isNaN(result) && !Number.isFinite(result))).toEqual([]);
    }
    expect(window.value('avg', START)).toBeLessThan(1e300);
    expect(window.value('median', START)).toBeGreaterThan(0);
    for (let index = 1; index < 30; index++) {
      window.add(START + index * SECOND, index / 10);
      fresh.add(START + index * SECOND, index / 10);
      window.value('sum', START);
    }
    for (const name of WINDOW_FUNCTIONS) expectNear(name, window.value(name, START), fresh.value(name, START), 1e-14);
  });

  it('does not drift', () => {
    const window = new SampleWindow(10 * SECOND, new Set(['sum', 'avg', 'stddev'] as const));
    const naive = new NaiveSampleWindow(10 * SECOND);
    for (let index = 0; index < 100_000; index++) {
      const sample = Math.sin(index) * (index % 977 === 0 ? 1e15 : 1);
      window.add(START + index * SECOND, sample);
      window.value('sum', START);
      if (index >= 99_990) naive.add(START + index * SECOND, sample);
    }
    for (const name of ['sum', 'avg', 'stddev'] as const) expectNear(name, window.value(name, START), naive.value(name, START), 1e-14);
  });

  it('takes what is not finite for no sample', () => {
    const window = new SampleWindow(10 * SECOND, ALL);
    for (const sample of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) window.add(START, sample);
    expect(window.isEmpty).toBe(true);
  });

  it('refuses a function that it was not made for', () => {
    const window = new SampleWindow(10 * SECOND, new Set(['avg'] as const));
    expect(() => window.value('max', START)).toThrow('the window was not made for max()');
  });

  it('keeps only what its functions need, and little of that', () => {
    const memoryOf = (names: readonly WindowFunction[], samples: number): number => {
      const window = new SampleWindow(1000 * SECOND, new Set(names));
      for (let index = 0; index < samples; index++) window.add(START + index, index);
      return window.memoryBytes;
    };
    expect(memoryOf(['avg'], 30)).toBeLessThan(1600);
    expect(memoryOf(['last'], 1000)).toBeLessThan(memoryOf(['max'], 1000));
    expect(memoryOf(['max'], 1000)).toBeLessThan(memoryOf(['max', 'sum', 'stddev', 'median'], 1000));
    // A window of many samples needs less again once it is in buckets.
    expect(memoryOf(['max'], 100_000)).toBeLessThan(memoryOf(['max'], 1000));
  });

  it('gives memory back after a burst', () => {
    const window = new SampleWindow(1000 * SECOND, new Set(['avg', 'median'] as const));
    for (let index = 0; index < 900; index++) window.add(START + index, index);
    const full = window.memoryBytes;
    for (let index = 1; index < 2000; index++) window.add(START + index * 100 * SECOND, index);
    expect(window.memoryBytes).toBeLessThan(full / 2);
  });
});

describe('a window that was encoded', () => {
  const names = new Set(['avg', 'median'] as const);
  const encoded = (samples: number): Uint8Array => {
    const window = new SampleWindow(10 * SECOND, names);
    for (let index = 0; index < samples; index++) window.add(START + index, index);
    return window.encode();
  };

  it('is not taken for one of another length or with other functions', () => {
    for (const samples of [0, 10, 1500]) {
      const bytes = encoded(samples);
      expect(SampleWindow.decode(bytes, 10 * SECOND, names)).not.toBeNull();
      expect(SampleWindow.decode(bytes, 11 * SECOND, names)).toBeNull();
      expect(SampleWindow.decode(bytes, 10 * SECOND, ALL)).toBeNull();
    }
  });

  it('is refused when it was cut short, or is something else', () => {
    for (const samples of [0, 10, 1500]) {
      const bytes = encoded(samples);
      for (const length of [0, 8, 55, 56, bytes.length - 8, bytes.length - 1].filter((cut) => cut < bytes.length)) {
        expect(SampleWindow.decode(bytes.subarray(0, length), 10 * SECOND, names), `${samples} samples, ${length} bytes`).toBeNull();
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => SampleWindow.decode(bytes, 10 * SECOND, names) === null));
  });

  it('is read wherever its bytes lie', () => {
    const bytes = encoded(10);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(SampleWindow.decode(shifted.subarray(3), 10 * SECOND, names)?.value('avg', START)).toBe(4.5);
  });
});
