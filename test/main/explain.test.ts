/** `tocsin explain` on the whole program: now, at a time in the past, and how it exits. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import { connectDevice, mailOf, openScene, settled } from '../scenarios/scene.ts';
import { tocsin } from './command.ts';

const PROFILE = {
  profile: 'fridge',
  topic: 'fridges/{device}',
  time: 'ts',
  interval: '5m',
  metrics: { temperature: { unit: '°C' }, door: { type: 'boolean' } },
  limits: { temperature_max: 8 },
};
const RULES = [
  {
    id: 'warm',
    devices: { profile: 'fridge' },
    levels: { warning: { when: "temperature > limits.temperature_max && (door || avg(temperature, '10m') > 8)", for: '10m' } },
    noData: { after: '30m', raise: 'warning' },
  },
  { id: 'hot', devices: { profile: 'fridge', labels: { site: 'paris' } }, levels: { critical: { when: 'temperature > 30' } } },
];

describe('tocsin explain', { timeout: 90_000 }, () => {
  it('says why a device does not alert, why it did, and what it was before', async () => {
    await using scene = await openScene({ rules: RULES, profiles: [PROFILE] });
    const fleet = [{ id: 'f1', profile: 'fridge', labels: { site: 'berlin' }, limits: { temperature_max: 7 } }];
    await writeFile(join(scene.folder, 'devices', 'fleet.yaml'), JSON.stringify({ devices: fleet }));
    const server = await scene.start();
    await using device = await connectDevice(server);
    // All times are told from one: however slow the machine, they lie as far apart.
    const startMs = systemClock.now() / 1000;
    const minutesAgo = (minutes: number): string => new Date(startMs - minutes * 60_000).toISOString();
    const say = async (minutes: number, values: Record<string, unknown>): Promise<void> => {
      await device.say('fridges/f1', { ts: minutesAgo(minutes), ...values });
      await settled(server);
    };
    const ask = (...args: readonly string[]) => tocsin(['explain', ...args, '--url', server.httpUrl]);
    const offline = (...args: readonly string[]) => tocsin(['explain', ...args, '--config', join(scene.folder, 'config', 'tocsin.yaml')]);

    await say(8, { temperature: 5 });
    const quiet = await ask('f1');
    expect(quiet).toMatchObject({ status: 0, stderr: '' });
    expect(quiet.stdout).toMatch(/^f1 at 20/);
    expect(quiet.stdout).toMatch(/^ {2}limits +temperature_max 7, from device f1 in fleet\.yaml$/m);
    expect(quiet.stdout).toMatch(/^warm: OK {2}\(.*rules\.yaml:\d+:\d+\)$/m);
    expect(quiet.stdout).toMatch(/^ {6}\[false\] {3}temperature > limits\.temperature_max +false$/m);
    expect(quiet.stdout).toMatch(/^ {6}\[\?\] +door +unknown +no value of door has come yet$/m);
    expect(quiet.stdout).toMatch(/^ +avg\(temperature, '10m'\) +5 +1 samples in 10m$/m);
    expect(quiet.stdout).toMatch(/no data {2}no value of door for .* no-data \(raise warning\) after 30m/);
    expect(quiet.stdout).toMatch(/^ {2}alerts {2}none so far$/m);
    expect(quiet.stdout).toMatch(
      /if it fired now it would tell\n {4}warning +operator \(email operator@example\.org\) +no route matches: the default/,
    );
    expect(quiet.stdout).toMatch(/^not for it\n {2}hot +it is for site=paris, and f1 has site=berlin/m);

    await say(7, { temperature: 9, door: true });
    const waiting = await ask('f1', 'warm');
    expect(waiting.stdout).toMatch(/^warm: pending warning/m);
    expect(waiting.stdout).toMatch(/true since .*: 0s of 10m; fires at .* unless a reading says otherwise before/);
    expect(waiting.stdout).not.toContain('hot');

    await say(0, { temperature: 9.5, door: true });
    // Now that it has held for 7 minutes: ten are reached by a reading of a time in the near future.
    await say(-4, { temperature: 9.7, door: true });
    await mailOf(scene.sink, '[WARNING] warm on f1: 9.7');
    await settled(server);
    const fired = await ask('f1', 'warm');
    expect(fired.stdout).toMatch(/^warm: firing warning/m);
    expect(fired.stdout).toMatch(/ firing +temperature > .* has been true for 1\dm/);
    expect(fired.stdout).toMatch(/ sent +/);
    const data: unknown = JSON.parse((await ask('f1', 'warm', '--json')).stdout);
    expect(data).toMatchObject({ device: { id: 'f1' }, rules: [{ rule: 'warm', phase: 'firing', alert: { level: 'warning' } }] });

    for (const source of [[], ['--journal']]) {
      const past = await ask(
        'f1',
        'warm',
        '--at',
        source.length === 0 ? minutesAgo(7.5) : 'now',
        '--config',
        join(scene.folder, 'config', 'tocsin.yaml'),
        ...source,
      );
      expect(past).toMatchObject({ status: 0, stderr: '' });
      if (source.length === 0) expect(past.stdout).toMatch(/^warm: OK/m);
      else expect(past.stdout).toMatch(/^warm: firing warning/m);
      expect(past.stdout).toContain('note: replayed from ');
    }
    await server.stop();
    const alone = await offline('f1', 'warm', '--at', minutesAgo(1));
    expect(alone).toMatchObject({ status: 0 });
    expect(alone.stdout).toMatch(/^warm: pending warning/m);
    expect(alone.stdout).toContain('alerts and messages are those of the replay');
  });

  it('exits with 1 for what is not there, and says what may be meant; with 2 for wrong usage', async () => {
    await using scene = await openScene({ rules: RULES, profiles: [PROFILE] });
    await writeFile(join(scene.folder, 'devices', 'fleet.yaml'), JSON.stringify({ devices: [{ id: 'fridge-01', profile: 'fridge' }] }));
    const server = await scene.start();
    const ask = (...args: readonly string[]) => tocsin(['explain', ...args, '--url', server.httpUrl]);
    expect(await ask('fridge-1')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'no device "fridge-1" has been heard of; did you mean fridge-01?\n',
    });
    expect(await ask('fridge-01', 'wram')).toEqual({ status: 1, stdout: '', stderr: 'there is no rule "wram"; did you mean warm?\n' });
    expect(await ask()).toMatchObject({ status: 2, stderr: expect.stringContaining('which device?') });
    expect(await ask('fridge-01', '--at', 'yesterday-ish')).toMatchObject({ status: 2, stderr: expect.stringContaining('--at') });
    expect(await ask('fridge-01', '--at', '2199-01-01')).toMatchObject({ status: 2 });
    expect(await ask('fridge-01', 'warm', 'more')).toMatchObject({ status: 2 });
    expect(await tocsin(['explain', '--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('usage: tocsin explain') });
    expect((await ask('fridge-01')).stdout).toContain('it has not been evaluated yet');
  });
});
