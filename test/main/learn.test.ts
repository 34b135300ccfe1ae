/** `tocsin devices learn`: a profile from what a real client publishes to the running program, and from a recording; and that it does what it says. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseProfile } from '../../src/devices/profile.ts';
import { connectDevice, eventually, listOf, openScene } from '../scenarios/scene.ts';
import { mosquittoPub } from '../services/mosquitto.ts';
import { type Available, freePort } from '../services/service.ts';
import { type Ended, tocsin } from './command.ts';

const run = promisify(execFile);

describe('a profile is learned', { timeout: 90_000 }, () => {
  let mosquitto: Available<string>;
  beforeAll(async () => {
    mosquitto = await mosquittoPub();
  });

  it('from what is published, and put in place reads just that', async (context) => {
    if (!mosquitto.available) return context.skip(mosquitto.reason);
    const program = mosquitto.value;
    await using scene = await openScene({ rules: [], profiles: [] });
    const server = await scene.start();
    const publish = (topic: string, payload: object): Promise<unknown> =>
      run(program, ['-h', '127.0.0.1', '-p', String(server.mqttPort), '-q', '1', '-t', topic, '-m', JSON.stringify(payload)]);
    const url = `mqtt://127.0.0.1:${server.mqttPort}`;
    let ended: Ended | null = null;
    const learning = tocsin(['devices', 'learn', '--mqtt', url, '--topic', 'tanks/#', '--for', '6s', '--name', 'tank']).then((end) => {
      ended = end;
      return end;
    });
    for (let step = 0; ended === null; step++) {
      await publish('tanks/t-1/report', { level: 40 + (step % 5), temperature: 12.5, pump: false });
      await publish('tanks/t-2/report', { level: 60, temperature: 85, pump: true });
      await publish('other/x/report', { level: 1 });
    }
    const { status, stdout, stderr } = await learning;
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining(`listening to tanks/# at ${url} for 6s\n`) });
    const { parsed, problems } = parseProfile({ path: 'tank.yaml', text: stdout });
    expect(problems).toEqual([]);
    expect(parsed?.profile).toMatchObject({ name: 'tank', topics: ['tanks/{device}/report'], decode: 'json' });
    expect(parsed?.profile.metrics.map(({ name, type, unit }) => ({ name, type, unit }))).toEqual([
      { name: 'level', type: 'number', unit: null },
      { name: 'temperature', type: 'number', unit: '°C' },
      { name: 'pump', type: 'boolean', unit: null },
    ]);
    expect(parsed?.profile.metrics[1]?.absent).toEqual([85]);
    expect(stdout).toMatch(/^ {2}level: \{\} {2}# 40 to 60$/m);

    await writeFile(join(scene.folder, 'devices', 'profiles', 'tank.yaml'), stdout);
    expect(await tocsin(['reload', '--url', server.httpUrl])).toMatchObject({ status: 0 });
    await using device = await connectDevice(server);
    await device.say('tanks/t-2/report', { level: 61, temperature: 85, pump: true });
    const devices = await eventually('t-2 has its profile', 10_000, async () => {
      const items = await listOf(server, '/api/v1/devices');
      return items.some((item) => JSON.stringify(item).includes('"profile":"tank"')) && items;
    });
    expect(devices).toMatchObject([{ id: 't-2', profile: 'tank', values: { level: { value: 61 }, pump: { value: true } } }]);
    expect(JSON.stringify(devices)).not.toContain('temperature');
  });

  it('from a recording, as mosquitto_sub writes it and as ours are', async () => {
    const lines = Array.from({ length: 4 }, (_, step) => [
      {
        tst: `2026-11-23T08:0${step}:00.000000+0100`,
        topic: 'soil/a1/moisture',
        qos: 0,
        retain: 0,
        payloadlen: 2,
        payload: `${30 + step}`,
      },
      { topic: 'soil/a2/moisture', payloadBase64: Buffer.from('31').toString('base64'), at: `2026-11-23T07:0${step}:00Z` },
      { topic: 'else/b1/data', payload: { t: step } },
    ]).flat();
    const input = `${lines.map((line) => JSON.stringify(line)).join('\n')}\n\n`;
    const { status, stdout, stderr } = await tocsin(['devices', 'learn', '-', '--topic', 'soil/#'], { stdin: input });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '8 messages on 2 topics\n' });
    expect(stdout).toBe(`# proposed by tocsin devices learn, from 8 messages of 2 devices: a1, a2
profile: soil-moisture
topic: "soil/{device}/moisture"
decode: scalar
interval: 1m  # the median of 2 series
metrics:
  moisture: {unit: "%"}  # 30 to 33; unit by its name
`);
    const both = await tocsin(['devices', 'learn', '-'], { stdin: input });
    expect(both.stderr).toContain(
      "1 more kind of devices heard; --topic learns one of them:\n  --topic 'else/+/data'  4 messages of 1 device\n",
    );
  });

  it('not from nothing: status 1, with what may help', async () => {
    expect(await tocsin(['devices', 'learn', '-'], { stdin: '' })).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/nothing was heard\nhint: a line is/),
    });
    expect(await tocsin(['devices', 'learn', '-'], { stdin: '{"topic":"a/b","payload":"<xml/>"}\n' })).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/no reading was among what was heard/),
    });
    expect(await tocsin(['devices', 'learn', '-'], { stdin: '{"topic":"a/b"}\nno json\n' })).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^stdin:2: no JSON: .*\nhint: expected \{"topic"/),
    });
    const url = `mqtt://user:secret@127.0.0.1:${await freePort()}`;
    const nobody = await tocsin(['devices', 'learn', '--mqtt', url]);
    expect(nobody).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^no broker answers at mqtt:\/\/127\.0\.0\.1:\d+: .*\nhint: /),
    });
    expect(nobody.stderr).not.toContain('secret');
  });

  it.each([
    [['--for', 'soon']],
    [['--for', '0s']],
    [['--topic', 'a/#/b']],
    [['--topic', 'a+']],
    [['--name', 'two words']],
    [['--mqtt', 'http://x']],
    [['ID']],
  ])('%j is wrong usage', async (args) => {
    expect(await tocsin(['devices', 'learn', ...args])).toMatchObject({ status: 2, stdout: '' });
  });
});
