/**
 * Device time → µs. A number (or text of digits) is read as s, ms, µs or ns by its magnitude; text as RFC 3339 in its looser
 * forms. A time without a zone needs one; where the clocks go back and it occurs twice, the instant nearest the receipt is
 * meant; where they go forward and it does not occur, it is read by the offset before the change.
 */
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';

/** `no-zone`: a local time, and no zone to read it in. `invalid`: no time at all. */
export type DeviceTime = number | 'no-zone' | 'invalid';

// Up to these magnitudes a number is seconds (year 5138), milliseconds (5138), microseconds (5138); above, nanoseconds.
const SECONDS_BELOW = 1e11;
const MILLISECONDS_BELOW = 1e14;
const MICROSECONDS_BELOW = 1e17;

const TEXT_LENGTH_MAX = 40;
/** Date.UTC takes a year below 100 for one of the last century. */
const YEAR_MIN = 1900;
const DIGITS = /^-?\d+(?:\.\d+)?$/;
const DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(?:([Zz]|UTC|GMT)|([+-])(\d{2}):?(\d{2}))?$/;

/** @param receivedAt µs */
export function readDeviceTime(raw: unknown, zone: string | null, receivedAt: number): DeviceTime {
  const time = typeof raw === 'number' ? fromNumber(raw) : typeof raw === 'string' ? fromText(raw, zone, receivedAt) : 'invalid';
  return typeof time === 'string' || Number.isSafeInteger(time) ? time : 'invalid';
}

/** True when this runtime knows the IANA zone. */
export function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function fromNumber(value: number): number {
  const magnitude = Math.abs(value);
  if (magnitude < SECONDS_BELOW) return Math.round(value * 1e6);
  if (magnitude < MILLISECONDS_BELOW) return Math.round(value * 1e3);
  if (magnitude < MICROSECONDS_BELOW) return Math.round(value);
  return Math.round(value / 1e3);
}

function fromText(text: string, zone: string | null, receivedAt: number): DeviceTime {
  const usual = fromUsualText(text);
  if (usual !== null) return usual;
  const match = text.length > TEXT_LENGTH_MAX ? null : DATE_TIME.exec(text);
  if (match === null) return text.length <= TEXT_LENGTH_MAX && DIGITS.test(text) ? fromNumber(Number(text)) : 'invalid';
  const [, year, month, day, hour, minute, second = '0', fraction = '', utc, sign, offsetHour, offsetMinute] = match;
  const localMs = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  // Date.UTC carries the 31st of June over into July; a second 60 may carry, a leap second is real.
  const isReal =
    Number(year) >= YEAR_MIN &&
    Number(month) >= 1 &&
    Number(month) <= 12 &&
    Number(day) >= 1 &&
    Number(day) <= daysInMonth(Number(year), Number(month));
  if (!isReal || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return 'invalid';
  const fractionMicroseconds = Number(fraction.padEnd(6, '0').slice(0, 6));
  let instantMs: number;
  if (utc !== undefined) instantMs = localMs;
  else if (sign !== undefined) {
    if (Number(offsetMinute) > 59 || Number(offsetHour) > 23) return 'invalid';
    instantMs = localMs - (sign === '-' ? -1 : 1) * (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  } else if (zone === null) return 'no-zone';
  else instantMs = fromLocal(localMs, zone, receivedAt / MICROSECONDS_PER_MILLISECOND);
  return instantMs * MICROSECONDS_PER_MILLISECOND + fractionMicroseconds;
}

const COMMON_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** `2026-03-01T08:15:00Z` and `2026-03-01T08:15:00.123Z`, which nearly all devices write: ten times as fast as the expression. */
function fromUsualText(text: string): number | null {
  const length = text.length;
  if ((length !== 20 && length !== 24) || text.charCodeAt(length - 1) !== 0x5a || text.charCodeAt(10) !== 0x54) return null;
  if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':' || text[16] !== ':' || (length === 24 && text[19] !== '.')) return null;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  const millisecond = length === 24 ? digits(text, 20, 3) : 0;
  const isPlain =
    year >= YEAR_MIN && month >= 1 && month <= 12 && day >= 1 && day <= (COMMON_DAYS[month - 1] ?? 0) && hour >= 0 && hour <= 23;
  // Anything out of the ordinary, the 29th of February and a leap second among it, is the expression's to judge.
  if (!isPlain || minute < 0 || minute > 59 || second < 0 || second > 59 || millisecond < 0) return null;
  return Date.UTC(year, month - 1, day, hour, minute, second, millisecond) * MICROSECONDS_PER_MILLISECOND;
}

/** @returns a number below 0 when one of them is no digit */
function digits(text: string, start: number, count: number): number {
  let number = 0;
  for (let index = start; index < start + count; index++) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

const daysInMonth = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate();

/** The instant at which the zone's clocks show `localMs` (a local time written as if it were UTC). */
function fromLocal(localMs: number, zone: string, nearMs: number): number {
  const dayMs = 86_400_000;
  const before = offsetMs(zone, localMs - dayMs);
  const after = offsetMs(zone, localMs + dayMs);
  if (before === after) return localMs - before;
  const candidates = [localMs - before, localMs - after].filter(
    (instant, index) => offsetMs(zone, instant) === (index === 0 ? before : after),
  );
  const [first, second] = candidates;
  if (first === undefined) return localMs - before;
  return second !== undefined && Math.abs(second - nearMs) < Math.abs(first - nearMs) ? second : first;
}

const QUARTER_HOUR_MS = 900_000;
const CACHED_OFFSETS_MAX = 10_000;
const formats = new Map<string, Intl.DateTimeFormat>();
/** By zone and quarter hour: offsets change on those only, and asking Intl costs microseconds. */
const offsets = new Map<string, number>();

function offsetMs(zone: string, instantMs: number): number {
  const quarter = Math.floor(instantMs / QUARTER_HOUR_MS);
  const key = `${zone} ${quarter}`;
  const cached = offsets.get(key);
  if (cached !== undefined) return cached;
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  const start = quarter * QUARTER_HOUR_MS;
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(start)) part[type] = Number(value);
  const local = Date.UTC(part.year ?? 0, (part.month ?? 1) - 1, part.day ?? 1, part.hour ?? 0, part.minute ?? 0, part.second ?? 0);
  if (offsets.size >= CACHED_OFFSETS_MAX) offsets.clear();
  offsets.set(key, local - start);
  return local - start;
}
