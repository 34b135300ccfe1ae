/**
 * What a person sees who follows a link in a message: the alert, and a form with one button. Plain HTML, without a script and
 * without anything from elsewhere, for a telephone at night as well as for a desk. Pure; all that is not ours is escaped.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Alert, Level } from '../domain/alert.ts';
import type { LinkAction } from '../notify/action-links.ts';
import { clean, escapeHtml, LINE_LENGTH_MAX, numberText, oneLine, RULE_LENGTH_MAX, timeText, whereOf } from '../notify/mail/mail-text.ts';

/** What a silence can be asked for on the page, by the value of the field `end`. Null is until resolved. */
export const SILENCE_ENDS = {
  '1h': { label: '1 hour', durationMs: 3_600_000 },
  '4h': { label: '4 hours', durationMs: 4 * 3_600_000 },
  '24h': { label: '24 hours', durationMs: 24 * 3_600_000 },
  resolved: { label: 'until it is resolved', durationMs: null },
} as const;
export type SilenceEnd = keyof typeof SILENCE_ENDS;
export const isSilenceEnd = (text: string): text is SilenceEnd => Object.hasOwn(SILENCE_ENDS, text);

export const LINK_COMMENT_LENGTH_MAX = 1000;
const ENTRIES_SHOWN = 5;

export interface AlertPage {
  readonly alert: Alert & { readonly timeline: readonly unknown[] };
  /** On whose behalf the link acts. */
  readonly contact: string;
  /** What has been done, or is so already; of good news. */
  readonly done?: string;
  /** What was not done, and why. */
  readonly problem?: string;
  /** Absent: there is nothing left to do. */
  readonly form?: { readonly action: LinkAction; readonly token: string; readonly comment: string };
}

export function alertPage({ alert, contact, done, problem, form }: AlertPage): string {
  const state = alert.state === 'resolved' ? 'resolved' : alert.level;
  const rows = rowsOf(alert).map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`);
  return page({
    state,
    title: `${oneLine(alert.rule, RULE_LENGTH_MAX)} on ${whereOf(alert)}`,
    body: [
      `<p>${escapeHtml(oneLine(alert.summary, LINE_LENGTH_MAX))}</p>`,
      ...(done === undefined ? [] : [`<p class="done" role="status">${escapeHtml(done)}</p>`]),
      ...(problem === undefined ? [] : [`<p class="problem" role="alert">${escapeHtml(problem)}</p>`]),
      ...(form === undefined ? [] : [formHtml({ ...form, contact })]),
      `<dl>${rows.join('\n')}</dl>`,
      ...timelineHtml(alert.timeline),
    ],
  });
}

/** Without an alert: the link does not hold, or what it was about is gone. */
export const messagePage = ({ title, text }: { readonly title: string; readonly text: string }): string =>
  page({ state: null, title, body: [`<p>${escapeHtml(clean(text, LINE_LENGTH_MAX))}</p>`] });

function rowsOf(alert: Alert): [string, string][] {
  const { state, flags, since, firedAt, resolvedAt, value, device, group, rule } = alert;
  return [
    ['State', [state, ...flags].join(', ')],
    ...(value === null ? [] : [['Value', typeof value === 'number' ? numberText(value) : oneLine(String(value), 80)] as [string, string]]),
    ['Since', timeText(since)],
    ...(firedAt === null || firedAt === since ? [] : [['Fired', timeText(firedAt)] as [string, string]]),
    ...(resolvedAt === null ? [] : [['Ended', timeText(resolvedAt)] as [string, string]]),
    group === undefined ? ['Device', oneLine(device, LINE_LENGTH_MAX)] : ['Group', oneLine(group, LINE_LENGTH_MAX)],
    ['Rule', oneLine(rule, LINE_LENGTH_MAX)],
  ];
}

/** A transition has a reason, what became of a message or was done by people a detail. */
const entryForm = z.object({ at: z.number(), kind: z.string(), reason: z.string().optional(), detail: z.string().optional() });

function timelineHtml(timeline: readonly unknown[]): string[] {
  const entries = timeline.slice(-ENTRIES_SHOWN).flatMap((entry) => entryForm.safeParse(entry).data ?? []);
  if (entries.length === 0) return [];
  const items = entries.reverse().map(({ at, kind, reason, detail }) => {
    const text = `${oneLine(kind, 40)}: ${oneLine(reason ?? detail ?? '', 300)}`;
    return `<li><span class="quiet">${escapeHtml(timeText(at))}</span><br>${escapeHtml(text)}</li>`;
  });
  return [`<h2>Latest</h2><ul>${items.join('\n')}</ul>`];
}

/** Without `action`: it goes to the address that the page was loaded from, whatever a proxy has put before it. */
function formHtml(form: {
  readonly action: LinkAction;
  readonly token: string;
  readonly comment: string;
  readonly contact: string;
}): string {
  const ends = Object.entries(SILENCE_ENDS).map(
    ([value, { label }], index) =>
      `<label class="choice"><input type="radio" name="end" value="${value}" required${index === 0 ? ' checked' : ''}> ${label}</label>`,
  );
  const isSilence = form.action === 'silence';
  const effect = isSilence
    ? 'Nobody is told of this alert meanwhile. When it ends, one message says what still fires.'
    : 'Stops reminders and escalation of this alert. A higher level is told of all the same, and so is its end.';
  return [
    '<form method="post" autocomplete="off">',
    `<input type="hidden" name="form" value="${escapeHtml(form.token)}">`,
    ...(isSilence ? [`<fieldset><legend>Silence it for</legend>${ends.join('\n')}</fieldset>`] : []),
    '<label for="comment">Comment, if you like</label>',
    `<textarea id="comment" name="comment" rows="2" maxlength="${LINK_COMMENT_LENGTH_MAX}">${escapeHtml(clean(form.comment, LINK_COMMENT_LENGTH_MAX))}</textarea>`,
    `<button type="submit">${isSilence ? 'Silence' : 'Acknowledge'}</button>`,
    `<p class="quiet">${effect} You act as ${escapeHtml(oneLine(form.contact, 80))}.</p>`,
    '</form>',
  ].join('\n');
}

function page(content: { readonly state: Level | 'resolved' | null; readonly title: string; readonly body: readonly string[] }): string {
  const { state, title, body } = content;
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="robots" content="noindex, nofollow">',
    '<meta name="referrer" content="no-referrer">',
    `<title>${escapeHtml(title)} · Tocsin</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    `<body><main class="${state ?? 'none'}">`,
    ...(state === null ? [] : [`<p class="level">${state.toUpperCase()}</p>`]),
    `<h1>${escapeHtml(title)}</h1>`,
    ...body,
    '</main></body>',
    '</html>',
    '',
  ].join('\n');
}

const STYLE = `
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--text:#1b1f27;--quiet:#5b6372;--line:#d3d7de;--field:#fff;--accent:#475467;--on-accent:#fff}
.critical{--accent:#b42318}.warning{--accent:#b54708}.info{--accent:#175cd3}.resolved{--accent:#067647}
@media (prefers-color-scheme:dark){
:root{--page:#101318;--card:#1a1e26;--text:#e7eaf0;--quiet:#a2a9b8;--line:#39404d;--field:#12151b;--accent:#98a2b3;--on-accent:#14171d}
.critical{--accent:#ff8a7d}.warning{--accent:#fdb022}.info{--accent:#84b6ff}.resolved{--accent:#47cd89}}
*{box-sizing:border-box}
body{margin:0;padding:16px;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
main{max-width:600px;margin:0 auto;padding:20px;background:var(--card);border:1px solid var(--line);border-top:4px solid var(--accent);border-radius:8px;overflow-wrap:anywhere}
h1{margin:0 0 8px;font-size:22px;line-height:1.3}
h2{margin:20px 0 8px;font-size:16px}
p{margin:0 0 12px}
.level{margin:0 0 8px;color:var(--accent);font-size:13px;font-weight:700;letter-spacing:.06em}
.quiet{color:var(--quiet);font-size:14px}
.done,.problem{padding:10px 12px;border:1px solid var(--line);border-left:4px solid #067647;border-radius:6px}
.problem{border-left-color:#b42318}
form{margin:16px 0 20px;padding:16px 0 4px;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
fieldset{margin:0 0 12px;padding:0;border:0}
legend,label{padding:0;font-weight:600}
.choice{display:block;padding:9px 0;font-weight:400}
input[type=radio]{width:18px;height:18px;margin:0 8px 0 0;vertical-align:-3px;accent-color:var(--accent)}
textarea{display:block;width:100%;margin:4px 0 12px;padding:10px;background:var(--field);color:inherit;border:1px solid var(--quiet);border-radius:6px;font:inherit}
button{display:block;width:100%;min-height:48px;margin:0 0 12px;background:var(--accent);color:var(--on-accent);border:0;border-radius:6px;font:inherit;font-weight:600;cursor:pointer}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:0}
dt{color:var(--quiet)}dd{margin:0}
ul{margin:0;padding:0 0 0 18px}li{margin:0 0 6px}
`;

/** The one style is allowed by its hash; the form may go nowhere but to where the page is from. */
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');
export const LINK_PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
  'x-robots-tag': 'noindex, nofollow',
};
