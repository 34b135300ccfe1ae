/**
 * Rules made ready to run. Each rule is compiled once for every profile whose devices it can match, and once for devices
 * without a profile; with a profile every name and type is checked, and what does not hold is refused with its place.
 *
 * A rule that names a profile, or that matches a listed device, must hold for that profile. A profile that the selector
 * merely does not exclude is different: the rule is not for its devices, and a warning says so. A name that fits no
 * profile at all is refused, unless devices without a profile may have it.
 */
import type { Level } from '../domain/alert.ts';
import { levelRank } from '../domain/alert.ts';
import type { DeviceDirectory, Profile } from '../domain/device.ts';
import { type DeviceRef, MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { type Rule, type RuleLevel, renderPlace } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import { hintFor } from '../std/form.ts';
import { type Compiled, compileCondition, MetricList } from './condition.ts';
import type { Bound } from './fast-path.ts';
import type { Frame } from './frame.ts';
import { createScope, type Scope } from './scope.ts';
import { createSelector, type Matches } from './selector.ts';
import { compileSummary } from './summary.ts';

export interface ProgramLevel {
  readonly level: Level;
  readonly rank: number;
  readonly forUs: number;
  /** Index in the program's conditions: levels that ask the same share one evaluation. */
  readonly when: number;
  /** Null: none. */
  readonly clear: number | null;
}

/** A rule for the devices of one profile. */
export interface Program {
  readonly rule: Rule;
  /** Ascending. */
  readonly levels: readonly ProgramLevel[];
  readonly conditions: readonly Compiled<boolean>[];
  /** The metrics whose values the frame's cells hold; those of the conditions come first. */
  readonly metrics: readonly string[];
  /** How many of them the conditions name: their readings are what the rule is evaluated on. */
  readonly conditionMetrics: number;
  /** `endsAlert`: silence counts as OK. Neither raised nor ended: the alert is kept as it is. */
  readonly noData: { readonly afterUs: number; readonly raise: Level | null; readonly endsAlert: boolean } | null;
  readonly summary: ((frame: Frame) => string) | null;
  /** When every `when` compares the only metric with a constant: those bounds. Null: they do not. */
  readonly bounds: readonly Bound[] | null;
  /** Of the conditions' text: what a run of "true" was measured with. */
  readonly fingerprint: string;
}

export interface CompiledRule {
  readonly rule: Rule;
  readonly matches: Matches;
  /** The program for a device's profile, or null when the rule is not for it. */
  programFor(profile: string | null): Program | null;
}

export interface CompiledRules {
  readonly compiled: CompiledRule[];
  readonly problems: TocsinError[];
  readonly warnings: TocsinError[];
}

export function compileRules(rules: readonly Rule[], directory: DeviceDirectory): CompiledRules {
  const scopes = new Map<string | null, Scope>([[null, createScope(null)]]);
  for (const profile of directory.profiles) scopes.set(profile.name, createScope(profile));
  const compiled: CompiledRule[] = [];
  const problems: TocsinError[] = [];
  const warnings: TocsinError[] = [];
  for (const rule of rules) {
    const result = compileRule(rule, directory, scopes);
    problems.push(...result.problems);
    warnings.push(...result.warnings);
    if (result.problems.length === 0) {
      const { programs } = result;
      compiled.push({ rule, matches: createSelector(rule.selector), programFor: (profile) => programs.get(profile) ?? null });
    }
  }
  return { compiled, problems, warnings };
}

interface RuleResult {
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
    if (named !== null && profile.name !== named) continue;
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

function compileProgram(rule: Rule, scope: Scope): { program: Program | null; errors: TocsinError[] } {
  const metrics = new MetricList();
  const errors: TocsinError[] = [];
  const attempt = <T>(compile: () => T): T | undefined => {
    try {
      return compile();
    } catch (error) {
      if (!(error instanceof TocsinError)) throw error;
      errors.push(error);
      return undefined;
    }
  };
  const conditions: Compiled<boolean>[] = [];
  const indexes = new Map<string, number>();
  const conditionOf = (expression: RuleLevel['when'], what: string): number => {
    const known = indexes.get(expression.text);
    if (known !== undefined) return known;
    const condition = attempt(() => compileCondition(expression, scope, metrics, what));
    const index = condition === undefined ? -1 : conditions.push(condition) - 1;
    indexes.set(expression.text, index);
    return index;
  };
  const levels = rule.levels.map((level) => ({
    level: level.level,
    rank: levelRank(level.level),
    forUs: Math.round(level.forMs * MICROSECONDS_PER_MILLISECOND),
    when: conditionOf(level.when, 'when'),
    clear: level.clear === null ? null : conditionOf(level.clear, 'clear'),
  }));
  const conditionMetrics = metrics.names.length;
  const { summary: text, place } = rule;
  const summary = text === null ? null : attempt(() => compileSummary({ text, place }, scope, metrics));
  if (errors.length > 0 || summary === undefined) return { program: null, errors };
  const fingerprint = rule.levels.map((level) => `${level.level}:${level.when.text}`).join('\n');
  const noData = noDataOf(rule);
  const bounds = conditionMetrics === 1 ? boundsOf(levels, conditions) : null;
  return { program: { rule, levels, conditions, metrics: metrics.names, conditionMetrics, noData, summary, bounds, fingerprint }, errors };
}

function boundsOf(levels: readonly ProgramLevel[], conditions: readonly Compiled<boolean>[]): Bound[] | null {
  const bounds = levels.map((level) => conditions[level.when]?.bound).filter((bound) => bound !== undefined);
  return bounds.length === levels.length ? bounds : null;
}

function noDataOf(rule: Rule): Program['noData'] {
  if (rule.noData === null) return null;
  const { afterMs, action } = rule.noData;
  const afterUs = Math.round(afterMs * MICROSECONDS_PER_MILLISECOND);
  return 'raise' in action ? { afterUs, raise: action.raise, endsAlert: false } : { afterUs, raise: null, endsAlert: action.then === 'ok' };
}

function scopeOf(scopes: ReadonlyMap<string | null, Scope>, profile: string | null): Scope {
  const scope = scopes.get(profile);
  if (scope === undefined) throw new Error(`no scope was made for the profile ${profile}`);
  return scope;
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
