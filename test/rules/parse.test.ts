import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRules, parseRules } from '../../src/rules/parse.ts';

const parse = (text: string) => parseRules([{ path: 'r.yaml', text }]);
const problemsOf = (text: string): string[] => parse(text).problems.map((problem) => problem.render());

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
        by: [],
        levels: [
          {
            level: 'warning',
            when: { text: 'temperature > 8 &&\ndoor', place: { file: 'r.yaml', line: 8, column: 11 } },
            forMs: 0,
            clear: { text: 'temperature < 7', place: { file: 'r.yaml', line: 10, column: 16 } },
            count: null,
            keepFiringForMs: 0,
          },
          {
            level: 'critical',
            when: { text: 'temperature > 8', place: { file: 'r.yaml', line: 5, column: 25 } },
            forMs: 5_400_000,
            clear: null,
            count: null,
            keepFiringForMs: 0,
          },
        ],
        noData: { afterMs: 1_800_000, action: { raise: 'warning' }, metrics: null },
        flapping: { changes: 6, inMs: 1_800_000 },
        summary: 'at {{temperature}}',
        description: null,
        runbook: null,
        labels: { team: 'pharmacy' },
      },
    ]);
  });

  it('of comments only holds no rules and no problem', () => {
    expect(parseRules([{ path: 'r.yaml', text: '# later\n' }])).toEqual({ rules: [], problems: [] });
    expect(parseRules([{ path: 'r.yaml', text: 'rules:\n# later\n' }])).toEqual({ rules: [], problems: [] });
  });

  it('counts readings, keeps levels firing, watches chosen metrics and makes groups', () => {
    const { rules, problems } = parse(`rules:
  - id: hot
    by: [site, room]
    keepFiringFor: 5m
    levels:
      info: {when: true, keepFiringFor: 0}
      warning: {when: "t > 8", for: 0s, count: {times: 3, of: 5}}
      critical: {when: "t > 9", consecutive: 2, keepFiringFor: 1h}
    noData: {after: 15m, then: keep, metrics: [t, pm2.5]}
  - id: by-one
    by: site
    levels: {warning: {when: "true"}}
    noData: {after: 15m, then: ok, metrics: t}
`);
    expect(problems).toEqual([]);
    expect(rules.map(({ by, noData }) => ({ by, noData }))).toEqual([
      // biome-ignore-start lint/suspicious/noThenProperty: the word of the rule file
      { by: ['site', 'room'], noData: { afterMs: 900_000, action: { then: 'keep' }, metrics: ['t', 'pm2.5'] } },
      { by: ['site'], noData: { afterMs: 900_000, action: { then: 'ok' }, metrics: ['t'] } },
      // biome-ignore-end lint/suspicious/noThenProperty: the word of the rule file
    ]);
    expect(rules[0]?.levels).toMatchObject([
      { level: 'info', when: { text: 'true' }, forMs: 0, count: null, keepFiringForMs: 0 },
      { level: 'warning', forMs: 0, count: { times: 3, of: 5 }, keepFiringForMs: 300_000 },
      { level: 'critical', count: { times: 2, of: 2 }, keepFiringForMs: 3_600_000 },
    ]);
  });

  it('is read as far as it is right, so that conditions beside a mistake are checked as well', () => {
    const { rules, problems } = parse('rules:\n- {id: a, levels: {}}\n- {id: b, levels: {info: {when: "x >"}}}\n');
    expect(problems.map((problem) => problem.render())).toEqual([
      'r.yaml:2:19: levels: empty\nhint: give at least one of info, warning, critical',
    ]);
    expect(rules).toMatchObject([{ id: 'b', place: { line: 3, column: 8 }, levels: [{ when: { place: { line: 3, column: 34 } } }] }]);
  });

  it('may share parts by anchor and alias', () => {
    const text = 'rules:\n- {id: a, levels: &l {warning: {when: "true"}}}\n- {id: b, levels: *l}\n';
    expect(parseRules([{ path: 'r.yaml', text }]).rules.map((rule) => rule.levels.length)).toEqual([1, 1]);
  });
});

describe('what is wrong is told with its place', () => {
  const head = 'rules:\n  - id: warm\n';
  const levels = '    levels: {warning: {when: "temperature > 8"}}\n';
  const level = (keys: string): string => `${head}    levels: {warning: {when: "true", ${keys}}}\n`;
  const duration = 'expected a duration\nhint: write a number with a unit: 500ms, 30s, 10m, 1h30m, 7d';
  const condition = 'hint: write one in quotes, such as "temperature > 8"';
  it.each<[says: string, text: string, problem: string]>([
    [
      'an unknown key, with the nearest known one',
      `${head}    levles: {}\n${levels}`,
      'r.yaml:3:5: unknown key "levles"\nhint: did you mean levels?',
    ],
    [
      'an unknown level',
      `${head}    levels: {severe: {when: "true"}, info: {when: "true"}}\n`,
      'r.yaml:3:14: unknown key "severe"\nhint: known here: info, warning, critical',
    ],
    ['a level without when', `${head}    levels: {warning: {for: 5m}}\n`, `r.yaml:3:23: when is missing\n${condition}`],
    ['a condition that is empty', `${head}    levels: {warning: {when: " "}}\n`, `r.yaml:3:30: when: expected a condition\n${condition}`],
    ['a number for a condition', level('clear: 5'), `r.yaml:3:45: clear: expected a condition\n${condition}`],
    ['no levels', head, 'r.yaml:2:5: levels is missing\nhint: add levels: with at least one of info, warning, critical, each with a when'],
    ['no id', `rules:\n  - {levels: {warning: {when: "true"}}}\n`, 'r.yaml:2:5: id is missing\nhint: add id: some-name'],
    ['a number for an id', `rules:\n  - id: 5\n${levels}`, 'r.yaml:2:9: id: expected text\nhint: put it in quotes'],
    ['a duration that is none', level('for: 10 minutes'), `r.yaml:3:43: for: ${duration}`],
    ['a bare number as duration', level('for: 10'), `r.yaml:3:43: for: ${duration}`],
    ['a silence of no length', `${head}${levels}    noData: {after: 0s, then: ok}\n`, 'r.yaml:4:21: after: must be longer than nothing'],
    [
      'an id that is not usable',
      'rules:\n  - id: "a b"\n    levels: {warning: {when: "true"}}\n',
      'r.yaml:2:9: id: "a b" is not usable\nhint: up to 100 letters, digits, dots, dashes and underscores, a letter or digit first',
    ],
    [
      'raise and then together',
      `${head}${levels}    noData: {after: 5m, raise: warning, then: ok}\n`,
      'r.yaml:4:13: noData: it needs raise or then, one of them\nhint: raise: warning | critical, or then: keep | ok',
    ],
    [
      'neither raise nor then',
      `${head}${levels}    noData: {after: 5m}\n`,
      'r.yaml:4:13: noData: it needs raise or then, one of them\nhint: raise: warning | critical, or then: keep | ok',
    ],
    [
      'a level that cannot be raised',
      `${head}${levels}    noData: {after: 5m, raise: critcal}\n`,
      'r.yaml:4:32: raise: expected one of warning, critical\nhint: did you mean critical?',
    ],
    [
      'no metric to watch',
      `${head}${levels}    noData: {after: 5m, then: ok, metrics: []}\n`,
      'r.yaml:4:44: metrics: expected at least one name',
    ],
    ['a count of more than there are', level('count: {times: 3, of: 2}'), 'r.yaml:3:53: times: more than there are readings to look at'],
    ['a count of too many', level('count: {times: 3, of: 31}'), 'r.yaml:3:60: of: expected a whole number from 1 to 30'],
    ['a count of half a reading', level('consecutive: 1.5'), 'r.yaml:3:51: consecutive: expected a whole number from 1 to 30'],
    [
      'count and consecutive together',
      level('count: {times: 3, of: 5}, consecutive: 3'),
      'r.yaml:3:77: consecutive: count says it already\nhint: keep one of them: consecutive: 3 is count: {times: 3, of: 3}',
    ],
    ['a group by nothing', `${head}${levels}    by: []\n`, 'r.yaml:4:9: by: expected at least one name'],
    ['a label twice', `${head}${levels}    by: [site, site]\n`, 'r.yaml:4:16: "site" stands in it twice'],
    ['a label that is no text', `${head}${levels}    by: [site, 5]\n`, 'r.yaml:4:16: expected a name, or a list of names'],
    [
      'what stands in the fleet',
      `${head}${levels}    dependsOn: gw-1\n`,
      'r.yaml:4:16: dependsOn: not a key of a rule\nhint: write it at the device in fleet.yaml: {id: sensor-1, dependsOn: gateway-1}',
    ],
    [
      'flapping of one change',
      `${head}${levels}    flapping: {changes: 1}\n`,
      'r.yaml:4:25: changes: expected a whole number from 2 to 100',
    ],
    [
      'flapping that is a number',
      `${head}${levels}    flapping: 6\n`,
      'r.yaml:4:15: flapping: expected a mapping or off\nhint: such as {changes: 6, in: 30m}',
    ],
    [
      'flapping of another key',
      `${head}${levels}    flapping: {times: 6}\n`,
      'r.yaml:4:16: unknown key "times"\nhint: known here: changes, in',
    ],
    ['labels that are no text', `${head}${levels}    labels: {team: [a]}\n`, 'r.yaml:4:20: team: expected text'],
    ['a list that is none', 'rules: {a: 1}\n', 'r.yaml:1:8: rules: expected a list, found a mapping'],
    ['a file of another form', '- id: a\n', 'r.yaml:1:1: expected a mapping, found a list'],
  ])('%s', (_says, text, problem) => {
    const found = problemsOf(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(problem);
  });

  it('a rule file without rules', () => {
    expect(problemsOf('rule: []\n')).toEqual([
      'r.yaml:1:1: rules is missing\nhint: a rule file begins with rules: and a list',
      'r.yaml:1:1: unknown key "rule"\nhint: did you mean rules?',
    ]);
  });

  it('a file that is no YAML', () => {
    expect(problemsOf('rules: [\n')[0]).toMatch(/^r\.yaml:2:1: /);
  });

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

describe('the place of a condition is that of its first character', () => {
  /** The condition is `x > N`; where it stands is looked up in the text itself. */
  it.each<[says: string, text: string]>([
    ['as plain text', 'rules:\n- id: a\n  levels:\n    info:\n      when:   x > 1\n'],
    ['in quotes', `rules: [{id: a, levels: {info: {when: '  x > 1'}}}]`],
    ['in double quotes on the next line', 'rules:\n- id: a\n  levels:\n    info:\n      when:\n        "x > 1"\n'],
    [
      'in a block that begins with an empty line',
      'rules:\n- id: a\n  levels:\n    info:\n      when: |  # why\n\n        x > 1\n      for: 5m\n',
    ],
    ['in a folded block', 'rules:\n- id: a\n  levels:\n    info:\n      when: >-\n        x > 1\n        && y\n'],
    ['behind an anchor', 'rules:\n- id: a\n  levels:\n    info:\n      when: &hot "x > 1"\n'],
    ['where an alias leads', 'rules:\n- id: a\n  summary: &hot "x > 1"\n  levels:\n    info:\n      when: *hot\n'],
    ['where the alias of a level leads', 'rules:\n- id: b\n  levels: &l {info: {when: "x > 1"}}\n- {id: a, levels: *l}\n'],
  ])('%s', (_says, text) => {
    const { rules, problems } = parse(text);
    expect(problems).toEqual([]);
    const before = text.slice(0, text.indexOf('x > 1')).split('\n');
    const place = { file: 'r.yaml', line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
    expect(rules.find(({ id }) => id === 'a')?.levels[0]?.when.place).toEqual(place);
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
