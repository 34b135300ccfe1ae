/** `GET /api/v1/explain`: what it takes, times at the edge, and what is not there. */
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startWebServer, type WebServer } from '../../src/web/server.ts';
import { MemoryBackend } from './memory-backend.ts';

const AT = Date.UTC(2026, 10, 23, 12) * 1000;
const TEXT = '2026-11-23T12:00:00.000000Z';
let backend: MemoryBackend;
let server: WebServer;
beforeEach(async () => {
  backend = new MemoryBackend();
  server = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger: pino({ level: 'silent' }) });
});
afterEach(() => server.close());
const get = async (query: string) => {
  const response = await fetch(`${server.url}/api/v1/explain${query}`);
  return { status: response.status, body: await response.json() };
};

it('hands on what was asked, and answers with times in RFC 3339 and durations as they are', async () => {
  const times = { at: AT, evaluatedAt: AT, trueSince: AT, silentSince: AT, keptUntil: AT, graceUntil: AT, dueAt: AT, inhibitedSince: null };
  backend.explained = { ...times, heldMs: 5, parts: [{ value: 12, at: AT, ageMs: 1 }] };
  expect(await get('?device=d&rule=r')).toEqual({
    status: 200,
    body: {
      at: TEXT,
      evaluatedAt: TEXT,
      trueSince: TEXT,
      silentSince: TEXT,
      keptUntil: TEXT,
      graceUntil: TEXT,
      dueAt: TEXT,
      inhibitedSince: null,
      heldMs: 5,
      parts: [{ value: 12, at: TEXT, ageMs: 1 }],
    },
  });
  await get('?device=d');
  expect(backend.queries).toEqual([{ device: 'd', rule: 'r' }, { device: 'd' }]);
});

it('says 404 for what is not there, with what may be meant', async () => {
  backend.explained = { unknown: 'there is no rule "wram"', hint: 'did you mean warm?' };
  expect(await get('?device=d&rule=wram')).toMatchObject({ status: 404, body: { detail: 'there is no rule "wram"; did you mean warm?' } });
  backend.explained = { unknown: 'no device "x" has been heard of', hint: null };
  expect(await get('?device=x')).toMatchObject({ status: 404, body: { detail: 'no device "x" has been heard of' } });
});

it('says 400 without a device, and for what it does not know', async () => {
  expect(await get('')).toMatchObject({ status: 400, body: { errors: [{ path: 'device' }] } });
  expect(await get('?device=d&at=now')).toMatchObject({ status: 400 });
});
