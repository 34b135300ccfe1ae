/**
 * Guarantees 1 to 4 of the design, under SIGKILL: nothing acknowledged is lost or doubled, no transition is lost, none is
 * announced twice. `CRASH_RUNS=500` for a long run, `CRASH_SEED` to repeat one.
 */
import { describe, expect, it } from 'vitest';
import { startInflux } from '../services/influx.ts';
import { killLoop } from './kill-loop.ts';
import type { StageOptions } from './stage.ts';

const RUNS = Number(process.env.CRASH_RUNS ?? 25);
/** Fewer by default: the journal and the decisions are the same, only the history differs. */
const RUNS_WITH_INFLUX = Number(process.env.CRASH_RUNS ?? 8);
const SEED = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 2 ** 31));
const timeoutOf = (runs: number): number => 120_000 + runs * 6000;

async function expectNothingAmiss(name: string, runs: number, options: StageOptions): Promise<void> {
  console.log(`seed: CRASH_SEED=${SEED}`);
  const { faults, ...figures } = await killLoop({ ...options, runs, seed: SEED });
  console.log(`${runs} kills with ${name}: ${JSON.stringify(figures)}`);
  expect(faults).toEqual([]);
  expect(figures.acknowledged).toBe(figures.sent);
  expect(figures.alerts).toBeGreaterThan(0);
}

describe('killed at random moments under load', () => {
  it(`loses nothing, doubles nothing and tells everyone once, in ${RUNS} kills`, { timeout: timeoutOf(RUNS) }, () =>
    expectNothingAmiss('embedded history', RUNS, {}),
  );

  it(`does so with InfluxDB as history, in ${RUNS_WITH_INFLUX} kills`, { timeout: timeoutOf(RUNS_WITH_INFLUX) }, async (context) => {
    const influx = await startInflux();
    if (!influx.available) return context.skip(influx.reason);
    await using server = influx.value;
    const database = `tocsin_crash_${SEED}`;
    await expectNothingAmiss('InfluxDB', RUNS_WITH_INFLUX, { settings: { history: { influx: server.databaseUrl(database) } } });
  });
});
