/**
 * What a person reads: subject, text and HTML of one message. Pure, and the same to the byte for the same input. The
 * subject is one line; what may stand in a text, `mail-text.ts` sees to.
 */
import { type Alert, levelRank, type Transition } from '../../domain/alert.ts';
import { formatDurationMs } from '../../std/quantity.ts';
import type { MessageKind } from '../decide.ts';
import type { AlertFacts } from './facts.ts';
import {
  alertUrl,
  clean,
  type Earlier,
  escapeHtml,
  htmlPage,
  LINE_LENGTH_MAX,
  MUTED,
  notesOf,
  numberText,
  oneLine,
  RULE_LENGTH_MAX,
  SUBJECT_LENGTH_MAX,
  timeText,
  VALUE_LENGTH_MAX,
  valueText,
  whereOf,
  withUnit,
} from './mail-text.ts';
import { renderSummary, summarySubject } from './render-summary.ts';

export interface RenderInput {
  readonly kind: MessageKind;
  readonly transition: Transition;
  readonly facts: AlertFacts;
  /** Of any alert, for the units in the summary of a backlog. */
  readonly factsOf?: (alert: Alert) => AlertFacts;
  /** Earlier messages that were not delivered and that this one stands in for, oldest first. */
  readonly replaces: readonly Earlier[];
  readonly publicUrl: string | null;
}

export interface Rendered {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const TEXT_LENGTH_MAX = 4000;
const LABELS_MAX = 40;

export function render(input: RenderInput): Rendered {
  if (input.kind === 'backlog') return renderSummary(input);
  const { alert } = input.transition;
  const subject = subjectOf(input);
  const heading = headingOf(input);
  const rows = rowsOf(input);
  const description = input.facts.description === null ? null : clean(input.facts.description, TEXT_LENGTH_MAX);
  const notes = notesOf(input.replaces);
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
  if (kind === 'backlog') return summarySubject(transition);
  const { alert } = transition;
  const tag = kind === 'resolved' ? 'RESOLVED' : alert.level.toUpperCase();
  const value = valueText(alert.value, facts.unit);
  const told = isSilent(transition) ? 'no data' : kind === 'no-data' ? `data again${value === null ? '' : `, ${value}`}` : value;
  const subject = `[${tag}] ${oneLine(alert.rule, RULE_LENGTH_MAX)} on ${whereOf(alert)}${told === null ? '' : `: ${told}`}`;
  return oneLine(subject, SUBJECT_LENGTH_MAX);
}

const isSilent = ({ alert }: Transition): boolean => alert.state === 'firing' && alert.flags.includes('no-data');

function headingOf({ kind, transition, replaces }: RenderInput): string {
  const { alert, fromLevel } = transition;
  const what = `${oneLine(alert.rule, RULE_LENGTH_MAX)} on ${whereOf(alert)}`;
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
  const value = valueText(alert.value, facts.unit);
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
  const { device, group } = alert;
  rows.push(group === undefined ? ['Device', oneLine(device, LINE_LENGTH_MAX)] : ['Group', oneLine(group, LINE_LENGTH_MAX)]);
  rows.push(['Rule', oneLine(alert.rule, LINE_LENGTH_MAX)]);
  const labels = Object.entries(alert.labels);
  if (labels.length > 0) {
    const shown = labels.slice(0, LABELS_MAX).map(([name, label]) => `${oneLine(name, 64)}=${oneLine(label, VALUE_LENGTH_MAX)}`);
    rows.push(['Labels', `${shown.join(', ')}${labels.length > LABELS_MAX ? ', …' : ''}`]);
  }
  rows.push(['Reason', oneLine(transition.reason, LINE_LENGTH_MAX)]);
  return rows;
}

function linksOf({ facts, publicUrl, transition }: RenderInput): { name: string; target: string; isLink: boolean }[] {
  const links: { name: string; target: string; isLink: boolean }[] = [];
  if (facts.runbook !== null) {
    const target = oneLine(facts.runbook, LINE_LENGTH_MAX);
    links.push({ name: 'Runbook', target, isLink: /^(?:https?:\/\/|mailto:)[^\s]+$/i.test(target) });
  }
  if (publicUrl !== null) links.push({ name: 'Alert', target: alertUrl(publicUrl, transition.alert.id), isLink: true });
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
  const row = ([name, value]: [string, string]) =>
    `<tr><td style="padding:3px 16px 3px 0;vertical-align:top;white-space:nowrap;${MUTED}">${escapeHtml(name)}</td>` +
    `<td style="padding:3px 0;vertical-align:top;overflow-wrap:anywhere">${escapeHtml(value)}</td></tr>`;
  const link = ({ name, target, isLink }: { name: string; target: string; isLink: boolean }) =>
    isLink ? `<a href="${escapeHtml(target)}">${escapeHtml(name)}</a>` : `${escapeHtml(name)}: ${escapeHtml(target)}`;
  return htmlPage({
    state: input.kind === 'resolved' ? 'resolved' : alert.level,
    heading,
    body: [
      `<p style="margin:0 0 12px">${escapeHtml(oneLine(alert.summary, LINE_LENGTH_MAX))}</p>`,
      `<table role="presentation" style="border-collapse:collapse;font-size:14px">${rows.map(row).join('\n')}</table>`,
      ...(description === null ? [] : [`<p style="margin:12px 0 0;white-space:pre-line">${escapeHtml(description)}</p>`]),
      ...(links.length === 0 ? [] : [`<p style="margin:12px 0 0">${links.map(link).join(' &nbsp; ')}</p>`]),
    ],
    notes,
  });
}
