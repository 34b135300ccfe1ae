/** The newest batches in memory: within their bytes, whatever went through. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { Followers } from '../../src/journal/followers.ts';
import { systemClock as clock } from '../../src/std/clock.ts';

const BATCH_BYTES = 256 * 1024;

function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().arrayBuffers;
}

it('holds no more than its bytes of what was appended', () => {
  const before = heldBytes();
  const followers = new Followers({ clock, head: 0, recentBytesMax: 4 * BATCH_BYTES });
  for (let first = 0; first < 500; first++) followers.appended({ first, count: 1, bytes: new Uint8Array(BATCH_BYTES) });
  expect(heldBytes() - before).toBeLessThan(10 * BATCH_BYTES);
  expect(followers.head).toBe(500);
});
