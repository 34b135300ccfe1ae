/**
 * A message for an incoming webhook of Slack, or of what takes Slack's JSON: Mattermost, Rocket.Chat, Discord (its URL with
 * `/slack` at the end). Slack itself gets blocks; the others do not know them, and get the same as the text of an attachment.
 *
 * Within Slack's limits: 50 blocks, 3000 characters a section. `& < >` are escaped, so that a device's name makes no link and
 * calls nobody; of the others' own notations those that would are broken up.
 */
import { TONES } from '../mail/theme.ts';
import { type ChatText, chatText, leftText } from './chat-text.ts';
import type { HttpPost } from './http-post.ts';
import type { Notifier, OutgoingMessage } from './notifier.ts';

/** Below Slack's 3000, for the characters that it counts differently. */
const SECTION_LENGTH_MAX = 2900;
/** Escaping makes five of one at most: so each line fits a section. */
const LINE_LENGTH_MAX = 560;
const BULLET = '• ';

export function createSlackNotifier({ http }: { http: HttpPost }): Notifier {
  return {
    async send(message, signal) {
      const { channel } = message;
      if (channel.kind !== 'slack') throw new Error(`a message for ${channel.kind} came to Slack`);
      const { url, allowPrivate } = channel;
      const isSlack = /(?:^|\.)slack(?:-gov)?\.com$/.test(new URL(url).hostname);
      return http.post({ url, body: JSON.stringify(slackBody(message, { blocks: isSlack })), allowPrivate }, signal);
    },
    async close() {
      http.close();
    },
  };
}

/** @param form `blocks`: for Slack itself */
export function slackBody(message: OutgoingMessage, form: { readonly blocks: boolean }): unknown {
  const chat = chatText(message);
  const links = chat.links.map(({ name, url }) => `<${escapedUrl(url)}|${escaped(name)}>`).join('  ·  ');
  const sections = inSections([...chat.text.split('\n'), ...linesOf(chat)].map((line) => escaped(line.slice(0, LINE_LENGTH_MAX))));
  const headline = escaped(chat.headline);
  const attachment = form.blocks
    ? { fallback: headline, blocks: [...sections, ...(links === '' ? [] : [links])].map(section) }
    : { fallback: headline, text: [...sections, ...(links === '' ? [] : ['', links])].join('\n'), mrkdwn_in: ['text'] };
  // The links are pages of ours, and nothing of a message is to be fetched by others to be shown.
  return { text: `*${headline}*`, unfurl_links: false, unfurl_media: false, attachments: [{ color: TONES[chat.state][0], ...attachment }] };
}

const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } });

function linesOf(chat: ChatText): string[] {
  const left = leftText(chat);
  return [...chat.lines.map((line) => `${BULLET}${line}`), ...(left === '' ? [] : [left])];
}

/** Lines put together into as few texts as they fit; never an empty one, which Slack refuses. */
function inSections(lines: readonly string[]): string[] {
  const sections: string[] = [];
  for (const line of lines) {
    const last = sections.at(-1);
    if (last !== undefined && last.length + 1 + line.length <= SECTION_LENGTH_MAX) sections[sections.length - 1] = `${last}\n${line}`;
    else sections.push(line);
  }
  return sections.filter((text) => text.trim() !== '');
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
/** Between the two characters of what would call everybody in a channel, or would be a link, where Slack's escaping is not known. */
const BREAK = '\u2060';
export const escaped = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[&<>]/g, (character) => ESCAPES[character] ?? character)
    .replace(/@(?=all\b|channel\b|here\b|everyone\b)/gi, `@${BREAK}`)
    .replace(/\](?=\()/g, `]${BREAK}`);

/** `|` and `>` would end it. */
const escapedUrl = (url: string): string => escaped(url.replace(/[|<>\s]/g, encodeURIComponent));
