/**
 * Rules from a reading over MQTT to the operator's mailbox: levels that cascade, timers that need no further reading, and
 * what a stop or a kill must neither forget nor repeat. What rules mean, line by line, is test/alerts/semantics.test.ts's
 * to say, with a virtual clock; here real time passes.
 */
import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import type { Server, ServerConfig } from '../load/server.ts';
import type { ReceivedMail } from '../load/smtp-sink.ts';
import { type Alert, alertsOf, connectDevice, eventually, mailOf, openScene, type Scene, settled, transitionsOf } from './scene.ts';

const FOR_MS = 5000;
const NO_DATA_AFTER_MS = 3000;
/** Longer than that, so that it is the grace that is waited for. */
const START_GRACE_MS = 8000;

const CONFIG: ServerConfig = {
  profiles: [
    {
      profile: 'oven',
      topic: 'ovens/{device}',
      interval: '1m',
      metrics: { temperature: { unit: '°C' } },
      limits: { soft: 80, hard: 90 },
    },
  ],
  rules: [
    {
      id: 'hot',
      devices: { profile: 'oven' },
      levels: {
        warning: { when: 'temperature > limits.soft', clear: 'temperature < 70' },
        critical: { when: 'temperature > limits.hard', clear: 'temperature < 85' },
      },
      summary: '{{device.name}} is at {{temperature}} °C',
      runbook: 'https://wiki.example.org/ovens',
      labels: { team: 'kitchen' },
    },
    { id: 'wet', devices: { id: 'patient-*' }, levels: { critical: { when: 'humidity > 50', for: `${FOR_MS}ms` } } },
    {
      id: 'silent',
      devices: { id: 'quiet-*' },
      levels: { warning: { when: 'humidity > 90' } },
      noData: { after: `${NO_DATA_AFTER_MS}ms`, raise: 'critical' },
    },
  ],
};

const micros = (time: string | null): number => Date.parse(time ?? '') * 1000 + Number(/(\d{3})Z$/.exec(time ?? '')?.[1] ?? Number.NaN);

function headerOf(mail: ReceivedMail | undefined, name: string): string {
  const head = (mail?.source ?? '').slice(0, mail?.source.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ');
  return new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1] ?? '';
}

const subjectsOf = ({ sink }: Scene): string[] => sink.mails.map(({ subject }) => subject);

async function sayHumidity(server: Server, device: string, humidity: number): Promise<void> {
  await using client = await connectDevice(server, device);
  await client.say(`sensors/${device}/telemetry`, { humidity });
}

const onlyAlert = (server: Server, query: string): Promise<Alert> =>
  eventually(`an alert ${query}`, 10_000, async () => {
    const alerts = await alertsOf(server, query);
    expect(alerts.length).toBeLessThanOrEqual(1);
    return alerts[0];
  });

describe('levels', { timeout: 60_000 }, () => {
  it('rise, cascade down by their own clear, and end, as one alert in one thread of mails', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await using device = await connectDevice(server);
    const steps: readonly [temperature: number, mail: string | null][] = [
      [60, null],
      [81, '[WARNING] hot on oven-1: 81 °C'],
      [75, null],
      [91, '[CRITICAL] hot on oven-1: 91 °C'],
      [86, null],
      [75, '[WARNING] hot on oven-1: 75 °C, was critical'],
      [71, null],
      [69, '[RESOLVED] hot on oven-1: 69 °C'],
      [79, null],
    ];
    const told: string[] = [];
    for (const [temperature, subject] of steps) {
      await device.say('ovens/oven-1', { temperature });
      if (subject !== null) {
        await mailOf(scene.sink, subject);
        told.push(subject);
      }
      await settled(server);
      expect(subjectsOf(scene)).toEqual(told);
    }
    const alert = await onlyAlert(server, '?rule=hot');
    expect(alert).toMatchObject({
      device: 'oven-1',
      state: 'resolved',
      flags: [],
      value: 69,
      summary: 'oven-1 is at 69 °C',
      labels: { team: 'kitchen' },
    });
    const transitions = await transitionsOf(server, alert.id);
    expect(transitions.map(({ id, kind, fromLevel, alert: then }) => [id, kind, fromLevel, then.level])).toEqual([
      [`${alert.id}/1`, 'firing', null, 'warning'],
      [`${alert.id}/2`, 'level', 'warning', 'critical'],
      [`${alert.id}/3`, 'level', 'critical', 'warning'],
      [`${alert.id}/4`, 'resolved', 'warning', 'warning'],
    ]);
    const [first, ...later] = scene.sink.mails;
    expect(new Set(scene.sink.mails.map(({ messageId }) => messageId)).size).toBe(4);
    for (const mail of later) expect(headerOf(mail, 'References')).toContain(first?.messageId);
    expect((await simpleParser(first?.source ?? '')).text).toContain('https://wiki.example.org/ovens');
  });

  it('of two devices are two alerts, and each ends by itself', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('ovens/oven-1', { temperature: 95 });
    await device.say('ovens/oven-2', { temperature: 81 });
    await mailOf(scene.sink, '[CRITICAL] hot on oven-1: 95 °C');
    await mailOf(scene.sink, '[WARNING] hot on oven-2: 81 °C');
    await device.say('ovens/oven-1', { temperature: 20 });
    await mailOf(scene.sink, '[RESOLVED] hot on oven-1: 20 °C');
    await settled(server);
    expect((await alertsOf(server, '?state=firing')).map(({ device: name }) => name)).toEqual(['oven-2']);
    expect(scene.sink.mails).toHaveLength(3);
  });
});

describe('a timer', { timeout: 60_000 }, () => {
  it('fires without a further reading, at since + for', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await sayHumidity(server, 'patient-1', 60);
    const pending = await onlyAlert(server, '?device=patient-1');
    expect(pending).toMatchObject({ state: 'pending', firedAt: null });
    expect(scene.sink.mails).toEqual([]);
    await mailOf(scene.sink, '[CRITICAL] wet on patient-1: 60', FOR_MS + 10_000);
    const fired = await onlyAlert(server, '?device=patient-1');
    expect(fired).toMatchObject({ id: pending.id, state: 'firing', since: pending.since });
    expect(micros(fired.firedAt) - micros(fired.since)).toBe(FOR_MS * 1000);
    const [, firing] = await transitionsOf(server, fired.id);
    expect(firing).toMatchObject({ kind: 'firing', receivedAt: null, at: fired.firedAt });
    expect(scene.sink.mails).toHaveLength(1);
  });

  it('that a false reading ends in time tells nobody', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await sayHumidity(server, 'patient-1', 60);
    await onlyAlert(server, '?device=patient-1&state=pending');
    await sayHumidity(server, 'patient-1', 40);
    await systemClock.sleep(FOR_MS + 1000);
    const alert = await onlyAlert(server, '?device=patient-1');
    expect(alert).toMatchObject({ state: 'resolved', firedAt: null });
    expect((await transitionsOf(server, alert.id)).map(({ kind }) => kind)).toEqual(['pending', 'cancelled']);
    expect(scene.sink.mails).toEqual([]);
  });

  const ENDS = [
    ['a clean stop', (server: Server) => server.stop()],
    ['kill -9', (server: Server) => server.kill()],
  ] as const;

  it.each(ENDS)('survives %s while it runs: it fires at the time it was to fire, once', async (_, end) => {
    await using scene = await openScene(CONFIG);
    const before = await scene.start();
    await sayHumidity(before, 'patient-1', 60);
    const pending = await onlyAlert(before, '?device=patient-1&state=pending');
    await end(before);
    const server = await scene.start();
    await mailOf(scene.sink, '[CRITICAL] wet on patient-1: 60', FOR_MS + 10_000);
    const fired = await onlyAlert(server, '?device=patient-1');
    expect(fired).toMatchObject({ id: pending.id, state: 'firing', since: pending.since });
    expect(micros(fired.firedAt) - micros(fired.since)).toBe(FOR_MS * 1000);
    expect((await transitionsOf(server, fired.id)).map(({ kind }) => kind)).toEqual(['pending', 'firing']);
    await settled(server);
    expect(subjectsOf(scene)).toEqual(['[CRITICAL] wet on patient-1: 60']);
  });

  it.each(ENDS)('that came due while the program was down after %s fires at the start, for the time it was due', async (_, end) => {
    await using scene = await openScene(CONFIG);
    const before = await scene.start();
    await sayHumidity(before, 'patient-1', 60);
    const pending = await onlyAlert(before, '?device=patient-1&state=pending');
    await end(before);
    await systemClock.sleep(FOR_MS + 500);
    const server = await scene.start();
    await mailOf(scene.sink, '[CRITICAL] wet on patient-1: 60');
    const fired = await onlyAlert(server, '?device=patient-1');
    expect(fired.id).toBe(pending.id);
    expect(micros(fired.firedAt) - micros(fired.since)).toBe(FOR_MS * 1000);
    expect(scene.sink.mails).toHaveLength(1);
  });

  it.each(ENDS)('of a firing alert tells nobody a second time after %s; its end is told once', async (_, end) => {
    await using scene = await openScene(CONFIG);
    const before = await scene.start();
    await sayHumidity(before, 'patient-1', 60);
    await using oven = await connectDevice(before);
    await oven.say('ovens/oven-1', { temperature: 95 });
    await mailOf(scene.sink, '[CRITICAL] hot on oven-1');
    await mailOf(scene.sink, '[CRITICAL] wet on patient-1', FOR_MS + 10_000);
    await settled(before);
    const alerts = await alertsOf(before);
    await end(before);
    const between = await scene.start();
    await settled(between);
    await systemClock.sleep(1000);
    expect(await alertsOf(between)).toEqual(alerts);
    await end(between);
    const server = await scene.start();
    await settled(server);
    expect(await alertsOf(server)).toEqual(alerts);
    expect(scene.sink.mails).toHaveLength(2);
    // The level as it was: a reading between clear and limit changes nothing.
    await using again = await connectDevice(server);
    await again.say('ovens/oven-1', { temperature: 86 });
    await sayHumidity(server, 'patient-1', 40);
    await mailOf(scene.sink, '[RESOLVED] wet on patient-1: 40');
    await settled(server);
    expect(subjectsOf(scene).slice(2)).toEqual(['[RESOLVED] wet on patient-1: 40']);
    expect((await alertsOf(server, '?state=firing')).map(({ id, level }) => [id, level])).toEqual([
      [alerts.find(({ rule }) => rule === 'hot')?.id, 'critical'],
    ]);
  });
});

describe('silence', () => {
  it('is no alarm in the grace after a start', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await sayHumidity(server, 'quiet-1', 10);
    await systemClock.sleep(NO_DATA_AFTER_MS + 2000);
    expect(await alertsOf(server)).toEqual([]);
  });

  it('raises its level once the grace is over, counted from the last value, and ends with the next', async () => {
    await using scene = await openScene({ ...CONFIG, settings: { alerting: { startGrace: `${START_GRACE_MS}ms` } } });
    const server = await scene.start();
    await sayHumidity(server, 'quiet-1', 10);
    await mailOf(scene.sink, '[CRITICAL] silent on quiet-1: no data', START_GRACE_MS + 20_000);
    const alert = await onlyAlert(server, '?device=quiet-1');
    expect(alert).toMatchObject({ state: 'firing', level: 'critical', flags: ['no-data'] });
    await sayHumidity(server, 'quiet-1', 11);
    await mailOf(scene.sink, '[RESOLVED] silent on quiet-1: 11');
    // The grace is over now: what falls silent from here on is due after its own time.
    await eventually('a second alert', NO_DATA_AFTER_MS + 10_000, async () => (await alertsOf(server)).length === 2);
    const [second] = await alertsOf(server, '?state=firing');
    expect(second?.id).not.toBe(alert.id);
    expect(micros(second?.firedAt ?? null) - micros((await transitionsOf(server, alert.id)).at(-1)?.at ?? null)).toBe(
      NO_DATA_AFTER_MS * 1000,
    );
    await settled(server);
    await server.kill();
    const restarted = await scene.start();
    await settled(restarted);
    expect(await alertsOf(restarted, '?state=firing')).toEqual([second]);
    expect(scene.sink.mails).toHaveLength(3);
  });
});
