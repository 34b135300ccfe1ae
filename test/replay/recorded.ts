/** A folder as an instance leaves it: config, rules, devices, and data with what was recorded. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pino from 'pino';
import type { DeviceRef, Reading, Value } from '../../src/domain/reading.ts';
import { FLAG_DEVICE_TIME } from '../../src/domain/reading.ts';
import { openSeriesStore } from '../../src/history/open.ts';
import type { SeriesStore } from '../../src/history/series-store.ts';
import { BatchWriter } from '../../src/journal/batch.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { systemClock } from '../../src/std/clock.ts';

export const logger = pino({ level: 'silent' });
export const MINUTE_US = 60_000_000;

export const FILES: Readonly<Record<string, string>> = {
  'config/tocsin.yaml': 'email: {from: "a@example.org"}\n',
  'config/notify.yaml': `contacts:
  pharmacy: {email: pharmacy@example.org}
  night: {email: night@example.org}
routes:
  - {match: {level: critical}, to: [pharmacy, night]}
default: {to: [pharmacy]}
`,
  'config/rules/cold.yaml': `rules:
  - id: warm
    devices: {profile: fridge}
    levels:
      warning: {when: "temperature > limits.max", for: 10m}
      critical: {when: "temperature > limits.max", for: 60m}
`,
  'devices/profiles/fridge.yaml': `profile: fridge
topic: "f/{device}"
interval: 5m
metrics: {temperature: {range: [-40, 60]}}
limits: {max: 8}
`,
  'devices/fleet.yaml': 'devices:\n  - {id: d1, profile: fridge}\n  - {id: d2, profile: fridge}\n',
};

export interface Scene extends Disposable {
  readonly folder: string;
}

export function createScene(files: Readonly<Record<string, string | null>> = {}): Scene {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-backtest-'));
  for (const [name, text] of Object.entries({ ...FILES, ...files })) {
    if (text === null) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

export const fridge = (id: string): DeviceRef => ({ id, profile: 'fridge', labels: {} });

const SHAPE = Object.freeze(['temperature']);
/** A temperature every five minutes from `start` on. */
export function temperatures(device: DeviceRef, start: number, values: readonly Value[]): Reading[] {
  return values.map((value, index) => {
    const at = start + index * 5 * MINUTE_US;
    return { device, at, receivedAt: at, flags: FLAG_DEVICE_TIME, metrics: SHAPE, values: [value] };
  });
}

export const openHistory = ({ folder }: Scene): Promise<SeriesStore> =>
  openSeriesStore({ url: 'sqlite:', keepMs: null }, { dataDirectory: join(folder, 'data'), clock: systemClock, logger });

export async function writeHistory(store: SeriesStore, readings: readonly Reading[]): Promise<void> {
  await store.write(readings, { cursor: null, signal: new AbortController().signal, refused: () => undefined });
}

export async function recordHistory(scene: Scene, readings: readonly Reading[]): Promise<void> {
  const store = await openHistory(scene);
  await writeHistory(store, readings);
  await store.close();
}

/** @param readings in order of receipt; a batch each @returns the journal's id */
export async function recordJournal({ folder }: Scene, readings: readonly Reading[]): Promise<string> {
  mkdirSync(join(folder, 'data'), { recursive: true });
  const path = join(folder, 'data/journal.db');
  const sizes = { bytesMax: 1e12, reserveBytes: 0, keepMs: null };
  const journal = await openSqliteJournal({ path, ...sizes, clock: systemClock, logger, holders: ['nobody'] });
  for (const { device, metrics, values, ...times } of readings) {
    const writer = new BatchWriter();
    writer.addReading(device, metrics, values, times);
    await journal.append(0, writer.take());
  }
  const { id } = journal;
  await journal.close();
  return id;
}
