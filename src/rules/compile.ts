/**
 * Rules made ready to run. Each rule is compiled once for every profile whose devices it can match, and once for devices
 * without a profile; with a profile every name and type is checked, and what does not hold is refused with its place.
 *
 * A rule that names a profile, or that matches a listed device, must hold for that profile. A profile that the selector
 * merely does not exclude is different: the rule is not for its devices, and a warning says so. A name that fits no
 * profile at all is refused, unless devices without a profile may have it.
 *
 * The device as which this program tells of itself is nobody's sensor: a rule is for it only when it names it.
 */
import { type DeviceDirectory, type Profile, SELF } from '../domain/device.ts';
import type { DeviceRef } from '../domain/reading.ts';
import { type Rule, renderPlace } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import { hintFor, nearest } from '../std/form.ts';
import { compileGroup, type GroupProgram } from './group.ts';
import { asksAvailability, compileProgram, type Program } from './program.ts';
import { createScope, type Scope, scopeOf } from './scope.ts';
import { createSelector, type Matches } from './selector.ts';

export type { Program, ProgramLevel } from './program.ts';

export interface CompiledRule {
  readonly rule: Rule;
  readonly matches: Matches;
  /** The program for a device's profile, or null when the rule is not for it, or is on groups. */
  programFor(profile: string | null): Program | null;
  /** Of a rule on groups; null for all others. */
  readonly group: GroupProgram | null;
}

export interface CompiledRules {
  readonly compiled: CompiledRule[];
  readonly problems: TocsinError[];
  readonly warnings: TocsinError[];
}

export function compileRules(rules: readonly Rule[], directory: DeviceDirectory): CompiledRules {
  const scopes = new Map<string | null, Scope>([[null, createScope(null, directory)]]);
  for (const profile of directory.profiles) scopes.set(profile.name, createScope(profile, directory));
  const compiled: CompiledRule[] = [];
  const problems: TocsinError[] = [];
  const warnings: TocsinError[] = [];
  for (const rule of rules) {
    const result = rule.by.length > 0 ? compileGroup(rule, directory, scopes) : { ...compileRule(rule, directory, scopes), group: null };
    problems.push(...result.problems);
    warnings.push(...result.warnings);
    if (result.problems.length > 0) continue;
    const { programs, group } = result;
    compiled.push({ rule, matches: createSelector(rule.selector), programFor: (profile) => programs.get(profile) ?? null, group });
  }
  return { compiled, problems, warnings: [...warnings, ...unwatchedGateways(compiled, directory)] };
}

const GATEWAYS_TOLD_MAX = 20;

/** A device whose silence is to be put down to a gateway that nobody would be told of. */
function unwatchedGateways(compiled: readonly CompiledRule[], directory: DeviceDirectory): TocsinError[] {
  const listed = new Map(directory.fleet.map((device) => [device.id, device]));
  const gateways = [...new Set(directory.fleet.flatMap(({ dependsOn }) => dependsOn ?? []))];
  const unwatched = gateways.filter((id) => {
    const device = listed.get(id);
    const ref = device === undefined ? { id, profile: null, labels: {} } : asRef(device);
    const programs = compiled.flatMap((rule) => (rule.matches(ref) ? (rule.programFor(ref.profile) ?? []) : []));
    return !programs.some((program) => program.noData?.raise != null || asksAvailability(program));
  });
  const hint = 'add a rule with noData: {after: 10m, raise: critical} for it; without one nothing behind it is inhibited';
  const told = unwatched.slice(0, GATEWAYS_TOLD_MAX).map((id) => {
    // A name that nobody has may be a misspelt one. Each suggestion looks at the whole fleet.
    const near = listed.has(id) ? undefined : nearest(id, [...listed.keys()]);
    const message = `no rule watches whether ${id} is silent, and other devices depend on it`;
    return new TocsinError(message, { hint: near === undefined ? hint : `${hint}; or did you mean ${near}?` });
  });
  const more = unwatched.length - told.length;
  return more === 0 ? told : [...told, new TocsinError(`no rule watches ${more} more devices that others depend on`, { hint })];
}

export interface RuleResult {
  readonly programs: ReadonlyMap<string | null, Program>;
  readonly problems: TocsinError[];
  readonly warnings: TocsinError[];
}

function compileRule(rule: Rule, directory: DeviceDirectory, scopes: ReadonlyMap<string | null, Scope>): RuleResult {
  const programs = new Map<string | null, Program>();
  const problems: TocsinError[] = [];
  const warnings: TocsinError[] = [];
  const place = renderPlace(rule.place);
  const named = rule.selector.profile;
  const profiles = directory.profiles.map((profile) => profile.name);
  if (named !== null && !profiles.includes(named)) {
    problems.push(new TocsinError(`rule ${rule.id}: there is no profile ${named}`, { place, hint: hintFor(named, profiles) }));
    return { programs, problems, warnings };
  }
  const unfit: TocsinError[] = [];
  for (const profile of directory.profiles) {
    if (!mayBeFor(rule, profile.name)) continue;
    const { program, errors } = compileProgram(rule, scopeOf(scopes, profile.name));
    if (program !== null) programs.set(profile.name, program);
    else if (named !== null || matchesListedDevice(rule, directory, profile)) problems.push(...errors);
    else {
      unfit.push(...errors);
      const hint = 'name the profile in devices: to make this certain';
      warnings.push(
        new TocsinError(`rule ${rule.id} is not for devices of the profile ${profile.name}: ${errors[0]?.message ?? ''}`, { place, hint }),
      );
    }
  }
  if (named === null && matchesUnprofiled(rule, directory)) {
    const { program, errors } = compileProgram(rule, scopeOf(scopes, null));
    if (program === null) problems.push(...errors);
    else {
      programs.set(null, program);
      const names = program.metrics.join(', ');
      const hint = 'a profile makes misspelt names an error; until then a misspelt one never has a value';
      if (names !== '')
        warnings.push(new TocsinError(`rule ${rule.id}: ${names} cannot be checked for devices without a profile`, { place, hint }));
    }
  } else if (programs.size === 0 && problems.length === 0) problems.push(...unfit);
  return { programs, problems: withoutTwins(problems), warnings };
}

/** Whether the rule is for devices of that profile as far as profiles go. */
function mayBeFor({ selector }: Rule, profile: string): boolean {
  if (selector.profile !== null) return selector.profile === profile;
  return profile !== SELF || selector.id === SELF;
}

function matchesListedDevice(rule: Rule, directory: DeviceDirectory, profile: Profile): boolean {
  const matches = createSelector(rule.selector);
  return directory.fleet.some((device) => device.profile === profile.name && matches(asRef(device)));
}

function matchesUnprofiled(rule: Rule, directory: DeviceDirectory): boolean {
  if (directory.unknown === 'accept') return true;
  const matches = createSelector(rule.selector);
  return directory.fleet.some((device) => device.profile === null && matches(asRef(device)));
}

const asRef = (device: DeviceDirectory['fleet'][number]): DeviceRef => ({ id: device.id, profile: device.profile, labels: device.labels });

/** The same mistake is found once a profile; it is told once. */
function withoutTwins(problems: readonly TocsinError[]): TocsinError[] {
  return [...new Map(problems.map((problem) => [`${problem.place} ${problem.message}`, problem])).values()];
}
