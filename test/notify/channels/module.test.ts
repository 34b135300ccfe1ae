/** Users' modules, good ones and bad ones: each is real code in a file. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createModuleNotifier } from '../../../src/notify/channels/module.ts';
import type { Notifier } from '../../../src/notify/channels/notifier.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { messageTo } from './message.ts';

const never = new AbortController().signal;
let folder = '';
let notifier: Notifier;
let lines: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-module-'));
  lines = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
  notifier = createModuleNotifier({ clock, logger, timeouts: { sendMs: 300, closeMs: 200 } });
});
afterEach(async () => {
  await notifier.close();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
const send = (name: string, options: Readonly<Record<string, unknown>> = {}) =>
  notifier.send(messageTo({ kind: 'module', address: `./${name}`, path: join(folder, name), options }), never);

/** Delivers, and says how often it was loaded and made. */
const COUNTING = `
globalThis.loadedOf ??= {};
const key = import.meta.url.split(/[?#]/)[0];
globalThis.loadedOf[key] = (globalThis.loadedOf[key] ?? 0) + 1;
let made = 0;
export default async (options, { clock, logger }) => {
  made += 1;
  const mine = made;
  logger.info({ at: clock.now() > 0 }, 'made');
  return {
    send: async (message) => ({ outcome: 'delivered', detail: [globalThis.loadedOf[key], mine, options.name, message.contact].join(' ') }),
    close: async () => { logger.info('closed ' + mine); },
  };
};
`;

describe("a user's module", () => {
  it('is loaded at the first message, once, and made once for each set of options', async () => {
    write('a.mjs', COUNTING);
    expect(lines).toEqual([]);
    const details = [];
    for (const name of ['x', 'x', 'y', 'x']) details.push((await send('a.mjs', { name })).detail);
    expect(details).toEqual(['./a.mjs: 1 1 x pharmacy', './a.mjs: 1 1 x pharmacy', './a.mjs: 1 2 y pharmacy', './a.mjs: 1 1 x pharmacy']);
    await notifier.close();
    const logged = lines.map((line) => JSON.parse(line));
    expect(logged.map(({ msg, module }) => [msg, module])).toEqual([
      ['made', './a.mjs'],
      ['made', './a.mjs'],
      ['closed 1', './a.mjs'],
      ['closed 2', './a.mjs'],
    ]);
  });

  it('may be TypeScript, which Node itself reads', () => {
    const path = write(
      'a.ts',
      `export default (options: { readonly n: number }) => ({ send: async () => ({ outcome: 'delivered', detail: String(options.n) }), close: async () => {} });`,
    );
    const source = (name: string): string => JSON.stringify(new URL(`../../../src/${name}.ts`, import.meta.url).href);
    const program = `
      const { createModuleNotifier } = await import(${source('notify/channels/module')});
      const { systemClock: clock } = await import(${source('std/clock')});
      const { createLogger } = await import(${source('std/logger')});
      const notifier = createModuleNotifier({ clock, logger: createLogger('test') });
      const channel = { kind: 'module', address: './a.ts', path: ${JSON.stringify(path)}, options: { n: 5 } };
      console.log(JSON.stringify(await notifier.send({ channel }, new AbortController().signal)));
    `;
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
    expect(JSON.parse(printed)).toEqual({ outcome: 'delivered', detail: './a.ts: 5' });
  });

  const sending = (body: string): string => `export default () => ({ send: ${body}, close: async () => {} });`;
  it.each([
    ['is not there', null, /no such file/],
    ['does not parse', 'export default (', /./],
    ['throws while it is loaded', "throw new Error('no licence')", /no licence/],
    ['has no default export', 'export const send = 1;', /has no function as its default export/],
    ['throws while it is made', "export default () => { throw new Error('no key'); }", /no key/],
    ['rejects while it is made', "export default async () => { throw new Error('no key'); }", /no key/],
    ['makes nothing', 'export default () => undefined;', /send and close/],
    ['makes half a notifier', 'export default () => ({ send: async () => {} });', /send and close/],
    ['never gets made', 'export default () => new Promise(() => {});', /did not answer within 1 s/],
    ['throws', sending("() => { throw new Error('over quota\\n now'); }"), /over quota now/],
    ['rejects', sending("() => Promise.reject('text only')"), /text only/],
    ['answers nothing', sending('async () => {}'), /gave no outcome/],
    ['answers wrongly', sending("async () => ({ outcome: 'done', detail: '' })"), /gave no outcome/],
    ['answers without a detail', sending("async () => ({ outcome: 'permanent', isMendable: true })"), /gave no outcome/],
    ['never answers', sending('() => new Promise(() => {})'), /did not answer within 1 s/],
    ['has an answer that throws', sending("async () => ({ get outcome() { throw new Error('a trap'); } })"), /a trap/],
  ])('that %s is told of as worth another try, and stops no other', async (_what, text, expected) => {
    write('good.mjs', COUNTING);
    if (text !== null) write('bad.mjs', text);
    const [bad, good] = await Promise.all([send('bad.mjs'), send('good.mjs')]);
    expect(bad).toEqual({ outcome: 'retryable', detail: expect.stringMatching(expected) });
    expect(bad.detail).toMatch(/^\.\/bad\.mjs: /);
    expect(good.outcome).toBe('delivered');
  });

  it('says itself what is permanent, and when to try again, for an hour at most', async () => {
    write('a.mjs', sending("async (message) => ({ outcome: 'permanent', detail: 'unknown number', isMendable: false, other: 1 })"));
    expect(await send('a.mjs')).toEqual({ outcome: 'permanent', detail: './a.mjs: unknown number', isMendable: false });
    write('b.mjs', sending("async () => ({ outcome: 'retryable', detail: 'busy', afterMs: 1e12 })"));
    expect(await send('b.mjs')).toEqual({ outcome: 'retryable', detail: './b.mjs: busy', afterMs: 3_600_000 });
  });

  it('that failed to load is loaded anew once it was mended', async () => {
    const path = write('a.mjs', 'export default 5;');
    utimesSync(path, 1, 1);
    expect((await send('a.mjs')).outcome).toBe('retryable');
    write('a.mjs', COUNTING);
    expect((await send('a.mjs')).outcome).toBe('delivered');
  });

  it('is told when its message is given up, and may ignore that', async () => {
    write(
      'a.mjs',
      `export default (options, { logger }) => ({
        send: (message, signal) => new Promise(() => signal.addEventListener('abort', () => logger.info('given up'))),
        close: () => new Promise(() => {}),
      });`,
    );
    expect((await send('a.mjs')).outcome).toBe('retryable');
    expect(lines.join('')).toContain('given up');
    const startMs = performance.now();
    await notifier.close();
    expect(performance.now() - startMs).toBeLessThan(1000);
  });

  it('has no text of its options repeated', async () => {
    write('a.mjs', sending("async (message) => { throw new Error('refused: ' + message.channel.options.account[0].token); }"));
    const outcome = await send('a.mjs', { account: [{ token: 'very-secret' }] });
    expect(outcome.detail).toBe('./a.mjs: refused: ***');
  });
});
