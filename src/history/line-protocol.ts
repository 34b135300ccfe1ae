/**
 * Readings as InfluxDB line protocol, the schema of CONTRACT.md: measurement = the profile's name or `readings`; tag
 * `device` and chosen labels; a field a metric, every number a float; without a profile booleans and text as
 * `<metric>.bool` and `<metric>.text`, so that the types of a field never clash; time in µs.
 *
 * What line protocol cannot hold in a name or a tag is percent-encoded: line ends, a backslash before a delimiter, a quote or
 * the end (the server would take it for an escape), a `#` that begins a measurement (a comment). A metric called `time` is the field `time.value`, for
 * the name is reserved.
 */
import type { DeviceRef, Reading, Shape, Value } from '../domain/reading.ts';

const DEFAULT_MEASUREMENT = 'readings';
const RESERVED_NAME = 'time';
const RESERVED_FIELD = 'time.value';
const TYPES = { number: '', boolean: '.bool', string: '.text' } as const;
type ValueType = keyof typeof TYPES;

export interface FieldKeys {
  readonly number: string;
  readonly boolean: string;
  readonly string: string;
}

export class LineEncoder {
  readonly #tags: readonly string[];
  /** Everything of a line before its fields, by device. Devices and shapes are interned by the caller and die with it. */
  readonly #heads = new WeakMap<DeviceRef, string>();
  readonly #plainKeys = new WeakMap<Shape, readonly FieldKeys[]>();
  readonly #typedKeys = new WeakMap<Shape, readonly FieldKeys[]>();

  /** @param tags labels that become tags */
  constructor(tags: readonly string[]) {
    this.#tags = tags.filter((tag) => tag !== 'device' && tag !== RESERVED_NAME);
  }

  encode(readings: readonly Reading[]): Buffer<ArrayBuffer> {
    let text = '';
    for (const reading of readings) text += this.#line(reading);
    return Buffer.from(text);
  }

  #line(reading: Reading): string {
    const { device, metrics, values } = reading;
    const keys = this.#keysOf(device, metrics);
    let line = this.#headOf(device);
    for (let index = 0; index < values.length; index++) {
      const value = values[index];
      const key = keys[index];
      if (value === undefined || key === undefined) continue;
      if (index > 0) line += ',';
      if (typeof value === 'number') line += key.number + value;
      else if (typeof value === 'boolean') line += key.boolean + (value ? 'true' : 'false');
      else line += `${key.string}"${value.replace(/[\\"]/g, '\\$&')}"`;
    }
    return `${line} ${reading.at}\n`;
  }

  #headOf(device: DeviceRef): string {
    const known = this.#heads.get(device);
    if (known !== undefined) return known;
    let head = `${escapeMeasurement(measurementOf(device))},device=${escapeName(device.id)}`;
    // In the order of their keys, which spares the server the sorting.
    const labels = this.#tags.map((tag) => [tag, device.labels[tag] ?? ''] as const).filter(([, value]) => value !== '');
    for (const [tag, value] of labels.sort()) head += `,${escapeName(tag)}=${escapeName(value)}`;
    this.#heads.set(device, `${head} `);
    return `${head} `;
  }

  #keysOf(device: DeviceRef, metrics: Shape): readonly FieldKeys[] {
    const cache = device.profile === null ? this.#typedKeys : this.#plainKeys;
    const known = cache.get(metrics);
    if (known !== undefined) return known;
    const keyOf = (metric: string, type: ValueType) => `${escapeName(fieldOf(device, metric, type))}=`;
    const keys = metrics.map((metric) => ({
      number: keyOf(metric, 'number'),
      boolean: keyOf(metric, 'boolean'),
      string: keyOf(metric, 'string'),
    }));
    cache.set(metrics, keys);
    return keys;
  }
}

export const measurementOf = (device: DeviceRef): string => device.profile ?? DEFAULT_MEASUREMENT;

/** The profile that a measurement of ours stands for. */
export const profileOf = (measurement: string): string | null =>
  measurement === DEFAULT_MEASUREMENT ? null : storedName.decode(measurement).replace(/^%23/, '#');

/** The field that holds a metric's values of a type. */
export function fieldOf(device: { readonly profile: string | null }, metric: string, type: ValueType): string {
  const field = metric === RESERVED_NAME ? RESERVED_FIELD : metric;
  return device.profile === null ? field + TYPES[type] : field;
}

/** The metric of a field that the server answered with. */
export function metricOf(measurement: string, field: string, value: Value): string {
  let metric = storedName.decode(field);
  const suffix = measurement === DEFAULT_MEASUREMENT ? TYPES[typeOf(value)] : '';
  if (suffix !== '' && metric.endsWith(suffix)) metric = metric.slice(0, -suffix.length);
  return metric === RESERVED_FIELD ? RESERVED_NAME : metric;
}

/** A name as the server has it: what line protocol cannot hold is percent-encoded. */
export const storedName = {
  encode: (name: string): string =>
    name
      .replaceAll('\n', '%0A')
      .replaceAll('\r', '%0D')
      .replace(/\\(?=[,"= ]|$)/g, '%5C'),
  decode: (name: string): string => name.replaceAll('%0A', '\n').replaceAll('%0D', '\r').replaceAll('%5C', '\\'),
};

const typeOf = (value: Value): ValueType => (typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'boolean' : 'string');
const escapeName = (name: string): string => storedName.encode(name).replace(/[,= ]/g, '\\$&');
const escapeMeasurement = (name: string): string => storedName.encode(name).replace(/[, ]/g, '\\$&').replace(/^#/, '%23');

/** A string literal and an identifier of InfluxQL. */
export const influxLiteral = (text: string): string => `'${escapeQuery(text).replaceAll("'", "\\'")}'`;
export const influxIdentifier = (name: string): string => `"${escapeQuery(name).replaceAll('"', '\\"')}"`;
const escapeQuery = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
