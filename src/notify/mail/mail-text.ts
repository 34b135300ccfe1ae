/**
 * What may stand in a mail, and how: texts, numbers, times, and the page of its HTML.
 *
 * Whatever comes from devices and files passes `clean` (no control characters, no text-direction tricks, bounded length)
 * and, in HTML, `escapeHtml`. Nothing external is loaded; colours are left to the reader's own theme except where they
 * carry the level.
 */
import type { Alert, Level } from '../../domain/alert.ts';
import type { Value } from '../../domain/reading.ts';

export const SUBJECT_LENGTH_MAX = 200;
export const VALUE_LENGTH_MAX = 80;
export const LINE_LENGTH_MAX = 500;
export const RULE_LENGTH_MAX = 64;
export const MUTED = 'color:#767c89';
export const COLOURS: Record<Level | 'resolved', string> = {
  critical: '#b42318',
  warning: '#b54708',
  info: '#175cd3',
  resolved: '#067647',
};

/** A message that was not delivered and that another one stands in for. */
export interface Earlier {
  readonly subject: string;
  readonly level: Level;
  /** Event time, µs. */
  readonly at: number;
}

/** What the alert is on: `fridge-01`, or `group site=berlin`. */
export const whereOf = ({ device, group }: Alert): string => oneLine(group === undefined ? device : `group ${group}`, 80);

export function valueText(value: Value | null, unit: string | null): string | null {
  if (value === null) return null;
  if (typeof value === 'number') return withUnit(numberText(value), unit);
  return oneLine(String(value), VALUE_LENGTH_MAX);
}

export function notesOf(replaces: readonly Earlier[]): string[] {
  if (replaces.length === 0) return [];
  const earlier = replaces.map(({ subject, at }) => `${oneLine(subject, SUBJECT_LENGTH_MAX)} (${timeText(at)})`).join('; ');
  return [
    `This message takes the place of ${replaces.length === 1 ? 'an earlier one' : `${replaces.length} earlier ones`} not delivered before: ${earlier}`,
  ];
}

export const alertUrl = (publicUrl: string, alert: string): string =>
  `${publicUrl.replace(/\/+$/, '')}/?alert=${encodeURIComponent(alert)}`;

/** @param page `heading` and `notes` are plain text; `body` is HTML, made of what is escaped already */
export function htmlPage(page: {
  readonly state: Level | 'resolved';
  readonly heading: string;
  readonly body: readonly string[];
  readonly notes: readonly string[];
}): string {
  const { state, heading, body, notes } = page;
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">',
    `<title>${escapeHtml(heading)}</title></head>`,
    '<body style="margin:0;padding:16px;font-family:-apple-system,BlinkMacSystemFont,\'Segoe UI\',Roboto,Arial,sans-serif;font-size:15px;line-height:1.45">',
    `<div style="max-width:600px;border-left:4px solid ${COLOURS[state]};padding-left:16px">`,
    `<p style="margin:0 0 8px"><span style="display:inline-block;padding:2px 8px;border-radius:4px;background:${COLOURS[state]};color:#ffffff;font-size:12px;font-weight:600;letter-spacing:.04em">${state.toUpperCase()}</span></p>`,
    `<h1 style="margin:0 0 4px;font-size:20px;line-height:1.3">${escapeHtml(heading)}</h1>`,
    ...body,
    ...notes.map((note) => `<p style="margin:12px 0 0;font-size:13px;${MUTED}">${escapeHtml(note)}</p>`),
    '</div></body></html>',
    '',
  ].join('\n');
}

/** Six significant digits: more than any sensor has, and no 9.299999999999999. */
export const numberText = (value: number): string => String(Number(value.toPrecision(6)));
export const withUnit = (text: string, unit: string | null): string =>
  unit === null || unit === '' ? text : `${text} ${oneLine(unit, 16)}`;
/** To the second, in UTC: readers sit in more than one zone, and the text says so. */
export const timeText = (time: number): string => `${new Date(time / 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

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

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
