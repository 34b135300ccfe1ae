/** What a webhook is sent: documented JSON, with headers by which it knows a repeat and a forgery. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { LEVELS } from '../../../src/domain/alert.ts';
import type { Channel } from '../../../src/domain/notification.ts';
import { createHttpPost } from '../../../src/notify/channels/http-post.ts';
import { messageJson } from '../../../src/notify/channels/message-json.ts';
import { createWebhookNotifier } from '../../../src/notify/channels/webhook.ts';
import type { Cause } from '../../../src/notify/content.ts';
import { type Clock, systemClock } from '../../../src/std/clock.ts';
import { withTimes } from '../../../src/web/times.ts';
import { startHttpPeer } from './http-peer.ts';
import { AT, crowd, messageTo, sampleAlert, sampleItem, sampleMessage } from './message.ts';

const never = new AbortController().signal;
const SECRET = 'not-to-be-guessed';
const channelAt = (origin: string, secret: string | null = SECRET): Channel => ({
  kind: 'webhook',
  address: '127.0.0.1',
  url: `${origin}/in?a=b`,
  secret,
  allowPrivate: true,
});
const clockAt = (now: number): Clock => ({ ...systemClock, now: () => now });
const notifierAt = (clock: Clock) => createWebhookNotifier({ http: createHttpPost({ clock, version: '1.2.3' }), clock });

describe('a webhook', () => {
  it('is sent JSON with its id, and a signature that a receiver can compute by itself', async () => {
    await using peer = await startHttpPeer();
    const message = messageTo(channelAt(peer.origin));
    expect((await notifierAt(clockAt(AT + 1_999_999)).send(message, never)).outcome).toBe('delivered');
    expect((await notifierAt(clockAt(AT + 60_000_000)).send(message, never)).outcome).toBe('delivered');
    const [first, second] = peer.posted;
    if (first === undefined || second === undefined) throw new Error('not posted');
    expect(first.method).toBe('POST');
    expect(first.path).toBe('/in?a=b');
    expect(first.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'Tocsin/1.2.3',
      'idempotency-key': message.id,
      'x-tocsin-timestamp': String(AT / 1_000_000 + 1),
    });
    for (const { headers, body } of [first, second]) {
      // As the documentation tells a receiver to do it.
      const [version, hex = ''] = String(headers['x-tocsin-signature']).split('=');
      const expected = createHmac('sha256', SECRET).update(`${headers['x-tocsin-timestamp']}.${body}`).digest();
      expect(version).toBe('v1');
      expect(timingSafeEqual(Buffer.from(hex, 'hex'), expected)).toBe(true);
    }
    expect(second.body).toBe(first.body);
    expect(second.headers['x-tocsin-timestamp']).not.toBe(first.headers['x-tocsin-timestamp']);
    expect(second.headers['x-tocsin-signature']).not.toBe(first.headers['x-tocsin-signature']);
  });

  it('is not signed without a secret', async () => {
    await using peer = await startHttpPeer();
    await notifierAt(systemClock).send(messageTo(channelAt(peer.origin, null)), never);
    expect(peer.posted[0]?.headers).not.toHaveProperty('x-tocsin-signature');
    expect(peer.posted[0]?.headers).toHaveProperty('x-tocsin-timestamp');
  });

  it('gets 500 alerts whole', async () => {
    await using peer = await startHttpPeer();
    const name = (index: number): string => `fridge-${index} "<&>'\n\u2028\ud800`;
    await notifierAt(systemClock).send(crowd(channelAt(peer.origin), { count: 500, more: 7, name }), never);
    const body: unknown = JSON.parse(peer.posted[0]?.body ?? '');
    expect(body).toMatchObject({ more: 7, alerts: expect.arrayContaining([expect.objectContaining({ device: name(499) })]) });
  });
});

describe('a message as JSON', () => {
  it('has every field that its file tells of, and no other', () => {
    expect(JSON.parse(messageJson(sampleMessage))).toEqual({
      version: 1,
      id: sampleMessage.id,
      thread: sampleMessage.thread,
      kind: 'level',
      contact: 'pharmacy',
      subject: sampleMessage.subject,
      text: sampleMessage.text,
      at: '2026-01-02T03:04:05.000000Z',
      urgent: true,
      alerts: [
        {
          id: 'a',
          rule: 'fridge-warm',
          device: 'fridge-01',
          level: 'critical',
          state: 'firing',
          flags: [],
          since: '2026-01-02T02:04:05.000000Z',
          firedAt: '2026-01-02T03:04:03.999999Z',
          resolvedAt: null,
          value: 9.3,
          summary: 'fridge-01 is at 9.3 °C',
          labels: { site: 'berlin' },
          news: 'level',
          fromLevel: 'warning',
          transition: 'a/2',
          reason: 'temperature > 8 for 60m',
        },
      ],
      more: 0,
      cause: { kind: 'update', group: { rule: 'fridge-warm', device: 'fridge-01' } },
      links: sampleMessage.links,
    });
  });

  it('shows an alert as the HTTP API does', () => {
    const alerts = LEVELS.map((level) => ({
      ...sampleAlert,
      level,
      group: 'site=berlin',
      resolvedAt: AT + 1,
      value: 'text',
      flags: ['flapping'] as const,
    }));
    const items = alerts.map((alert) => ({ ...sampleItem, alert }));
    const body = JSON.parse(messageJson({ ...sampleMessage, content: { ...sampleMessage.content, items } }));
    const { news, fromLevel, transition, reason } = sampleItem;
    expect(body.alerts).toEqual(alerts.map((alert) => ({ ...Object(withTimes(alert)), news, fromLevel, transition, reason })));
  });

  const explanation = { name: 'gateway', value: 'gw-1', count: 30 };
  it.each<[Cause, Record<string, unknown>]>([
    [
      { kind: 'reminder', since: AT, group: { since: '1' } },
      { since: '2026-01-02T03:04:05.000000Z', group: { since: '1' } },
    ],
    [
      { kind: 'escalation', step: 1, steps: 2, afterMs: 600_000 },
      { step: 1, steps: 2, afterMs: 600_000 },
    ],
    [
      { kind: 'backlog', device: 'd', from: AT, to: AT + 1 },
      { from: '2026-01-02T03:04:05.000000Z', to: '2026-01-02T03:04:05.000001Z' },
    ],
    [
      { kind: 'mute-end', mute: 'silence', name: 'n', by: null, from: AT, to: AT },
      { from: '2026-01-02T03:04:05.000000Z', by: null },
    ],
    [
      { kind: 'storm', phase: 'begun', since: AT, explanation, total: 30, firing: 29 },
      { since: '2026-01-02T03:04:05.000000Z', explanation, total: 30, firing: 29 },
    ],
    [
      { kind: 'digest', held: 3, since: AT, perHour: 60 },
      { since: '2026-01-02T03:04:05.000000Z', held: 3, perHour: 60 },
    ],
    [{ kind: 'test', by: 'me' }, { by: 'me' }],
  ])('tells its cause with its times: %j', (cause, expected) => {
    const body = JSON.parse(messageJson({ ...sampleMessage, content: { ...sampleMessage.content, cause } }));
    expect(body.cause).toMatchObject({ kind: cause.kind, ...expected });
    expect(Object.keys(body.cause)).toEqual(Object.keys(cause));
  });
});
