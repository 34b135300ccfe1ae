/**
 * What a person reads at the end of a device's backlog: one line an alert, what still fires first. Bounded: the rest is
 * counted. Pure.
 */
import { type Alert, type Level, levelRank, type Transition } from '../../domain/alert.ts';
import { formatDurationMs } from '../../std/quantity.ts';
import { alertsOf, isStillFiring } from '../summary.ts';
import {
  alertUrl,
  COLOURS,
  escapeHtml,
  htmlPage,
  LINE_LENGTH_MAX,
  MUTED,
  notesOf,
  oneLine,
  RULE_LENGTH_MAX,
  SUBJECT_LENGTH_MAX,
  timeText,
  valueText,
  whereOf,
} from './mail-text.ts';
import type { Rendered, RenderInput } from './render.ts';

const LINES_MAX = 20;

interface Line {
  readonly alert: string;
  readonly level: Level;
  readonly isFiring: boolean;
  /** The rule; with what it is on, where that is not the device of the backlog. */
  readonly name: string;
  readonly when: string;
  readonly value: string | null;
  readonly summary: string;
}

/** `[WARNING] fridge-01 sent 2h10m of readings late: 3 alerts, 1 still firing` */
export function summarySubject(transition: Transition): string {
  const tag = (worstFiring(alertsOf(transition)) ?? 'resolved').toUpperCase();
  return oneLine(`[${tag}] ${headingOf(transition)}: ${countText(transition)}`, SUBJECT_LENGTH_MAX);
}

export function renderSummary({ transition, factsOf, replaces, publicUrl }: RenderInput): Rendered {
  const alerts = [...alertsOf(transition)].sort(byWeight);
  const lines = alerts.slice(0, LINES_MAX).map((alert) => lineOf(alert, deviceOf(transition), factsOf?.(alert).unit ?? null));
  const left = alerts.length - lines.length + (transition.backlog?.more ?? 0);
  const leftText = left === 0 ? [] : [`and ${left} more`];
  const heading = headingOf(transition);
  const story = storyOf(transition);
  const notes = notesOf(replaces);
  const text = [
    `${heading}: ${countText(transition)}`,
    story,
    '',
    ...lines.map(lineText),
    ...leftText,
    ...(publicUrl === null ? [] : ['', `Alerts: ${publicUrl.replace(/\/+$/, '')}/`]),
    ...(notes.length === 0 ? [] : ['', ...notes]),
    '',
  ].join('\n');
  const html = htmlPage({
    state: worstFiring(alerts) ?? 'resolved',
    heading,
    body: [
      `<p style="margin:0 0 4px">${escapeHtml(countText(transition))}</p>`,
      `<p style="margin:0 0 12px;font-size:13px;${MUTED}">${escapeHtml(story)}</p>`,
      `<table style="border-collapse:collapse;font-size:14px">${lines.map((line) => lineHtml(line, publicUrl)).join('\n')}</table>`,
      ...leftText.map((more) => `<p style="margin:8px 0 0">${escapeHtml(more)}</p>`),
    ],
    notes,
  });
  return { subject: summarySubject(transition), text, html };
}

const deviceOf = ({ alert, backlog }: Transition): string => backlog?.device ?? alert.device;

function headingOf(transition: Transition): string {
  const { backlog } = transition;
  const lateMs = backlog === undefined ? 0 : (backlog.to - backlog.from) / 1000;
  const late = lateMs < 1000 ? 'readings' : `${formatDurationMs(rounded(lateMs))} of readings`;
  return `${oneLine(deviceOf(transition), 80)} sent ${late} late`;
}

/** What is past an hour is told to the minute. */
const rounded = (durationMs: number): number => (durationMs < 3_600_000 ? durationMs : Math.round(durationMs / 60_000) * 60_000);

function countText(transition: Transition): string {
  const alerts = alertsOf(transition);
  const more = transition.backlog?.more ?? 0;
  const firing = alerts.filter(isStillFiring).length;
  if (alerts.length === 1 && more === 0) return firing === 1 ? '1 alert, still firing' : '1 alert, over';
  const count = `${alerts.length} ${alerts.length === 1 ? 'alert' : 'alerts'}${more === 0 ? '' : ` and ${more} more`}`;
  return `${count}, ${firing === 0 ? 'none' : firing} still firing`;
}

function storyOf(transition: Transition): string {
  const { backlog, receivedAt, at } = transition;
  const device = oneLine(deviceOf(transition), 80);
  const which = backlog === undefined ? 'its readings' : `its readings ${spanText(backlog.from, backlog.to)}`;
  return `${device} was unreachable or kept its readings back: ${which} reached us late, the last of them by ${timeText(receivedAt ?? at)}. What they set off is told here in one message.`;
}

function lineOf(alert: Alert, device: string, unit: string | null): Line {
  const isElsewhere = alert.group !== undefined || alert.device !== device;
  const isFiring = isStillFiring(alert);
  const from = alert.firedAt ?? alert.since;
  const silence = isFiring && alert.flags.includes('no-data') ? ', no data' : '';
  const rule = oneLine(alert.rule, RULE_LENGTH_MAX);
  return {
    alert: alert.id,
    level: alert.level,
    isFiring,
    name: isElsewhere ? `${rule} on ${whereOf(alert)}` : rule,
    when: isFiring ? `from ${timeText(from)}, still firing${silence}` : spanText(from, alert.resolvedAt ?? from),
    value: valueText(alert.value, unit),
    summary: oneLine(alert.summary, LINE_LENGTH_MAX),
  };
}

function lineText({ name, level, when, value, summary }: Line): string {
  const last = value === null ? '' : `, last value ${value}`;
  return `- ${name} (${level}) ${when}${last}${summary === '' ? '' : `: ${summary}`}`;
}

function lineHtml({ alert, name, level, isFiring, when, value, summary }: Line, publicUrl: string | null): string {
  const cell = 'padding:6px 12px 6px 0;vertical-align:top';
  const shown = publicUrl === null ? escapeHtml(name) : `<a href="${escapeHtml(alertUrl(publicUrl, alert))}">${escapeHtml(name)}</a>`;
  const last = value === null ? '' : `, last value ${value}`;
  return [
    `<tr><td style="${cell};white-space:nowrap;font-weight:600;color:${COLOURS[isFiring ? level : 'resolved']}">${isFiring ? level : `${level}, over`}</td>`,
    `<td style="${cell};overflow-wrap:anywhere"><strong>${shown}</strong><br>${escapeHtml(summary)}<br>`,
    `<span style="font-size:13px;${MUTED}">${escapeHtml(`${when}${last}`)}</span></td></tr>`,
  ].join('');
}

/** `from … to …`; the day is told once where it is the same. */
function spanText(from: number, to: number): string {
  const [begin, end] = [timeText(from), timeText(to)];
  if (begin === end) return `at ${begin}`;
  const day = 'YYYY-MM-DD '.length;
  return begin.slice(0, day) === end.slice(0, day) ? `from ${begin.replace(' UTC', '')} to ${end.slice(day)}` : `from ${begin} to ${end}`;
}

function worstFiring(alerts: readonly Alert[]): Level | null {
  const firing = alerts.filter(isStillFiring).map(({ level }) => level);
  return firing.length === 0 ? null : firing.reduce((worst, level) => (levelRank(level) > levelRank(worst) ? level : worst));
}

/** What still fires first, the worst of it at the top; then what is over, by its beginning. */
function byWeight(a: Alert, b: Alert): number {
  if (isStillFiring(a) !== isStillFiring(b)) return isStillFiring(a) ? -1 : 1;
  if (isStillFiring(a) && a.level !== b.level) return levelRank(b.level) - levelRank(a.level);
  return (a.firedAt ?? a.since) - (b.firedAt ?? b.since);
}
