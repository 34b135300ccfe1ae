import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRules, parseRules } from '../../src/rules/parse.ts';

const problemsOf = (text: string): string[] => parseRules([{ path: 'r.yaml', text }]).problems.map((problem) => problem.render());

describe('a rule file', () => {
  it('becomes rules, levels ascending, durations in milliseconds, places of the first character', () => {
    const text = `rules:
  - id: warm
    devices: {profile: vaccine-fridge, id: "fridge-*", labels: {site: berlin, floor: 2}}
    levels:
      critical: {when: 'temperature > 8', for: 1h30m}
      warning:
        when: |
          temperature > 8 &&
          door
        clear: temperature < 7
    noData: {after: 30m, raise: warning}
    summary: "at {{temperature}}"
    labels: {team: pharmacy}
`;
    const { rules, problems } = parseRules([{ path: 'r.yaml', text }]);
    expect(problems).toEqual([]);
    expect(rules).toEqual([
      {
        id: 'warm',
        place: { file: 'r.yaml', line: 2, column: 9 },
        selector: { profile: 'vaccine-fridge', id: 'fridge-*', labels: { site: 'berlin', floor: '2' } },
        levels: [
          {
            level: 'warning',
            when: { text: 'temperature > 8 &&\ndoor', place: { file: 'r.yaml', line: 8, column: 11 } },
            forMs: 0,
            clear: { text: 'temperature < 7', place: { file: 'r.yaml', line: 10, column: 16 } },
          },
          {
            level: 'critical',
            when: { text: 'temperature > 8', place: { file: 'r.yaml', line: 5, column: 25 } },
            forMs: 5_400_000,
            clear: null,
          },
        ],
        noData: { afterMs: 1_800_000, action: { raise: 'warning' } },
        summary: 'at {{temperature}}',
        description: null,
        runbook: null,
        labels: { team: 'pharmacy' },
      },
    ]);
  });

  it('of comments only holds no rules and no problem', () => {
    expect(parseRules([{ path: 'r.yaml', text: '# later\n' }])).toEqual({ rules: [], problems: [] });
  });

  it('may share parts by anchor and alias', () => {
    const text = 'rules:\n- {id: a, levels: &l {warning: {when: "true"}}}\n- {id: b, levels: *l}\n';
    expect(parseRules([{ path: 'r.yaml', text }]).rules.map((rule) => rule.levels.length)).toEqual([1, 1]);
  });
});

describe('what is wrong is told with its place', () => {
  const head = 'rules:\n  - id: warm\n';
  const levels = '    levels: {warning: {when: "temperature > 8"}}\n';
  const cases: [says: string, text: string, problem: string][] = [
    [
      'an unknown key, with the nearest known one',
      `${head}    levles: {}\n${levels}`,
      'r.yaml:3:5: unknown key levles\nhint: did you mean levels?',
    ],
    [
      'an unknown level',
      `${head}    levels: {severe: {when: "true"}}\n`,
      'r.yaml:3:14: unknown key severe\nhint: there are: info, warning, critical',
    ],
    [
      'a level without when',
      `${head}    levels: {warning: {for: 5m}}\n`,
      'r.yaml:3:23: the level warning has no when\nhint: add when: with a condition such as "temperature > 8"',
    ],
    [
      'no levels',
      head,
      'r.yaml:2:5: the rule has no levels\nhint: add levels: with at least one of info, warning, critical, each with a when',
    ],
    [
      'a duration that is none',
      `${head}    levels: {warning: {when: "true", for: 10 minutes}}\n`,
      'r.yaml:3:43: for: 10 minutes is no duration\nhint: write a duration such as 90s, 10m, 1h30m',
    ],
    [
      'a bare number as duration',
      `${head}    levels: {warning: {when: "true", for: 10}}\n`,
      'r.yaml:3:43: for: 10 is no duration\nhint: write a duration such as 90s, 10m, 1h30m',
    ],
    [
      'an id that is not usable',
      'rules:\n  - id: "a b"\n    levels: {warning: {when: "true"}}\n',
      'r.yaml:2:10: the rule id "a b" is not usable\nhint: up to 100 letters, digits, dots, dashes and underscores',
    ],
    [
      'raise and then together',
      `${head}${levels}    noData: {after: 5m, raise: warning, then: ok}\n`,
      'r.yaml:4:13: noData needs raise or then, one of them\nhint: raise: warning | critical, or then: keep | ok',
    ],
    [
      'a level that cannot be raised',
      `${head}${levels}    noData: {after: 5m, raise: critcal}\n`,
      'r.yaml:4:32: raise cannot be critcal\nhint: did you mean critical?',
    ],
    [
      'what is not supported yet in a level',
      `${head}    levels: {warning: {when: "true", consecutive: 3}}\n`,
      'r.yaml:3:38: consecutive is not supported yet\nhint: use for: to ask for a duration',
    ],
    [
      'what is not supported yet in a rule',
      `${head}${levels}    flapping: off\n`,
      'r.yaml:4:5: flapping is not supported yet\nhint: remove it: changes are not counted yet',
    ],
    ['a rule file without rules', 'rule: []\n', 'r.yaml:1:1: unknown key rule\nhint: did you mean rules?'],
    ['a list that is none', 'rules: {a: 1}\n', 'r.yaml:1:8: rules must be a list'],
    ['a file that is no YAML', 'rules: [\n', 'r.yaml:2:1: '],
  ];
  for (const [says, text, problem] of cases) {
    it(says, () => {
      expect(problemsOf(text)[0]).toContain(problem);
    });
  }

  it('every problem of every file at once', () => {
    const bad = 'rules:\n  - {id: a, levels: {warning: {when: 5}}, x: 1}\n';
    expect(
      parseRules([
        { path: 'a.yaml', text: bad },
        { path: 'b.yaml', text: bad },
      ]).problems,
    ).toHaveLength(4);
  });

  it('an id that is used twice, across files', () => {
    const text = 'rules: [{id: a, levels: {warning: {when: "true"}}}]\n';
    const { problems } = parseRules([
      { path: 'a.yaml', text },
      { path: 'b.yaml', text },
    ]);
    expect(problems.map((problem) => problem.render())).toEqual([
      'b.yaml:1:14: rule id a is used twice\nhint: the other one is at a.yaml:1:14',
    ]);
  });
});

describe('a folder of rules', () => {
  it('is read without its rule tests', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tocsin-rules-'));
    try {
      await writeFile(join(folder, 'a.yaml'), 'rules: [{id: a, levels: {warning: {when: "true"}}}]\n');
      await writeFile(join(folder, 'a.test.yaml'), 'tests: []\n');
      await writeFile(join(folder, 'notes.txt'), 'none\n');
      const { rules, problems } = await loadRules(folder);
      expect(problems).toEqual([]);
      expect(rules.map((rule) => rule.id)).toEqual(['a']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('that does not exist is a problem with a hint', async () => {
    const { problems } = await loadRules('/nowhere/rules');
    expect(problems[0]?.render()).toMatch(/^\/nowhere\/rules: cannot read the rules folder: .*\nhint: /);
  });
});
