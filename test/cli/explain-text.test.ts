/** How an explanation reads: marks on a terminal, words elsewhere, aligned, and nothing of a device's that a terminal would obey. */
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { explain } from '../../src/alerts/explaining.ts';
import { explanationForm } from '../../src/cli/explain-form.ts';
import { renderExplanation } from '../../src/cli/explain-text.ts';
import { type Style, styleOf } from '../../src/cli/style.ts';
import { Dispatcher } from '../../src/notify/dispatch/dispatcher.ts';
import { Policy } from '../../src/notify/dispatch/policy.ts';
import { withTellings } from '../../src/notify/would-tell.ts';
import { withTimes } from '../../src/web/times.ts';
import { directoryOf, MINUTE_US, rulesOf, ruleText, Scenario, START_US } from '../alerts/scenario.ts';
import { configOf } from '../notify/fixtures.ts';

const NOTIFY = configOf('{contacts: {night: {email: night@example.org}}, default: {to: []}}');
const RULES = ruleText(
  '{warning: {when: "temperature > 8 && (door || mode == \'on\')", for: 10m}}',
  'noData: {after: 15m, raise: warning}',
);

function textOf(style: Style, mode: string): string {
  const directory = directoryOf();
  const scenario = new Scenario(RULES, { directory });
  scenario.reading(0, { temperature: 9, mode });
  const context = { devices: scenario.devices, rules: rulesOf(RULES, directory), directory, now: START_US + MINUTE_US };
  const told = withTellings(explain({ device: 'fridge-01' }, context), new Dispatcher(new Policy(NOTIFY, [])));
  if ('unknown' in told) throw new Error(told.unknown);
  const data = { ...told, rules: told.rules.map((rule) => ({ ...rule, story: null })) };
  return renderExplanation(explanationForm.parse(withTimes(data)), style);
}

it('in words, aligned', () => {
  const text = textOf(styleOf(new PassThrough()), 'off');
  expect(text).toMatchInlineSnapshot(`
    "fridge-01 at 2026-01-05T00:01:00.000000Z
      profile             vaccine-fridge
      labels              none
      listed              no
      last reading        1m ago, measured 2026-01-05T00:00:00.000000Z; 1 in all
      a value counts for  15m
      limits              temperature_max 8, from profile vaccine-fridge
                          temperature_min 2, from profile vaccine-fridge

    warm: OK  (rules.yaml:2:9)
      as evaluated at 2026-01-05T00:00:00.000000Z, 1m ago
      warning  unknown neither fires nor clears: no value of door has come yet
        for 10m
        when  unknown: no value of door has come yet  (rules.yaml:4:31)
          [?]     temperature > 8 && (door || mode == 'on')  unknown
          [true]    temperature > 8                          true
                      temperature                            9        just measured
          [?]       door || mode == 'on'                     unknown
          [?]         door                                   unknown  no value of door has come yet
          [false]     mode == 'on'                           false
                        mode                                 off      just measured
      no data  no value of temperature, mode for 1m, since 2026-01-05T00:00:00.000Z; no-data (raise warning) after 15m, which is at 2026-01-05T00:15:00.000Z
        temperature  heard 1m ago
        door         never heard
        mode         heard 1m ago
      timers
        in 14m  no-data: raises warning, unless values come before  2026-01-05T00:15:00.000000Z
      alerts  none so far
      if it fired now it would tell
        warning  nobody  no route matches: the default tells nobody
    "
  `);
});

it('with marks on a terminal, in colour only there', () => {
  const marks = { true: '✓', false: '✗', unknown: '?', none: ' ' };
  const text = textOf({ marks, line: (line) => line, heading: (line) => line }, 'off');
  expect(text).toMatch(/^ {6}✓ {3}temperature > 8 +true$/m);
  expect(text).toMatch(/^ {6}\? {5}door +unknown +no value of door has come yet$/m);
  expect(text).toMatch(/^ {6}✗ {5}mode == 'on' +false$/m);
  expect(styleOf(new PassThrough()).line('  ✓ a')).toBe('  ✓ a');
});

it('without control characters from devices', () => {
  const text = textOf(styleOf(new PassThrough()), '\u001b[2J');
  expect(text).not.toContain('\u001b');
  expect(text).toContain('�[2J');
});
