/**
 * Times at the edge: integer µs inside, RFC 3339 with µs outside. `formatTime` and `parseTime` are inverse to each other
 * for every µs of the years 1970 to 2254.
 */
import { MICROSECONDS_PER_MILLISECOND, MICROSECONDS_PER_SECOND } from '../domain/reading.ts';
import { formatTime } from '../std/time-text.ts';

export { formatTime };

/** The end of the year 2254: up to here a double holds every µs exactly. */
const LATEST = Date.UTC(2255, 0, 1) * MICROSECONDS_PER_MILLISECOND - 1;
const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/** RFC 3339 → µs, digits past the µs cut off; undefined when the text is no such time, or one before 1970 or after 2254. */
export function parseTime(text: string): number | undefined {
  const match = RFC_3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', zone = ''] = match;
  const fields = [year, month, day, hour, minute, second].map(Number) as [number, number, number, number, number, number];
  const offsetMinutes = parseZone(zone);
  if (offsetMinutes === undefined || fields[3] > 23 || fields[4] > 59 || fields[5] > 59) return undefined;
  const local = new Date(Date.UTC(fields[0], fields[1] - 1, ...(fields.slice(2) as [number, number, number, number])));
  // Date.UTC lets February 30 run over into March: such a date is a mistake, not a notation.
  if (local.getUTCMonth() !== fields[1] - 1 || local.getUTCDate() !== fields[2]) return undefined;
  const seconds = local.getTime() / 1000 - offsetMinutes * 60;
  const time = seconds * MICROSECONDS_PER_SECOND + Number(fraction.slice(0, 6).padEnd(6, '0'));
  return time >= 0 && time <= LATEST ? time : undefined;
}

function parseZone(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(4, 6));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}

/** Keys whose number is a time in µs. */
const isTimeKey = (key: string): boolean => TIME_KEYS.has(key) || /[a-z](At|Since|Until)$/.test(key);
const TIME_KEYS = new Set(['at', 'since', 'until', 'from', 'to', 'lastSeen', 'firstSeen', 'time']);
/**
 * Keys whose content is named by users: a metric called `at` is a value, not a time. What stands below such a name is ours
 * again: a device's latest value has an `at` and a `receivedAt`.
 */
const OPAQUE_KEYS = new Set(['values', 'labels', 'limits', 'value']);

/** A copy of plain data in which every time in µs is RFC 3339. Pure. */
export function withTimes(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(withTimes);
  if (typeof data !== 'object' || data === null) return data;
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(data)) {
    if (typeof value === 'number' && isTimeKey(key)) copy[key] = formatTime(value);
    else copy[key] = OPAQUE_KEYS.has(key) ? namedByUsers(value) : withTimes(value);
  }
  return copy;
}

function namedByUsers(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return data;
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, withTimes(value)]));
}
