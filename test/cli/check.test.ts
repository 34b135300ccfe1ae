// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const MAIN = resolve('src/main.ts');

const GOOD: Record<string, string> = {
  'config/tocsin.yaml': 'email: {from: "a@example.org"}\n',
  'config/notify.yaml': 'contacts:\n  pharmacy: {email: pharmacy@example.org}\ndefault: {to: [pharmacy]}\n',
  'config/rules/cold.yaml':
    'rules:\n  - id: warm\n    devices: {profile: fridge}\n    levels:\n      warning: {when: "temperature > limits.max"}\n',
  'devices/profiles/fridge.yaml': 'profile: fridge\ntopic: "f/{device}"\nmetrics: {temperature: {}}\nlimits: {max: 8}\n',
  'devices/fleet.yaml': 'devices:\n  - {id: d1, profile: fridge}\n',
};

function check(files: Record<string, string | null>, args: readonly string[] = []): { status: number | null; out: string; err: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-check-'));
  for (const [name, text] of Object.entries({ ...GOOD, ...files })) {
    if (text === null) continue;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'check', ...args], { cwd: folder, encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

describe('tocsin check', () => {
  it('finds what is shipped good', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'check'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^config\/tocsin\.yaml is good: 1 profile, 0 devices in the fleet file, \d+ rules?, \d+ contacts?\n$/);
  });

  it('says what it read', () => {
    expect(check({})).toEqual({
      status: 0,
      out: 'config/tocsin.yaml is good: 1 profile, 1 device in the fleet file, 1 rule, 1 contact\n',
      err: '',
    });
  });

  it('shows every problem of every file, and exits 1', () => {
    const { status, out, err } = check({
      'config/rules/cold.yaml': (GOOD['config/rules/cold.yaml'] ?? '').replace('temperature >', 'temprature >'),
      'config/notify.yaml': 'contacts:\n  pharmacy: {email: pharmacy@example.org}\ndefault: {to: [farmacy]}\n',
    });
    expect(status).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/^config\/rules\/cold\.yaml:5:24: .*temprature.*$/m);
    expect(err).toMatch(/^config\/notify\.yaml:3:16: .*farmacy.*$/m);
    expect(err).toMatch(/^hint: .*temperature.*$/m);
    expect(err).toMatch(/^2 problems in config\/tocsin\.yaml and what it names$/m);
  });

  it('warns of alerts that reach nobody, mentions those that do on purpose, and exits 0 all the same', () => {
    const contacts = 'contacts:\n  pharmacy: {email: pharmacy@example.org}\n';
    const nobody = check({ 'config/notify.yaml': `${contacts}default: {to: []}\n` });
    expect(nobody.status).toBe(0);
    expect(nobody.err).toBe(
      'config/rules/cold.yaml:2:9: warning: warm (warning) reaches nobody: no route matches it, and default tells nobody\nhint: add a route that matches {rule: warm}, with to: [] if that is meant; or name a contact in default\n',
    );
    const meant = check({ 'config/notify.yaml': `${contacts}routes: [{match: {rule: warm}, to: []}]\ndefault: {to: [pharmacy]}\n` });
    expect(meant).toEqual({
      status: 0,
      out: expect.stringMatching(/is good: .*\n1 alert reaches nobody, on purpose: warm \(warning\)\n$/),
      err: '',
    });
  });

  it('shows a broken profile without calling its rules wrong', () => {
    const { status, err } = check({ 'devices/profiles/fridge.yaml': 'profile: fridge\nmetrics: {temperature: {tpye: number}}\n' });
    expect(status).toBe(1);
    expect(err).toBe(
      'devices/profiles/fridge.yaml:2:25: unknown key "tpye"\nhint: did you mean type?\n1 problem in config/tocsin.yaml and what it names\n',
    );
  });

  it('shows a broken config, a broken --set, and files that are not there', () => {
    expect(check({ 'config/tocsin.yaml': 'datta: x\n' }).err).toContain(
      'config/tocsin.yaml:1:1: unknown key "datta"\nhint: did you mean data?\n',
    );
    expect(check({}, ['--set', 'journal.maxBytes=many']).err).toContain('--set journal.maxBytes: maxBytes: expected a size\n');
    expect(check({ 'config/notify.yaml': 'contacts: {a: {email: "${NOBODY_SET_THIS}"}}\ndefault: {to: [a]}\n' }).err).toContain(
      'config/notify.yaml:1:23: the environment variable NOBODY_SET_THIS is not set\nhint: ',
    );
    expect(check({ 'config/notify.yaml': null }).err).toMatch(/^config\/notify\.yaml: cannot be read/);
    expect(check({}, ['--config', 'nope.yaml']).err).toMatch(/^nope\.yaml: cannot read the config/);
  });
});
