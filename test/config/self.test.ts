/** `self` and `heartbeat` of tocsin.yaml, as they are written and as they are refused. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keysThatNeedRestart } from '../../src/config/changed-keys.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { InvalidConfig } from '../../src/std/errors.ts';

const path = join(mkdtempSync(join(tmpdir(), 'tocsin-config-')), 'tocsin.yaml');

function load(text: string, set: readonly string[] = []): Config {
  writeFileSync(path, text);
  return loadConfig({ path, set, env: {} });
}

/** As `line:column message | hint`. */
function problems(text: string): string[] {
  try {
    load(text);
  } catch (error) {
    if (!(error instanceof InvalidConfig)) throw error;
    return error.problems.map(({ place, message, hint }) => `${place?.replace(`${path}:`, '')} ${message} | ${hint}`);
  }
  return [];
}

const SMTP = 'email: {smtp: "smtp://127.0.0.1:25"}\n';

describe('the config of watching itself', () => {
  it.each([
    ['', 10_000],
    ['self: {}', 10_000],
    ['self: {every: 1m}', 60_000],
    ['self: off', null],
    ['self: false', null],
  ])('%j is every %s ms', (text, everyMs) => {
    expect(load(text).self).toEqual({ everyMs });
  });

  it('is overridden by --set, also where the file says off', () => {
    expect(load('self: {every: 1m}', ['self=off']).self.everyMs).toBeNull();
    expect(load('self: off', ['self.every=5s']).self.everyMs).toBe(5000);
  });

  it.each([
    ['heartbeat: off', null],
    ['heartbeat: {url: "https://hc.example.org/a"}', { kind: 'http', url: 'https://hc.example.org/a', everyMs: 60_000 }],
    [`${SMTP}heartbeat: {email: watch@example.org}`, { kind: 'email', to: 'watch@example.org', everyMs: 3_600_000 }],
    [`${SMTP}heartbeat: {email: watch@example.org, every: 5m}`, { kind: 'email', to: 'watch@example.org', everyMs: 300_000 }],
  ])('reads %j', (text, heartbeat) => {
    expect(load(text).heartbeat).toEqual(heartbeat);
  });

  it.each([
    ['self: {evry: 1m}', '1:8 unknown key "evry" | did you mean every?'],
    ['self: {every: 10ms}', '1:15 every: expected at least 1s | undefined'],
    ['self: 10s', '1:7 self: expected a mapping, found text | undefined'],
    ['heartbeat: {every: 1m}', '1:12 heartbeat: it needs url or email, one of them | {url: "https://…"} or {email: watch@example.org}'],
    [
      'heartbeat: {url: "hc.example.org/secret"}',
      '1:18 url: expected a URL that begins with http:// or https:// | for example https://hc.example.org/ping/abc',
    ],
    ['heartbeat: {email: watch}', '1:20 email: "watch" is no e-mail address | write one address: name@example.org'],
    [
      'self: off\nheartbeat: {url: "https://hc.example.org/a"}',
      '2:12 a heartbeat is sent while Tocsin’s own readings are evaluated, and self is off | leave `self: off` out',
    ],
    [
      'heartbeat: {email: watch@example.org}',
      '1:20 without email.smtp mails are files, which tell nobody outside | add email.smtp, or use url',
    ],
  ])('refuses %j, and says where and what to do', (text, problem) => {
    expect(problems(text)).toEqual([problem]);
  });

  it('is applied by a reload, but for the heartbeat', () => {
    expect(keysThatNeedRestart(load('self: {every: 1m}'), load('self: off'))).toEqual([]);
    expect(keysThatNeedRestart(load(''), load('heartbeat: {url: "https://hc.example.org/a"}'))).toEqual(['heartbeat']);
    const urls = ['a', 'b'].map((name) => load(`heartbeat: {url: "https://hc.example.org/${name}"}`)) as [Config, Config];
    expect(keysThatNeedRestart(...urls)).toEqual(['heartbeat.url']);
  });
});
