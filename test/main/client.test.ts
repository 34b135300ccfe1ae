/** `tocsin devices`, `alerts` and `reload`: what they print of the running instance, and how they exit. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../load/server.ts';
import { alertsOf, connectDevice, eventually, mailOf, openScene } from '../scenarios/scene.ts';
import { freePort } from '../services/service.ts';
import { tocsin } from './command.ts';

const PROFILE = {
  profile: 'fridge',
  topic: 'fridges/{device}',
  metrics: { temperature: { unit: '°C' }, door: { type: 'boolean' } },
  limits: { temperature_max: 8 },
};
const WARM = { id: 'warm', devices: { profile: 'fridge' }, levels: { warning: { when: 'temperature > limits.temperature_max' } } };

describe('the running instance, asked from the command line', { timeout: 90_000 }, () => {
  it('shows devices and alerts, in columns and as JSON', async () => {
    await using scene = await openScene({ rules: [WARM], profiles: [PROFILE] });
    await writeFile(
      join(scene.folder, 'devices', 'fleet.yaml'),
      JSON.stringify({ devices: [{ id: 'f1', profile: 'fridge', labels: { site: 'berlin' }, limits: { temperature_max: 7 } }] }),
    );
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('fridges/f1', { temperature: 7.5, door: false });
    await device.say('fridges/f2', { temperature: 5 });
    await device.say('sensors/evil/telemetry', { text: '\u001b[2Jgone' });
    await mailOf(scene.sink, '[WARNING] warm on f1: 7.5');
    const ask = (...args: readonly string[]) => tocsin([...args, '--url', server.httpUrl]);

    const devices = await ask('devices');
    expect(devices).toMatchObject({ status: 0, stderr: '' });
    expect(devices.stdout).toMatch(/^DEVICE +PROFILE +ONLINE +LAST SEEN +VALUES\n/);
    expect(devices.stdout).toMatch(/^f1 +fridge +- +\S+( ago)? +temperature 7\.5 °C, door false$/m);
    expect(devices.stdout).toContain('text �[2Jgone');
    expect(await ask('devices', 'ls', '--limit', '1')).toMatchObject({
      status: 0,
      stderr: 'there are more than 1: --limit shows more of them\n',
    });
    const list: unknown = JSON.parse((await ask('devices', 'ls', '--json')).stdout);
    expect(list).toMatchObject([{ id: 'evil' }, { id: 'f1', values: { temperature: { value: 7.5 } } }, { id: 'f2' }]);

    const show = await ask('devices', 'show', 'f1');
    expect(show.stdout).toMatch(/^f1\n {2}profile +fridge\n {2}labels +site=berlin\n/);
    expect(show.stdout).toMatch(/^ {2}temperature +7\.5 °C +\S+( ago)?$/m);
    expect(show.stdout).toMatch(/^ {2}temperature_max +7(?: +from .*)?$/m);
    expect(JSON.parse((await ask('devices', 'show', 'f1', '--json')).stdout)).toMatchObject({ id: 'f1', labels: { site: 'berlin' } });
    expect(await ask('devices', 'show', 'nobody')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: 'no device "nobody" has been heard of\n',
    });

    const [alert] = await alertsOf(server);
    const alerts = await ask('alerts', 'ls', '--state', 'firing', '--device', 'f1');
    expect(alerts.stdout).toMatch(new RegExp(`^firing +warning +warm +f1 +\\S+( ago)? +${alert?.id} +`, 'm'));
    expect(await ask('alerts', '--state', 'resolved')).toMatchObject({ status: 0, stdout: 'no alerts\n' });
    expect(await ask('alerts', '--state', 'open')).toMatchObject({ status: 1, stderr: expect.stringContaining('state') });
    const one = await ask('alerts', 'show', alert?.id ?? '');
    expect(one.stdout).toMatch(/^ {2}level +warning$/m);
    expect(one.stdout).toMatch(/^timeline\n {2}20.* firing +.*temperature/m);
    expect(one.stdout).toMatch(/ sent +/);
    expect(JSON.parse((await ask('alerts', '--json')).stdout)).toMatchObject([{ id: alert?.id }]);
  });

  it('shows who is said to be offline, and names and units that messages say', async () => {
    await using scene = await openScene({ rules: [WARM], profiles: [PROFILE] });
    const server = await scene.start();
    await using device = await connectDevice(server);
    const about = { device: { identifiers: ['plug-7'], name: 'Kettle' }, availability_topic: 'plugs/7/lwt' };
    await device.say('homeassistant/sensor/plug-7/power/config', {
      ...about,
      state_topic: 'plugs/7/power',
      name: 'power',
      unit_of_measurement: 'W',
    });
    await device.say('plugs/7/power', '1800.5');
    await device.say('plugs/7/lwt', 'offline');
    await device.say('fridges/f1', { temperature: 5 });
    const ask = (...args: readonly string[]) => tocsin([...args, '--url', server.httpUrl]);
    await eventually('plug-7 is offline', 10_000, async () => (await ask('devices', '--offline')).stdout.includes('plug-7'));

    const offline = await ask('devices', '--offline');
    expect(offline.stdout).toMatch(
      /^DEVICE +NAME +PROFILE +ONLINE +LAST SEEN +VALUES\nplug-7 +Kettle +- +no +\S+( ago)? +power 1800\.5 W, availability false\n$/,
    );
    const show = await ask('devices', 'show', 'plug-7');
    expect(show.stdout).toMatch(/^plug-7\n {2}name +Kettle\n/);
    expect(show.stdout).toMatch(/^ {2}online +no$/m);
    expect(show.stdout).toMatch(/^ {2}power +1800\.5 W +\S+( ago)?$/m);
    expect((await ask('devices', 'show', 'f1')).stdout).toMatch(/^ {2}online +not known/m);

    await device.say('plugs/7/lwt', 'online');
    await eventually(
      'plug-7 is online',
      10_000,
      async () => (await ask('devices', '--offline')).stdout === 'no device is said to be offline\n',
    );
    const answered: unknown = JSON.parse((await ask('devices', 'show', 'plug-7', '--json')).stdout);
    expect(answered).toMatchObject({ name: 'Kettle', online: true, values: { power: { value: 1800.5, unit: 'W' } } });
  });

  it('reload applies what is valid and prints it, and says what is not, with status 1', async () => {
    await using scene = await openScene({ rules: [WARM], profiles: [PROFILE] });
    const server = await scene.start();
    const reload = (...args: readonly string[]) => tocsin(['reload', '--url', server.httpUrl, ...args]);
    expect(await reload()).toMatchObject({ status: 0, stdout: 'nothing has changed\n' });
    const path = join(scene.folder, 'config', 'rules', 'rules.yaml');
    await writeFile(path, JSON.stringify({ rules: [{ ...WARM, labels: { team: 'a' } }] }));
    expect(await reload()).toEqual({
      status: 0,
      stdout: 'rule warm: labels {} → {"team":"a"}: on alerts that open from now on\n',
      stderr: '',
    });
    await writeFile(path, 'rules:\n  - id: warm\n    levls: {}\n');
    const { status, stdout, stderr } = await reload();
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/rules\.yaml:3:5: .*levls/);
    expect(stderr).toMatch(/^hint: /m);
  });

  it('says so when nobody answers, when it is not Tocsin, and when the port cannot be known', async () => {
    using folder = temporaryFolder('client');
    const url = `http://127.0.0.1:${await freePort()}`;
    expect(await tocsin(['devices', '--url', url])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^no Tocsin answers at http:.*ECONNREFUSED.*\nhint: is it running\?/),
    });
    const config = join(folder.path, 'tocsin.yaml');
    await writeFile(config, 'http: {listen: "http://127.0.0.1:0"}\n');
    expect(await tocsin(['alerts', '--config', config])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/port 0.*\nhint: .*--url/),
    });
    const other = createServer((_, response) => response.end('<h1>something else</h1>')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const otherUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    expect(await tocsin(['alerts', '--url', otherUrl])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/answered 200, and nothing that Tocsin would say\nhint: /),
    });
    other.close();
    await writeFile(config, `http: {listen: "${url}"}\n`);
    expect(await tocsin(['reload', '--config', config])).toMatchObject({ status: 1, stderr: expect.stringContaining(url) });
  });

  it.each([
    [['devices', 'shw']],
    [['devices', 'show']],
    [['devices', '--limit', 'many']],
    [['alerts', 'ls', 'x']],
    [['alerts', '--sate', 'firing']],
    [['reload', 'now']],
  ])('%s is wrong usage: status 2', async (args) => {
    expect(await tocsin(args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('hint: tocsin --help') });
  });

  it.each(['devices', 'alerts', 'reload', 'check'])('%s --help explains its options', async (name) => {
    expect(await tocsin([name, '--help'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(new RegExp(`^usage: tocsin ${name}[^]*--url`)),
      stderr: '',
    });
  });
});
