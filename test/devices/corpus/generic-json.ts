import type { Corpus } from './corpus.ts';

/** Devices that speak JSON of their own: each kind needs a profile, as for its units. */
const PROFILES: Readonly<Record<string, string>> = {
  'generic-json-001': `
topic: sensors/{device}
time: time
maxPast: off
metrics:
  temperature: {path: measurements.0.value, unit: ℃}
  moisture: {path: measurements.1.value, unit: '%'}
  light: {path: measurements.2.value, unit: lux}
  fertility: {path: measurements.3.value, unit: us/cm}`,
  'generic-json-003': `
topic: iot/telemetry
device: device_id
time: ts
maxPast: off
metrics:
  data.co: {unit: ppm}
  data.humidity: {unit: '%'}
  data.light: {type: boolean}
  data.lpg: {unit: ppm}
  data.motion: {type: boolean}
  data.smoke: {unit: ppm}
  data.temp: {unit: °F}`,
  'generic-json-007': `
topic: v1/devices/me/telemetry
decode: thingsboard
metrics:
  latitude: {unit: °}
  longitude: {unit: °}
  batteryLevel: {unit: '%'}`,
  'generic-json-009': `
topic: "{device}/json"
time: timestamp
metrics:
  value: {unit: m³}`,
};

/** The corpus names this one by its whole topic; a device is named by one level of it. */
const DEVICES: Readonly<Record<string, string>> = { 'generic-json-001': 'flowercare' };

export const genericJson: Corpus = {
  file: 'generic-json',
  profileOf: ({ id }) => PROFILES[id] ?? null,
  nameOf: (_expected, { id }) => (DEVICES[id] === undefined ? {} : { device: DEVICES[id] }),
};
