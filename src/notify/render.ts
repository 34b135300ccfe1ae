/**
 * What a person reads: subject, text and HTML of one message. Pure, and the same to the byte for the same input.
 *
 * Whatever comes from devices and files passes `clean` (no control characters, no text-direction tricks, bounded length),
 * the subject is one line, and HTML is escaped. Nothing external is loaded; colours are left to the reader's own theme
 * except where they carry the level.
 */
import { type Level, levelRank, type Transition } from '../domain/alert.ts';
import { formatDurationMs } from '../std/quantity.ts';
import type { MessageKind } from './decide.ts';
import type { AlertFacts } from './facts.ts';

export interface RenderInput {
  readonly kind: MessageKind;
  readonly transition: Transition;
  readonly facts: AlertFacts;
  /** Earlier messages that were not delivered and that this one stands in for, oldest first. Times are µs. */
  readonly replaces: readonly { readonly subject: string; readonly level: Level; readonly at: number }[];
  readonly publicUrl: string | null;
}

export interface Rendered {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const SUBJECT_LENGTH_MAX = 200;
const VALUE_LENGTH_MAX = 80;
const LINE_LENGTH_MAX = 500;
const TEXT_LENGTH_MAX = 4000;
const LABELS_MAX = 40;

const COLOURS: Record<Level | 'resolved', string> = { critical: '#b42318', warning: '#b54708', info: '#175cd3', resolved: '#067647' };

export function render(input: RenderInput): Rendered {
  const { alert } = input.transition;
  const subject = subjectOf(input);
  const heading = headingOf(input);
  const rows = rowsOf(input);
  const description = input.facts.description === null ? null : clean(input.facts.description, TEXT_LENGTH_MAX);
  const notes = notesOf(input);
  const links = linksOf(input);
  const text = [
    heading,
    oneLine(alert.summary, LINE_LENGTH_MAX),
    '',
    ...rows.map(([name, value]) => `${`${name}:`.padEnd(11)}${value}`),
    ...(description === null ? [] : ['', description]),
    ...(links.length === 0 ? [] : ['', ...links.map(({ name, target }) => `${name}: ${target}`)]),
    ...(notes.length === 0 ? [] : ['', ...notes]),
    '',
  ].join('\n');
  return { subject, text, html: htmlOf({ input, heading, rows, description, links, notes }) };
}

/** `[CRITICAL] fridge-warm on fridge-01: 9.3 °C` */
export function subjectOf({ kind, transition, facts }: Pick<RenderInput, 'kind' | 'transition' | 'facts'>): string {
  const { alert } = transition;
  const tag = kind === 'resolved' ? 'RESOLVED' : alert.level.toUpperCase();
  const value = valueText(transition, facts.unit);
  const told = isSilent(transition) ? 'no data' : kind === 'no-data' ? `data again${value === null ? '' : `, ${value}`}` : value;
  const subject = `[${tag}] ${oneLine(alert.rule, 64)} on ${oneLine(alert.device, 80)}${told === null ? '' : `: ${told}`}`;
  return oneLine(subject, SUBJECT_LENGTH_MAX);
}

const isSilent = ({ alert }: Transition): boolean => alert.state === 'firing' && alert.flags.includes('no-data');

function headingOf({ kind, transition, replaces }: RenderInput): string {
  const { alert, fromLevel } = transition;
  const what = `${oneLine(alert.rule, 64)} on ${oneLine(alert.device, 80)}`;
  if (kind === 'resolved') {
    // It may be the first that the reader hears of it.
    const worst = [alert.level, ...replaces.map(({ level }) => level)].reduce((a, b) => (levelRank(b) > levelRank(a) ? b : a));
    return `${what} was ${worst} and is over`;
  }
  if (kind === 'no-data')
    return isSilent(transition) ? `${what}: no more data, the alert stays open` : `${what}: data again, the alert is still open`;
  if (kind === 'level' && fromLevel !== null) return `${what} went from ${fromLevel} to ${alert.level}`;
  return `${what} is ${alert.level}`;
}

function rowsOf({ kind, transition, facts }: RenderInput): [name: string, value: string][] {
  const { alert } = transition;
  const value = valueText(transition, facts.unit);
  const rows: [string, string][] = [];
  if (value !== null) rows.push([isSilent(transition) ? 'Last value' : 'Value', value]);
  if (facts.limits.length > 0)
    rows.push(['Limit', facts.limits.map((limit) => `${limit.name} = ${withUnit(numberText(limit.value), facts.unit)}`).join(', ')]);
  if (facts.condition !== null) {
    const held = facts.forMs > 0 ? `, for ${formatDurationMs(facts.forMs)}` : '';
    rows.push(['Condition', `${oneLine(facts.condition, LINE_LENGTH_MAX)}${held}`]);
  }
  rows.push(['Since', timeText(alert.since)]);
  if (kind === 'resolved' && alert.firedAt !== null && alert.firedAt !== alert.since) rows.push(['Fired', timeText(alert.firedAt)]);
  if (kind === 'resolved' && alert.resolvedAt !== null) {
    const from = alert.firedAt ?? alert.since;
    const lasted = alert.resolvedAt > from ? ` (fired for ${formatDurationMs((alert.resolvedAt - from) / 1000)})` : '';
    rows.push(['Ended', `${timeText(alert.resolvedAt)}${lasted}`]);
  }
  rows.push(['Device', oneLine(alert.device, LINE_LENGTH_MAX)], ['Rule', oneLine(alert.rule, LINE_LENGTH_MAX)]);
  const labels = Object.entries(alert.labels);
  if (labels.length > 0) {
    const shown = labels.slice(0, LABELS_MAX).map(([name, label]) => `${oneLine(name, 64)}=${oneLine(label, VALUE_LENGTH_MAX)}`);
    rows.push(['Labels', `${shown.join(', ')}${labels.length > LABELS_MAX ? ', …' : ''}`]);
  }
  rows.push(['Reason', oneLine(transition.reason, LINE_LENGTH_MAX)]);
  return rows;
}

function notesOf({ replaces }: RenderInput): string[] {
  if (replaces.length === 0) return [];
  const earlier = replaces.map(({ subject, at }) => `${oneLine(subject, SUBJECT_LENGTH_MAX)} (${timeText(at)})`).join('; ');
  return [
    `This message takes the place of ${replaces.length === 1 ? 'an earlier one' : `${replaces.length} earlier ones`} not delivered before: ${earlier}`,
  ];
}

function linksOf({ facts, publicUrl, transition }: RenderInput): { name: string; target: string; isLink: boolean }[] {
  const links: { name: string; target: string; isLink: boolean }[] = [];
  if (facts.runbook !== null) {
    const target = oneLine(facts.runbook, LINE_LENGTH_MAX);
    links.push({ name: 'Runbook', target, isLink: /^(?:https?:\/\/|mailto:)[^\s]+$/i.test(target) });
  }
  if (publicUrl !== null) {
    links.push({
      name: 'Alert',
      target: `${publicUrl.replace(/\/+$/, '')}/?alert=${encodeURIComponent(transition.alert.id)}`,
      isLink: true,
    });
  }
  return links;
}

function htmlOf(parts: {
  input: RenderInput;
  heading: string;
  rows: [string, string][];
  description: string | null;
  links: { name: string; target: string; isLink: boolean }[];
  notes: string[];
}): string {
  const { input, heading, rows, description, links, notes } = parts;
  const { alert } = input.transition;
  const state = input.kind === 'resolved' ? 'resolved' : alert.level;
  const muted = 'color:#767c89';
  const row = ([name, value]: [string, string]) =>
    `<tr><td style="padding:3px 16px 3px 0;vertical-align:top;white-space:nowrap;${muted}">${escapeHtml(name)}</td>` +
    `<td style="padding:3px 0;vertical-align:top;overflow-wrap:anywhere">${escapeHtml(value)}</td></tr>`;
  const link = ({ name, target, isLink }: { name: string; target: string; isLink: boolean }) =>
    isLink ? `<a href="${escapeHtml(target)}">${escapeHtml(name)}</a>` : `${escapeHtml(name)}: ${escapeHtml(target)}`;
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">',
    `<title>${escapeHtml(heading)}</title></head>`,
    '<body style="margin:0;padding:16px;font-family:-apple-system,BlinkMacSystemFont,\'Segoe UI\',Roboto,Arial,sans-serif;font-size:15px;line-height:1.45">',
    `<div style="max-width:600px;border-left:4px solid ${COLOURS[state]};padding-left:16px">`,
    `<p style="margin:0 0 8px"><span style="display:inline-block;padding:2px 8px;border-radius:4px;background:${COLOURS[state]};color:#ffffff;font-size:12px;font-weight:600;letter-spacing:.04em">${state.toUpperCase()}</span></p>`,
    `<h1 style="margin:0 0 4px;font-size:20px;line-height:1.3">${escapeHtml(heading)}</h1>`,
    `<p style="margin:0 0 12px">${escapeHtml(oneLine(alert.summary, LINE_LENGTH_MAX))}</p>`,
    `<table role="presentation" style="border-collapse:collapse;font-size:14px">${rows.map(row).join('\n')}</table>`,
    ...(description === null ? [] : [`<p style="margin:12px 0 0;white-space:pre-line">${escapeHtml(description)}</p>`]),
    ...(links.length === 0 ? [] : [`<p style="margin:12px 0 0">${links.map(link).join(' &nbsp; ')}</p>`]),
    ...notes.map((note) => `<p style="margin:12px 0 0;font-size:13px;${muted}">${escapeHtml(note)}</p>`),
    '</div></body></html>',
    '',
  ].join('\n');
}

function valueText({ alert }: Transition, unit: string | null): string | null {
  if (alert.value === null) return null;
  if (typeof alert.value === 'number') return withUnit(numberText(alert.value), unit);
  return oneLine(String(alert.value), VALUE_LENGTH_MAX);
}

/** Six significant digits: more than any sensor has, and no 9.299999999999999. */
const numberText = (value: number): string => String(Number(value.toPrecision(6)));
const withUnit = (text: string, unit: string | null): string => (unit === null || unit === '' ? text : `${text} ${oneLine(unit, 16)}`);
/** To the second, in UTC: readers sit in more than one zone, and the text says so. */
const timeText = (time: number): string => `${new Date(time / 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** Line breaks stay; no other control character, no character that turns the direction of what follows, no half of a pair. */
function clean(text: string, lengthMax: number): string {
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
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
