/** When a heartbeat goes out, and what of it is logged; over HTTP against a real server. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { Heartbeat } from '../../src/self/heartbeat.ts';
import { heartbeatMail } from '../../src/self/heartbeat-mail.ts';
import { ping } from '../../src/self/ping.ts';
import { systemClock } from '../../src/std/clock.ts';
import { createStillClock } from '../alerts/scripted-journal.ts';

const EVERY_MS = 60_000;

/** Runs on a clock that its own sleeps move, until `untilMs`; `world` says what is so at a time. */
async function beats(world: { isPassing(nowMs: number): boolean; answer(nowMs: number): string | null }, untilMs: number) {
  const clock = createStillClock(1e15);
  const stop = new AbortController();
  const registry = new Registry();
  const sentMs: number[] = [];
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(String(JSON.parse(line).msg)) });
  const watched = {
    ...clock,
    async sleep(delayMs: number) {
      await clock.sleep(delayMs);
      if (clock.monotonicMs() >= untilMs) stop.abort();
    },
  };
  const heartbeat = new Heartbeat({
    everyMs: EVERY_MS,
    to: 'hc.example.org',
    isPassing: () => world.isPassing(clock.monotonicMs()),
    async send() {
      const problem = world.answer(clock.monotonicMs());
      if (problem === null) sentMs.push(clock.monotonicMs());
      return problem;
    },
    clock: watched,
    logger,
    registry,
  });
  await heartbeat.run(stop.signal);
  const text = await registry.metrics();
  const counts = Object.fromEntries([...text.matchAll(/outcome="(\w+)"\} (\d+)/g)].map(([, outcome, count]) => [outcome, Number(count)]));
  return { sentMs, lines, counts };
}

describe('a heartbeat', () => {
  it('begins with the first canary, and goes on in its interval, without a word', async () => {
    const { sentMs, lines, counts } = await beats({ isPassing: (ms) => ms >= 1000, answer: () => null }, 200_000);
    expect(sentMs).toEqual([1000, 61_000, 121_000, 181_000]);
    expect(lines).toEqual([]);
    expect(counts).toEqual({ sent: 4, failed: 0, withheld: 0 });
  });

  it('is withheld while the canary does not pass, and goes out soon after it does', async () => {
    const { sentMs, lines, counts } = await beats({ isPassing: (ms) => ms < 100_000 || ms >= 300_000, answer: () => null }, 320_000);
    expect(sentMs.filter((ms) => ms >= 100_000 && ms < 300_000)).toEqual([]);
    expect(sentMs.at(-1)).toBeGreaterThanOrEqual(300_000);
    expect(sentMs.at(-1)).toBeLessThan(306_000);
    expect(lines).toEqual([
      'heartbeat SENT => WITHHELD: what Tocsin receives is not evaluated and told in time',
      'heartbeat WITHHELD => SENT',
    ]);
    expect(counts.withheld).toBeGreaterThan(10);
  });

  it('is not sent at all when no canary ever passes', async () => {
    const { sentMs, counts } = await beats({ isPassing: () => false, answer: () => null }, 600_000);
    expect([sentMs, counts.sent]).toEqual([[], 0]);
    expect(counts.withheld).toBeGreaterThan(50);
  });

  it('that fails is tried again, ever less often, and logged once', async () => {
    const { sentMs, lines, counts } = await beats({ isPassing: () => true, answer: (ms) => (ms < 600_000 ? '503' : null) }, 700_000);
    expect(counts.failed).toBeGreaterThan(5);
    expect(counts.failed).toBeLessThan(25);
    expect(sentMs[0]).toBeLessThan(661_000);
    expect(lines).toEqual(['heartbeat SENT => FAILED: whoever expects it will raise an alarm', 'heartbeat FAILED => SENT']);
  });
});

async function withServer(answer: (request: IncomingMessage) => number, use: (url: URL) => Promise<void>): Promise<void> {
  const server: Server = createServer((request, response) => void response.writeHead(answer(request)).end('x'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/ping/se%20cret?key=token`));
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const never = new AbortController().signal;

describe('a ping', () => {
  it('is a GET of the whole URL, with its user and password', async () => {
    const asked: unknown[] = [];
    await withServer(
      ({ method, url, headers }) => {
        asked.push([method, url, headers.authorization]);
        return 200;
      },
      async (url) => {
        expect(await ping(url.href, systemClock, never)).toBeNull();
        url.username = 'us%40er';
        url.password = 'pa:ss';
        expect(await ping(url.href, systemClock, never)).toBeNull();
      },
    );
    const basic = `Basic ${Buffer.from('us@er:pa:ss').toString('base64')}`;
    expect(asked).toEqual([
      ['GET', '/ping/se%20cret?key=token', undefined],
      ['GET', '/ping/se%20cret?key=token', basic],
    ]);
  });

  it('that is not taken says why, and nothing of the URL but its host', async () => {
    await withServer(
      () => 404,
      async (url) => {
        expect(await ping(url.href, systemClock, never)).toBe(`${url.host} answered 404`);
      },
    );
    const gone = await ping('http://user:pass%zz@127.0.0.1:59999/secret-path', systemClock, never);
    const refused = await ping('http://user:hush@127.0.0.1:59999/secret-path', systemClock, never);
    const nowhere = await ping('https://hush@no-such-host.invalid/secret-path', systemClock, never);
    for (const problem of [gone, refused, nowhere]) {
      expect(problem).toMatch(/^[\w.:-]+ cannot be reached: ./);
      expect(problem).not.toMatch(/secret|hush|pass/);
    }
  });
});

describe('a heartbeat by mail', () => {
  it('is plain text that says what its absence means', () => {
    const mail = heartbeatMail({ to: 'watch@example.org', everyMs: 3_600_000, at: 1e15 });
    expect(mail).toMatchObject({ id: 'heartbeat-1000000000000000', html: '', channel: { kind: 'email', address: 'watch@example.org' } });
    expect(mail.subject).toMatch(/^Tocsin on \S+ is alive$/);
    expect(mail.text).toContain('comes every 1h.');
  });
});
