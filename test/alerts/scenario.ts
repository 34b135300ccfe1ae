/** Readings through the rules on a virtual journal, without I/O: minutes in, lines such as `10m firing warning` out. */
import { Devices } from '../../src/alerts/devices.ts';
import { Evaluating } from '../../src/alerts/evaluating.ts';
import type { NewTransition } from '../../src/alerts/lifecycle.ts';
import type { DeviceDirectory, FleetDevice, MetricDefinition, Profile } from '../../src/domain/device.ts';
import { FLAG_DEVICE_TIME, type Value } from '../../src/domain/reading.ts';
import { type CompiledRule, compileRules } from '../../src/rules/compile.ts';
import { parseRules } from '../../src/rules/parse.ts';
import { formatDurationMs } from '../../src/std/quantity.ts';
import { metricOf, profileWith } from '../devices/profiles.ts';

export const START_US = Date.UTC(2026, 0, 5) * 1000;
export const MINUTE_US = 60_000_000;

export const metric = (name: string, type: MetricDefinition['type'] = 'number'): MetricDefinition => metricOf(name, { type });

export const profileOf = (changes: Partial<Profile> = {}): Profile =>
  profileWith('vaccine-fridge', {
    topics: ['sensors/{device}/telemetry'],
    intervalMs: 300_000,
    metrics: [metric('temperature'), metric('humidity'), metric('door', 'boolean'), metric('mode', 'text')],
    limits: { temperature_max: 8, temperature_min: 2 },
    ...changes,
  });

export const directoryOf = (changes: Partial<DeviceDirectory> = {}): DeviceDirectory => ({
  profiles: [profileOf()],
  fleet: [],
  groups: [],
  unknown: 'accept',
  ...changes,
});

export const listed = (id: string, changes: Partial<FleetDevice> = {}): FleetDevice => ({
  id,
  profile: 'vaccine-fridge',
  labels: {},
  limits: {},
  dependsOn: null,
  ...changes,
});

/** Compiles rules that must hold. */
export function rulesOf(text: string, directory: DeviceDirectory): CompiledRule[] {
  const parsed = parseRules([{ path: 'rules.yaml', text }]);
  const { compiled, problems } = compileRules(parsed.rules, directory);
  const wrong = [...parsed.problems, ...problems];
  if (wrong.length > 0) throw new Error(wrong.map((problem) => problem.render()).join('\n'));
  return compiled;
}

/** A rule for the fridges, from its levels and whatever else. */
export const ruleText = (levels: string, more = ''): string =>
  `rules:\n  - id: warm\n    devices: {profile: vaccine-fridge}\n    levels: ${levels}\n${more === '' ? '' : `    ${more}\n`}`;

export class Scenario {
  readonly transitions: NewTransition[] = [];
  readonly errors: string[] = [];
  readonly evaluating: Evaluating;
  readonly devices: Devices;
  #position = 0;

  constructor(rules: string, options: { directory?: DeviceDirectory; registeredAtMinute?: number; graceUntilMinute?: number } = {}) {
    const directory = options.directory ?? directoryOf();
    const graceUntil = options.graceUntilMinute === undefined ? 0 : START_US + options.graceUntilMinute * MINUTE_US;
    this.devices = new Devices({ rules: rulesOf(rules, directory), directory, graceUntil });
    this.evaluating = new Evaluating({ journalId: 'journal', onRuleError: (_rule, _count, message) => this.errors.push(message) });
    this.devices.register(START_US + (options.registeredAtMinute ?? 0) * MINUTE_US);
    for (const device of this.devices.all) this.evaluating.arm(device);
  }

  /** A reading received at `minute`; `at` is its device time in minutes, where it differs. */
  reading(
    minute: number,
    values: Record<string, Value>,
    options: { at?: number; device?: string; profile?: string | null; isReceiptTime?: boolean; labels?: Record<string, string> } = {},
  ): this {
    const profile = options.profile === undefined ? 'vaccine-fridge' : options.profile;
    const ref = { id: options.device ?? 'fridge-01', profile, labels: options.labels ?? {} };
    const receivedAt = START_US + minute * MINUTE_US;
    const at = options.at === undefined ? receivedAt : START_US + options.at * MINUTE_US;
    this.evaluating.reading(this.#position++, {
      device: this.devices.intern(ref),
      at,
      receivedAt,
      flags: options.isReceiptTime === true ? 0 : FLAG_DEVICE_TIME,
      metrics: this.devices.internShape(Object.keys(values)),
      values: Object.values(values),
    });
    this.#collect();
    return this;
  }

  /** Temperatures at even steps: `temperatures({ every: 5 }, [5, 9, 9])`. */
  temperatures(options: { every: number; from?: number }, values: readonly number[]): this {
    for (const [index, temperature] of values.entries()) this.reading((options.from ?? 0) + index * options.every, { temperature });
    return this;
  }

  /** Nothing arrives until then. */
  until(minute: number): this {
    this.evaluating.fireTimers(START_US + minute * MINUTE_US, this.#position);
    this.#collect();
    return this;
  }

  /** `10m firing warning`; the time is that of the event. */
  get lines(): string[] {
    return this.transitions.map(({ at, kind, alert }) => {
      const flags = alert.flags.length === 0 ? '' : ` (${alert.flags.join(', ')})`;
      const level = alert.state === 'resolved' ? '' : ` ${alert.level}`;
      return `${minutes(at)} ${kind}${level}${flags}`;
    });
  }

  #collect(): void {
    this.transitions.push(...(this.evaluating.takeChanges()?.transitions ?? []));
  }
}

export const minutes = (at: number): string => formatDurationMs((at - START_US) / 1000).replace(/^0ms$/, '0m');
