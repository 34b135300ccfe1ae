/** What is wrong with a file of rule tests is told with its place and what to do about it. */
import { describe, expect, it } from 'vitest';
import { parseNotify } from '../../src/notify/config.ts';
import { parseRuleTests } from '../../src/replay/rule-test-file.ts';
import { readyTests } from '../../src/replay/rule-test-names.ts';
import { directoryOf, listed, rulesOf } from '../alerts/scenario.ts';

const directory = directoryOf({ fleet: [listed('fridge-09', { labels: { site: 'berlin' } })] });
const rules = rulesOf(
  `rules:
  - {id: fridge-warm, devices: {profile: vaccine-fridge}, levels: {warning: {when: "temperature > 8"}}}
  - {id: door-open, devices: {id: "fridge-*", profile: vaccine-fridge}, levels: {info: {when: "door"}}}`,
  directory,
);
const { config: notify } = parseNotify({
  path: 'notify.yaml',
  text: '{contacts: {pharmacy: {email: pharmacy@example.org}}, default: {to: [pharmacy]}}',
});

/** A test of one line a key. */
function problemsOf(...lines: string[]): string[] {
  const text = `tests:\n  - name: a test\n${lines.map((line) => `    ${line}\n`).join('')}`;
  const { file, problems } = parseRuleTests({ path: 't.test.yaml', text });
  const ofNames = file === null ? [] : readyTests(file, { rules, directory, notify }).problems;
  return [...problems, ...ofNames].map((problem) => problem.render());
}

const DEVICE = 'device: fridge-01';
const READINGS = 'readings: {every: 5m, temperature: [5, 9]}';
const EXPECT = 'expect: [{at: 5m, alert: fridge-warm, level: warning}]';

describe('the form of a rule test', () => {
  it('that holds has no problems', () => expect(problemsOf(DEVICE, READINGS, EXPECT)).toEqual([]));

  it.each<[string, string[], string]>([
    ['an unknown key', [DEVICE, READINGS, EXPECT, 'expects: []'], 't.test.yaml:6:5: unknown key "expects"\nhint: did you mean expect?'],
    [
      'nothing expected',
      [DEVICE, READINGS],
      't.test.yaml:2:5: the test expects nothing\nhint: add expect:, such as [{at: 20m, alert: fridge-warm, level: warning}]',
    ],
    [
      'an action that does nothing',
      [DEVICE, READINGS, EXPECT, 'do: [{at: 1m, by: anna}]'],
      't.test.yaml:6:10: nothing is done\nhint: one of acknowledge, unacknowledge, silence, endSilence: {at: 30m, acknowledge: fridge-warm}',
    ],
    [
      'an action with a key of another one',
      [DEVICE, READINGS, EXPECT, 'do: [{at: 1m, endSilence: s, for: 2h}]'],
      't.test.yaml:6:39: for: endSilence takes no for\nhint: leave it out',
    ],
    [
      'two actions in one',
      [DEVICE, READINGS, EXPECT, 'do: [{at: 1m, acknowledge: fridge-warm, silence: {rule: fridge-warm}}]'],
      't.test.yaml:6:54: silence: acknowledge and silence are two actions\nhint: make it two entries of the list',
    ],
    [
      'an action about a rule that there is none of',
      [DEVICE, READINGS, EXPECT, 'do: [{at: 1m, acknowledge: fridge-wram}]'],
      't.test.yaml:6:32: there is no rule fridge-wram\nhint: did you mean fridge-warm?',
    ],
    [
      'a silence of such a rule',
      [DEVICE, READINGS, EXPECT, 'do: [{at: 1m, silence: {rule: fridge-wram}}]'],
      't.test.yaml:6:35: there is no rule fridge-wram\nhint: did you mean fridge-warm?',
    ],
    [
      'the end of a silence that has not begun',
      [DEVICE, READINGS, EXPECT, 'do: [{at: 9m, silence: {rule: "*"}, name: works}, {at: 5m, endSilence: works}]'],
      't.test.yaml:6:76: no silence before it is called works\nhint: give one a name',
    ],
    [
      'what to match that is nothing',
      [DEVICE, READINGS, EXPECT, 'do: [{at: 9m, silence: {rul: fridge-warm}}]'],
      't.test.yaml:6:34: rul: unknown key\nhint: did you mean rule?',
    ],
    [
      'a level that there is none of',
      [DEVICE, READINGS, 'expect: [{at: 5m, alert: fridge-warm, level: warnning}]'],
      't.test.yaml:5:50: level: expected one of info, warning, critical, none, pending\nhint: did you mean warning?',
    ],
    [
      'a time without a unit',
      [DEVICE, READINGS, 'expect: [{at: 5, alert: fridge-warm, level: none}]'],
      "t.test.yaml:5:19: at: expected a time from the test's start\nhint: write a number with a unit: 0m, 90s, 10m, 1h30m",
    ],
    [
      'readings without a distance',
      [DEVICE, 'readings: {temperature: [5, 9]}', EXPECT],
      't.test.yaml:4:15: readings: readings need every\nhint: how far apart they are: {every: 5m, temperature: [5, "9 x14"]}',
    ],
    [
      'readings without a metric',
      [DEVICE, 'readings: [{every: 5m}]', EXPECT],
      't.test.yaml:4:16: readings without a metric\nhint: such as {every: 5m, temperature: [5, "9 x14"]}',
    ],
    [
      'a ramp without a length',
      [DEVICE, 'readings: {every: 5m, temperature: [5, "5..9"]}', EXPECT],
      't.test.yaml:4:44: "5..9" does not say in how many steps\nhint: such as "5..9 x5"',
    ],
    [
      'a message without a recipient',
      [DEVICE, READINGS, 'expect: [{at: 5m, alert: fridge-warm, level: warning, email: {count: 1}}]'],
      't.test.yaml:5:66: to is missing',
    ],
    [
      'a number where text is looked for',
      [DEVICE, READINGS, 'expect: [{at: 5m, alert: fridge-warm, level: warning, email: [{to: pharmacy, contains: 9}]}]'],
      't.test.yaml:5:92: contains: expected text, or a list of texts\nhint: put it in quotes',
    ],
    [
      'an instant without a zone',
      [DEVICE, READINGS, EXPECT, 'start: 2026-03-29T00:30'],
      't.test.yaml:6:12: start: expected an instant with its zone\nhint: such as 2026-03-29T00:30:00Z',
    ],
  ])('%s', (_name, lines, problem) => expect(problemsOf(...lines)).toEqual([problem]));

  it('a name used twice', () => {
    const text = 'tests:\n  - {name: a, noOther: true}\n  - {name: a, noOther: true}\n';
    expect(parseRuleTests({ path: 't.test.yaml', text }).problems.map((problem) => problem.render())).toEqual([
      't.test.yaml:3:12: a second test is called "a"\nhint: the first is at t.test.yaml:2:12',
    ]);
  });
});

describe('what a rule test names', () => {
  it.each<[string, string[], string]>([
    [
      'a rule that there is none of',
      [DEVICE, READINGS, 'expect: [{at: 5m, alert: fridge-wram, level: none}]'],
      't.test.yaml:5:30: there is no rule fridge-wram\nhint: did you mean fridge-warm?',
    ],
    [
      'a contact that there is none of',
      [DEVICE, READINGS, 'expect: [{at: 5m, alert: fridge-warm, level: warning, email: {to: farmacy}}]'],
      't.test.yaml:5:71: there is no contact farmacy\nhint: did you mean pharmacy?',
    ],
    [
      'an address of nobody',
      [DEVICE, READINGS, 'expect: [{at: 5m, alert: fridge-warm, level: warning, email: {to: farmacy@example.org}}]'],
      't.test.yaml:5:71: no contact has the address farmacy@example.org\nhint: did you mean pharmacy@example.org?',
    ],
    [
      'a device that sends nothing',
      [DEVICE, READINGS, 'expect: [{at: 5m, alert: fridge-warm, device: fridge-10, level: none}]'],
      't.test.yaml:5:51: the test has no device fridge-10\nhint: did you mean fridge-01?',
    ],
    [
      'a metric that the profile has none of',
      [DEVICE, 'readings: {every: 5m, temprature: [5, 9]}', EXPECT],
      't.test.yaml:4:27: the profile vaccine-fridge has no metric temprature\nhint: did you mean temperature? (under values: a metric may have any name)',
    ],
    [
      'a value of the wrong type',
      [DEVICE, 'readings: {every: 5m, temperature: ["warm x3"]}', EXPECT],
      't.test.yaml:4:15: temperature is "warm", the profile says number',
    ],
    [
      'a profile that there is none of',
      [DEVICE, 'profile: fridge', READINGS, EXPECT],
      't.test.yaml:4:14: there is no profile fridge\nhint: there are: vaccine-fridge',
    ],
    [
      'a rule that is not for the device',
      ['device: lamp', READINGS, 'expect: [{at: 5m, alert: door-open, level: none}]'],
      't.test.yaml:5:30: door-open is not for lamp\nhint: its profile is vaccine-fridge; the rule stands at rules.yaml:3',
    ],
    [
      'no rule at all that looks at its device',
      [DEVICE, READINGS, 'noOther: true'],
      't.test.yaml:2:11: no rule is for any device of this test: fridge-01\nhint: add profile: (or labels:), or list the device in fleet.yaml',
    ],
    [
      'a listed device said to be another',
      ['device: fridge-09', 'labels: {site: bonn}', READINGS, EXPECT],
      't.test.yaml:3:13: the fleet file lists fridge-09, with another profile or other labels\nhint: leave them out here, or use another device',
    ],
    [
      'readings of no device',
      [READINGS, EXPECT],
      't.test.yaml:3:15: the readings do not say of which device they are\nhint: add device: to the test, or to the readings',
    ],
    [
      'an expectation of no device',
      ['readings: [{device: a, every: 5m, temperature: 5}, {device: b, every: 5m, temperature: 5}]', EXPECT],
      't.test.yaml:4:14: the expectation does not say of which device\nhint: add device: to it, or to the test',
    ],
    [
      'a group of a rule that makes none',
      [DEVICE, READINGS, 'expect: [{at: 5m, alert: fridge-warm, group: "site=berlin", level: none}]'],
      't.test.yaml:5:50: fridge-warm is a rule on single devices, not on groups\nhint: name the device',
    ],
  ])('%s', (_name, lines, problem) => expect(problemsOf(...lines)).toContain(problem));

  it('under values: any metric, whatever the profile lists', () => {
    expect(problemsOf(DEVICE, 'readings: {every: 5m, temperature: [5, 9], values: {"pm2.5": [1, 2]}}', EXPECT)).toEqual([]);
  });
});
