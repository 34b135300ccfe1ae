/** The guides of devices/README.md, followed in the running program with mosquitto's own client; and the real payloads of those devices. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { bytesOf, isThere, rowsOf } from '../devices/corpus/corpus.ts';
import { type Guide, guidesIn } from '../devices/guides.ts';
import type { Server } from '../load/server.ts';
import { type Alert, alertsOf, connectDevice, eventually, listOf, openScene, type QuarantineItem, type Scene } from '../scenarios/scene.ts';
import { mosquittoPub } from '../services/mosquitto.ts';
import type { Available } from '../services/service.ts';
import { tocsin } from './command.ts';

const run = promisify(execFile);
const WAIT_MS = 15_000;
const GUIDES = guidesIn(readFileSync('devices/README.md', 'utf8'));

/** Which rule fires on which device, once the guide's messages are in; and the corpus of such devices. */
const COME_TO: Readonly<Record<string, { alerts: readonly string[]; corpus: string | null }>> = {
  'A Tasmota plug': { alerts: ['plug-overload washer warning washer draws 2350 W'], corpus: 'tasmota' },
  'A Zigbee2MQTT bridge': { alerts: ['leak cellar-leak critical Water in the cellar (cellar-leak)'], corpus: 'zigbee2mqtt' },
  'An application of The Things Network': { alerts: ['soil-dry soil-7 warning soil-7 is dry: 12 %'], corpus: 'ttn-v3' },
  'An ESP32 of your own': { alerts: ['greenhouse-hot greenhouse warning greenhouse is hot'], corpus: null },
};

async function follow(guide: Guide): Promise<Scene> {
  const scene = await openScene({ rules: [], profiles: [] });
  for (const [path, content] of guide.files) await writeFile(join(scene.folder, path), content);
  expect(await tocsin(['check', '--config', join(scene.folder, 'config', 'tocsin.yaml')])).toMatchObject({ status: 0 });
  return scene;
}

const told = (alerts: readonly Alert[]): string[] =>
  alerts.filter(({ state }) => state === 'firing').map(({ rule, device, level, summary }) => `${rule} ${device} ${level} ${summary}`);

async function publishCorpus(server: Server, file: string): Promise<void> {
  await using device = await connectDevice(server);
  for (const row of rowsOf(file)) if (row.topic !== null) await device.say(row.topic, Buffer.from(bytesOf(row)));
}

describe('devices/README.md: from a device to a rule', { timeout: 90_000 }, () => {
  let mosquitto: Available<string>;
  beforeAll(async () => {
    mosquitto = await mosquittoPub();
  });

  it('has a guide for each of these', () => {
    expect(GUIDES.map(({ title }) => title)).toEqual(Object.keys(COME_TO));
  });

  it.for(GUIDES.map((guide) => [guide.title, guide] as const))('%s', async ([title, guide], context) => {
    if (!mosquitto.available) return context.skip(mosquitto.reason);
    const { alerts, corpus } = COME_TO[title] ?? { alerts: [], corpus: null };
    await using scene = await follow(guide);
    const server = await scene.start();
    for (const args of guide.publishes) await run(mosquitto.value, ['-h', '127.0.0.1', '-p', String(server.mqttPort), '-q', '1', ...args]);
    await eventually(`${title}: ${alerts.join()}`, WAIT_MS, async () => (told(await alertsOf(server)).length > 0 ? true : undefined));
    expect(told(await alertsOf(server))).toEqual(alerts);
    expect(await listOf<QuarantineItem>(server, '/api/v1/quarantine')).toEqual([]);

    if (corpus === null || !isThere(corpus)) return;
    await publishCorpus(server, corpus);
    // What real devices of this kind send is read; the one list that is no number is refused as such.
    const refused = await listOf<QuarantineItem>(server, '/api/v1/quarantine');
    expect(refused.filter(({ reason, topic }) => reason !== 'not-a-number' || topic !== 'zigbee2mqtt/bulb/color')).toEqual([]);
  });
});
