/**
 * The state machine of one instance (a rule on a device), pure: state and values in, state out.
 *
 *     OK → PENDING → FIRING(level) → OK
 *
 * Each level has its own run of "true": `since` when it began, `heldAt` when it was last seen to hold. A false ends the
 * run, unknown leaves it alone, a gap of more than `maxGap` between two trues begins it anew. A level has ripened when
 * its condition is true and its run is as long as its `for`. With current level c:
 *
 * 1. from the highest level down to just above c, the first that is true and ripened becomes the level;
 * 2. else, going down from c, the first level that is true; or has a `clear` that is not true; or has none, is c, and
 *    is unknown. None: the condition asks for no level.
 *
 * Silence is a flag beside it: it may raise a level, end the alert, or change nothing. It never undoes a level by itself.
 */
import { type Level, levelRank } from '../domain/alert.ts';
import type { Program } from './compile.ts';
import type { Cell, Frame, Truth } from './frame.ts';

/** Times are µs of event time. */
export interface Run {
  readonly since: number;
  readonly heldAt: number;
}
export interface InstanceState {
  /** One for each of the program's levels; empty when none runs. */
  readonly runs: readonly (Run | null)[];
  /** The level that the conditions ask for. */
  readonly level: Level | null;
  readonly noData: boolean;
}
export const IDLE: InstanceState = Object.freeze({ runs: Object.freeze([]), level: null, noData: false });

/** What the state amounts to. */
export interface Verdict {
  readonly phase: 'ok' | 'pending' | 'firing';
  /** Null only when ok. */
  readonly level: Level | null;
  /** When the condition of that level first held; null when something other than its condition keeps it. */
  readonly since: number | null;
  readonly noData: boolean;
}

export type Timer =
  /** A level ripens at event time `at` without a further reading. */
  | { readonly kind: 'for'; readonly due: number; readonly at: number; readonly level: Level }
  | { readonly kind: 'no-data'; readonly due: number; readonly silentSince: number };

/** What timers are reckoned from. Times are µs. */
export interface Hearing {
  /** The cells of the metrics that the conditions name, first in the list. */
  readonly cells: readonly Cell[];
  readonly maxGapUs: () => number;
  /** When a listed device was first known; null for one that is not listed. */
  readonly registeredAt: number | null;
  /** Receipt of the device's latest reading, or null. */
  readonly lastSeen: number | null;
  /** No silence ripens before it: the grace after a start. */
  readonly graceUntil: number;
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
  for (let index = 0; index < levels.length; index++) {
    const level = levels[index];
    if (level === undefined) break;
    const before = state.runs[index] ?? null;
    // Levels that ask the same mostly stand side by side, and then their runs mostly are one.
    const isSame = index > 0 && levels[index - 1]?.when === level.when;
    const value = isSame ? whens[index - 1] : valueAt(program, level.when, frame);
    whens[index] = value;
    runs[index] = isSame && isSameRun(before, state.runs[index - 1] ?? null) ? (runs[index - 1] ?? null) : nextRun(before, value, frame);
  }
  const level = nextLevel(program, state.level, { runs, whens, frame });
  return settled({ runs, level, noData: state.noData });
}

/** A timer came due: the level ripened, or the silence is long enough. */
export function ripen(program: Program, state: InstanceState, timer: Timer): InstanceState {
  if (timer.kind === 'for') return { ...state, level: timer.level };
  return program.noData?.endsAlert === true ? { runs: [], level: null, noData: true } : { ...state, noData: true };
}

/** Ends the silence once every metric has been heard lately enough, `now` being journal time. */
export function heard(program: Program, state: InstanceState, hearing: Hearing, now: number): InstanceState {
  if (!state.noData || (program.noData !== null && silentSince(program, hearing) + program.noData.afterUs <= now)) return state;
  return settled({ ...state, noData: false });
}

/** The timer that comes due first, in journal time; null when none runs. */
export function nextTimer(program: Program, state: InstanceState, hearing: Hearing): Timer | null {
  const silence = silenceTimer(program, state, hearing);
  if (state.runs.length === 0) return silence;
  const newest = newestCell(program, hearing.cells);
  let first: Timer | null = silence;
  // From the highest level down, so that of two that ripen together the higher one is taken.
  for (let index = program.levels.length - 1; index >= 0 && newest !== undefined; index--) {
    const level = program.levels[index];
    const run = state.runs[index];
    if (level === undefined || run === undefined || run === null || level.rank <= levelRank(state.level)) continue;
    const ripeAt = run.since + level.forUs;
    // It ripens on the strength of the newest reading only: that one must be true, and still count by then.
    if (run.heldAt !== newest.at || ripeAt - newest.at > hearing.maxGapUs()) continue;
    const due = newest.receivedAt + (ripeAt - newest.at);
    if (first === null || due < first.due) first = { kind: 'for', due, at: ripeAt, level: level.level };
  }
  return first;
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

/** Since when the stalest of the rule's metrics is silent; infinity when nothing can be said. */
export function silentSince(program: Program, hearing: Hearing): number {
  let oldest = Number.POSITIVE_INFINITY;
  for (let index = 0; index < program.conditionMetrics; index++) {
    const heardAt = hearing.cells[index]?.heardAt ?? Number.NEGATIVE_INFINITY;
    // A metric never heard of counts from the registration; a device that nobody listed need not have it.
    const from = heardAt === Number.NEGATIVE_INFINITY ? (hearing.registeredAt ?? Number.POSITIVE_INFINITY) : heardAt;
    oldest = Math.min(oldest, from);
  }
  if (program.conditionMetrics > 0) return oldest;
  return hearing.lastSeen ?? hearing.registeredAt ?? Number.POSITIVE_INFINITY;
}

function silenceTimer(program: Program, state: InstanceState, hearing: Hearing): Timer | null {
  if (program.noData === null || state.noData) return null;
  const from = silentSince(program, hearing);
  if (from === Number.POSITIVE_INFINITY) return null;
  return { kind: 'no-data', due: Math.max(from + program.noData.afterUs, hearing.graceUntil), silentSince: from };
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
  const gap = now - run.heldAt;
  const unbroken = gap <= frame.surelyFreshUs || gap <= frame.maxGapUs();
  return { since: unbroken ? run.since : now, heldAt: now };
}

const isSameRun = (left: Run | null, right: Run | null): boolean =>
  left === right || (left !== null && right !== null && left.since === right.since && left.heldAt === right.heldAt);

interface Evaluation {
  readonly runs: readonly (Run | null)[];
  /** The value of each level's `when`. */
  readonly whens: readonly Truth[];
  readonly frame: Frame;
}

function nextLevel(program: Program, current: Level | null, evaluation: Evaluation): Level | null {
  const { runs, whens, frame } = evaluation;
  const rank = levelRank(current);
  for (let index = program.levels.length - 1; index >= 0; index--) {
    const level = program.levels[index];
    const run = runs[index] ?? null;
    if (level === undefined || level.rank <= rank) break;
    if (run !== null && whens[index] === true && frame.now - run.since >= level.forUs) return level.level;
  }
  for (let index = program.levels.length - 1; index >= 0; index--) {
    const level = program.levels[index];
    if (level === undefined || level.rank > rank) continue;
    const value = whens[index];
    if (value === true) return level.level;
    if (level.clear !== null) {
      if (valueAt(program, level.clear, frame) !== true) return level.level;
    } else if (level.rank === rank && value === undefined) return level.level;
  }
  return null;
}

function settled(state: InstanceState): InstanceState {
  if (state.level !== null || state.noData) return state;
  return state.runs.every((run) => run === null) ? IDLE : state;
}

/** The cell of the newest value that the conditions can see. */
export function newestCell(program: Program, cells: readonly Cell[]): Cell | undefined {
  let newest = cells[0];
  for (let index = 1; index < program.conditionMetrics; index++) {
    const cell = cells[index];
    if (cell !== undefined && (newest === undefined || cell.at > newest.at)) newest = cell;
  }
  return program.conditionMetrics === 0 ? undefined : newest;
}
