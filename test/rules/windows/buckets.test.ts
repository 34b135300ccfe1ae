import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SampleWindow } from '../../../src/rules/windows/sample-window.ts';
import { ThinnedValues } from '../../../src/rules/windows/thinned-values.ts';
import { WINDOW_FUNCTIONS, type WindowFunction } from '../../../src/rules/windows/window-function.ts';
import { evaluate, NaiveSampleWindow } from './naive.ts';

const SECOND = 1_000_000;
const START = 1_780_000_000 * SECOND;
/** Buckets of one second. */
const DURATION = 240 * SECOND;
const BUCKET = SECOND;
const ALL = new Set(WINDOW_FUNCTIONS);
const EXACT_OF_RETAINED = WINDOW_FUNCTIONS.filter((name) => name !== 'median');

/** Numbers from 0 to 1 that look random and follow from the seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** In order, ten a second on average; with bursts, pauses, late ones and a newest one overwritten now and then. */
function* samplesOf(seed: number, count: number): Generator<{ readonly at: number; readonly value: number }> {
  const random = randomFrom(seed);
  const used = new Set<number>();
  let newest = START + Math.floor(random() * SECOND);
  for (let index = 0; index < count; index++) {
    const kind = random();
    const value = Math.round(random() * 1000) / 10 - 20 * Math.sin(index / 500);
    const lateAt = newest - Math.floor(random() * 300 * SECOND);
    if (kind < 0.03 && !used.has(lateAt)) {
      used.add(lateAt);
      yield { at: lateAt, value };
    } else if (kind < 0.05) yield { at: newest, value };
    else {
      newest += 1 + Math.floor(random() * 0.2 * SECOND * (kind > 0.999 ? 300 : 1));
      used.add(newest);
      yield { at: newest, value };
    }
  }
}

/** A window, the naive one beside it, both full. */
function filled(names: ReadonlySet<WindowFunction>, samples: Iterable<{ at: number; value: number }>) {
  const window = new SampleWindow(DURATION, names);
  const naive = new NaiveSampleWindow(DURATION);
  let now = START;
  for (const { at, value } of samples) {
    window.add(at, value);
    naive.add(at, value);
    now = Math.max(now, at);
  }
  return { window, naive, now };
}

describe('a window of more than 1,000 samples', () => {
  it('is exact for the samples that it holds, and holds none that left a bucket ago', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 200 }), (seed, askEvery) => {
        const window = new SampleWindow(DURATION, ALL);
        const naive = new NaiveSampleWindow(DURATION);
        let count = 0;
        let now = START;
        for (const { at, value } of samplesOf(seed, 5000)) {
          window.add(at, value);
          naive.add(at, value);
          now = Math.max(now, at);
          if (++count % askEvery === 0) window.value('sum', now);
          if (count % 397 !== 0) continue;
          const held = window.value('count', now);
          const within = naive.samples(now).length;
          const withinOneBucketMore = naive.samples(now, BUCKET);
          expect(held).toBeGreaterThanOrEqual(within);
          expect(held).toBeLessThanOrEqual(withinOneBucketMore.length);
          const retained = withinOneBucketMore.slice(-held);
          for (const name of EXACT_OF_RETAINED) {
            expect(Math.abs(window.value(name, now) - evaluate(name, retained)), name).toBeLessThan(1e-7);
          }
          expect(window.size).toBeLessThanOrEqual(1000);
        }
      }),
      { numRuns: 10 },
    );
  });

  it('gives the same bits after a restart between any two calls', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 30 }), (seed, every) => {
        const window = new SampleWindow(DURATION, ALL);
        let copy = new SampleWindow(DURATION, ALL);
        let count = 0;
        for (const { at, value } of samplesOf(seed, 4000)) {
          window.add(at, value);
          copy.add(at, value);
          count += 1;
          if (count > 900 && count % (every * 7) === 0)
            copy = SampleWindow.decode(copy.encode(), DURATION, ALL) ?? expect.fail('not decoded');
          if (count % every === 0) for (const name of ALL) expect(copy.value(name, at), name).toBe(window.value(name, at));
        }
        expect(copy.encode()).toEqual(window.encode());
      }),
      { numRuns: 10 },
    );
  });

  it('holds a few hundred buckets, however many samples there are', () => {
    const { window } = filled(ALL, samplesOf(1, 30_000));
    expect(window.size).toBeLessThan(250);
    expect(window.value('count', START)).toBeGreaterThan(1500);
    expect(window.memoryBytes).toBeLessThan(150_000);
  });

  it('overwrites the newest sample', () => {
    const { window, now } = filled(ALL, samplesOf(2, 5000));
    const count = window.value('count', now);
    window.add(now + 1, 1e9);
    window.add(now + 1, -1e9);
    expect(window.value('count', now)).toBe(count + 1);
    expect([window.value('max', now), window.value('min', now), window.value('last', now)]).toEqual([expect.closeTo(100, -2), -1e9, -1e9]);
  });

  it('is exact again once it has been empty', () => {
    const { window, now } = filled(ALL, samplesOf(3, 5000));
    expect(window.value('avg', now + DURATION)).toBeNaN();
    expect(window.isEmpty).toBe(true);
    const naive = new NaiveSampleWindow(DURATION);
    for (let index = 0; index < 900; index++) {
      const sample = { at: now + DURATION + index * SECOND, value: (index * 7919) % 101 };
      window.add(sample.at, sample.value);
      naive.add(sample.at, sample.value);
      expect(window.value('median', sample.at)).toBe(naive.value('median', sample.at));
      expect(window.value('count', sample.at)).toBe(naive.value('count', sample.at));
    }
  });

  it('forgets the largest doubles with their bucket', () => {
    const names = new Set(['sum', 'avg', 'stddev', 'max'] as const);
    const { window, now } = filled(names, samplesOf(4, 5000));
    window.add(now + 1, 1e308);
    window.add(now + 2, 1e308);
    window.add(now + 3, -1e308);
    expect(window.value('max', now)).toBe(1e308);
    for (let index = 1; index < 5000; index++) window.add(now + 4 + index * 0.1 * SECOND, index % 2);
    expect(window.value('avg', now)).toBeCloseTo(0.5, 2);
    expect(window.value('stddev', now)).toBeCloseTo(0.5, 2);
    expect(window.value('max', now)).toBe(1);
  });
});

describe('the median of more than 1,000 samples', () => {
  const MEDIAN = new Set(['median'] as const);
  const evenly = (count: number, perBucket: number, valueAt: (index: number) => number): { at: number; value: number }[] =>
    Array.from({ length: count }, (_, index) => ({ at: START + Math.floor((index * BUCKET) / perBucket), value: valueAt(index) }));

  it('is that of the buckets held, where none has more than 16 samples', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 5, max: 16 }), (seed, perBucket) => {
        const random = randomFrom(seed);
        const window = new SampleWindow(DURATION, MEDIAN);
        const samples = evenly(perBucket * 400, perBucket, () => Math.round(random() * 100));
        samples.forEach(({ at, value }, index) => {
          window.add(at, value);
          if (index < 2000 || index % 61 !== 0) return;
          const oldest = samples.find((sample) => sample.at > at - DURATION);
          const firstBucket = Math.floor((oldest?.at ?? 0) / BUCKET);
          const held = samples.slice(0, index + 1).filter((sample) => Math.floor(sample.at / BUCKET) >= firstBucket);
          expect(window.value('median', at), `sample ${index}`).toBe(
            evaluate(
              'median',
              held.map((sample) => [sample.at, sample.value]),
            ),
          );
        });
      }),
      { numRuns: 10 },
    );
  });

  /** Which part of the window's samples is less, or equal. */
  const rankOf = (median: number, values: readonly number[]): { less: number; notMore: number } => ({
    less: values.filter((value) => value < median).length / values.length,
    notMore: values.filter((value) => value <= median).length / values.length,
  });

  it('is near the middle by rank, for noise, ramps and steps, evenly spread or in bursts', () => {
    const shapes = fc.constantFrom<(random: () => number, index: number) => number>(
      (random) => random(),
      (random) => 1 / random(),
      (_, index) => index,
      (_, index) => -index,
      (random, index) => (index % 10_000 < 5000 ? 1000 : 0) + random(),
      (_, index) => Math.sin(index / 777),
    );
    fc.assert(
      fc.property(fc.nat(), shapes, fc.integer({ min: 50, max: 150 }), (seed, shape, perBucket) => {
        const random = randomFrom(seed);
        const { window, naive, now } = filled(
          MEDIAN,
          evenly(250 * perBucket, perBucket, (index) => shape(random, index)),
        );
        const rank = rankOf(
          window.value('median', now),
          naive.samples(now).map(([, value]) => value),
        );
        // Five standard deviations.
        expect(rank.less).toBeLessThan(0.54);
        expect(rank.notMore).toBeGreaterThan(0.46);
      }),
      { numRuns: 15 },
    );
  });

  it('does not fall in step with a rhythm of the signal', () => {
    for (const period of [2, 3, 4, 5, 8, 16, 48]) {
      const rhythm = evenly(20_000, 48, (index) => (index % period === 0 ? 10 : 0));
      const { window, now } = filled(MEDIAN, rhythm);
      if (period === 2) expect([0, 5, 10]).toContain(window.value('median', now));
      else expect(window.value('median', now), `one of ${period}`).toBe(0);
    }
  });

  it('does not depend on the order in which the samples came', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = randomFrom(seed);
        const samples = evenly(5000, 100, () => random());
        const shuffled = samples.map((sample) => ({ sample, key: random() })).sort((a, b) => a.key - b.key);
        const inOrder = new ThinnedValues(BUCKET);
        const mixed = new ThinnedValues(BUCKET);
        for (const { at, value } of samples) inOrder.add(at, value);
        for (const { sample } of shuffled) {
          mixed.add(sample.at, sample.value);
          mixed.median();
        }
        expect(mixed.median()).toBe(inOrder.median());
        expect(mixed.encode().sort()).toEqual(inOrder.encode().sort());
      }),
      { numRuns: 20 },
    );
  });

  it('weighs a bucket by its samples, not by those kept', () => {
    const few = evenly(100 * 10, 10, () => 1);
    const many = Array.from({ length: 3000 }, (_, index) => ({ at: START + 150 * BUCKET + index, value: 7 }));
    const { window, now } = filled(MEDIAN, [...few, ...many]);
    expect(window.value('median', now)).toBe(7);
  });

  it('takes late and overwritten samples', () => {
    const { window, now } = filled(
      MEDIAN,
      evenly(5000, 10, () => 1),
    );
    for (let index = 0; index < 4000; index++) window.add(now - 1 - index * 50_003, 9);
    expect(window.value('median', now)).toBe(9);
    window.add(now, 5);
    window.add(now, 6);
    expect(window.value('median', now)).toBe(9);
  });
});
