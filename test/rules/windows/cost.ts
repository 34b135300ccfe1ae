/**
 * What a window costs a reading: `node test/rules/windows/cost.ts`. Not a test. Prints nanoseconds of CPU time for one sample
 * added and one value asked, and the window's memory, for windows that hold 10 to 1,000,000 samples.
 */
import { HoldWindow } from '../../../src/rules/windows/hold-window.ts';
import { SampleWindow } from '../../../src/rules/windows/sample-window.ts';
import { WINDOW_FUNCTIONS, type WindowFunction } from '../../../src/rules/windows/window-function.ts';

const SAMPLES = [10, 100, 1000, 10_000, 1_000_000];
const CALLS = 200_000;
const ROUNDS = 5;
const INTERVAL_US = 1000;
const START_US = 1_780_000_000_000_000;

/** A little over half of the values are above 0, in runs of a few. */
const values = Float64Array.from({ length: 4096 }, (_, index) => Math.sin(index / 3) + Math.sin(index * 12.9898) + 0.2);
const valueAt = (index: number): number => values[index & 4095] ?? 0;

interface Subject {
  readonly call: (at: number, value: number) => void;
  readonly memoryBytes: () => number;
}

function samples(durationUs: number, names: readonly WindowFunction[]): Subject {
  const window = new SampleWindow(durationUs, new Set(names));
  return {
    call: (at, value) => {
      window.add(at, value);
      for (const name of names) window.value(name, at);
    },
    memoryBytes: () => window.memoryBytes,
  };
}

function hold(durationUs: number): Subject {
  const window = new HoldWindow(durationUs, 'above', 0);
  return {
    call: (at, value) => {
      window.add(at, value, INTERVAL_US * 3);
      window.timeUs(at);
    },
    memoryBytes: () => window.memoryBytes,
  };
}

const subjects: Record<string, (durationUs: number) => Subject> = {
  ...Object.fromEntries(WINDOW_FUNCTIONS.map((name) => [name, (durationUs: number) => samples(durationUs, [name])])),
  'all of them': (durationUs) => samples(durationUs, WINDOW_FUNCTIONS),
  timeAbove: hold,
};

process.stdout.write(`ns (KB)      ${SAMPLES.map((count) => String(count).padStart(16)).join('')}\n`);
for (const [name, create] of Object.entries(subjects)) {
  const cells = SAMPLES.map((count) => {
    const { nanoseconds, memoryBytes } = measure(create(count * INTERVAL_US), count);
    return `${nanoseconds.toFixed(0)} (${(memoryBytes / 1024).toFixed(1)})`.padStart(16);
  });
  process.stdout.write(`${name.padEnd(13)}${cells.join('')}\n`);
}

/** The best of some rounds, the window being full. */
function measure(subject: Subject, held: number): { readonly nanoseconds: number; readonly memoryBytes: number } {
  let index = 0;
  for (; index < held + 1000; index++) subject.call(START_US + index * INTERVAL_US, valueAt(index));
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.cpuUsage().user;
    for (const end = index + CALLS; index < end; index++) subject.call(START_US + index * INTERVAL_US, valueAt(index));
    best = Math.min(best, process.cpuUsage().user - started);
  }
  return { nanoseconds: (best / CALLS) * 1e3, memoryBytes: subject.memoryBytes() };
}
