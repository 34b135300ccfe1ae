import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { SqliteSeriesStore } from '../../src/history/sqlite-series-store.ts';
import { type Clock, systemClock } from '../../src/std/clock.ts';
import { allReadings, deviceOf, readingOf, START, type StoreHarness, seriesStoreContract, write } from '../contracts/series-store.ts';

const logger = pino({ level: 'silent' });
const DAY = 24 * 3600 * 1_000_000;

async function open(options: { clock?: Clock; keepMs?: number | null } = {}): Promise<StoreHarness & { path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'tocsin-history-'));
  const path = join(folder, 'history.db');
  const make = () => new SqliteSeriesStore({ path, keepMs: options.keepMs ?? null, clock: options.clock ?? systemClock, logger });
  let store = make();
  return {
    path,
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = make();
      return store;
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

seriesStoreContract('the embedded history', () => open());

describe('the embedded history', () => {
  const device = deviceOf('logger-1');

  it('drops a day once it, and the last write to it, are past the retention', async () => {
    const clock = { ...systemClock, now: () => now };
    let now = START;
    await using harness = await open({ clock, keepMs: 400 * 24 * 3600 * 1000 });
    const times = [START - 4 * 365 * DAY, START - 399 * DAY, START];
    await write(
      harness.store,
      times.map((at) => readingOf(device, at, { t: 1 })),
    );
    const kept = async () => (await allReadings(harness.store, { device: device.id })).map(({ at }) => at);
    expect(await kept()).toEqual(times);
    now += 200 * DAY;
    await write(harness.store, [readingOf(device, START - 399 * DAY, { t: 2 })]);
    expect(await kept()).toEqual(times);
    now += 202 * DAY;
    await write(harness.store, []);
    expect(await kept()).toEqual([START - 399 * DAY]);
    now += 400 * DAY;
    await write(harness.store, []);
    expect(await kept()).toEqual([]);
  });

  it('keeps readings of wild times, in a bounded number of tables', { timeout: 60_000 }, async () => {
    const clock = { ...systemClock, now: () => now };
    let now = START;
    await using harness = await open({ clock, keepMs: 400 * 24 * 3600 * 1000 });
    const days = Array.from({ length: 1500 }, (_, index) => START - (index + 100) * DAY).reverse();
    for (const part of [days.slice(0, 700), days.slice(700)])
      await write(
        harness.store,
        part.map((at) => readingOf(device, at, { t: at / DAY })),
      );
    await write(
      harness.store,
      days.slice(-700).map((at) => readingOf(device, at, { t: 0 })),
    );
    const rows = await allReadings(harness.store, { device: device.id, limit: 333 });
    expect(rows.map(({ at }) => at)).toEqual(days);
    expect(rows.slice(-700).every(({ values }) => values.t === 0)).toBe(true);
    const { items } = await harness.store.query({ device: device.id, metric: 't', points: 1 });
    expect(items).toMatchObject([{ count: 1500 }]);
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(harness.path, { readOnly: true });
    const tables = database.prepare("SELECT count(*) AS count FROM sqlite_master WHERE type = 'table' AND name LIKE 'readings_%'").get();
    database.close();
    expect(Number(tables?.count)).toBe(1001);
    now += 500 * DAY;
    await write(harness.store, []);
    expect(await allReadings(harness.store, { device: device.id })).toEqual([]);
  });

  it('reads a busy device’s overlapping backlogs in order', async () => {
    await using harness = await open();
    const long = Array.from({ length: 400 }, (_, index) => readingOf(device, START + index * 9_000_000, { t: index }));
    const dense = Array.from({ length: 3000 }, (_, index) => readingOf(device, START + index * 1_000_000 + 5, { t: -index - 1 }));
    await write(harness.store, long);
    for (let start = 0; start < dense.length; start += 50) await write(harness.store, dense.slice(start, start + 50));
    const rows = await allReadings(harness.store, { device: device.id, limit: 777 });
    const expected = [...long, ...dense].sort((a, b) => a.at - b.at);
    expect(rows.map(({ at }) => at)).toEqual(expected.map(({ at }) => at));
  });
});
