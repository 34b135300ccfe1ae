/**
 * Which window of a schedule holds, and whose turn it is, at an instant. Pure: the same schedule and time give the same answer,
 * whatever was asked before. The one place that knows time zones; all arithmetic of dates is Temporal's. Times are µs.
 *
 * A window is one span of time, from the instant at which its local begin is reached to the one at which its local end is. On
 * days on which the clocks are changed:
 *
 *     a local time that does not exist   is the end of the gap: 02:30, where clocks go from 02:00 to 03:00, is 03:00. So a window
 *                                        that lies in the gap as a whole is empty on that day.
 *     a local time that exists twice     a window begins at the first and ends at the second one: a quiet night is never cut
 *                                        short. The hand-over of a rotation is a begin: the first.
 *
 * Both are asked for every message and timer, so the span that holds is remembered for each schedule and rotation: until its
 * end, an answer costs no calendar at all.
 */
import { Temporal } from 'temporal-polyfill';
import type { Contact, OnCall, Schedule, ScheduleWindow } from '../domain/notification.ts';

type Rotation = Extract<OnCall, { kind: 'rotation' }>;

/** `to` exclusive. */
interface Span<T> {
  readonly from: number;
  readonly to: number;
  readonly value: T;
}

const DAY_MINUTES = 1440;
const WEEK_MINUTES = 7 * DAY_MINUTES;
/** A window of 24 hours that began the day before yesterday may, where the clocks were put back, reach into today. */
const DAYS_BACK = 2;
/** A window comes every week; where a gap swallows it, the week after. */
const DAYS_AHEAD = 16;

/** Of the spans asked for last; an entry goes with the config that its key is a part of. */
const windowSpans = new WeakMap<Schedule, Span<boolean>>();
const turnSpans = new WeakMap<Rotation, Span<number>>();

export function isWithin(schedule: Schedule, atUs: number): boolean {
  return remembered(windowSpans, schedule, atUs, windowAt).value;
}

/** The first instant strictly after `afterUs` at which `isWithin` may change. Infinity: never. */
export function nextBoundary(schedule: Schedule, afterUs: number): number {
  return remembered(windowSpans, schedule, afterUs, windowAt).to;
}

/**
 * Ids of the persons that a contact stands for: itself, or whoever is on call; nobody when no schedule holds, or when contacts
 * stand for each other in a circle (the config refuses that).
 */
export function onCallAt(
  contact: Contact,
  atUs: number,
  of: { readonly contacts: ReadonlyMap<string, Contact>; readonly schedules: ReadonlyMap<string, Schedule> },
): string[] {
  const passed = new Set<string>();
  let current = contact;
  while (current.onCall !== null) {
    if (passed.has(current.id)) return [];
    passed.add(current.id);
    const next = standIn(current.onCall, atUs, of.schedules);
    if (next === null) return [];
    current = known(of.contacts, next, `contact that ${current.id} names`);
  }
  return [current.id];
}

function standIn(onCall: OnCall, atUs: number, schedules: ReadonlyMap<string, Schedule>): string | null {
  if (onCall.kind === 'rotation') return onCall.of[remembered(turnSpans, onCall, atUs, turnAt).value] ?? null;
  const entry = onCall.entries.find(
    ({ schedule }) => schedule === null || isWithin(known(schedules, schedule, 'schedule that an on-call contact names'), atUs),
  );
  return entry?.to ?? null;
}

function known<T>(all: ReadonlyMap<string, T>, id: string, what: string): T {
  const found = all.get(id);
  if (found === undefined) throw new Error(`the ${what} does not exist: ${id}`);
  return found;
}

function remembered<K extends object, T>(
  spans: WeakMap<K, Span<T>>,
  key: K,
  atUs: number,
  spanAt: (key: K, atUs: number) => Span<T>,
): Span<T> {
  const last = spans.get(key);
  if (last !== undefined && last.from <= atUs && atUs < last.to) return last;
  const span = spanAt(key, atUs);
  spans.set(key, span);
  return span;
}

/** The span around `atUs` in which a window holds, or none does. It may have begun earlier than it says. */
function windowAt(schedule: Schedule, atUs: number): Span<boolean> {
  const windows = schedule.windows.filter(({ days }) => days.length > 0).sort((a, b) => a.fromMinute - b.fromMinute);
  if (windows.length === 0) return { from: -Infinity, to: Infinity, value: false };
  if (coverWeek(windows)) return { from: -Infinity, to: Infinity, value: true };
  const first = dateAt(schedule.zone, atUs).subtract({ days: DAYS_BACK });
  // Windows that overlap or touch are one span.
  let joined: { from: number; to: number } | null = null;
  let outsideFrom = atUs;
  for (const { from, to } of windowsFrom(first, windows, schedule.zone)) {
    if (joined !== null && from <= joined.to) {
      joined.to = Math.max(joined.to, to);
      continue;
    }
    if (joined !== null && joined.to > atUs) break;
    if (joined !== null) outsideFrom = joined.to;
    joined = { from, to };
  }
  if (joined === null || joined.to <= atUs) {
    const horizon = beginUs(schedule.zone, first.add({ days: DAYS_BACK + DAYS_AHEAD }), 0);
    return { from: outsideFrom, to: horizon, value: false };
  }
  return joined.from <= atUs ? { ...joined, value: true } : { from: outsideFrom, to: joined.from, value: false };
}

/** The windows that begin on `first` and the days after it, by their begin; without those that a gap swallows. */
function* windowsFrom(
  first: Temporal.PlainDate,
  windows: readonly ScheduleWindow[],
  zone: string,
): Generator<{ from: number; to: number }> {
  for (let day = 0; day < DAYS_BACK + DAYS_AHEAD; day++) {
    const date = first.add({ days: day });
    for (const window of windows) {
      if (!window.days.includes(date.dayOfWeek)) continue;
      const from = beginUs(zone, date, window.fromMinute);
      const to = endUs(zone, date, endMinute(window));
      if (from < to) yield { from, to };
    }
  }
}

/** After the midnight on which the window's first day begins. */
const endMinute = ({ fromMinute, toMinute }: ScheduleWindow): number => (toMinute <= fromMinute ? toMinute + DAY_MINUTES : toMinute);

/** Every local minute lies in a window, so every instant does: what ends at a local time never ends before what begins at it. */
function coverWeek(windows: readonly ScheduleWindow[]): boolean {
  const covered = new Uint8Array(WEEK_MINUTES);
  for (const window of windows) {
    for (const day of window.days) {
      const midnight = (day - 1) * DAY_MINUTES;
      for (let minute = window.fromMinute; minute < endMinute(window); minute++) covered[(midnight + minute) % WEEK_MINUTES] = 1;
    }
  }
  return covered.every((minute) => minute === 1);
}

/** Whose turn it is, as an index into `of`, from one hand-over to the next. */
function turnAt(rotation: Rotation, atUs: number): Span<number> {
  const { zone, handoverMinute, everyDays, of } = rotation;
  const start = Temporal.PlainDate.from(rotation.start);
  const handoverUs = (date: Temporal.PlainDate): number => beginUs(zone, date, handoverMinute);
  // The last date whose hand-over has passed: where clocks are put back over midnight that may be tomorrow, else today or yesterday.
  let date = dateAt(zone, atUs).add({ days: 1 });
  while (handoverUs(date) > atUs) date = date.subtract({ days: 1 });
  const turn = Math.floor(start.until(date, { largestUnit: 'days' }).days / everyDays);
  return {
    from: handoverUs(start.add({ days: turn * everyDays })),
    to: handoverUs(start.add({ days: (turn + 1) * everyDays })),
    // Before `start` the turn is negative.
    value: ((turn % of.length) + of.length) % of.length,
  };
}

const dateAt = (zone: string, atUs: number): Temporal.PlainDate =>
  Temporal.Instant.fromEpochMilliseconds(Math.floor(atUs / 1000))
    .toZonedDateTimeISO(zone)
    .toPlainDate();

const beginUs = (zone: string, date: Temporal.PlainDate, minute: number): number => instantUs(zone, date, { minute, of: 'earlier' });
const endUs = (zone: string, date: Temporal.PlainDate, minute: number): number => instantUs(zone, date, { minute, of: 'later' });

/** @param at `minute` after local midnight of `date`, or of a later day; `of`: which of two */
function instantUs(zone: string, date: Temporal.PlainDate, at: { readonly minute: number; readonly of: 'earlier' | 'later' }): number {
  const ofDay = at.minute % DAY_MINUTES;
  const local = date
    .add({ days: Math.floor(at.minute / DAY_MINUTES) })
    .toPlainDateTime({ hour: Math.floor(ofDay / 60), minute: ofDay % 60 });
  const found = local.toZonedDateTime(zone, { disambiguation: at.of });
  if (found.toPlainDateTime().equals(local)) return found.epochMilliseconds * 1000;
  const gapEnd = local.toZonedDateTime(zone, { disambiguation: 'earlier' }).getTimeZoneTransition('next');
  if (gapEnd === null) throw new Error(`${local.toString()} does not exist in ${zone}, which has no further change of its clocks`);
  return gapEnd.epochMilliseconds * 1000;
}
