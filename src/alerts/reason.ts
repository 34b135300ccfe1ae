/** Why a transition happened, as one sentence for a person: what was true, since when, which timer. */
import type { Level } from '../domain/alert.ts';
import { MICROSECONDS_PER_MILLISECOND, type Value } from '../domain/reading.ts';
import type { Program } from '../rules/compile.ts';
import type { Verdict } from '../rules/evaluate.ts';
import { formatValue } from '../rules/summary.ts';
import type { Timer } from '../rules/timer.ts';
import { formatDurationMs } from '../std/quantity.ts';
import type { Change } from './lifecycle.ts';

export interface Circumstances {
  readonly program: Program;
  readonly verdict: Verdict;
  /** Null: a reading brought it about. */
  readonly timer: Timer | null;
  readonly metric: string | null;
  readonly value: Value | null;
  readonly at: number;
}

export function reasonFor(change: Change, circumstances: Circumstances): string {
  const { timer, program, verdict } = circumstances;
  if (timer?.kind === 'no-data') {
    const metrics = program.silence.map((index) => program.metrics[index]).join(', ') || 'any metric';
    const outcome = change.toLevel === null ? '; the rule calls that OK' : '';
    return `no value of ${metrics} since ${instant(timer.silentSince)}${outcome}`;
  }
  if (change.kind === 'no-data' && !verdict.noData) return `values arrive again${shown(circumstances)}`;
  if (change.kind === 'pending') return pendingReason(change.toLevel, circumstances);
  if (change.toLevel === null) return endReason(change, circumstances);
  return levelReason(change.toLevel, change, circumstances);
}

function pendingReason(level: Level | null, circumstances: Circumstances): string {
  const found = circumstances.program.levels.find((candidate) => candidate.level === level);
  const condition = `${whenOf(circumstances.program, level)} is true${shown(circumstances)}`;
  const count = found?.count ?? null;
  const counted = count === null ? '' : `in ${count.times} of the last ${count.of} readings`;
  const held = found === undefined || found.forUs === 0 ? '' : `that has held for ${duration(found.forUs)}`;
  return `${condition}; it fires when ${[held, counted && `it is true ${counted}`].filter((part) => part !== '').join(' and ')}`;
}

function levelReason(level: Level, change: Change, circumstances: Circumstances): string {
  const { program, verdict, timer, at } = circumstances;
  const condition = whenOf(program, level);
  if (change.kind === 'level' && verdict.since === null) {
    return `${whenOf(program, change.fromLevel)} is no longer true${shown(circumstances)}; ${level} is not cleared yet`;
  }
  const since = verdict.since ?? at;
  if (timer?.kind === 'keep') return `nothing asks for ${change.fromLevel} any more, and it has been kept for its keepFiringFor`;
  if (timer?.kind === 'stale') return `${condition} is true: no value has come for so long`;
  if (timer !== null)
    return `${condition} has been true since ${instant(since)}: its ${duration(at - since)} ended while no reading said otherwise`;
  if (since === at) return `${condition} is true${shown(circumstances)}`;
  return `${condition} has been true for ${duration(at - since)}, since ${instant(since)}${shown(circumstances)}`;
}

function endReason(change: Change, circumstances: Circumstances): string {
  const { program, timer } = circumstances;
  if (timer?.kind === 'keep') return `nothing asks for ${change.fromLevel} any more, and it has been kept for its keepFiringFor`;
  if (change.kind === 'cancelled') return `the condition turned false before it had held long enough${shown(circumstances)}`;
  const level = program.levels.find((candidate) => candidate.level === change.fromLevel);
  const clear = program.rule.levels.find((candidate) => candidate.level === change.fromLevel)?.clear ?? null;
  if (level === undefined) return `values arrive again, and no level holds${shown(circumstances)}`;
  if (clear !== null) return `${clear.text} is true${shown(circumstances)}`;
  return `${whenOf(program, change.fromLevel)} is no longer true${shown(circumstances)}`;
}

const whenOf = (program: Program, level: Level | null): string =>
  program.rule.levels.find((candidate) => candidate.level === level)?.when.text ?? `the level ${level}`;
const shown = ({ metric, value }: Circumstances): string =>
  metric === null || value === null ? '' : ` (${metric} is ${formatValue(value)})`;
const duration = (durationUs: number): string => formatDurationMs(durationUs / MICROSECONDS_PER_MILLISECOND);
const instant = (at: number): string => new Date(at / MICROSECONDS_PER_MILLISECOND).toISOString();
