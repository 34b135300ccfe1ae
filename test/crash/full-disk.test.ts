/** Guarantee 5: a full disk stops acknowledgements, shows, loses nothing, and is over when there is room again. */
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import { residentBytesOf } from '../load/process-stats.ts';
import { mountTmpfs, whyNotMount } from './disk.ts';
import { eventually, setUpStage } from './stage.ts';

const DISK_BYTES = 192 * 1024 * 1024;
const RESERVE_BYTES = 32 * 1024 * 1024;
const RESIDENT_GROWTH_MAX = 200 * 1024 * 1024;

const reason = await whyNotMount();
if (reason !== null) console.log(`a full disk is not tested: ${reason}`);

/** Takes the room away until only `leftBytes` are free. */
async function fill(path: string, name: string, leftBytes: number): Promise<() => Promise<void>> {
  const { bavail, bsize } = await statfs(path);
  const ballast = join(path, name);
  await using file = await open(ballast, 'w');
  const block = Buffer.alloc(64 * 1024);
  for (let rest = bavail * bsize - leftBytes; rest > 0; rest -= block.length) {
    const isFull = await file.write(block).then(
      () => false,
      () => true,
    );
    if (isFull) break;
  }
  return () => rm(ballast);
}

describe.skipIf(reason !== null)('a full disk', () => {
  it('stops acknowledgements, is red, loses nothing, and recovers by itself', { timeout: 180_000 }, async () => {
    await using stage = await setUpStage({ start: { set: [`journal.reserve=${RESERVE_BYTES}`] }, fleet: { readingsPerSecond: 1500 } });
    await using disk = await mountTmpfs(join(stage.folder, 'data'), DISK_BYTES);
    stage.fleet.start();
    await using server = await stage.start();
    await systemClock.sleep(2000);
    expect((await server.get('/readyz')).status).toBe(200);
    const residentBefore = residentBytesOf(server.pid).now;

    const makeRoom = await fill(disk.path, 'ballast', RESERVE_BYTES - 1024 * 1024);
    await eventually('/readyz is red', 15_000, async () => (await server.get('/readyz')).status === 503);
    const acknowledged = stage.fleet.acknowledged;
    await systemClock.sleep(3000);
    expect(stage.fleet.acknowledged, 'acknowledged with a full disk').toBe(acknowledged);

    // The reserve goes too: now history and state cannot write either.
    const makeAllRoom = await fill(disk.path, 'more-ballast', 0);
    await systemClock.sleep(6000);
    expect(server.isRunning()).toBe(true);
    expect(residentBytesOf(server.pid).peak - residentBefore).toBeLessThan(RESIDENT_GROWTH_MAX);

    await makeAllRoom();
    await makeRoom();
    await eventually('/readyz is green again', 45_000, async () => (await server.get('/readyz')).status === 200);
    await eventually('devices are acknowledged again', 30_000, () => stage.fleet.acknowledged > acknowledged + 1000);
    const { faults, ...figures } = await stage.settle(server);
    console.log(`a full disk: ${JSON.stringify(figures)}`);
    expect(faults).toEqual([]);
    await server.stop();
  });
});
