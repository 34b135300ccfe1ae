/** Readings of itself go out in their interval, whoever gives no answer; and the canary passes only while alerting and notifying follow. */
import { tmpdir } from 'node:os';
import pino from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { SelfValues } from '../../src/self/self-profile.ts';
import { type Progress, Watching, type WatchingOptions } from '../../src/self/watching.ts';
import { systemClock as clock } from '../../src/std/clock.ts';
import { eventually } from '../scenarios/scene.ts';

const EVERY_MS = 100;
const NEVER = <T>(): Promise<T> => new Promise(() => undefined);

/** A journal in which alerting and history are where the test says, and everything that is posted is durable at once. */
function setUp(options: Partial<WatchingOptions> = {}) {
  const world = { head: 0, alerting: 0, history: 0, progress: { transitions: 0, followedTo: 0 } as Progress, follow: true };
  const posted: SelfValues[] = [];
  const registry = new Registry();
  const watching = new Watching({
    everyMs: EVERY_MS,
    async post(values) {
      posted.push(values);
      world.head += 1;
      if (world.follow) Object.assign(world, { alerting: world.head, history: world.head });
    },
    journal: {
      range: () => ({ first: 0, head: world.head }),
      stats: () => ({
        bytes: 100,
        full: null,
        consumers: [
          { id: 'alerting', position: world.alerting, released: 0, lag: world.head - world.alerting },
          { id: 'history', position: world.head, released: world.history, lag: 0 },
        ],
      }),
    },
    disk: { folder: tmpdir(), bytesMax: 1000, reserveBytes: 0 },
    progress: async () => world.progress,
    channels: async () => ({ failing: [], undelivered: [] }),
    historyTrouble: async () => null,
    clock,
    logger: pino({ level: 'silent' }),
    registry,
    ...options,
  });
  const stop = new AbortController();
  const running = watching.run(stop.signal);
  const end = {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
  return { world, posted, watching, registry, end };
}

describe('watching itself', () => {
  it('measures a way that is followed, and passes', async () => {
    const { posted, watching, registry, end } = setUp();
    await using _ = end;
    expect(watching.isPassing()).toBe(false);
    await eventually('some readings', 5000, () => posted.length >= 3);
    expect(watching.isPassing()).toBe(true);
    expect(posted[0]).not.toHaveProperty('canary_s');
    expect(posted[2]).toMatchObject({ alerting_lag: 0, history_lag: 0, history_lag_s: 0, disk_free: 1000, channels_failing: 0 });
    expect(posted[2]?.canary_s).toBeLessThan(1);
    expect(await registry.metrics()).toMatch(/^tocsin_canary_seconds\{stage="stored"\} \d/m);
  });

  it.each([
    ['alerting stands still', (world: { follow: boolean }) => Object.assign(world, { follow: false })],
    ['notifying does not follow', (world: { progress: Progress }) => Object.assign(world, { progress: { transitions: 5, followedTo: 4 } })],
  ])('passes no more when %s, and again when that is over', async (_name, disturb) => {
    const { world, posted, watching, end } = setUp();
    await using _ = end;
    await eventually('it passes', 5000, () => watching.isPassing());
    disturb(world);
    const count = posted.length;
    await eventually('it passes no more', 5000, () => !watching.isPassing());
    await eventually('the reading says so', 5000, () => Number(posted.at(-1)?.canary_s) > (3 * EVERY_MS) / 1000);
    expect(posted.length, 'readings go out all the same').toBeGreaterThan(count);
    Object.assign(world, { follow: true, alerting: world.head, progress: { transitions: 5, followedTo: 5 } });
    await eventually('it passes again', 5000, () => watching.isPassing());
  });

  it('goes out without the answers of who hangs, and does not ask again meanwhile', { timeout: 15_000 }, async () => {
    let asked = 0;
    const { posted, watching, end } = setUp({
      channels: () => {
        asked += 1;
        return NEVER();
      },
      historyTrouble: () => Promise.reject(new Error('is being started again')),
      progress: NEVER,
    });
    await using _ = end;
    await eventually('a second reading', 10_000, () => posted.length >= 2);
    expect(posted[1]).not.toHaveProperty('channels_failing');
    expect(posted[1]).toMatchObject({ history_trouble: 'it gives no answer', stuck_consumers: 0 });
    expect([watching.isPassing(), asked]).toEqual([false, 1]);
  });

  it('that is not taken is tried again in the next interval, and does not count', async () => {
    let count = 0;
    const { watching, end } = setUp({
      post: () => {
        count += 1;
        return Promise.reject(new Error('the journal is full'));
      },
    });
    await using _ = end;
    await eventually('some tries', 5000, () => count >= 3);
    expect(watching.isPassing()).toBe(false);
  });

  it('is switched off and on again', async () => {
    const { posted, watching, end } = setUp();
    await using _ = end;
    await eventually('a reading', 5000, () => posted.length >= 1);
    watching.useEvery(null);
    await clock.sleep(2 * EVERY_MS);
    const count = posted.length;
    await clock.sleep(3 * EVERY_MS);
    expect([posted.length, watching.isPassing()]).toEqual([count, false]);
    watching.useEvery(EVERY_MS);
    await eventually('readings again', 5000, () => posted.length > count + 1);
  });
});
