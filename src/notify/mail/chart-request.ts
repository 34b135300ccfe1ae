/** Which readings the chart of an alert shows, and the chart made of them. Pure: who can reach the history fetches in between. */
import type { Alert } from '../../domain/alert.ts';
import type { Value } from '../../domain/reading.ts';
import type { ChartInput } from './chart.ts';
import type { AlertFacts } from './facts.ts';

export interface ChartRequest {
  readonly device: string;
  readonly metric: string;
  /** µs, both inclusive. */
  readonly from: number;
  readonly to: number;
}

const HOUR = 3_600_000_000;
const BEFORE_BREACH = 2 * HOUR;
const SPAN_MIN = 6 * HOUR;
/** What began longer ago is as good as always so; and the history has to be read. */
const SPAN_MAX = 31 * 24 * HOUR;

/**
 * From two hours before it began, six at least, up to now. Null: nothing to draw a line of (a group, a text, a metric that no
 * profile describes).
 * @param at when the message was decided on, µs
 */
export function chartRequestOf(alert: Alert, facts: AlertFacts, at: number): ChartRequest | null {
  const { metric, metricType } = facts;
  if (alert.group !== undefined || metric === null || metricType === 'text' || typeof alert.value === 'string') return null;
  const from = Math.max(at - SPAN_MAX, Math.min(alert.since - BEFORE_BREACH, at - SPAN_MIN));
  return { device: alert.device, metric, from, to: at };
}

/** @param points in order of time; of a switch its truth values. Texts are left out. */
export function chartInputOf(
  request: ChartRequest,
  { alert, facts, points }: { alert: Alert; facts: AlertFacts; points: readonly { readonly at: number; readonly value: Value }[] },
): ChartInput {
  const numbers = points.flatMap(({ at, value }) => (typeof value === 'string' ? [] : [{ at, value: Number(value) }]));
  const breachTo = Math.min(request.to, alert.resolvedAt ?? request.to);
  return {
    points: numbers,
    from: request.from,
    to: request.to,
    unit: facts.unit,
    metricName: request.metric,
    limits: facts.bounds.map(({ name, value }) => ({ name: name ?? '', value })),
    breach: alert.since > breachTo ? null : { from: alert.since, to: breachTo },
    level: alert.level,
    maxGapMs: gapMs(numbers, facts.maxGapMs),
    isBoolean: facts.metricType === 'boolean' || typeof alert.value === 'boolean',
  };
}

/** Points that stand for buckets of time lie as far apart as the buckets are wide: that is no gap. */
function gapMs(points: readonly { readonly at: number }[], maxGapMs: number | null): number | null {
  if (maxGapMs === null) return null;
  const between = points.slice(1).map(({ at }, index) => (at - (points[index]?.at ?? at)) / 1000);
  const median = between.sort((a, b) => a - b)[between.length >> 1] ?? 0;
  return Math.max(maxGapMs, 2 * median);
}
