/**
 * Recorded data to measure a backtest with: `node test/bench/backtest-data.ts FOLDER [readings] [readings a write]` makes a
 * history, a journal and a CSV file of the same readings of 100 fridges, one a minute each, and a config beside them.
 */
import { once } from 'node:events';
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { FLAG_DEVICE_TIME, type Reading } from '../../src/domain/reading.ts';
import { SqliteSeriesStore } from '../../src/history/sqlite-series-store.ts';
import { BatchWriter } from '../../src/journal/batch.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { systemClock } from '../../src/std/clock.ts';

const DEVICES = 100;
const MINUTE_US = 60_000_000;
const START_US = Date.UTC(2026, 0, 1) * 1000;
const METRICS = Object.freeze(['temperature', 'humidity']);
const JOURNAL_BATCH = 200;
const logger = pino({ level: 'silent' });

const FILES: Readonly<Record<string, string>> = {
  'config/tocsin.yaml': 'email: {from: "a@example.org"}\nhistory: {url: "sqlite:", keep: 4000d}\n',
  'config/notify.yaml': 'contacts:\n  pharmacy: {email: pharmacy@example.org}\ndefault: {to: [pharmacy]}\n',
  'config/rules/cold.yaml': `rules:
  - id: fridge-warm
    devices: {profile: fridge}
    levels:
      warning: {when: "temperature > limits.max", for: 10m, clear: "temperature < limits.max - 0.5"}
      critical: {when: "temperature > limits.max", for: 60m}
    noData: {after: 30m, raise: warning}
  - id: damp
    devices: {profile: fridge}
    levels:
      warning: {when: "humidity > 90.0 && temperature > 5.0", for: 5m}
`,
  'stricter/cold.yaml': `rules:
  - id: fridge-warm
    devices: {profile: fridge}
    levels:
      warning: {when: "temperature > limits.max", for: 30m}
`,
  'devices/profiles/fridge.yaml':
    'profile: fridge\ntopic: "sensors/{device}/telemetry"\ninterval: 1m\nmetrics: {temperature: {range: [-40, 60]}, humidity: {}}\nlimits: {max: 8}\n',
};

const devices = Array.from({ length: DEVICES }, (_, index) =>
  Object.freeze({ id: `fridge-${String(index).padStart(3, '0')}`, profile: 'fridge', labels: Object.freeze({ site: `s${index % 5}` }) }),
);

/** A fridge that is warm for an hour or two about once a week. */
function reading(number: number): Reading {
  const device = devices[number % DEVICES];
  const minute = Math.floor(number / DEVICES);
  if (device === undefined) throw new Error('no such device');
  const at = START_US + minute * MINUTE_US + (number % DEVICES) * 1000;
  const isWarm = (minute + (number % DEVICES) * 97) % 10_080 < 40 + (number % 90);
  const temperature = Math.round((4 + Math.sin(minute / 50) + (isWarm ? 6 : 0)) * 100) / 100;
  return { device, at, receivedAt: at, flags: FLAG_DEVICE_TIME, metrics: METRICS, values: [temperature, 40 + (minute % 55)] };
}

export async function makeData(folder: string, options: { readonly readings: number; readonly perWrite: number }): Promise<void> {
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const ids = devices.map(({ id }) => `  - {id: ${id}, profile: fridge}\n`).join('');
  writeFileSync(join(folder, 'devices/fleet.yaml'), `devices:\n${ids}`);
  mkdirSync(join(folder, 'data'), { recursive: true });
  await writeHistory(join(folder, 'data/history.db'), options);
  await writeJournal(join(folder, 'data/journal.db'), options.readings);
  await writeCsv(join(folder, 'one.csv'), options.readings);
}

async function writeHistory(path: string, { readings, perWrite }: { readings: number; perWrite: number }): Promise<void> {
  const store = new SqliteSeriesStore({ path, keepMs: null, clock: systemClock, logger });
  const signal = new AbortController().signal;
  for (let start = 0; start < readings; start += perWrite) {
    const batch = Array.from({ length: Math.min(perWrite, readings - start) }, (_, index) => reading(start + index));
    await store.write(batch, { cursor: null, signal, refused: () => undefined });
  }
  await store.close();
}

async function writeJournal(path: string, readings: number): Promise<void> {
  const journal = await openSqliteJournal({
    path,
    bytesMax: 1e12,
    reserveBytes: 0,
    keepMs: null,
    clock: systemClock,
    logger,
    holders: ['nobody'],
  });
  const writer = new BatchWriter();
  for (let number = 0; number < readings; number++) {
    const { device, metrics, values, at, receivedAt, flags } = reading(number);
    writer.addReading(device, metrics, values, { at, receivedAt, flags });
    if (writer.count === JOURNAL_BATCH || number === readings - 1) await journal.append(0, writer.take());
  }
  await journal.close();
}

/** All as one device's: a row a reading. */
async function writeCsv(path: string, readings: number): Promise<void> {
  const file = createWriteStream(path);
  file.write('time,temperature,humidity\n');
  for (let number = 0; number < readings; number++) {
    const { at, values } = reading(number);
    if (!file.write(`${new Date(at / 1000).toISOString()},${values.join()}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

const [folder, readings = '1000000', perWrite = '10000'] = process.argv.slice(2);
if (import.meta.main && folder !== undefined) await makeData(folder, { readings: Number(readings), perWrite: Number(perWrite) });
