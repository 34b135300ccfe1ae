/**
 * Tocsin alerts about itself on the paths that it alerts on about anything: a disk that fills, a history that lags, in the
 * real program; and it tells the outside that it lives while, and only while, what it receives is evaluated.
 */
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import type { Server } from '../load/server.ts';
import { alertsOf, connectDevice, eventually, listOf, mailOf, openScene, type QuarantineItem, type StoredReading } from './scene.ts';

const EVERY_MS = 1000;
const SELF = { self: { every: `${EVERY_MS}ms` } };
/** Nothing listens there: history waits, and the journal holds what it has not stored. */
const NO_HISTORY = { history: { influx: 'http://127.0.0.1:59999/tocsin' } };
const ALERT_WAIT_MS = 30_000;
/** A warning may wait for others before it is told. */
const MAIL_WAIT_MS = 60_000;
const JOURNAL_BYTES = 12e6;
const POSTED_AT_ONCE = 500;

/** Fills the journal by readings over HTTP until it is as full as that, or takes no more. */
async function fillJournal(server: Server, share: number): Promise<void> {
  const values = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`m${index}`, index]));
  for (let round = 0; round < 1000; round++) {
    const { body } = await server.get('/api/v1/journal');
    if (typeof body !== 'object' || body === null || !('bytes' in body)) throw new Error(`no journal: ${JSON.stringify(body)}`);
    if (Number(body.bytes) >= share * JOURNAL_BYTES) return;
    const readings = Array.from({ length: POSTED_AT_ONCE }, (_, index) => ({ device: `d${index % 50}`, values }));
    const response = await fetch(new URL('/api/v1/readings', server.httpUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(readings),
    });
    await response.text();
    if (!response.ok) return;
  }
  throw new Error('the journal never fills');
}

const firing = (server: Server, rule: string) =>
  eventually(`${rule} fires`, ALERT_WAIT_MS, async () => (await alertsOf(server, `?rule=${rule}&state=firing`))[0]);

/** Counts the requests of a heartbeat. */
async function startReceiver(): Promise<{ url: string; atMs: number[] } & AsyncDisposable> {
  const atMs: number[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/ping/abc' && request.method === 'GET') atMs.push(systemClock.monotonicMs());
    response.end('OK');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ping/abc`,
    atMs,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('Tocsin about itself', () => {
  it('alerts by mail before its disk is full, and the heartbeat stays away once it is', async () => {
    await using receiver = await startReceiver();
    const heartbeat = { url: receiver.url, every: '1s' };
    const journal = { maxBytes: JOURNAL_BYTES, reserve: 0 };
    const email = { from: 'Tocsin <tocsin@localhost>' };
    await using scene = await openScene({ rules: [], settings: { ...SELF, ...NO_HISTORY, heartbeat, journal, email } });
    await using server = await scene.start();
    await eventually('heartbeats', ALERT_WAIT_MS, () => receiver.atMs.length >= 3);

    await fillJournal(server, 0.87);
    const alert = await firing(server, 'tocsin-disk');
    expect(alert).toMatchObject({ device: 'tocsin', labels: { source: 'tocsin' } });
    expect(alert.summary).toMatch(/^The journal runs out of room: 8\d(\.\d)? % of journal\.maxBytes/);
    const folder = join(scene.folder, 'data', 'mail');
    const mail = await eventually('an .eml file about it', MAIL_WAIT_MS, async () => {
      const texts = (await readdir(folder).catch(() => [])).map((name) => readFile(join(folder, name), 'utf8'));
      return (await Promise.all(texts)).find((text) => /^Subject: .*tocsin-disk/m.test(text));
    });
    expect(mail).toMatch(/^To: operator@example\.org$/m);

    await fillJournal(server, 2);
    await eventually('the heartbeat is withheld', ALERT_WAIT_MS, async () => {
      return (await server.metrics()).sum('tocsin_heartbeats_total', { outcome: 'withheld' }) > 0;
    });
    const count = receiver.atMs.length;
    await systemClock.sleep(4 * EVERY_MS);
    expect(receiver.atMs.length, 'no heartbeat while nothing is taken in').toBe(count);
    expect(server.stderrTail()).not.toContain('/ping/abc');
    await server.stop();
  });

  it('alerts about a history that lags, by a rule of the user’s in the place of the built-in one', async () => {
    const rule = {
      id: 'tocsin-history-lag',
      devices: { profile: 'tocsin' },
      levels: { critical: { when: 'history_lag_s > 2' } },
      summary: 'history is {{history_lag_s}} s behind: {{history_trouble}}',
    };
    await using scene = await openScene({ rules: [rule], settings: { ...SELF, ...NO_HISTORY } });
    await using server = await scene.start();
    const alert = await firing(server, 'tocsin-history-lag');
    expect(alert.level).toBe('critical');
    expect(alert.summary).toMatch(/^history is [2-9](\.\d+)? s behind: .*did not answer/);
    await mailOf(scene.sink, '[CRITICAL] tocsin-history-lag');
    const rules = await listOf<{ id: string; place: { file: string } }>(server, '/api/v1/rules');
    expect(rules.filter(({ id }) => id === 'tocsin-history-lag')).toHaveLength(1);
    expect(rules.find(({ id }) => id === 'tocsin-disk')).toBeDefined();
    const metrics = await server.metrics();
    expect(metrics.first('tocsin_canary_seconds', { stage: 'stored' }), 'on its way').toBeGreaterThan(2);
    expect(metrics.first('tocsin_canary_seconds', { stage: 'evaluated' }), 'alerting is not affected').toBeLessThan(2);
    await server.stop();
  });

  it('raises nothing while all is well, is in nobody’s way, and cannot be feigned', async () => {
    const nosy = { id: 'nosy', levels: { warning: { when: "metric('canary_s') >= 0" } } };
    const heartbeat = { email: 'watch@example.org', every: '1s' };
    await using scene = await openScene({ rules: [nosy], settings: { ...SELF, heartbeat } });
    await using server = await scene.start();
    await using device = await connectDevice(server, 'self');
    await device.say('sensors/tocsin/telemetry', { canary_s: 9999, undelivered: 7 });
    await device.say('sensors/d1/telemetry', { temperature: 5 });
    const posted = await fetch(new URL('/api/v1/readings', server.httpUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ device: 'tocsin', values: { canary_s: 9999 } }),
    });
    expect([posted.status, await posted.json()]).toMatchObject([202, { accepted: 0, rejected: [{ reason: 'reserved-device' }] }]);
    const quarantined = await eventually('both are quarantined', ALERT_WAIT_MS, async () => {
      const items = await listOf<QuarantineItem>(server, '/api/v1/quarantine');
      return items.length >= 2 && items;
    });
    expect(quarantined.map(({ reason, device: id, client }) => [reason, id, client]).sort()).toEqual([
      ['reserved-device', 'tocsin', 'http'],
      ['reserved-device', 'tocsin', 'self'],
    ]);

    const readings = await eventually('its history', ALERT_WAIT_MS, async () => {
      const items = await listOf<StoredReading>(server, '/api/v1/readings?device=tocsin');
      return items.length >= 4 && items;
    });
    for (const { values } of readings.slice(1)) {
      expect(values).toMatchObject({ stuck: 'none', history_lag_s: 0, clock_step_s: 0, channels_failing: 0, undelivered: 0 });
      expect(values.canary_s).toBeLessThan(5);
      expect(values.canary_history_s).toBeLessThan(5);
    }
    expect((await listOf<{ id: string }>(server, '/api/v1/devices', 1)).map(({ id }) => id)).toEqual(['d1']);
    expect((await server.get('/api/v1/devices/tocsin')).body).toMatchObject({ id: 'tocsin', profile: 'tocsin' });
    const metrics = await server.metrics();
    expect(metrics.sum('tocsin_readings_total')).toBe(1);
    expect(metrics.sum('tocsin_messages_total', { outcome: 'accepted' })).toBe(1);
    expect(metrics.sum('tocsin_messages_total', { outcome: 'quarantined' })).toBe(2);
    expect(await alertsOf(server)).toEqual([]);
    const mail = await mailOf(scene.sink, 'Tocsin on ');
    expect([mail.to, mail.source]).toEqual([['watch@example.org'], expect.stringMatching(/^Content-Type: text\/plain/m)]);
    await server.stop();
  });
});
