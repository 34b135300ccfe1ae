import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pino from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { DeviceRef, Rejection } from '../../src/domain/reading.ts';
import { createHistory } from '../../src/history/history.ts';
import { openSeriesStore, type SeriesStoreConfig } from '../../src/history/open.ts';
import { createQuarantine } from '../../src/history/quarantine.ts';
import type { SeriesStore } from '../../src/history/series-store.ts';
import { BatchWriter } from '../../src/journal/batch.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { createMemoryJournal } from '../../src/journal/memory.ts';
import { systemClock } from '../../src/std/clock.ts';
import { messageOf, TocsinError } from '../../src/std/errors.ts';
import { allReadings, START } from '../contracts/series-store.ts';
import { startInflux } from '../services/influx.ts';

const logger = pino({ level: 'silent' });
const devices: DeviceRef[] = Array.from({ length: 20 }, (_, index) => ({ id: `d${index}`, profile: null, labels: {} }));
const shape = ['t', 'n'];

/** Appends `count` readings numbered from `from` on, spread over the devices, in batches of 100. */
async function append(journal: Journal, from: number, count: number): Promise<void> {
  for (let index = from; index < from + count; ) {
    const writer = new BatchWriter();
    for (; index < from + count && writer.count < 100; index++) {
      const at = START + index * 1000;
      const device = devices[index % devices.length];
      if (device !== undefined) writer.addReading(device, shape, [index / 4, index], { at, receivedAt: at, flags: 0 });
    }
    await journal.append(0, writer.take());
  }
}

const rejectionOf = (index: number, more: Partial<Rejection> = {}): Rejection => ({
  device: 'd1',
  topic: 'sensors/d1/telemetry',
  payload: Buffer.from(`{"n":${index}`),
  client: 'c1',
  receivedAt: START + index,
  reason: 'invalid-json',
  detail: `the text ends too early (${index})`,
  partial: false,
  ...more,
});

async function appendRejections(journal: Journal, rejections: readonly Rejection[]): Promise<void> {
  const writer = new BatchWriter();
  for (const rejection of rejections) writer.addRejection(rejection);
  await journal.append(0, writer.take());
}

/** Every number that history holds, in order. */
async function stored(store: SeriesStore): Promise<number[]> {
  const found: number[] = [];
  for (const device of devices) {
    const rows = await allReadings(store, { device: device.id, limit: 5000 }).catch(() => []);
    for (const { values } of rows) if (typeof values.n === 'number') found.push(values.n);
  }
  return found.sort((a, b) => a - b);
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(20);
  }
}

const folderOf = async () => {
  const path = await mkdtemp(join(tmpdir(), 'tocsin-history-consumer-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
};

/** History and quarantine on a journal, as the history thread runs them. */
async function start(journal: Journal, folder: string, config: SeriesStoreConfig = { url: 'sqlite:', keepMs: null }, bytesMax = 1_000_000) {
  const registry = new Registry();
  const common = { journal, journalId: journal.id, partition: 0, range: journal.range(0), clock: systemClock, logger, registry };
  const store = await openSeriesStore(config, { dataDirectory: folder, clock: systemClock, logger });
  const quarantine = createQuarantine({ ...common, path: join(folder, 'quarantine.db'), bytesMax });
  const history = createHistory({ ...common, store, quarantine });
  const stop = new AbortController();
  const running = Promise.all([history.run(stop.signal), quarantine.run(stop.signal)]);
  return {
    store,
    quarantine,
    history,
    registry,
    released: (id: string) => journal.stats().consumers.find((consumer) => consumer.id === id)?.released,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await store.close();
      quarantine.close();
    },
  };
}

describe('history', () => {
  it('stores what the journal holds and what comes, within a moment, and releases it', async () => {
    await using folder = await folderOf();
    const journal = createMemoryJournal({ clock: systemClock });
    await append(journal, 0, 25_000);
    await using running = await start(journal, folder.path);
    await until('the backlog is released', () => running.released('history') === 25_000);
    expect(await stored(running.store)).toEqual(Array.from({ length: 25_000 }, (_, index) => index));
    const beganMs = performance.now();
    await append(journal, 25_000, 1);
    await until(
      'the last one is stored',
      async () => (await allReadings(running.store, { device: 'd0', from: START + 25_000_000 })).length === 1,
    );
    expect(performance.now() - beganMs).toBeLessThan(2000);
    await until('it is released', () => running.released('history') === 25_001);
    expect(await running.registry.metrics()).toContain('tocsin_history_points_total{outcome="written"} 50002');
  });

  it('goes on after a stop where it was, and keeps what was pending', async () => {
    await using folder = await folderOf();
    const journal = createMemoryJournal({ clock: systemClock });
    for (let round = 0; round < 4; round++) {
      await append(journal, round * 1000, 1000);
      await using running = await start(journal, folder.path);
      await sleep(round * 40);
      expect(running.history.trouble()).toBeNull();
    }
    await using running = await start(journal, folder.path);
    await until('all is released', () => running.released('history') === 4000);
    expect(await stored(running.store)).toEqual(Array.from({ length: 4000 }, (_, index) => index));
  });

  it('refuses to start on another journal, or on one that ends before its cursor', async () => {
    await using folder = await folderOf();
    const journal = createMemoryJournal({ clock: systemClock });
    await append(journal, 0, 100);
    {
      await using running = await start(journal, folder.path);
      await until('all is released', () => running.released('history') === 100);
    }
    const other = createMemoryJournal({ clock: systemClock });
    await append(other, 0, 1000);
    await expect(start(other, folder.path)).rejects.toThrow(/another journal/);
    await expect(start({ ...journal, range: () => ({ first: 0, head: 50 }) }, folder.path)).rejects.toThrow(/the journal ends at 50/);
    await expect(start(other, folder.path)).rejects.toBeInstanceOf(TocsinError);
  });
});

const influx = await startInflux({ isOwn: true });
describe('history in InfluxDB', () => {
  it('is backfilled without loss after it was killed, hung and came back under load', { timeout: 90_000 }, async ({ skip }) => {
    if (!influx.available) return skip(influx.reason);
    await using server = influx.value;
    await using folder = await folderOf();
    const journal = createMemoryJournal({ clock: systemClock, holders: ['history'] });
    await using running = await start(journal, folder.path, { influx: server.databaseUrl('outage'), tags: [] });
    let written = 0;
    const load = async (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        await append(journal, written, 500);
        written += 500;
        await sleep(20);
      }
    };
    await load(30);
    await server.process?.kill();
    await load(60);
    await until('the outage is seen', () => running.history.trouble() !== null);
    expect(running.released('history')).toBeLessThan(written);
    await server.process?.start();
    await load(30);
    server.process?.pause();
    await load(30);
    server.process?.resume();
    await load(10);
    await until('everything is released', () => running.released('history') === written, 60_000);
    expect(running.history.trouble()).toBeNull();
    expect(await stored(running.store)).toEqual(Array.from({ length: written }, (_, index) => index));
  });
});

describe('on a full disk', () => {
  it('history and quarantine wait, and lose nothing once there is room again', { timeout: 60_000 }, async ({ skip }) => {
    await using folder = await folderOf();
    const mounted = await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tocsin-test', folder.path]).then(
      () => null,
      (error: unknown) => `a small file system cannot be mounted here: ${messageOf(error)}`,
    );
    if (mounted !== null) return skip(mounted);
    try {
      await writeFile(join(folder.path, 'ballast'), Buffer.alloc(4_500_000));
      const journal = createMemoryJournal({ clock: systemClock });
      await using running = await start(journal, folder.path);
      const rejections = Array.from({ length: 1000 }, (_, index) => rejectionOf(index, { payload: Buffer.alloc(500, 'x') }));
      await append(journal, 0, 40_000);
      await appendRejections(journal, rejections);
      await append(journal, 40_000, 40_000);
      await until('the full disk is seen', () => running.history.trouble() !== null, 20_000);
      await rm(join(folder.path, 'ballast'));
      await until('history is released', () => running.released('history') === 81_000, 30_000);
      expect(running.history.trouble()).toBeNull();
      expect(await stored(running.store)).toEqual(Array.from({ length: 80_000 }, (_, index) => index));
      await until('the rejections are kept', () => running.quarantine.reasons()[0]?.count === 1000, 30_000);
    } finally {
      await promisify(execFile)('umount', [folder.path]);
    }
  });
});

describe('the quarantine', () => {
  it('keeps rejections with all that is known, the newest first, by reason and device', async () => {
    await using folder = await folderOf();
    const journal = createMemoryJournal({ clock: systemClock });
    const rejections = Array.from({ length: 25 }, (_, index) =>
      rejectionOf(
        index,
        index % 5 === 0 ? { device: null, reason: 'out-of-range', partial: true, payload: Buffer.from([0, 255, index]) } : {},
      ),
    );
    await append(journal, 0, 10);
    await appendRejections(journal, rejections);
    await append(journal, 10, 10);
    await using running = await start(journal, folder.path);
    const { quarantine } = running;
    await until('they are kept', () => quarantine.list({}).items.length === 25);
    await until('they are released', () => running.released('quarantine') === 45, 20_000);
    const items = quarantine.list({}).items.map(({ id, ...rest }) => ({ ...rest, payload: Buffer.from(rest.payload) }));
    expect(items).toEqual(rejections.toReversed());
    expect(quarantine.list({ reason: 'out-of-range' }).items).toHaveLength(5);
    expect(quarantine.list({ device: 'd1' }).items).toHaveLength(20);
    expect(quarantine.reasons()).toMatchObject([
      { reason: 'invalid-json', count: 20, firstReceivedAt: START + 1, lastReceivedAt: START + 24, example: { receivedAt: START + 24 } },
      { reason: 'out-of-range', count: 5, firstReceivedAt: START, lastReceivedAt: START + 20, example: { partial: true } },
    ]);
    const first = quarantine.list({ limit: 10 });
    const second = quarantine.list({ limit: 20, cursor: first.next ?? '' });
    expect([...first.items, ...second.items].map(({ receivedAt }) => receivedAt)).toEqual(
      rejections.map(({ receivedAt }) => receivedAt).reverse(),
    );
    expect(second.next).toBeNull();
    const newest = first.items[0];
    expect(quarantine.show(newest?.id ?? 0)).toEqual(newest);
    expect(quarantine.show(9999)).toBeNull();
    expect(() => quarantine.list({ cursor: 'x' })).toThrow(TocsinError);
    expect(() => quarantine.list({ limit: 0 })).toThrow(TocsinError);
  });

  it('is bounded: the oldest go first, counted', async () => {
    await using folder = await folderOf();
    const journal = createMemoryJournal({ clock: systemClock });
    const payload = Buffer.alloc(1000, 'x');
    await using running = await start(journal, folder.path, undefined, 100_000);
    for (let round = 0; round < 10; round++)
      await appendRejections(
        journal,
        Array.from({ length: 50 }, (_, index) => rejectionOf(round * 50 + index, { payload })),
      );
    await until('all were read', () => running.quarantine.list({ limit: 1 }).items[0]?.receivedAt === START + 499);
    const { items } = running.quarantine.list({ limit: 1000 });
    expect(items.length).toBeGreaterThan(50);
    expect(items.length).toBeLessThan(100);
    const metrics = await running.registry.metrics();
    expect(metrics).toContain(`tocsin_quarantine_dropped_total ${500 - items.length}`);
    expect(metrics).toContain('tocsin_quarantine_kept_total 500');
  });

  it('keeps each rejection once over restarts, and what history refused once', async () => {
    await using folder = await folderOf();
    const journal = createMemoryJournal({ clock: systemClock });
    for (let round = 0; round < 3; round++) {
      await appendRejections(journal, [rejectionOf(round)]);
      await using running = await start(journal, folder.path);
      await until('it is kept', () => running.quarantine.list({}).items.some(({ receivedAt }) => receivedAt === START + round));
      running.quarantine.add([rejectionOf(99, { client: 'history', reason: 'history-refused' })]);
    }
    await using running = await start(journal, folder.path);
    await sleep(300);
    expect(
      running.quarantine
        .list({})
        .items.map(({ receivedAt }) => receivedAt - START)
        .sort((a, b) => a - b),
    ).toEqual([0, 1, 2, 99]);
  });
});
