/** What `tocsin` says and how it exits: CONTRACT, "Commands". `check` has tests of its own in test/cli. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startServer, temporaryFolder, writeServerConfig } from '../load/server.ts';
import { freePort } from '../services/service.ts';
import { tocsin } from './command.ts';

const RULES = [{ id: 'warm', levels: { warning: { when: 'temperature > 8' } } }];
const PROFILE = { profile: 'fridge', topic: 'fridges/{device}', metrics: { temperature: { unit: '°C' } } };

async function configured(files: Readonly<Record<string, string>> = {}): Promise<{ path: string; config: string } & Disposable> {
  const folder = temporaryFolder('main');
  await writeServerConfig(folder.path, { rules: RULES, profiles: [PROFILE] });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text);
  return Object.assign(folder, { config: join(folder.path, 'config', 'tocsin.yaml') });
}

describe('usage', () => {
  it.each([
    ['no command', []],
    ['an unknown command', ['runn']],
    ['an unknown option', ['run', '--confg', 'x']],
    ['an option without its value', ['run', '--config']],
    ['an argument too many', ['run', 'config/tocsin.yaml']],
  ])('%s exits 2 and says so on stderr', async (_, args) => {
    const { status, stdout, stderr } = await tocsin(args);
    expect({ status, stdout }, stderr).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/usage:|hint: tocsin --help/);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it.each([[['--help']], [['run', '--help']], [['check', '--help']], [['help']]])('%s exits 0 and explains on stdout', async (args) => {
    const { status, stdout, stderr } = await tocsin(args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^usage: tocsin/);
  });

  it('--version is the version of the package', async () => {
    expect(await tocsin(['--version'])).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
  });
});

describe('run with something broken', () => {
  it.each([
    {
      what: 'a config with an unknown key',
      files: { 'config/tocsin.yaml': 'data: ../data\nmqtt:\n  listners: []\n' },
      says: /^\S*config\/tocsin\.yaml:3:3: unknown key "listners"\nhint: did you mean listeners\?$/m,
    },
    {
      what: 'a config that is no YAML',
      files: { 'config/tocsin.yaml': 'data: [1,\nmqtt: {}}\n' },
      says: /^\S*config\/tocsin\.yaml:\d+:\d+: .+$/m,
    },
    {
      what: 'a rule with a misspelt metric',
      files: {
        'config/rules/rules.yaml':
          'rules:\n  - id: warm\n    devices: {profile: fridge}\n    levels:\n      warning: {when: "temprature > 8"}\n',
      },
      says: /^\S*config\/rules\/rules\.yaml:5:24: .*temprature.*\nhint: .*temperature.*$/m,
    },
    {
      what: 'a rule that is no expression',
      files: { 'config/rules/rules.yaml': 'rules:\n  - id: warm\n    levels:\n      warning: {when: "temperature > "}\n' },
      says: /^\S*config\/rules\/rules\.yaml:4:\d+: .+$/m,
    },
    {
      what: 'a profile with a wrong range',
      files: {
        'devices/profiles/fridge.yaml': 'profile: fridge\ntopic: "fridges/{device}"\nmetrics:\n  temperature: {range: [60, -40]}\n',
      },
      says: /^\S*devices\/profiles\/fridge\.yaml:4:\d+: .*the smaller number comes first$/m,
    },
    {
      what: 'a route to nobody',
      files: { 'config/notify.yaml': 'contacts: {ann: {email: ann@example.org}}\ndefault: {to: [anne]}\n' },
      says: /^\S*config\/notify\.yaml:2:16: there is no contact "anne"\nhint: did you mean ann\?$/m,
    },
  ])('$what: file:line:column, a hint, exit 1, and nothing is started', async ({ files, says }) => {
    using folder = await configured(files);
    const { status, stdout, stderr } = await tocsin(['run', '--config', folder.config]);
    expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('no such config, and a --set that does not hold, exit 1 with their place', async () => {
    using folder = await configured();
    const missing = await tocsin(['run', '--config', join(folder.path, 'nowhere.yaml')]);
    expect(missing).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/nowhere\.yaml: cannot read the config.*\nhint: /),
    });
    const wrong = await tocsin(['run', '--config', folder.config, '--set', 'journal.maxBytes=many']);
    expect(wrong).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('--set journal.maxBytes: ') });
  });

  it.each([
    [
      'mqtt',
      (port: number) => `mqtt.listeners=["mqtt://127.0.0.1:${port}"]`,
      /mqtt.*127\.0\.0\.1:\d+.*\nhint: another program has this port/,
    ],
    [
      'http',
      (port: number) => `http.listen=http://127.0.0.1:${port}`,
      /http\.listen: .*the port is taken\nhint: is another Tocsin running\?/,
    ],
  ])('a taken %s port: says which, exits 1', async (kind, setting, says) => {
    using folder = await configured();
    await using server = await startServer({ folder: folder.path });
    using other = await configured();
    const port = kind === 'mqtt' ? server.mqttPort : Number(new URL(server.httpUrl).port);
    const { status, stdout, stderr } = await tocsin(['run', '--config', other.config, '--set', setting(port)]);
    expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('a second Tocsin on the same data is refused, and the first one runs on', async () => {
    using folder = await configured();
    await using server = await startServer({ folder: folder.path });
    const { status, stdout, stderr } = await tocsin(['run', '--config', folder.config]);
    expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' });
    expect(stderr).toBe(
      `the data folder ${join(folder.path, 'data')} is in use by another Tocsin\n` +
        'hint: stop that one first, or give this one a folder of its own: --set data=DIR\n',
    );
    expect((await server.get('/readyz')).status).toBe(200);
    await server.kill();
    await using next = await startServer({ folder: folder.path });
    expect(next.isRunning()).toBe(true);
  });

  it('a data folder that cannot be one: says so, exits 1', async () => {
    using folder = await configured({ taken: 'a file' });
    const { status, stdout, stderr } = await tocsin(['run', '--config', folder.config, '--set', `data=${join(folder.path, 'taken')}`]);
    expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^cannot use the data folder \S+taken: .+\nhint: /);
  });

  it('files in it that are no databases: says which, exits 1', async () => {
    for (const name of ['journal.db', 'state.db', 'history.db', 'quarantine.db']) {
      using folder = await configured();
      await mkdir(join(folder.path, 'data'));
      await writeFile(join(folder.path, 'data', name), 'this is no database, and too long to be taken for an empty one'.repeat(100));
      const { status, stdout, stderr } = await tocsin(['run', '--config', folder.config]);
      expect({ name, status, stdout }, stderr).toEqual({ name, status: 1, stdout: '' });
      expect(stderr).toContain(name);
      expect(stderr).toMatch(/^hint: /m);
      expect(stderr).not.toMatch(/^ +at /m);
    }
  });
});

describe('run', () => {
  it('says what check would warn of: a rule that passes over devices does not do so in silence', async () => {
    using folder = temporaryFolder('main');
    const dry = { id: 'dry', devices: { id: 'f-*' }, levels: { warning: { when: 'humidity < 20' } } };
    await writeServerConfig(folder.path, { rules: [dry], profiles: [PROFILE] });
    await using server = await startServer({ folder: folder.path });
    await expect.poll(() => server.stderrTail()).toMatch(/unknown name humidity/);
  });

  it('prints exactly the ready line on stdout, with the real ports, and --set overrides', async () => {
    using folder = await configured();
    const [mqtt, webSocket, http] = [await freePort(), await freePort(), await freePort()];
    const settings = [`mqtt.listeners=["mqtt://127.0.0.1:${mqtt}","ws://127.0.0.1:${webSocket}"]`, `http.listen=http://127.0.0.1:${http}`];
    const main = join(import.meta.dirname, '../../src/main.ts');
    const args = [main, 'run', '--config', folder.config, ...settings.flatMap((setting) => ['--set', setting])];
    const child = execFile(process.execPath, args);
    let stdout = '';
    const ready = new Promise<void>((resolve) => {
      child.stdout?.on('data', (text: string) => {
        stdout += text;
        if (stdout.includes('\n')) resolve();
      });
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    try {
      await ready;
      expect((await fetch(`http://127.0.0.1:${http}/healthz`)).status).toBe(200);
    } finally {
      child.kill('SIGINT');
    }
    expect(await ended).toBe(0);
    expect(stdout).toBe(
      `{"event":"ready","mqtt":["mqtt://127.0.0.1:${mqtt}","ws://127.0.0.1:${webSocket}"],"http":"http://127.0.0.1:${http}"}\n`,
    );
  });
});
