/** The Adaptive Card that Microsoft Teams is sent. */
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Channel } from '../../../src/domain/notification.ts';
import { teamsBody } from '../../../src/notify/channels/teams.ts';
import { crowd, messageTo, sampleAlert, sampleItem } from './message.ts';

const channel: Channel = { kind: 'teams', address: 'x.logic.azure.com', url: 'https://x.logic.azure.com/workflows/y', allowPrivate: false };

/** No TextBlock: its Markdown would be read. */
const rich = z.object({
  type: z.literal('RichTextBlock'),
  inlines: z.tuple([z.object({ type: z.literal('TextRun'), text: z.string().min(1) })]),
});
const form = z.strictObject({
  type: z.literal('message'),
  attachments: z.tuple([
    z.strictObject({
      contentType: z.literal('application/vnd.microsoft.card.adaptive'),
      contentUrl: z.null(),
      content: z.strictObject({
        $schema: z.string(),
        type: z.literal('AdaptiveCard'),
        version: z.literal('1.4'),
        msteams: z.object({ width: z.literal('Full') }),
        fallbackText: z.string(),
        body: z
          .tuple([
            z.object({ type: z.literal('Container'), style: z.enum(['attention', 'warning', 'accent', 'good']), items: z.tuple([rich]) }),
          ])
          .rest(rich),
        actions: z.array(z.strictObject({ type: z.literal('Action.OpenUrl'), title: z.string(), url: z.url() })).optional(),
      }),
    }),
  ]),
});
function cardOf(message: Parameters<typeof teamsBody>[0]) {
  const body = teamsBody(message);
  expect(Buffer.byteLength(body)).toBeLessThan(28 * 1024);
  expect(body.length * 2).toBeLessThan(28 * 1024);
  const { content } = form.parse(JSON.parse(body)).attachments[0];
  const [head, ...rest] = content.body;
  return { ...content, style: head.style, headline: head.items[0].inlines[0].text, lines: rest.map(({ inlines }) => inlines[0].text) };
}

describe('a message for Teams', () => {
  it('is a card with subject, text and buttons', () => {
    const card = cardOf(messageTo(channel));
    expect(card).toMatchObject({ style: 'attention', headline: '[CRITICAL] fridge-warm on fridge-01: 9.3 °C' });
    expect(card.lines).toContain('Value: 9.3 °C');
    expect(card.actions?.map(({ title }) => title)).toEqual(['Open', 'Acknowledge', 'Silence']);
  });

  it('has no buttons without links, and is green when it is over', () => {
    const item = { ...sampleItem, alert: { ...sampleAlert, state: 'resolved' as const } };
    const card = cardOf(messageTo(channel, { links: null, content: { ...messageTo(channel).content, items: [item] } }));
    expect(card).toMatchObject({ style: 'good' });
    expect(card.actions).toBeUndefined();
  });

  it('lists the foremost of 500 alerts and counts the rest', () => {
    const { lines } = cardOf(crowd(channel, { count: 500, more: 3, name: (index) => `fridge-${index}` }));
    const alerts = lines.filter((line) => line.startsWith('CRITICAL fridge-warm on fridge-'));
    expect(alerts.length).toBeGreaterThanOrEqual(10);
    expect(lines.at(-1)).toBe(`and ${503 - alerts.length} more`);
  });

  it('takes names as they are, and stays small whatever they are', () => {
    const names = [
      '[x](https://evil.example) **b** <at>all</at>',
      '"'.repeat(10_000),
      '\\'.repeat(9000),
      '😀'.repeat(5000),
      '\u0007\n'.repeat(900),
      '\ud800',
    ];
    for (const device of names) for (const count of [1, 2, 500]) cardOf(crowd(channel, { count, name: () => device }));
    const text = '"\\'.repeat(50_000);
    expect(cardOf(messageTo(channel, { text, subject: text, contact: text })).headline.length).toBeLessThanOrEqual(200);
  });
});
