/**
 * What happened in a rule test, as rows for a person: readings in runs, between them what changed, who was told, and the
 * places where an expectation did not hold. Of a long story only what is near those.
 */
import type { Value } from '../domain/reading.ts';
import { formatValue } from '../rules/summary.ts';
import type { Arrival } from './rule-test-readings.ts';
import type { Event, Failure, Outcome } from './rule-test-run.ts';
import { timeOf } from './rule-test-times.ts';

export interface Row {
  readonly kind: 'reading' | 'change' | 'message' | 'failure' | 'left-out';
  readonly cells: readonly [time: string, what: string, who: string, text: string];
}

const ROWS_BEFORE = 10;
const ROWS_AFTER = 3;
const GROUPS_SHOWN_MAX = 4;

type ReadingEvent = Extract<Event, { kind: 'reading' }>;

export function timelineOf(outcome: Outcome): Row[] {
  const { events, failures } = outcome;
  const marks = failures.flatMap((failure) => (failure.at === null ? [] : [{ at: failure.at, failure }])).sort((a, b) => a.at - b.at);
  const rows: Row[] = [];
  let run: ReadingEvent[] = [];
  const endRun = (): void => {
    rows.push(...readingRows(run, outcome.ready.test.startsAt));
    run = [];
  };
  const mark = (until: number): void => {
    for (let next = marks[0]; next !== undefined && next.at < until; next = marks[0]) {
      endRun();
      rows.push(markRow(next.failure, next.at));
      marks.shift();
    }
  };
  for (const event of events) {
    mark(event.at);
    if (event.kind === 'reading') run.push(event);
    else {
      endRun();
      rows.push(rowOf(event));
    }
  }
  endRun();
  mark(Number.POSITIVE_INFINITY);
  return nearMarks(rows);
}

/** What came instead stands above, and in the rows before. */
const markRow = ({ expected }: Failure, at: number): Row => ({ kind: 'failure', cells: [timeOf(at), 'expected', '', expected] });

function rowOf(event: Exclude<Event, ReadingEvent>): Row {
  const time = timeOf(event.at);
  if (event.kind === 'message') {
    const { channels, contact, subject } = event.message;
    return { kind: 'message', cells: [time, channels[0]?.kind === 'email' ? 'e-mail' : 'message', contact, subject] };
  }
  if (event.kind === 'action') return { kind: 'change', cells: [time, 'done', event.action.by, event.done] };
  const { kind, alert, reason, backlog } = event.transition;
  const what = kind === 'firing' || kind === 'level' ? `${kind} ${alert.level}` : kind;
  const who = backlog === undefined ? `${alert.rule} on ${alert.device}` : backlog.device;
  return { kind: 'change', cells: [time, what, who, reason] };
}

/** A row a device and way of coming about, in the order in which they began. */
function readingRows(run: readonly ReadingEvent[], startsAt: number): Row[] {
  const groups = Map.groupBy(run, ({ arrival }) => JSON.stringify([arrival.device, arrival.refused]));
  return [...groups.values()].flatMap((group): Row[] => {
    const first = group[0];
    const last = group.at(-1);
    if (first === undefined || last === undefined) return [];
    const { arrival } = first;
    const names = [...new Set(group.flatMap((event) => Object.keys(event.arrival.written)))];
    const parts = names.map((name) => `${name} ${valuesText(group.map((event) => event.arrival.written[name] ?? null))}`);
    const notes = [...arrival.refused.map((detail) => `no value: ${detail}`), ...measuredText(group, startsAt)];
    const note = notes.length === 0 ? '' : ` (${notes.join('; ')})`;
    return [{ kind: 'reading', cells: [span(first.at, last.at), 'reading', arrival.device, `${parts.join(', ')}${note}`] }];
  });
}

const span = (from: number, to: number): string => (from === to ? timeOf(from) : `${timeOf(from)}–${timeOf(to)}`);

/** When they were measured, where that is not when they came. */
function measuredText(group: readonly ReadingEvent[], startsAt: number): string[] {
  const ats = group.flatMap(({ arrival }) => (isDelayed(arrival) ? [(arrival.reading?.at ?? 0) - startsAt] : []));
  return ats.length === 0 ? [] : [`measured ${span(Math.min(...ats), Math.max(...ats))}`];
}
const isDelayed = ({ reading, receivedAt }: Arrival): boolean => reading !== null && Math.abs(reading.at - receivedAt) >= 1000;

/** `5, 9 ×14` and, when there are many different ones, `5 → 9 ×20`. */
function valuesText(values: readonly (Value | null)[]): string {
  const groups: { value: Value | null; times: number }[] = [];
  for (const value of values) {
    const last = groups.at(-1);
    if (last !== undefined && last.value === value) last.times += 1;
    else groups.push({ value, times: 1 });
  }
  const textOf = ({ value, times }: { value: Value | null; times: number }): string =>
    `${value === null ? '-' : formatValue(value)}${times === 1 ? '' : ` ×${times}`}`;
  if (groups.length <= GROUPS_SHOWN_MAX) return groups.map(textOf).join(', ');
  if (isMonotone(groups.map(({ value }) => value))) {
    return `${formatValue(values[0])} → ${formatValue(values.at(-1))} ×${values.length}`;
  }
  const shown = groups.slice(0, GROUPS_SHOWN_MAX).map(textOf).join(', ');
  return `${shown}, … ${values.length} values`;
}

function isMonotone(values: readonly (Value | null)[]): boolean {
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length < values.length) return false;
  const steps = numbers.slice(1).map((value, index) => Math.sign(value - (numbers[index] ?? 0)));
  return steps.every((step) => step === steps[0]);
}

function nearMarks(rows: readonly Row[]): Row[] {
  const marks = rows.flatMap((row, index) => (row.kind === 'failure' ? [index] : []));
  // Without a place in time (a total that differs), the whole story, as far as it is short.
  const around = marks.length > 0 ? marks : [0];
  const before = marks.length > 0 ? ROWS_BEFORE : 0;
  const after = marks.length > 0 ? ROWS_AFTER : 4 * ROWS_BEFORE;
  const kept: Row[] = [];
  let leftOut = 0;
  const note = (): void => {
    if (leftOut > 0) kept.push({ kind: 'left-out', cells: ['…', `${leftOut} more`, '', ''] });
    leftOut = 0;
  };
  for (const [index, row] of rows.entries()) {
    if (around.some((mark) => index >= mark - before && index <= mark + after)) {
      note();
      kept.push(row);
    } else leftOut += 1;
  }
  note();
  return kept;
}
