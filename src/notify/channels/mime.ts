/**
 * A message as MIME: the same input gives the same bytes. Text and HTML with the chart in it, threaded by the alert's first message,
 * marked as written by a program so that no holiday responder answers it. Nothing that it is made of can add a header: names are ours,
 * values are one line each.
 */
import type MailComposer from 'nodemailer/lib/mail-composer';
import { idText, oneLine } from '../mail/mail-text.ts';
import type { OutgoingMessage } from './notifier.ts';

const HEADER_LENGTH_MAX = 500;

export const messageIdOf = (id: string): string => `<${idText(id)}@tocsin>`;

export function mimeOptions(message: OutgoingMessage, from: string): MailComposer.Options {
  const { chart } = message;
  const thread = message.thread === null ? {} : { inReplyTo: messageIdOf(message.thread), references: [messageIdOf(message.thread)] };
  const labels = Object.entries(message.labels).map(([name, value]) => [
    `X-Tocsin-${name.replace(/[^A-Za-z0-9-]/g, '-')}`,
    oneLine(value, HEADER_LENGTH_MAX),
  ]);
  return {
    from,
    to: { name: '', address: oneLine(message.channel.address, HEADER_LENGTH_MAX) },
    subject: oneLine(message.subject, HEADER_LENGTH_MAX),
    text: message.text,
    html: message.html,
    attachments: chart === null ? [] : [chartPart(chart)],
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
    baseBoundary: idText(message.id),
    disableFileAccess: true,
    disableUrlAccess: true,
    newline: 'win',
  };
}

/** Shown where the HTML names it, not listed below the mail as something to open. */
const chartPart = ({ contentId, png }: NonNullable<OutgoingMessage['chart']>) => ({
  filename: 'chart.png',
  content: Buffer.from(png.buffer, png.byteOffset, png.byteLength),
  contentType: 'image/png',
  contentDisposition: 'inline' as const,
  cid: idText(contentId),
});
