/** What a discovery message taught is known again after SIGKILL, as soon as the message was acknowledged. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Server } from '../load/server.ts';
import { connectDevice, eventually, listOf, openScene, type StoredReading } from '../scenarios/scene.ts';

const CONFIG = {
  name: 'Temperature',
  state_topic: 'cellar/state',
  unit_of_measurement: '°C',
  value_template: '{{ value_json.t }}',
  device: { identifiers: ['cellar'], name: 'Cellar' },
};

async function say(server: Server, topic: string, payload: Readonly<Record<string, unknown>>): Promise<void> {
  await using device = await connectDevice(server);
  await device.say(topic, payload);
}

const values = async (server: Server): Promise<unknown[]> =>
  (await listOf<StoredReading>(server, '/api/v1/readings?device=cellar').catch(() => [])).map((reading) => reading.values);

describe('what a discovery message taught', { timeout: 90_000 }, () => {
  it('is there after a kill, before any file of it was written, and is forgotten when it is taken back', async () => {
    await using scene = await openScene({ rules: [], profiles: [] });
    const first = await scene.start();
    await say(first, 'cellar/state', { t: 1 });
    await say(first, 'homeassistant/sensor/cellar/config', CONFIG);
    await first.kill();
    expect(existsSync(join(scene.folder, 'data', 'learned.json'))).toBe(false);

    const second = await scene.start();
    await say(second, 'cellar/state', { t: 5.5 });
    await eventually('the reading is stored', 15_000, async () => ((await values(second)).length > 0 ? true : undefined));
    expect(await values(second)).toEqual([{ t: 5.5 }]);
    expect((await second.get('/api/v1/devices/cellar')).body).toMatchObject({ name: 'Cellar', values: { t: { value: 5.5, unit: '°C' } } });
    await second.stop();
    expect(existsSync(join(scene.folder, 'data', 'learned.json'))).toBe(true);

    const third = await scene.start();
    await say(third, 'cellar/state', { t: 6 });
    await eventually('the reading is stored', 15_000, async () => ((await values(third)).length > 1 ? true : undefined));
    await using device = await connectDevice(third);
    await device.say('homeassistant/sensor/cellar/config', '');
    await third.kill();
    const fourth = await scene.start();
    await say(fourth, 'cellar/state', { t: 7 });
    await say(fourth, 'sensors/end/telemetry', { t: 1 });
    await eventually('what came after it is stored', 15_000, async () =>
      (await listOf(fourth, '/api/v1/readings?device=end').catch(() => [])).length > 0 ? true : undefined,
    );
    expect(await values(fourth)).toHaveLength(2);
  });
});
