/** What a message tells of an alert beyond the alert itself: from its rule and from what is known of the device. Pure. */
import { createLimits, type LimitsOf } from '../../alerts/limits.ts';
import type { Alert } from '../../domain/alert.ts';
import type { DeviceDirectory, FleetDevice, MetricDefinition, MetricType, Profile } from '../../domain/device.ts';
import type { Rule } from '../../domain/rule.ts';

export interface AlertFacts {
  /** The metric whose value the alert holds: the first that the condition names; null where the profile does not know it. */
  readonly metric: string | null;
  readonly metricType: MetricType | null;
  readonly unit: string | null;
  /** The limits that the condition names, with the value that counts for this device. */
  readonly limits: readonly { readonly name: string; readonly value: number }[];
  /** What the condition compares the metric itself with, and on which side it is true. */
  readonly bounds: readonly Bound[];
  readonly condition: string | null;
  readonly forMs: number;
  readonly flapping: Rule['flapping'];
  /** The longest time between two readings that is no gap, where it is known. */
  readonly maxGapMs: number | null;
  readonly description: string | null;
  readonly runbook: string | null;
}

export interface Bound {
  /** Null: a number in the condition. */
  readonly name: string | null;
  readonly value: number;
  readonly side: 'above' | 'below';
}

const GAP_IN_INTERVALS = 3;

/** `metric('name')`, any other text literal (so that no word inside one is taken for a name), or a dotted name. */
const NAMES = /metric\(\s*(?:'([^']*)'|"([^"]*)")\s*\)|'[^']*'|"[^"]*"|([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)/g;

export function factsOf(alert: Alert, rule: Rule | undefined, directory: DeviceDirectory): AlertFacts {
  const level = rule?.levels.find((candidate) => candidate.level === alert.level) ?? rule?.levels[0];
  const condition = level?.when.text ?? null;
  // A group's name stands where a device's would: a device that happens to bear it is another matter.
  const device = alert.group === undefined ? known(directory).devices.get(alert.device) : undefined;
  const profileName = device?.profile ?? rule?.selector.profile ?? null;
  const profile = directory.profiles.find(({ name }) => name === profileName);
  const effective = device === undefined ? (profile?.limits ?? {}) : limitsFor(device, profile, directory);
  const metric = condition === null || profile === undefined ? undefined : metricOf(condition, profile);
  return {
    metric: metric?.name ?? null,
    metricType: metric?.type ?? null,
    unit: metric?.unit ?? null,
    limits: condition === null ? [] : limitsOf(condition, effective),
    bounds: condition === null || metric === undefined ? [] : boundsOf(condition, metric.name, effective),
    condition,
    forMs: level?.forMs ?? 0,
    flapping: rule?.flapping ?? null,
    maxGapMs: profile?.maxGapMs ?? (profile?.intervalMs == null ? null : profile.intervalMs * GAP_IN_INTERVALS),
    description: rule?.description ?? null,
    runbook: rule?.runbook ?? null,
  };
}

interface Known {
  readonly devices: ReadonlyMap<string, FleetDevice>;
  readonly limits: LimitsOf;
}

/** A list of 500 alerts asks 500 times: the fleet is indexed once for each directory. */
const KNOWN = new WeakMap<DeviceDirectory, Known>();
function known(directory: DeviceDirectory): Known {
  const already = KNOWN.get(directory);
  if (already !== undefined) return already;
  const made = { devices: new Map(directory.fleet.map((device) => [device.id, device])), limits: createLimits(directory) };
  KNOWN.set(directory, made);
  return made;
}

const limitsFor = (
  { id, labels }: FleetDevice,
  profile: Profile | undefined,
  directory: DeviceDirectory,
): Readonly<Record<string, number>> => known(directory).limits({ id, labels, profile: profile?.name ?? null }, profile).values;

/** The first metric that the condition names: that is the metric whose value the alert holds. */
function metricOf(condition: string, profile: Profile): MetricDefinition | undefined {
  for (const [, single, double, bare] of condition.matchAll(NAMES)) {
    const name = single ?? double ?? bare;
    const metric = profile.metrics.find((candidate) => candidate.name === name);
    if (metric !== undefined) return metric;
  }
  return undefined;
}

function limitsOf(condition: string, effective: Readonly<Record<string, number>>): { name: string; value: number }[] {
  const names = [...condition.matchAll(/\blimits\.([A-Za-z_][A-Za-z0-9_]*)/g)].map((part) => part[1] ?? '');
  return [...new Set(names)].flatMap((name) => {
    const value = Object.hasOwn(effective, name) ? effective[name] : undefined;
    return value === undefined ? [] : [{ name, value }];
  });
}

const OPERAND = String.raw`metric\(\s*(?:'[^']*'|"[^"]*")\s*\)|limits\.[A-Za-z_]\w*|[A-Za-z_]\w*|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?`;
/** What stands beside an operand must not bind closer than the comparison: in `rate(t, '1m') > 2` or `t - 1 > 7` it is no bare metric. */
const COMPARISON = new RegExp(String.raw`(?<=^|[(!]|&&|\|\||\?|:)\s*(${OPERAND})\s*([<>])=?\s*(${OPERAND})\s*(?=$|\)|&&|\|\||\?|:)`, 'g');

function boundsOf(condition: string, metric: string, effective: Readonly<Record<string, number>>): Bound[] {
  const isMetric = (text: string): boolean => text === metric || /^metric\(\s*(['"])(.*)\1\s*\)$/.exec(text)?.[2] === metric;
  return [...condition.matchAll(COMPARISON)].flatMap(([, left = '', operator, right = '']): Bound[] => {
    const isTurned = isMetric(right);
    if (isTurned === isMetric(left)) return [];
    const other = isTurned ? left : right;
    const name = other.startsWith('limits.') ? other.slice('limits.'.length) : null;
    const value = name === null ? Number(other) : Object.hasOwn(effective, name) ? effective[name] : undefined;
    if (value === undefined || !Number.isFinite(value)) return [];
    return [{ name, value, side: (operator === '>') === isTurned ? 'below' : 'above' }];
  });
}
