/**
 * The state machine of one instance (a rule on a device or a group), pure: state and values in, state out.
 *
 *     OK → PENDING → FIRING(level) → OK
 *
 * Each level has its own run of "true": `since` when it began, `heldAt` when it was last seen to hold. A false ends the
 * run, unknown leaves it alone, a gap of more than `maxGap` between two trues begins it anew. A level with a count asks for
 * `times` trues among the last `of` readings instead of the latest alone; its run begins with the first of them. A level has
 * ripened when it is true and its run is as long as its `for`. With current level c:
 *
 * 1. from the highest level down to just above c, the first that is true and ripened becomes the level;
 * 2. else, going down from c, the first level that is true; or has a `clear` that is not true; or has none, is c, and
 *    is unknown; or stopped to be any of these less than its `keepFiringFor` ago. None: the condition asks for no level.
 *
 * Silence is a flag beside it: it may raise a level, end the alert, or change nothing. It never undoes a level by itself.
 */
import { type Level, levelRank } from '../domain/alert.ts';
import type { Frame, Truth } from './frame.ts';
import type { Program, ProgramLevel } from './program.ts';
import { type Hearing, silentSince, type Timer } from './timer.ts';

/** Times are µs of event time. */
export interface Run {
  readonly since: number;
  /** When the level was last seen to hold; minus 1 while a count is not reached. */
  readonly heldAt: number;
}
/** The latest readings of a level with a count, the newest in the lowest bit: 1 is true. */
export interface Tally {
  readonly bits: number;
  readonly at: number;
}
export interface InstanceState {
  /** One for each of the program's levels; empty when none runs. */
  readonly runs: readonly (Run | null)[];
  /** One for each of the program's levels; empty when no level has a count that has begun. */
  readonly tallies: readonly (Tally | null)[];
  /**
   * One for each of the program's levels up to the current one: when it stopped to hold, null while it does. Empty when no
   * level is kept beyond its end.
   */
  readonly ends: readonly (number | null)[];
  /** The level that the conditions ask for. */
  readonly level: Level | null;
  readonly noData: boolean;
  /** Silence ripens no earlier, as what the device depends on was away: journal time, µs; 0 is no such bound. */
  readonly notBefore: number;
  /** The silence is put down to what the device depends on, since then; null: it is not. */
  readonly inhibitedSince: number | null;
}
export const IDLE: InstanceState = Object.freeze({
  runs: Object.freeze([]),
  tallies: Object.freeze([]),
  ends: Object.freeze([]),
  level: null,
  noData: false,
  notBefore: 0,
  inhibitedSince: null,
});

/** What the state amounts to. */
export interface Verdict {
  readonly phase: 'ok' | 'pending' | 'firing';
  /** Null only when ok. */
  readonly level: Level | null;
  /** When the condition of that level first held; null when something other than its condition keeps it. */
  readonly since: number | null;
  readonly noData: boolean;
}

/**
 * The open interval of values that leave an idle instance idle, for a program whose levels all compare one metric with a
 * constant: a reading inside it needs no evaluation. Empty for any other program, and when a constant is unknown.
 */
export function quietRange(program: Program, frame: Frame): { above: number; below: number } {
  let above = Number.NEGATIVE_INFINITY;
  let below = Number.POSITIVE_INFINITY;
  for (const bound of program.bounds ?? []) {
    const at = bound.at(frame);
    if (bound.isAbove) below = Math.min(below, at);
    else above = Math.max(above, at);
  }
  frame.failure = null;
  // Math.min and Math.max hand on the NaN of an unknown constant, and nothing lies between NaN and anything.
  return program.bounds === null ? { above: Number.NaN, below: Number.NaN } : { above, below };
}

/** Evaluates the conditions at `frame.now`. Returns the same object when nothing changed; without allocation when OK. */
export function evaluate(program: Program, state: InstanceState, frame: Frame): InstanceState {
  if (state === IDLE && !anyTrue(program, frame)) return state;
  const { levels } = program;
  // Of their size from the start: an array that grows from nothing takes room for 17.
  const whens = new Array<Truth>(levels.length).fill(undefined);
  const runs = new Array<Run | null>(levels.length).fill(null);
  const tallies = program.hasCounts ? new Array<Tally | null>(levels.length).fill(null) : IDLE.tallies;
  for (let index = 0; index < levels.length; index++) {
    const level = levels[index];
    if (level === undefined) break;
    const before = state.runs[index] ?? null;
    // Levels that ask the same mostly stand side by side, and then their runs mostly are one.
    const isSame = index > 0 && levels[index - 1]?.when === level.when && !program.hasCounts;
    const value = isSame ? whens[index - 1] : valueAt(program, level.when, frame);
    if (level.count !== null && program.hasCounts) {
      const tally = nextTally(state.tallies[index] ?? null, value, level.count, frame);
      (tallies as (Tally | null)[])[index] = tally;
      whens[index] = value === undefined ? undefined : trues(tally?.bits ?? 0) >= level.count.times;
      runs[index] = countedRun(before, tally, whens[index], frame);
    } else {
      whens[index] = value;
      runs[index] = isSame && isSameRun(before, state.runs[index - 1] ?? null) ? (runs[index - 1] ?? null) : nextRun(before, value, frame);
    }
  }
  const { level, ends } = nextLevel(program, state, { runs, whens, frame });
  const { notBefore, inhibitedSince } = frame.isSign ? IDLE : state;
  return settled({ runs, tallies, ends, level, noData: state.noData, notBefore, inhibitedSince });
}

/** A timer came due, one of `stale` excepted: a level ripened or was kept long enough, or the silence is long enough. */
export function ripen(program: Program, state: InstanceState, timer: Timer): InstanceState {
  if (timer.kind === 'for') return { ...state, level: timer.level, ends: program.keeps ? endsAtRise(program, state, timer) : state.ends };
  if (timer.kind === 'keep') {
    const level = keptLevel(program, state.level, state.ends, timer.at);
    return settled({ ...state, level, ends: level === null ? IDLE.ends : state.ends });
  }
  if (timer.kind === 'stale') return state;
  const known = { ...state, notBefore: 0, inhibitedSince: null, noData: true };
  return program.noData?.endsAlert === true ? { ...known, runs: [], tallies: [], ends: [], level: null } : known;
}

/** The silence is put down to what the device depends on: it is looked at again at `until`, journal time, µs. */
export function inhibit(state: InstanceState, now: number, until: number): InstanceState {
  return { ...state, inhibitedSince: state.inhibitedSince ?? now, notBefore: until };
}

/** What it depends on is back: its silence ripens no earlier than `until`, when it should have been heard. */
export function release(state: InstanceState, until: number): InstanceState {
  return { ...state, inhibitedSince: null, notBefore: until };
}

/** Ends the silence once every metric has been heard lately enough, `now` being journal time. */
export function heard(program: Program, state: InstanceState, hearing: Hearing, now: number): InstanceState {
  if (!state.noData || (program.noData !== null && silentSince(program, hearing) + program.noData.afterUs <= now)) return state;
  return settled({ ...state, noData: false });
}

export function verdictOf(program: Program, state: InstanceState): Verdict {
  const { noData } = state;
  const raised = noData ? (program.noData?.raise ?? null) : null;
  if (raised !== null && levelRank(raised) > levelRank(state.level)) return { phase: 'firing', level: raised, since: null, noData };
  if (state.level !== null) {
    const index = program.levels.findIndex((level) => level.level === state.level);
    return { phase: 'firing', level: state.level, since: state.runs[index]?.since ?? null, noData };
  }
  const pending = program.levels.findIndex((_, index) => (state.runs[index] ?? null) !== null);
  if (pending < 0) return { phase: 'ok', level: null, since: null, noData };
  return { phase: 'pending', level: program.levels[pending]?.level ?? null, since: state.runs[pending]?.since ?? null, noData };
}

function anyTrue(program: Program, frame: Frame): boolean {
  let previous = -1;
  for (const level of program.levels) {
    // Levels that ask the same mostly stand side by side.
    if (level.when === previous) continue;
    previous = level.when;
    if (valueAt(program, level.when, frame) === true) return true;
  }
  return false;
}

function valueAt(program: Program, condition: number, frame: Frame): Truth {
  const value = program.conditions[condition]?.evaluate(frame);
  if (frame.failure !== null) {
    // A failure that `&&` or `||` absorbed is none.
    if (value === undefined) {
      frame.errors += 1;
      frame.lastError = frame.failure;
    }
    frame.failure = null;
  }
  return value;
}

function nextRun(run: Run | null, value: Truth, frame: Frame): Run | null {
  if (value === undefined) return run;
  if (!value) return null;
  const { now } = frame;
  if (run === null) return { since: now, heldAt: now };
  return { since: isUnbroken(run.heldAt, frame) ? run.since : now, heldAt: now };
}

/** A hole in the data is not evidence that it stayed as it was; one that we were down for is none of the device's making. */
function isUnbroken(from: number, frame: Frame): boolean {
  const gap = frame.now - from;
  if (gap <= frame.surelyFreshUs) return true;
  const maxGapUs = frame.maxGapUs();
  return gap <= maxGapUs || gap - frame.downUs(from, frame.now) <= maxGapUs;
}

/** Only readings are counted, and of those only what is known; after a gap the count begins anew. */
function nextTally(tally: Tally | null, value: Truth, count: NonNullable<ProgramLevel['count']>, frame: Frame): Tally | null {
  if (value === undefined || !frame.isReading) return tally;
  const before = tally !== null && isUnbroken(tally.at, frame) ? tally.bits : 0;
  const bits = ((before << 1) | (value ? 1 : 0)) & (2 ** count.of - 1);
  return bits === 0 ? null : { bits, at: frame.now };
}

function countedRun(run: Run | null, tally: Tally | null, met: Truth, frame: Frame): Run | null {
  if (tally === null) return null;
  if (met === undefined) return run;
  const since = run === null || (run.heldAt >= 0 && !isUnbroken(run.heldAt, frame)) ? frame.now : run.since;
  return { since, heldAt: met ? frame.now : -1 };
}

function trues(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

const isSameRun = (left: Run | null, right: Run | null): boolean =>
  left === right || (left !== null && right !== null && left.since === right.since && left.heldAt === right.heldAt);

interface Evaluation {
  readonly runs: readonly (Run | null)[];
  /** Whether each level holds: its `when`, or what its count makes of it. */
  readonly whens: readonly Truth[];
  readonly frame: Frame;
}

function nextLevel(program: Program, state: InstanceState, evaluation: Evaluation): Pick<InstanceState, 'level' | 'ends'> {
  const { runs, whens, frame } = evaluation;
  const rank = levelRank(state.level);
  for (let index = program.levels.length - 1; index >= 0; index--) {
    const level = program.levels[index];
    const run = runs[index] ?? null;
    if (level === undefined || level.rank <= rank) break;
    if (run === null || whens[index] !== true || frame.now - run.since < level.forUs) continue;
    return { level: level.level, ends: program.keeps ? nextEnds(program, state, level.rank, evaluation) : IDLE.ends };
  }
  if (program.keeps) {
    const ends = nextEnds(program, state, rank, evaluation);
    const level = keptLevel(program, state.level, ends, frame.now);
    return { level, ends: level === null ? IDLE.ends : ends };
  }
  for (let index = program.levels.length - 1; index >= 0; index--) {
    const level = program.levels[index];
    if (level !== undefined && level.rank <= rank && holds(program, level, { value: whens[index], rank, frame })) {
      return { level: level.level, ends: IDLE.ends };
    }
  }
  return { level: null, ends: IDLE.ends };
}

/** Whether the level, up to the current one, is to be left at this value of its condition. */
function holds(program: Program, level: ProgramLevel, given: { value: Truth; rank: number; frame: Frame }): boolean {
  if (given.value === true) return true;
  if (level.clear !== null) return valueAt(program, level.clear, given.frame) !== true;
  return level.rank === given.rank && given.value === undefined;
}

/** Long before any end: a level that did not hold when a higher one came is not kept after it. */
const NEVER_HELD = 0;

/** When each level up to `rank` stopped to hold; that of a level that holds is null. */
function nextEnds(program: Program, state: InstanceState, rank: number, { whens, frame }: Evaluation): (number | null)[] {
  const before = levelRank(state.level);
  return program.levels.map((level, index) => {
    if (level.rank > rank || holds(program, level, { value: whens[index], rank, frame })) return null;
    return level.rank > before ? NEVER_HELD : (state.ends[index] ?? frame.now);
  });
}

/** The same when a timer raised the level: what its runs say is all that is known. */
function endsAtRise(program: Program, state: InstanceState, timer: { readonly level: Level }): (number | null)[] {
  const before = levelRank(state.level);
  return program.levels.map((level, index) => {
    if (level.rank >= levelRank(timer.level)) return null;
    const ended = state.ends[index] ?? null;
    return level.rank <= before ? ended : (state.runs[index] ?? null) === null ? NEVER_HELD : null;
  });
}

/** Going down from the current level, the first that holds, or stopped to less than its `keepFiringFor` ago. */
function keptLevel(program: Program, current: Level | null, ends: readonly (number | null)[], now: number): Level | null {
  for (let index = program.levels.length - 1; index >= 0; index--) {
    const level = program.levels[index];
    if (level === undefined || level.rank > levelRank(current)) continue;
    const endedAt = ends[index] ?? null;
    if (endedAt === null || now - endedAt < level.keepUs) return level.level;
  }
  return null;
}

function settled(state: InstanceState): InstanceState {
  if (state.level !== null || state.noData || state.notBefore !== 0 || state.inhibitedSince !== null) return state;
  return state.runs.every((run) => run === null) && state.tallies.every((tally) => tally === null) ? IDLE : state;
}
