/** Messages as the channels take them: the same to the byte when they are sent again, whatever becomes of the chart. */
import { randomBytes } from 'node:crypto';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import type { Alert } from '../../src/domain/alert.ts';
import type { Channel } from '../../src/domain/notification.ts';
import { readLink } from '../../src/notify/action-links.ts';
import { type Chart, type ChartOrder, Composing, type ComposingOptions } from '../../src/notify/composing.ts';
import { type Content, foremost, type Item, isUrgent, kindOf } from '../../src/notify/content.ts';
import type { OutboxMessage } from '../../src/notify/outbox-row.ts';
import { startSmtp } from './channels/smtp.ts';
import { directory, eventually, rule, START, startNotifying } from './fixtures.ts';
import { ManualClock } from './manual-clock.ts';

const KEY = new Uint8Array(randomBytes(32));
const PUBLIC_URL = 'https://tocsin.example.org';
const DAY = 86_400_000_000;
const AT = START + 600_000_000;
const mail: Channel = { kind: 'email', address: 'p@x.org' };
const mqtt: Channel = { kind: 'mqtt', address: 'tocsin/p', retain: false };
const chart: Chart = { png: new Uint8Array([1, 2, 3]), describes: 'temperature from 5 to 9.3 °C' };

const itemOf = (id: string, changes: Partial<Alert> = {}): Item => ({
  alert: {
    id,
    rule: 'fridge-warm',
    device: 'fridge-01',
    level: 'critical',
    state: 'firing',
    flags: [],
    since: START,
    firedAt: START,
    resolvedAt: null,
    value: 9.3,
    summary: 'warm',
    labels: {},
    ...changes,
  },
  news: changes.state === 'resolved' ? 'resolved' : 'firing',
  fromLevel: null,
  transition: `${id}/1`,
  reason: 'because',
});
const contentOf = (...items: Item[]): Content => ({ cause: { kind: 'update', group: { rule: 'fridge-warm' } }, items, more: 0 });
const one = contentOf(itemOf('a'));

const messageOf = (content: Content): OutboxMessage => ({
  number: 1,
  id: '0123456789abcdef0123456789abcdef',
  alert: foremost(content).id,
  contact: 'pharmacy',
  kind: kindOf(content),
  isUrgent: isUrgent(content),
  subject: 'as it was when it was decided on',
  content,
  thread: null,
  replaces: [],
  state: 'waiting',
  detail: null,
  decidedAt: AT,
  receivedAt: null,
  createdAt: AT + 5,
  endedAt: null,
  channel: 0,
  channelSince: AT,
  channelAttempts: 0,
  attempts: 0,
  nextAt: AT,
});

function composing(options: Partial<ComposingOptions> = {}) {
  const clock = new ManualClock(AT);
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => lines.push(line) });
  return {
    clock,
    lines,
    compose: new Composing({ rules: [rule], directory, publicUrl: PUBLIC_URL, linkKey: KEY, draw: null, clock, logger, ...options }),
  };
}

describe('a chart', () => {
  it('is in a mail about one alert, with words for who cannot see it, and was asked for with what is known of the alert', async () => {
    const orders: ChartOrder[] = [];
    const draw = async (order: ChartOrder): Promise<Chart> => {
      orders.push(order);
      return chart;
    };
    const { compose } = composing({ draw });
    const message = await compose.compose(messageOf(one), mail);
    expect(message.chart).toEqual({ contentId: expect.any(String), png: chart.png });
    expect(message.html).toContain(`cid:${message.chart?.contentId}`);
    expect(message.html).toContain(chart.describes);
    expect(orders).toMatchObject([
      { request: { device: 'fridge-01', metric: 'temperature', to: AT }, alert: { id: 'a' }, facts: { unit: '°C' } },
    ]);
  });

  it('is in none over another channel, about several alerts, of a test, or about what is no number', async () => {
    const { compose } = composing({
      draw: () => {
        throw new Error('nobody was to draw');
      },
    });
    expect((await compose.compose(messageOf(one), mqtt)).chart).toBeNull();
    for (const content of [
      contentOf(itemOf('a'), itemOf('b')),
      { ...one, cause: { kind: 'test', by: 'anna' } } as const,
      contentOf(itemOf('a', { value: 'open' })),
      contentOf(itemOf('a', { group: 'berlin' })),
    ])
      expect((await compose.compose(messageOf(content), mail)).chart).toBeNull();
  });

  it('is waited for two seconds, no longer; the mail goes without it', async () => {
    const { compose, clock } = composing({ draw: () => new Promise(() => undefined) });
    let isComposed = false;
    const message = compose.compose(messageOf(one), mail).finally(() => {
      isComposed = true;
    });
    await clock.pass(1999);
    expect(isComposed).toBe(false);
    await clock.pass(2);
    expect((await message).chart).toBeNull();
    expect((await message).html).not.toContain('cid:');
  });

  it('leaves no timer behind when it came in time', async () => {
    const { compose, clock } = composing({ draw: () => Promise.resolve(chart) });
    await compose.compose(messageOf(one), mail);
    expect(clock.timerCount).toBe(0);
  });

  it('that cannot be had is left out, and the log says why', async () => {
    const { compose, lines } = composing({ draw: () => Promise.reject(new Error('the history is away')) });
    expect((await compose.compose(messageOf(one), mail)).chart).toBeNull();
    expect(lines.join()).toContain('the history is away');
    const nothing = composing({ draw: () => Promise.resolve(null) });
    expect((await nothing.compose.compose(messageOf(one), mail)).chart).toBeNull();
    expect(nothing.lines).toEqual([]);
  });

  it('is one of four that are drawn at once, those counted that are too late and under way still', async () => {
    const asked: ((drawn: Chart | null) => void)[] = [];
    const { compose, clock } = composing({ draw: () => new Promise((resolve) => asked.push(resolve)) });
    const mails = Array.from({ length: 6 }, () => compose.compose(messageOf(one), mail));
    expect(asked).toHaveLength(4);
    await clock.pass(2000);
    for (const message of await Promise.all(mails)) expect(message.chart).toBeNull();
    expect((await compose.compose(messageOf(one), mail)).chart).toBeNull();
    expect(asked).toHaveLength(4);
    asked[0]?.(chart);
    await clock.pass(0);
    const next = compose.compose(messageOf(one), mail);
    expect(asked).toHaveLength(5);
    asked[4]?.(chart);
    expect((await next).chart).not.toBeNull();
  });

  it('comes with the mail', async () => {
    await using server = await startSmtp();
    await using bench = startNotifying({ smtp: server.url, draw: () => Promise.resolve(chart) });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    const [received] = await eventually(
      () => server.received,
      (seen) => seen.length === 1,
    );
    expect(received?.mail.attachments.map(({ contentType, content }) => [contentType, [...content]])).toEqual([['image/png', [1, 2, 3]]]);
  });
});

describe('links', () => {
  it('acknowledge and silence the one alert that it is about, on behalf of the contact, for a week from the decision', async () => {
    const { links } = await composing().compose.compose(messageOf(one), mail);
    expect(links?.alert).toBe(`${PUBLIC_URL}/?alert=a`);
    for (const action of ['acknowledge', 'silence'] as const) {
      const url = links?.[action] ?? '';
      expect(url.startsWith(`${PUBLIC_URL}/a/`)).toBe(true);
      const token = url.slice(`${PUBLIC_URL}/a/`.length);
      expect(readLink(token, KEY, AT + 7 * DAY - 1)).toEqual({ alert: 'a', contact: 'pharmacy', action });
      expect(readLink(token, KEY, AT + 7 * DAY)).toHaveProperty('problem');
    }
  });

  it.each([
    ['what is over', contentOf(itemOf('a', { state: 'resolved', resolvedAt: AT }))],
    ['several alerts', contentOf(itemOf('a'), itemOf('b'))],
    ['more than it lists', { ...one, more: 1 }],
    ['a test', { ...one, cause: { kind: 'test', by: 'anna' } } as const],
  ])('lead to the page only, of %s', async (_name, content) => {
    const { links } = await composing().compose.compose(messageOf(content), mail);
    expect(links).toEqual({ alert: `${PUBLIC_URL}/?alert=a`, acknowledge: null, silence: null });
  });

  it('are in no message without a public URL', async () => {
    const message = await composing({ publicUrl: null }).compose.compose(messageOf(one), mail);
    expect(message.links).toBeNull();
    expect(message.text + message.html).not.toContain('/a/');
  });
});

describe('a message that is sent again', () => {
  it('is the same to the byte, days later and after a restart', async () => {
    const first = await composing().compose.compose(messageOf(one), mail);
    const { compose, clock } = composing();
    await clock.pass(3 * 86_400_000);
    expect(await compose.compose({ ...messageOf(one), attempts: 7, channelAttempts: 2 }, mail)).toEqual(first);
    expect(first.subject).toBe('as it was when it was decided on');
    expect(first.at).toBe(AT + 5);
  });

  it('differs by nothing but the chart where that came only once', async () => {
    const without = await composing().compose.compose(messageOf(one), mail);
    const withIt = await composing({ draw: () => Promise.resolve(chart) }).compose.compose(messageOf(one), mail);
    const { html: _, text, chart: drawn, ...rest } = withIt;
    expect(drawn).not.toBeNull();
    expect(text.replace(`${chart.describes}\n\n`, '')).toBe(without.text);
    expect(without).toMatchObject(rest);
  });

  it('is urgent for a mail program only while something critical fires', async () => {
    const { compose } = composing();
    const isUrgentOf = async (content: Content, changes: Partial<OutboxMessage> = {}) =>
      (await compose.compose({ ...messageOf(content), ...changes }, mail)).isUrgent;
    const over = contentOf(itemOf('a', { state: 'resolved', resolvedAt: AT }));
    expect(await isUrgentOf(one)).toBe(true);
    expect([isUrgent(over), await isUrgentOf(over)]).toEqual([true, false]);
    // It stands in for one that was.
    expect(await isUrgentOf(contentOf(itemOf('a', { level: 'warning' })), { isUrgent: true })).toBe(false);
  });

  it('names its alert, its transition and what it replaces for programs', async () => {
    const replaces = [{ id: 'f'.repeat(32), transitions: ['a/0'], subject: 'before', level: 'warning' as const, at: AT }];
    const { labels, text } = await composing().compose.compose({ ...messageOf(one), replaces }, mail);
    expect(labels).toEqual({ Alert: 'a', Transition: 'a/1', Replaces: 'a/0' });
    expect(text).toContain('takes the place of an earlier one');
  });
});
