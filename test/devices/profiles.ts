/** Profiles and metrics as tests need them: what a file with nothing but a name comes to, and what is said otherwise. */
import type { MetricDefinition, Profile } from '../../src/domain/device.ts';

export const metricOf = (name: string, more: Partial<MetricDefinition> = {}): MetricDefinition => ({
  name,
  path: name,
  type: 'number',
  unit: null,
  range: null,
  absent: [],
  scale: 1,
  offset: 0,
  decimal: 'point',
  ...more,
});

/** Whatever its device's clock says is believed. */
export const profileWith = (name: string, more: Partial<Profile> = {}): Profile => ({
  name,
  topics: [],
  decode: 'json',
  codec: null,
  compression: null,
  device: null,
  time: 'ts',
  timezone: null,
  clock: 'device',
  maxFutureMs: null,
  maxPastMs: null,
  clockSkew: 'keep',
  intervalMs: null,
  maxGapMs: null,
  latenessMs: 0,
  retrospectiveAfterMs: null,
  metrics: [],
  limits: {},
  ...more,
});
