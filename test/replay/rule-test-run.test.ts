/** What a rule test's expectations mean: which outcomes pass, and which do not and why. */
import { describe, expect, it } from 'vitest';
import type { Profile } from '../../src/domain/device.ts';
import { parseNotify } from '../../src/notify/config.ts';
import { parseRuleTests } from '../../src/replay/rule-test-file.ts';
import { readyTests } from '../../src/replay/rule-test-names.ts';
import { type Outcome, runRuleTest } from '../../src/replay/rule-test-run.ts';
import { timelineOf } from '../../src/replay/rule-test-timeline.ts';
import { timeOf } from '../../src/replay/rule-test-times.ts';
import { directoryOf, listed, metric, profileOf, rulesOf } from '../alerts/scenario.ts';

const profile: Profile = profileOf({
  retrospectiveAfterMs: 600_000,
  metrics: [
    { ...metric('temperature'), range: [-40, 60], absent: [85, -127] },
    metric('humidity'),
    metric('door', 'boolean'),
    metric('mode', 'text'),
  ],
});
/** One that sends no time of its own. */
const meter: Profile = profileOf({ name: 'meter', time: null, intervalMs: 60_000, metrics: [metric('power')], limits: {} });
const directory = directoryOf({ profiles: [profile, meter], fleet: [listed('fridge-09'), listed('fridge-10')] });
const rules = rulesOf(
  `rules:
  - id: warm
    devices: {profile: vaccine-fridge}
    levels: {warning: {when: "temperature > 8", for: 10m}, critical: {when: "temperature > 20"}}
    noData: {after: 30m, raise: warning}
    summary: "it is at {{temperature}} °C"
  - {id: door, devices: {profile: vaccine-fridge}, levels: {info: {when: "door"}}}
  - {id: eco, devices: {profile: vaccine-fridge}, levels: {info: {when: "mode == '7'"}}}
  - {id: site-warm, devices: {profile: vaccine-fridge}, by: [site], levels: {warning: {when: "count(temperature > 8) >= 2"}}}
  - {id: load, devices: {profile: meter}, levels: {info: {when: "power > 10"}}}`,
  directory,
);
const { config: notify } = parseNotify({
  path: 'notify.yaml',
  text: `
contacts: {pharmacy: {email: pharmacy@example.org}, night: {email: night@example.org}}
routes: [{match: {level: critical}, to: [pharmacy, night]}]
default: {to: [pharmacy]}`,
});
const world = { rules, directory, notify };

function run(...lines: string[]): Outcome {
  const text = `tests:\n  - name: a test\n${lines.map((line) => `    ${line}\n`).join('')}`;
  const { file, problems } = parseRuleTests({ path: 't.test.yaml', text });
  const { tests, problems: ofNames } = file === null ? { tests: [], problems: [] } : readyTests(file, world);
  const [ready] = tests;
  if (ready === undefined) throw new Error([...problems, ...ofNames].map((problem) => problem.render()).join('\n'));
  return runRuleTest(ready, world);
}
/** Lines such as `20m: expected …; got …`; none when it passes. */
const failuresOf = (...lines: string[]): string[] =>
  run(...lines).failures.map(({ at, expected, got }) => `${at === null ? 'in all' : timeOf(at)}: ${expected}; got ${got}`);

const DEVICE = 'device: fridge-01';
const warm = (...values: string[]): string => `readings: {every: 5m, temperature: [${values.join(', ')}]}`;

describe('an expectation', () => {
  it.each<[string, string[], string[]]>([
    ['holds at the very moment of a timer', [warm('9 x3'), 'expect: [{at: 10m, alert: warm, level: warning}]'], []],
    ['of none holds while an alert is pending', [warm('9 x2'), 'expect: [{at: 5m, alert: warm, level: none}]'], []],
    [
      'of pending does not hold when nothing is',
      [warm('5 x2'), 'expect: [{at: 5m, alert: warm, level: pending}]'],
      ['5m: warm on fridge-01: pending; got none'],
    ],
    [
      'of none does not hold while an alert fires',
      [warm('9 x4'), 'expect: [{at: 15m, alert: warm, level: none}]'],
      ['15m: warm on fridge-01: none; got warning, since 0m'],
    ],
    ['runs on past the last reading', [warm('5'), 'expect: [{at: 30m, alert: warm, level: warning, flags: [no-data]}]'], []],
    [
      'with flags means exactly those',
      [warm('5'), 'expect: [{at: 30m, alert: warm, level: warning, flags: []}]'],
      ['30m: warm on fridge-01: warning without flags; got warning (no-data), since 0m'],
    ],
    ['without flags leaves them open', [warm('5'), 'expect: [{at: 30m, alert: warm, level: warning}]'], []],
  ])('%s', (_name, lines, failures) => expect(failuresOf(DEVICE, ...lines)).toEqual(failures));
});

describe('an alarm that no expectation speaks of', () => {
  it.each<[string, string[], string[]]>([
    [
      'between two that hold',
      [warm('5', '9 x4', '5 x4'), 'expect: [{at: 5m, alert: warm, level: pending}, {at: 40m, alert: warm, level: none}]'],
      [
        '15m: warm on fridge-01: none at 40m, and nothing unspoken of before; got warning at 15m: temperature > 8 has been true for 10m, since 2026-01-05T00:05:00.000Z (temperature is 9)',
      ],
    ],
    [
      'after the last one',
      [warm('9 x4', '5', '21'), 'expect: [{at: 15m, alert: warm, level: warning}]'],
      [
        '25m: no alert of warm on fridge-01 that no expectation speaks of; got critical at 25m: temperature > 20 is true (temperature is 21)',
      ],
    ],
    ['is spoken of by a later one of its level', [warm('9 x8'), 'expect: [{at: 35m, alert: warm, level: warning}]'], []],
    ['is spoken of by one of a higher level', [warm('9 x4', '21'), 'expect: [{at: 20m, alert: warm, level: critical}]'], []],
    [
      'is spoken of by its message',
      [
        warm('9 x4', '5 x2'),
        'expect: [{at: 25m, alert: warm, level: none, email: [{to: pharmacy, subject: WARNING}, {to: pharmacy, subject: RESOLVED}]}]',
      ],
      [],
    ],
    [
      'of a rule that the test does not name is left alone',
      ['readings: {every: 5m, temperature: [5, 5], door: [false, true]}', 'expect: [{at: 5m, alert: warm, level: none}]'],
      [],
    ],
    [
      'of any rule is told with noOther',
      ['readings: {every: 5m, temperature: [5, 5], door: [false, true]}', 'expect: [{at: 5m, alert: warm, level: none}]', 'noOther: true'],
      ['5m: no alert of door on fridge-01 that no expectation speaks of; got info at 5m: door is true (door is true)'],
    ],
    [
      'of another device, too',
      [
        'readings: [{every: 5m, temperature: [5]}, {device: fridge-02, every: 5m, temperature: [21]}]',
        'expect: [{at: 5m, alert: warm, level: none}]',
      ],
      ['0m: no alert of warm on fridge-02 that no expectation speaks of; got critical at 0m: temperature > 20 is true (temperature is 21)'],
    ],
  ])('%s', (_name, lines, failures) => expect(failuresOf(DEVICE, ...lines)).toEqual(failures));
});

describe('messages', () => {
  const story = warm('9 x4', '21', '21', '5');
  const expectation = (email: string): string[] => [
    story,
    `expect: [{at: 10m, alert: warm, level: warning}, {at: 20m, alert: warm, level: critical, ${email}}, {at: 30m, alert: warm, level: none}]`,
  ];
  it.each<[string, string[], string[]]>([
    ['to an address', expectation('email: {to: night@example.org}'), []],
    ['to a contact, by any channel', expectation('message: {to: night}'), []],
    [
      'count from the previous expectation',
      expectation('email: {to: pharmacy, contains: ["went from warning to critical", "it is at 21 °C"]}'),
      [],
    ],
    ['to several', expectation('email: [{to: pharmacy}, {to: night, subject: CRITICAL}]'), []],
    [
      'that do not say what they should',
      expectation('email: {to: night, contains: "9.3"}'),
      [
        '20m: 1 e-mail to night containing "9.3", after 10m and by 20m; got 2 e-mails: pharmacy "[CRITICAL] warm on fridge-01: 21", night "[CRITICAL] warm on fridge-01: 21"',
      ],
    ],
    [
      'that were not expected',
      expectation('email: []'),
      [
        '20m: no e-mail about warm on fridge-01; got 2 e-mails: pharmacy "[CRITICAL] warm on fridge-01: 21", night "[CRITICAL] warm on fridge-01: 21"',
      ],
    ],
    [
      'to somebody who should have none',
      expectation('email: {to: night, count: 0}'),
      [
        '20m: 0 e-mails to night, after 10m and by 20m; got 2 e-mails: pharmacy "[CRITICAL] warm on fridge-01: 21", night "[CRITICAL] warm on fridge-01: 21"',
      ],
    ],
    [
      'beside the one that was expected',
      [story, 'expect: [{at: 30m, alert: warm, level: none, email: {to: pharmacy, subject: CRITICAL}}]'],
      [
        '30m: no other e-mail to pharmacy, by 30m; got 2 e-mails: pharmacy "[WARNING] warm on fridge-01: 9", pharmacy "[RESOLVED] warm on fridge-01: 5"',
      ],
    ],
    ['in all', [story, 'emails: 5', 'messages: 5', 'profile: vaccine-fridge'], []],
    [
      'too many in all',
      [story, 'emails: 1', 'profile: vaccine-fridge'],
      [
        'in all: 1 e-mail in all; got 5 e-mails: pharmacy "[WARNING] warm on fridge-01: 9", pharmacy "[CRITICAL] warm on fridge-01: 21", night "[CRITICAL] warm on fridge-01: 21", pharmacy "[RESOLVED] warm on fridge-01: 5", night "[RESOLVED] warm on fridge-01: 5"',
      ],
    ],
  ])('%s', (_name, lines, failures) => expect(failuresOf(DEVICE, ...lines)).toEqual(failures));
});

describe('readings', () => {
  it.each<[string, string[]]>([
    [
      'out of range or absent are no value',
      [DEVICE, warm('5', '85', '-127', '140 x6'), 'expect: [{at: 30m, alert: warm, level: warning, flags: [no-data]}]'],
    ],
    ['of text may be of digits', [DEVICE, 'readings: {every: 5m, mode: [7]}', 'expect: [{at: 0m, alert: eco, level: info}]']],
    [
      'without a value leave the other metrics theirs',
      [DEVICE, 'readings: {every: 5m, temperature: ["- x7"], door: [false, "true x6"]}', 'expect: [{at: 5m, alert: door, level: info}]'],
    ],
    [
      'in a gap are none, whatever the other metrics say',
      [
        DEVICE,
        'readings: {every: 5m, temperature: [5, gap, 5], door: [false, true, false]}',
        'expect: [{at: 5m, alert: door, level: none}, {at: 10m, alert: door, level: none}]',
      ],
    ],
    [
      'with a delay count when they arrive, for what they were',
      [
        DEVICE,
        'readings: {every: 5m, delay: 1h, temperature: ["9 x3"]}',
        'expect: [{at: 65m, alert: warm, level: none}, {at: 70m, alert: warm, level: warning}]',
      ],
    ],
    [
      'received in one go',
      [
        DEVICE,
        'readings: {every: 5m, received: 2h, temperature: ["9 x3"]}',
        'expect: [{at: 119m, alert: warm, level: none}, {at: 2h, alert: warm, level: warning}]',
      ],
    ],
    [
      'begin later',
      [
        DEVICE,
        'readings: {every: 5m, from: 1h, temperature: [21]}',
        'expect: [{at: 59m, alert: warm, level: none}, {at: 60m, alert: warm, level: critical}]',
      ],
    ],
    [
      'none at all, of a listed device that nobody hears of',
      ['expect: [{at: 29m, alert: warm, device: fridge-09, level: none}, {at: 30m, alert: warm, device: fridge-09, level: warning}]'],
    ],
    [
      'of a device without a time of its own',
      [
        'device: meter-1',
        'readings: {every: 1m, power: [1, 11]}',
        'expect: [{at: 59s, alert: load, level: none}, {at: 1m, alert: load, level: info}]',
      ],
    ],
    [
      'of several devices',
      [
        'readings: [{device: a, every: 5m, temperature: ["9 x3"]}, {device: b, every: 5m, temperature: ["5 x3"]}]',
        'expect: [{at: 10m, alert: warm, device: a, level: warning}, {at: 10m, alert: warm, device: b, level: none}]',
      ],
    ],
  ])('%s', (_name, lines) => expect(failuresOf(...lines)).toEqual([]));

  it('go on while journal time runs to until', () => {
    expect(failuresOf(DEVICE, warm('5'), 'until: 1h', 'expect: [{at: 5m, alert: warm, level: none}]')).toEqual([
      '30m: no alert of warm on fridge-01 that no expectation speaks of; got warning at 30m: no value of temperature since 2026-01-05T00:00:00.000Z',
    ]);
  });

  it('begin at the start that is given', () => {
    const { events } = run(DEVICE, 'start: 2026-03-29T00:30:00+01:00', warm('21'), 'expect: [{at: 0m, alert: warm, level: critical}]');
    expect(events.flatMap((event) => (event.kind === 'transition' ? [new Date(event.transition.at / 1000).toISOString()] : []))).toEqual([
      '2026-03-28T23:30:00.000Z',
    ]);
  });
});

describe('a backlog', () => {
  const sentLate = 'readings: [{every: 5m, received: 2h, temperature: ["9 x10", "5 x16"]}, {every: 5m, from: 130m, temperature: [5]}]';

  it('is told in one summary, which counts for each of its alerts', () => {
    const summary = 'email: {to: pharmacy, subject: readings late}';
    expect(failuresOf(DEVICE, sentLate, `expect: [{at: 140m, alert: warm, level: none, ${summary}}]`, 'emails: 1')).toEqual([]);
  });

  it('has alarms that an expectation has to speak of like any other', () => {
    expect(failuresOf(DEVICE, sentLate, 'expect: [{at: 130m, alert: warm, level: none}]')).toEqual([
      expect.stringContaining(
        '2h10m: warm on fridge-01: none at 2h10m, and nothing unspoken of before; got warning at 2h: temperature > 8'.slice(7),
      ),
    ]);
  });
});

describe('a rule on groups', () => {
  const sites = [
    'devices: {a1: {labels: {site: a}}, a2: {labels: {site: a}}, b1: {labels: {site: b}}}',
    'readings: [{device: a1, every: 5m, temperature: [5, 9, 9, 5]}, {device: a2, every: 5m, temperature: [5, 5, 9, 9]}, {device: b1, every: 5m, temperature: ["9 x4"]}]',
  ];

  it('has its alerts expected by the name of the group', () => {
    const expectations = [
      '{at: 9m, alert: site-warm, group: "site=a", level: none}',
      '{at: 10m, alert: site-warm, group: "site=a", level: warning, email: {to: pharmacy, subject: "site-warm on group site=a"}}',
      '{at: 15m, alert: site-warm, group: "site=a", level: none}',
      '{at: 15m, alert: site-warm, group: "site=b", level: none}',
    ];
    expect(failuresOf(...sites, `expect: [${expectations.join(', ')}]`)).toEqual([]);
  });

  it('is not asked about groups that the test has no device of, nor about a device', () => {
    const ask = (whom: string) => () => run(...sites, `expect: [{at: 15m, alert: site-warm, ${whom}level: none}]`);
    expect(ask('group: "site=c", ')).toThrow('no device of the test is in the group site=c of site-warm');
    expect(ask('device: a1, ')).toThrow('site-warm is a rule on groups by site\nhint: name the group: {group: "site=…"}');
  });
});

describe('what people do', () => {
  const long = warm('9 x60');
  it.each<[string, string[], string[]]>([
    [
      'an acknowledgement stops reminders, and shows as a flag',
      [
        long,
        'do: [{at: 1h, acknowledge: warm, by: anna}]',
        'expect: [{at: 59m, alert: warm, level: warning, flags: [], email: {to: pharmacy}}, {at: 295m, alert: warm, level: warning, flags: [acknowledged], email: []}]',
      ],
      [],
    ],
    [
      'one with an end expires, and the reminder comes at once',
      [
        long,
        'do: [{at: 1h, acknowledge: warm, for: 2h}]',
        'expect: [{at: 179m, alert: warm, level: warning, email: {to: pharmacy}}, {at: 180m, alert: warm, level: warning, flags: [], email: {to: pharmacy, subject: "still 9, 2h50m"}}]',
      ],
      [],
    ],
    [
      'one that is taken back is no more',
      [
        long,
        'do: [{at: 1h, acknowledge: warm}, {at: 70m, unacknowledge: warm}]',
        'expect: [{at: 60m, alert: warm, level: warning, flags: [acknowledged]}, {at: 71m, alert: warm, level: warning, flags: []}]',
      ],
      [],
    ],
    [
      'a silence holds messages back, and its end tells of them',
      [
        long,
        'do: [{at: 5m, silence: {rule: warm}, for: 2h, name: works, by: anna}, {at: 1h, endSilence: works}]',
        'expect: [{at: 59m, alert: warm, level: warning, flags: [silenced], email: []}, {at: 61m, alert: warm, level: warning, flags: [], email: {to: pharmacy, contains: anna}}]',
      ],
      [],
    ],
    [
      'what cannot be done is a failure at its place',
      ['do: [{at: 1h, acknowledge: warm, by: anna}]', warm('5 x20'), 'expect: [{at: 90m, alert: warm, level: none}]'],
      ['1h: anna acknowledges warm on fridge-01; got there is no such alert at that time'],
    ],
    [
      'a silence until resolved needs something that fires',
      ['do: [{at: 1h, silence: {rule: warm}}]', warm('5 x20'), 'expect: [{at: 90m, alert: warm, level: none}]'],
      ['1h: operator begins the silence silence; got nothing that it matches fires, so it would end at once'],
    ],
  ])('%s', (_name, lines, failures) => expect(failuresOf(DEVICE, ...lines)).toEqual(failures));
});

describe('the story of a failure', () => {
  const rowsOf = (...lines: string[]): string[] => timelineOf(run(...lines)).map(({ cells }) => cells.join(' | '));

  it('has readings in runs, changes, messages, and the expectation where it did not hold', () => {
    expect(
      rowsOf(
        DEVICE,
        'readings: {every: 5m, temperature: [5, 85, "5..7.5 x6", "9 x8"], humidity: ["40 x16"]}',
        'expect: [{at: 45m, alert: warm, level: warning}]',
      ),
    ).toEqual([
      '0m–40m | reading | fridge-01 | temperature 5, 85, 5, 5.5, … 9 values, humidity 40 ×9',
      '40m | pending | warm on fridge-01 | temperature > 8 is true (temperature is 9); it fires when that has held for 10m',
      '45m | reading | fridge-01 | temperature 9, humidity 40',
      '45m | expected |  | warm on fridge-01: warning',
      '50m | reading | fridge-01 | temperature 9, humidity 40',
      '50m | firing warning | warm on fridge-01 | temperature > 8 has been true for 10m, since 2026-01-05T00:40:00.000Z (temperature is 9)',
      '50m30s | e-mail | pharmacy | [WARNING] warm on fridge-01: 9',
      '… | 1 more |  | ',
    ]);
  });

  it('says when delayed readings were measured, and what was refused', () => {
    expect(
      rowsOf(DEVICE, 'readings: {every: 5m, received: 1h, temperature: [5, 6, 140]}', 'expect: [{at: 1h, alert: warm, level: warning}]'),
    ).toEqual([
      '1h | reading | fridge-01 | temperature 5, 6 (measured 0m–5m)',
      '1h | reading | fridge-01 | temperature 140 (no value: temperature is 140, outside -40 to 60)',
      '1h | expected |  | warm on fridge-01: warning',
    ]);
  });
});
