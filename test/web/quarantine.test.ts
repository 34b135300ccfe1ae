/** The quarantine over HTTP: what is asked for is checked and handed on. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startWebServer, type WebServer } from '../../src/web/server.ts';
import { MemoryBackend } from './memory-backend.ts';

let backend: MemoryBackend;
let server: WebServer;
beforeEach(async () => {
  backend = new MemoryBackend();
  server = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger: pino({ level: 'silent' }) });
});
afterEach(() => server.close());

async function ask(path: string, body?: object): Promise<{ status: number; body: unknown }> {
  const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`${server.url}/api/v1${path}`, body === undefined ? {} : json);
  return { status: response.status, body: await response.json() };
}

describe('looking', () => {
  it('lists by reason, device and topic', async () => {
    expect(await ask('/quarantine?reason=invalid-json&device=d&topic=a%2Fb&limit=5')).toMatchObject({ status: 200 });
    expect(backend.queries).toEqual([{ reason: 'invalid-json', device: 'd', topic: 'a/b', limit: 5 }]);
    expect(await ask('/quarantine?resaon=x')).toMatchObject({ status: 400, body: { errors: [{ path: 'resaon' }] } });
  });

  it('counts by reason, with times as RFC 3339', async () => {
    backend.reasons = [{ reason: 'invalid-json', count: 3, firstReceivedAt: 0, lastReceivedAt: 1, example: { id: 3, receivedAt: 1 } }];
    expect((await ask('/quarantine/reasons')).body).toEqual({
      items: [
        {
          reason: 'invalid-json',
          count: 3,
          firstReceivedAt: '1970-01-01T00:00:00.000000Z',
          lastReceivedAt: '1970-01-01T00:00:00.000001Z',
          example: { id: 3, receivedAt: '1970-01-01T00:00:00.000001Z' },
        },
      ],
      next: null,
    });
  });

  it('shows one, and says 404 of what is not there', async () => {
    backend.items.push({ id: 17, receivedAt: 0, payload: 'x' });
    expect(await ask('/quarantine/17')).toEqual({ status: 200, body: { id: 17, receivedAt: '1970-01-01T00:00:00.000000Z', payload: 'x' } });
    expect((await ask('/quarantine/18')).status).toBe(404);
    expect((await ask('/quarantine/none')).status).toBe(404);
  });
});

describe('replaying', () => {
  it('one goes into history alone, unless rules are asked for', async () => {
    backend.replayNext.one[17] = { id: 17, outcome: 'replayed', readings: 1 };
    expect(await ask('/quarantine/17/replay', {})).toEqual({ status: 200, body: { id: 17, outcome: 'replayed', readings: 1 } });
    await ask('/quarantine/17/replay', { rules: true });
    const bare = await fetch(`${server.url}/api/v1/quarantine/17/replay`, { method: 'POST' });
    expect(bare.status).toBe(200);
    expect(backend.queries).toEqual([
      { id: 17, rules: false },
      { id: 17, rules: true },
      { id: 17, rules: false },
    ]);
    expect((await ask('/quarantine/18/replay', {})).status).toBe(404);
  });

  it('many are filtered, bounded, and go on with a cursor', async () => {
    const summary = { replayed: 2, kept: 0, readings: 2, still: [], remaining: 3, next: '5' };
    backend.replayNext.many.push(summary, summary);
    expect(await ask('/quarantine/replay', { reason: 'x', device: 'd', topic: '', limit: 2 })).toEqual({ status: 200, body: summary });
    await ask('/quarantine/replay', { cursor: '5', rules: true });
    expect(backend.queries).toEqual([
      { filter: { reason: 'x', device: 'd', topic: '' }, rules: false, limit: 2, after: 0 },
      { filter: {}, rules: true, limit: 1000, after: 5 },
    ]);
  });

  it.each([
    [{ limit: 0 }, 'limit'],
    [{ limit: 1001 }, 'limit'],
    [{ cursor: 'x' }, 'cursor'],
    [{ rules: 'yes' }, 'rules'],
    [{ resaon: 'x' }, 'resaon'],
  ])('refuses %j and names %s', async (body, path) => {
    expect(await ask('/quarantine/replay', body)).toMatchObject({ status: 400, body: { errors: [{ path }] } });
    expect(backend.queries).toEqual([]);
  });
});
