/** Guarantee 4: an outage of InfluxDB fills the journal, not memory, shows as lag, holds up nobody, and is made up for without loss. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import { eventually, setUpStage } from '../crash/stage.ts';
import { residentBytesOf } from '../load/process-stats.ts';
import { startInflux } from '../services/influx.ts';
import type { ServerProcess } from '../services/service.ts';

const OUTAGE_MS = Number(process.env.OUTAGE_SECONDS ?? 12) * 1000;
const RESIDENT_GROWTH_MAX = 150 * 1024 * 1024;
const SETTLE_WAIT_MS = 120_000;
const READINGS_PER_SECOND = 3000;

interface Outage {
  readonly name: string;
  readonly begin: (influx: ServerProcess) => Promise<void> | void;
  readonly end: (influx: ServerProcess) => Promise<void> | void;
}

const OUTAGES: readonly Outage[] = [
  { name: 'is killed and started again', begin: (influx) => influx.kill(), end: (influx) => influx.start() },
  { name: 'takes requests and does not answer', begin: (influx) => influx.pause(), end: (influx) => influx.resume() },
];

describe('an InfluxDB', () => {
  it.for(OUTAGES)('that $name under load is written everything afterwards', { timeout: 240_000 + OUTAGE_MS }, async (outage, context) => {
    const influx = await startInflux({ isOwn: true });
    if (!influx.available) return context.skip(influx.reason);
    await using database = influx.value;
    if (database.process === null) throw new Error('an InfluxDB of our own has a process');
    await using stage = await setUpStage({
      settings: { history: { influx: database.databaseUrl('tocsin') } },
      fleet: { readingsPerSecond: READINGS_PER_SECOND },
    });
    stage.fleet.start();
    await using server = await stage.start();
    await systemClock.sleep(2000);
    const before = { resident: residentBytesOf(server.pid).now, acknowledged: stage.fleet.acknowledged, mails: stage.sink.mails.length };

    await outage.begin(database.process);
    await systemClock.sleep(OUTAGE_MS);
    const lag = (await server.metrics()).sum('tocsin_consumer_lag_readings', { consumer: 'history' });
    expect(lag, 'readings that history is behind').toBeGreaterThan(READINGS_PER_SECOND);
    expect(stage.fleet.acknowledged, 'devices are acknowledged as before').toBeGreaterThan(before.acknowledged + READINGS_PER_SECOND);
    expect(stage.sink.mails.length, 'alerts go out as before').toBeGreaterThan(before.mails);
    await outage.end(database.process);

    await eventually('history catches up', SETTLE_WAIT_MS, async () => {
      const metrics = await server.metrics();
      return metrics.sum('tocsin_consumer_lag_readings', { consumer: 'history' }) < READINGS_PER_SECOND;
    });
    const { faults, ...figures } = await stage.settle(server, { waitMs: SETTLE_WAIT_MS });
    const growth = residentBytesOf(server.pid).peak - before.resident;
    console.log(
      `InfluxDB ${outage.name} for ${OUTAGE_MS / 1000} s: lag ${lag}, memory +${Math.round(growth / 1e6)} MB, ${JSON.stringify(figures)}`,
    );
    expect(faults).toEqual([]);
    expect(growth).toBeLessThan(RESIDENT_GROWTH_MAX);
    await server.stop();
  });
});
