/** Guarantee 1 when the power goes: what was acknowledged is on the disk, not in the operating system's memory. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import { findBinary } from '../services/service.ts';
import { LoopDisk, whyNotMount } from './disk.ts';
import { setUpStage } from './stage.ts';

const RUNS = Number(process.env.POWER_LOSS_RUNS ?? 4);
const UP_MS = 1200;
const DISK_BYTES = 512 * 1024 * 1024;

const reason = (await whyNotMount()) ?? ((await findBinary('mkfs.ext4')) === null ? 'there is no mkfs.ext4' : null);
if (reason !== null) console.log(`power loss is not tested: ${reason}`);

describe.skipIf(reason !== null)('power loss under load', () => {
  it(`loses nothing acknowledged and tells everyone once, in ${RUNS} losses`, { timeout: 120_000 + RUNS * 20_000 }, async () => {
    await using stage = await setUpStage({ start: { set: ['journal.reserve=16MB'] } });
    await using disk = new LoopDisk(join(stage.folder, 'data'));
    await mkdir(disk.path, { recursive: true });
    await disk.create(DISK_BYTES);
    stage.fleet.start();
    for (let run = 0; run < RUNS; run++) {
      await using server = await stage.start();
      await systemClock.sleep(UP_MS * (0.5 + Math.random()));
      await stage.kill(server);
      await disk.cutPower();
    }
    await using server = await stage.start();
    const { faults, ...figures } = await stage.settle(server);
    await server.stop();
    console.log(`${RUNS} power losses: ${JSON.stringify(figures)}`);
    expect(faults).toEqual([]);
    expect(figures.acknowledged).toBe(figures.sent);
  });
});
