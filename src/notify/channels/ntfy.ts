/**
 * A message for phones over ntfy (https://ntfy.sh, or a server of one's own): posted as JSON to the server's root, with a button
 * for each link. Priority 5 rings for what is urgent, 3 is the usual one, 2 tells quietly that something is over.
 *
 * A longer message would become an attachment, which many servers refuse: it is kept below the limit of bytes.
 */
import type { ChatText } from './chat-text.ts';
import { chatText, fitted, leftText } from './chat-text.ts';
import type { HttpPost } from './http-post.ts';
import type { Notifier, OutgoingMessage } from './notifier.ts';

/** A server's limit is 4096 unless it was set. */
const MESSAGE_BYTES_MAX = 3500;
/** ntfy shows them as symbols. */
const TAGS: Readonly<Record<ChatText['state'], string>> = {
  critical: 'rotating_light',
  warning: 'warning',
  info: 'information_source',
  resolved: 'white_check_mark',
};

export function createNtfyNotifier({ http }: { http: HttpPost }): Notifier {
  return {
    async send(message, signal) {
      const { channel } = message;
      if (channel.kind !== 'ntfy') throw new Error(`a message for ${channel.kind} came to ntfy`);
      const { token, allowPrivate } = channel;
      const { root, topic } = ntfyAddress(channel.url);
      const authorization = token === null ? {} : { headers: { Authorization: `Bearer ${token}` }, secrets: [token] };
      return http.post({ url: root, body: ntfyBody(message, topic), allowPrivate, ...authorization }, signal);
    },
    async close() {
      http.close();
    },
  };
}

/** `https://ntfy.example.org/push/night` → the topic `night` of the server at `https://ntfy.example.org/push/`. */
export function ntfyAddress(address: string): { root: string; topic: string } {
  const url = new URL(address);
  const [topic = '', ...before] = url.pathname.replace(/\/$/, '').split('/').reverse();
  url.pathname = `${before.reverse().join('/')}/`;
  return { root: url.href, topic };
}

export function ntfyBody(message: OutgoingMessage, topic: string): string {
  const chat = fitted(chatText(message), (part) => Buffer.byteLength(textOf(part)) <= MESSAGE_BYTES_MAX);
  const [first] = chat.links;
  return JSON.stringify({
    topic,
    title: chat.headline,
    message: textOf(chat),
    priority: chat.state === 'resolved' ? 2 : message.isUrgent ? 5 : 3,
    tags: [TAGS[chat.state]],
    ...(first !== undefined && {
      click: first.url,
      actions: chat.links.map(({ name, url }) => ({ action: 'view', label: name, url })),
    }),
  });
}

const textOf = (chat: ChatText): string => [chat.text, ...chat.lines, leftText(chat)].filter((part) => part !== '').join('\n');
