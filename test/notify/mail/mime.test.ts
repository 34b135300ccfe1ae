/** Messages as they arrive: written as MIME, read back by a mail parser. */
import fc from 'fast-check';
import { type ParsedMail, simpleParser } from 'mailparser';
import MailComposer from 'nodemailer/lib/mail-composer';
import { describe, expect, it } from 'vitest';
import { mimeOptions } from '../../../src/notify/channels/mime.ts';
import type { OutgoingMessage } from '../../../src/notify/channels/notifier.ts';
import { kindOf } from '../../../src/notify/content.ts';
import { chartPng } from '../../../src/notify/mail/chart-png.ts';
import { EVERY_KIND, rendered, START } from './contents.ts';

const ID = '0123456789abcdef0123456789abcdef';
const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="56" height="21"><rect width="9" height="9"/></svg>';
const chart = { contentId: 'chart-1@tocsin', png: chartPng(svg) };

function messageOf(kind: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  const found = EVERY_KIND[kind];
  if (found === undefined) throw new Error(`no kind ${kind}`);
  const { content, at } = found;
  const image = more.chart === undefined ? chart : more.chart;
  const shown = image && { contentId: image.contentId, describes: 'Chart of temperature' };
  return {
    id: ID,
    thread: 'fedcba9876543210fedcba9876543210',
    contact: 'pharmacy',
    channel: { kind: 'email', address: 'pharmacy@example.org' },
    kind: kindOf(content),
    ...rendered(content, { at, chart: shown }),
    chart,
    at: START,
    isUrgent: true,
    content,
    links: null,
    labels: { Alert: 'fridge-warm/fridge-01/7', Transition: 'a/1' },
    ...more,
  };
}
const bytesOf = (message: OutgoingMessage): Promise<Buffer> =>
  new MailComposer(mimeOptions(message, 'Tocsin <tocsin@example.org>')).compile().build();
const namesOf = (mail: ParsedMail): string[] => mail.headerLines.map(({ key }) => key);

describe('a mail', () => {
  it.each(Object.keys(EVERY_KIND))('arrives whole as %s, with its chart in it, the same to the byte again', async (kind) => {
    const message = messageOf(kind);
    const bytes = await bytesOf(message);
    expect(await bytesOf(messageOf(kind))).toEqual(bytes);
    expect(bytes.toString('latin1')).not.toMatch(/[^\r]\n|[^\r\n]{999}/);
    const mail = await simpleParser(bytes, { skipImageLinks: true });
    expect(mail.subject).toBe(message.subject);
    expect(mail.text?.trimEnd()).toBe(message.text.trimEnd());
    expect(mail.html).toBe(message.html);
    expect(mail.html).toContain('<img src="cid:chart-1@tocsin"');
    expect(mail.attachments).toHaveLength(1);
    expect(mail.attachments[0]).toMatchObject({
      contentType: 'image/png',
      contentDisposition: 'inline',
      cid: 'chart-1@tocsin',
      related: true,
    });
    expect(mail.attachments[0]?.content).toEqual(Buffer.from(chart.png));
  });

  it('says who it is from, to whom, about what, in which thread, and that a program wrote it', async () => {
    const mail = await simpleParser(await bytesOf(messageOf('firing')));
    expect(mail.messageId).toBe(`<${ID}@tocsin>`);
    expect(mail.inReplyTo).toBe('<fedcba9876543210fedcba9876543210@tocsin>');
    expect(mail.references).toBe('<fedcba9876543210fedcba9876543210@tocsin>');
    expect(mail.date?.getTime()).toBe(START / 1000);
    expect(mail.from?.value).toEqual([{ name: 'Tocsin', address: 'tocsin@example.org' }]);
    expect(mail.headers.get('auto-submitted')).toBe('auto-generated');
    expect(mail.headers.get('priority')).toBe('high');
    expect(mail.headerLines.find(({ key }) => key === 'list-id')?.line).toMatch(/^List-Id: Tocsin alerts <alerts\.tocsin\.localhost>$/i);
    expect(mail.headers.get('x-tocsin-alert')).toBe('fridge-warm/fridge-01/7');
    const first = await simpleParser(await bytesOf(messageOf('firing', { thread: null, isUrgent: false, chart: null })));
    expect([first.inReplyTo, first.references, first.headers.get('priority')]).toEqual([undefined, undefined, undefined]);
    expect(first.attachments).toEqual([]);
    expect(first.html).not.toContain('<img');
  });

  it('has the headers that it has, whatever comes in', async () => {
    const expected = namesOf(await simpleParser(await bytesOf(messageOf('firing'))));
    const nasty = fc.string({
      unit: fc.constantFrom(
        '\r\n',
        '\n',
        '\r',
        '\u0000',
        '\u2028',
        ':',
        ' ',
        'Bcc: x@y.org',
        '<',
        '>',
        ',',
        '"',
        'é',
        '😀',
        '\ud800',
        'a'.repeat(90),
      ),
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(nasty, nasty, nasty, async (subject, label, id) => {
        const message = messageOf('firing', {
          subject: `a${subject}`,
          labels: { Alert: `a${label}`, Transition: 'a/1' },
          id: `a${id}`,
          thread: `a${id}`,
          chart: { ...chart, contentId: `a${id}` },
          channel: { kind: 'email', address: `a${label}@example.org` },
        });
        const mail = await simpleParser(await bytesOf(message), { skipImageLinks: true });
        expect(namesOf(mail)).toEqual(expected);
        expect(mail.html).toContain(`<img src="cid:${mail.attachments[0]?.cid}"`);
        expect(mail.text?.trimEnd()).toBe(message.text.trimEnd());
      }),
      { numRuns: 60 },
    );
    const named = messageOf('firing', { labels: { 'A:\r\nBcc': 'x@y.org' } });
    expect(namesOf(await simpleParser(await bytesOf(named)))).toContain('x-tocsin-a---bcc');
  });
});
