/** Why a rule is not for a device: the part of its selector that does not match, or what its conditions ask for in vain. */
import type { DeviceDirectory } from '../domain/device.ts';
import type { DeviceRef } from '../domain/reading.ts';
import { TocsinError } from '../std/errors.ts';
import type { CompiledRule } from './compile.ts';
import { attemptMember, groupName } from './group.ts';
import { compileProgram } from './program.ts';
import { createScope, type Scope } from './scope.ts';
import { mismatches } from './selector.ts';

/** One sentence each; none: the rule is for it. */
export function whyNot(compiled: CompiledRule, device: DeviceRef, directory: DeviceDirectory): string[] {
  const { rule, group } = compiled;
  const found = mismatches(rule.selector, device);
  if (found.length > 0) return found;
  const whose = device.profile === null ? 'devices without a profile' : `the profile ${device.profile}`;
  const scope = (): Scope => createScope(directory.profiles.find(({ name }) => name === device.profile) ?? null, directory);
  if (group === null) {
    if (compiled.programFor(device.profile) !== null) return [];
    const [error] = compileProgram(rule, scope()).errors;
    return [`its conditions do not hold for ${whose}: ${error?.message ?? 'it was not made for them'}`];
  }
  if (groupName(group.by, device.labels) === null) {
    const missing = group.by.filter((label) => !Object.hasOwn(device.labels, label));
    return [`it makes groups by ${group.by.join(', ')}, and ${device.id} has no label ${missing.join(', ')}`];
  }
  if (group.memberFor(device.profile) !== null) return [];
  const member = attemptMember(group.program, scope());
  return [`${whose} has nothing of what it asks of its members${member instanceof TocsinError ? `: ${member.message}` : ''}`];
}
