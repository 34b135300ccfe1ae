/** Running it: a clean stop loses nothing, a second signal ends it at once; what HTTP, /metrics and MQTT show. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import { setUpStage } from '../crash/stage.ts';
import type { Server } from '../load/server.ts';
import {
  alertsOf,
  connectDevice,
  eventually,
  listOf,
  mailOf,
  openScene,
  type StoredReading,
  settled,
  transitionsOf,
} from '../scenarios/scene.ts';
import { mosquittoSub } from '../services/mosquitto.ts';
import type { Available } from '../services/service.ts';

const run = promisify(execFile);
const STOP_WITHIN_MS = 10_000;

/** CONTRACT, "Metrics"; those with labels once there was something to count. */
const METRICS = [
  'tocsin_messages_total',
  'tocsin_readings_total',
  'tocsin_devices_known',
  'tocsin_devices_refused_total',
  'tocsin_metrics_refused_total',
  'tocsin_journal_append_seconds_count',
  'tocsin_journal_bytes',
  'tocsin_consumer_lag_readings',
  'tocsin_rule_evaluations_total',
  'tocsin_alerts',
  'tocsin_notifications_total',
  'tocsin_alert_latency_seconds_count',
  'tocsin_history_points_total',
  'tocsin_mqtt_connections',
  'nodejs_eventloop_lag_p99_seconds',
  'process_resident_memory_bytes',
  'process_cpu_seconds_total',
];

const RULES = [{ id: 'warm', levels: { warning: { when: 'temperature > 8' }, critical: { when: 'temperature > 20' } } }];

async function post(server: Server, body: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(new URL('/api/v1/readings', server.httpUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

describe('a stop', { timeout: 120_000 }, () => {
  it('under load takes less than 10 s and loses nothing that was acknowledged', async () => {
    await using stage = await setUpStage({ fleet: { readingsPerSecond: 4000 } });
    stage.fleet.start();
    for (let round = 0; round < 3; round++) {
      await using server = await stage.start();
      await systemClock.sleep(1500);
      expect(await server.stop()).toBeLessThan(STOP_WITHIN_MS);
      stage.fleet.connectTo(null);
    }
    await using server = await stage.start();
    await systemClock.sleep(500);
    const { faults, ...figures } = await stage.settle(server);
    console.log(JSON.stringify(figures));
    expect(faults).toEqual([]);
    expect(figures).toMatchObject({ acknowledged: figures.sent, repeatedMails: 0 });
    expect(figures.alerts).toBeGreaterThan(0);
  });

  it('does not wait for a mail server that never answers; the mail goes out at the next start', async () => {
    await using scene = await openScene({ rules: RULES });
    await scene.sink.turn('hanging');
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('sensors/d/telemetry', { temperature: 9 });
    await eventually('the mail is on its way', 10_000, () => scene.sink.refusals > 0);
    expect(await server.stop()).toBeLessThan(STOP_WITHIN_MS);
    await scene.sink.turn('healthy');
    await scene.start();
    await mailOf(scene.sink, '[WARNING] warm on d: 9', 30_000);
  });

  it('with clients that do not read is clean all the same', async () => {
    await using scene = await openScene({ rules: RULES });
    const server = await scene.start();
    await using reader = await connectDevice(server, 'reader');
    await reader.client.subscribeAsync('sensors/#');
    reader.client.stream.pause();
    await using device = await connectDevice(server);
    const payload = JSON.stringify({ text: 'x'.repeat(2000) });
    await Promise.all(Array.from({ length: 2000 }, () => device.say('sensors/d/telemetry', payload)));
    expect(await server.stop()).toBeLessThan(STOP_WITHIN_MS);
  });

  it('asked for twice ends at once', async () => {
    await using scene = await openScene({ rules: RULES });
    const server = await scene.start();
    // A request under way holds up a clean stop for 3 s.
    const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('[')) });
    const open = fetch(new URL('/api/v1/readings', server.httpUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      duplex: 'half',
    }).catch(() => undefined);
    await systemClock.sleep(300);
    process.kill(server.pid, 'SIGTERM');
    await systemClock.sleep(300);
    expect(server.isRunning()).toBe(true);
    const asked = systemClock.monotonicMs();
    process.kill(server.pid, 'SIGINT');
    expect(await server.ended).toEqual({ code: 70, signal: null });
    expect(systemClock.monotonicMs() - asked).toBeLessThan(1000);
    await open;
    await using next = await scene.start();
    expect(next.isRunning()).toBe(true);
  });
});

describe('what can be asked', { timeout: 60_000 }, () => {
  it('health, readiness and every promised metric', async () => {
    await using scene = await openScene({ rules: RULES });
    const server = await scene.start();
    expect(await server.get('/healthz')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await server.get('/readyz')).toEqual({ status: 200, body: { ready: true, reasons: [] } });
    await using device = await connectDevice(server);
    await device.say('sensors/d/telemetry', { temperature: 9 });
    await device.say('sensors/d/telemetry', 'no JSON');
    await mailOf(scene.sink, '[WARNING] warm on d: 9');
    await settled(server);
    const metrics = await server.metrics();
    expect(METRICS.filter((name) => metrics.all(name).length === 0)).toEqual([]);
    for (const outcome of ['accepted', 'partial', 'ignored', 'quarantined', 'duplicate', 'refused', 'dropped']) {
      expect(metrics.all('tocsin_messages_total', { outcome }), outcome).toHaveLength(1);
    }
    expect(metrics.sum('tocsin_messages_total', { outcome: 'accepted' })).toBe(1);
    expect(metrics.sum('tocsin_messages_total', { outcome: 'quarantined' })).toBe(1);
    expect(metrics.sum('tocsin_readings_total')).toBe(1);
    expect(metrics.first('tocsin_alerts', { level: 'warning', state: 'firing' })).toBe(1);
    expect(metrics.first('tocsin_notifications_total', { channel: 'email', outcome: 'delivered' })).toBe(1);
    expect(metrics.all('tocsin_consumer_lag_readings').map(({ labels }) => labels.consumer)).toEqual(
      expect.arrayContaining(['alerting', 'history']),
    );
    expect(metrics.first('tocsin_mqtt_connections')).toBe(1);
  });

  it('posted readings: 202, then in history, on the device and in alerts, with paging and points', async () => {
    await using scene = await openScene({ rules: RULES });
    const server = await scene.start();
    const start = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;
    const at = (index: number): string => new Date(start + index * 1000).toISOString();
    const readings = Array.from({ length: 600 }, (_, index) => ({
      device: 'd',
      at: at(index),
      values: { temperature: (index % 60) / 10 },
    }));
    expect(await post(server, readings)).toEqual({ status: 202, body: { accepted: 600, ignored: 0, rejected: [] } });
    // A client that got no answer posts again.
    expect(await post(server, readings.slice(-200))).toMatchObject({ status: 202, body: { rejected: [] } });
    expect(await post(server, { device: 'd', values: { temperature: 21.5 } })).toMatchObject({ status: 202, body: { accepted: 1 } });
    const mail = await mailOf(scene.sink, '[CRITICAL] warm on d: 21.5');
    expect(mail.to).toEqual(['operator@example.org']);
    await settled(server);

    const stored = await listOf<StoredReading>(server, '/api/v1/readings?device=d', 100);
    expect(stored.map(({ values }) => values.temperature)).toEqual([...readings.map(({ values }) => values.temperature), 21.5]);
    expect(stored.slice(0, 600).map((reading) => Date.parse(reading.at))).toEqual(readings.map((reading) => Date.parse(reading.at)));
    const part = await listOf<StoredReading>(server, `/api/v1/readings?device=d&from=${at(10)}&to=${at(20)}`);
    expect(part.map((reading) => Date.parse(reading.at))).toEqual(readings.slice(10, 20).map((reading) => Date.parse(reading.at)));
    const { body } = await server.get(`/api/v1/readings?device=d&metric=temperature&from=${at(0)}&to=${at(600)}&points=10`);
    expect(body).toMatchObject({ next: null });
    expect((body as { items: unknown[] }).items).toEqual(
      Array.from({ length: 10 }, (_, index) => ({
        at: `${at(index * 60).slice(0, 19)}.000000Z`,
        avg: expect.closeTo(2.95, 6),
        min: 0,
        max: 5.9,
        count: 60,
      })),
    );

    const [alert] = await alertsOf(server, '?state=firing&level=critical&device=d&rule=warm');
    expect(alert).toMatchObject({ value: 21.5, state: 'firing', resolvedAt: null });
    expect((await transitionsOf(server, alert?.id ?? '')).map(({ kind }) => kind)).toEqual(['firing']);
    expect(await alertsOf(server, '?state=resolved')).toEqual([]);
    expect(await server.get('/api/v1/devices/d')).toMatchObject({
      status: 200,
      body: { id: 'd', readings: 601, values: { temperature: { value: 21.5, at: expect.stringMatching(/^20.*Z$/) } } },
    });
    expect((await listOf<{ id: string }>(server, '/api/v1/devices')).map(({ id }) => id)).toEqual(['d']);
  });

  it('lists of devices and alerts are paged', async () => {
    await using scene = await openScene({ rules: RULES });
    const server = await scene.start();
    const names = Array.from({ length: 25 }, (_, index) => `d${String(index).padStart(2, '0')}`);
    await post(
      server,
      names.map((device) => ({ device, values: { temperature: 9 } })),
    );
    await settled(server);
    expect((await listOf<{ id: string }>(server, '/api/v1/devices', 10)).map(({ id }) => id)).toEqual(names);
    const alerts = await listOf<{ device: string }>(server, '/api/v1/alerts', 10);
    expect(alerts.map(({ device }) => device).sort()).toEqual(names);
    expect(scene.sink.mails).toHaveLength(25);
  });

  it('a wrong question is answered with 400 or 404 and a problem document', async () => {
    await using scene = await openScene({ rules: RULES });
    const server = await scene.start();
    const wrong = [
      'readings',
      'readings?device=d&cursor=x',
      'alerts?cursor=x',
      'alerts?state=open',
      'alerts?limit=0',
      'quarantine?cursor=x',
    ];
    for (const path of wrong) expect({ path, ...(await server.get(`/api/v1/${path}`)) }).toMatchObject({ path, body: { status: 400 } });
    for (const path of ['alerts/none', 'devices/none', 'nothing']) {
      expect({ path, ...(await server.get(`/api/v1/${path}`)) }).toMatchObject({ path, status: 404, body: { status: 404 } });
    }
  });
});

describe('over MQTT', { timeout: 60_000 }, () => {
  let mosquitto: Available<string>;
  beforeAll(async () => {
    mosquitto = await mosquittoSub();
  });

  it('status and open alerts are retained, an ended one is gone, a restart shows what is open', async (context) => {
    if (!mosquitto.available) return context.skip(mosquitto.reason);
    const program = mosquitto.value;
    /** What is retained below `tocsin/`, by topic, as another program sees it. */
    const retained = async (server: Server): Promise<Map<string, Record<string, unknown>>> => {
      const args = [
        '-h',
        '127.0.0.1',
        '-p',
        String(server.mqttPort),
        '-t',
        'tocsin/#',
        '-q',
        '1',
        '--retained-only',
        '-W',
        '2',
        '-F',
        '%t %p',
      ];
      // It ends with status 27 when -W has passed: that is how long we listen.
      const { stdout } = await run(program, args).catch((error: { code?: number; stdout: string }) => {
        if (error.code !== 27) throw error;
        return error;
      });
      const lines = stdout.split('\n').filter((line) => line !== '');
      return new Map(lines.map((line) => [line.slice(0, line.indexOf(' ')), JSON.parse(line.slice(line.indexOf(' ') + 1))]));
    };

    await using scene = await openScene({ rules: RULES });
    let server = await scene.start();
    const say = async (payload: Record<string, unknown>, name = 'd'): Promise<void> => {
      await using device = await connectDevice(server);
      await device.say(`sensors/${name}/telemetry`, payload);
      await settled(server);
    };
    expect(await retained(server)).toEqual(new Map([['tocsin/status', expect.objectContaining({ state: 'running' })]]));

    await say({ temperature: 9 });
    await say({ temperature: 9.5 }, 'a%b');
    const [alert] = await alertsOf(server, '?device=d');
    const open = await retained(server);
    expect(open.get('tocsin/alerts/warm/d')).toEqual(alert);
    expect([...open.keys()].sort()).toEqual(['tocsin/alerts/warm/a%25b', 'tocsin/alerts/warm/d', 'tocsin/status']);

    await server.kill();
    server = await scene.start();
    expect((await retained(server)).get('tocsin/alerts/warm/d')).toEqual(alert);
    await say({ temperature: 21 });
    expect((await retained(server)).get('tocsin/alerts/warm/d')).toMatchObject({ id: alert?.id, level: 'critical', value: 21 });
    await say({ temperature: 5 });
    expect((await retained(server)).has('tocsin/alerts/warm/d')).toBe(false);
  });

  it('a client that subscribes hears readings and alerts as they come', async () => {
    await using scene = await openScene({ rules: RULES });
    const server = await scene.start();
    await using page = await connectDevice(server, 'page');
    const heard: string[] = [];
    page.client.on('message', (topic, payload) => heard.push(`${topic} ${payload.toString()}`));
    await page.client.subscribeAsync(['sensors/#', 'tocsin/alerts/#'], { qos: 1 });
    await using device = await connectDevice(server);
    await device.say('sensors/d/telemetry', '{"temperature":9}');
    await eventually('reading and alert', 10_000, () => heard.length >= 2);
    await device.say('sensors/d/telemetry', '{"temperature":5}');
    await eventually('reading and end', 10_000, () => heard.length >= 4);
    expect(heard.filter((line) => line.startsWith('sensors/'))).toEqual([
      'sensors/d/telemetry {"temperature":9}',
      'sensors/d/telemetry {"temperature":5}',
    ]);
    const alerts = heard.filter((line) => line.startsWith('tocsin/alerts/warm/d '));
    expect(alerts).toHaveLength(2);
    expect(alerts[1]).toBe('tocsin/alerts/warm/d ');
  });
});

describe('without an SMTP server', { timeout: 60_000 }, () => {
  it('mails are .eml files, and a history that was taken away begins anew', async () => {
    await using scene = await openScene({ rules: RULES, settings: { email: { from: 'Tocsin <tocsin@localhost>' } } });
    let server = await scene.start();
    expect((await post(server, { device: 'd', values: { temperature: 9 } })).status).toBe(202);
    await settled(server);
    const { stdout } = await run('sh', ['-c', `cat ${join(scene.folder, 'data', 'mail')}/*.eml`]);
    expect(stdout).toContain('Subject: [WARNING] warm on d: 9');
    expect(stdout).toContain('To: operator@example.org');
    await server.stop();
    for (const suffix of ['', '-wal', '-shm']) await rm(join(scene.folder, 'data', `history.db${suffix}`), { force: true });
    server = await scene.start();
    await settled(server);
    expect(await listOf(server, '/api/v1/readings?device=d')).toHaveLength(1);
    expect(await alertsOf(server)).toHaveLength(1);
  });
});
