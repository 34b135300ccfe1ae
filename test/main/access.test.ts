/** Credentials as people handle them: `tocsin device` and `tocsin user`, a running instance, mosquitto's clients, rotation, certificates. */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { createAuthority } from '../access/certificates.ts';
import { type Server, startServer, temporaryFolder, writeServerConfig } from '../load/server.ts';
import { eventually } from '../scenarios/scene.ts';
import { mosquittoPub } from '../services/mosquitto.ts';
import type { Available } from '../services/service.ts';
import { tocsin } from './command.ts';

const WAIT_MS = 15_000;

let mosquitto: Available<string>;
beforeAll(async () => {
  mosquitto = await mosquittoPub();
});

function program(context: TestContext): string {
  if (!mosquitto.available) return context.skip(mosquitto.reason);
  return mosquitto.value;
}

/** @returns the exit status: 0, or 5 when it is not authorised */
function publish(path: string, port: number, ...args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = execFile(
      path,
      ['-p', String(port), '-q', '1', '-m', '{"temperature": 5}', ...args],
      { timeout: WAIT_MS },
      () => undefined,
    );
    child.once('close', (code) => resolve(code ?? -1));
  });
}

async function folderWith(mqtt: Readonly<Record<string, unknown>>) {
  const folder = temporaryFolder('access');
  await writeServerConfig(folder.path, { settings: { mqtt }, rules: [] });
  const config = join(folder.path, 'config', 'tocsin.yaml');
  const file = join(folder.path, 'config', 'credentials.yaml');
  const run = (...args: readonly string[]) => tocsin([...args, '--config', config]);
  const made = async (...args: readonly string[]): Promise<string> => {
    const { status, stdout, stderr } = await run(...args);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    return stdout.trim();
  };
  return { path: folder.path, config, file, run, made, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

const CLOSED = { listeners: ['mqtt://127.0.0.1:0'], anonymous: false };

async function devices(server: Server): Promise<unknown[]> {
  const { body } = await server.get('/api/v1/devices');
  return (body as { items: { id: string }[] }).items.map(({ id }) => id);
}

describe('tocsin device and tocsin user', { timeout: 60_000 }, () => {
  it('write hashes only, to be read by their owner only, and keep what else is in the file', async () => {
    using folder = await folderWith(CLOSED);
    const password = await folder.made('device', 'add', 'fridge-01');
    expect(password).toMatch(/^[\w-]{22}$/);
    expect((await stat(folder.file)).mode & 0o777).toBe(0o600);
    await writeFile(folder.file, `# ours\n${await readFile(folder.file, 'utf8')}`);
    await chmod(folder.file, 0o640);
    await folder.made('user', 'add', 'board', '--password', 'correct horse', '--subscribe', 'sensors/#', '--subscribe', '$SYS/#');
    const text = await readFile(folder.file, 'utf8');
    expect((await stat(folder.file)).mode & 0o777).toBe(0o640);
    expect(text).toContain('# ours\n');
    expect(text).not.toContain(password);
    expect(text).not.toContain('horse');
    expect(JSON.parse(await folder.made('user', 'ls', '--json'))).toEqual({
      items: [{ name: 'board', passwords: ['chosen'], publish: [], subscribe: ['sensors/#', '$SYS/#'] }],
      next: null,
    });
    expect(await folder.made('device')).toMatch(/^NAME +PASSWORDS .*\nfridge-01 +generated$/);
  });

  it('take a list of names, and a password, from stdin', async () => {
    using folder = await folderWith(CLOSED);
    const listed = await tocsin(['device', 'add', '-', '--config', folder.config], { stdin: 'a\nb\n' });
    expect(listed.stdout).toMatch(/^a [\w-]{22}\nb [\w-]{22}\n$/);
    const chosen = await tocsin(['device', 'add', 'c', '--password', '--config', folder.config], { stdin: 'correct horse\n' });
    expect(chosen).toMatchObject({ status: 0, stdout: '' });
    expect(await folder.made('device')).toMatch(/c +chosen$/);
  });

  it('refuse what cannot be, and say what to do instead', async () => {
    using folder = await folderWith(CLOSED);
    await folder.made('device', 'add', 'a');
    const before = await readFile(folder.file, 'utf8');
    const refused: [string[], RegExp][] = [
      [['device', 'add', 'a'], /a is there already\nhint: tocsin device rotate a/],
      [['user', 'add', 'a'], /a is there already/],
      [['device', 'add', 'a/b'], /no \+, # or \//],
      [['device', 'add', 'b', '--password', 'short'], /at least 8 characters\nhint:/],
      [['device', 'remove', 'b'], /there is no device b/],
      [['user', 'rotate', 'a'], /there is no user a/],
      [['user', 'add', 'u', '--publish', 'tocsin/#'], /only the program itself/],
      [['device', 'add'], /which one\?/],
    ];
    for (const [args, expected] of refused) {
      const { status, stderr } = await folder.run(...args);
      expect(status).not.toBe(0);
      expect(stderr).toMatch(expected);
    }
    expect(await readFile(folder.file, 'utf8')).toBe(before);
  });
});

describe('tocsin check', { timeout: 60_000 }, () => {
  it('calls a listener that others can reach a mistake, unless somebody has credentials or anonymous is written', async () => {
    using folder = await folderWith({ listeners: ['mqtt://0.0.0.0:0'] });
    const refused = await folder.run('check');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(
      /tocsin\.yaml:5:\d+: others can reach this address, and nobody has credentials[\s\S]*hint: .*tocsin device add[\s\S]*anonymous: true/,
    );
    expect((await folder.run('check', '--set', 'mqtt.anonymous=true')).status).toBe(0);
    await folder.made('device', 'add', 'a');
    expect(await folder.run('check')).toMatchObject({ status: 0, stderr: '' });
    await chmod(folder.file, 0o644);
    expect((await folder.run('check')).stderr).toMatch(
      /credentials\.yaml: warning: every user of this machine may read it\nhint: chmod 600/,
    );
  });

  it('says what is wrong with certificates', async () => {
    using folder = await folderWith({ listeners: ['mqtts://127.0.0.1:0'], tls: { cert: 'server.pem', key: 'other.key' } });
    const config = join(folder.path, 'config');
    expect((await folder.run('check')).stderr).toMatch(/server\.pem: cannot be read[\s\S]*other\.key: cannot be read/);
    const authority = createAuthority(config);
    authority.issue('server');
    authority.issue('other');
    expect((await folder.run('check')).stderr).toMatch(/other\.key: is not the key of \S*server\.pem/);
    await copyFile(join(config, 'server.key'), join(config, 'other.key'));
    expect(await folder.run('check')).toMatchObject({ status: 0, stderr: '' });
    await writeFile(join(config, 'other.key'), 'hunter2');
    const { stderr } = await folder.run('check');
    expect(stderr).toMatch(/other\.key: is no private key in PEM/);
    expect(stderr).not.toContain('hunter2');
  });
});

describe('a running instance', { timeout: 120_000 }, () => {
  it('lets in who has a password, takes up a rotated one, and closes what was revoked', async (context) => {
    const path = program(context);
    using folder = await folderWith(CLOSED);
    const old = await folder.made('device', 'add', 'd-1');
    await using server = await startServer({ folder: folder.path });
    const speak = (password: string, device = 'd-1') =>
      publish(path, server.mqttPort, '-u', 'd-1', '-P', password, '-t', `sensors/${device}/telemetry`);
    const reload = (): Promise<string> => folder.made('reload', '--url', server.httpUrl);
    expect([await speak(old), await speak('wrong-password'), await publish(path, server.mqttPort, '-t', 'sensors/d-1/telemetry')]).toEqual([
      0, 5, 5,
    ]);
    // Acknowledged, and dropped.
    expect(await speak(old, 'd-2')).toBe(0);
    expect(await devices(server)).toEqual(['d-1']);

    const next = await folder.made('device', 'rotate', 'd-1');
    expect(await reload()).toContain('credential d-1: passwords changed: connections stay');
    expect([await speak(old), await speak(next)]).toEqual([0, 0]);
    await folder.made('device', 'rotate', 'd-1', '--end');
    expect(await reload()).toContain('are closed');
    expect([await speak(old), await speak(next)]).toEqual([5, 0]);
    await folder.made('device', 'remove', 'd-1');
    await reload();
    expect(await speak(next)).toBe(5);
    expect((await server.metrics()).sum('tocsin_mqtt_logins_total', { outcome: 'refused' })).toBe(4);
    const log = server.stderrTail();
    expect(log).toContain('login refused');
    for (const secret of [old, next, 'wrong-password', '$sha256']) expect(log).not.toContain(secret);
  });

  it('takes up new credentials by itself where it watches, and a new certificate in any case', async (context) => {
    const path = program(context);
    using folder = await folderWith({
      listeners: ['mqtts://127.0.0.1:0', 'mqtt://127.0.0.1:0'],
      anonymous: false,
      tls: { cert: 'tls/cert.pem', key: 'tls/key.pem', ca: 'ca.pem', clientCert: 'optional' },
    });
    const config = join(folder.path, 'config');
    await mkdir(join(config, 'tls'));
    const authority = createAuthority(config);
    const client = authority.issue('d-1');
    const show = async ({ cert, key }: { cert: string; key: string }): Promise<void> => {
      await copyFile(cert, join(config, 'tls', 'cert.pem'));
      await copyFile(key, join(config, 'tls', 'key.pem'));
    };
    await show(authority.issue('server'));
    await using server = await startServer({ folder: folder.path, set: ['watch=true'] });
    const { mqtts } = server.ports;
    const speak = (ca: string, ...args: readonly string[]) =>
      publish(path, mqtts ?? 0, '--cafile', ca, '-t', 'sensors/d-1/telemetry', ...args);
    expect(await speak(authority.ca, '--cert', client.cert, '--key', client.key)).toBe(0);
    expect(await speak(authority.ca)).toBe(5);
    const password = await folder.made('device', 'add', 'd-1');
    await eventually('the password counts', WAIT_MS, async () => (await speak(authority.ca, '-u', 'd-1', '-P', password)) === 0);

    const other = createAuthority(config, 'other');
    await show(other.issue('renewed'));
    await eventually('the new certificate is shown', WAIT_MS, async () => (await speak(other.ca, '-u', 'd-1', '-P', password)) === 0);
    expect(await speak(authority.ca, '-u', 'd-1', '-P', password)).not.toBe(0);
  });
});
