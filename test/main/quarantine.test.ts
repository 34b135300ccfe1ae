/** The quarantine of a running instance, from a broken message over a mended profile to its readings in history. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { Server } from '../load/server.ts';
import {
  alertsOf,
  connectDevice,
  eventually,
  listOf,
  mailOf,
  openScene,
  type QuarantineItem,
  type Scene,
  type StoredReading,
  settled,
} from '../scenarios/scene.ts';
import { tocsin } from './command.ts';

const WAIT_MS = 15_000;
const profileWith = (max: number) => ({
  profile: 'room',
  topic: 'rooms/{device}',
  metrics: { temperature: { unit: '°C', range: [0, max] } },
});
const HOT = { id: 'hot', devices: { profile: 'room' }, levels: { critical: { when: 'temperature > 40' } } };

async function mend(scene: Scene, server: Server, max: number): Promise<void> {
  await writeFile(join(scene.folder, 'devices', 'profiles', 'room.yaml'), JSON.stringify(profileWith(max)));
  expect((await post(server, '/reload')).status).toBe(200);
}

async function post(server: Server, path: string, body: object = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(new URL(`/api/v1${path}`, server.httpUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const kept = (server: Server): Promise<QuarantineItem[]> => listOf<QuarantineItem>(server, '/api/v1/quarantine');
const readings = (server: Server, device: string): Promise<StoredReading[]> =>
  listOf<StoredReading>(server, `/api/v1/readings?device=${device}`);

function keptBecome(server: Server, count: number): Promise<QuarantineItem[]> {
  return eventually(`${count} are in the quarantine`, WAIT_MS, async () => {
    const items = await kept(server);
    return items.length === count ? items : undefined;
  });
}

function readingsBecome(server: Server, device: string, count: number): Promise<StoredReading[]> {
  return eventually(`${count} readings of ${device}`, WAIT_MS, async () => {
    const rows = await readings(server, device).catch(() => []);
    return rows.length === count ? rows : undefined;
  });
}

describe('a message that did not decode', { timeout: 90_000 }, () => {
  it('is replayed into history once the profile is mended, at its time of receipt, and no rule hears of it', async () => {
    await using scene = await openScene({ rules: [HOT], profiles: [profileWith(30)] });
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('rooms/r1', { temperature: 55, humidity: 40 });
    await device.say('rooms/r2', { temperature: 66 });
    await device.say('rooms/r3', '{"temperature": "\u001b[2J');
    await device.say('rooms/r4', { temperature: 20 });
    const [, second, first] = (await keptBecome(server, 3)).toSorted((a, b) => b.id - a.id);
    const ask = (...args: readonly string[]) => tocsin(['quarantine', ...args, '--url', server.httpUrl]);

    const list = await ask();
    expect(list).toMatchObject({ status: 0, stderr: '' });
    expect(list.stdout).toMatch(/^REASON +COUNT +LAST +FOR EXAMPLE\nout-of-range +2 .*\ninvalid-json +1 .*\n\nID +RECEIVED/);
    expect(list.stdout).not.toContain('\u001b');
    const show = await ask('show', String(first?.id));
    expect(show.stdout).toMatch(/^ {2}hint +widen `range:`/m);
    expect(show.stdout).toMatch(/payload\n {2}\{"temperature":55,"humidity":40\}\n$/);

    await mend(scene, server, 100);
    expect(await ask('replay', String(first?.id))).toEqual({ status: 0, stdout: `${first?.id}: replayed as 1 reading\n`, stderr: '' });
    expect(await ask('replay', '--all')).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^\d+: rejected still, invalid-json: .*\n1 replayed as 1 reading, 1 rejected still\n$/),
    });
    const [whole] = await eventually('it is whole', WAIT_MS, async () => {
      const rows = await readings(server, 'r1');
      return rows[0]?.values.temperature === 55 ? rows : undefined;
    });
    // The part that was accepted then is where it was: both are one reading.
    expect(whole).toEqual({ device: 'r1', at: first?.receivedAt, values: { temperature: 55, humidity: 40 } });
    expect(await readings(server, 'r1')).toHaveLength(1);
    expect(await readingsBecome(server, 'r2', 1)).toEqual([{ device: 'r2', at: second?.receivedAt, values: { temperature: 66 } }]);

    await settled(server);
    expect(await alertsOf(server)).toEqual([]);
    // A device of which only history has heard is not known to rules; and one that has spoken has not spoken again.
    expect((await server.get('/api/v1/devices/r2')).status).toBe(404);
    expect((await server.get('/api/v1/devices/r1')).body).toMatchObject({ readings: 1, values: { humidity: { value: 40 } } });
    expect(await keptBecome(server, 1)).toMatchObject([{ device: 'r3' }]);
    // What comes now alerts as ever.
    await device.say('rooms/r2', { temperature: 67 });
    await mailOf(scene.sink, '[CRITICAL] hot on r2: 67');
  });

  it('alerts when it is replayed before rules, once', async () => {
    await using scene = await openScene({ rules: [HOT], profiles: [profileWith(30)] });
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('rooms/r1', { temperature: 55 });
    await device.say('rooms/r2', { temperature: 66 });
    const [entry] = (await keptBecome(server, 2)).filter((item) => item.device === 'r1');
    // What has come since is newer: what is replayed moves no rule backwards.
    await mend(scene, server, 100);
    await device.say('rooms/r2', { temperature: 20 });
    expect((await post(server, '/quarantine/replay', { rules: true })).body).toMatchObject({ replayed: 2, kept: 0, remaining: 0 });
    await mailOf(scene.sink, '[CRITICAL] hot on r1: 55');
    await settled(server);
    expect(await alertsOf(server)).toMatchObject([{ rule: 'hot', device: 'r1', since: entry?.receivedAt }]);
    expect(scene.sink.mails).toHaveLength(1);
    expect(await readingsBecome(server, 'r2', 2)).toMatchObject([{ values: { temperature: 66 } }, { values: { temperature: 20 } }]);
  });

  it('that a kill catches between journal and quarantine is there still, and once in history however often it is replayed', async () => {
    await using scene = await openScene({ rules: [HOT], profiles: [profileWith(30)] });
    let server = await scene.start();
    {
      await using device = await connectDevice(server);
      await device.say('rooms/r1', { temperature: 55 });
    }
    const [entry] = await keptBecome(server, 1);
    await mend(scene, server, 100);
    const headOf = async (): Promise<unknown> => JSON.stringify((await server.get('/api/v1/journal')).body).match(/"head":(\d+)/)?.[1];
    const before = await headOf();
    // Somebody else writes to its file: the entry cannot leave.
    const other = new DatabaseSync(join(scene.folder, 'data', 'quarantine.db'));
    other.exec('BEGIN IMMEDIATE');
    const replaying = post(server, `/quarantine/${entry?.id}/replay`).catch(() => 'cut off');
    await eventually('it is in the journal', WAIT_MS, async () => (await headOf()) !== before);
    await server.kill();
    expect(await replaying).toBe('cut off');
    other.exec('ROLLBACK');
    other.close();

    server = await scene.start();
    expect(await keptBecome(server, 1)).toEqual([entry]);
    const stored = await readingsBecome(server, 'r1', 1);
    expect(stored).toEqual([{ device: 'r1', at: entry?.receivedAt, values: { temperature: 55 } }]);
    expect((await post(server, `/quarantine/${entry?.id}/replay`)).body).toMatchObject({ outcome: 'replayed', readings: 1 });
    await settled(server);
    expect(await kept(server)).toEqual([]);
    expect(await readings(server, 'r1')).toEqual(stored);
    expect(await alertsOf(server)).toEqual([]);
    expect((await post(server, `/quarantine/${entry?.id}/replay`)).status).toBe(404);
  });
});
