/** What Tocsin's own device measures: its profile, which is built in, and the reference that its readings bear. */
import { type MetricDefinition, type MetricType, type Profile, SELF } from '../domain/device.ts';
import type { DeviceRef } from '../domain/reading.ts';

/** By name: what it is, and its unit. All of them are written about in config/README.md. */
const METRICS = {
  canary_s: ['number', 's'],
  canary_history_s: ['number', 's'],
  alerting_lag: ['number', 'readings'],
  history_lag: ['number', 'readings'],
  history_lag_s: ['number', 's'],
  history_trouble: ['text', null],
  stuck_consumers: ['number', null],
  stuck: ['text', null],
  disk_used: ['number', null],
  disk_held: ['number', null],
  disk_free: ['number', null],
  clock_step_s: ['number', 's'],
  channels_failing: ['number', null],
  failing: ['text', null],
  undelivered: ['number', null],
  undelivered_to: ['text', null],
} as const satisfies Readonly<Record<string, readonly [MetricType, string | null]>>;

export type SelfMetric = keyof typeof METRICS;

/** A reading that takes its time to be taken in is no hole. */
const GAP_MIN_MS = 60_000;
const GAP_READINGS = 3;

/** What is not known at present is left out. */
export type SelfValues = Partial<Record<SelfMetric, number | string>>;

export const SELF_DEVICE: DeviceRef = Object.freeze({ id: SELF, profile: SELF, labels: Object.freeze({}) });

/** @param everyMs how often a reading is made; null: never, and the profile is only there for rules that name it */
export function selfProfile(everyMs: number | null): Profile {
  return {
    name: SELF,
    topics: [],
    decode: 'json',
    codec: null,
    compression: null,
    device: null,
    time: null,
    timezone: null,
    clock: 'server',
    maxFutureMs: null,
    maxPastMs: null,
    clockSkew: 'keep',
    intervalMs: everyMs,
    maxGapMs: Math.max(GAP_MIN_MS, GAP_READINGS * (everyMs ?? 0)),
    latenessMs: 0,
    // What a lag made old is news all the same: that there was a lag is what it is about.
    retrospectiveAfterMs: null,
    metrics: Object.entries(METRICS).map(([name, [type, unit]]) => metricOf(name, type, unit)),
    limits: {},
  };
}

function metricOf(name: string, type: MetricType, unit: string | null): MetricDefinition {
  return { name, path: name, type, unit, range: null, absent: [], scale: 1, offset: 0, decimal: 'point' };
}
