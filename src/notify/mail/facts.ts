/** What a message tells of an alert beyond the alert itself: from its rule and from what is known of the device. Pure. */
import type { Alert } from '../../domain/alert.ts';
import type { DeviceDirectory, Profile } from '../../domain/device.ts';
import type { Rule } from '../../domain/rule.ts';

export interface AlertFacts {
  readonly unit: string | null;
  /** The limits that the condition names, with the value that counts for this device. */
  readonly limits: readonly { readonly name: string; readonly value: number }[];
  readonly condition: string | null;
  readonly forMs: number;
  readonly description: string | null;
  readonly runbook: string | null;
}

/** `metric('name')`, any other text literal (so that no word inside one is taken for a name), or a dotted name. */
const NAMES = /metric\(\s*(?:'([^']*)'|"([^"]*)")\s*\)|'[^']*'|"[^"]*"|([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)/g;

export function factsOf(alert: Alert, rule: Rule | undefined, directory: DeviceDirectory): AlertFacts {
  const level = rule?.levels.find((candidate) => candidate.level === alert.level) ?? rule?.levels[0];
  const condition = level?.when.text ?? null;
  // A group's name stands where a device's would: a device that happens to bear it is another matter.
  const device = alert.group === undefined ? directory.fleet.find(({ id }) => id === alert.device) : undefined;
  const profileName = device?.profile ?? rule?.selector.profile ?? null;
  const profile = directory.profiles.find(({ name }) => name === profileName);
  return {
    unit: condition === null || profile === undefined ? null : unitOf(condition, profile),
    limits: condition === null ? [] : limitsOf(condition, { ...profile?.limits, ...device?.limits }),
    condition,
    forMs: level?.forMs ?? 0,
    description: rule?.description ?? null,
    runbook: rule?.runbook ?? null,
  };
}

/** The unit of the first metric that the condition names: that is the metric whose value the alert holds. */
function unitOf(condition: string, profile: Profile): string | null {
  for (const [, single, double, bare] of condition.matchAll(NAMES)) {
    const name = single ?? double ?? bare;
    const metric = profile.metrics.find((candidate) => candidate.name === name);
    if (metric !== undefined) return metric.unit;
  }
  return null;
}

function limitsOf(condition: string, effective: Readonly<Record<string, number>>): { name: string; value: number }[] {
  const names = [...condition.matchAll(/\blimits\.([A-Za-z_][A-Za-z0-9_]*)/g)].map((part) => part[1] ?? '');
  return [...new Set(names)].flatMap((name) => {
    const value = Object.hasOwn(effective, name) ? effective[name] : undefined;
    return value === undefined ? [] : [{ name, value }];
  });
}
