/**
 * What history costs a reading: `node test/history/bench-series-store.ts [devices] [readings]`. CPU of the whole thread, from the
 * journal's bytes to the store; for InfluxDB the encoding alone, and with a real server beside it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { Reading } from '../../src/domain/reading.ts';
import { parseInfluxUrl } from '../../src/history/influx-connection.ts';
import { InfluxSeriesStore } from '../../src/history/influx-series-store.ts';
import { Interning } from '../../src/history/interning.ts';
import { LineEncoder } from '../../src/history/line-protocol.ts';
import { SqliteSeriesStore } from '../../src/history/sqlite-series-store.ts';
import { BatchWriter } from '../../src/journal/batch.ts';
import { readBatch } from '../../src/journal/batch-reader.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { systemClock } from '../../src/std/clock.ts';
import { startInflux } from '../services/influx.ts';

const devices = Number(process.argv[2] ?? 1000);
const total = Number(process.argv[3] ?? 500_000);
const BATCH = 10_000;
const START = 1_772_323_200_000_000;

const refs = Array.from({ length: devices }, (_, index) => ({ id: `device-${index}`, profile: null, labels: { site: 'berlin' } }));
const shape = ['temperature', 'humidity'];
const batches: Uint8Array[] = [];
for (let index = 0; index < total; ) {
  const writer = new BatchWriter();
  for (let inBatch = 0; inBatch < 500 && index < total; inBatch++, index++) {
    const ref = refs[(index * 7919) % devices];
    const at = START + index * 10;
    const values = [Math.round((20 + 5 * Math.sin(index / 1e4) + Math.random()) * 10) / 10, 40 + Math.random()];
    if (ref !== undefined) writer.addReading(ref, shape, values, { at, receivedAt: at, flags: 0 });
  }
  batches.push(writer.take().bytes);
}

async function measure(name: string, sink: (readings: Reading[]) => Promise<void> | void): Promise<void> {
  const interning = new Interning();
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let pending: Reading[] = [];
  for (const bytes of batches) {
    readBatch(
      bytes,
      { reading: (reading) => void pending.push(reading) },
      { internDevice: interning.device, internShape: interning.shape },
    );
    if (pending.length < BATCH) continue;
    await sink(pending);
    pending = [];
  }
  await sink(pending);
  const used = process.cpuUsage(cpu);
  const tookMs = performance.now() - startMs;
  const cost = (used.user + used.system) / total;
  process.stdout.write(`${name.padEnd(28)} ${cost.toFixed(2)} µs CPU a reading, ${Math.round(total / tookMs)}k readings/s\n`);
}

for (let round = 0; round < 2; round++) {
  await measure('decode alone', () => undefined);
  const encoder = new LineEncoder(['site']);
  await measure('decode, line protocol', (readings) => {
    for (let start = 0; start < readings.length; start += 5000) encoder.encode(readings.slice(start, start + 5000));
  });
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-bench-'));
  const store = new SqliteSeriesStore({
    path: join(folder, 'history.db'),
    keepMs: null,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
  });
  const signal = new AbortController().signal;
  await measure('decode, embedded history', async (readings) => {
    await store.write(readings, { cursor: null, signal, refused: () => undefined });
  });
  await store.close();
  rmSync(folder, { recursive: true });
}

const influx = await startInflux({ isOwn: true });
if (influx.available) {
  await using server = influx.value;
  const store = new InfluxSeriesStore({
    url: parseInfluxUrl(server.databaseUrl('bench')),
    tags: ['site'],
    cursors: openDatabase(':memory:'),
    clock: systemClock,
  });
  const signal = new AbortController().signal;
  await measure('decode, InfluxDB', async (readings) => {
    await store.write(readings, { cursor: null, signal, refused: () => undefined });
  });
  await store.close();
}
