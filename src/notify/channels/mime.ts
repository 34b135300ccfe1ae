/**
 * A message as MIME: the same input gives the same bytes. Text and HTML, threaded by the alert's first message, marked
 * as written by a program so that no holiday responder answers it.
 */
import type MailComposer from 'nodemailer/lib/mail-composer';
import type { OutgoingMessage } from './notifier.ts';

export const messageIdOf = (id: string): string => `<${id}@tocsin>`;

export function mimeOptions(message: OutgoingMessage, from: string): MailComposer.Options {
  const thread = message.thread === null ? {} : { inReplyTo: messageIdOf(message.thread), references: [messageIdOf(message.thread)] };
  const labels = Object.entries(message.labels).map(([name, value]) => [`X-Tocsin-${name}`, value]);
  return {
    from,
    to: { name: '', address: message.channel.address },
    subject: message.subject,
    text: message.text,
    html: message.html,
    messageId: messageIdOf(message.id),
    ...thread,
    date: new Date(message.at / 1000),
    headers: {
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      'List-Id': 'Tocsin alerts <alerts.tocsin.localhost>',
      ...(message.isUrgent ? { Importance: 'high' } : {}),
      ...Object.fromEntries(labels),
    },
    baseBoundary: message.id,
    disableFileAccess: true,
    disableUrlAccess: true,
    newline: 'win',
  };
}
