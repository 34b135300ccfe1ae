/** The kinds of rule whose cost is measured, each on a fleet of its own. Windows are full, and let go of a value for each they take. */
import { directoryOf, listed, metric, profileOf } from '../alerts/scenario.ts';
import { Fleet } from './fleet.ts';

export interface Kind {
  readonly name: string;
  /** What follows `id:` in the rule, in YAML. */
  readonly rule: string;
  readonly devices?: number;
  readonly temperatureOf?: (reading: number) => number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Readings of the whole fleet until windows are full. */
  readonly fill?: number;
}

const DEVICES = 100;
const WINDOW_DEVICES = 10;
const INTERVAL_US = 60_000_000;
const MINUTES = { '5m': 5, '1d': 1440, '30d': 43_200 } as const;

const when = (condition: string, more = ''): string => `levels: {warning: {when: "${condition}"${more}}}`;
/** Never the same for long, and never above 7. */
export const wandering = (reading: number): number => 5 + (Math.imul(reading, 2_654_435_761) >>> 16) / 32_768;

const windowed = (call: (window: string) => string, bound: number): Kind[] =>
  Object.entries(MINUTES).map(([window, minutes]) => ({
    name: call(window),
    rule: when(`${call(window)} > ${bound}`),
    devices: WINDOW_DEVICES,
    temperatureOf: wandering,
    fill: (minutes + 10) * WINDOW_DEVICES,
  }));

export const BASELINE: Kind = { name: 'temperature > 8', rule: when('temperature > 8') };

export const KINDS: readonly Kind[] = [
  { name: 'no rule', rule: '' },
  BASELINE,
  { name: 'by CEL: a text condition', rule: when("device.id.startsWith('x') && temperature > 8") },
  { name: 'for 1h, pending', rule: when('temperature > 1', ', for: 400d') },
  { name: 'firing all the time', rule: when('temperature > 1') },
  { name: 'with noData', rule: `${when('temperature > 8')}, noData: {after: 30m, raise: warning}` },
  {
    name: 'count 3 of 5, one in three true',
    rule: when('temperature > 8', ', count: {times: 3, of: 5}'),
    temperatureOf: (reading) => (reading % 307 < 102 ? 9 : 5),
  },
  ...windowed((window) => `avg(temperature, '${window}')`, 8),
  ...windowed((window) => `min(temperature, '${window}')`, 8),
  ...windowed((window) => `max(temperature, '${window}')`, 8),
  ...windowed((window) => `median(temperature, '${window}')`, 8),
  ...windowed((window) => `stddev(temperature, '${window}')`, 8),
  ...windowed((window) => `timeAbove(temperature, 6, '${window}')`, 3_000_000),
  { name: 'group of 100: max(temperature)', rule: `by: [site], ${when('max(temperature) > 8')}`, labels: { site: 'north' } },
  { name: "device('door-1').open", rule: when("device('door-1').open && temperature > 8") },
];

export function fleetOf(kind: Kind, intervalUs: number = INTERVAL_US): Fleet {
  const directory = directoryOf({
    profiles: [profileOf(), profileOf({ name: 'door', topics: ['doors/{device}'], metrics: [metric('open', 'boolean')], limits: {} })],
    fleet: [listed('door-1', { profile: 'door' })],
  });
  const rules = kind.rule === '' ? 'rules: []\n' : `rules:\n  - {id: r, devices: {profile: vaccine-fridge}, ${kind.rule}}\n`;
  const labels = kind.labels ?? {};
  const temperatureOf = kind.temperatureOf ?? ((reading: number) => 5 + (reading % 2));
  return new Fleet({ rules, devices: kind.devices ?? DEVICES, labelsOf: () => labels, intervalUs, temperatureOf }, directory);
}
