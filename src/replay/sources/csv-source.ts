/**
 * A CSV file as a source: the readings of one device, each received at its own time. The file is read as a stream. A row that
 * cannot be used is counted and told with its place, and never ends the run; a file of which no row can be used does.
 */
import { createReadStream, statSync } from 'node:fs';
import { Refusal } from '../../devices/decoders/value.ts';
import type { Profile } from '../../domain/device.ts';
import { type DeviceRef, FLAG_DEVICE_TIME, type Reading } from '../../domain/reading.ts';
import { messageOf, TocsinError } from '../../std/errors.ts';
import { Columns } from './csv-columns.ts';
import { type CsvRecord, CsvSplitter } from './csv-records.ts';
import type { Source, SourceBatch, TimeRange } from './source.ts';

const CHUNK_BYTES = 64 * 1024;
const PROBLEMS_SHOWN_MAX = 5;
/** Of a time that occurred twice, an hour apart, the one meant is nearest to this much after the row before. */
const HALF_AN_HOUR_US = 1_800_000_000;

export interface CsvOptions {
  readonly path: string;
  readonly device: DeviceRef;
  readonly profile: Profile | null;
  /** Of times that name none; null: such a time is an error. */
  readonly zone: string | null;
  readonly range: TimeRange;
}

/** What was found in the file so far. */
export interface CsvReport {
  readonly device: DeviceRef;
  rows: number;
  readings: number;
  /** Rows, and single values of rows, that could not be used; the first few with their place. */
  refused: number;
  readonly shown: string[];
  /** Rows older than one before them: such a reading counts as late. */
  late: number;
  metrics: readonly string[];
  /** µs; null: none was read. */
  first: number | null;
  last: number | null;
}

export interface CsvSource extends Source {
  readonly report: CsvReport;
}

export function csvSource(options: CsvOptions): CsvSource {
  const { path } = options;
  const sizeBytes = sizeOf(path);
  const stream = createReadStream(path, { encoding: 'utf8', highWaterMark: CHUNK_BYTES });
  const reading = new CsvReading(options);
  return {
    name: path,
    journalId: null,
    report: reading.report,
    batches: batchesOf(stream, reading, path),
    fraction: () => stream.bytesRead / Math.max(1, sizeBytes),
    [Symbol.asyncDispose]: async () => void stream.destroy(),
  };
}

async function* batchesOf(chunks: AsyncIterable<string>, reading: CsvReading, path: string): AsyncGenerator<SourceBatch> {
  const splitter = new CsvSplitter();
  const taken = (records: readonly CsvRecord[]): readonly Reading[] => reading.take(records, splitter.separator ?? ',');
  try {
    for await (const chunk of chunks) {
      const readings = taken(splitter.push(chunk));
      if (readings.length > 0) yield { readings, positions: null };
    }
  } catch (cause) {
    if (cause instanceof TocsinError || !(cause instanceof Error && 'code' in cause)) throw cause;
    throw new TocsinError(`cannot be read: ${messageOf(cause)}`, { place: path, cause });
  }
  const readings = taken(splitter.end());
  if (readings.length > 0) yield { readings, positions: null };
  reading.finish();
}

/** One pass over the file. */
class CsvReading {
  readonly report: CsvReport;
  readonly #options: CsvOptions;
  #columns: Columns | null = null;
  /** Of the latest reading, as journal time is. */
  #time = Number.NEGATIVE_INFINITY;

  constructor(options: CsvOptions) {
    this.#options = options;
    const counts = { rows: 0, readings: 0, refused: 0, late: 0 };
    this.report = { device: options.device, ...counts, shown: [], metrics: [], first: null, last: null };
  }

  take(records: readonly CsvRecord[], separator: string): readonly Reading[] {
    const readings: Reading[] = [];
    for (const record of records) {
      if (this.#columns === null) {
        const fields = 'fields' in record ? record.fields : [];
        this.#columns = new Columns(fields, { ...this.#options, separator });
        this.report.metrics = this.#columns.metrics;
        continue;
      }
      this.report.rows += 1;
      const reading = this.#row(record, this.#columns);
      if (reading !== null) readings.push(reading);
    }
    return readings;
  }

  finish(): void {
    const { path } = this.#options;
    if (this.#columns === null) throw new TocsinError('the file is empty', { place: path });
    if (this.report.first !== null) return;
    const details = this.report.shown.length === 0 ? '' : `\n${this.report.shown.join('\n')}`;
    throw new TocsinError(`none of its ${this.report.rows} rows could be used${details}`, { place: path });
  }

  #row(record: CsvRecord, columns: Columns): Reading | null {
    const { path, device, range } = this.#options;
    if ('problem' in record) return this.#refuse(record.line, record.problem);
    const near = Number.isFinite(this.#time) ? this.#time + HALF_AN_HOUR_US : 0;
    const row = columns.read(record.fields, near, (detail) => this.#refuse(record.line, detail));
    if (row instanceof Refusal && row.reason === 'no-zone') {
      const hint = 'name it: --timezone Europe/Berlin, or --timezone UTC';
      throw new TocsinError(row.detail, { place: `${path}:${record.line}`, hint });
    }
    if (row instanceof Refusal) return this.#refuse(record.line, row.detail);
    if (row === null) return null;
    const { at, metrics, values } = row;
    if (at < this.#time) this.#late(record.line);
    this.#time = Math.max(this.#time, at);
    this.report.first ??= at;
    this.report.last = this.#time;
    if (at < range.from || this.#time >= range.to) return null;
    this.report.readings += 1;
    return { device, at, receivedAt: this.#time, flags: FLAG_DEVICE_TIME, metrics, values };
  }

  #late(line: number): void {
    this.report.late += 1;
    const { path } = this.#options;
    if (this.report.first !== this.report.last || this.report.late > 1) return;
    throw new TocsinError('the newest row comes first', { place: `${path}:${line}`, hint: 'sort the file by time, the oldest row first' });
  }

  #refuse(line: number, detail: string): null {
    this.report.refused += 1;
    if (this.report.shown.length < PROBLEMS_SHOWN_MAX) this.report.shown.push(`${this.#options.path}:${line}: ${detail}`);
    return null;
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (cause) {
    throw new TocsinError(`cannot be read: ${messageOf(cause)}`, { place: path, cause });
  }
}
