/**
 * The log of a real vaccine-fridge logger (Berlinger Q-tag CLm), replayed over MQTT with its own rules: above 8.0 °C or
 * below 2.0 °C for 30 minutes. What it raised by itself is the oracle.
 *
 * It measured every minute and logged every ten, so the log shows each alarm up to one log interval off, and three short
 * episodes only by chance:
 *
 * - 14:52 to 15:24 (32 minutes, an alarm of the oracle): three logged values span 20 minutes. The log cannot show it.
 * - 15:39 to 16:10 (31 minutes, an alarm of the oracle): four logged values span exactly 30 minutes. The log shows it.
 * - 19:19 to 19:49 (no alarm of the oracle): four logged values span exactly 30 minutes, too, and the logger has seen a
 *   value above 2.0 in between. From the log alone it is an alarm, which the next value ends.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PersistentPublisher } from '../load/persistent-publisher.ts';
import type { Server, ServerConfig } from '../load/server.ts';
import {
  type Alert,
  alertsOf,
  connectDevice,
  eventually,
  listOf,
  mailOf,
  openScene,
  type Scene,
  type StoredReading,
  settled,
  transitionsOf,
} from './scene.ts';

const FOLDER = '../shared/data/timeseries/fridge-tag';
const SERIES = `${FOLDER}/qtagCLm_RCPJ00010_02.csv`;
const ORACLE = `${FOLDER}/oracle_qtag_02.json`;
const isThere = existsSync(SERIES) && existsSync(ORACLE);
if (!isThere) console.log(`the fridge logger is not replayed: there is no ${SERIES}`);

const DEVICE = 'q-tag';
const TOPIC = `loggers/${DEVICE}/log`;
const LOG_INTERVAL_MS = 10 * 60_000;

const CONFIG: ServerConfig = {
  // The log is years old: it would be beyond the default retention.
  settings: { history: { url: 'sqlite:', keep: '36500d' } },
  profiles: [
    {
      profile: 'q-tag',
      topic: 'loggers/{device}/log',
      time: 'ts',
      timezone: 'UTC',
      interval: '10m',
      maxPast: 'off',
      retrospectiveAfter: 'off',
      metrics: { temperature: { unit: '°C' } },
    },
  ],
  rules: [
    { id: 'single-high', devices: { profile: 'q-tag' }, levels: { critical: { when: 'temperature > 8.0', for: '30m' } } },
    { id: 'single-low', devices: { profile: 'q-tag' }, levels: { critical: { when: 'temperature < 2.0', for: '30m' } } },
  ],
};

/** What the log shows; `end` is the first logged value that is within the limit again. */
const SHOWN = [
  { rule: 'single-low', fired: '12:49', end: '14:49' },
  { rule: 'single-low', fired: '16:09', end: '16:19' },
  { rule: 'single-low', fired: '19:49', end: '19:59' },
  { rule: 'single-high', fired: '22:29', end: null },
] as const;

interface Row {
  readonly ts: string;
  readonly temperature: number;
}
const rows: readonly Row[] = isThere
  ? readFileSync(SERIES, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => {
        const [ts = '', temperature] = line.split(',');
        return { ts, temperature: Number(temperature) };
      })
  : [];
const payloadOf = ({ ts, temperature }: Row): string => JSON.stringify({ ts, temperature });
const mailDueAt = (index: number): string | undefined => (rows[index] === undefined ? undefined : mailAt(rows[index]));
const onTheDay = (time: string): string => `2022-11-08T${time}:00.000000Z`;

/** The subject of the mail that a row of the log brings about. */
function mailAt(row: Row): string | undefined {
  const time = row.ts.startsWith('2022-11-08T') ? row.ts.slice(11, 16) : '';
  const fired = SHOWN.find((shown) => shown.fired === time);
  if (fired !== undefined) return `[CRITICAL] ${fired.rule} on ${DEVICE}: ${row.temperature} °C`;
  const ended = SHOWN.find((shown) => shown.end === time);
  return ended === undefined ? undefined : `[RESOLVED] ${ended.rule} on ${DEVICE}: ${row.temperature} °C`;
}
const EXPECTED_MAILS = rows.map(mailAt).filter((subject) => subject !== undefined);

async function firedAlerts(server: Server): Promise<Alert[]> {
  const alerts = await alertsOf(server, `?device=${DEVICE}`);
  return alerts.filter(({ firedAt }) => firedAt !== null).sort((a, b) => ((a.firedAt ?? '') < (b.firedAt ?? '') ? -1 : 1));
}

/** All alerts with their timelines of transitions: what must not change by a replay. */
async function whole(server: Server): Promise<unknown> {
  const alerts = (await alertsOf(server)).sort((a, b) => (a.id < b.id ? -1 : 1));
  return Promise.all(alerts.map(async (alert) => ({ alert, transitions: await transitionsOf(server, alert.id) })));
}

async function expectWhatTheLogShows(server: Server, scene: Scene): Promise<void> {
  expect((await firedAlerts(server)).map(({ rule, firedAt, resolvedAt, state }) => ({ rule, firedAt, resolvedAt, state }))).toEqual(
    SHOWN.map(({ rule, fired, end }) => ({
      rule,
      firedAt: onTheDay(fired),
      resolvedAt: end === null ? null : onTheDay(end),
      state: end === null ? 'firing' : 'resolved',
    })),
  );
  expectEachToldOnce(scene);
}

/** A mail repeated because a kill fell before the answer to it bears the same Message-ID, and is one mail. */
function expectEachToldOnce({ sink }: Scene): void {
  const subjects = new Map(sink.mails.map(({ messageId, subject }) => [messageId, subject]));
  expect([...subjects.values()]).toEqual(EXPECTED_MAILS);
}

/** Says every row, and waits for the mail where the log shows that one is due. */
async function replay(server: Server, scene: Scene): Promise<void> {
  await using device = await connectDevice(server, DEVICE);
  for (const row of rows) {
    await device.say(TOPIC, payloadOf(row));
    const subject = mailAt(row);
    if (subject !== undefined) await mailOf(scene.sink, subject);
  }
}

describe.skipIf(!isThere)('the log of a fridge logger over MQTT', { timeout: 120_000 }, () => {
  it('raises the alarms that the logger raised, within one log interval, and tells of each', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await replay(server, scene);
    await settled(server);
    await expectWhatTheLogShows(server, scene);

    const alerts = await firedAlerts(server);
    const oracle = JSON.parse(readFileSync(ORACLE, 'utf8')).runs[0].alarms;
    const alarms = ['high', 'low'].flatMap((side) =>
      oracle[`single_${side}`].episodes.map(({ alarm, minutes }: { alarm: string; minutes: number }) => ({
        rule: `single-${side}`,
        alarmMs: Date.parse(`${alarm}:00Z`),
        minutes,
      })),
    );
    expect(alarms).toHaveLength(4);
    for (const { rule, alarmMs, minutes } of alarms) {
      const near = alerts.filter((alert) => alert.rule === rule && Math.abs(Date.parse(alert.firedAt ?? '') - alarmMs) <= LOG_INTERVAL_MS);
      // The one episode of the oracle that this log cannot show: see above.
      expect(near.length, `${rule} of ${minutes} minutes`).toBe(minutes === 32 ? 0 : 1);
    }

    const kinds = await Promise.all(alerts.map(async ({ id }) => (await transitionsOf(server, id)).map(({ kind }) => kind)));
    expect(kinds).toEqual([...Array(3).fill(['pending', 'firing', 'resolved']), ['pending', 'firing']]);
    const stored = await listOf<StoredReading>(server, `/api/v1/readings?device=${DEVICE}`, 50);
    expect(stored.map(({ at, values }) => ({ ts: at.slice(0, 19), ...values }))).toEqual(rows);
  });

  it('sent a second time it changes nothing: no alert, no mail, no point', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await replay(server, scene);
    await settled(server);
    const before = { alerts: await whole(server), readings: await listOf(server, `/api/v1/readings?device=${DEVICE}`) };

    // By another client, and with either QoS: it is the content that counts.
    await using again = await connectDevice(server, 'forwarder');
    for (const [index, row] of rows.entries()) await again.say(TOPIC, payloadOf(row), index % 2 === 0 ? 1 : 2);
    await settled(server);
    const metrics = await server.metrics();
    expect(metrics.sum('tocsin_messages_total', { outcome: 'duplicate' })).toBe(rows.length);
    expect(metrics.sum('tocsin_readings_total')).toBe(rows.length);
    expect({ alerts: await whole(server), readings: await listOf(server, `/api/v1/readings?device=${DEVICE}`) }).toEqual(before);
    expectEachToldOnce(scene);

    // The same after a kill, when what is recognised comes from the journal's tail.
    await server.kill();
    const restarted = await scene.start();
    await using late = await connectDevice(restarted, 'forwarder');
    for (const row of rows) await late.say(TOPIC, payloadOf(row));
    await settled(restarted);
    expect((await restarted.metrics()).sum('tocsin_readings_total')).toBe(0);
    expect({ alerts: await whole(restarted), readings: await listOf(restarted, `/api/v1/readings?device=${DEVICE}`) }).toEqual(before);
    expectEachToldOnce(scene);
  });

  it('with kills in the middle of it there are the same alerts with the same ids, each told once', async () => {
    await using scene = await openScene(CONFIG);
    let server = await scene.start();
    let taken = 0;
    let acknowledged = 0;
    using logger = new PersistentPublisher<number>({
      clientId: DEVICE,
      qos: 1,
      window: 10,
      take: () => {
        const row = rows[taken];
        return row === undefined ? null : { topic: TOPIC, payload: payloadOf(row), tag: taken++ };
      },
      onAcknowledged: () => {
        acknowledged += 1;
      },
      onSentAgain: () => undefined,
    });
    logger.port = server.mqttPort;
    const upTo = async (time: string): Promise<void> => {
      const end = rows.findIndex(({ ts }) => ts === `2022-11-08T${time}:00`) + 1;
      while (taken < end) {
        await eventually('a publish', 10_000, () => logger.publish(1) === 1);
        await eventually('its acknowledgement', 10_000, () => acknowledged === taken);
        const subject = mailDueAt(taken - 1);
        if (subject !== undefined) await mailOf(scene.sink, subject);
      }
    };
    const seen = new Map<string, Alert>();
    const killed = async (): Promise<void> => {
      for (const alert of await alertsOf(server)) seen.set(alert.id, alert);
      // Some rows are under way, in whatever state the kill finds them.
      logger.publish(3);
      await server.kill();
      logger.port = null;
      server = await scene.start();
      logger.port = server.mqttPort;
      await eventually('what was under way is acknowledged', 10_000, () => acknowledged === taken);
    };

    await upTo('12:19');
    await killed(); // pending
    await upTo('13:39');
    await killed(); // firing
    await upTo('20:19');
    await killed(); // nothing open
    await upTo('21:59');
    await killed(); // pending at the other limit
    while (taken < rows.length) {
      await eventually('a publish', 10_000, () => logger.publish(1) === 1);
      await eventually('its acknowledgement', 10_000, () => acknowledged === taken);
    }
    await settled(server);
    await expectWhatTheLogShows(server, scene);
    const final = await whole(server);
    for (const [id, alert] of seen)
      expect((await alertsOf(server)).find((now) => now.id === id)).toMatchObject({ rule: alert.rule, since: alert.since });

    await server.kill();
    server = await scene.start();
    await settled(server);
    expect(await whole(server)).toEqual(final);
    expectEachToldOnce(scene);
  });
});
