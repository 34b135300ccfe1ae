/** Reload: by SIGHUP, over HTTP and by watching; what is refused, what goes on, and what `check --diff` says of it before. */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import type { Server } from '../load/server.ts';
import {
  type Alert,
  alertsOf,
  connectDevice,
  eventually,
  listOf,
  mailOf,
  openScene,
  type Scene,
  settled,
  transitionsOf,
} from '../scenarios/scene.ts';
import { tocsin } from './command.ts';
import { evaluateInThread, WITH_DEBUGGER } from './debugger.ts';

type Rules = readonly Readonly<Record<string, unknown>>[];

const WARM = { id: 'warm', levels: { warning: { when: 'temperature > 8' } } };
const HOT = { id: 'hot', levels: { critical: { when: 'temperature > 20' } } };
const WAIT_MS = 15_000;

const pathOf = ({ folder }: Scene, ...parts: readonly string[]): string => join(folder, ...parts);
const rulesPath = (scene: Scene): string => pathOf(scene, 'config', 'rules', 'rules.yaml');
const writeRules = (scene: Scene, rules: Rules): Promise<void> => writeFile(rulesPath(scene), JSON.stringify({ rules }));
const hangUp = (server: Server): void => void process.kill(server.pid, 'SIGHUP');

async function post(server: Server): Promise<{ status: number; type: string | null; body: unknown }> {
  const response = await fetch(new URL('/api/v1/reload', server.httpUrl), { method: 'POST' });
  return { status: response.status, type: response.headers.get('content-type'), body: await response.json() };
}

const ruleIds = async (server: Server): Promise<string[]> => (await listOf<{ id: string }>(server, '/api/v1/rules')).map(({ id }) => id);

function ruleIdsBecome(server: Server, ids: readonly string[]): Promise<unknown> {
  return eventually(`the rules are ${ids.join(', ')}`, WAIT_MS, async () => (await ruleIds(server)).join() === ids.join());
}

describe('SIGHUP', { timeout: 60_000 }, () => {
  it('applies a new rule, which fires; connections and what is open stay', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('sensors/d/telemetry', { temperature: 9 });
    await mailOf(scene.sink, '[WARNING] warm on d: 9');
    const before = await alertsOf(server);
    await writeRules(scene, [WARM, HOT]);
    hangUp(server);
    await ruleIdsBecome(server, ['hot', 'warm']);
    expect(await alertsOf(server)).toEqual(before);
    await device.say('sensors/d/telemetry', { temperature: 21 });
    await mailOf(scene.sink, '[CRITICAL] hot on d: 21');
    expect(scene.sink.mails).toHaveLength(2);
  });

  it('with an invalid file changes nothing, whatever else is new and valid, and says where the mistake is', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start();
    await writeFile(pathOf(scene, 'config', 'rules', 'a.yaml'), JSON.stringify({ rules: [HOT] }));
    await writeFile(rulesPath(scene), 'rules:\n  - id: warm\n    levels:\n      warning: {when: "temperature > "}\n');
    await writeFile(pathOf(scene, 'config', 'notify.yaml'), 'contacts: {ann: {email: ann@example.org}}\ndefault: {to: [ann]}\n');
    hangUp(server);
    await eventually('it says so', WAIT_MS, () => server.stderrTail().includes('the changed configuration is not applied'));
    expect(server.stderrTail()).toMatch(/rules\.yaml:4:\d+/);
    expect(await ruleIds(server)).toEqual(['warm']);
    await using device = await connectDevice(server);
    await device.say('sensors/d/telemetry', { temperature: 9 });
    const mail = await mailOf(scene.sink, '[WARNING] warm on d: 9');
    expect(mail.to).toEqual(['operator@example.org']);
    expect(await server.get('/readyz')).toMatchObject({ status: 200 });
  });

  it('again and again ends nothing, and a stop after it is clean', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start();
    for (let time = 0; time < 20; time++) hangUp(server);
    expect((await post(server)).status).toBe(200);
    expect(server.isRunning()).toBe(true);
    expect(await server.stop()).toBeLessThan(10_000);
  });
});

describe('what a reload keeps and what it ends', { timeout: 60_000 }, () => {
  const stateOf = async (server: Server, rule: string): Promise<Alert | undefined> => (await alertsOf(server, `?rule=${rule}`))[0];

  it('a changed for is measured from since; an unchanged rule beside it notices nothing', async () => {
    const slow = (wait: string) => ({ id: 'slow', levels: { warning: { when: 'temperature > 8', for: wait } } });
    const steady = { id: 'steady', levels: { warning: { when: 'temperature > 8', for: '10m' } } };
    await using scene = await openScene({ rules: [slow('1h'), steady] });
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('sensors/d/telemetry', { temperature: 9 });
    const pending = await eventually('both are pending', WAIT_MS, async () => {
      const alerts = await alertsOf(server, '?state=pending');
      return alerts.length === 2 ? alerts : undefined;
    });
    await writeRules(scene, [slow('1s'), steady]);
    expect(await post(server)).toMatchObject({
      status: 200,
      body: {
        changes: [{ kind: 'rule', id: 'slow', part: 'warning.for', from: '1h', to: '1s', resets: false }],
        more: 0,
        needsRestart: [],
      },
    });
    const mail = await mailOf(scene.sink, '[WARNING] slow on d: 9');
    expect(mail.subject).toBe('[WARNING] slow on d: 9');
    const was = (rule: string) => pending.find((alert) => alert.rule === rule);
    expect(await stateOf(server, 'slow')).toMatchObject({ id: was('slow')?.id, state: 'firing', since: was('slow')?.since });
    expect(await stateOf(server, 'steady')).toEqual(was('steady'));
  });

  it('a rule that is gone closes its alert with the reason removed, tells who was told, and takes its topic away', async () => {
    await using scene = await openScene({ rules: [WARM, HOT] });
    const server = await scene.start();
    await using device = await connectDevice(server);
    await using page = await connectDevice(server, 'page');
    const heard = new Map<string, string>();
    page.client.on('message', (topic, payload) => heard.set(topic, payload.toString()));
    await page.client.subscribeAsync('tocsin/alerts/#', { qos: 1 });
    await device.say('sensors/d/telemetry', { temperature: 9 });
    await mailOf(scene.sink, '[WARNING] warm on d: 9');
    await eventually('the alert over MQTT', WAIT_MS, () => heard.get('tocsin/alerts/warm/d')?.includes('"firing"') === true);
    await writeRules(scene, [HOT]);
    expect(await post(server)).toMatchObject({ status: 200, body: { changes: [{ id: 'warm', change: 'removed' }] } });
    await mailOf(scene.sink, '[RESOLVED] warm on d');
    const alert = await stateOf(server, 'warm');
    expect(alert).toMatchObject({ state: 'resolved' });
    expect((await transitionsOf(server, alert?.id ?? '')).at(-1)).toMatchObject({ kind: 'resolved', reason: 'removed' });
    await eventually('the topic is empty', WAIT_MS, () => heard.get('tocsin/alerts/warm/d') === '');
  });

  it('a profile that changes is what the next message is read by, and who is told is who is named now', async () => {
    const profile = { profile: 'fridge', topic: 'fridges/{device}', metrics: { temperature: { path: 't', unit: '°C' } } };
    const rule = { ...WARM, devices: { profile: 'fridge' } };
    await using scene = await openScene({ rules: [rule], profiles: [profile] });
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('fridges/d', { t: 5 });
    const scaled = { ...profile, metrics: { temperature: { path: 't', unit: '°C', scale: 0.1 } } };
    await writeFile(pathOf(scene, 'devices', 'profiles', 'fridge.yaml'), JSON.stringify(scaled));
    await writeFile(
      pathOf(scene, 'config', 'notify.yaml'),
      'contacts: {ann: {email: ann@example.org}}\ndefault: {to: [ann], groupWait: 0s}\n',
    );
    const { status, body } = await post(server);
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { changes: expect.arrayContaining([expect.objectContaining({ part: 'temperature.scale', resets: true })]) },
    });
    expect(JSON.stringify(body)).not.toContain('example.org');
    await device.say('fridges/d', { t: 90 });
    const mail = await mailOf(scene.sink, '[WARNING] warm on d: 9');
    expect(mail.to).toEqual(['ann@example.org']);
  });

  it('a mail server that hangs holds up neither alerts nor the reload for long, and every mail comes once', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start();
    await using device = await connectDevice(server);
    await scene.sink.turn('hanging');
    await device.say('sensors/d/telemetry', { temperature: 9 });
    await eventually('the mail is on its way', WAIT_MS, () => scene.sink.refusals > 0);
    await writeRules(scene, [WARM, HOT]);
    const begun = systemClock.monotonicMs();
    let isOver = false;
    const reloading = post(server).finally(() => {
      isOver = true;
    });
    await device.say('sensors/e/telemetry', { temperature: 9.5 });
    await eventually('an alert fires meanwhile', WAIT_MS, async () => (await alertsOf(server, '?device=e')).length === 1);
    expect(isOver).toBe(false);
    expect(await reloading).toMatchObject({ status: 200, body: { changes: [{ id: 'hot', change: 'added' }] } });
    expect(systemClock.monotonicMs() - begun).toBeLessThan(8000);
    await scene.sink.turn('healthy');
    await mailOf(scene.sink, '[WARNING] warm on d: 9', 30_000);
    await mailOf(scene.sink, '[WARNING] warm on e: 9.5', 30_000);
    await settled(server, 30_000);
    expect(scene.sink.mails.map(({ subject }) => subject).sort()).toEqual(['[WARNING] warm on d: 9', '[WARNING] warm on e: 9.5']);
  });

  it('a restart after it begins with what was applied last', async () => {
    await using scene = await openScene({ rules: [WARM] });
    let server = await scene.start();
    await writeRules(scene, [WARM, HOT]);
    expect((await post(server)).status).toBe(200);
    await server.kill();
    server = await scene.start();
    expect(await ruleIds(server)).toEqual(['hot', 'warm']);
  });
});

describe('POST /api/v1/reload', { timeout: 60_000 }, () => {
  it('answers 422 with every problem when the configuration is invalid', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start();
    await writeFile(rulesPath(scene), 'rules:\n  - id: warm\n    levels:\n      warning: {wen: "temperature > 8"}\n');
    await writeFile(pathOf(scene, 'config', 'notify.yaml'), 'contacts: {ann: {email: ann@example.org}}\ndefault: {to: [anne]}\n');
    const answer = await post(server);
    expect(answer).toMatchObject({
      status: 422,
      type: expect.stringContaining('application/problem+json'),
      body: {
        status: 422,
        problems: expect.arrayContaining([
          expect.objectContaining({ place: expect.stringMatching(/notify\.yaml:2:16$/), hint: 'did you mean ann?' }),
        ]),
      },
    });
    expect(await ruleIds(server)).toEqual(['warm']);
  });

  it('names keys of tocsin.yaml that take a restart, and never what they hold', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start();
    const path = pathOf(scene, 'config', 'tocsin.yaml');
    const settings = {
      data: '../data',
      devices: '../devices',
      mqtt: { listeners: ['mqtt://127.0.0.1:0'], limits: { connections: 17 } },
      http: { listen: 'http://127.0.0.1:0' },
      email: { smtp: 'smtp://user:hunter2@127.0.0.1:2525' },
      self: 'off',
    };
    await writeFile(path, JSON.stringify(settings));
    const { status, body } = await post(server);
    expect({ status, body }).toMatchObject({ status: 200, body: { changes: [], needsRestart: ['email.smtp', 'mqtt.limits.connections'] } });
    expect(server.stderrTail()).toContain('needs a restart: email.smtp, mqtt.limits.connections');
    expect(`${JSON.stringify(body)}${server.stderrTail()}`).not.toContain('hunter2');
  });

  it('many at once are few, and each is answered', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start();
    await writeRules(scene, [WARM, HOT]);
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(server)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const applied = server.stderrTail().match(/configuration (applied|read again)/g) ?? [];
    expect(applied.length).toBeLessThanOrEqual(10);
    expect(await ruleIds(server)).toEqual(['hot', 'warm']);
  });
});

describe('while a thread is away', { timeout: 60_000 }, () => {
  it('a reload is a 503, and one that nobody waits for is made up for; threads started again run what was applied last', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start({ environment: WITH_DEBUGGER });
    await writeRules(scene, [HOT]);
    expect((await post(server)).status).toBe(200);
    // Reading is a thread's own, and it is not missed while there is nothing to read.
    await evaluateInThread(server, 'loading', 'process.exit(3)');
    await writeRules(scene, [WARM, HOT]);
    await evaluateInThread(server, 'decisions', 'process.exit(7)');
    await eventually('readiness says so', WAIT_MS, async () => (await server.get('/readyz')).status === 503);
    expect(await post(server)).toMatchObject({ status: 503 });
    hangUp(server);
    await eventually('the thread is there again', WAIT_MS, async () => (await server.get('/readyz')).status === 200);
    expect(await ruleIds(server)).toEqual(['hot']);
    await ruleIdsBecome(server, ['hot', 'warm']);
  });
});

describe('watch', { timeout: 60_000 }, () => {
  it('applies a file that is written, renamed into place or new, once for a burst; an invalid one not', async () => {
    await using scene = await openScene({ rules: [WARM], settings: { watch: true } });
    const server = await scene.start();
    for (let time = 0; time < 5; time++) await writeRules(scene, [WARM, HOT]);
    await ruleIdsBecome(server, ['hot', 'warm']);
    expect(server.stderrTail().match(/configuration applied/g)).toHaveLength(1);
    // As editors do: the new content beside the file, then renamed over it.
    await writeFile(`${rulesPath(scene)}~`, JSON.stringify({ rules: [HOT] }));
    await rename(`${rulesPath(scene)}~`, rulesPath(scene));
    await ruleIdsBecome(server, ['hot']);
    const extra = pathOf(scene, 'config', 'rules', 'extra.yaml');
    await writeFile(extra, JSON.stringify({ rules: [WARM] }));
    await ruleIdsBecome(server, ['hot', 'warm']);
    await writeFile(extra, 'rules: [');
    await eventually('it is refused', WAIT_MS, () => server.stderrTail().includes('the changed configuration is not applied'));
    expect(await ruleIds(server)).toEqual(['hot', 'warm']);
    await writeFile(extra, 'rules: []\n');
    await ruleIdsBecome(server, ['hot']);
    await writeFile(pathOf(scene, 'devices', 'fleet.yaml'), 'devices: [{id: d1, labels: {site: x}}]\n');
    await eventually('the device is listed', WAIT_MS, async () => (await server.get('/api/v1/devices/d1')).status === 200);
  });
});

describe('check --diff', { timeout: 60_000 }, () => {
  it('says what a running instance would change, and changes nothing', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start();
    const check = (...args: readonly string[]) =>
      tocsin(['check', '--diff', '--config', pathOf(scene, 'config', 'tocsin.yaml'), '--url', server.httpUrl, ...args]);
    expect(await check()).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('a reload would change nothing'),
      stderr: expect.any(String),
    });
    await writeRules(scene, [{ ...WARM, levels: { warning: { when: 'temperature > 9', for: '5m' } } }, HOT]);
    await writeFile(
      pathOf(scene, 'config', 'notify.yaml'),
      'contacts: {operator: {email: other@example.org}}\ndefault: {to: [operator]}\n',
    );
    const { status, stdout } = await check();
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([
        'rule warm: warning.when "temperature > 8" → "temperature > 9": its run and counters start anew',
        'rule warm: warning.for 0s → 5m: measured anew from since; nothing starts anew',
        'rule hot: added: evaluated from the next reading on',
        'contact operator: channels changed: messages that wait go there as well',
      ]),
    );
    expect(status).toBe(0);
    expect(await ruleIds(server)).toEqual(['warm']);
    const json: unknown = JSON.parse((await check('--json')).stdout);
    expect(json).toMatchObject({ more: 0, changes: expect.arrayContaining([expect.objectContaining({ id: 'hot', change: 'added' })]) });
    const answer = JSON.stringify((await server.get('/api/v1/configuration')).body);
    expect(answer).not.toContain('operator@example.org');
  });

  it('exits 1 when the files are invalid, and when nothing answers, with a hint', async () => {
    await using scene = await openScene({ rules: [WARM] });
    const server = await scene.start();
    const config = pathOf(scene, 'config', 'tocsin.yaml');
    await server.stop();
    const silent = await tocsin(['check', '--diff', '--config', config, '--url', server.httpUrl]);
    expect(silent).toMatchObject({ status: 1, stderr: expect.stringMatching(/no Tocsin answers at http:\/\/127\.0\.0\.1:\d+.*\nhint: /s) });
    await writeFile(rulesPath(scene), 'rules: [');
    expect(await tocsin(['check', '--diff', '--config', config, '--url', server.httpUrl])).toMatchObject({ status: 1, stdout: '' });
  });
});
