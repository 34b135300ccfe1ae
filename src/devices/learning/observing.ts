/** What the messages of a kind come to when they are decoded as its profile would have it: metrics, with types, values and units, and how often they come. */
import type { Value } from '../../domain/reading.ts';
import { createDecoder, type Decoder } from '../decode.ts';
import { parseProfile } from '../profile.ts';
import type { Kind } from './kinds.ts';

export interface SeenMetric {
  readonly name: string;
  readonly counts: { number: number; boolean: number; text: number };
  /** Of numbers, sentinels left out; null: none. */
  range: { min: number; max: number } | null;
  /** Values that sensors send instead of a reading, and that stood apart. */
  readonly sentinels: Set<number>;
  /** The first few. */
  readonly texts: Set<string>;
  readonly devices: Set<string>;
  /** As the format or the messages have it. */
  unit: string | null;
}

export interface Observed {
  /** By name, in the order of their coming. */
  readonly metrics: ReadonlyMap<string, SeenMetric>;
  readonly devices: ReadonlySet<string>;
  /** Between two values of one metric of one device, of each the median; µs. */
  readonly intervals: readonly number[];
  /** What was not taken, by reason. */
  readonly refused: ReadonlyMap<string, number>;
}

/** What DS18B20 and its kin send when there is nothing to send. */
const SENTINELS = new Set([85, -127]);
const TEXTS_MAX = 6;
const GAPS_MAX = 100;
const SERIES_MAX = 50_000;
const LIMITS = { devices: 20_000, metricsPerDevice: 300 };

/** @param profile the text of a profile that reads them  @param before what has learned from all messages already */
export function observe({ heard }: Kind, profile: string, before: Decoder): Observed {
  const { parsed, problems } = parseProfile({ path: 'learned', text: profile });
  if (parsed === null)
    throw new Error(`a profile was proposed that does not hold: ${problems.map((problem) => problem.render()).join('; ')}`);
  const decoder = createDecoder({ profiles: [parsed.profile], fleet: [], groups: [], unknown: 'accept' }, LIMITS, before);
  const metrics = new Map<string, SeenMetric>();
  const devices = new Set<string>();
  const refused = new Map<string, number>();
  const series = new Map<string, { lastAt: number; gaps: number[] }>();
  for (const { topic, payload, receivedAt, isTimed } of heard) {
    const route = decoder.route(topic);
    if (route === null) continue;
    const decoded = decoder.decode(route, payload, receivedAt);
    const rejected = decoded.kind === 'rejected' ? [decoded] : decoded.kind === 'readings' ? decoded.rejected : [];
    for (const { reason } of rejected) refused.set(reason, (refused.get(reason) ?? 0) + 1);
    if (decoded.kind !== 'readings') continue;
    for (const reading of decoded.readings) {
      const { id } = reading.device;
      devices.add(id);
      // Its own time says more of how often it measures than when that got here.
      const at = reading.at ?? (isTimed ? receivedAt : null);
      for (const [index, name] of reading.metrics.entries()) {
        const metric = metrics.get(name) ?? newMetric(name);
        metrics.set(name, metric);
        note(metric, id, reading.values[index]);
        if (at !== null) noteInterval(series, `${id}\u0000${name}`, at);
      }
    }
  }
  for (const metric of metrics.values()) {
    settle(metric);
    metric.unit =
      unitIn(metric, metrics) ??
      [...metric.devices].map((id) => unitLearned(decoder.learned.description(id), metric.name)).find((unit) => unit !== null) ??
      null;
  }
  const intervals = [...series.values()].flatMap(({ gaps }) => (gaps.length === 0 ? [] : [median(gaps)]));
  return { metrics, devices, intervals, refused };
}

const newMetric = (name: string): SeenMetric => ({
  name,
  counts: { number: 0, boolean: 0, text: 0 },
  range: null,
  sentinels: new Set(),
  texts: new Set(),
  devices: new Set(),
  unit: null,
});

function note(metric: SeenMetric, device: string, value: Value | undefined): void {
  metric.devices.add(device);
  if (typeof value === 'number') {
    metric.counts.number += 1;
    if (SENTINELS.has(value)) metric.sentinels.add(value);
    else widen(metric, value);
  } else if (typeof value === 'boolean') metric.counts.boolean += 1;
  else if (value !== undefined) {
    metric.counts.text += 1;
    if (metric.texts.size < TEXTS_MAX) metric.texts.add(value);
  }
}

function widen(metric: SeenMetric, value: number): void {
  const { range } = metric;
  metric.range = range === null ? { min: value, max: value } : { min: Math.min(range.min, value), max: Math.max(range.max, value) };
}

/** A value that does not stand apart is one like any other: 85 % of battery. */
const APART = 20;

function settle(metric: SeenMetric): void {
  const { range, sentinels } = metric;
  const isTemperature = /temp|celsius/i.test(metric.name);
  for (const value of [...sentinels]) {
    const standsApart = range !== null && (value > range.max + APART || value < range.min - APART);
    if (standsApart && (isTemperature || value < 0)) continue;
    sentinels.delete(value);
    widen(metric, value);
  }
}

function noteInterval(series: Map<string, { lastAt: number; gaps: number[] }>, key: string, at: number): void {
  const known = series.get(key);
  if (known === undefined) {
    if (series.size < SERIES_MAX) series.set(key, { lastAt: at, gaps: [] });
    return;
  }
  if (at > known.lastAt && known.gaps.length < GAPS_MAX) known.gaps.push(at - known.lastAt);
  known.lastAt = Math.max(known.lastAt, at);
}

const UNIT_LENGTH_MAX = 16;

/** `{"value": 21.5, "unit": "°C"}`: the message says it beside the value. */
function unitIn({ name, counts }: SeenMetric, metrics: ReadonlyMap<string, SeenMetric>): string | null {
  if (counts.number === 0) return null;
  const stem = name.slice(0, name.lastIndexOf('.') + 1);
  for (const key of ['unit', 'units', 'uom', 'unit_of_measurement']) {
    const beside = metrics.get(`${stem}${key}`);
    const [unit, ...others] = beside?.texts ?? [];
    if (unit !== undefined && others.length === 0 && unit.length <= UNIT_LENGTH_MAX) return unit;
  }
  return null;
}

const unitLearned = ({ units }: { readonly units: Readonly<Record<string, string>> }, metric: string): string | null =>
  (Object.hasOwn(units, metric) ? units[metric] : null) ?? null;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
