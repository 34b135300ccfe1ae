/** Recurring windows of local time, as people write them: `{id: night, zone: Europe/Berlin, windows: [{from: "22:00", to: "06:00"}]}`. */
import * as z from 'zod';
import type { Schedule, ScheduleWindow } from '../../domain/notification.ts';
import { nearest, refuse, strictObject, whenMissing } from '../../std/form.ts';
import { either, written } from '../../std/json-schema.ts';
import { id } from './id-form.ts';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const EVERY_DAY = [1, 2, 3, 4, 5, 6, 7];
const DAY_MINUTES = 24 * 60;
const TIME = /^([01]?\d|2[0-3]):([0-5]\d)$/;
const END_OF_DAY = '24:00';
const DAYS_JSON = { type: 'string', pattern: `^(?:(?:${DAYS.join('|')})(?:-(?:${DAYS.join('|')}))?|daily|all-week)$` };

/** A zone that the calendar knows. */
export const zone = () =>
  written(
    z.unknown().transform((value, context): string => {
      if (typeof value === 'string' && isTimeZone(value)) return value;
      const said = typeof value === 'string' ? `${JSON.stringify(value)} is no IANA time zone` : 'expected an IANA time zone';
      return refuse(context, said, 'for example Europe/Berlin');
    }),
    { type: 'string', minLength: 1, examples: ['Europe/Berlin', 'UTC'] },
  );

/** A time of day in minutes after midnight. */
export const timeOfDay = (options: { readonly endOfDay?: boolean } = {}) =>
  written(
    z.unknown().transform((value, context): number => {
      if (options.endOfDay === true && value === END_OF_DAY) return DAY_MINUTES;
      const [, hours, minutes] = (typeof value === 'string' ? TIME.exec(value) : null) ?? [];
      if (hours !== undefined && minutes !== undefined) return Number(hours) * 60 + Number(minutes);
      const last = options.endOfDay === true ? END_OF_DAY : '23:59';
      return refuse(context, 'expected a time of day', `write hours and minutes in quotes: "06:00", up to "${last}"`);
    }),
    {
      type: 'string',
      pattern: options.endOfDay === true ? `${TIME.source}|^${END_OF_DAY}$` : TIME.source,
      examples: ['06:00', '22:00'],
    },
  );

/** `mon-fri`, `sat`, `daily`, or a list of such; `fri-mon` goes over the weekend. */
const days = written(
  z.unknown().transform((value, context): readonly number[] => {
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (list.length === 0) return refuse(context, 'expected at least one day', 'write mon-fri, or leave days out: every day');
    const found = list.flatMap((entry, index): readonly number[] => {
      const numbers = typeof entry === 'string' ? daysOf(entry) : null;
      if (numbers === null) refuse(context, 'expected days of the week', hintForDays(entry), Array.isArray(value) ? [index] : []);
      return numbers ?? [];
    });
    return EVERY_DAY.filter((day) => found.includes(day));
  }),
  { ...either(DAYS_JSON, { type: 'array', items: DAYS_JSON, minItems: 1 }), examples: ['mon-fri', ['sat', 'sun'], 'daily'] },
);

function daysOf(text: string): readonly number[] | null {
  if (text === 'daily' || text === 'all-week') return EVERY_DAY;
  const [first = '', last = first, ...more] = text.split('-');
  const [from, to] = [DAYS.indexOf(first) + 1, DAYS.indexOf(last) + 1];
  if (from === 0 || to === 0 || more.length > 0) return null;
  return EVERY_DAY.filter((day) => (from <= to ? day >= from && day <= to : day >= from || day <= to));
}

function hintForDays(entry: unknown): string {
  const known = `mon-fri, sat-sun, daily, or a list: [mon, wed]`;
  if (typeof entry !== 'string') return known;
  const short = entry
    .toLowerCase()
    .split(/\s*(?:-|–|to)\s*/)
    .map((day) => DAYS.find((name) => day.startsWith(name)) ?? nearest(day, DAYS) ?? '');
  const meant = short.join('-');
  return short.length <= 2 && daysOf(meant) !== null ? `did you mean ${meant}?` : known;
}

const windowForm = strictObject({
  days: days.optional().describe('Days on which the window begins. Left out, every day.'),
  from: timeOfDay().optional().describe('Local time at which it begins. Left out, midnight.'),
  to: timeOfDay({ endOfDay: true })
    .optional()
    .describe('Local time at which it ends; at or before `from`, on the next day. Left out, the end of the day.'),
});

const scheduleForm = strictObject({
  id: id('schedule').describe('Its name, for `active`, `muted` and contacts on call.'),
  zone: zone().describe('The time zone of its times; days on which clocks change are taken as they are.'),
  windows: z
    .array(windowForm, whenMissing('such as windows: [{days: mon-fri, from: "22:00", to: "06:00"}]'))
    .min(1, 'expected at least one window')
    .describe('When it holds: in any of these.'),
});

export const schedulesForm = z
  .array(scheduleForm)
  .nullish()
  .transform((schedules): readonly Schedule[] =>
    (schedules ?? []).map(({ windows, ...rest }) => ({ ...rest, windows: windows.map(windowOf) })),
  );

const windowOf = (form: z.output<typeof windowForm>): ScheduleWindow => ({
  days: form.days ?? EVERY_DAY,
  fromMinute: form.from ?? 0,
  toMinute: form.to ?? DAY_MINUTES,
});

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    // That it throws is the answer.
    return false;
  }
}
