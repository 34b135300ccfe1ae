/**
 * Rules on groups (`by: [site]`): one instance for each set of values that the labels take among the devices the rule is
 * for. Its conditions ask aggregates (`max(temperature)`, `count(door) > 3`); what a member contributes to each is an
 * expression on that member, compiled once a profile.
 */
import { type DeviceDirectory, type Profile, SELF } from '../domain/device.ts';
import { type Rule, renderPlace } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import { hintFor } from '../std/form.ts';
import type { RuleResult } from './compile.ts';
import { compileContribution, type Evaluate } from './condition.ts';
import { Inputs } from './inputs.ts';
import { compileProgram, type Program } from './program.ts';
import { createScope, type Scope, scopeOf } from './scope.ts';
import { createSelector } from './selector.ts';

/** What a device of one profile contributes to its group. */
export interface MemberProgram {
  /** One for each aggregate of the group's program; of a truth, true is 1 and false is 0. */
  readonly contributions: readonly Evaluate<number | boolean>[];
  readonly metrics: readonly string[];
  readonly inputs: Inputs;
}

export interface GroupProgram {
  readonly by: readonly string[];
  /** Of the group as a whole. */
  readonly program: Program;
  /** Null: devices of that profile are no members. */
  memberFor(profile: string | null): MemberProgram | null;
  /** The limits that the conditions see outside of aggregates: those of the profile that the rule names. */
  readonly limits: Readonly<Record<string, number>>;
}

/** `site=berlin,room=3`; null when the device lacks one of the labels, and so is in no group. */
export function groupName(by: readonly string[], labels: Readonly<Record<string, string>>): string | null {
  const parts: string[] = [];
  for (const label of by) {
    const value = Object.hasOwn(labels, label) ? labels[label] : undefined;
    if (value === undefined) return null;
    parts.push(`${label}=${value}`);
  }
  return parts.join(',');
}

export function compileGroup(
  rule: Rule,
  directory: DeviceDirectory,
  scopes: ReadonlyMap<string | null, Scope>,
): RuleResult & { readonly group: GroupProgram | null } {
  const nothing = { programs: new Map<string | null, Program>(), warnings: [] as TocsinError[] };
  const place = renderPlace(rule.place);
  const named = rule.selector.profile;
  const profile = directory.profiles.find(({ name }) => name === named) ?? null;
  if (named !== null && profile === null) {
    const hint = hintFor(
      named,
      directory.profiles.map(({ name }) => name),
    );
    return { ...nothing, problems: [new TocsinError(`rule ${rule.id}: there is no profile ${named}`, { place, hint })], group: null };
  }
  const { program, errors } = compileProgram(rule, createScope(profile, directory, rule.by));
  if (program === null) return { ...nothing, problems: errors, group: null };
  if (program.inputs.aggregates.length === 0 && rule.noData === null) {
    const hint = 'ask something of the members, such as max(temperature) > 8; or remove by:';
    return { ...nothing, problems: [new TocsinError(`rule ${rule.id} has by: and asks nothing of a group`, { place, hint })], group: null };
  }
  const members = membersOf(rule, program, { directory, scopes, profile });
  if (members.problems.length > 0) return { ...nothing, problems: members.problems, group: null };
  const { byProfile, warnings } = members;
  const group = { by: rule.by, program, memberFor: (name: string | null) => byProfile.get(name) ?? null, limits: profile?.limits ?? {} };
  return { programs: nothing.programs, problems: [], warnings, group };
}

function membersOf(
  rule: Rule,
  program: Program,
  context: { directory: DeviceDirectory; scopes: ReadonlyMap<string | null, Scope>; profile: Profile | null },
): { byProfile: Map<string | null, MemberProgram>; problems: TocsinError[]; warnings: TocsinError[] } {
  const { directory, scopes, profile } = context;
  const byProfile = new Map<string | null, MemberProgram>();
  const unfit: TocsinError[] = [];
  const warnings: TocsinError[] = [];
  const matches = createSelector(rule.selector);
  const names = profile === null ? [...directory.profiles.map(({ name }) => name).filter((name) => name !== SELF), null] : [profile.name];
  for (const name of names) {
    const member = attemptMember(program, scopeOf(scopes, name));
    if (!(member instanceof TocsinError)) {
      byProfile.set(name, member);
      continue;
    }
    const isListed = directory.fleet.some((device) => device.profile === name && matches(device));
    if (profile !== null || isListed) unfit.push(member);
    else {
      const message = `rule ${rule.id} has no members of the profile ${name ?? '(none)'}: ${member.message}`;
      warnings.push(
        new TocsinError(message, { place: renderPlace(rule.place), hint: 'name the profile in devices: to make this certain' }),
      );
    }
  }
  return { byProfile, problems: unfit, warnings };
}

/** What devices of the scope's profile contribute, or why they can contribute nothing. */
export function attemptMember(program: Program, scope: Scope): MemberProgram | TocsinError {
  const inputs = new Inputs();
  try {
    const contributions = program.inputs.aggregates.map(({ each, function: name }) =>
      compileContribution(each, scope, inputs, name === 'count'),
    );
    return { contributions, metrics: inputs.metrics, inputs };
  } catch (error) {
    if (error instanceof TocsinError) return error;
    throw error;
  }
}
