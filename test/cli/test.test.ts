/** `tocsin test` as a process: the shipped rules hold, and what does not hold is told so that a person can mend it. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Ended, tocsin } from '../main/command.ts';

/** The shipped configuration in a folder of its own, with files put in its place. */
async function withFiles(
  files: Record<string, string | ((shipped: string) => string)>,
  use: (cwd: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tocsin-test-'));
  try {
    for (const name of ['config', 'devices']) await cp(resolve(name), join(folder, name), { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      const path = join(folder, name);
      await writeFile(path, typeof content === 'string' ? content : content(await readFile(path, 'utf8')));
    }
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const FAILING = `tests:
  - name: warm for ten minutes
    device: fridge-01
    readings: {every: 5m, temperature: ["5..7 x5", "9.3 x3", 5]}
    expect:
      - {at: 25m, alert: fridge-warm, level: warning, email: {to: pharmacy@example.org, contains: "9.3"}}
      - {at: 40m, alert: fridge-warm, level: none}

  - name: "a <cold> & 'quiet' night"
    device: fridge-01
    profile: vaccine-fridge
    readings: {every: 5m, temperature: [4, 4]}
    emails: 0
`;

describe('tocsin test', () => {
  it('finds the shipped rules and those of the demonstration to do what their tests say', async () => {
    const shipped = await tocsin(['test']);
    expect(shipped).toMatchObject({ status: 0, stderr: '' });
    expect(shipped.stdout).toMatch(/^config\/rules\/cold-chain\.test\.yaml\n(ok {4}.*\n){14}\n14 passed, 0 failed\n$/);
    const demo = await tocsin(['test', '--set', 'rules=../simulator/demo/rules']);
    expect(demo).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/\n2 passed, 0 failed\n$/) });
  });

  it('finds the examples of config/README.md to hold for the shipped rules', async () => {
    const blocks = [...(await readFile('config/README.md', 'utf8')).matchAll(/```yaml\n(tests:.*?)```/gs)].map((match) => match[1] ?? '');
    expect(blocks).toHaveLength(1);
    await withFiles({ 'config/rules/readme.test.yaml': blocks.join('') }, async (cwd) => {
      const ended = await tocsin(['test', 'config/rules/readme.test.yaml'], { cwd });
      expect(ended).toMatchObject({ status: 0, stdout: expect.stringMatching(/\n1 passed, 0 failed\n$/), stderr: '' });
    });
  });

  it('tells what was expected, what came instead, and what happened around it', async () => {
    await withFiles({ 'config/rules/own.test.yaml': FAILING }, async (cwd) => {
      const { status, stdout, stderr } = await tocsin(['test', 'config/rules/own.test.yaml'], { cwd });
      expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
      expect(stdout).toBe(`config/rules/own.test.yaml
FAIL  warm for ten minutes

  config/rules/own.test.yaml:6:9  at 25m
    expected  fridge-warm on fridge-01: warning
    got       pending (warning), since 25m

  config/rules/own.test.yaml:6:9  at 25m
    expected  1 e-mail to pharmacy@example.org containing "9.3", by 25m
    got       none

    0m is 2026-01-05T00:00:00.000Z
    0m–25m   reading         fridge-01                 temperature 5 → 9.3 ×6
    25m      pending         fridge-warm on fridge-01  temperature > limits.temperature_max is true (temperature is 9.3); it fires when that has held for 10m
  > 25m      expected        fridge-warm on fridge-01: warning
  > 25m      expected        1 e-mail to pharmacy@example.org containing "9.3", by 25m
    30m–35m  reading         fridge-01                 temperature 9.3 ×2
    35m      firing warning  fridge-warm on fridge-01  temperature > limits.temperature_max has been true for 10m, since 2026-01-05T00:25:00.000Z (temperature is 9.3)
    35m30s   e-mail          pharmacy                  [WARNING] fridge-warm on fridge-01: 9.3 °C
    …        3 more
ok    a <cold> & 'quiet' night

1 passed, 1 failed
`);
    });
  });

  it('writes JUnit XML and prints JSON for programs', async () => {
    await withFiles({ 'config/rules/own.test.yaml': FAILING }, async (cwd) => {
      const { status, stdout } = await tocsin(['test', '--json', '--junit', 'junit.xml'], { cwd });
      expect(status).toBe(1);
      const report = JSON.parse(stdout) as { passed: number; failed: number; tests: Record<string, unknown>[] };
      expect(report).toMatchObject({ passed: 15, failed: 1 });
      expect(report.tests.find(({ name }) => name === 'warm for ten minutes')).toMatchObject({
        file: 'config/rules/own.test.yaml',
        line: 2,
        passed: false,
        failures: [
          {
            place: 'config/rules/own.test.yaml:6:9',
            at: 1500,
            expected: 'fridge-warm on fridge-01: warning',
            got: 'pending (warning), since 25m',
          },
          { at: 1500, got: 'none' },
        ],
        alerts: [
          { at: 1500, kind: 'pending', rule: 'fridge-warm', device: 'fridge-01' },
          { at: 2100, kind: 'firing' },
          { at: 2400, kind: 'resolved' },
        ],
        messages: [{ at: 2130, contact: 'pharmacy', subject: '[WARNING] fridge-warm on fridge-01: 9.3 °C' }, { at: 2430 }],
      });
      const xml = await readFile(join(cwd, 'junit.xml'), 'utf8');
      expect(elementsOf(xml).filter((element) => /^testsuites?\b/.test(element))).toEqual([
        'testsuites name="tocsin" tests="16" failures="1" errors="0"',
        'testsuite name="config/rules/cold-chain.test.yaml" tests="14" failures="0" errors="0" skipped="0"',
        'testsuite name="config/rules/own.test.yaml" tests="2" failures="1" errors="0" skipped="0"',
      ]);
      expect(elementsOf(xml).filter((element) => element.startsWith('failure'))).toEqual([
        'failure message="expected fridge-warm on fridge-01: warning; got pending (warning), since 25m" type="expectation"',
      ]);
      expect(xml).toContain('name="a &lt;cold&gt; &amp; &apos;quiet&apos; night"');
    });
  });

  it('runs what is asked for', async () => {
    const some = await tocsin(['test', '--filter', 'HOUR']);
    expect(some.stdout).toMatch(/\n2 passed, 0 failed\n$/);
    expect(await tocsin(['test', '--filter', 'nothing like it'])).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'config/rules/cold-chain.test.yaml: none of 14 rule tests has "nothing like it" in its name\nhint: a file of rule tests is called NAME.test.yaml\n',
    });
    expect(await tocsin(['test', 'nope.test.yaml'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^nope\.test\.yaml: cannot read the rule tests: ENOENT/),
    });
    expect(await tocsin(['test', '--colour'])).toMatchObject({ status: 2, stdout: '' });
    expect(await tocsin(['test', '--help'])).toMatchObject({ status: 0, stdout: expect.stringMatching(/^usage: tocsin test /) });
  });

  it('shows every mistake of a test with its place, and runs none', async () => {
    const wrong = FAILING.replace('fridge-warm, level: none', 'fridge-wram, level: none').replace(
      'every: 5m, temperature: [4, 4]',
      'temperature: [4]',
    );
    await withFiles({ 'config/rules/own.test.yaml': wrong, 'config/rules/two.test.yaml': 'tests:\n  - nmae: x\n' }, async (cwd) => {
      const { status, stdout, stderr } = await tocsin(['test'], { cwd });
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toBe(`config/rules/two.test.yaml:2:5: name is missing
config/rules/two.test.yaml:2:5: unknown key "nmae"
hint: did you mean name?
config/rules/own.test.yaml:7:26: there is no rule fridge-wram
hint: did you mean fridge-warm?
`);
    });
  });
});

describe('tocsin check', () => {
  it('shows what is wrong with the form of a rule test; what it names need not be there', async () => {
    const wrong = (text: string): string => text.replace('level: warning}', 'level: wraning}').replace('fridge-warm', 'renamed');
    await withFiles({ 'config/rules/cold-chain.test.yaml': wrong }, async (cwd) => {
      const ended: Ended = await tocsin(['check'], { cwd });
      expect(ended).toEqual({
        status: 1,
        stdout: '',
        stderr: `config/rules/cold-chain.test.yaml:8:42: level: expected one of info, warning, critical, none, pending
hint: did you mean warning?
1 problem in config/tocsin.yaml and what it names
`,
      });
    });
  });
});

/** Elements with their attributes, in order. Throws when the text is not well-formed. */
function elementsOf(xml: string): string[] {
  const open: string[] = [];
  const elements: string[] = [];
  const body = xml.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '');
  for (const [, text = '', tag] of body.matchAll(/([^<]*)(?:<([^>]*)>|$)/g)) {
    if (/&(?!(?:amp|lt|gt|quot|apos);)/.test(text)) throw new Error(`a bare & in ${JSON.stringify(text)}`);
    if (open.length === 0 && text.trim() !== '') throw new Error(`text outside of everything: ${JSON.stringify(text)}`);
    if (tag === undefined) continue;
    const [, slash, name = '', attributes = '', end] = /^(\/?)([\w-]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)$/.exec(tag) ?? [];
    if (name === '') throw new Error(`no element: <${tag}>`);
    if (slash === '/') {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
      continue;
    }
    elements.push(`${name}${attributes}`);
    if (end !== '/') open.push(name);
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join(', ')}`);
  return elements;
}
