/** On a slow disk a commit takes longer and carries more: devices are acknowledged later, the broker does not stall, and kills lose nothing. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import { temporaryFolder } from '../load/server.ts';
import { findBinary } from '../services/service.ts';
import { killLoop } from './kill-loop.ts';
import { setUpStage } from './stage.ts';

const SOURCE = fileURLToPath(new URL('./slow-sync.c', import.meta.url));
/** Generous: the machine that runs the tests may be busy; a stalled main thread shows as seconds. */
const LOOP_DELAY_SECONDS_MAX = 0.25;

const folder = temporaryFolder('slow-sync');
afterAll(() => folder[Symbol.dispose]());
const compiler = await findBinary('gcc');
const reason = process.platform !== 'linux' ? 'it needs Linux' : compiler === null ? 'there is no gcc' : null;
if (reason !== null) console.log(`slow fsync is not tested: ${reason}`);
const library = join(folder.path, 'slow-sync.so');
if (reason === null && compiler !== null) await promisify(execFile)(compiler, ['-shared', '-fPIC', '-O2', '-o', library, SOURCE, '-ldl']);

const environmentOf = (milliseconds: number) => ({ LD_PRELOAD: library, SLOW_SYNC_US: String(milliseconds * 1000) });

describe.skipIf(reason !== null)('an fsync that takes longer', () => {
  it.each([5, 20])('by %i ms delays acknowledgements and nothing else', { timeout: 120_000 }, async (milliseconds) => {
    await using stage = await setUpStage({ start: { environment: environmentOf(milliseconds) } });
    stage.fleet.start();
    await using server = await stage.start();
    await systemClock.sleep(1000);
    await server.metrics();
    await systemClock.sleep(4000);
    const metrics = await server.metrics();
    const commits = metrics.sum('tocsin_journal_append_seconds_count');
    const meanSeconds = metrics.sum('tocsin_journal_append_seconds_sum') / commits;
    const delays = metrics.all('nodejs_eventloop_lag_p99_seconds').map(({ value }) => value);
    const { faults, ...figures } = await stage.settle(server);
    console.log(
      `fsync + ${milliseconds} ms: a commit takes ${(meanSeconds * 1000).toFixed(1)} ms, event-loop delay p99 ${Math.max(...delays) * 1000} ms, ${JSON.stringify(figures)}`,
    );
    expect(meanSeconds * 1000).toBeGreaterThanOrEqual(milliseconds);
    expect(Math.max(...delays)).toBeLessThan(LOOP_DELAY_SECONDS_MAX);
    expect(faults).toEqual([]);
    await server.stop();
  });

  it('loses nothing when it is killed meanwhile', { timeout: 120_000 }, async () => {
    const { faults } = await killLoop({ runs: 4, seed: 20, start: { environment: environmentOf(20) } });
    expect(faults).toEqual([]);
  });
});
