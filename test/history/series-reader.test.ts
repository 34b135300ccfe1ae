import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import type { DeviceRef } from '../../src/domain/reading.ts';
import { InfluxConnection, parseInfluxUrl } from '../../src/history/influx-connection.ts';
import { openSeriesReader, openSeriesStore, type SeriesStoreConfig } from '../../src/history/open.ts';
import { systemClock } from '../../src/std/clock.ts';
import { TocsinError } from '../../src/std/errors.ts';
import { type ReaderHarness, seriesReaderContract } from '../contracts/series-reader.ts';
import { deviceOf, readingOf, START, write } from '../contracts/series-store.ts';
import { startInflux } from '../services/influx.ts';

const logger = pino({ level: 'silent' });
const HOUR = 3_600_000_000;

async function open(config: SeriesStoreConfig, prepare: (folder: string) => Promise<AsyncDisposable | null>): Promise<ReaderHarness> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'tocsin-reader-'));
  const store = await openSeriesStore(config, { dataDirectory, clock: systemClock, logger });
  const prepared = await prepare(dataDirectory);
  const reader = await openSeriesReader(config, { dataDirectory, clock: systemClock });
  return {
    store,
    reader,
    async [Symbol.asyncDispose]() {
      reader.close();
      await store.close();
      await prepared?.[Symbol.asyncDispose]();
      await rm(dataDirectory, { recursive: true });
    },
  };
}
const openSqlite = () => open({ url: 'sqlite:', keepMs: null }, async () => null);

seriesReaderContract('the embedded history', openSqlite);

describe('the embedded history, read again', () => {
  it('holds little in memory where an hour holds far more than a piece may', async () => {
    await using harness = await openSqlite();
    const devices = Array.from({ length: 5 }, (_, index) => deviceOf(`busy-${index}`));
    // A quiet hour, that widens the piece, and then 400,000 readings within a minute and a half.
    await write(harness.store, [readingOf(devices[0] ?? deviceOf('x'), START - 2 * HOUR, { t: 0 })]);
    for (let batch = 0; batch < 40; batch++) {
      const readings = Array.from({ length: 10_000 }, (_, index) =>
        readingOf(devices[index % 5] ?? deviceOf('x'), START + (batch * 10_000 + index) * 200, { t: index }),
      );
      await write(harness.store, readings);
    }
    let count = 0;
    let last = Number.NEGATIVE_INFINITY;
    let largest = 0;
    let isOrdered = true;
    for await (const readings of harness.reader.scan({ from: START - 5 * HOUR, to: START + HOUR }, (id) => deviceOf(id))) {
      for (const { at } of readings) {
        isOrdered &&= at >= last;
        last = at;
      }
      count += readings.length;
      largest = Math.max(largest, readings.length);
    }
    expect({ count, isOrdered }).toEqual({ count: 400_001, isOrdered: true });
    expect(largest).toBeLessThanOrEqual(160_000);
  });

  it('finds what clocks gone wild left in the table that many days share', async () => {
    await using harness = await openSqlite();
    const device = deviceOf('wild');
    const times = Array.from({ length: 1100 }, (_, index) => index * 30 * 24 * HOUR + 17);
    await write(
      harness.store,
      times.map((at) => readingOf(device, at, { t: at })),
    );
    const seen: number[] = [];
    for await (const readings of harness.reader.scan({ from: -HOUR, to: 1200 * 30 * 24 * HOUR }, (id) => deviceOf(id)))
      seen.push(...readings.map(({ at }) => at));
    expect(seen).toEqual(times);
  });

  it('of a file that is not there, or is something else, says what to do', async () => {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'tocsin-reader-'));
    const attempt = () => openSeriesReader({ url: 'sqlite:', keepMs: null }, { dataDirectory, clock: systemClock });
    await expect(attempt()).rejects.toThrow(TocsinError);
    await writeFile(join(dataDirectory, 'history.db'), 'x'.repeat(5000));
    await expect(attempt()).rejects.toThrow(/cannot read .*history\.db: file is not a database/);
    await rm(dataDirectory, { recursive: true });
  });
});

const influx = await startInflux();
afterAll(async () => {
  if (influx.available) await influx.value[Symbol.asyncDispose]();
});
if (!influx.available) it('InfluxDB keeps the contract of a series reader', ({ skip }) => skip(influx.reason));
describe.runIf(influx.available)('InfluxDB', () => {
  let databases = 0;
  const openInflux = () => {
    databases += 1;
    const text = influx.available ? influx.value.databaseUrl(`tocsin-reader-${process.pid}-${databases}`) : '';
    const url = parseInfluxUrl(text);
    const connection = new InfluxConnection(url, systemClock);
    const drop = { [Symbol.asyncDispose]: async () => void (await connection.query(`DROP DATABASE "${url.database}"`)) };
    return open({ influx: text, tags: ['site'] }, async () => {
      await connection.query(`CREATE DATABASE "${url.database}"`);
      return drop;
    });
  };
  seriesReaderContract('InfluxDB', openInflux);

  it('gives each device the profile and the labels that it was recorded with', async () => {
    await using harness = await openInflux();
    await write(harness.store, [
      readingOf(deviceOf('d 1', 'vaccine-fridge', { site: 'old, town' }), START, { temperature: 4, door: true, state: 'ok' }),
      readingOf(deviceOf('d2'), START + 1, { mode: 'on', 'on.bool': true }),
    ]);
    const seen: { device: DeviceRef; metrics: string[] }[] = [];
    const scanned = harness.reader.scan({ from: START, to: START + HOUR }, (id, recorded) => ({
      id,
      profile: recorded?.profile ?? null,
      labels: recorded?.labels ?? {},
    }));
    for await (const readings of scanned) seen.push(...readings.map(({ device, metrics }) => ({ device, metrics: [...metrics].sort() })));
    expect(seen).toEqual([
      { device: { id: 'd 1', profile: 'vaccine-fridge', labels: { site: 'old, town' } }, metrics: ['door', 'state', 'temperature'] },
      { device: { id: 'd2', profile: null, labels: {} }, metrics: ['mode', 'on.bool'] },
    ]);
  });
});
