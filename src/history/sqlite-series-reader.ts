/**
 * The embedded history read in order of time (series-reader.ts), from the file that an instance may be writing to.
 *
 * A table is clustered by device, and the order wanted is by time: it is read in slices of time, each device's part of a
 * slice by one short query. A block begins in one slice and may reach into the next; what is beyond the slice is carried over. As a
 * block never crosses an hour, nothing is carried from one day to the next, and a scan begins at the full hour.
 */
import type { StatementSync } from 'node:sqlite';
import type { DeviceRef, Reading, Shape } from '../domain/reading.ts';
import { openReadOnly, type ReadOnlyDatabase } from '../sqlite/read-only.ts';
import { messageOf } from '../std/errors.ts';
import { decodeRows } from './block.ts';
import { DAY_US, HOUR_US, SHARED_DAY } from './partitions.ts';
import { type DeviceOf, inOrder, Pace, type Run, type SeriesReader, settled } from './series-reader.ts';

interface Range {
  readonly from: number;
  readonly to: number;
}

/** A table that may hold readings of the day at hand, and those devices that it has any of. */
interface Table {
  readonly blocks: StatementSync;
  readonly devices: readonly number[];
}

export class SqliteSeriesReader implements SeriesReader {
  readonly #database: ReadOnlyDatabase;

  constructor(path: string) {
    this.#database = openReadOnly(path);
  }

  close(): void {
    this.#database.close();
  }

  async *scan(range: Range, deviceOf: DeviceOf): AsyncGenerator<readonly Reading[]> {
    const names = new Names(this.#database, deviceOf);
    const pace = new Pace(HOUR_US);
    for (const day of this.#days(range)) {
      const within = { from: Math.max(range.from, day * DAY_US), to: Math.min(range.to, (day + 1) * DAY_US) };
      for (const readings of this.#scanDay(day, within, { names, pace })) if (readings.length > 0) yield readings;
    }
  }

  *#scanDay(day: number, range: Range, { names, pace }: { names: Names; pace: Pace }): Generator<readonly Reading[]> {
    const tables = this.#tables(day);
    const devices = [...new Set(tables.flatMap((table) => table.devices))].sort((a, b) => a - b);
    const slices = new Slices(tables, devices, names);
    let from = Math.floor(range.from / HOUR_US) * HOUR_US;
    while (from < range.to) {
      const to = Math.min(range.to, from + pace.widthUs);
      const readings = slices.read({ from, to });
      // Far too much in one piece: again, in smaller ones.
      if (readings === null && pace.shrink(to - from)) continue;
      const taken = readings ?? slices.read({ from, to }, Number.POSITIVE_INFINITY) ?? [];
      pace.learn(to - from, taken.length);
      yield range.from > from ? taken.filter(({ at }) => at >= range.from) : taken;
      from = to;
    }
  }

  /** Days that may have readings in the range, in order: those with a table, and those that the shared table has blocks of. */
  #days(range: Range): readonly number[] {
    const days = new Set<number>();
    let hasShared = false;
    for (const row of this.#database.prepare('SELECT day FROM partition').all()) {
      if (Number(row.day) === SHARED_DAY) hasShared = true;
      else days.add(Number(row.day));
    }
    if (hasShared) {
      const floored = `(at - ((at % ${DAY_US}) + ${DAY_US}) % ${DAY_US}) / ${DAY_US}`;
      const name = this.#tableOf(SHARED_DAY);
      if (name !== null)
        for (const row of this.#database.prepare(`SELECT DISTINCT ${floored} AS day FROM ${name}`).all()) days.add(Number(row.day));
    }
    return [...days].filter((day) => (day + 1) * DAY_US > range.from && day * DAY_US < range.to).sort((a, b) => a - b);
  }

  #tables(day: number): readonly Table[] {
    const names = [this.#tableOf(day), this.#tableOf(SHARED_DAY)].filter((name) => name !== null);
    return names.flatMap((name) => {
      try {
        const blocks = this.#database.prepare(
          `SELECT at, write, block FROM ${name} WHERE device = ? AND at >= ? AND at < ? ORDER BY at, write`,
        );
        return [{ blocks, devices: this.#devicesIn(name) }];
      } catch (error) {
        if (isGone(error)) return [];
        throw error;
      }
    });
  }

  #tableOf(day: number): string | null {
    const row = this.#database.prepare('SELECT name FROM partition WHERE day = ?').get(day);
    return row === undefined ? null : String(row.name);
  }

  /** From one to the next in the table's tree: a day of many readings is not read for the names of its few devices. */
  #devicesIn(table: string): number[] {
    const next = this.#database.prepare(`SELECT device FROM ${table} WHERE device > ? ORDER BY device LIMIT 1`);
    const devices: number[] = [];
    for (let row = next.get(-1); row !== undefined; row = next.get(devices.at(-1) ?? 0)) devices.push(Number(row.device));
    return devices;
  }
}

/** One slice of a day after the other. */
class Slices {
  readonly #tables: readonly Table[];
  readonly #devices: readonly number[];
  readonly #names: Names;
  /** What blocks of earlier slices hold of later ones, by device. */
  #carried = new Map<number, Run>();

  constructor(tables: readonly Table[], devices: readonly number[], names: Names) {
    this.#tables = tables;
    this.#devices = devices;
    this.#names = names;
  }

  /** The readings of the slice, in order; null when there are more than `readingsMax`, and then it is as if it had not been asked. */
  read(slice: Range, readingsMax: number = Pace.READINGS_MAX): readonly Reading[] | null {
    const carried = new Map<number, Run>();
    const all: Reading[] = [];
    for (const device of this.#devices) {
      const run = settled(this.#runOf(device, slice));
      const end = firstAtOrAfter(run.readings, slice.to);
      for (let index = 0; index < end; index++) {
        const reading = run.readings[index];
        if (reading !== undefined) all.push(reading);
      }
      if (end < run.readings.length) carried.set(device, { readings: run.readings.slice(end), writes: run.writes.slice(end) });
      if (all.length > readingsMax) return null;
    }
    this.#carried = carried;
    return all.sort(inOrder);
  }

  #runOf(device: number, slice: Range): Run {
    const carried = this.#carried.get(device);
    const readings = carried === undefined ? [] : [...carried.readings];
    const writes = carried === undefined ? [] : [...carried.writes];
    const ref = this.#names.device(device);
    for (const { blocks } of this.#tables) {
      for (const row of blocksOf(blocks, device, slice)) {
        if (!(row.block instanceof Uint8Array)) continue;
        const write = Number(row.write);
        let metrics: Shape = [];
        decodeRows(row.block, Number(row.at), {
          metrics: (ids) => {
            metrics = this.#names.shape(ids);
          },
          row: (at, values) => {
            readings.push({ device: ref, at, receivedAt: at, flags: 0, metrics, values });
            writes.push(write);
          },
        });
      }
    }
    return { readings, writes };
  }
}

function blocksOf(blocks: StatementSync, device: number, slice: Range): ReturnType<StatementSync['all']> {
  try {
    return blocks.all(device, slice.from, slice.to);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** The day's table went past its time while it was read. */
const isGone = (error: unknown): boolean => /no such table/.test(messageOf(error));

function firstAtOrAfter(readings: readonly Reading[], at: number): number {
  let low = 0;
  let high = readings.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((readings[middle]?.at ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Numbers of the file → devices and metrics, each of which is one object. */
class Names {
  readonly #database: ReadOnlyDatabase;
  readonly #deviceOf: DeviceOf;
  readonly #devices = new Map<number, DeviceRef>();
  readonly #metrics = new Map<number, string>();
  readonly #shapes = new Map<string, Shape>();

  constructor(database: ReadOnlyDatabase, deviceOf: DeviceOf) {
    this.#database = database;
    this.#deviceOf = deviceOf;
  }

  device(id: number): DeviceRef {
    const known = this.#devices.get(id);
    if (known !== undefined) return known;
    const ref = this.#deviceOf(String(this.#database.prepare('SELECT name FROM device WHERE id = ?').get(id)?.name), null);
    this.#devices.set(id, ref);
    return ref;
  }

  shape(ids: readonly number[]): Shape {
    const key = ids.join();
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    const shape = Object.freeze(ids.map((id) => this.#metric(id)));
    this.#shapes.set(key, shape);
    return shape;
  }

  #metric(id: number): string {
    const known = this.#metrics.get(id);
    if (known !== undefined) return known;
    const name = String(this.#database.prepare('SELECT name FROM metric WHERE id = ?').get(id)?.name);
    this.#metrics.set(id, name);
    return name;
  }
}
