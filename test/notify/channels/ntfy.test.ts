/** What an ntfy server is sent. */
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Channel } from '../../../src/domain/notification.ts';
import { createHttpPost } from '../../../src/notify/channels/http-post.ts';
import { createNtfyNotifier, ntfyAddress, ntfyBody } from '../../../src/notify/channels/ntfy.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { startHttpPeer } from './http-peer.ts';
import { crowd, messageTo, sampleAlert, sampleItem, sampleMessage } from './message.ts';

const never = new AbortController().signal;
const channel: Channel = { kind: 'ntfy', address: 'ntfy.sh/night', url: 'https://ntfy.sh/night', token: null, allowPrivate: false };
const form = z.strictObject({
  topic: z.literal('night'),
  title: z.string().min(1),
  message: z.string().min(1),
  priority: z.number(),
  tags: z.array(z.string()),
  click: z.url().optional(),
  actions: z
    .array(z.strictObject({ action: z.literal('view'), label: z.string(), url: z.url() }))
    .max(3)
    .optional(),
});
function parsed(message: Parameters<typeof ntfyBody>[0]) {
  const body = ntfyBody(message, 'night');
  const sent = form.parse(JSON.parse(body));
  expect(Buffer.byteLength(sent.message)).toBeLessThan(4096);
  // ntfy reads twice the limit of a message of JSON.
  expect(Buffer.byteLength(body)).toBeLessThan(8192);
  return sent;
}

describe('a message for ntfy', () => {
  it('is posted to the root of the server, with its token', async () => {
    await using peer = await startHttpPeer();
    const notifier = createNtfyNotifier({ http: createHttpPost({ clock, version: '1' }) });
    for (const [path, token] of [
      ['night', 'tk_abc'],
      ['push/night', null],
    ] as const) {
      const to = { ...channel, url: `${peer.origin}/${path}`, token, allowPrivate: true };
      expect((await notifier.send(messageTo(to), never)).outcome).toBe('delivered');
    }
    expect(peer.posted.map((posted) => [posted.path, posted.headers.authorization])).toEqual([
      ['/', 'Bearer tk_abc'],
      ['/push/', undefined],
    ]);
    expect(form.parse(JSON.parse(peer.posted[1]?.body ?? ''))).toMatchObject({ topic: 'night', title: sampleMessage.subject });
  });

  it('rings for what is urgent, and tells quietly that something is over', () => {
    expect(parsed(messageTo(channel))).toMatchObject({
      priority: 5,
      tags: ['rotating_light'],
      click: 'https://tocsin.example.org/?alert=a',
    });
    expect(parsed(messageTo(channel, { isUrgent: false }))).toMatchObject({ priority: 3 });
    const item = { ...sampleItem, alert: { ...sampleAlert, state: 'resolved' as const } };
    const over = messageTo(channel, { links: null, content: { ...sampleMessage.content, items: [item] } });
    expect(parsed(over)).toMatchObject({ priority: 2, tags: ['white_check_mark'] });
    expect(parsed(over).actions).toBeUndefined();
    expect(parsed(messageTo(channel)).actions?.map(({ label }) => label)).toEqual(['Open', 'Acknowledge', 'Silence']);
  });

  it('lists the foremost of 500 alerts and counts the rest', () => {
    const { message } = parsed(crowd(channel, { count: 500, name: (index) => `fridge-${index}` }));
    const lines = message.split('\n');
    const alerts = lines.filter((line) => line.startsWith('CRITICAL fridge-warm on fridge-'));
    expect(alerts.length).toBeGreaterThanOrEqual(5);
    expect(lines.at(-1)).toBe(`and ${500 - alerts.length} more`);
  });

  it('stays below the limit whatever names and texts are', () => {
    for (const device of ['"'.repeat(9000), '😀'.repeat(5000), 'ä<&>\n'.repeat(2000), '\ud800'])
      for (const count of [1, 2, 500]) parsed(crowd(channel, { count, name: () => device }));
    parsed(messageTo(channel, { text: '😀'.repeat(20_000), subject: '😀'.repeat(2000) }));
  });

  it.each([
    ['https://ntfy.sh/a', 'https://ntfy.sh/', 'a'],
    ['https://ntfy.sh/a/', 'https://ntfy.sh/', 'a'],
    ['https://me:pw@x.org:8443/push/b', 'https://me:pw@x.org:8443/push/', 'b'],
    ['https://ntfy.sh', 'https://ntfy.sh/', ''],
  ])('%s is a topic of the server at %s', (url, root, topic) => expect(ntfyAddress(url)).toEqual({ root, topic }));
});
