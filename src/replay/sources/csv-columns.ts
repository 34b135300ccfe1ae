/** What the columns of a CSV file mean: one is the time, the others are metrics; and a row of fields → time and values. */
import { definedValue, freeScalar, Refusal, shown } from '../../devices/decoders/value.ts';
import { nameProblem } from '../../devices/interning.ts';
import { readDeviceTime } from '../../devices/time.ts';
import type { MetricDefinition, Profile } from '../../domain/device.ts';
import type { Shape, Value } from '../../domain/reading.ts';
import { TocsinError } from '../../std/errors.ts';

const TIME_NAMES = ['time', 'timestamp', 'ts', 'at', 'local_time', 'datetime', 'date_time', 'date'];
const DATE_ONLY = /^\d{4}-\d{2}-\d{2}$/;
const DECIMAL_COMMA = /^[+-]?\d+,\d+$/;

interface Column {
  readonly index: number;
  readonly metric: string;
  /** Without scale and offset: a file has values in the metric's own unit. */
  readonly definition: MetricDefinition | null;
}

export interface Row {
  readonly at: number;
  readonly metrics: Shape;
  readonly values: readonly Value[];
}

export interface ColumnsOptions {
  readonly path: string;
  readonly profile: Profile | null;
  /** Of times that name none. */
  readonly zone: string | null;
  readonly separator: string;
}

export class Columns {
  readonly #options: ColumnsOptions;
  readonly #columns: readonly Column[];
  /** One column, or one of the date and one of the time of day. */
  readonly #time: readonly number[];
  readonly #count: number;
  readonly #shapes = new Map<string, Shape>();

  /** Throws a TocsinError when this is no header that can be used. */
  constructor(header: readonly string[], options: ColumnsOptions) {
    this.#options = options;
    this.#count = header.length;
    const names = header.map((name) => name.trim());
    const first = names[0] ?? '';
    if (typeof readDeviceTime(first, 'UTC', 0) === 'number') {
      throw new TocsinError(`${shown(first)} stands where the names of the columns should`, {
        place: `${options.path}:1`,
        hint: 'the first row names the columns: time,temperature,humidity',
      });
    }
    this.#time = timeColumns(names);
    this.#columns = names.flatMap((name, index) => (this.#time.includes(index) || name === '' ? [] : [columnOf(name, index, options)]));
    if (this.#columns.length === 0) {
      const hint = 'one column is the time, the others are metrics under their names';
      throw new TocsinError('there is no column beside the time', { place: `${options.path}:1`, hint });
    }
  }

  get metrics(): readonly string[] {
    return this.#columns.map(({ metric }) => metric);
  }

  /**
   * Null where the row holds no value. `refused` is told of each value that the profile does not take.
   * @param near µs; of a time that occurred twice, when the clocks went back, the one next to it is meant
   */
  read(fields: readonly string[], near: number, refused: (detail: string) => void): Row | Refusal | null {
    if (fields.length !== this.#count) {
      return new Refusal('fields', `${fields.length} field${fields.length === 1 ? '' : 's'}, and ${this.#count} columns`);
    }
    const at = this.#timeOf(fields, near);
    if (at instanceof Refusal) return at;
    const values: Value[] = [];
    let present = '';
    for (let index = 0; index < this.#columns.length; index++) {
      const column = this.#columns[index];
      if (column === undefined) continue;
      const value = this.#valueOf(column, fields[column.index] ?? '');
      if (value instanceof Refusal) refused(column.definition === null ? `${column.metric}: ${value.detail}` : value.detail);
      else if (value !== undefined) {
        values.push(value);
        present += `${index} `;
      }
    }
    return values.length === 0 ? null : { at, metrics: this.#shapeOf(present), values };
  }

  #timeOf(fields: readonly string[], near: number): number | Refusal {
    const [first = -1, second] = this.#time;
    const written = (fields[first] ?? '').trim();
    const text =
      second === undefined ? (DATE_ONLY.test(written) ? `${written}T00:00:00` : written) : `${written}T${fields[second]?.trim()}`;
    const time = readDeviceTime(text, this.#options.zone, near);
    if (time === 'no-zone') return new Refusal('no-zone', `${shown(text)} has no time zone`);
    return time === 'invalid' ? new Refusal('invalid-time', `${shown(text)} is no time`) : time;
  }

  #valueOf(column: Column, field: string): Value | undefined | Refusal {
    const isDecimalComma = this.#options.separator !== ',' && field.includes(',') && DECIMAL_COMMA.test(field.trim());
    const text = isDecimalComma ? field.replace(',', '.') : field;
    return column.definition === null ? freeScalar(text.trim()) : definedValue(column.definition, text);
  }

  #shapeOf(present: string): Shape {
    const known = this.#shapes.get(present);
    if (known !== undefined) return known;
    const shape = Object.freeze(
      present
        .trim()
        .split(' ')
        .map((index) => this.#columns[Number(index)]?.metric ?? ''),
    );
    this.#shapes.set(present, shape);
    return shape;
  }
}

function timeColumns(names: readonly string[]): readonly number[] {
  const lower = names.map((name) => name.toLowerCase());
  const [date, time] = [lower.indexOf('date'), lower.indexOf('time')];
  if (date >= 0 && time >= 0) return [date, time];
  const named = lower.findIndex((name) => TIME_NAMES.includes(name));
  return [Math.max(named, 0)];
}

/** By the metric's name, or by the path under which the device's own messages have it. */
function columnOf(name: string, index: number, { path, profile }: ColumnsOptions): Column {
  const metrics = profile?.metrics ?? [];
  const definition = metrics.find((metric) => metric.name === name) ?? metrics.find((metric) => metric.path === name);
  const problem = name === '__proto__' ? 'a metric cannot be called __proto__' : nameProblem(name);
  if (problem !== null) throw new TocsinError(`column ${index + 1}: ${problem}`, { place: `${path}:1` });
  if (definition === undefined) return { index, metric: name, definition: null };
  return { index, metric: definition.name, definition: { ...definition, scale: 1, offset: 0 } };
}
