/**
 * History in InfluxDB. The server makes rewriting a point harmless (same series, same time: the last one counts), so a batch
 * is repeated whole after an outage. The cursor lies in a small local database and is saved after the server's answer.
 *
 * **One bad point never drops its neighbours.** The server says that a batch held something it refuses, but not
 * which: the batch is halved until single values are left. What was learnt that way (a field that the server holds with
 * another type, the age that its retention policy takes) refuses the like at once for LEARNT_US, so that a device which keeps
 * sending it costs a dozen requests once and not with every batch.
 */
import type { Reading, Value } from '../domain/reading.ts';
import type { Database } from '../sqlite/database.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import { type CursorTable, openCursorTable } from './cursor-table.ts';
import { InfluxConnection, type InfluxUrl } from './influx-connection.ts';
import { fieldOf, influxIdentifier, influxLiteral, LineEncoder, measurementOf, metricOf, storedName } from './line-protocol.ts';
import {
  type Bucket,
  bucketWidth,
  type CheckedQuery,
  type Cursor,
  checkedQuery,
  pageOf,
  type Refusal,
  type SeriesPage,
  type SeriesQuery,
  type SeriesStore,
  type StoredReading,
  type WriteOptions,
  type WriteOutcome,
} from './series-store.ts';

const REQUEST_READINGS_MAX = 5000;
const REQUESTS_IN_FLIGHT_MAX = 2;
const LEARNT_US = 600_000_000;
const LEARNT_MAX = 1000;
const DETAIL_LENGTH_MAX = 500;
/** Rows asked for beyond the page: one instant may have several, from times with other tags. */
const ROWS_SPARE = 64;

export class InfluxSeriesStore implements SeriesStore {
  readonly #connection: InfluxConnection;
  readonly #encoder: LineEncoder;
  readonly #database: Database;
  readonly #cursors: CursorTable;
  readonly #learnt: Learnt;

  /** @param options.cursors a small local database */
  constructor(options: { readonly url: InfluxUrl; readonly tags: readonly string[]; readonly cursors: Database; readonly clock: Clock }) {
    this.#connection = new InfluxConnection(options.url, options.clock);
    this.#encoder = new LineEncoder(options.tags);
    this.#database = options.cursors;
    this.#cursors = openCursorTable(options.cursors);
    this.#learnt = new Learnt(options.clock);
  }

  cursor(partition: number): Cursor | null {
    return this.#cursors.load(partition);
  }

  async write(readings: readonly Reading[], options: WriteOptions): Promise<WriteOutcome> {
    const refusals: Refusal[] = [];
    let next = 0;
    const sender = async () => {
      while (next < readings.length) {
        const start = next;
        next += REQUEST_READINGS_MAX;
        await this.#store(readings.slice(start, start + REQUEST_READINGS_MAX), options.signal, refusals);
      }
    };
    const outcomes = await Promise.allSettled(Array.from({ length: REQUESTS_IN_FLIGHT_MAX }, sender));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    const refused = countValues(refusals.map(({ reading }) => reading));
    if (refusals.length > 0) options.refused(refusals);
    if (options.cursor !== null) this.#cursors.save(options.cursor);
    return { written: countValues(readings) - refused, refused };
  }

  async query(query: SeriesQuery): Promise<SeriesPage> {
    const checked = checkedQuery(query);
    if (checked.kind === 'readings') return await this.#readings(checked);
    return { items: await this.#buckets(checked), next: null };
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  async #store(batch: readonly Reading[], signal: AbortSignal, refusals: Refusal[]): Promise<void> {
    const readings = this.#learnt.without(batch, refusals);
    const [first] = readings;
    if (first === undefined) return;
    const answer = await this.#connection.write(this.#encoder.encode(readings), signal);
    if (answer.outcome === 'written') return;
    const reason = reasonOf(answer.detail);
    const isBeyondRetention = reason === 'history-beyond-retention';
    const areAll = isBeyondRetention && droppedOf(answer.detail) === readings.length;
    if (areAll || (readings.length === 1 && first.values.length <= 1)) {
      for (const reading of readings) {
        const refusal = { reading, reason, detail: answer.detail.slice(0, DETAIL_LENGTH_MAX) };
        refusals.push(refusal);
        this.#learnt.learn(refusal);
      }
      return;
    }
    // In order of time, what is beyond retention lies together, and halving finds its end in a few steps.
    const parts = readings.length === 1 ? singleValues(first) : isBeyondRetention ? readings.toSorted((a, b) => a.at - b.at) : readings;
    const middle = Math.ceil(parts.length / 2);
    await this.#store(parts.slice(0, middle), signal, refusals);
    await this.#store(parts.slice(middle), signal, refusals);
  }

  async #readings(query: CheckedQuery & { kind: 'readings' }): Promise<SeriesPage> {
    const rowsMax = query.limit + ROWS_SPARE;
    const what = query.metric === null ? '*::field' : fieldsOf(query.metric).join(', ');
    const result = await this.#connection.query(`SELECT ${what} FROM /.*/ WHERE ${where(query)} ORDER BY time ASC LIMIT ${rowsMax}`);
    const instants = new Map<number, Record<string, Value>>();
    let completeBefore = Number.POSITIVE_INFINITY;
    for (const { name, columns, values } of result) {
      // A measurement that has more may have more of its last instant too: the next page brings that.
      if (values.length >= rowsMax) completeBefore = Math.min(completeBefore, Number(values.at(-1)?.[0]));
      for (const row of values) {
        const at = Number(row[0]);
        const known = instants.get(at) ?? {};
        instants.set(at, known);
        for (const [index, value] of row.entries()) {
          if (index === 0 || (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'string')) continue;
          const metric = metricOf(name, columns[index] ?? '', value);
          if (query.metric === null || query.metric === metric)
            Object.defineProperty(known, metric, { value, enumerable: true, configurable: true, writable: true });
        }
      }
    }
    const rows: StoredReading[] = [...instants]
      .filter(([at, values]) => at < completeBefore && Object.keys(values).length > 0)
      .sort((a, b) => a[0] - b[0])
      .map(([at, values]) => ({ at, device: query.device, values }));
    if (completeBefore !== Number.POSITIVE_INFINITY && rows.length <= query.limit && rows.length > 0) {
      return { items: rows, next: String(rows.at(-1)?.at) };
    }
    return pageOf(rows, query.limit);
  }

  async #buckets(query: CheckedQuery & { kind: 'buckets' }): Promise<readonly Bucket[]> {
    const field = influxIdentifier(storedName.encode(fieldOf({ profile: null }, query.metric, 'number')));
    const from = query.from ?? (await this.#edge(`first(${field})`, query));
    const last = query.to === null ? await this.#edge(`last(${field})`, query) : null;
    const to = query.to ?? (last === null ? null : last + 1);
    if (from === null || to === null || to <= from) return [];
    const width = bucketWidth({ from, to }, query.points);
    const select = `SELECT mean(${field}), min(${field}), max(${field}), count(${field}) FROM /.*/`;
    const steps = `GROUP BY time(${width}u, ${from % width}u) fill(none)`;
    const result = await this.#numbers(`${select} WHERE ${where({ ...query, from, to })} ${steps}`);
    const buckets = new Map<number, Bucket>();
    for (const { values } of result) {
      for (const [time, avg, min, max, count] of values) {
        const bucket = { at: Number(time), avg: Number(avg), min: Number(min), max: Number(max), count: Number(count) };
        if (bucket.count > 0) buckets.set(bucket.at, merged(buckets.get(bucket.at), bucket));
      }
    }
    return [...buckets.values()].sort((a, b) => a.at - b.at);
  }

  /** The time of the metric's first or last number in any measurement. */
  async #edge(selector: string, query: CheckedQuery): Promise<number | null> {
    const result = await this.#numbers(`SELECT ${selector} FROM /.*/ WHERE ${where(query)}`);
    const times = result.flatMap(({ values }) => values.map(([time]) => Number(time)));
    if (times.length === 0) return null;
    return selector.startsWith('first') ? Math.min(...times) : Math.max(...times);
  }

  /** A metric that is text or boolean has no averages. */
  async #numbers(text: string): ReturnType<InfluxConnection['query']> {
    try {
      return await this.#connection.query(text);
    } catch (error) {
      if (/unsupported .* iterator type/.test(messageOf(error))) return [];
      throw error;
    }
  }
}

/** Refusals that are sure to come again, for a while: a server may be mended. */
class Learnt {
  readonly #clock: Clock;
  readonly #conflicts = new Map<string, { readonly detail: string; readonly until: number }>();
  #retention: { readonly at: number; readonly detail: string; readonly until: number } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  learn({ reading, reason, detail }: Refusal): void {
    const until = this.#clock.now() + LEARNT_US;
    if (reason === 'history-beyond-retention') {
      if (this.#retention === null || reading.at > this.#retention.at) this.#retention = { at: reading.at, detail, until };
      return;
    }
    const [metric] = reading.metrics;
    const [value] = reading.values;
    if (reason !== 'history-type-conflict' || metric === undefined || value === undefined) return;
    if (this.#conflicts.size >= LEARNT_MAX) this.#conflicts.clear();
    this.#conflicts.set(conflictKey(reading, metric, value), { detail, until });
  }

  /** What is left to be sent; the rest is added to the refusals. */
  without(readings: readonly Reading[], refusals: Refusal[]): readonly Reading[] {
    const now = this.#clock.now();
    if (this.#retention !== null && this.#retention.until < now) this.#retention = null;
    for (const [key, { until }] of this.#conflicts) if (until < now) this.#conflicts.delete(key);
    if (this.#retention === null && this.#conflicts.size === 0) return readings;
    return readings.flatMap((reading) => this.#left(reading, refusals));
  }

  #left(reading: Reading, refusals: Refusal[]): readonly Reading[] {
    if (this.#retention !== null && reading.at <= this.#retention.at) {
      refusals.push({ reading, reason: 'history-beyond-retention', detail: this.#retention.detail });
      return [];
    }
    if (this.#conflicts.size === 0) return [reading];
    const kept: Reading[] = [];
    let hasRefused = false;
    for (const single of singleValues(reading)) {
      const [metric = ''] = single.metrics;
      const [value = ''] = single.values;
      const conflict = this.#conflicts.get(conflictKey(single, metric, value));
      if (conflict === undefined) kept.push(single);
      else {
        hasRefused = true;
        refusals.push({ reading: single, reason: 'history-type-conflict', detail: conflict.detail });
      }
    }
    return hasRefused ? kept : [reading];
  }
}

const conflictKey = (reading: Reading, metric: string, value: Value): string =>
  `${measurementOf(reading.device)}\n${typeof value}\n${metric}`;

/** The reading as one reading a value: InfluxDB joins points of one series and time again. */
const singleValues = (reading: Reading): readonly Reading[] =>
  reading.values.map((value, index) => ({ ...reading, metrics: [reading.metrics[index] ?? ''], values: [value] }));

function countValues(readings: readonly Reading[]): number {
  let count = 0;
  for (const { values } of readings) count += values.length;
  return count;
}

function reasonOf(detail: string): string {
  if (/beyond retention/i.test(detail)) return 'history-beyond-retention';
  if (/type conflict|invalid column type|already exists as type/i.test(detail)) return 'history-type-conflict';
  return 'history-refused';
}

function droppedOf(detail: string): number {
  return Number(/dropped=(\d+)/.exec(detail)?.[1] ?? -1);
}

/** Every field that may hold the metric: with a profile, and without one by type. */
function fieldsOf(metric: string): readonly string[] {
  const fields = (['number', 'boolean', 'string'] as const).map((type) => fieldOf({ profile: null }, metric, type));
  return fields.map((field) => `${influxIdentifier(storedName.encode(field))}::field`);
}

function where(query: { readonly device: string; readonly from: number | null; readonly to: number | null }): string {
  const conditions = [`"device"::tag = ${influxLiteral(storedName.encode(query.device))}`];
  if (query.from !== null) conditions.push(`time >= ${query.from}u`);
  if (query.to !== null) conditions.push(`time < ${query.to}u`);
  return conditions.join(' AND ');
}

function merged(left: Bucket | undefined, right: Bucket): Bucket {
  if (left === undefined) return right;
  const count = left.count + right.count;
  return {
    at: left.at,
    avg: (left.avg * left.count + right.avg * right.count) / count,
    min: Math.min(left.min, right.min),
    max: Math.max(left.max, right.max),
    count,
  };
}
