/**
 * The two forms of a mail, made from the same parts, so that neither says what the other does not: plain text, and HTML
 * that works at the width of a phone, in mail programs that are dark, and in those that strip `<style>`: every colour stands at its
 * element, a background together with what is written on it, and the style sheet only changes them for the dark. Nothing is
 * loaded from outside; the only picture is the chart that the mail brings along.
 */
import { type Lines, lineText, OVERVIEW, restTexts } from './alert-lines.ts';
import type { Row } from './alert-rows.ts';
import { escapeHtml, idText } from './mail-text.ts';
import { lineHtml, linkHtml, overviewHtml, restHtml, rowHtml } from './page-parts.ts';
import type { Tone } from './story.ts';
import { BACKGROUND, BODY, CARD, DARK_STYLE, FONT, INK, MUTED, TONES } from './theme.ts';

export interface Link {
  readonly name: string;
  readonly target: string;
  /** What its button says; null: it is a link. The first button of a mail is the foremost. */
  readonly button: string | null;
}

/** Plain text throughout, bounded, and cleaned of what may not be shown. */
export interface Page {
  readonly tag: string;
  readonly tone: Tone;
  readonly heading: string;
  /** Sentences below the heading. */
  readonly lead: readonly string[];
  /** What is read from across the room: in HTML only, as text has it in its rows. */
  readonly big: { readonly value: string; readonly beside: string | null } | null;
  readonly rows: readonly Row[];
  readonly list: Lines | null;
  readonly chart: { readonly contentId: string; readonly describes: string } | null;
  readonly description: string | null;
  readonly links: readonly Link[];
  readonly notes: readonly string[];
  /** Of the page of an alert. */
  readonly urlOf: (alert: string) => string | null;
}

/** Of the names of rows in plain text, so that one mail looks like the next. */
const NAMES_WIDTH = 11;

export function textOf(page: Page): string {
  const { heading, lead, rows, list, chart, description, links, notes } = page;
  const rest = list === null ? null : restTexts(list);
  const width = Math.max(NAMES_WIDTH, ...rows.map(([name]) => name.length + 2));
  const blocks = [
    [heading, ...lead],
    rows.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}`),
    list === null || list.overview.length === 0 ? [] : [OVERVIEW, ...list.overview.map((line) => `- ${line}`)],
    list?.lines.map(lineText) ?? [],
    rest?.heading == null ? [] : [rest.heading, ...rest.lines.map((line) => `- ${line}`)],
    rest?.more == null ? [] : [rest.more],
    chart === null ? [] : [chart.describes],
    description === null ? [] : [description],
    links.map(({ name, target }) => `${name}: ${target}`),
    notes,
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;
}

export function htmlOf(page: Page): string {
  const { tag, tone, heading, lead, big, chart, notes } = page;
  const [fill] = TONES[tone];
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">',
    `<title>${escapeHtml(heading)}</title>${DARK_STYLE}</head>`,
    `<body class="back" style="${BODY};${BACKGROUND}">`,
    preview(big?.beside, lead),
    `<table role="presentation" class="back" width="100%" cellpadding="0" cellspacing="0" style="${BACKGROUND}"><tr><td align="center" style="padding:16px 8px">`,
    `<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" style="${CARD};border-top:4px solid ${fill}"><tr><td style="padding:20px;${FONT}">`,
    `<p style="margin:0 0 10px"><span style="display:inline-block;padding:2px 8px;border-radius:4px;background-color:${fill};color:#ffffff;font-size:12px;font-weight:700;letter-spacing:.05em">${escapeHtml(tag)}</span></p>`,
    `<h1 class="ink" style="margin:0;font-size:19px;line-height:1.3;font-weight:600;overflow-wrap:anywhere;${INK}">${escapeHtml(heading)}</h1>`,
    ...bigHtml(page),
    ...lead.map((sentence) => `<p class="ink" style="margin:8px 0 0;overflow-wrap:anywhere;${INK}">${escapeHtml(sentence)}</p>`),
    ...actionsHtml(page),
    ...(chart === null ? [] : [chartHtml(chart)]),
    ...bodyHtml(page),
    ...notes.map(
      (note) => `<p class="muted" style="margin:16px 0 0;font-size:13px;overflow-wrap:anywhere;${MUTED}">${escapeHtml(note)}</p>`,
    ),
    '</td></tr></table>',
    '</td></tr></table></body></html>',
    '',
  ].join('\n');
}

/** What a list of mails shows after the subject, which the heading would only repeat. */
function preview(beside: string | null | undefined, lead: readonly string[]): string {
  const text = [...(beside == null ? [] : [beside]), ...lead].join(' · ').slice(0, 200).toWellFormed();
  return `<div style="display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;mso-hide:all">${escapeHtml(text)}</div>`;
}

function bigHtml({ big, tone }: Page): string[] {
  if (big === null) return [];
  const [, ink] = TONES[tone];
  const size = big.value.length > 16 ? 20 : 34;
  return [
    `<p class="${tone}" style="margin:10px 0 0;font-size:${size}px;line-height:1.2;font-weight:700;overflow-wrap:anywhere;color:${ink}">${escapeHtml(big.value)}</p>`,
    ...(big.beside === null
      ? []
      : [`<p class="muted" style="margin:2px 0 0;font-size:14px;overflow-wrap:anywhere;${MUTED}">${escapeHtml(big.beside)}</p>`]),
  ];
}

function actionsHtml({ links, tone }: Page): string[] {
  const actions = links.filter(({ button }) => button !== null);
  if (actions.length === 0) return [];
  const [fill] = TONES[tone];
  const buttons = actions.map(({ name, button, target }, index) => {
    const look =
      index === 0
        ? `background-color:${fill};border:1px solid ${fill};color:#ffffff`
        : `background-color:#ffffff;border:1px solid #c3c9d3;${INK}`;
    const kind = index === 0 ? '' : ' class="button"';
    return `<a${kind} href="${escapeHtml(target)}" style="display:inline-block;margin:0 8px 8px 0;padding:11px 15px;border-radius:6px;font-size:15px;line-height:1.2;font-weight:600;text-decoration:none;${look}">${escapeHtml(button ?? name)}</a>`;
  });
  return [`<p style="margin:16px 0 0">${buttons.join('')}</p>`];
}

const chartHtml = ({ contentId, describes }: NonNullable<Page['chart']>): string =>
  `<p style="margin:12px 0 0"><img src="cid:${idText(contentId)}" alt="${escapeHtml(describes)}" width="560" style="display:block;width:100%;max-width:560px;height:auto;border:0"></p>`;

function bodyHtml({ rows, big, list, description, links, urlOf }: Page): string[] {
  const facts = big === null ? rows : rows.filter(([name]) => name !== 'Value');
  const others = links.filter(({ button }) => button === null);
  const table = (content: string, style: string): string =>
    `<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="margin:16px 0 0;border-collapse:collapse;${FONT};${style}">${content}</table>`;
  return [
    ...(facts.length === 0 ? [] : [table(facts.map(rowHtml).join('\n'), 'font-size:14px')]),
    ...(list === null
      ? []
      : [
          ...overviewHtml(list),
          table(list.lines.map((line) => lineHtml(line, urlOf(line.alert))).join('\n'), 'font-size:14px'),
          ...restHtml(list),
        ]),
    ...(description === null
      ? []
      : [
          `<div class="quiet" style="margin:16px 0 0;padding:12px 14px;border-radius:6px;background-color:#f2f4f7;white-space:pre-line;overflow-wrap:anywhere;${INK}">${escapeHtml(description)}</div>`,
        ]),
    ...(others.length === 0
      ? []
      : [
          `<p class="ink" style="margin:14px 0 0;font-size:14px;overflow-wrap:anywhere;${INK}">${others.map(linkHtml).join(' &nbsp;·&nbsp; ')}</p>`,
        ]),
  ];
}
