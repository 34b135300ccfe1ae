/**
 * Three projects, one after the other. `unit` runs files side by side, `program` those that start the program as a process, two at a time.
 * `whole` does so under load, with kills and outages: one file at a time and nothing beside it, or its timings would measure its neighbours.
 */
import { defineConfig } from 'vitest/config';

const WHOLE = ['test/{crash,outage,bench}/**/*.test.ts'];
const PROGRAM = ['test/{scenarios,main}/**/*.test.ts', 'test/simulator/demo.test.ts'];

export default defineConfig({
  test: {
    reporters: ['default', './test/reporter.ts'],
    pool: 'forks',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...WHOLE, ...PROGRAM, 'test/long/**'],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'program',
          include: PROGRAM,
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'whole',
          include: WHOLE,
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
