/**
 * The embedded history: one SQLite file with a table a day, each row a block of one device's readings (block.ts),
 * clustered by device and time. Readings and cursor commit in one transaction.
 *
 * Blocks are only ever added. Where two hold a value of the same metric and instant, the one written later counts; that
 * is settled when they are read, so that writing never has to look for what is there. A block never crosses an hour:
 * readings of one hour are complete once the hour's blocks are read.
 *
 * Everything is synchronous, as SQLite is: it belongs in a worker. Long queries give way to writes after every few milliseconds.
 */
import type { StatementSync } from 'node:sqlite';
import type { DeviceRef, Reading, Shape, Value } from '../domain/reading.ts';
import { type Database, openDatabase } from '../sqlite/database.ts';
import { isPassing } from '../sqlite/fault.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { BlockEncoder, decodeBlock } from './block.ts';
import { type CursorTable, openCursorTable } from './cursor-table.ts';
import { NameTable } from './name-table.ts';
import { DAY_US, HOUR_US, Partitions } from './partitions.ts';
import {
  type Bucket,
  bucketWidth,
  type CheckedQuery,
  type Cursor,
  checkedQuery,
  pageOf,
  type SeriesPage,
  type SeriesQuery,
  type SeriesStore,
  SeriesStoreUnavailable,
  type StoredReading,
  type WriteOptions,
  type WriteOutcome,
} from './series-store.ts';

const PAGE_BYTES = 8192;
/** Every device that reports has its own last page: a cache that holds those of a thousand and their tree. */
const CACHE_KIB = 16 * 1024;
/** Those pages change with every write; a longer log copies each of them to the file once for many writes. 64 MB. */
const CHECKPOINT_PAGES = 8192;
const RETENTION_EVERY_US = HOUR_US;
/** How long a query may hold up writes before it gives way. */
const QUERY_TURN_MS = 5;
const FOREVER = { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };

interface Options {
  /** A file, or `:memory:`. */
  readonly path: string;
  /** null keeps everything. */
  readonly keepMs: number | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One device's readings of one write that share their metrics. */
interface Group {
  readonly metrics: Shape;
  readonly readings: Reading[];
}

type Visit = (at: number, metric: number, value: Value) => void;

export class SqliteSeriesStore implements SeriesStore {
  readonly #options: Options;
  readonly #database: Database;
  readonly #devices: NameTable;
  readonly #metrics: NameTable;
  readonly #partitions: Partitions;
  readonly #cursors: CursorTable;
  readonly #encoder = new BlockEncoder();
  /** Orders blocks by time of writing; close to the clock's µs, and never twice the same. */
  #lastWrite = 0;
  #nextRetentionAt = 0;

  constructor(options: Options) {
    this.#options = options;
    this.#database = openDatabase(options.path, { pageSizeBytes: PAGE_BYTES });
    this.#database.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
    this.#database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    this.#devices = new NameTable(this.#database, 'device');
    this.#metrics = new NameTable(this.#database, 'metric');
    this.#partitions = new Partitions(this.#database);
    this.#cursors = openCursorTable(this.#database);
    this.#database.migrate('history', ['CREATE TABLE last_write (write INTEGER NOT NULL) STRICT; INSERT INTO last_write VALUES (0)']);
    this.#lastWrite = Number(this.#database.prepare('SELECT write FROM last_write').get()?.write ?? 0);
  }

  cursor(partition: number): Cursor | null {
    return this.#cursors.load(partition);
  }

  async write(readings: readonly Reading[], options: WriteOptions): Promise<WriteOutcome> {
    const now = this.#options.clock.now();
    let written = 0;
    try {
      this.#database.transaction(() => {
        written = this.#insert(readings, now);
        if (options.cursor !== null) this.#cursors.save(options.cursor);
      });
    } catch (error) {
      this.#devices.forget();
      this.#metrics.forget();
      this.#partitions.reload();
      if (!isPassing(error)) throw error;
      throw new SeriesStoreUnavailable(`the history file ${this.#options.path} cannot be written: ${messageOf(error)}`, {
        hint: 'is the disk full, or gone? readings wait in the journal meanwhile',
        cause: error,
      });
    }
    this.#expire(now);
    return { written, refused: 0 };
  }

  async query(query: SeriesQuery): Promise<SeriesPage> {
    const checked = checkedQuery(query);
    const device = this.#devices.find(checked.device);
    const metric = checked.metric === null ? null : this.#metrics.find(checked.metric);
    if (device === undefined || metric === undefined) return { items: [], next: null };
    if (checked.kind === 'readings') return await this.#readings(checked, device, metric);
    return { items: metric === null ? [] : await this.#buckets(checked, device, metric), next: null };
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  async #readings(query: CheckedQuery & { kind: 'readings' }, device: number, metric: number | null): Promise<SeriesPage> {
    const rows: StoredReading[] = [];
    const range = { from: query.from ?? FOREVER.from, to: query.to ?? FOREVER.to };
    await this.#scan({ device, range, metric }, (at, values) => {
      const named = [...values].map(([id, value]) => [this.#metrics.nameOf(id), value] as const);
      rows.push({ at, device: query.device, values: Object.fromEntries(named) });
      return rows.length <= query.limit;
    });
    return pageOf(rows, query.limit);
  }

  async #buckets(query: CheckedQuery & { kind: 'buckets' }, device: number, metric: number): Promise<readonly Bucket[]> {
    const from = query.from ?? (await this.#firstAt(device, metric));
    const to = query.to ?? (await this.#endAt(device, metric));
    if (from === null || to === null || to <= from) return [];
    const width = bucketWidth({ from, to }, query.points);
    const sums = new Map<number, { sum: number; min: number; max: number; count: number }>();
    await this.#scan({ device, range: { from, to }, metric }, (at, values) => {
      const value = values.get(metric);
      if (typeof value !== 'number') return true;
      const step = Math.floor((at - from) / width);
      const sum = sums.get(step);
      if (sum === undefined) sums.set(step, { sum: value, min: value, max: value, count: 1 });
      else {
        sum.sum += value;
        sum.min = Math.min(sum.min, value);
        sum.max = Math.max(sum.max, value);
        sum.count += 1;
      }
      return true;
    });
    return [...sums].map(([step, { sum, min, max, count }]) => ({ at: from + step * width, avg: sum / count, min, max, count }));
  }

  #insert(readings: readonly Reading[], now: number): number {
    let values = 0;
    this.#lastWrite = Math.max(this.#lastWrite, now);
    for (const [device, groups] of groupByDevice(readings)) {
      const deviceId = this.#devices.idOf(device.id);
      for (const group of groups) {
        sortByTime(group.readings);
        const metricIds = group.metrics.map((name) => this.#metrics.idOf(name));
        this.#insertBlocks(deviceId, metricIds, group.readings, now);
        values += group.readings.length * metricIds.length;
      }
    }
    this.#database.prepare('UPDATE last_write SET write = ?').run(this.#lastWrite);
    return values;
  }

  #insertBlocks(device: number, metricIds: readonly number[], readings: readonly Reading[], now: number): void {
    for (let start = 0; start < readings.length; ) {
      const firstAt = readings[start]?.at ?? 0;
      const hourEnd = (Math.floor(firstAt / HOUR_US) + 1) * HOUR_US;
      const count = this.#encoder.encode(readings, start, metricIds, hourEnd);
      const span = (readings[start + count - 1]?.at ?? firstAt) - firstAt;
      this.#lastWrite += 1;
      this.#partitions.insertFor(firstAt, now).run(device, firstAt, this.#lastWrite, span, this.#encoder.bytes);
      start += count;
    }
  }

  /** Calls back with each instant in order, until that answers false; gives way to writes between hours. */
  async #scan(
    what: { device: number; range: { from: number; to: number }; metric: number | null },
    onInstant: (at: number, values: ReadonlyMap<number, Value>) => boolean,
  ): Promise<void> {
    const { clock } = this.#options;
    let from: number | null = what.range.from;
    while (from !== null) {
      const deadlineMs = clock.monotonicMs() + QUERY_TURN_MS;
      from = this.#scanTurn(what, from, () => clock.monotonicMs() > deadlineMs, onInstant);
      if (from !== null) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Returns the hour to go on from when the turn is over, or null at the end. */
  #scanTurn(
    what: { device: number; range: { from: number; to: number }; metric: number | null },
    from: number,
    isOver: () => boolean,
    onInstant: (at: number, values: ReadonlyMap<number, Value>) => boolean,
  ): number | null {
    const range = { from, to: what.range.to };
    const pending = new PendingInstants();
    let hour = Number.NEGATIVE_INFINITY;
    let written = 0;
    const visit: Visit = (at, metric, value) => {
      if (at >= range.from && at < range.to && (what.metric === null || what.metric === metric)) pending.put(at, metric, value, written);
    };
    for (const { at, write, block } of this.#blocks(what.device, range)) {
      const blockHour = Math.floor(at / HOUR_US);
      // What is before this block's first reading is complete: later blocks begin later.
      for (const [instant, values] of pending.takeBefore(at)) {
        if (!onInstant(instant, values)) return null;
      }
      if (blockHour !== hour && hour !== Number.NEGATIVE_INFINITY && isOver()) return Math.max(blockHour * HOUR_US, from);
      hour = blockHour;
      written = write;
      decodeBlock(block, at, visit);
    }
    for (const [instant, values] of pending.takeBefore(Number.POSITIVE_INFINITY)) if (!onInstant(instant, values)) return null;
    return null;
  }

  /** The device's blocks that may overlap the range, in order of time, from day tables and the shared one alike. */
  *#blocks(device: number, range: { from: number; to: number }): Generator<Block> {
    const days = this.#dayBlocks(device, range);
    if (!this.#partitions.hasShared) return yield* days;
    const shared = rowsOf(this.#partitions.scan('shared'), device, range, Math.floor(range.from / HOUR_US) * HOUR_US);
    try {
      let left = days.next();
      let right = shared.next();
      while (left.done !== true || right.done !== true) {
        if (left.done !== true && (right.done === true || left.value.at <= right.value.at)) {
          yield left.value;
          left = days.next();
        } else if (right.done !== true) {
          yield right.value;
          right = shared.next();
        }
      }
    } finally {
      // An unfinished statement would keep its table from being dropped.
      days.return(undefined);
      shared.return(undefined);
    }
  }

  *#dayBlocks(device: number, range: { from: number; to: number }): Generator<Block> {
    const earliest = Math.floor(range.from / HOUR_US) * HOUR_US;
    for (const day of this.#partitions.days(range)) {
      yield* rowsOf(this.#partitions.scan(day), device, { ...range, to: Math.min(range.to, (day + 1) * DAY_US) }, earliest);
    }
  }

  async #firstAt(device: number, metric: number): Promise<number | null> {
    let first: number | null = null;
    await this.#scan({ device, range: FOREVER, metric }, (at, values) => {
      if (typeof values.get(metric) === 'number') first = at;
      return first === null;
    });
    return first;
  }

  /** One past the metric's last number. Looked for from the newest day back. */
  async #endAt(device: number, metric: number): Promise<number | null> {
    let last: number | null = null;
    const days = this.#partitions.hasShared
      ? []
      : this.#partitions.days(FOREVER).map((day) => ({ from: day * DAY_US, to: (day + 1) * DAY_US }));
    for (const range of this.#partitions.hasShared ? [FOREVER] : days.reverse()) {
      await this.#scan({ device, range, metric }, (at, values) => {
        if (typeof values.get(metric) === 'number') last = at;
        return true;
      });
      if (last !== null) return last + 1;
    }
    return null;
  }

  #expire(now: number): void {
    const { keepMs, logger } = this.#options;
    if (keepMs === null || now < this.#nextRetentionAt) return;
    this.#nextRetentionAt = now + RETENTION_EVERY_US;
    try {
      const days = this.#partitions.expire(now, keepMs * 1000);
      if (days > 0) logger.info({ days }, 'history past its time was dropped');
    } catch (error) {
      this.#partitions.reload();
      if (!isPassing(error)) throw error;
      logger.warn({ reason: messageOf(error) }, 'history past its time could not be dropped: it is tried again within the hour');
    }
  }
}

/** A part of the device's readings as one write left it; `write` grows with each. */
interface Block {
  readonly at: number;
  readonly write: number;
  readonly block: Uint8Array;
}

/** Instants that blocks still to come may add to. */
class PendingInstants {
  readonly #instants = new Map<number, Map<number, Value>>();
  /** Of instants that several writes have values of: which write each is of. Few have. */
  readonly #writes = new Map<number, Map<number, number>>();
  /** The write that an instant's values are of, where there is one only. */
  readonly #write = new Map<number, number>();
  #latest = Number.NEGATIVE_INFINITY;

  /** Of values for the same instant and metric the one written last wins, in whatever order they come. */
  put(at: number, metric: number, value: Value, write: number): void {
    if (at > this.#latest) this.#latest = at;
    const known = this.#instants.get(at);
    if (known === undefined) {
      this.#instants.set(at, new Map([[metric, value]]));
      this.#write.set(at, write);
      return;
    }
    const only = this.#write.get(at);
    if (only === write) {
      known.set(metric, value);
      return;
    }
    const writes = this.#writes.get(at) ?? new Map([...known.keys()].map((each) => [each, only ?? 0]));
    this.#writes.set(at, writes);
    this.#write.delete(at);
    if ((writes.get(metric) ?? Number.NEGATIVE_INFINITY) > write) return;
    writes.set(metric, write);
    known.set(metric, value);
  }

  takeBefore(at: number): readonly (readonly [number, ReadonlyMap<number, Value>])[] {
    if (this.#instants.size === 0) return [];
    const isAll = this.#latest < at;
    const taken = isAll ? [...this.#instants] : [...this.#instants].filter(([instant]) => instant < at);
    const parts = [this.#instants, this.#writes, this.#write];
    for (const part of parts) {
      if (isAll) part.clear();
      else for (const [instant] of taken) part.delete(instant);
    }
    return taken.sort((a, b) => a[0] - b[0]);
  }
}

function* rowsOf(scan: StatementSync | undefined, device: number, range: { from: number; to: number }, earliest: number): Generator<Block> {
  if (scan === undefined) return;
  for (const row of scan.iterate(device, Math.max(earliest, Number.MIN_SAFE_INTEGER), range.to, range.from)) {
    if (row.block instanceof Uint8Array) yield { at: Number(row.at), write: Number(row.write), block: row.block };
  }
}

function groupByDevice(readings: readonly Reading[]): ReadonlyMap<DeviceRef, Group[]> {
  const devices = new Map<DeviceRef, Group[]>();
  for (const reading of readings) {
    const groups = devices.get(reading.device);
    if (groups === undefined) {
      devices.set(reading.device, [{ metrics: reading.metrics, readings: [reading] }]);
      continue;
    }
    let group = groups[0];
    if (group?.metrics !== reading.metrics) group = groups.find((candidate) => candidate.metrics === reading.metrics);
    if (group === undefined) groups.push({ metrics: reading.metrics, readings: [reading] });
    else group.readings.push(reading);
  }
  return devices;
}

/** In place; stable, so that of two readings at one instant the later one stays the later one. */
function sortByTime(readings: Reading[]): void {
  for (let index = 1; index < readings.length; index++) {
    if ((readings[index]?.at ?? 0) < (readings[index - 1]?.at ?? 0)) {
      readings.sort((a, b) => a.at - b.at);
      return;
    }
  }
}
