/** What one level of a rule waits for, or why it stays: its conditions, its run of "true", its count, and how long it is kept. */
import { type Level, levelRank } from '../domain/alert.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import type { Program, ProgramLevel } from '../rules/compile.ts';
import type { Run, Tally } from '../rules/evaluate.ts';
import { type ConditionView, explainCondition, type MembersOf } from '../rules/explain.ts';
import type { Frame } from '../rules/frame.ts';
import type { Timer } from '../rules/timer.ts';
import { formatDurationMs } from '../std/quantity.ts';
import type { Instance } from './instance.ts';

/** Times are µs of event time. */
export interface LevelExplanation {
  readonly level: Level;
  /** It is the level at present. */
  readonly isCurrent: boolean;
  readonly when: ConditionView;
  /** What `when` would come to by now, where that differs. */
  readonly whenNow: Outcome | null;
  readonly clear: ConditionView | null;
  readonly clearNow: Outcome | null;
  /** How long `when` must be true; 0 is not at all. */
  readonly forMs: number;
  /** Since when it is, without a false and without a gap. */
  readonly trueSince: number | null;
  /** How long it was, at the last evaluation. */
  readonly heldMs: number | null;
  readonly ripensAt: number | null;
  readonly count: { readonly times: number; readonly of: number; readonly trues: number; readonly newestFirst: readonly boolean[] } | null;
  readonly keepFiringForMs: number;
  /** Since when nothing asks for it any more. */
  readonly endedSince: number | null;
  readonly keptUntil: number | null;
  /** What it waits for, in one sentence. */
  readonly says: string;
}

export type Outcome = Pick<ConditionView, 'value' | 'because'>;

export interface LevelLook {
  readonly instance: Instance;
  readonly index: number;
  /** As it was last evaluated. */
  readonly past: Frame;
  /** At present. */
  readonly present: Frame;
  readonly timers: readonly Timer[];
  readonly membersOf: MembersOf | undefined;
}

export function explainLevel(look: LevelLook): LevelExplanation {
  const { instance, index, past } = look;
  const { program, state } = instance;
  const level = levelAt(program, index);
  const run = state.runs[index] ?? null;
  const tally = state.tallies[index] ?? null;
  const endedSince = keptSince(state.ends[index] ?? null);
  const when = conditionView(look, level.when, look.past);
  const clear = level.clear === null ? null : conditionView(look, level.clear, look.past);
  const { forUs, keepUs, count } = level;
  return {
    level: level.level,
    isCurrent: state.level === level.level,
    when,
    whenNow: whatNow(look, level.when, when),
    clear,
    clearNow: clear === null || level.clear === null ? null : whatNow(look, level.clear, clear),
    forMs: toMs(forUs),
    trueSince: run?.since ?? null,
    heldMs: run === null ? null : toMs(past.now - run.since),
    ripensAt: run === null ? null : run.since + forUs,
    count: count === null ? null : { ...count, ...counted(tally, count.of) },
    keepFiringForMs: toMs(keepUs),
    endedSince,
    keptUntil: endedSince === null ? null : endedSince + keepUs,
    says: says({ ...look, level, run, tally, when, clear, endedSince }),
  };
}

function levelAt(program: Program, index: number): ProgramLevel {
  const level = program.levels[index];
  if (level === undefined) throw new Error(`the rule ${program.rule.id} has no level number ${index}`);
  return level;
}

function conditionView({ instance, membersOf }: LevelLook, index: number, frame: Frame): ConditionView {
  const condition = instance.program.conditions[index];
  if (condition === undefined) throw new Error(`the rule ${instance.program.rule.id} has no condition number ${index}`);
  return explainCondition(condition, frame, membersOf);
}

/** Null where it would come to the same. */
function whatNow(look: LevelLook, index: number, past: ConditionView): Outcome | null {
  const value = look.instance.program.conditions[index]?.evaluate(look.present) ?? null;
  return value === past.value ? null : { value, because: conditionView(look, index, look.present).because };
}

/** Of a level that did not hold when a higher one came there is no time. */
const keptSince = (endedAt: number | null): number | null => (endedAt === 0 ? null : endedAt);

function counted(tally: Tally | null, of: number): { trues: number; newestFirst: boolean[] } {
  const newestFirst = Array.from({ length: of }, (_, index) => (((tally?.bits ?? 0) >> index) & 1) === 1);
  return { trues: newestFirst.filter(Boolean).length, newestFirst };
}

interface Known extends LevelLook {
  readonly level: ProgramLevel;
  readonly run: Run | null;
  readonly tally: Tally | null;
  readonly when: ConditionView;
  readonly clear: ConditionView | null;
  readonly endedSince: number | null;
}

function says(known: Known): string {
  const { level, run, when } = known;
  const rank = levelRank(known.instance.state.level);
  if (level.rank === rank) return currentSays(known);
  if (level.rank < rank) return `${known.instance.state.level} is above it`;
  if (run !== null) return runningSays(known, run);
  if (when.value === null) return `unknown neither fires nor clears: ${when.because}`;
  if (when.value) return 'true, and not begun to count: a further reading will';
  return `nothing asks for it: ${when.because}`;
}

function currentSays({ level, when, clear, endedSince }: Known): string {
  if (when.value === true) return 'it is the level at present, and its condition is true';
  if (endedSince !== null)
    return `nothing asks for it since ${instant(endedSince)}: it is kept until ${instant(endedSince + level.keepUs)}`;
  if (clear === null) return `it is the level at present: its condition is unknown, which does not clear it (${when.because})`;
  const cleared = clear.value === null ? 'unknown' : String(clear.value);
  return `its condition is ${when.value === null ? 'unknown' : 'false'}, and it stays until clear is true, which is ${cleared}: ${clear.because}`;
}

function runningSays(known: Known, run: Run): string {
  const { level, when, past, timers, instance } = known;
  if (level.count !== null && run.heldAt < 0) {
    const { trues } = counted(known.tally, level.count.of);
    return `true in ${trues} of the last ${level.count.of} readings, and ${level.count.times} are needed`;
  }
  const held = past.now - run.since;
  const soFar = `true since ${instant(run.since)}: ${duration(Math.min(held, level.forUs))} of ${duration(level.forUs)}`;
  const timer = timers.find((of) => of.kind === 'for' && of.level === level.level);
  if (timer !== undefined) return `${soFar}; fires at ${instant(timer.due)} unless a reading says otherwise before`;
  if (when.value === null) return `${soFar}; unknown at present, which neither ends nor ripens it: ${when.because}`;
  const gap = duration(instance.maxGapUs());
  return `${soFar}; the newest value will be too old by then (it counts for ${gap}), so that it takes a further reading to fire`;
}

const toMs = (durationUs: number): number => durationUs / MICROSECONDS_PER_MILLISECOND;
const duration = (durationUs: number): string => (durationUs === 0 ? '0s' : formatDurationMs(toMs(durationUs)));
const instant = (at: number): string => new Date(toMs(at)).toISOString();
