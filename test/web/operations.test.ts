/** Acknowledging, commenting, silencing and trying contacts over HTTP: what is taken, what is refused, and what it comes to. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemClock } from '../../src/std/clock.ts';
import { startWebServer, type WebServer } from '../../src/web/server.ts';
import { formatTime } from '../../src/web/times.ts';
import { alertNamed } from './alerts.ts';
import { MemoryBackend } from './memory-backend.ts';

const logger = pino({ level: 'silent' });
/** µs */
const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 10, 23, 12) * 1000;
const LATER = '2026-11-24T08:00:00.000000Z';
const MATCH = { levels: null, rules: null, devices: null, alerts: null, labels: {} };

let backend: MemoryBackend;
let server: WebServer;
beforeEach(async () => {
  backend = new MemoryBackend();
  backend.addAlert(alertNamed('a1'));
  server = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger, clock: { ...systemClock, now: () => NOW } });
});
afterEach(() => server.close());

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  return { status: response.status, body: answer, location: response.headers.get('location') };
}
const silence = (body: Record<string, unknown>) => ask('POST', '/silences', body);
const idOf = (body: unknown): string => z.object({ id: z.string() }).parse(body).id;

describe('an alert', () => {
  it('is acknowledged by the operator for good, when nothing else is said', async () => {
    expect(await ask('POST', '/alerts/a1/acknowledge')).toMatchObject({ status: 200, body: { id: 'a1', flags: ['acknowledged'] } });
    expect(await ask('POST', '/alerts/a1/acknowledge', {})).toMatchObject({ status: 200 });
    const operation = { kind: 'acknowledge', alert: 'a1', by: 'operator', comment: null, until: null };
    expect(backend.operations).toEqual([operation, operation]);
  });

  it('is acknowledged with name, comment and an end, and that is taken back', async () => {
    await ask('POST', '/alerts/a1/acknowledge', { by: 'ann', comment: ' on my way\n', for: '1h30m' });
    await ask('POST', '/alerts/a1/acknowledge', { by: 'ann', until: LATER });
    expect(await ask('DELETE', '/alerts/a1/acknowledge?by=bob')).toMatchObject({ status: 200, body: { flags: [] } });
    await ask('DELETE', '/alerts/a1/acknowledge');
    expect(backend.operations).toEqual([
      { kind: 'acknowledge', alert: 'a1', by: 'ann', comment: 'on my way', until: NOW + 1.5 * HOUR },
      { kind: 'acknowledge', alert: 'a1', by: 'ann', comment: null, until: NOW + 20 * HOUR },
      { kind: 'unacknowledge', alert: 'a1', by: 'bob' },
      { kind: 'unacknowledge', alert: 'a1', by: 'operator' },
    ]);
  });

  it('is commented on', async () => {
    expect(await ask('POST', '/alerts/a1/comment', { comment: 'door seal\nis broken' })).toMatchObject({ status: 200, body: { id: 'a1' } });
    expect(backend.operations).toEqual([{ kind: 'comment', alert: 'a1', by: 'operator', comment: 'door seal\nis broken' }]);
  });

  it.each([
    ['acknowledge', { until: LATER, for: '2h' }, 'for', 'one end'],
    ['acknowledge', { until: '2026-11-23T11:59:59Z' }, 'until', 'in the past'],
    ['acknowledge', { until: '2026-11-23T12:00:00Z' }, 'until', 'in the past'],
    ['acknowledge', { until: '2027-12-01T00:00:00Z' }, 'until', 'within a year'],
    ['acknowledge', { for: '400d' }, 'for', 'within a year'],
    ['acknowledge', { for: '0s' }, 'for', 'duration'],
    ['acknowledge', { for: 2 }, 'for', ''],
    ['acknowledge', { for: 'tomorrow' }, 'for', 'duration'],
    ['acknowledge', { until: 'tomorrow' }, 'until', 'RFC 3339'],
    ['acknowledge', { by: '' }, 'by', ''],
    ['acknowledge', { by: 'a\nb' }, 'by', 'control'],
    ['acknowledge', { coment: 'x' }, 'coment', 'unknown'],
    ['acknowledge', { comment: 'a\u0000b' }, 'comment', 'control'],
    ['acknowledge', { comment: 'x'.repeat(2001) }, 'comment', ''],
    ['comment', {}, 'comment', 'missing'],
    ['comment', { comment: ' \n ' }, 'comment', 'empty'],
    ['comment', [], '', ''],
  ])('%s %j is refused at %s', async (verb, body, path, message) => {
    const answer = await ask('POST', `/alerts/a1/${verb}`, body);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path, message: expect.stringContaining(message) }] } });
    expect(backend.operations).toEqual([]);
  });

  it('that is not there is a 404, and one that cannot be acted on a 409 with the reason', async () => {
    for (const [method, verb, body] of [
      ['POST', 'acknowledge', {}],
      ['DELETE', 'acknowledge', undefined],
      ['POST', 'comment', { comment: 'x' }],
    ] as const) {
      expect(await ask(method, `/alerts/none/${verb}`, body)).toMatchObject({ status: 404, body: { detail: 'there is no alert "none"' } });
    }
    backend.operateNext = { done: false, problem: 'a1 is resolved', hint: 'see its timeline' };
    expect(await ask('POST', '/alerts/a1/acknowledge')).toMatchObject({
      status: 409,
      body: { title: 'Conflict', detail: 'a1 is resolved; see its timeline' },
    });
    expect(backend.operations).toEqual([]);
  });
});

describe('a silence', () => {
  it('begins with everything that can be said, and is found where it was said to be', async () => {
    const match = {
      level: 'critical',
      rule: ['fridge-*', 'door'],
      device: 'fridge-0?',
      'labels.site': ['berlin', 'bonn'],
      labels: { team: 'a' },
    };
    const made = await silence({ match, by: 'ann', comment: 'defrosting', startsAt: '2026-11-23T13:00:00Z', for: '2h' });
    expect(made.status).toBe(201);
    const id = idOf(made.body);
    expect(id).toMatch(/^[2-9b-z]{10}$/);
    expect(made.location).toBe(`/api/v1/silences/${id}`);
    expect(made.body).toEqual({
      id,
      match: {
        level: ['critical'],
        rule: ['fridge-*', 'door'],
        device: ['fridge-0?'],
        'labels.site': ['berlin', 'bonn'],
        'labels.team': ['a'],
      },
      by: 'ann',
      comment: 'defrosting',
      startsAt: formatTime(NOW + HOUR),
      endsAt: formatTime(NOW + 3 * HOUR),
      state: 'active',
      endedAt: null,
      endedBy: null,
      alerts: 1,
    });
    expect(await ask('GET', `/silences/${id}`)).toMatchObject({ status: 200, body: made.body });
    expect(backend.operations).toEqual([
      {
        kind: 'silence',
        silence: {
          id,
          match: {
            levels: ['critical'],
            rules: ['fridge-*', 'door'],
            devices: ['fridge-0?'],
            alerts: null,
            labels: { site: ['berlin', 'bonn'], team: ['a'] },
          },
          by: 'ann',
          comment: 'defrosting',
          startsAt: NOW + HOUR,
          endsAt: NOW + 3 * HOUR,
        },
      },
    ]);
  });

  it.each([
    [
      { alert: 'a1', untilResolved: true },
      { match: { ...MATCH, alerts: ['a1'] }, startsAt: NOW, endsAt: null, by: 'operator', comment: '' },
    ],
    [
      { match: { alert: ['a1'] }, until: LATER },
      { match: { ...MATCH, alerts: ['a1'] }, endsAt: NOW + 20 * HOUR },
    ],
    [
      { everything: true, for: '10m' },
      { match: MATCH, endsAt: NOW + HOUR / 6 },
    ],
    [
      { everything: true, match: { rule: '*' }, for: '366d' },
      { match: MATCH, endsAt: NOW + 366 * DAY },
    ],
    [
      { match: { rule: 'a' }, startsAt: '2020-01-01T00:00:00Z', for: '1h' },
      { startsAt: NOW, endsAt: NOW + HOUR },
    ],
  ])('%j is understood', async (body, expected) => {
    expect(await silence(body)).toMatchObject({ status: 201 });
    expect(backend.operations).toMatchObject([{ silence: expected }]);
  });

  it.each([
    ['no end', { alert: 'a1' }, 'for', 'untilResolved'],
    ['two ends', { alert: 'a1', for: '1h', untilResolved: true }, 'untilResolved', 'excludes for'],
    ['three ends', { alert: 'a1', for: '1h', until: LATER, untilResolved: true }, 'for', 'excludes until'],
    ['an end that is not', { alert: 'a1', untilResolved: false }, 'untilResolved', 'true'],
    ['an end in the past', { alert: 'a1', until: '2026-11-23T11:00:00Z' }, 'until', 'in the past'],
    ['an end before its start', { alert: 'a1', startsAt: LATER, until: '2026-11-24T07:00:00Z' }, 'until', 'later than startsAt'],
    ['more than a year', { alert: 'a1', for: '367d' }, 'for', 'within a year'],
    ['a start in two years', { alert: 'a1', startsAt: '2028-11-24T08:00:00Z', for: '1h' }, 'startsAt', 'within a year'],
    ['nothing to match', { for: '1h' }, 'match', 'everything: true'],
    ['an empty match', { match: {}, for: '1h' }, 'match', 'everything: true'],
    ['a match of everything', { match: { rule: '*', level: ['info', 'warning', 'critical'] }, for: '1h' }, 'match', 'everything: true'],
    ['empty labels', { match: { labels: {} }, for: '1h' }, 'match', 'everything: true'],
    ['everything and something', { match: { rule: 'a' }, everything: true, for: '1h' }, 'everything', 'excludes'],
    ['match and alert', { match: { rule: 'a' }, alert: 'a1', for: '1h' }, 'alert', 'excludes match'],
    ['an unknown alert', { alert: 'a2', for: '1h' }, 'alert', 'no alert "a2"'],
    ['an unknown alert in match', { match: { alert: ['a1', 'a2'] }, for: '1h' }, 'alert', 'no alert "a2"'],
    ['a misspelt key', { match: { levl: 'critical' }, for: '1h' }, 'match.levl', 'did you mean level?'],
    ['an unknown key', { match: { colour: 'red' }, for: '1h' }, 'match.colour', 'known here: level'],
    ['a nameless label', { match: { 'labels.': 'x' }, for: '1h' }, 'match.labels.', 'unknown'],
    ['an unknown level', { match: { level: 'fatal' }, for: '1h' }, 'match.level', 'one of info'],
    ['a number', { match: { 'labels.floor': 3 }, for: '1h' }, 'match.labels.floor', 'text'],
    ['an empty list', { match: { rule: [] }, for: '1h' }, 'match.rule', 'empty'],
    ['an empty text', { match: { rule: ['a', ''] }, for: '1h' }, 'match.rule', 'empty'],
    ['a long text', { match: { rule: 'x'.repeat(257) }, for: '1h' }, 'match.rule', '256'],
    ['a long list', { match: { rule: Array(101).fill('x') }, for: '1h' }, 'match.rule', '100'],
    ['many labels', { match: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`labels.l${n}`, 'x'])), for: '1h' }, 'match', '50'],
    ['a match that is text', { match: 'rule=a', for: '1h' }, 'match', 'such as'],
    ['an unknown field', { alert: 'a1', for: '1h', ends: LATER }, 'ends', 'unknown'],
  ])('with %s is refused', async (_, body, path, message) => {
    expect(await silence(body)).toMatchObject({ status: 400, body: { errors: [{ path, message: expect.stringContaining(message) }] } });
    expect(backend.operations).toEqual([]);
  });

  it('keeps what a change does not name, and ends now', async () => {
    const id = idOf((await silence({ match: { rule: 'a' }, by: 'ann', comment: 'x', for: '1h' })).body);
    expect(await ask('PUT', `/silences/${id}`, { for: '3h' })).toMatchObject({
      status: 200,
      body: { endsAt: formatTime(NOW + 3 * HOUR), by: 'ann', comment: 'x', match: { rule: ['a'] }, startsAt: formatTime(NOW) },
    });
    expect(await ask('PUT', `/silences/${id}`, { comment: 'y', match: { device: 'd' }, by: 'bob' })).toMatchObject({
      body: { endsAt: formatTime(NOW + 3 * HOUR), by: 'bob', comment: 'y', match: { device: ['d'] } },
    });
    expect(await ask('PUT', `/silences/${id}`, { untilResolved: true })).toMatchObject({ body: { endsAt: null, comment: 'y' } });
    expect(await ask('PUT', `/silences/${id}`, { match: {} })).toMatchObject({ status: 400, body: { errors: [{ path: 'match' }] } });
    expect(await ask('PUT', `/silences/${id}`, { startsAt: LATER })).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'startsAt' }] },
    });
    expect(await ask('DELETE', `/silences/${id}?by=carl`)).toMatchObject({ status: 200, body: { state: 'ended', endedBy: 'carl' } });
    expect(await ask('DELETE', `/silences/${id}`)).toMatchObject({ status: 200, body: { state: 'ended', endedBy: 'carl' } });
    expect(await ask('PUT', `/silences/${id}`, { for: '1h' })).toMatchObject({ status: 409 });
    expect(backend.operations.map(({ kind }) => kind)).toEqual(['silence', 'silence', 'silence', 'silence', 'end-silence']);
  });

  it('is listed by state and page', async () => {
    for (const rule of ['a', 'b', 'c']) await silence({ match: { rule }, for: '1h' });
    expect(await ask('GET', '/silences?state=active&limit=2')).toMatchObject({
      body: { items: [{ match: { rule: ['a'] } }, { match: { rule: ['b'] } }], next: '2' },
    });
    expect(await ask('GET', '/silences?cursor=2')).toMatchObject({ body: { items: [{ match: { rule: ['c'] } }], next: null } });
    expect(await ask('GET', '/silences?state=over')).toMatchObject({ status: 400, body: { errors: [{ path: 'state' }] } });
  });

  it('that is not there is a 404', async () => {
    expect(await ask('GET', '/silences/none')).toMatchObject({ status: 404 });
    expect(await ask('PUT', '/silences/none', { for: '1h' })).toMatchObject({ status: 404 });
    expect(await ask('DELETE', '/silences/none')).toMatchObject({ status: 404 });
  });
});

describe('contacts', () => {
  beforeEach(() => {
    backend.contactViews.push({ id: 'night', channels: [{ kind: 'email', address: 'night@example.org' }], onCall: null });
  });

  it('are listed, and tried: what came of each channel is told', async () => {
    expect(await ask('GET', '/contacts')).toEqual({ status: 200, body: { items: backend.contactViews, next: null }, location: null });
    backend.contactViews.push({ id: 'on-call', channels: [], onCall: ['night'] }, { id: 'pharmacy', channels: [], onCall: null });
    expect(await ask('GET', '/contacts?limit=2')).toMatchObject({ body: { items: [{ id: 'night' }, { id: 'on-call' }], next: '2' } });
    expect(await ask('GET', '/contacts?cursor=2')).toMatchObject({ body: { items: [{ id: 'pharmacy' }], next: null } });
    expect(await ask('GET', '/contacts?cursor=x')).toMatchObject({ status: 400, body: { errors: [{ path: 'cursor' }] } });
    const outcome = { channel: 'email night@example.org', outcome: 'delivered', detail: '250 OK' };
    const calls: string[][] = [];
    backend.testNext = async (contact, by) => {
      calls.push([contact, by]);
      return [outcome];
    };
    expect(await ask('POST', '/contacts/night/test')).toMatchObject({ status: 200, body: { items: [outcome] } });
    await ask('POST', '/contacts/night/test', { by: 'ann' });
    expect(calls).toEqual([
      ['night', 'operator'],
      ['night', 'ann'],
    ]);
    backend.testNext = async () => null;
    expect(await ask('POST', '/contacts/nigth/test')).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('did you mean night?') },
    });
  });

  it('are tried a few at once', async () => {
    const waiting: (() => void)[] = [];
    backend.testNext = () => new Promise((resolve) => waiting.push(() => resolve([])));
    const tests = Array.from({ length: 4 }, () => ask('POST', '/contacts/night/test'));
    await expect.poll(() => waiting.length).toBe(4);
    expect(await ask('POST', '/contacts/night/test')).toMatchObject({ status: 503 });
    for (const finish of waiting) finish();
    expect((await Promise.all(tests)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  it('see beforehand what they would be told', async () => {
    expect(await ask('GET', '/alerts/a1/preview')).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('nobody is told') },
    });
    expect(await ask('GET', '/alerts/a1/preview?contact=day')).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('"day"') },
    });
    backend.previewNext = { contact: 'night', channel: 'email', subject: 's', text: 't', html: '<p>t' };
    expect(await ask('GET', '/alerts/a1/preview?contact=night')).toMatchObject({ status: 200, body: backend.previewNext });
    expect(await ask('GET', '/alerts/none/preview')).toMatchObject({ status: 404, body: { detail: 'there is no alert "none"' } });
    expect(await ask('GET', '/alerts/a1/preview?to=x')).toMatchObject({ status: 400 });
    expect(backend.queries).toEqual([
      { alert: 'a1', contact: null },
      { alert: 'a1', contact: 'day' },
      { alert: 'a1', contact: 'night' },
    ]);
  });
});

describe('a browser page of another origin', () => {
  const routes = [
    ['POST', '/alerts/a1/acknowledge'],
    ['DELETE', '/alerts/a1/acknowledge'],
    ['POST', '/alerts/a1/comment'],
    ['POST', '/silences'],
    ['PUT', '/silences/s1'],
    ['DELETE', '/silences/s1'],
    ['POST', '/contacts/night/test'],
  ] as const;

  it.each(routes)('cannot %s %s', async (method, path) => {
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ])
      expect(await ask(method, path, undefined, headers)).toMatchObject({ status: 403 });
    // Of what a form can send without saying where it is from, as old browsers did, nothing is taken.
    if (method === 'POST') {
      for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x'])
        for (const body of ['', 'by=evil', '{"by":"evil"}'])
          expect(await ask(method, path, body, { 'content-type': type }), `${type} ${body}`).toMatchObject({ status: 415 });
    }
    expect(backend.operations).toEqual([]);
  });
});
