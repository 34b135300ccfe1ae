/**
 * What may stand in a mail, and how: texts, numbers, times, addresses of pages.
 *
 * Whatever comes from devices and files passes `clean` (no control characters, no text-direction tricks, bounded length)
 * and, in HTML, `escapeHtml`.
 */
import type { Alert, Level } from '../../domain/alert.ts';
import type { Value } from '../../domain/reading.ts';
import { formatDurationMs } from '../../std/quantity.ts';
import type { AlertFacts } from './facts.ts';

export const SUBJECT_LENGTH_MAX = 200;
export const VALUE_LENGTH_MAX = 80;
export const LINE_LENGTH_MAX = 500;
export const RULE_LENGTH_MAX = 64;
export const WHERE_LENGTH_MAX = 80;
const URL_LENGTH_MAX = 1000;
const EARLIER_SHOWN_MAX = 5;

/** A message that was not delivered and that another one stands in for. */
export interface Earlier {
  readonly subject: string;
  readonly level: Level;
  /** Event time, µs. */
  readonly at: number;
}

export type FactsOf = (alert: Alert) => AlertFacts;

/** What the alert is on: `fridge-01`, or `group site=berlin`. */
export const whereOf = ({ device, group }: Pick<Alert, 'device' | 'group'>): string =>
  oneLine(group === undefined ? device : `group ${group}`, WHERE_LENGTH_MAX);
/** `fridge-warm on fridge-01` */
export const nameOf = (alert: Alert): string => `${oneLine(alert.rule, RULE_LENGTH_MAX)} on ${whereOf(alert)}`;

export function valueText(value: Value | null, unit: string | null): string | null {
  if (value === null) return null;
  if (typeof value === 'number') return withUnit(numberText(value), unit);
  return oneLine(String(value), VALUE_LENGTH_MAX);
}

export function notesOf(replaces: readonly Earlier[]): string[] {
  if (replaces.length === 0) return [];
  const shown = replaces.slice(-EARLIER_SHOWN_MAX).map(({ subject, at }) => `${oneLine(subject, SUBJECT_LENGTH_MAX)} (${timeText(at)})`);
  const left = replaces.length - shown.length;
  const earlier = `${left === 0 ? '' : `${left} more; `}${shown.join('; ')}`;
  return [
    `This message takes the place of ${replaces.length === 1 ? 'an earlier one' : `${replaces.length} earlier ones`} not delivered before: ${earlier}`,
  ];
}

export const pageUrl = (publicUrl: string): string => `${publicUrl.replace(/\/+$/, '')}/`;
export const alertUrl = (publicUrl: string, alert: string): string =>
  `${pageUrl(publicUrl)}?alert=${encodeURIComponent(alert.toWellFormed())}`;
/** What a reader may follow; anything else, and what was cut short, is shown as text. */
export const isLink = (target: string): boolean => target.length <= URL_LENGTH_MAX && /^(?:https?:\/\/|mailto:)[^\s…]+$/i.test(target);

/** Six significant digits: more than any sensor has, and no 9.299999999999999. */
export const numberText = (value: number): string => String(Number(value.toPrecision(6)));
export const withUnit = (text: string, unit: string | null): string =>
  unit === null || unit === '' ? text : `${text} ${oneLine(unit, 16)}`;
/** To the second, in UTC: readers sit in more than one zone, and the text says so. */
export const timeText = (time: number): string => `${new Date(time / 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** `03:04 UTC`, on the day that it is; else with its day. */
export function shortTimeText(time: number, at: number | null): string {
  const day = 'YYYY-MM-DD'.length;
  const [shown, today] = [timeText(time), at === null ? '' : timeText(at)];
  return `${shown.slice(shown.slice(0, day) === today.slice(0, day) ? day + 1 : 0, 'YYYY-MM-DD HH:MM'.length)} UTC`;
}

/** `from … to …`; the day is told once where it is the same. */
export function spanText(from: number, to: number): string {
  const [begin, end] = [timeText(from), timeText(to)];
  if (begin === end) return `at ${begin}`;
  const day = 'YYYY-MM-DD '.length;
  return begin.slice(0, day) === end.slice(0, day) ? `from ${begin.replace(' UTC', '')} to ${end.slice(day)}` : `from ${begin} to ${end}`;
}

const HOUR_MS = 3_600_000;
/** What is past an hour is told to the minute, past two days to the hour. */
export function durationText(durationMs: number): string {
  const unitMs = durationMs < 60_000 ? 1 : durationMs < HOUR_MS ? 1000 : durationMs < 48 * HOUR_MS ? 60_000 : HOUR_MS;
  return formatDurationMs(Math.round(durationMs / unitMs) * unitMs);
}

export const countText = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** Line breaks stay; no other control character, no character that turns the direction of what follows, no half of a pair. */
export function clean(text: string, lengthMax: number): string {
  const shown = text
    .slice(0, lengthMax + 1)
    .toWellFormed()
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\n]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ')
    .replace(/[\u2028\u2029]/g, '\n');
  return shown.length <= lengthMax ? shown : `${shown.slice(0, lengthMax - 1).toWellFormed()}…`;
}

export const oneLine = (text: string, lengthMax: number): string => clean(text, lengthMax).replace(/\s+/g, ' ').trim();
/** One that could stand in angle brackets: of a message or a picture in it. */
export const idText = (id: string): string => id.replace(/[^\w.@+-]/g, '_').slice(0, SUBJECT_LENGTH_MAX);

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
