/**
 * The pages that links in messages lead to: whatever follows a link changes nothing, the form acts and once only, and a page
 * holds nothing that is not ours.
 */
import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Unavailable } from '../../src/std/errors.ts';
import { startWebServer, type WebServer } from '../../src/web/server.ts';
import { alertNamed } from './alerts.ts';
import { MemoryBackend } from './memory-backend.ts';

const logger = pino({ level: 'silent' });
const PUBLIC_URL = 'https://tocsin.example.org';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

let backend: MemoryBackend;
let server: WebServer;
beforeEach(async () => {
  backend = new MemoryBackend();
  backend.addAlert(alertNamed('a1'));
  server = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger, publicUrl: PUBLIC_URL });
});
afterEach(() => server.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}
/** fetch does not let its caller choose Host. By default what a proxy passes on under a name that it knows and we do not. */
function ask(method: string, path: string, options: { headers?: Record<string, string>; body?: string } = {}): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  const headers = { host: 'alerts.example.net', ...options.headers };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    request.on('error', reject).end(options.body);
  });
}
/** What a browser posts: the fields of the form that the page has. */
async function press(path: string, fields: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<Answer> {
  const form = formTokenOf((await ask('GET', path)).text);
  return ask('POST', path, { headers: { ...FORM, ...headers }, body: new URLSearchParams({ form, ...fields }).toString() });
}
const formTokenOf = (html: string): string => /name="form" value="([^"]*)"/.exec(html)?.[1] ?? '';
const ackPath = () => `/a/${backend.link('a1', 'acknowledge')}`;
const silencePath = () => `/a/${backend.link('a1', 'silence')}`;

describe('what follows a link', () => {
  it.each([
    ['a person', 'GET', {}],
    ['a HEAD', 'HEAD', {}],
    ['an OPTIONS', 'OPTIONS', { origin: 'https://mail.example', 'access-control-request-method': 'POST' }],
    ['a prefetch', 'GET', { 'sec-purpose': 'prefetch;prerender', purpose: 'prefetch', 'x-moz': 'prefetch' }],
    [
      'a scanner that overrides the method',
      'GET',
      { 'x-http-method-override': 'POST', 'x-method-override': 'POST', 'x-http-method': 'POST' },
    ],
    ['a scanner that says it is a form', 'GET', { ...FORM }],
    ['a mail program’s proxy', 'GET', { 'user-agent': 'Mozilla/5.0 (compatible; GoogleImageProxy)', accept: 'image/*' }],
  ])('changes nothing as %s', async (_, method, headers) => {
    for (const path of [ackPath(), silencePath()])
      for (const query of ['', '?comment=x&end=1h&form=y', '?_method=POST']) await ask(method, `${path}${query}`, { headers });
    expect(backend.operations).toEqual([]);
    expect((await ask('GET', ackPath())).text).not.toContain('Acknowledged');
  });

  it('changes nothing as a crawler that goes through a whole mail, and through the pages it finds', async () => {
    const mail = ['acknowledge', 'silence'].map(
      (action) => `${PUBLIC_URL}/a/${backend.link('a1', action === 'silence' ? 'silence' : 'acknowledge')}`,
    );
    const html = mail.map((url) => `<a href="${url}">do</a>`).join('\n');
    const found = (text: string): string[] =>
      [...text.matchAll(/(?:href|src|action|content)="([^"]+)"|https?:\/\/[^\s"<]+/g)].map((match) => match[1] ?? match[0]);
    const waiting = [...found(html), ...mail];
    const seen = new Set<string>();
    while (waiting.length > 0) {
      const url = new URL(waiting.pop() ?? '', PUBLIC_URL);
      if (seen.has(url.href)) continue;
      seen.add(url.href);
      for (const method of ['HEAD', 'GET', 'OPTIONS']) waiting.push(...found((await ask(method, url.pathname + url.search)).text));
    }
    expect(seen.size).toBeGreaterThanOrEqual(2);
    expect(backend.operations).toEqual([]);
  });

  it.each(['PUT', 'PATCH', 'DELETE'])('changes nothing by %s', async (method) => {
    expect((await ask(method, ackPath(), { headers: FORM, body: 'form=x' })).status).toBeGreaterThanOrEqual(400);
    expect(backend.operations).toEqual([]);
  });
});

describe('the form', () => {
  it('acknowledges, on behalf of the contact, with the comment', async () => {
    const answer = await press(ackPath(), { comment: ' on my way ' });
    expect(answer).toMatchObject({ status: 200, text: expect.stringContaining('Acknowledged.') });
    expect(answer.text).toContain('firing, acknowledged');
    expect(answer.text).not.toContain('<form');
    expect(backend.operations).toEqual([{ kind: 'acknowledge', alert: 'a1', by: 'night', comment: 'on my way', until: null }]);
  });

  it('says what is so already, posted twice or by somebody else', async () => {
    const path = ackPath();
    const body = new URLSearchParams({ form: formTokenOf((await ask('GET', path)).text) }).toString();
    const first = await ask('POST', path, { headers: FORM, body });
    const second = await ask('POST', path, { headers: FORM, body });
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.text).toContain('acknowledged already');
    const other = await ask('GET', `/a/${backend.link('a1', 'acknowledge', { contact: 'pharmacy' })}`);
    expect(other.text).toContain('acknowledged already');
    expect(other.text).not.toContain('<form');
    expect(backend.operations).toHaveLength(1);
  });

  it.each([
    ['1h', 3_600_000_000],
    ['4h', 4 * 3_600_000_000],
    ['24h', 24 * 3_600_000_000],
    ['resolved', null],
  ])('silences for %s', async (end, duration) => {
    const path = silencePath();
    expect(await press(path, { end })).toMatchObject({
      status: 200,
      text: expect.stringMatching(/Silenced until .*tocsin silences end link-[0-9a-f]{12}/),
    });
    const [operation] = backend.operations;
    if (operation?.kind !== 'silence') throw new Error('it did not silence');
    const { silence } = operation;
    expect(silence).toMatchObject({ by: 'night', match: { levels: null, rules: null, devices: null, alerts: ['a1'], labels: {} } });
    expect(silence.endsAt).toBe(duration === null ? null : silence.startsAt + duration);
    expect((await press(path, { end: '1h' })).text).toContain('so already: Silenced until');
    expect(backend.operations).toHaveLength(1);
  });

  it('silences again by the same link, once the silence has ended', async () => {
    const path = silencePath();
    for (let round = 1; round <= 20; round++) {
      expect((await press(path, { end: '1h' })).status).toBe(200);
      const silence = backend.silenceViews.at(-1);
      await backend.operate({ kind: 'end-silence', silence: silence?.id ?? '', by: 'ann' });
    }
    expect(new Set(backend.silenceViews.map(({ id }) => id)).size).toBe(20);
    expect(await press(path, { end: '1h' })).toMatchObject({ status: 409, text: expect.stringContaining('too often') });
    expect(backend.silenceViews).toHaveLength(20);
  });

  it.each([
    ['without its token', { form: '' }],
    ['with one of another link', { form: 'other' }],
    ['with one that is no ASCII', { form: 'ä'.repeat(43) }],
  ])('does nothing %s, and offers itself again with what was typed', async (_, { form }) => {
    const fields = form === 'other' ? { form: formTokenOf((await ask('GET', silencePath())).text) } : { form };
    const answer = await press(ackPath(), { ...fields, comment: '"><b>typed</b>' });
    expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('Nothing has been done yet') });
    expect(answer.text).toContain('&quot;&gt;&lt;b&gt;typed&lt;/b&gt;</textarea>');
    expect(backend.operations).toEqual([]);
    const again = new URLSearchParams({ form: formTokenOf(answer.text) }).toString();
    expect(answer.text).toContain('<form');
    expect(again.length).toBeGreaterThan(20);
  });

  it('does nothing after a restart of the server until it is pressed again', async () => {
    const path = ackPath();
    const old = formTokenOf((await ask('GET', path)).text);
    await server.close();
    server = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger, publicUrl: PUBLIC_URL });
    const refused = await ask('POST', path, { headers: FORM, body: new URLSearchParams({ form: old }).toString() });
    expect(refused.status).toBe(403);
    const pressed = await ask('POST', path, { headers: FORM, body: new URLSearchParams({ form: formTokenOf(refused.text) }).toString() });
    expect(pressed.status).toBe(200);
    expect(backend.operations).toHaveLength(1);
  });

  it.each([
    ['no time', {}],
    ['a time that is not offered', { end: '9999h' }],
    ['a name of the language', { end: 'toString' }],
    ['a comment too long', { end: '1h', comment: 'x'.repeat(1001) }],
  ])('refuses %s', async (_, fields) => {
    expect(await press(silencePath(), fields)).toMatchObject({ status: 400, text: expect.stringContaining('<form') });
    expect(backend.operations).toEqual([]);
  });

  it('takes a form only, and no large one', async () => {
    const json = { 'content-type': 'application/json' };
    for (const [headers, body, status] of [
      [json, '{"form":"x"}', 415],
      [{ 'content-type': 'text/plain' }, 'form=x', 415],
      [FORM, `comment=${'x'.repeat(20_000)}`, 413],
    ] as const) {
      const answer = await ask('POST', ackPath(), { headers, body });
      expect(answer).toMatchObject({ status, text: expect.stringContaining('Nothing was changed') });
      expect(answer.headers['content-type']).toContain('text/html');
    }
    expect((await ask('POST', ackPath())).status).toBe(403);
    expect(backend.operations).toEqual([]);
  });

  it('is posted from its own page only', async () => {
    const path = ackPath();
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null', 'sec-fetch-site': 'cross-site' },
      { origin: PUBLIC_URL, 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site' },
    ])
      expect(await press(path, {}, headers), JSON.stringify(headers)).toMatchObject({ status: 403 });
    expect(backend.operations).toEqual([]);
  });

  it.each([
    ['through a proxy that keeps the name', { host: 'tocsin.example.org', origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin' }],
    ['through a proxy that puts in ours', { host: '127.0.0.1:8080', origin: PUBLIC_URL, 'sec-fetch-site': 'same-origin' }],
    ['by another name', { host: 'alerts.example.net', origin: 'https://alerts.example.net' }],
    ['by a browser that tells no origin from such a page', { origin: 'null', 'sec-fetch-site': 'same-origin' }],
    ['by an old browser', { origin: 'null' }],
    ['by a very old browser', {}],
    ['here', { host: '127.0.0.1:8080', origin: 'http://127.0.0.1:8080', 'sec-fetch-site': 'same-origin' }],
  ])('is taken %s', async (_, headers) => {
    expect(await press(ackPath(), {}, headers)).toMatchObject({ status: 200, text: expect.stringContaining('Acknowledged.') });
    expect(backend.operations).toHaveLength(1);
  });

  it('tells why it was not done', async () => {
    backend.operateNext = { done: false, problem: 'the alert is <closed>', hint: 'look at it' };
    expect(await press(ackPath())).toMatchObject({ status: 409, text: expect.stringContaining('the alert is &lt;closed&gt;; look at it') });
  });
});

describe('a link that leads no further', () => {
  it('is damaged, expired, or of an alert that is over or gone: a page says so, and nothing is done', async () => {
    backend.addAlert(alertNamed('over', { state: 'resolved', resolvedAt: alertNamed('x').since + 1 }));
    const good = backend.link('a1', 'acknowledge');
    for (const [token, status, text] of [
      [`${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`, 403, 'not one of ours'],
      ['x', 403, 'not one of ours'],
      ['%00%ff', 400, ''],
      [backend.link('a1', 'acknowledge', { validMs: -5000 }), 403, 'has expired'],
      [backend.link('over', 'acknowledge'), 410, 'is over'],
      [backend.link('over', 'silence'), 410, 'is over'],
      [backend.link('gone', 'silence'), 410, 'no longer kept'],
    ] as const) {
      for (const method of ['GET', 'POST']) {
        const answer = await ask(method, `/a/${token}`, method === 'POST' ? { headers: FORM, body: 'form=x' } : {});
        expect(answer, token).toMatchObject({ status, text: expect.stringContaining(text) });
        expect(answer.text).not.toContain('<form');
      }
    }
    expect(backend.operations).toEqual([]);
  });

  it('says that it is to be tried again while the decisions are away', async () => {
    backend.openLink = () => Promise.reject(new Unavailable('decisions is being started again'));
    const answer = await ask('GET', ackPath());
    expect(answer).toMatchObject({ status: 503, text: expect.stringContaining('Try it again in a moment') });
    expect(answer.headers['content-type']).toContain('text/html');
    backend.openLink = () => Promise.reject(new Error('password=hunter2'));
    expect(await ask('GET', ackPath())).toMatchObject({ status: 500, text: expect.not.stringContaining('hunter2') });
  });

  it('keeps no more than some requests waiting', async () => {
    const path = ackPath();
    const waiting: (() => void)[] = [];
    backend.openLink = () => new Promise((resolve) => waiting.push(() => resolve({ problem: 'x' })));
    const asked = Array.from({ length: 32 }, () => ask('GET', path));
    await expect.poll(() => waiting.length).toBe(32);
    expect(await ask('GET', path)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    for (const finish of waiting) finish();
    await Promise.all(asked);
    backend.openLink = async () => ({ problem: 'x' });
    expect((await ask('GET', path)).status).toBe(403);
  });
});

describe('the page', () => {
  it('is open under any name, and nothing else is', async () => {
    for (const host of ['alerts.example.net', 'tocsin.example.org', '127.0.0.1:1', 'evil.example:99'])
      expect((await ask('GET', ackPath(), { headers: { host } })).status, host).toBe(200);
    for (const path of ['/', '/healthz', '/api/v1/alerts', '/a', '/a/x/y', '/a/../api/v1/alerts', '//a/x', '/a%2fx'])
      expect((await ask('GET', path)).status, path).toBe(421);
    expect((await ask('POST', '/api/v1/alerts/a1/acknowledge')).status).toBe(421);
    expect(backend.operations).toEqual([]);
  });

  it('loads nothing, runs nothing, tells no referrer, and is in no index', async () => {
    for (const path of [ackPath(), silencePath(), '/a/x']) {
      const { headers, text } = await ask('GET', path);
      const style = /<style>(.*)<\/style>/s.exec(text)?.[1] ?? '';
      const hash = createHash('sha256').update(style).digest('base64');
      expect(headers['content-security-policy']).toBe(
        `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
      );
      expect(headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'referrer-policy': 'no-referrer',
        'x-robots-tag': 'noindex, nofollow',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'cache-control': 'no-store',
      });
      expect(text).toContain('<meta name="robots" content="noindex, nofollow">');
      expect(text).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
      expect(text).not.toMatch(/<script|<link|<img|<iframe|\sstyle=|\son\w+=|href=|url\(|@import/i);
    }
  });

  it('escapes what is in the alert, and bounds it', async () => {
    const evil = '</style></title><script>alert(1)</script>"\'&\u202e\u0000';
    backend.addAlert(
      alertNamed('evil', {
        rule: evil,
        device: evil,
        value: evil,
        summary: evil.repeat(1000),
        timeline: [...Array.from({ length: 50 }, () => ({ at: 0, kind: evil, detail: evil.repeat(100) })), 'no entry', { at: 'x' }, null],
      }),
    );
    const { status, text } = await ask('GET', `/a/${backend.link('evil', 'acknowledge', { contact: evil.slice(0, 60) })}`);
    expect(status).toBe(200);
    for (const part of ['<script', '\u202e', '\u0000']) expect(text).not.toContain(part);
    expect(text.match(/<\/style>/g)).toHaveLength(1);
    expect(text.match(/<\/title>/g)).toHaveLength(1);
    expect(text.length).toBeLessThan(20_000);
  });

  it('shows the alert: level, where, value, since when, and what happened last', async () => {
    const { text } = await ask('GET', ackPath());
    for (const part of [
      'WARNING',
      '<h1>fridge-warm on fridge-01</h1>',
      'fridge-01 is at 9.3 °C',
      '<dd>9.3</dd>',
      '2026-11-23 08:30:00 UTC',
      'temperature &gt; 8 for 10m',
    ])
      expect(text).toContain(part);
    expect(text).toContain('You act as night.');
  });
});
