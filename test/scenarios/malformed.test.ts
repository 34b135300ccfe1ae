/**
 * Payloads that break decoders in the wild, and bytes that mean nothing, through the whole process: it never stops, every
 * message is acknowledged and has exactly one outcome, and what was rejected is shown with its payload and the reason.
 * Which outcome each payload has is test/devices/corpus.test.ts's to say.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Server, ServerConfig } from '../load/server.ts';
import { seededRandom } from '../load/telemetry.ts';
import {
  alertsOf,
  connectDevice,
  type Device,
  eventually,
  listOf,
  mailOf,
  openScene,
  type QuarantineItem,
  type StoredReading,
  settled,
} from './scene.ts';

const MALFORMED = '../shared/data/malformed/malformed.jsonl';
const OUTCOMES = ['accepted', 'partial', 'ignored', 'quarantined', 'duplicate', 'refused', 'dropped'];
const SEED = Number(process.env.MALFORMED_SEED ?? Math.floor(Math.random() * 2 ** 31));
const PACKET_BYTES_MAX = 262_144;

interface Case {
  readonly id: string;
  readonly topic: string;
  readonly payload?: string;
  readonly payloadBase64?: string;
  readonly expected: { readonly action: 'accept' | 'accept-partial' | 'reject' | 'ignore' };
}
const cases: readonly Case[] = existsSync(MALFORMED)
  ? readFileSync(MALFORMED, 'utf8')
      .trim()
      .split('\n')
      .map((line): Case => JSON.parse(line))
  : [];
if (cases.length === 0) console.log(`the malformed corpus is not published: there is no ${MALFORMED}`);

const bytesOf = ({ payload, payloadBase64 }: Case): Buffer =>
  payloadBase64 === undefined ? Buffer.from(payload ?? '') : Buffer.from(payloadBase64, 'base64');

/** Accepted by the corpus, and by us once we know the format or can be told of decimal commas. */
const NOT_YET = ['malformed-031', 'malformed-060', 'malformed-069'];

const GENERIC_TOPICS = [
  'awtrix_f1e2/{device}',
  'solar/{device}',
  'app/{device}',
  'ems-esp/{device}',
  'tuya/{device}/dps',
  'rdz_sonde/{device}',
  'mqtt/sensor/{device}',
  'sensors/{device}',
  'test/{device}',
  'v1/devices/{device}/telemetry',
  'influx/{device}',
  'EnergyMeter/{device}',
  'gw/{device}',
  'm/{device}',
  'telegraf/{device}',
  'wall/{device}',
  'lorawan/{device}',
  'ruuvi/{device}',
  'pv1/status/{device}',
];
const CONFIG: ServerConfig = {
  profiles: [
    {
      profile: 'tasmota',
      topic: ['tele/{device}/SENSOR', 'tele/{site}/{device}/SENSOR', 'tele/{device}/STATE', 'stat/{device}/RESULT'],
      time: 'Time',
      timezone: 'Europe/Berlin',
    },
    {
      profile: 'zigbee',
      topic: 'zigbee2mqtt/{device}',
      metrics: {
        temperature: { range: [-40, 125] },
        humidity: {},
        pressure: {},
        battery: {},
        voltage: {},
        linkquality: {},
        co2: {},
        pm25: { range: [0, 1000] },
      },
    },
    { profile: 'rtl-433', topic: 'rtl_433/{device}/events', metrics: { temperature_C: {}, humidity: { range: [0, 110] } } },
    { profile: 'switch', topic: ['stat/{device}/POWER', 'cmnd/{device}/POWER'], decode: 'scalar', metrics: { POWER: { type: 'boolean' } } },
    { profile: 'colour', topic: 'zigbee2mqtt/{device}/color', decode: 'scalar', metrics: { color: {} } },
    { profile: 'scalar', topic: 'sensor/{device}/{metric}', decode: 'scalar' },
    {
      profile: 'room',
      topic: ['kitchen/{device}', 'sensor/{device}', 'ITE05/{device}', 'openhab/{device}'],
      decode: 'scalar',
      metrics: { value: {} },
    },
    { profile: 'electricity', topic: 'rtlamr/{device}', metrics: { reading: {} } },
    { profile: 'meter', topic: 'ems/{device}', time: 't', clockSkew: 'quarantine', metrics: { P: { path: 'data.P' } } },
    { profile: 'generic', topic: GENERIC_TOPICS },
  ],
  rules: [{ id: 'alive', devices: { id: 'well' }, levels: { critical: { when: 'temperature > 30' } } }],
};

async function outcomesOf(server: Server): Promise<Record<string, number>> {
  const metrics = await server.metrics();
  return Object.fromEntries(OUTCOMES.map((outcome) => [outcome, metrics.sum('tocsin_messages_total', { outcome })]));
}
const total = (outcomes: Record<string, number>): number => Object.values(outcomes).reduce((sum, count) => sum + count, 0);

/** Publishes, and says what became of it: the one counter that went up by one. */
async function outcomeOf(server: Server, publish: () => Promise<void>): Promise<string> {
  const before = await outcomesOf(server);
  await publish();
  const after = await outcomesOf(server);
  const moved = OUTCOMES.filter((outcome) => after[outcome] !== before[outcome]);
  expect(total(after) - total(before), `outcomes of one message: ${moved.join(', ')}`).toBe(1);
  return moved[0] ?? '';
}

const payloadIn = (item: QuarantineItem): Buffer =>
  item.payloadBase64 === undefined ? Buffer.from(item.payload ?? '') : Buffer.from(item.payloadBase64, 'base64');

/** Still there, and still of use: a reading becomes an alert and a mail. */
async function expectWell(server: Server, device: Device, temperature: number, subject: () => Promise<unknown>): Promise<void> {
  expect(server.isRunning(), server.stderrTail()).toBe(true);
  await device.say('sensors/well/telemetry', { temperature });
  await subject();
  expect((await server.get('/readyz')).status).toBe(200);
}

describe('what does not decode', { timeout: 120_000 }, () => {
  it.skipIf(cases.length === 0)('is acknowledged, has one outcome, and is shown with its payload and the reason', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await using device = await connectDevice(server, 'wild');
    const published: { topic: string; payload: Buffer; outcome: string }[] = [];
    const wrong: string[] = [];
    for (const one of cases) {
      const payload = bytesOf(one);
      for (const topic of [one.topic, `sensors/${one.id}/telemetry`, `sensors/${one.id}/value`]) {
        const outcome = await outcomeOf(server, () => device.say(topic, payload));
        published.push({ topic, payload, outcome });
        if (topic !== one.topic || NOT_YET.includes(one.id)) continue;
        const isKept = outcome === 'accepted' || outcome === 'partial' || outcome === 'duplicate';
        const { action } = one.expected;
        // Of what is to be rejected, the rest of the message may be kept; `{}`, nan and null say nothing, and are no error.
        const isAsExpected = action === 'ignore' || (action === 'reject' ? outcome !== 'accepted' : isKept || outcome === 'ignored');
        if (!isAsExpected) wrong.push(`${one.id} on ${topic}: ${action} expected, ${outcome}`);
      }
    }
    expect(wrong).toEqual([]);
    await settled(server);

    const outcomes = await outcomesOf(server);
    expect(total(outcomes)).toBe(3 * cases.length);
    expect(outcomes).toMatchObject({ refused: 0, dropped: 0 });
    for (const outcome of ['accepted', 'partial', 'ignored', 'quarantined']) expect(outcomes[outcome], outcome).toBeGreaterThan(0);

    const kept = await listOf<QuarantineItem>(server, '/api/v1/quarantine', 20);
    for (const { topic, payload, outcome } of published) {
      const items = kept.filter((item) => item.topic === topic && payloadIn(item).equals(payload));
      const label = `${topic} ${outcome} ${payload.toString().slice(0, 80)}`;
      if (outcome === 'quarantined' || outcome === 'partial') {
        expect(items.length, label).toBeGreaterThan(0);
        for (const item of items) {
          expect(item).toMatchObject({ client: 'wild', partial: outcome === 'partial' });
          expect(item.reason, label).toMatch(/^[a-z0-9-]+$/);
          expect(item.detail, label).not.toBe('');
          expect(item.receivedAt).toMatch(/^20\d\d-.*Z$/);
        }
      } else expect(items, label).toEqual([]);
    }
    const topics = new Set(published.map(({ topic }) => topic));
    expect(kept.filter(({ topic }) => !topics.has(topic))).toEqual([]);
    await expectWell(server, device, 35, () => mailOf(scene.sink, '[CRITICAL] alive on well: 35'));

    await server.kill();
    const restarted = await scene.start();
    await settled(restarted);
    expect(await listOf<QuarantineItem>(restarted, '/api/v1/quarantine', 20)).toEqual(kept);
  });

  it('may be any bytes, on any sensor topic, with any QoS, all at once', async () => {
    console.log(`seed: MALFORMED_SEED=${SEED}`);
    const random = seededRandom(SEED);
    const noise = Array.from({ length: 600 }, () =>
      Buffer.from(Array.from({ length: Math.floor(random() * 200) }, () => Math.floor(random() * 256))),
    );
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await using device = await connectDevice(server, 'noisy');
    const topics = ['sensors/n/telemetry', 'sensors/n/value', 'tele/n/SENSOR', 'zigbee2mqtt/n', 'nobody/listens/here/at/all'];
    await Promise.all(
      noise.map((bytes, index) => device.say(topics[index % topics.length] ?? '', bytes, ([0, 1, 2] as const)[index % 3] ?? 1)),
    );
    await eventually('every message is counted', 10_000, async () => total(await outcomesOf(server)) === noise.length);
    await settled(server);
    const outcomes = await outcomesOf(server);
    expect(outcomes).toMatchObject({ dropped: 0, refused: 0 });
    const kept = await listOf<QuarantineItem>(server, '/api/v1/quarantine');
    expect(kept.length).toBeGreaterThanOrEqual((outcomes.quarantined ?? 0) + (outcomes.partial ?? 0));
    for (const item of kept)
      expect(
        noise.some((bytes) => bytes.equals(payloadIn(item))),
        JSON.stringify(item),
      ).toBe(true);
    await expectWell(server, device, 35, () => mailOf(scene.sink, '[CRITICAL] alive on well: 35'));
  });

  it('may be hostile: deep, wide, huge, in the names of the program or of no device', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await using device = await connectDevice(server, 'hostile');
    // The limit is that of the packet: beside the payload it has the topic's length and text, and an identifier.
    const largest = PACKET_BYTES_MAX - 2 - 'sensors/h/telemetry'.length - 2;
    const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 15_000 }, (_, index) => [`m${index}`, index])));
    const table: readonly [topic: string, payload: string | Buffer, outcome: RegExp][] = [
      ['sensors/h/telemetry', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`, /^quarantined$/],
      ['sensors/h/telemetry', '['.repeat(100_000), /^quarantined$/],
      ['sensors/h/telemetry', wide, /^(quarantined|partial)$/],
      ['sensors/h/telemetry', '{"__proto__": {"temperature": 1}, "constructor": 2}', /^(quarantined|partial|accepted)$/],
      ['sensors/h/telemetry', '{"temperature": 1e999}', /^(quarantined|ignored)$/],
      ['sensors/h/telemetry', '{"text": "\\ud800", "nul": "\\u0000"}', /^(quarantined|partial|accepted)$/],
      ['sensors/h/telemetry', Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), /^ignored$/],
      ['sensors/h/telemetry', Buffer.alloc(largest, 0x20), /^quarantined$/],
      ['sensors/h/telemetry', Buffer.alloc(largest + 1, 0x20), /^refused$/],
      ['sensors/h/value', 'x'.repeat(100_000), /^(quarantined|accepted)$/],
      ['sensors//telemetry', '{"temperature": 1}', /^quarantined$/],
      [`sensors/${'d'.repeat(2000)}/telemetry`, '{"temperature": 1}', /^quarantined$/],
      ['sensors/h\u0007/telemetry', '{"temperature": 1}', /^quarantined$/],
      ['sensors/__proto__/telemetry', '{"temperature": 1}', /^(quarantined|accepted)$/],
      ['tocsin/status', '{"state": "stolen"}', /^refused$/],
      ['tocsin/alerts/alive/well', '', /^refused$/],
      ['sensors/h/telemetry/and/more', '{"temperature": 1}', /^ignored$/],
      ['sensors/h/telemetry', '', /^ignored$/],
    ];
    for (const [topic, payload, expected] of table) {
      const outcome = await outcomeOf(server, () => device.say(topic, payload));
      expect(outcome, `${topic.slice(0, 60)}: ${payload.slice(0, 60).toString()}`).toMatch(expected);
    }
    expect(total(await outcomesOf(server))).toBe(table.length);
    await settled(server);
    for (const { values } of await listOf<StoredReading>(server, '/api/v1/readings?device=h')) {
      for (const value of Object.values(values)) expect(['number', 'boolean', 'string']).toContain(typeof value);
    }
    await listOf<QuarantineItem>(server, '/api/v1/quarantine', 5);
    await listOf(server, '/api/v1/devices');
    await expectWell(server, device, 35, () => mailOf(scene.sink, '[CRITICAL] alive on well: 35'));
    expect(await alertsOf(server)).toHaveLength(1);
  });
});
