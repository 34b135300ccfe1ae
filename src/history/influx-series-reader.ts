/**
 * A history in InfluxDB read in order of time (series-reader.ts): in slices of time, each one query over all series. What
 * was written with other tags than today's is a series of its own; a device's series are put together.
 */
import type { DeviceRef, Reading, Shape, Value } from '../domain/reading.ts';
import type { InfluxConnection, ResultSeries } from './influx-connection.ts';
import { metricOf, profileOf, storedName } from './line-protocol.ts';
import { type DeviceOf, inOrder, Pace, type Run, type SeriesReader, settled } from './series-reader.ts';

/** What one series may answer with: a slice that reaches it is read again in smaller ones. */
const SERIES_ROWS_MAX = 100_000;
const FIRST_WIDTH_US = 3_600_000_000;

export class InfluxSeriesReader implements SeriesReader {
  readonly #connection: InfluxConnection;

  constructor(connection: InfluxConnection) {
    this.#connection = connection;
  }

  close(): void {
    // Each query has a connection of its own.
  }

  async *scan(range: { readonly from: number; readonly to: number }, deviceOf: DeviceOf): AsyncGenerator<readonly Reading[]> {
    const pace = new Pace(FIRST_WIDTH_US);
    const names = new Names(deviceOf);
    let from = range.from;
    while (from < range.to) {
      const to = Math.min(range.to, from + pace.widthUs);
      const readings = await this.#slice(from, to, names);
      if (readings === null && pace.shrink(to - from)) continue;
      if (readings === null) throw new Error(`more than ${SERIES_ROWS_MAX} points of one series within a millisecond`);
      pace.learn(to - from, readings.length);
      if (readings.length > 0) yield readings;
      from = to;
    }
  }

  /** Null when there is more than one slice may hold. */
  async #slice(from: number, to: number, names: Names): Promise<readonly Reading[] | null> {
    const rowsMax = SERIES_ROWS_MAX + 1;
    const result = await this.#connection.query(
      `SELECT *::field FROM /.*/ WHERE time >= ${from}u AND time < ${to}u GROUP BY * ORDER BY time ASC LIMIT ${rowsMax}`,
    );
    const runs = new Map<string, Run>();
    let count = 0;
    for (const series of result) {
      const id = series.tags.device;
      if (id === undefined) continue;
      const run = runs.get(id) ?? { readings: [], writes: [] };
      runs.set(id, run);
      addRows(run, series, names);
      count += series.values.length;
      if (series.values.length >= rowsMax || count > Pace.READINGS_MAX) return null;
    }
    return [...runs.values()].flatMap((run) => settled(run).readings).sort(inOrder);
  }
}

function addRows(run: Run, series: ResultSeries, names: Names): void {
  const device = names.device(series);
  for (const row of series.values) {
    const at = Number(row[0]);
    const metrics: string[] = [];
    const values: Value[] = [];
    for (let index = 1; index < row.length; index++) {
      const value = row[index];
      if (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'string') continue;
      metrics.push(metricOf(series.name, series.columns[index] ?? '', value));
      values.push(value);
    }
    if (values.length === 0) continue;
    run.readings.push({ device, at, receivedAt: at, flags: 0, metrics: names.shape(metrics), values });
    run.writes.push(0);
  }
}

class Names {
  readonly #deviceOf: DeviceOf;
  readonly #devices = new Map<string, DeviceRef>();
  readonly #shapes = new Map<string, Shape>();

  constructor(deviceOf: DeviceOf) {
    this.#deviceOf = deviceOf;
  }

  device(series: ResultSeries): DeviceRef {
    const key = JSON.stringify([series.name, series.tags]);
    const known = this.#devices.get(key);
    if (known !== undefined) return known;
    const { device = '', ...tags } = series.tags;
    const labels = Object.entries(tags).filter(([, value]) => value !== '');
    const decoded = Object.fromEntries(labels.map(([label, value]) => [storedName.decode(label), storedName.decode(value)]));
    const ref = this.#deviceOf(storedName.decode(device), { profile: profileOf(series.name), labels: decoded });
    this.#devices.set(key, ref);
    return ref;
  }

  shape(metrics: readonly string[]): Shape {
    const key = metrics.length === 1 ? `1${metrics[0]}` : JSON.stringify(metrics);
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    this.#shapes.set(key, metrics);
    return metrics;
  }
}
