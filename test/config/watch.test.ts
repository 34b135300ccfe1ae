/** Watching for changed files, on a real file system: how often it calls, what it does not call for, and without a folder to watch. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Watched, watchConfiguration } from '../../src/config/watch.ts';
import { systemClock } from '../../src/std/clock.ts';

const QUIET_MS = 500;
const LATEST_MS = 5000;

let folder: string;
let files: Watched;
let calls: number;
let logged: string;
let end: () => void;

const path = (...parts: readonly string[]): string => join(folder, ...parts);
const write = (...parts: readonly string[]): void => writeFileSync(path(...parts), String(Math.random()));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tocsin-watch-'));
  mkdirSync(path('config', 'rules'), { recursive: true });
  mkdirSync(path('devices', 'profiles'), { recursive: true });
  for (const name of ['tocsin.yaml', 'notify.yaml']) write('config', name);
  files = {
    config: path('config', 'tocsin.yaml'),
    notify: path('config', 'notify.yaml'),
    credentials: path('config', 'credentials.yaml'),
    rules: path('config', 'rules'),
    devices: path('devices'),
  };
  calls = 0;
  logged = '';
});
afterEach(() => {
  end();
  rmSync(folder, { recursive: true, force: true });
});

function start(): void {
  const write = (line: string): void => {
    logged += line;
  };
  const onChange = (): void => {
    calls += 1;
  };
  end = watchConfiguration(files, { clock: systemClock, logger: pino({}, { write }), onChange });
}

async function callsWithin(waitMs: number): Promise<number> {
  const deadline = systemClock.monotonicMs() + waitMs;
  while (calls === 0 && systemClock.monotonicMs() < deadline) await systemClock.sleep(20);
  return calls;
}

describe('a change', () => {
  it.each([
    ['tocsin.yaml', () => write('config', 'tocsin.yaml')],
    ['notify.yaml', () => write('config', 'notify.yaml')],
    ['a new rule file', () => write('config', 'rules', 'new.yaml')],
    ['a new fleet file', () => write('devices', 'fleet.yaml')],
    ['a new profile', () => write('devices', 'profiles', 'p.yml')],
    ['a codec', () => write('devices', 'profiles', 'c.js')],
    ['a decoder in TypeScript', () => write('devices', 'profiles', 'd.ts')],
    [
      'a file renamed into its place',
      () => {
        write('config', 'notify.yaml~');
        renameSync(path('config', 'notify.yaml~'), files.notify);
      },
    ],
    [
      'all files exchanged at once, as Kubernetes does',
      () => {
        symlinkSync('..', path('config', 'rules', '..data_tmp'));
        renameSync(path('config', 'rules', '..data_tmp'), path('config', 'rules', '..data'));
      },
    ],
    ['a folder taken away', () => rmSync(files.rules, { recursive: true })],
  ])('of %s is one call', async (_, change) => {
    start();
    change();
    await systemClock.sleep(QUIET_MS / 2);
    expect(calls).toBe(0);
    expect(await callsWithin(3000)).toBe(1);
    await systemClock.sleep(QUIET_MS + 100);
    expect(calls).toBe(1);
    expect(logged).toBe('');
  });

  it('of what is none of ours calls nobody: data beside the config, editors’ own files', async () => {
    start();
    for (const name of ['journal.db', '.notify.yaml.swp', '4913', 'notify.yaml~']) write('config', name);
    for (const name of ['.x.yaml.swp', 'README.md']) write('config', 'rules', name);
    write('devices', 'README.md');
    expect(await callsWithin(3 * QUIET_MS)).toBe(0);
  });

  it('that goes on and on is not waited for longer than a few seconds', { timeout: 20_000 }, async () => {
    start();
    const begun = systemClock.monotonicMs();
    while (calls === 0 && systemClock.monotonicMs() - begun < 2 * LATEST_MS) {
      write('config', 'notify.yaml');
      await systemClock.sleep(100);
    }
    expect(calls).toBe(1);
    expect(systemClock.monotonicMs() - begun).toBeGreaterThan(LATEST_MS - 200);
  });

  it('after its end calls nobody', async () => {
    start();
    write('config', 'notify.yaml');
    await systemClock.sleep(QUIET_MS / 2);
    end();
    write('config', 'notify.yaml');
    expect(await callsWithin(3 * QUIET_MS)).toBe(0);
  });
});

describe('a folder that cannot be watched', () => {
  it('is looked at until it is there', { timeout: 20_000 }, async () => {
    rmSync(files.rules, { recursive: true });
    start();
    expect(logged).toContain('it is looked at every few seconds');
    mkdirSync(files.rules);
    write('config', 'rules', 'a.yaml');
    expect(await callsWithin(10_000)).toBe(1);
  });

  it('unless it need not be there', async () => {
    rmSync(path('devices', 'profiles'), { recursive: true });
    start();
    expect(logged).toBe('');
    mkdirSync(path('devices', 'profiles'));
    expect(await callsWithin(3000)).toBe(1);
  });
});
