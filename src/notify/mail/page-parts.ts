/** Rows, lines and links of a mail in HTML. What goes in is plain text; what comes out is escaped. */
import { type Line, type Lines, OVERVIEW, restTexts } from './alert-lines.ts';
import type { Row } from './alert-rows.ts';
import { escapeHtml, isLink } from './mail-text.ts';
import { INK, LINK, MUTED, RULE, TONES } from './theme.ts';

export const rowHtml = ([name, value]: Row): string =>
  `<tr><td class="muted rule" valign="top" style="padding:6px 16px 6px 0;white-space:nowrap;${RULE};${MUTED}">${escapeHtml(name)}</td>` +
  `<td class="ink rule" valign="top" width="100%" style="padding:6px 0;overflow-wrap:anywhere;${RULE};${INK}">${escapeHtml(value)}</td></tr>`;

export function lineHtml({ tone, level, name, when, value, summary }: Line, url: string | null): string {
  const [fill, ink] = TONES[tone];
  const shown = escapeHtml(name);
  const linked = url !== null && isLink(url) ? `<a class="ink" href="${escapeHtml(url)}" style="${INK}">${shown}</a>` : shown;
  const said = summary === '' ? '' : `<br>${escapeHtml(summary)}`;
  const measured = value === null ? '' : `<b class="${tone}" style="float:right;padding-left:12px;color:${ink}">${escapeHtml(value)}</b>`;
  return (
    `<tr><td class="ink rule" valign="top" style="padding:8px 0 8px 10px;border-left:4px solid ${fill};overflow-wrap:anywhere;${RULE};${INK}">` +
    `${measured}<b>${linked}</b>${said}<br>` +
    `<span class="muted" style="font-size:13px;${MUTED}"><span class="${tone}" style="color:${ink}">${level}${tone === 'resolved' ? ', over' : ''}</span> · ${escapeHtml(when)}</span></td></tr>`
  );
}

const paragraph = (html: string, top: number): string =>
  `<p class="ink" style="margin:${top}px 0 0;font-size:14px;overflow-wrap:anywhere;${INK}">${html}</p>`;
const counted = (heading: string, lines: readonly string[]): string[] => [
  paragraph(`<b>${escapeHtml(heading)}</b>`, 14),
  ...lines.map((line) => paragraph(escapeHtml(line), 4)),
];

export const overviewHtml = ({ overview }: Lines): string[] => (overview.length === 0 ? [] : counted(OVERVIEW, overview));

export function restHtml(list: Lines): string[] {
  const { heading, lines, more } = restTexts(list);
  return [...(heading === null ? [] : counted(heading, lines)), ...(more === null ? [] : [paragraph(escapeHtml(more), 8)])];
}

export const linkHtml = ({ name, target }: { readonly name: string; readonly target: string }): string =>
  isLink(target)
    ? `<a class="link" href="${escapeHtml(target)}" style="${LINK}">${escapeHtml(name)}</a>`
    : `${escapeHtml(name)}: ${escapeHtml(target)}`;
