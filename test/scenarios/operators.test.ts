/**
 * The operators' day, on the whole program: somebody acknowledges, silences, follows a link in a mail, and everybody sees it;
 * all of it outlives a kill.
 */
import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import type { Server, ServerConfig } from '../load/server.ts';
import { tocsin } from '../main/command.ts';
import { type Alert, alertsOf, connectDevice, eventually, listOf, mailOf, openScene, type Scene, settled } from './scene.ts';

const PUBLIC_URL = 'https://tocsin.example.org';
const CONFIG: ServerConfig = {
  settings: { http: { listen: 'http://127.0.0.1:0', publicUrl: PUBLIC_URL } },
  rules: [{ id: 'warm', levels: { critical: { when: 'temperature > 8' } } }],
};
const HOT = { temperature: 9.3 };

interface Silence {
  readonly id: string;
  readonly state: string;
  readonly alerts: number;
}

const ask = (server: Server, ...args: readonly string[]) => tocsin([...args, '--url', server.httpUrl]);

async function alertOn(server: Server, device: string): Promise<Alert> {
  return eventually(`an alert on ${device}`, 10_000, async () => (await alertsOf(server, `?state=firing&device=${device}`))[0]);
}

const flagsOn = async (server: Server, device: string): Promise<readonly string[]> => (await alertOn(server, device)).flags;

async function timelineOf(server: Server, id: string): Promise<string> {
  const { status, body } = await server.get(`/api/v1/alerts/${id}`);
  expect(status).toBe(200);
  return JSON.stringify(body);
}

/** The path of the link of this kind in a mail, as its text has it. */
async function linkIn(source: string, action: 'acknowledge' | 'silence'): Promise<string> {
  const { text = '' } = await simpleParser(source);
  const paths = [...text.matchAll(/https:\/\/tocsin\.example\.org(\/a\/[\w.-]+)/g)].map((match) => match[1] ?? '');
  const path = paths.find((candidate) => candidate.startsWith(action === 'acknowledge' ? '/a/1a' : '/a/1s'));
  if (path === undefined) throw new Error(`there is no link to ${action} in ${text}`);
  return path;
}

/** Mails that tell of a device, by their text. */
const mailsOn = ({ sink }: Scene, device: string) => sink.mails.filter(({ subject, source }) => `${subject}\n${source}`.includes(device));

describe('the operators’ day', { timeout: 120_000 }, () => {
  it('an alert is acknowledged from the command line, and stays so over a kill', async () => {
    await using scene = await openScene(CONFIG);
    let server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('sensors/f1/telemetry', HOT);
    await device.say('sensors/f2/telemetry', HOT);
    await mailOf(scene.sink, '[CRITICAL] warm on f1');
    const { id } = await alertOn(server, 'f1');

    expect(await ask(server, 'alerts', 'ack', id, '--by', 'ann', '--comment', 'on my way')).toMatchObject({ status: 0, stderr: '' });
    expect(await flagsOn(server, 'f1')).toEqual(['acknowledged']);
    expect((await alertsOf(server, '?acknowledged=true')).map((alert) => alert.id)).toEqual([id]);
    expect((await alertsOf(server, '?acknowledged=false')).map((alert) => alert.device)).toEqual(['f2']);
    expect(await ask(server, 'alerts', 'comment', id, 'seal is broken', '--by', 'bob')).toMatchObject({ status: 0 });

    await server.kill();
    server = await scene.start();
    expect(await flagsOn(server, 'f1')).toEqual(['acknowledged']);
    const timeline = await timelineOf(server, id);
    for (const part of ['ann', 'on my way', 'bob', 'seal is broken']) expect(timeline).toContain(part);
    expect(await ask(server, 'alerts', 'unack', id)).toMatchObject({ status: 0 });
    expect(await flagsOn(server, 'f1')).toEqual([]);
  });

  it('what is silenced is told to nobody, is seen to be silenced, and is told of once the silence is ended', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    const added = await ask(server, 'silences', 'add', '--match', 'device=quiet-*', '--for', '1h', '--comment', 'defrosting', '--json');
    expect(added).toMatchObject({ status: 0, stderr: '' });
    const { id }: Silence = JSON.parse(added.stdout);

    await using device = await connectDevice(server);
    await device.say('sensors/quiet-1/telemetry', HOT);
    await device.say('sensors/loud-1/telemetry', HOT);
    await mailOf(scene.sink, '[CRITICAL] warm on loud-1');
    await settled(server);
    expect(await flagsOn(server, 'quiet-1')).toEqual(['silenced']);
    expect(await flagsOn(server, 'loud-1')).toEqual([]);
    expect(mailsOn(scene, 'quiet-1')).toEqual([]);
    expect(await listOf<Silence>(server, '/api/v1/silences?state=active')).toMatchObject([{ id, alerts: 1 }]);

    expect(await ask(server, 'silences', 'end', id)).toMatchObject({ status: 0, stdout: expect.stringContaining('ended') });
    await eventually('a mail about what was silenced', 20_000, () => mailsOn(scene, 'quiet-1').length > 0);
    await settled(server);
    expect(mailsOn(scene, 'quiet-1')).toHaveLength(1);
    expect(await flagsOn(server, 'quiet-1')).toEqual([]);
  });

  it('a link in a mail acknowledges by its button, under whatever name, and by nothing else', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    await using device = await connectDevice(server);
    await device.say('sensors/f1/telemetry', HOT);
    const { source } = await mailOf(scene.sink, '[CRITICAL] warm on f1');
    const url = new URL(await linkIn(source, 'acknowledge'), server.httpUrl);
    const silence = new URL(await linkIn(source, 'silence'), server.httpUrl);
    for (const link of [url, silence])
      for (const method of ['GET', 'HEAD', 'OPTIONS']) await fetch(link, { method, headers: { 'sec-purpose': 'prefetch' } });
    expect(await flagsOn(server, 'f1')).toEqual([]);

    const form = /name="form" value="([^"]+)"/.exec(await (await fetch(url)).text())?.[1] ?? '';
    const pressed = await fetch(url, { method: 'POST', body: new URLSearchParams({ form, comment: 'from my telephone' }) });
    expect({ status: pressed.status, text: await pressed.text() }).toEqual({ status: 200, text: expect.stringContaining('Acknowledged.') });
    const { id, flags } = await alertOn(server, 'f1');
    expect(flags).toEqual(['acknowledged']);
    expect(await timelineOf(server, id)).toContain('from my telephone');

    await device.say('sensors/f1/telemetry', { temperature: 5 });
    await mailOf(scene.sink, '[RESOLVED] warm on f1');
    expect((await fetch(silence)).status).toBe(410);
  });

  it('a contact is tried, and a message is seen before it is sent', async () => {
    await using scene = await openScene(CONFIG);
    const server = await scene.start();
    expect((await ask(server, 'notify', 'contacts')).stdout).toContain('email operator@example.org');
    expect(await ask(server, 'notify', 'test', 'operator', '--by', 'ann')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('delivered'),
    });
    expect(scene.sink.mails).toMatchObject([{ to: ['operator@example.org'] }]);
    await using device = await connectDevice(server);
    await device.say('sensors/f1/telemetry', HOT);
    const { id } = await alertOn(server, 'f1');
    expect(await ask(server, 'notify', 'preview', id)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('[CRITICAL] warm on f1'),
    });
    expect(await ask(server, 'notify', 'test', 'nobody')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no contact "nobody"'),
    });
  });
});
