import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { JournalFull } from '../../src/journal/journal.ts';
import { InvalidConfig, TocsinError, Unavailable } from '../../src/std/errors.ts';
import { RemoteError } from '../../src/std/rpc.ts';
import { startWebServer, type WebServer } from '../../src/web/server.ts';
import { MemoryBackend } from './memory-backend.ts';

const logger = pino({ level: 'silent' });
const problemShape = z.object({
  status: z.number(),
  title: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
const AT = Date.UTC(2026, 10, 23, 12) * 1000;

let backend: MemoryBackend;
let server: WebServer;
beforeEach(async () => {
  backend = new MemoryBackend();
  server = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger });
});
afterEach(() => server.close());

const get = (path: string) => fetch(server.url + path);
const post = (body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/api/v1/readings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
async function problemOf(response: Response, status: number): Promise<z.infer<typeof problemShape>> {
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  const problem = problemShape.parse(await response.json());
  expect(problem.status).toBe(status);
  return problem;
}
/** fetch does not let its caller choose Host. */
function statusWithHost(host: string, options: { url?: string; method?: string; origin?: string } = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(options.url ?? server.url);
    const headers = { host, ...(options.origin === undefined ? {} : { origin: options.origin }) };
    httpRequest({ hostname, port, path: '/healthz', method: options.method ?? 'GET', headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

describe('lists', () => {
  it.each(['devices', 'alerts', 'readings?device=d', 'quarantine', 'notifications', 'rules'])(
    '%s come as items with a cursor, times as RFC 3339',
    async (path) => {
      backend.items.push({ id: '1', at: AT }, { id: '2', at: AT + 1 }, { id: '3', at: AT });
      const first = await (await get(`/api/v1/${path}`)).json();
      expect(first).toEqual({
        items: [
          { id: '1', at: '2026-11-23T12:00:00.000000Z' },
          { id: '2', at: '2026-11-23T12:00:00.000001Z' },
        ],
        next: '2',
      });
      const separator = path.includes('?') ? '&' : '?';
      const last = await (await get(`/api/v1/${path}${separator}cursor=2`)).json();
      expect(last).toEqual({ items: [{ id: '3', at: '2026-11-23T12:00:00.000000Z' }], next: null });
    },
  );

  it('hands filters over, checked and in µs', async () => {
    await get('/api/v1/alerts?state=firing&level=critical&device=d&rule=r&acknowledged=false&limit=5');
    await get('/api/v1/readings?device=d&metric=t&from=2026-11-23T12:00:00Z&to=2026-11-23T13:00:00%2B00:00&points=300');
    await get('/api/v1/devices?online=false');
    expect(backend.queries).toEqual([
      { state: 'firing', level: 'critical', device: 'd', rule: 'r', acknowledged: false, limit: 5 },
      { device: 'd', metric: 't', from: AT, to: AT + 3_600_000_000, points: 300 },
      { online: false },
    ]);
  });

  it.each([
    ['/api/v1/alerts?state=open', 'state'],
    ['/api/v1/alerts?acknowledged=yes', 'acknowledged'],
    ['/api/v1/alerts?stat=firing', 'stat'],
    ['/api/v1/devices?online=yes', 'online'],
    ['/api/v1/devices?limit=0', 'limit'],
    ['/api/v1/devices?limit=1001', 'limit'],
    ['/api/v1/devices?limit=ten', 'limit'],
    ['/api/v1/devices?limit=1&limit=2', 'limit'],
    ['/api/v1/readings', 'device'],
    ['/api/v1/readings?device=d&limit=10001', 'limit'],
    ['/api/v1/readings?device=d&from=yesterday', 'from'],
    ['/api/v1/readings?device=d&from=2026-11-23T12:00:00Z&to=2026-11-23T11:00:00Z', 'to'],
    ['/api/v1/readings?device=d&points=10', 'points'],
    [`/api/v1/readings?device=${'d'.repeat(300)}`, 'device'],
  ])('refuses %s and names %s', async (path, name) => {
    const problem = await problemOf(await get(path), 400);
    expect(problem.errors?.map((mistake) => mistake.path)).toContain(name);
    expect(backend.queries).toEqual([]);
  });
});

describe('one device or alert', () => {
  it('is found by its id, whatever characters that has', async () => {
    backend.items.push({ id: 'fridge 1/ä', lastSeenAt: AT });
    const response = await get(`/api/v1/devices/${encodeURIComponent('fridge 1/ä')}`);
    expect(await response.json()).toEqual({ id: 'fridge 1/ä', lastSeenAt: '2026-11-23T12:00:00.000000Z' });
  });

  it.each(['/api/v1/devices/none', '/api/v1/alerts/none', '/api/v1/nothing', '/nothing'])('%s is a 404 problem', async (path) => {
    await problemOf(await get(path), 404);
  });

  it('a broken path is a 400 problem', async () => {
    await problemOf(await get('/api/v1/devices/%E0%A4%A'), 400);
  });
});

describe('POST /readings', () => {
  it('takes one reading or many and answers 202 once they are stored', async () => {
    const one = await post({ device: 'd', values: { temperature: 8.5, door: false, note: 'x' } });
    expect([one.status, await one.json()]).toEqual([202, { accepted: 1, ignored: 0, rejected: [] }]);
    const many = await post([
      { device: 'd', at: '2026-11-23T12:00:00.000001Z', values: { t: 1 } },
      { device: 'e', values: { t: 2 } },
    ]);
    expect(await many.json()).toEqual({ accepted: 2, ignored: 0, rejected: [] });
    expect(backend.stored).toEqual([
      { device: 'd', values: { temperature: 8.5, door: false, note: 'x' } },
      { device: 'd', at: AT + 1, values: { t: 1 } },
      { device: 'e', values: { t: 2 } },
    ]);
    expect(backend.queries).toEqual(['http', 'http']);
  });

  it('does not answer before the readings are durable', async () => {
    let store = () => {};
    backend.ingestNext = () =>
      new Promise((resolve) => {
        store = () => resolve({ accepted: 1, rejected: [] });
      });
    let isAnswered = false;
    const answer = post({ device: 'd', values: { t: 1 } }).then((response) => {
      isAnswered = true;
      return response.status;
    });
    await expect.poll(() => backend.queries.length).toBe(1);
    expect(isAnswered).toBe(false);
    store();
    expect(await answer).toBe(202);
  });

  it('null is no reading and no error, and rejections keep the place in the request', async () => {
    backend.ingestNext = async () => ({ accepted: 1, rejected: [{ index: 1, reason: 'out-of-range', detail: 't is 99' }] });
    const response = await post([
      { device: 'a', values: { t: null } },
      { device: 'b', values: { t: 1, u: null } },
      { device: 'c', values: { t: 99 } },
    ]);
    expect(await response.json()).toEqual({ accepted: 1, ignored: 1, rejected: [{ index: 2, reason: 'out-of-range', detail: 't is 99' }] });
    expect(backend.stored).toEqual([
      { device: 'b', values: { t: 1 } },
      { device: 'c', values: { t: 99 } },
    ]);
  });

  it.each([
    ['no device', { values: { t: 1 } }, 'device'],
    ['an empty device', { device: '', values: { t: 1 } }, 'device'],
    ['a control character', { device: 'a\u0000b', values: { t: 1 } }, 'device'],
    ['no values', { device: 'd' }, 'values'],
    [
      'an object as value',
      [
        { device: 'd', values: { t: 1 } },
        { device: 'd', values: { t: { v: 1 } } },
      ],
      '[1].values.t',
    ],
    ['a time without zone', { device: 'd', at: '2026-11-23T12:00:00', values: { t: 1 } }, 'at'],
    ['a time as number', { device: 'd', at: 1_700_000_000, values: { t: 1 } }, 'at'],
    ['an unknown key', { device: 'd', values: { t: 1 }, time: 1 }, 'time'],
    ['an empty list', [], ''],
    ['a text', '"x"', ''],
    ['too many readings', Array.from({ length: 10_001 }, () => ({ device: 'd', values: {} })), ''],
    ['too many values', { device: 'd', values: Object.fromEntries(Array.from({ length: 501 }, (_, n) => [`m${n}`, n])) }, 'values'],
  ])('refuses %s and names its path', async (_, body, path) => {
    const problem = await problemOf(await post(body), 400);
    expect(problem.errors?.map((mistake) => mistake.path)).toEqual([path]);
    expect(backend.stored).toEqual([]);
  });

  it('refuses what is no JSON, has no body, is of another type, or is too large', async () => {
    await problemOf(await post('{"device":'), 400);
    await problemOf(await post(''), 400);
    await problemOf(await post('{}', { 'content-type': 'text/plain' }), 415);
    await problemOf(await post('device=d', { 'content-type': 'application/x-www-form-urlencoded' }), 415);
    await problemOf(await post({ device: 'd', values: { t: 'x'.repeat(5 * 1024 * 1024) } }), 413);
    await problemOf(await post('{"device":"d","values":{"__proto__":{"t":1}}}'), 400);
  });

  it.each([
    ['on this thread', new JournalFull('the disk budget of 10GB is spent')],
    ['on another thread', new RemoteError({ name: 'JournalFull', message: 'the disk budget of 10GB is spent' })],
  ])('answers 503 with Retry-After while the journal is full, found %s', async (_, error) => {
    backend.ingestNext = () => Promise.reject(error);
    const response = await post({ device: 'd', values: { t: 1 } });
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await problemOf(response, 503)).detail).toContain('disk budget');
  });

  it.each([
    [400, 'InvalidQuery', 'zz is no cursor'],
    [503, 'Unavailable', 'history is being started again'],
    [503, 'SeriesStoreUnavailable', 'InfluxDB did not answer'],
    [503, 'NotDurable', 'not durable within 5000 ms'],
  ])('answers %i to what is %s on another thread, and says what it says', async (status, name, message) => {
    backend.ingestNext = () => Promise.reject(new RemoteError({ name, message, hint: 'do this' }));
    expect((await problemOf(await post({ device: 'd', values: { t: 1 } }), status)).detail).toBe(`${message}; do this`);
  });

  it('takes a bounded number at once and recovers', async () => {
    const waiting: (() => void)[] = [];
    backend.ingestNext = () => new Promise((resolve) => waiting.push(() => resolve({ accepted: 1, rejected: [] })));
    const posts = Array.from({ length: 32 }, () => post({ device: 'd', values: { t: 1 } }));
    await expect.poll(() => waiting.length).toBe(32);
    const refused = await post({ device: 'd', values: { t: 1 } });
    expect(refused.headers.get('retry-after')).toBe('1');
    await problemOf(refused, 503);
    for (const finish of waiting) finish();
    expect((await Promise.all(posts)).every((response) => response.status === 202)).toBe(true);
    backend.ingestNext = async () => ({ accepted: 1, rejected: [] });
    await expect.poll(async () => (await post({ device: 'd', values: { t: 1 } })).status).toBe(202);
  });
});

describe('what a browser must not be made to do', () => {
  it.each([
    ['evil.example', 421],
    ['127.0.0.1.evil.example', 421],
    ['localhost.evil.example:8080', 421],
    ['localhost', 200],
    ['LOCALHOST:8080', 200],
    ['127.0.0.1:1', 200],
    ['[::1]:8080', 200],
  ])('Host: %s is answered with %d', async (host, status) => {
    expect(await statusWithHost(host)).toBe(status);
  });

  it.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['another port here', { origin: 'http://127.0.0.1:3000' }],
    ['a sandboxed page', { origin: 'null' }],
    ['a cross-site fetch', { 'sec-fetch-site': 'cross-site' }],
  ])('refuses a post from %s', async (_, headers) => {
    await problemOf(await post({ device: 'd', values: { t: 1 } }, headers), 403);
    expect(backend.stored).toEqual([]);
  });

  it('answers to its public name behind a reverse proxy, and to pages of that origin', async () => {
    const publicUrl = 'https://Tocsin.example.org/';
    const proxied = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger, publicUrl });
    const ask = (host: string, origin?: string) =>
      statusWithHost(host, { url: proxied.url, method: 'POST', ...(origin === undefined ? {} : { origin }) });
    // There is nothing to post to at /healthz: 404 says that the guard let it pass.
    expect(await ask('tocsin.example.org', 'https://tocsin.example.org')).toBe(404);
    expect(await ask('tocsin.example.org', 'http://tocsin.example.org')).toBe(403);
    expect(await ask('example.org')).toBe(421);
    await proxied.close();
  });

  it('takes a post of its own page', async () => {
    expect((await post({ device: 'd', values: { t: 1 } }, { origin: server.url })).status).toBe(202);
  });

  it.each(['/', '/healthz', '/api/v1/devices', '/nothing'])('%s carries the security headers', async (path) => {
    const { headers } = await get(path);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('server')).toBeNull();
  });
});

describe('running', () => {
  it('says what is wrong to monitors', async () => {
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
    backend.ready = { ready: false, reasons: ['journal: disk budget spent'] };
    const response = await get('/readyz');
    expect([response.status, await response.json()]).toEqual([503, { ready: false, reasons: ['journal: disk budget spent'] }]);
    const metrics = await get('/metrics');
    expect(metrics.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(await metrics.text()).toContain('a 1');
  });

  it('shows nothing of an inner fault', async () => {
    backend.ingestNext = () => Promise.reject(new Error('password=hunter2 at /srv/secret.ts:1'));
    const response = await post({ device: 'd', values: { t: 1 } });
    const problem = await problemOf(response, 500);
    expect(JSON.stringify(problem)).not.toMatch(/hunter2|secret|stack/);
  });

  it('answers what is no HTTP with a problem and goes on', async () => {
    const { hostname, port } = new URL(server.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write('this is no HTTP\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1.1 400 [\s\S]*problem\+json/);
    expect((await get('/healthz')).status).toBe(200);
  });

  it('says which port is taken, and refuses to be reached by others without users', async () => {
    const port = Number(new URL(server.url).port);
    await expect(startWebServer({ host: '127.0.0.1', port, backend, logger })).rejects.toThrow(`127.0.0.1:${port}: the port is taken`);
    await expect(startWebServer({ host: '0.0.0.0', port: 0, backend, logger })).rejects.toThrow('there are no users yet');
  });

  it('closes although a client holds its request open', async () => {
    backend.ingestNext = () => new Promise(() => {});
    const open = post({ device: 'd', values: { t: 1 } }).then(
      () => 'answered',
      () => 'cut',
    );
    await expect.poll(() => backend.queries.length).toBe(1);
    await server.close();
    expect(await open).toBe('cut');
  });
});

describe('the configuration', () => {
  const reload = (headers: Record<string, string> = {}) => fetch(`${server.url}/api/v1/reload`, { method: 'POST', headers });

  it('is handed on as it is: what looks like a time in it is none', async () => {
    backend.configuration = async () => ({ rules: [{ id: 'r', labels: { at: 'x' } }], directory: { since: 7 } });
    expect(await (await get('/api/v1/configuration')).json()).toEqual({
      rules: [{ id: 'r', labels: { at: 'x' } }],
      directory: { since: 7 },
    });
  });

  it('is read again on request, which answers with what changed', async () => {
    const response = await reload();
    expect({ status: response.status, body: await response.json() }).toEqual({ status: 200, body: { changes: [] } });
    expect((await get('/api/v1/reload')).status).toBe(404);
  });

  it('that is invalid is a 422 with every problem, up to a number', async () => {
    backend.reload = () =>
      Promise.reject(
        new InvalidConfig(
          Array.from({ length: 300 }, (_, index) => new TocsinError('wrong', { place: `a.yaml:${index}:1`, hint: 'mend it' })),
        ),
      );
    const body: unknown = await (await reload()).json();
    expect(body).toMatchObject({
      status: 422,
      title: 'Unprocessable content',
      detail: '300 problems in the configuration: nothing was applied',
    });
    expect(body).toHaveProperty('problems.length', 200);
    expect(body).toHaveProperty('problems.0', { place: 'a.yaml:0:1', message: 'wrong', hint: 'mend it' });
  });

  it('is not read again for a page of another origin, and while the decisions are away it is a 503', async () => {
    expect((await reload({ origin: 'https://evil.example' })).status).toBe(403);
    backend.reload = () => Promise.reject(new Unavailable('decisions is being started again'));
    expect((await reload()).status).toBe(503);
  });
});
