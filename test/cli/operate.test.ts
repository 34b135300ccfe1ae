/** `tocsin alerts ack`, `silences` and `notify` as processes, asking a real HTTP server: what they say to it, print, and how they end. */
import { userInfo } from 'node:os';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startWebServer, type WebServer } from '../../src/web/server.ts';
import { tocsin } from '../main/command.ts';
import { alertNamed } from '../web/alerts.ts';
import { MemoryBackend } from '../web/memory-backend.ts';

const ME = userInfo().username;
/** Of the service, so that what the commands ask of it can be read back. */
let backend: MemoryBackend;
let server: WebServer;
beforeAll(async () => {
  backend = new MemoryBackend();
  backend.addAlert(alertNamed('a1', { level: 'critical' }));
  backend.contactViews.push(
    {
      id: 'night',
      channels: [
        { kind: 'email', address: 'night@example.org' },
        { kind: 'ntfy', address: 'ntfy.sh' },
      ],
      onCall: null,
    },
    { id: 'duty', channels: [], onCall: ['night'] },
    { id: 'idle', channels: [], onCall: null },
  );
  server = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger: pino({ level: 'silent' }) });
});
afterAll(() => server.close());
beforeEach(() => {
  backend.operations.length = 0;
  backend.silenceViews.length = 0;
  backend.operateNext = { done: true };
});
const ask = (...args: readonly string[]) => tocsin([...args, '--url', server.url]);

describe('tocsin alerts', () => {
  it('acknowledges as whoever types, for good or for a time, and takes it back', async () => {
    expect(await ask('alerts', 'ack', 'a1')).toEqual({
      status: 0,
      stdout: 'fridge-warm on fridge-01: acknowledged (critical, firing, acknowledged)\n',
      stderr: '',
    });
    await ask('alerts', 'ack', 'a1', '--by', 'ann', '--comment', 'on my way', '--until', '2100-01-01');
    // A year at most: the instance's own words.
    expect(backend.operations).toEqual([{ kind: 'acknowledge', alert: 'a1', by: ME, comment: null, until: null }]);
    expect((await ask('alerts', 'ack', 'a1', '--by', 'ann', '--comment', 'on my way', '--for', '2h', '--json')).stdout).toContain(
      '"acknowledged"',
    );
    expect(backend.operations.at(-1)).toMatchObject({ by: 'ann', comment: 'on my way', until: expect.any(Number) });
    expect(await ask('alerts', 'unack', 'a1')).toMatchObject({
      status: 0,
      stdout: 'fridge-warm on fridge-01: no longer acknowledged (critical, firing)\n',
    });
    expect(backend.operations.at(-1)).toEqual({ kind: 'unacknowledge', alert: 'a1', by: ME });
  });

  it('comments', async () => {
    expect(await ask('alerts', 'comment', 'a1', 'the seal is broken')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('commented'),
    });
    expect(backend.operations).toEqual([{ kind: 'comment', alert: 'a1', by: ME, comment: 'the seal is broken' }]);
  });

  it('ends with 1 and the instance’s reason when it cannot be done', async () => {
    expect(await ask('alerts', 'ack', 'none')).toEqual({ status: 1, stdout: '', stderr: 'there is no alert "none"\n' });
    expect(await ask('alerts', 'ack', 'a1', '--until', '2020-01-01')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('in the past'),
    });
    backend.operateNext = { done: false, problem: 'it is resolved', hint: 'tocsin alerts show a1' };
    expect(await ask('alerts', 'ack', 'a1')).toEqual({ status: 1, stdout: '', stderr: 'it is resolved; tocsin alerts show a1\n' });
  });

  it('filters by who has been acknowledged', async () => {
    backend.queries.length = 0;
    await ask('alerts', '--acknowledged', 'no', '--state', 'firing');
    expect(backend.queries).toEqual([{ state: 'firing', acknowledged: false, limit: 100 }]);
  });
});

describe('tocsin silences', () => {
  it('adds, lists, shows and ends them', async () => {
    const added = await ask(
      ...['silences', 'add', '--match', 'labels.site=berlin', '--match', 'rule=fridge-*', '--match', 'rule=door'],
      ...['--for', '2h', '--comment', 'defrosting\nall day', '--by', 'ann'],
    );
    expect(added).toMatchObject({ status: 0, stderr: '' });
    const [operation] = backend.operations;
    if (operation?.kind !== 'silence') throw new Error('it did not silence');
    const { id, match, startsAt, endsAt } = operation.silence;
    expect(match).toEqual({ levels: null, rules: ['fridge-*', 'door'], devices: null, alerts: null, labels: { site: ['berlin'] } });
    expect((endsAt ?? 0) - startsAt).toBe(2 * 3_600_000_000);
    expect(added.stdout).toMatch(
      new RegExp(`^${id}\n {2}state +active\n {2}match +rule=fridge-\\*\\|door, labels\\.site=berlin\n[^]*comment +defrosting all day\n$`),
    );
    expect((await ask('silences', 'show', id)).stdout).toContain('1 muted now');
    const list = await ask('silences');
    expect(list.stdout).toMatch(
      /^STATE +MATCH +UNTIL +ALERTS +BY +ID +COMMENT\nactive +rule=fridge-\*\|door, labels\.site=berlin +\S+ \(in 1h59m\d+s\) +1 +ann +/,
    );
    expect(JSON.parse((await ask('silences', 'ls', '--json')).stdout)).toMatchObject([{ id, match: { rule: ['fridge-*', 'door'] } }]);
    expect(await ask('silences', 'end', id, '--by', 'bob')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/state +ended\n.*ended [^\n]* by bob\n/s),
    });
    expect((await ask('silences')).stdout).toBe('no silences\n');
    expect((await ask('silences', '--state', 'ended')).stdout).toContain(id);
    expect(await ask('silences', 'end', 'none')).toMatchObject({ status: 1, stderr: 'there is no silence "none"\n' });
  });

  it('silences one alert until it is resolved, or everything', async () => {
    expect((await ask('silences', 'add', '--alert', 'a1', '--until-resolved')).stdout).toMatch(/until +it is resolved\n/);
    expect((await ask('silences', 'add', '--everything', '--for', '10m')).stdout).toMatch(/match +everything\n/);
    expect(backend.operations).toMatchObject([
      { silence: { match: { alerts: ['a1'] }, endsAt: null, by: ME } },
      { silence: { match: { alerts: null } } },
    ]);
    expect(await ask('silences', '--limit', '1')).toMatchObject({
      status: 0,
      stderr: 'there are more than 1: --limit shows more of them\n',
    });
    expect(await ask('silences', '--limit', '2')).toMatchObject({ status: 0, stderr: '' });
  });

  it('ends with 1 when the instance knows no such key or alert', async () => {
    expect(await ask('silences', 'add', '--match', 'rul=a', '--for', '1h')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('did you mean rule?'),
    });
    expect(await ask('silences', 'add', '--alert', 'a2', '--for', '1h')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no alert "a2"'),
    });
    expect(await ask('silences', 'add', '--match', 'rule=*', '--for', '1h')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('every alert'),
    });
    expect(backend.operations).toEqual([]);
  });
});

describe('tocsin notify', () => {
  it('lists contacts and how they are reached', async () => {
    expect(await ask('notify', 'contacts')).toEqual({
      status: 0,
      stdout:
        'CONTACT  REACHED BY\nnight    email night@example.org, then ntfy ntfy.sh\nduty     on call now: night\nidle     no channel\n',
      stderr: '',
    });
    expect(JSON.parse((await ask('notify', 'contacts', '--limit', '1', '--json')).stdout)).toEqual([backend.contactViews[0]]);
  });

  it('tries a contact: 0 only when every channel has delivered', async () => {
    const delivered = { channel: 'email night@example.org', outcome: 'delivered', detail: '250 OK\u001b[2J' };
    const asked: string[][] = [];
    backend.testNext = async (...args) => {
      asked.push(args);
      return [delivered];
    };
    expect(await ask('notify', 'test', 'night')).toEqual({
      status: 0,
      stdout: 'email night@example.org  delivered  250 OK�[2J\n',
      stderr: '',
    });
    expect(asked).toEqual([['night', ME]]);
    backend.testNext = async () => [delivered, { channel: 'ntfy ntfy.sh', outcome: 'permanent', detail: 'refused: 403' }];
    expect(await ask('notify', 'test', 'night')).toMatchObject({ status: 1, stdout: expect.stringContaining('refused: 403') });
    expect(await ask('notify', 'test', 'night', '--json')).toMatchObject({ status: 1, stdout: expect.stringContaining('"permanent"') });
    backend.testNext = async () => [];
    expect(await ask('notify', 'test', 'idle')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('nothing was sent'),
    });
    backend.testNext = async () => null;
    expect(await ask('notify', 'test', 'nihgt')).toMatchObject({ status: 1, stderr: 'there is no contact "nihgt"; did you mean night?\n' });
  });

  it('shows a message before it is sent', async () => {
    backend.previewNext = { contact: 'night', channel: 'email', subject: '[CRITICAL] x', text: 'one\ntwo\u001b[2J\n', html: '<p>one\n' };
    expect(await ask('notify', 'preview', 'a1', '--contact', 'night')).toEqual({
      status: 0,
      stdout: 'To:       night (email)\nSubject:  [CRITICAL] x\n\none\ntwo�[2J\n',
      stderr: '',
    });
    expect(await ask('notify', 'preview', 'a1', '--html')).toMatchObject({ status: 0, stdout: '<p>one\n' });
    expect(JSON.parse((await ask('notify', 'preview', 'a1', '--json')).stdout)).toEqual(backend.previewNext);
    expect(backend.queries.slice(-3)).toEqual([
      { alert: 'a1', contact: 'night' },
      { alert: 'a1', contact: null },
      { alert: 'a1', contact: null },
    ]);
    backend.previewNext = null;
    expect(await ask('notify', 'preview', 'a1')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('nobody is told'),
    });
  });
});

describe('wrong usage ends with 2 and asks the instance nothing', () => {
  it.each([
    [['alerts', 'ack']],
    [['alerts', 'comment', 'a1']],
    [['alerts', 'ack', 'a1', 'a2']],
    [['alerts', 'ack', 'a1', '--for', '2h', '--until', '2026-01-01']],
    [['alerts', 'ack', 'a1', '--for', 'soon']],
    [['alerts', 'ack', 'a1', '--until', 'soon']],
    [['alerts', 'show', 'a1', '--for', '2h']],
    [['alerts', 'unack', 'a1', '--comment', 'x']],
    [['alerts', '--acknowledged', 'maybe']],
    [['silences', 'add', '--for', '2h']],
    [['silences', 'add', '--alert', 'a1']],
    [['silences', 'add', '--alert', 'a1', '--everything', '--for', '1h']],
    [['silences', 'add', '--alert', 'a1', '--for', '1h', '--until-resolved']],
    [['silences', 'add', '--match', 'rule', '--for', '1h']],
    [['silences', 'add', 'x', '--alert', 'a1', '--for', '1h']],
    [['silences', 'end']],
    [['silences', 'remove', 'x']],
    [['notify']],
    [['notify', 'test']],
    [['notify', 'tset', 'night']],
    [['notify', 'test', 'night', '--html']],
    [['notify', 'preview', 'a1', '--html', '--json']],
  ])('%j', async (args) => {
    expect(await ask(...args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('hint: tocsin --help') });
    expect(backend.operations).toEqual([]);
  });

  it.each(['alerts', 'silences', 'notify'])('%s --help explains itself, with examples', async (name) => {
    const { status, stdout } = await tocsin([name, '--help']);
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^usage: tocsin ${name}[^]*--url[^]*\n {2}tocsin ${name} `));
  });
});
