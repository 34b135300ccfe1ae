/** `tocsin quarantine` as a process, asking a real HTTP server: what it says to it, prints, and how it ends. */
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startWebServer, type WebServer } from '../../src/web/server.ts';
import { tocsin } from '../main/command.ts';
import { MemoryBackend } from '../web/memory-backend.ts';

let backend: MemoryBackend;
let server: WebServer;
beforeAll(async () => {
  backend = new MemoryBackend();
  server = await startWebServer({ host: '127.0.0.1', port: 0, backend, logger: pino({ level: 'silent' }) });
});
afterAll(() => server.close());
beforeEach(() => {
  backend.queries.length = 0;
  backend.items.length = 0;
  backend.reasons = [];
  backend.replayNext = { one: {}, many: [] };
});
const ask = (...args: readonly string[]) => tocsin(['quarantine', ...args, '--url', server.url]);

const entry = (id: number, more: object = {}) => ({
  id,
  device: 'd1',
  topic: 'sensors/d1/telemetry',
  client: 'c1',
  receivedAt: Date.parse('2026-03-01T00:00:00Z') * 1000,
  reason: 'invalid-json',
  detail: 'it ends too early',
  partial: false,
  payload: '{"t":',
  ...more,
});

describe('tocsin quarantine ls', { timeout: 30_000 }, () => {
  it('counts by reason first, then lists; with a filter it only lists', async () => {
    backend.items.push(entry(2), entry(1, { topic: '', device: null }));
    backend.reasons = [{ reason: 'invalid-json', count: 2, firstReceivedAt: 0, lastReceivedAt: 0, example: entry(2) }];
    const { status, stdout } = await ask();
    expect(status).toBe(0);
    expect(stdout).toMatch(/^REASON +COUNT +LAST +FOR EXAMPLE\ninvalid-json +2 +\S+ ago +it ends too early\n\nID /);
    expect(stdout).toMatch(/^1 +\S+ ago +invalid-json +- +\(HTTP\) +\{"t": +it ends too early$/m);
    expect((await ask('ls', '--reason', 'invalid-json', '--topic', '')).stdout).toMatch(/^ID /);
    expect(backend.queries.at(-1)).toEqual({ reason: 'invalid-json', topic: '', limit: 20 });
    const { stdout: json } = await ask('ls', '--json');
    expect(JSON.parse(json)).toMatchObject([{ id: 2, receivedAt: '2026-03-01T00:00:00.000000Z' }, { id: 1 }]);
  });

  it('says so when there is nothing', async () => {
    expect(await ask()).toMatchObject({ status: 0, stdout: 'the quarantine is empty\n' });
    expect((await ask('ls', '--device', 'x')).stdout).toBe('nothing like that is in the quarantine\n');
  });
});

describe('tocsin quarantine show', { timeout: 30_000 }, () => {
  it('prints text by line, and what is binary as bytes', async () => {
    backend.items.push(entry(1, { payload: '{\n\t"t": "\u202e x"' }), entry(2, { payload: 'ok\u001b[2J' }));
    backend.items.push(entry(3, { payload: undefined, payloadBase64: Buffer.alloc(5000, 0xff).toString('base64') }));
    const text = await ask('show', '1');
    expect(text).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^1\n {2}reason +invalid-json\n[\s\S]*payload\n {2}\{\n {6}"t": "� x"\n$/),
    });
    expect(text.stdout).toMatch(/^ {2}hint +the device sends no JSON/m);
    expect((await ask('show', '2')).stdout).toMatch(/payload\n {2}000000 {2}6f 6b 1b 5b 32 4a +ok\.\[2J\n$/);
    expect((await ask('show', '3')).stdout).toMatch(/\n {2}000ff0 {2}(?:ff ){16} *\.{16}\n {2}… 904 bytes more: --json has all of them\n$/);
  });

  it('ends with 1 where there is none', async () => {
    expect(await ask('show', '9')).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('no entry "9"') });
  });
});

describe('tocsin quarantine replay', { timeout: 30_000 }, () => {
  it('replays one after the other, and ends with 1 when one is rejected still', async () => {
    backend.replayNext.one = {
      1: { id: 1, outcome: 'replayed', readings: 2 },
      2: { id: 2, outcome: 'nothing', readings: 0 },
      3: { id: 3, outcome: 'kept', readings: 1, reason: 'out-of-range', detail: 'too \u001b much' },
    };
    expect(await ask('replay', '1', '2', '--rules')).toMatchObject({
      status: 0,
      stdout: '1: replayed as 2 readings\n2: there is nothing to keep in it: it has left\n',
    });
    expect(backend.queries).toEqual([
      { id: 1, rules: true },
      { id: 2, rules: true },
    ]);
    expect(await ask('replay', '3')).toMatchObject({
      status: 1,
      stdout: '3: rejected still, out-of-range: too � much; the rest of it is replayed as 1 reading\n',
    });
    expect(JSON.parse((await ask('replay', '3', '--json')).stdout)).toMatchObject([{ id: 3, outcome: 'kept' }]);
  });

  it('goes on until all that match have been looked at', async () => {
    const still = [{ id: 7, outcome: 'kept', readings: 0, reason: 'invalid-json', detail: 'x' }];
    backend.replayNext.many.push(
      { replayed: 999, kept: 1, readings: 1998, still, remaining: 5, next: '1000' },
      { replayed: 5, kept: 0, readings: 5, still: [], remaining: 0, next: null },
    );
    expect(await ask('replay', '--reason', 'invalid-json', '--device', 'd1')).toEqual({
      status: 1,
      stdout: '7: rejected still, invalid-json: x\n1004 replayed as 2003 readings, 1 rejected still\n',
      stderr: '',
    });
    const filter = { reason: 'invalid-json', device: 'd1' };
    expect(backend.queries).toEqual([
      { filter, rules: false, limit: 1000, after: 0 },
      { filter, rules: false, limit: 1000, after: 1000 },
    ]);
  });

  it.each<[string, readonly string[], string]>([
    ['nothing that says which', ['replay'], 'which ones?'],
    ['ids and a filter', ['replay', '1', '--all'], 'which ones?'],
    ['rules without replay', ['ls', '--rules'], 'go with replay'],
    ['another word', ['rm', '1'], 'found rm'],
    ['show without an id', ['show'], 'which one?'],
  ])('ends with 2 on wrong usage: %s', async (_, args, problem) => {
    expect(await ask(...args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(problem) });
    expect(backend.queries).toEqual([]);
  });
});
