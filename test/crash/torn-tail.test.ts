/**
 * A write that was under way when the machine stopped leaves half a transaction, or noise, behind the last whole one. It was never
 * acknowledged: the start goes on from the last whole one. What is cut off before it was acknowledged, and seen by consumers: that is
 * a damaged disk, and then the start succeeds or says what is wrong, and does neither loop nor crash.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import type { Server } from '../load/server.ts';
import { seededRandom } from '../load/telemetry.ts';
import { type Stage, setUpStage } from './stage.ts';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FLEET = { devicesOfAKind: 6, toggleEvery: 80 };

interface Tail {
  readonly path: string;
  readonly frameBytes: number;
  /** Where the frames of the present generation end. */
  readonly end: number;
  readonly salts: Buffer;
}

/** The write-ahead logs of the data folder that hold frames. */
function tails(stage: Stage): Tail[] {
  const folder = join(stage.folder, 'data');
  return readdirSync(folder)
    .filter((name) => name.endsWith('-wal'))
    .map((name) => tailOf(join(folder, name)))
    .filter((tail) => tail !== null);
}

function tailOf(path: string): Tail | null {
  const bytes = readFileSync(path);
  if (bytes.length < HEADER_BYTES) return null;
  const frameBytes = FRAME_HEADER_BYTES + bytes.readUInt32BE(8);
  const salts = bytes.subarray(16, 24);
  let end = HEADER_BYTES;
  while (end + frameBytes <= bytes.length && bytes.subarray(end + 8, end + 16).equals(salts)) end += frameBytes;
  return end === HEADER_BYTES ? null : { path, frameBytes, end, salts };
}

async function writeAt(path: string, bytes: Buffer, position: number): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, position);
}

const random = seededRandom(7);
const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));

const TORN: readonly { readonly name: string; readonly tear: (tail: Tail) => Promise<void> }[] = [
  { name: 'noise', tear: ({ path, end }) => writeAt(path, noise(10_000), end) },
  {
    name: 'half a frame of the same generation',
    tear: async ({ path, end, salts, frameBytes }) => {
      const frame = noise(Math.floor(frameBytes / 2));
      salts.copy(frame, 8);
      await truncate(path, end);
      await writeAt(path, frame, end);
    },
  },
  {
    name: 'whole frames with a commit mark and a wrong checksum',
    tear: async ({ path, end, salts, frameBytes }) => {
      const frames = noise(frameBytes * 3);
      for (let frame = 0; frame < 3; frame++) salts.copy(frames, frame * frameBytes + 8);
      await writeAt(path, frames, end);
    },
  },
  { name: 'zeroes', tear: ({ path, end }) => writeAt(path, Buffer.alloc(20_000), end) },
];

async function loadThenKill(stage: Stage): Promise<void> {
  stage.fleet.start();
  await using server = await stage.start();
  await systemClock.sleep(1500);
  await stage.kill(server);
}

describe('a torn tail of the logs', () => {
  it.each(TORN)('of $name loses nothing that was acknowledged', { timeout: 120_000 }, async ({ tear }) => {
    await using stage = await setUpStage({ fleet: FLEET });
    await loadThenKill(stage);
    const logs = tails(stage);
    expect(logs.some(({ path }) => path.endsWith('journal.db-wal'))).toBe(true);
    for (const tail of logs) await tear(tail);
    await using server = await stage.start();
    const { faults } = await stage.settle(server);
    expect(faults).toEqual([]);
    await server.stop();
  });

  it('that reaches into what was acknowledged is survived, or refused with a hint', { timeout: 120_000 }, async () => {
    await using stage = await setUpStage({ fleet: FLEET });
    await loadThenKill(stage);
    stage.fleet.pause();
    for (const { path, end, frameBytes } of tails(stage)) {
      if (path.endsWith('journal.db-wal')) await truncate(path, end - Math.floor(frameBytes * 1.5));
    }
    const outcome = await stage.start().catch((error: unknown) => String(error));
    if (typeof outcome === 'string') {
      expect(outcome).toMatch(/it ended with 1 before its ready line/);
      expect(outcome).toMatch(/hint: /);
      return;
    }
    await using server: Server = outcome;
    expect((await server.get('/readyz')).status).toBe(200);
    await server.stop();
  });
});
