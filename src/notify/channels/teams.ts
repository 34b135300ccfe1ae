/**
 * A message for an incoming webhook of Microsoft Teams, as its app "Workflows" makes them ("Post to a channel when a webhook
 * request is received"): an Adaptive Card in an envelope. Below Teams' 28 KB, however long the texts are.
 *
 * Texts are runs of a rich text block, in which Markdown means nothing: a device's name makes no link.
 */
import { type ChatText, chatText, fitted, leftText } from './chat-text.ts';
import type { HttpPost } from './http-post.ts';
import type { Notifier, OutgoingMessage } from './notifier.ts';

/** Whether Teams counts bytes of UTF-8 or of UTF-16 is not said: below it in both. */
const BYTES_MAX = 27_000;
const STYLES: Readonly<Record<ChatText['state'], string>> = {
  critical: 'attention',
  warning: 'warning',
  info: 'accent',
  resolved: 'good',
};

export function createTeamsNotifier({ http }: { http: HttpPost }): Notifier {
  return {
    async send(message, signal) {
      const { channel } = message;
      if (channel.kind !== 'teams') throw new Error(`a message for ${channel.kind} came to Teams`);
      return http.post({ url: channel.url, body: teamsBody(message), allowPrivate: channel.allowPrivate }, signal);
    },
    async close() {
      http.close();
    },
  };
}

export function teamsBody(message: OutgoingMessage): string {
  const written = (chat: ChatText): string => JSON.stringify(envelope(chat));
  const isSmall = (chat: ChatText): boolean => {
    const body = written(chat);
    return Math.max(Buffer.byteLength(body), body.length * 2) <= BYTES_MAX;
  };
  return written(fitted(chatText(message), isSmall));
}

function envelope(chat: ChatText) {
  const left = leftText(chat);
  const body = [
    { type: 'Container', style: STYLES[chat.state], bleed: true, items: [text(chat.headline, { weight: 'bolder', size: 'medium' })] },
    ...chat.text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [text(line)])),
    ...chat.lines.map((line) => ({ ...text(line), spacing: 'small', separator: true })),
    ...(left === '' ? [] : [text(left, { isSubtle: true })]),
  ];
  const card = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    fallbackText: chat.headline,
    body,
    ...(chat.links.length > 0 && { actions: chat.links.map(({ name, url }) => ({ type: 'Action.OpenUrl', title: name, url })) }),
  };
  return { type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card }] };
}

const text = (line: string, style: Readonly<Record<string, unknown>> = {}) => ({
  type: 'RichTextBlock',
  inlines: [{ type: 'TextRun', text: line, ...style }],
});
