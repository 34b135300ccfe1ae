/** The limits that count for a device: its profile's, overridden by the groups it is in, overridden by its own. Pure. */
import type { DeviceDirectory, Profile } from '../domain/device.ts';
import type { DeviceRef } from '../domain/reading.ts';
import { createSelector } from '../rules/selector.ts';
import type { EffectiveLimits } from './device-state.ts';

export type LimitsOf = (device: DeviceRef, profile: Profile | undefined) => EffectiveLimits;

export function createLimits(directory: DeviceDirectory): LimitsOf {
  const groups = directory.groups.map(({ id, profile, labels, limits }) => ({
    id,
    limits,
    matches: createSelector({ id: null, profile, labels }),
  }));
  const listed = new Map(directory.fleet.map((device) => [device.id, device.limits]));
  return (device, profile) => {
    const values: Record<string, number> = {};
    const origins: Record<string, string> = {};
    const take = (limits: Readonly<Record<string, number>>, origin: string): void => {
      for (const [name, value] of Object.entries(limits)) {
        values[name] = value;
        origins[name] = origin;
      }
    };
    if (profile !== undefined) take(profile.limits, `profile ${profile.name}`);
    for (const group of groups) if (group.matches(device)) take(group.limits, `group ${group.id} in fleet.yaml`);
    take(listed.get(device.id) ?? {}, `device ${device.id} in fleet.yaml`);
    return { values, origins };
  };
}
