/** A rule compiled for the devices of one profile, or for a group: conditions, what they read, and what its levels ask. */
import { createHash } from 'node:crypto';
import { type Level, levelRank } from '../domain/alert.ts';
import { AVAILABILITY } from '../domain/device.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { type Rule, type RuleLevel, renderPlace } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import { hintFor } from '../std/form.ts';
import { type Compiled, compileCondition } from './condition.ts';
import type { Bound } from './fast-path.ts';
import type { Frame } from './frame.ts';
import { Inputs } from './inputs.ts';
import type { Scope } from './scope.ts';
import { compileSummary } from './summary.ts';

export interface ProgramLevel {
  readonly level: Level;
  readonly rank: number;
  readonly forUs: number;
  /** Index in the program's conditions: levels that ask the same share one evaluation. */
  readonly when: number;
  /** Null: none. */
  readonly clear: number | null;
  readonly count: RuleLevel['count'];
  /** How long it is kept after nothing asks for it. */
  readonly keepUs: number;
  /** Of the condition and of what it reads: what a run of "true" was measured with. */
  readonly fingerprint: string;
}

export interface Program {
  readonly rule: Rule;
  /** Ascending. */
  readonly levels: readonly ProgramLevel[];
  readonly conditions: readonly Compiled<boolean>[];
  /** The metrics whose values the frame's cells hold: those of the conditions first, then those whose silence counts. */
  readonly metrics: readonly string[];
  /** How many of them the conditions name: their readings are what the rule is evaluated on. */
  readonly conditionMetrics: number;
  /** How many are listened to at all. */
  readonly watchedMetrics: number;
  /** Indexes of the metrics whose silence counts. */
  readonly silence: readonly number[];
  /** What else is read. */
  readonly inputs: Inputs;
  /** `endsAlert`: silence counts as OK. Neither raised nor ended: the alert is kept as it is. */
  readonly noData: { readonly afterUs: number; readonly raise: Level | null; readonly endsAlert: boolean } | null;
  readonly summary: ((frame: Frame) => string) | null;
  /** When every `when` compares the only metric with a constant: those bounds. Null: they do not. */
  readonly bounds: readonly Bound[] | null;
  readonly hasCounts: boolean;
  /** Some level is kept beyond its end. */
  readonly keeps: boolean;
  /** The conditions ask whether devices are online, and nothing else. */
  readonly asksAvailabilityAlone: boolean;
}

export function compileProgram(rule: Rule, scope: Scope): { program: Program | null; errors: TocsinError[] } {
  const inputs = new Inputs();
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
    const condition = attempt(() => compileCondition(expression, scope, inputs, what));
    const index = condition === undefined ? -1 : conditions.push(condition) - 1;
    indexes.set(expression.text, index);
    return index;
  };
  const levels = rule.levels.map((level) => {
    const when = conditionOf(level.when, 'when');
    return {
      level: level.level,
      rank: levelRank(level.level),
      forUs: toUs(level.forMs),
      when,
      clear: level.clear === null ? null : conditionOf(level.clear, 'clear'),
      count: level.count,
      keepUs: toUs(level.keepFiringForMs),
      fingerprint: fingerprintOf(level, scope, conditions[when]?.metrics ?? []),
    };
  });
  // A group is heard of as one: its first aggregate stands for it.
  if (scope.group !== null) inputs.metric(inputs.aggregates[0]?.text ?? 'the group');
  const conditionMetrics = inputs.metrics.length;
  const silence = attempt(() => silenceOf(rule, scope, inputs)) ?? [];
  const watchedMetrics = inputs.metrics.length;
  const { summary: text, place } = rule;
  const summary = text === null ? null : attempt(() => compileSummary({ text, place }, scope, inputs));
  if (errors.length > 0 || summary === undefined) return { program: null, errors };
  const bounds = watchedMetrics === 1 && conditionMetrics === 1 ? boundsOf(levels, conditions) : null;
  const hasCounts = levels.some(({ count }) => count !== null);
  const keeps = levels.some(({ keepUs }) => keepUs > 0);
  const noData = noDataOf(rule);
  const asksAvailabilityAlone = isAvailabilityAlone(inputs, conditionMetrics);
  const { metrics } = inputs;
  return {
    program: {
      rule,
      levels,
      conditions,
      metrics,
      conditionMetrics,
      watchedMetrics,
      silence,
      inputs,
      noData,
      summary,
      bounds,
      hasCounts,
      keeps,
      asksAvailabilityAlone,
    },
    errors,
  };
}

/**
 * The metrics whose silence counts: those that `noData.metrics` names, else those of the conditions, but for the one that comes when
 * a device's being online changes, and not before.
 */
function silenceOf(rule: Rule, scope: Scope, inputs: Inputs): number[] {
  const named = scope.group === null ? (rule.noData?.metrics ?? null) : null;
  if (named === null) {
    const isTold = (name: string): boolean => name === AVAILABILITY && (scope.metricTypes?.get(name) ?? 'boolean') === 'boolean';
    return inputs.metrics.flatMap((name, index) => (isTold(name) ? [] : [index]));
  }
  return named.map((name) => {
    const known = scope.metricTypes === null ? null : [...scope.metricTypes.keys()];
    if (known === null || known.includes(name)) return inputs.metric(name);
    const message = `noData.metrics: the profile ${scope.profile?.name ?? ''} has no metric ${name}`;
    throw new TocsinError(`rule ${rule.id}: ${message}`, { place: renderPlace(rule.place), hint: hintFor(name, known) });
  });
}

/** Whether the conditions ask if their own device is online. */
export const asksAvailability = ({ metrics, conditionMetrics }: Program): boolean =>
  metrics.slice(0, conditionMetrics).includes(AVAILABILITY);

function isAvailabilityAlone({ metrics, remotes, windows, stales }: Inputs, conditionMetrics: number): boolean {
  const read = [...metrics.slice(0, conditionMetrics), ...remotes.map(({ metric }) => metric)];
  return read.length > 0 && read.every((name) => name === AVAILABILITY) && windows.length + stales.length === 0;
}

const FINGERPRINT_LENGTH = 12;

function fingerprintOf({ level, when, count }: RuleLevel, scope: Scope, names: readonly string[]): string {
  const metrics = names.map((name) => {
    const known = scope.profile?.metrics.find((metric) => metric.name === name);
    return known === undefined ? name : [name, known.unit, known.scale, known.offset, known.type, known.path];
  });
  const parts = JSON.stringify([level, when.text, count, metrics]);
  return createHash('sha256').update(parts).digest('hex').slice(0, FINGERPRINT_LENGTH);
}

function boundsOf(levels: readonly ProgramLevel[], conditions: readonly Compiled<boolean>[]): Bound[] | null {
  const bounds = levels.map((level) => conditions[level.when]?.bound).filter((bound) => bound !== undefined);
  return bounds.length === levels.length ? bounds : null;
}

function noDataOf(rule: Rule): Program['noData'] {
  if (rule.noData === null) return null;
  const { afterMs, action } = rule.noData;
  const afterUs = toUs(afterMs);
  return 'raise' in action ? { afterUs, raise: action.raise, endsAlert: false } : { afterUs, raise: null, endsAlert: action.then === 'ok' };
}

const toUs = (durationMs: number): number => Math.round(durationMs * MICROSECONDS_PER_MILLISECOND);
