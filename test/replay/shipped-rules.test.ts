/** The tests of the shipped rules notice when a rule changes: each limit, duration and level of it is held by one of them. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadDirectory } from '../../src/devices/directory.ts';
import { parseNotify } from '../../src/notify/config.ts';
import { parseRuleTests } from '../../src/replay/rule-test-file.ts';
import { readyTests, type World } from '../../src/replay/rule-test-names.ts';
import { hasPassed } from '../../src/replay/rule-test-report.ts';
import { runRuleTest } from '../../src/replay/rule-test-run.ts';
import { rulesOf } from '../alerts/scenario.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const RULES = read('config/rules/cold-chain.yaml');
const { directory } = loadDirectory('devices');
const { config: notify } = parseNotify({ path: 'notify.yaml', text: read('config/notify.yaml') });
const { file } = parseRuleTests({ path: 'cold-chain.test.yaml', text: read('config/rules/cold-chain.test.yaml') });

/** Names of the tests that fail, or are no tests any more, with these rules. */
function failing(rules: string): string[] {
  if (file === null) throw new Error('the shipped tests do not parse');
  const world: World = { rules: rulesOf(rules, directory), directory, notify };
  const { tests, problems } = readyTests(file, world);
  return [
    ...problems.map(({ message }) => message),
    ...tests.map((ready) => runRuleTest(ready, world)).flatMap((outcome) => (hasPassed(outcome) ? [] : [outcome.ready.test.name])),
  ];
}

/** The n-th occurrence replaced. */
function changed(search: string, replacement: string, occurrence: number): string {
  const parts = RULES.split(search);
  if (parts.length <= occurrence) throw new Error(`${search} does not stand there ${occurrence} times`);
  return parts.slice(0, occurrence).join(search) + replacement + parts.slice(occurrence).join(search);
}

describe('the shipped rule tests', () => {
  it('hold', () => expect(failing(RULES)).toEqual([]));

  it.each<[string, string, string, number]>([
    ['fridge-warm warns sooner', 'for: 10m', 'for: 9m', 1],
    ['fridge-warm warns later', 'for: 10m', 'for: 11m', 1],
    ['fridge-warm warns of what is not too warm', '> limits.temperature_max', '> limits.temperature_max - 0.5', 1],
    ['fridge-warm clears too soon', 'temperature_max - 0.5"', 'temperature_max"', 1],
    ['fridge-warm clears too late', 'temperature_max - 0.5"', 'temperature_max - 0.7"', 1],
    ['fridge-warm is critical sooner', 'for: 60m', 'for: 59m', 1],
    ['fridge-warm is critical later', 'for: 60m', 'for: 61m', 1],
    ['fridge-warm misses silence sooner', 'after: 30m', 'after: 29m', 1],
    ['fridge-warm misses silence later', 'after: 30m', 'after: 31m', 1],
    ['fridge-warm takes silence for more', 'raise: warning', 'raise: critical', 1],
    ['fridge-cold warns sooner', 'for: 10m', 'for: 9m', 2],
    ['fridge-cold warns later', 'for: 10m', 'for: 11m', 2],
    ['fridge-cold warns of less', '< limits.temperature_min"', '< limits.temperature_min - 0.6"', 1],
    ['fridge-cold clears too soon', 'temperature_min + 0.5"', 'temperature_min"', 1],
    ['fridge-cold is critical later', 'for: 10m', 'for: 11m', 3],
    ['fridge-cold is critical only in deep frost', 'temperature_min - 2"', 'temperature_min - 3"', 1],
    [
      'fridge-cold stays critical for less long',
      'clear: "temperature > limits.temperature_min"',
      'clear: "temperature > limits.temperature_min - 2"',
      1,
    ],
    ['fridge-door-open notes it sooner', 'for: 5m', 'for: 4m', 1],
    ['fridge-door-open notes it later', 'for: 5m', 'for: 6m', 1],
    ['fridge-door-open warns sooner', 'for: 5m', 'for: 4m', 2],
    ['fridge-door-open warns later', 'for: 5m', 'for: 6m', 2],
    ['fridge-door-open warns in the cold', 'temperature_max - 1"', 'temperature_max - 4"', 1],
    ['fridge-door-open says something else', 'is open; it is at', 'is open at', 1],
    ['a rule has another name', 'id: fridge-cold', 'id: fridge-frost', 1],
  ])('notice when %s', (_name, search, replacement, occurrence) => {
    expect(failing(changed(search, replacement, occurrence))).not.toEqual([]);
  });
});
