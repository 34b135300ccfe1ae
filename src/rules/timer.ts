/**
 * When an instance has to be looked at again without a reading: a level ripens or has been kept long enough, `stale(…)` turns
 * true, or the silence is long enough. Pure; timers are due in journal time, µs. Event time is brought to it through the
 * newest reading: what is measured a minute after that one is due a minute after that one came.
 */
import { type Level, levelRank } from '../domain/alert.ts';
import type { InstanceState } from './evaluate.ts';
import type { Cell, RemoteCell } from './frame.ts';
import type { Program } from './program.ts';

export type Timer =
  /** A level ripens at event time `at` without a further reading. */
  | { readonly kind: 'for'; readonly due: number; readonly at: number; readonly level: Level }
  /** A level that nothing asks for any more has been kept for long enough. */
  | { readonly kind: 'keep'; readonly due: number; readonly at: number }
  /** `stale(…)` turns true: the conditions are to be evaluated at event time `at`. */
  | { readonly kind: 'stale'; readonly due: number; readonly at: number }
  | { readonly kind: 'no-data'; readonly due: number; readonly silentSince: number };

/** What timers are reckoned from. Times are µs. */
export interface Hearing {
  /** The cells of the metrics that the conditions name, first in the list. */
  readonly cells: readonly Cell[];
  readonly remotes: readonly RemoteCell[];
  readonly clockOffsetUs: number;
  readonly maxGapUs: () => number;
  /** When a listed device was first known; null for one that is not listed. */
  readonly registeredAt: number | null;
  /** Receipt of the device's latest reading, or of a device behind it when it publishes nothing itself; or null. */
  readonly lastSeen: number | null;
  /** No silence ripens before it: the grace after a start. */
  readonly graceUntil: number;
  /** How much later the silence of a device that depends on another ripens; 0 for one that depends on none. */
  readonly dependencyGraceUs: number;
  /** Event time of the last evaluation by a `stale` timer. */
  readonly checkedAt: number;
}

/**
 * The timer that comes due first, in journal time; null when none runs.
 * @param all takes every timer that runs, where somebody wants to know
 */
export function nextTimer(program: Program, state: InstanceState, hearing: Hearing, all: Timer[] | null = null): Timer | null {
  let first: Timer | null = earlier(null, silenceTimer(program, state, hearing), all);
  if (program.inputs.stales.length > 0) first = earlier(first, staleTimer(program, hearing), all);
  if (state.runs.length === 0) return first;
  const newest = newestOf(program, hearing);
  if (newest === undefined) return first;
  // What time alone brought about goes on by time alone.
  const isStaleRule = program.inputs.stales.length > 0;
  const lastAt = isStaleRule ? Math.max(newest.at, hearing.checkedAt) : newest.at;
  // It happens on the strength of the newest reading only: that one must say so, and still count by then.
  const latest = isStaleRule ? Number.POSITIVE_INFINITY : newest.at + hearing.maxGapUs();
  const lagUs = newest.receivedAt - newest.at;
  // From the highest level down, so that of two that ripen together the higher one is taken.
  for (let index = program.levels.length - 1; index >= 0; index--) {
    const level = program.levels[index];
    const run = state.runs[index];
    if (level === undefined || run === undefined || run === null || level.rank <= levelRank(state.level)) continue;
    const at = run.since + level.forUs;
    if (run.heldAt !== lastAt || at > latest) continue;
    first = earlier(first, { kind: 'for', due: at + lagUs, at, level: level.level }, all);
  }
  const current = program.keeps ? program.levels.findIndex(({ level }) => level === state.level) : -1;
  const endedAt = state.ends[current] ?? null;
  if (current >= 0 && endedAt !== null) {
    const at = endedAt + (program.levels[current]?.keepUs ?? 0);
    if (at <= latest) first = earlier(first, { kind: 'keep', due: at + lagUs, at }, all);
  }
  return first;
}

/** Of two that are due together the one found first is taken. */
function earlier(first: Timer | null, second: Timer | null, all: Timer[] | null): Timer | null {
  if (second === null) return first;
  all?.push(second);
  return first === null || first.due > second.due ? second : first;
}

/** The first metric that turns stale after what has been evaluated. */
function staleTimer(program: Program, hearing: Hearing): Timer | null {
  const newest = newestOf(program, hearing);
  let first: Timer | null = null;
  for (const { metric, durationUs } of program.inputs.stales) {
    const cell = hearing.cells[metric];
    if (cell === undefined || cell.value === undefined || newest === undefined) continue;
    const at = cell.at + durationUs;
    if (at <= Math.max(newest.at, hearing.checkedAt)) continue;
    first = earlier(first, { kind: 'stale', due: newest.receivedAt + (at - newest.at), at }, null);
  }
  return first;
}

/** Since when the stalest of the rule's metrics is silent; infinity when nothing can be said. */
export function silentSince(program: Program, hearing: Hearing): number {
  let oldest = Number.POSITIVE_INFINITY;
  for (const index of program.silence) {
    const heardAt = hearing.cells[index]?.heardAt ?? Number.NEGATIVE_INFINITY;
    // A metric never heard of counts from the registration; a device that nobody listed need not have it.
    const from = heardAt === Number.NEGATIVE_INFINITY ? (hearing.registeredAt ?? Number.POSITIVE_INFINITY) : heardAt;
    oldest = Math.min(oldest, from);
  }
  if (program.silence.length > 0) return oldest;
  return hearing.lastSeen ?? hearing.registeredAt ?? Number.POSITIVE_INFINITY;
}

function silenceTimer(program: Program, state: InstanceState, hearing: Hearing): Timer | null {
  if (program.noData === null || state.noData) return null;
  const from = silentSince(program, hearing);
  if (from === Number.POSITIVE_INFINITY) return null;
  const due = Math.max(from + program.noData.afterUs, hearing.graceUntil) + hearing.dependencyGraceUs;
  return { kind: 'no-data', due: Math.max(due, state.notBefore), silentSince: from };
}

/** When the newest value that the conditions can see was measured, in the device's own time, and reached us. */
export function newestOf(program: Program, hearing: Hearing): Pick<Cell, 'at' | 'receivedAt'> | undefined {
  const { cells, remotes } = hearing;
  let newest: Pick<Cell, 'at' | 'receivedAt'> | undefined = program.conditionMetrics === 0 ? undefined : cells[0];
  for (let index = 1; index < program.conditionMetrics; index++) {
    const cell = cells[index];
    if (cell !== undefined && (newest === undefined || cell.at > newest.at)) newest = cell;
  }
  for (const { cell, clockOffsetUs } of remotes) {
    const at = cell.at + clockOffsetUs() - hearing.clockOffsetUs;
    if (cell.value !== undefined && (newest === undefined || at > newest.at)) newest = { at, receivedAt: cell.receivedAt };
  }
  return newest;
}
