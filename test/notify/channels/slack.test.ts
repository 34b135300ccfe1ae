/** What Slack, and what takes Slack's JSON, is sent. */
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Channel } from '../../../src/domain/notification.ts';
import { createHttpPost } from '../../../src/notify/channels/http-post.ts';
import { createSlackNotifier, slackBody } from '../../../src/notify/channels/slack.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { startHttpPeer } from './http-peer.ts';
import { crowd, messageTo, sampleAlert, sampleItem } from './message.ts';

const never = new AbortController().signal;
const channel: Channel = { kind: 'slack', address: 'hooks.slack.com', url: 'https://hooks.slack.com/services/T/B/x', allowPrivate: false };

/** Slack's limits, and that no key is there which it would refuse. */
const inBlocks = z.strictObject({
  text: z.string().min(1).max(3000),
  unfurl_links: z.literal(false),
  unfurl_media: z.literal(false),
  attachments: z.tuple([
    z.strictObject({
      color: z.string().regex(/^#[0-9a-f]{6}$/),
      fallback: z.string().min(1),
      blocks: z
        .array(
          z.strictObject({
            type: z.literal('section'),
            text: z.strictObject({ type: z.literal('mrkdwn'), verbatim: z.literal(true), text: z.string().min(1).max(3000) }),
          }),
        )
        .min(1)
        .max(50),
    }),
  ]),
});
const inText = z.strictObject({
  text: z.string().min(1),
  unfurl_links: z.literal(false),
  unfurl_media: z.literal(false),
  attachments: z.tuple([
    z.strictObject({ color: z.string(), fallback: z.string(), text: z.string(), mrkdwn_in: z.tuple([z.literal('text')]) }),
  ]),
});
const blocksOf = (message: Parameters<typeof slackBody>[0]): string[] =>
  inBlocks.parse(slackBody(message, { blocks: true })).attachments[0].blocks.map(({ text }) => text.text);

describe('a message for Slack', () => {
  it('has its subject, its text, and links instead of the lines that hold their addresses', () => {
    const { text, attachments } = inBlocks.parse(slackBody(messageTo(channel), { blocks: true }));
    expect(text).toBe('*[CRITICAL] fridge-warm on fridge-01: 9.3 °C*');
    expect(attachments[0].color).toBe('#b42318');
    const [first = '', links = '', ...others] = attachments[0].blocks.map((block) => block.text.text);
    expect(first).toContain('Value: 9.3 °C');
    expect(first).toContain('Runbook: https://wiki.example.org/fridges');
    expect(first).not.toContain('tocsin.example.org');
    expect(links).toContain('<https://tocsin.example.org/do/acknowledge?alert=a&amp;token=t1|Acknowledge>');
    expect(others).toEqual([]);
  });

  it('is green when it is over', () => {
    const alert = { ...sampleAlert, state: 'resolved' as const };
    const message = messageTo(channel, { content: { ...messageTo(channel).content, items: [{ ...sampleItem, alert, news: 'resolved' }] } });
    expect(inBlocks.parse(slackBody(message, { blocks: true })).attachments[0].color).toBe('#067647');
  });

  it('lists the foremost of 500 alerts and counts the rest', () => {
    const blocks = blocksOf(crowd(channel, { count: 500, more: 1500, name: (index) => `fridge-${index}` }));
    const all = blocks.join('\n');
    const lines = all.split('\n').filter((line) => line.startsWith('• '));
    expect(lines.length).toBeGreaterThanOrEqual(10);
    expect(lines[0]).toContain('CRITICAL fridge-warm on fridge-0: fridge-0 is at 9 °C');
    expect(all).toContain(`and ${2000 - lines.length} more`);
    expect(all).toContain('most of them at one gateway');
  });

  it.each([
    ['a link', '<https://evil.example|click>', '&lt;https://evil.example|click&gt;'],
    ['a call to everybody', '<!channel> & <@U123>', '&lt;!channel&gt; &amp; &lt;@U123&gt;'],
    ['lines of its own', 'a\nb\r\n• CRITICAL other', 'a b • CRITICAL other'],
    ['quotes', `"it's"`, `"it's"`],
  ])('lets no name make %s', (_what, device, expected) => {
    for (const count of [1, 2]) {
      const message = crowd(channel, { count, name: () => device });
      const body = slackBody({ ...message, subject: `x on ${device}` }, { blocks: true });
      expect(JSON.stringify(body)).not.toMatch(/<https:\/\/evil|<!|<@/);
      expect(inBlocks.parse(body).text).toContain(expected);
    }
  });

  it('keeps within the limits whatever names and texts are', () => {
    for (const device of [
      '&'.repeat(10_000),
      '<>'.repeat(5000),
      'ä'.repeat(10_000),
      '😀'.repeat(5000),
      '\n'.repeat(1000),
      '\ud800'.repeat(500),
    ]) {
      for (const count of [1, 2, 500]) {
        const blocks = blocksOf(crowd(channel, { count, name: () => device }));
        expect(blocks.every((text) => text.isWellFormed())).toBe(true);
      }
      expect(blocksOf(messageTo(channel, { text: device, subject: device === '' ? 'x' : `s${device}` })).length).toBeGreaterThan(0);
    }
  });
});

describe("a message for what takes Slack's JSON", () => {
  it('has it all as the text of an attachment, without what calls everybody or makes a link', async () => {
    await using peer = await startHttpPeer();
    const message = crowd(
      { ...channel, url: `${peer.origin}/hooks/x`, allowPrivate: true },
      { count: 3, name: () => '@all [x](https://evil.example)' },
    );
    const notifier = createSlackNotifier({ http: createHttpPost({ clock, version: '1' }) });
    expect((await notifier.send(message, never)).outcome).toBe('delivered');
    const { text, attachments } = inText.parse(JSON.parse(peer.posted[0]?.body ?? ''));
    for (const shown of [text, attachments[0].text]) expect(shown).not.toMatch(/@all|@channel|\]\(/);
    expect(attachments[0].text.match(/^• CRITICAL/gm)).toHaveLength(3);
    expect(attachments[0].text).toContain('<https://tocsin.example.org/?group=g|Open>');
  });
});
