/**
 * Guarantees 1 to 4 of the design, under SIGKILL: nothing acknowledged is lost or doubled, no transition is lost, none is
 * announced twice. `CRASH_RUNS=500` for a long run, `CRASH_SEED` to repeat one.
 */
import { describe, expect, it } from 'vitest';
import { killLoop } from './kill-loop.ts';

const RUNS = Number(process.env.CRASH_RUNS ?? 25);
const SEED = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 2 ** 31));
const WAIT_MS = 120_000 + RUNS * 6000;

describe('killed at random moments under load', () => {
  it(`loses nothing, doubles nothing and tells everyone once, in ${RUNS} kills`, { timeout: WAIT_MS }, async () => {
    console.log(`seed: CRASH_SEED=${SEED}`);
    const { faults, ...figures } = await killLoop({ runs: RUNS, seed: SEED });
    console.log(`${RUNS} kills with embedded history: ${JSON.stringify(figures)}`);
    expect(faults).toEqual([]);
    expect(figures.acknowledged).toBe(figures.sent);
    expect(figures.alerts).toBeGreaterThan(0);
  });
});
