import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InfluxConnection, parseInfluxUrl } from '../../src/history/influx-connection.ts';
import { InfluxSeriesStore } from '../../src/history/influx-series-store.ts';
import { SeriesStoreUnavailable } from '../../src/history/series-store.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { systemClock } from '../../src/std/clock.ts';
import { allReadings, deviceOf, readingOf, START, type StoreHarness, seriesStoreContract, write } from '../contracts/series-store.ts';
import { startInflux } from '../services/influx.ts';

const influx = await startInflux();
afterAll(async () => {
  if (influx.available) await influx.value[Symbol.asyncDispose]();
});

let databases = 0;
async function open(server: string): Promise<StoreHarness & { readonly url: string; readonly connection: InfluxConnection }> {
  const folder = await mkdtemp(join(tmpdir(), 'tocsin-influx-store-'));
  databases += 1;
  const text = `${server}/tocsin-${process.pid}-${databases}`;
  const url = parseInfluxUrl(text);
  const make = () => new InfluxSeriesStore({ url, tags: ['site'], cursors: openDatabase(join(folder, 'cursor.db')), clock: systemClock });
  let store = make();
  const connection = new InfluxConnection(url, systemClock);
  return {
    url: text,
    connection,
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
      await connection.query(`DROP DATABASE "${url.database}"`).catch(() => undefined);
      await rm(folder, { recursive: true });
    },
  };
}

if (!influx.available) it('InfluxDB keeps the contract of a series store', ({ skip }) => skip(influx.reason));
describe.runIf(influx.available)('InfluxDB', () => {
  const server = influx.available ? influx.value.url : '';
  seriesStoreContract('InfluxDB', async () => {
    const harness = await open(server);
    // A query of a database that no write has made yet is an error of the server's.
    await write(harness.store, [readingOf(deviceOf('first'), START, { t: 1 })]);
    return harness;
  });

  it('has the schema that is promised to others', async () => {
    await using harness = await open(server);
    await write(harness.store, [
      readingOf(deviceOf('d1', 'vaccine-fridge', { site: 'berlin', room: '7' }), START, { temperature: 4, door: true, state: 'ok' }),
      readingOf(deviceOf('d2', null, { site: '' }), START, { temperature: 4, door: true, state: 'ok' }),
    ]);
    const fields = await harness.connection.query('SHOW FIELD KEYS');
    expect(fields.map(({ name, values }) => [name, values])).toEqual([
      [
        'readings',
        [
          ['door.bool', 'boolean'],
          ['state.text', 'string'],
          ['temperature', 'float'],
        ],
      ],
      [
        'vaccine-fridge',
        [
          ['door', 'boolean'],
          ['state', 'string'],
          ['temperature', 'float'],
        ],
      ],
    ]);
    const series = await harness.connection.query('SHOW SERIES');
    expect(series.flatMap(({ values }) => values.map(([key]) => key))).toEqual([
      'readings,device=d2',
      'vaccine-fridge,device=d1,site=berlin',
    ]);
    const [row] = await harness.connection.query('SELECT temperature FROM readings');
    expect(row?.values).toEqual([[START, 4]]);
  });

  it('refuses one bad value among thousands, and keeps the rest of its reading', async () => {
    await using harness = await open(server);
    const device = deviceOf('d1', 'p');
    await write(harness.store, [readingOf(device, START - 1, { a: 1, b: 1 })]);
    const bad = new Set([0, 1234, 2999]);
    const readings = Array.from({ length: 3000 }, (_, index) =>
      readingOf(device, START + index, { a: index, b: bad.has(index) ? 'text' : index }),
    );
    const outcome = await write(harness.store, readings);
    expect(outcome).toMatchObject({ written: 5997, refused: 3 });
    expect(
      outcome.refusals
        .map(({ reading, reason }) => [reading.at - START, reading.metrics, reason])
        .sort((x, y) => Number(x[0]) - Number(y[0])),
    ).toEqual([...bad].map((index) => [index, ['b'], 'history-type-conflict']));
    const rows = await allReadings(harness.store, { device: 'd1', from: START });
    expect(rows.map(({ values }) => values)).toEqual(readings.map((_, index) => (bad.has(index) ? { a: index } : { a: index, b: index })));
  });

  it('refuses what is beyond its retention, without sending it again and again', async () => {
    await using harness = await open(server);
    const device = deviceOf('d1');
    const now = systemClock.now();
    await write(harness.store, [readingOf(device, now, { t: 0 })]);
    await harness.connection
      .query(`CREATE RETENTION POLICY "day" ON "${parseInfluxUrl(harness.url).database}" DURATION 24h REPLICATION 1 DEFAULT`)
      .catch(() => undefined);
    const old = Array.from({ length: 500 }, (_, index) => readingOf(device, now - (90 + index) * 3600 * 1_000_000, { t: index }));
    const fresh = Array.from({ length: 500 }, (_, index) => readingOf(device, now - index * 1000, { t: index }));
    const mixed = old.flatMap((reading, index) => [reading, fresh[index] ?? reading]);
    for (let repeat = 0; repeat < 3; repeat++) {
      const outcome = await write(harness.store, mixed);
      expect(outcome).toMatchObject({ written: 500, refused: 500 });
      expect(new Set(outcome.refusals.map(({ reason }) => reason))).toEqual(new Set(['history-beyond-retention']));
    }
    expect(await allReadings(harness.store, { device: 'd1' })).toHaveLength(500);
  });
});

describe('an InfluxDB that cannot be used', () => {
  it.each([
    ['nothing listens', 'http://user:hidden-word@127.0.0.1:9/tocsin'],
    ['the host is unknown', 'http://user:hidden-word@nowhere.invalid:8086/tocsin'],
  ])('is said to be unavailable when %s, without its password', async (_, address) => {
    const cursors = openDatabase(':memory:');
    const store = new InfluxSeriesStore({ url: parseInfluxUrl(address), tags: [], cursors, clock: systemClock });
    const cursor = { partition: 0, journalId: 'j', position: 1 };
    const error = await write(store, [readingOf(deviceOf('d'), START, { t: 1 })], cursor).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SeriesStoreUnavailable);
    if (error instanceof SeriesStoreUnavailable) expect(error.render()).not.toContain('hidden-word');
    expect(store.cursor(0)).toBeNull();
    await store.close();
  });

  it.each(['127.0.0.1:8086/x', 'http://127.0.0.1:8086', 'ftp://h/x', ''])('is refused as an address: %j', (text) => {
    expect(() => parseInfluxUrl(text)).toThrow(/no address/);
  });

  it('takes user, password, path and database from its address', () => {
    expect(parseInfluxUrl('https://us%40er:p%3Ass@h.example/proxy/influx/my%20db')).toEqual({
      protocol: 'https',
      host: 'h.example',
      port: 443,
      path: '/proxy/influx',
      database: 'my db',
      username: 'us@er',
      password: 'p:ss',
    });
  });
});
