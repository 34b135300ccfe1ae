/**
 * The devices whose readings have a part in what becomes of one device: itself, those that its rules read, its gateway with what
 * else is behind it, and the members of its groups. Who wants to know of one device need not replay all.
 */
import type { DeviceDirectory } from '../domain/device.ts';
import type { DeviceRef } from '../domain/reading.ts';
import type { CompiledRule } from '../rules/compile.ts';
import { groupName } from '../rules/group.ts';

/** @param id a device, or the name of a group; then its members */
export function concerning(id: string, parts: { rules: readonly CompiledRule[]; directory: DeviceDirectory }): (ref: DeviceRef) => boolean {
  const { rules, directory } = parts;
  const gateway = directory.fleet.find((device) => device.id === id)?.dependsOn ?? null;
  const behind = directory.fleet.filter(({ dependsOn }) => dependsOn !== null && (dependsOn === gateway || dependsOn === id));
  const profiles = [null, ...directory.profiles.map(({ name }) => name)];
  // Whatever its profile: one more device read costs little, and a profile may only be known from its topic.
  const remotes = rules.flatMap((rule) => profiles.flatMap((profile) => rule.programFor(profile)?.inputs.remotes ?? []));
  const ids = new Set([id, ...behind.map((device) => device.id), ...remotes.map(({ device }) => device)]);
  if (gateway !== null) ids.add(gateway);
  const groups = rules.filter(({ group }) => group !== null);
  // Members are told by their labels, which a reading brings: any member may be in a group with the device.
  const isMember = (ref: DeviceRef): boolean =>
    groups.some((rule) => rule.matches(ref) && groupName(rule.rule.by, ref.labels) !== null && rule.group?.memberFor(ref.profile) != null);
  return (ref) => ids.has(ref.id) || isMember(ref);
}
