// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { substitute } from '../../src/config/substitute.ts';
import type { ChannelKind } from '../../src/domain/notification.ts';
import { silenceMatchForm } from '../../src/notify/config/match-form.ts';
import { parseNotify, type Resolve } from '../../src/notify/config.ts';
import { GROUPING, LIMITS, STORM } from '../../src/notify/notify-config.ts';

const ALL = { levels: null, rules: null, devices: null, alerts: null, labels: {} };
const parse = (text: string) => parseNotify({ path: 'notify.yaml', text });
const rendered = (text: string): string[] => parse(text).problems.map((problem) => problem.render());

describe('notify.yaml', () => {
  it('accepts the shipped example', () => {
    const path = new URL('../../config/notify.yaml', import.meta.url);
    const { config, problems } = parseNotify({ path: 'config/notify.yaml', text: readFileSync(path, 'utf8') });
    expect(problems).toEqual([]);
    expect(config).toEqual({
      contacts: [{ id: 'pharmacy', channels: [{ kind: 'email', address: 'pharmacy@example.org' }], onCall: null }],
      routes: [],
      default: { ...GROUPING, to: ['pharmacy'] },
      schedules: [],
      inhibitions: [],
      escalations: [],
      storm: STORM,
      limits: LIMITS,
    });
  });

  it('reads channels in order, both ways to match labels, lists and `continue`, and crosses threads', () => {
    const { config, problems } = parse(`
contacts:
  night: [{email: night@example.org}, {email: backup@example.net}]
routes:
  - {match: {labels.team: pharmacy, level: [warning, critical]}, to: [night, night], continue: true}
  - {match: {labels: {site: berlin}, rule: "fridge-*", device: f}, to: []}
default: {to: [night]}
`);
    expect(problems).toEqual([]);
    expect(structuredClone(config)).toEqual({
      contacts: [
        {
          id: 'night',
          channels: [
            { kind: 'email', address: 'night@example.org' },
            { kind: 'email', address: 'backup@example.net' },
          ],
          onCall: null,
        },
      ],
      routes: [
        {
          ...GROUPING,
          place: { file: 'notify.yaml', line: 5, column: 5 },
          match: { ...ALL, levels: ['warning', 'critical'], labels: { team: ['pharmacy'] } },
          to: ['night'],
          continue: true,
        },
        {
          ...GROUPING,
          place: { file: 'notify.yaml', line: 6, column: 5 },
          match: { ...ALL, rules: ['fridge-*'], devices: ['f'], labels: { site: ['berlin'] } },
          to: [],
          continue: false,
        },
      ],
      default: { ...GROUPING, to: ['night'] },
      schedules: [],
      inhibitions: [],
      escalations: [],
      storm: STORM,
      limits: LIMITS,
    });
  });

  it('reads how a route groups, waits, repeats and is muted, and leaves the rest as it is by default', () => {
    const { config, problems } = parse(`
contacts: {a: {email: a@b.org}}
schedules: [{id: day, zone: UTC, windows: [{from: "08:00"}]}, {id: lunch, zone: UTC, windows: [{from: "12:00", to: "13:00"}]}]
routes:
  - {match: {}, to: [a], groupBy: labels.site, groupWait: 10s, groupInterval: 0, repeatInterval: off, sendResolved: false, active: day, muted: lunch}
  - {match: {}, to: [a], groupBy: [], groupWait: {warning: 2m}, repeatInterval: 1m}
default: {to: [a], groupBy: [rule, labels.a.b], groupWait: 0}
`);
    expect(problems).toEqual([]);
    expect(config.routes).toMatchObject([
      {
        groupBy: ['labels.site'],
        groupWaitMs: { critical: 10_000, warning: 10_000, info: 10_000 },
        groupIntervalMs: 0,
        repeatIntervalMs: null,
        sendResolved: false,
        active: 'day',
        muted: 'lunch',
      },
      { ...GROUPING, groupBy: [], groupWaitMs: { critical: 0, warning: 120_000, info: 30_000 }, repeatIntervalMs: 60_000 },
    ]);
    expect(config.default).toEqual({
      ...GROUPING,
      to: ['a'],
      groupBy: ['rule', 'labels.a.b'],
      groupWaitMs: { critical: 0, warning: 0, info: 0 },
    });
  });

  it('reads schedules', () => {
    const { config, problems } = parse(`
default: {to: []}
schedules:
  - {id: night, zone: Europe/Berlin, windows: [{days: mon-fri, from: 22:00, to: 06:00}, {days: sat-sun}]}
  - {id: odd, zone: UTC, windows: [{days: [wed, mon, fri-sun, sat], to: "24:00"}, {days: fri-mon, from: "9:30"}, {days: daily, from: "00:00", to: "00:00"}, {days: all-week}, {days: mon-sun}]}
`);
    expect(problems).toEqual([]);
    const all = [1, 2, 3, 4, 5, 6, 7];
    expect(config.schedules).toEqual([
      {
        id: 'night',
        zone: 'Europe/Berlin',
        windows: [
          { days: [1, 2, 3, 4, 5], fromMinute: 1320, toMinute: 360 },
          { days: [6, 7], fromMinute: 0, toMinute: 1440 },
        ],
      },
      {
        id: 'odd',
        zone: 'UTC',
        windows: [
          { days: [1, 3, 5, 6, 7], fromMinute: 0, toMinute: 1440 },
          { days: [1, 5, 6, 7], fromMinute: 570, toMinute: 1440 },
          { days: all, fromMinute: 0, toMinute: 0 },
          { days: all, fromMinute: 0, toMinute: 1440 },
          { days: all, fromMinute: 0, toMinute: 1440 },
        ],
      },
    ]);
  });

  it('reads who is on call, in turn and by schedules', () => {
    const { config, problems } = parse(`
contacts:
  anna: {email: a@b.org}
  ben: {email: b@b.org}
  turns: {rotation: {zone: Europe/Berlin, start: 2026-11-02, handover: 09:00, every: 1w, of: [anna, ben, anna]}}
  short: {rotation: {zone: UTC, start: "2028-02-29", every: 48h, of: [ben]}}
  desk: {onCall: [{schedule: hours, to: anna}, {to: turns}]}
schedules: [{id: hours, zone: UTC, windows: [{days: mon}]}]
default: {to: [desk]}
`);
    expect(problems).toEqual([]);
    expect(config.contacts.slice(2)).toEqual([
      {
        id: 'turns',
        channels: [],
        onCall: {
          kind: 'rotation',
          zone: 'Europe/Berlin',
          start: '2026-11-02',
          handoverMinute: 540,
          everyDays: 7,
          of: ['anna', 'ben', 'anna'],
        },
      },
      {
        id: 'short',
        channels: [],
        onCall: { kind: 'rotation', zone: 'UTC', start: '2028-02-29', handoverMinute: 0, everyDays: 2, of: ['ben'] },
      },
      {
        id: 'desk',
        channels: [],
        onCall: {
          kind: 'schedules',
          entries: [
            { schedule: 'hours', to: 'anna' },
            { schedule: null, to: 'turns' },
          ],
        },
      },
    ]);
  });

  it('reads inhibitions, escalations, storm and limits', () => {
    const { config, problems } = parse(`
contacts: {a: {email: a@b.org}}
inhibitions: [{source: {rule: gateway-down}, target: {labels.site: ""}, equal: labels.site}, {source: {level: critical}, target: {rule: x}}]
escalations: [{match: {}, steps: [{after: 10m, to: [a, a]}, {after: 1h, to: [a]}], loop: true}]
storm: {after: 5}
limits: off
default: {to: []}
`);
    expect(problems).toEqual([]);
    expect(config).toMatchObject({
      inhibitions: [
        { source: { ...ALL, rules: ['gateway-down'] }, target: { ...ALL, labels: { site: [''] } }, equal: ['labels.site'] },
        { source: { ...ALL, levels: ['critical'] }, target: { ...ALL, rules: ['x'] }, equal: [] },
      ],
      escalations: [
        {
          match: ALL,
          steps: [
            { afterMs: 600_000, to: ['a'] },
            { afterMs: 3_600_000, to: ['a'] },
          ],
          loop: true,
        },
      ],
      storm: { after: 5, inMs: 60_000 },
      limits: null,
    });
  });

  it('reads channels of every kind, with files beside it', () => {
    const { config, problems } = parse(`
contacts:
  a:
    - {email: a@b.org}
    - {webhook: "https://hooks.example.org/x", secret: "a-long-secret"}
    - {slack: "https://hooks.slack.com/services/T/B/x"}
    - {teams: "https://example.webhook.office.com/x"}
    - {ntfy: "https://ntfy.sh/topic"}
    - {mqtt: tocsin/messages/night}
default: {to: [a]}
`);
    expect(problems).toEqual([]);
    const kinds: ChannelKind[] = ['email', 'webhook', 'slack', 'teams', 'ntfy', 'mqtt'];
    expect(config.contacts[0]?.channels.map(({ kind }) => kind)).toEqual(kinds);
  });

  const night = (windows: string): string => `schedules: [{id: night, zone: UTC, windows: ${windows}}]`;
  const NIGHT = night('[{from: "22:00", to: "06:00"}]');
  const rotation = (start: string, every: string, of: string): string =>
    `{rotation: {zone: UTC, start: ${start}, every: ${every}, of: [${of}]}}`;
  const escalation = (steps: string): string => `escalations: [{match: {}, steps: ${steps}}]`;
  const head = 'contacts: {pharmacy: {email: a@b.org}}\n';
  const cases: [name: string, text: string, expected: string | RegExp][] = [
    ['an empty file', '', 'notify.yaml:1:1: default is missing'],
    ['YAML that is none', 'contacts: {', /^notify\.yaml:1:\d+: /],
    ['an unknown key', `${head}default: {to: []}\nrouts: []`, 'notify.yaml:3:1: unknown key "routs"\nhint: did you mean routes?'],
    [
      'an unknown contact in a route',
      `${head}routes:\n  - {match: {level: info}, to: [farmacy]}\ndefault: {to: []}`,
      'notify.yaml:3:33: there is no contact "farmacy"\nhint: did you mean pharmacy?',
    ],
    ['an unknown contact in the default', `${head}default: {to: [x]}`, 'notify.yaml:2:16: there is no contact "x"\nhint: known: pharmacy'],
    [
      'an unknown level',
      `${head}routes: [{match: {level: fatal}, to: []}]\ndefault: {to: []}`,
      /^notify\.yaml:2:26: level: there is no level "fatal"/,
    ],
    [
      'an unknown thing to match',
      `${head}routes: [{match: {lable.team: x}, to: []}]\ndefault: {to: []}`,
      /^notify\.yaml:2:\d+: lable\.team: unknown key/,
    ],
    ['a contact without a channel', 'contacts: {a: []}\ndefault: {to: []}', /^notify\.yaml:1:15: a: a contact needs a channel/],
    ['a contact that is text', 'contacts: {a: a@b.org}\ndefault: {to: []}', /^notify\.yaml:1:15: a: expected a channel/],
    [
      'a label twice',
      `${head}routes: [{match: {labels.a: x, labels: {a: y}}, to: []}]\ndefault: {to: []}`,
      /^notify\.yaml:2:44: a: stands in it twice\nhint: /,
    ],
    [
      'groups by what no alert has',
      `${head}default: {to: [], groupBy: [rule, site]}`,
      'notify.yaml:2:35: "site" is nothing that alerts have\nhint: did you mean labels.site?',
    ],
    ['groups by a thing twice', `${head}default: {to: [], groupBy: [rule, rule]}`, 'notify.yaml:2:35: "rule" stands in it twice'],
    [
      'a wait for a level that does not exist',
      `${head}default: {to: [], groupWait: {fatal: 1s}}`,
      /^notify\.yaml:2:31: unknown key "fatal"\nhint: known here: critical, warning, info/,
    ],
    ['a wait that is none', `${head}default: {to: [], groupWait: {info: soon}}`, /^notify\.yaml:2:37: info: expected a duration\nhint: /],
    [
      'reminders without a pause',
      `${head}default: {to: [], repeatInterval: 59s}`,
      'notify.yaml:2:35: repeatInterval: expected at least 1m',
    ],
    [
      'a schedule that does not exist',
      `${head}default: {to: [], muted: nigth}\n${NIGHT}`,
      'notify.yaml:2:26: there is no schedule "nigth"\nhint: did you mean night?',
    ],
    [
      'a schedule of a route, without any',
      `${head}routes: [{match: {}, to: [], active: x}]\ndefault: {to: []}`,
      'notify.yaml:2:38: there is no schedule "x"\nhint: add it under schedules',
    ],
    [
      'two schedules of one name',
      `${head}default: {to: []}\nschedules: [{id: a, zone: UTC, windows: [{}]}, {id: a, zone: UTC, windows: [{}]}]`,
      'notify.yaml:3:53: a second schedule is called a\nhint: the other one is at notify.yaml:3:18',
    ],
    [
      'a schedule without a zone',
      `${head}default: {to: []}\nschedules: [{id: a, windows: [{}]}]`,
      'notify.yaml:3:13: zone is missing\nhint: for example Europe/Berlin',
    ],
    [
      'a zone that does not exist',
      `${head}default: {to: []}\nschedules: [{id: a, zone: Europe/Belin, windows: [{}]}]`,
      'notify.yaml:3:27: zone: "Europe/Belin" is no IANA time zone\nhint: for example Europe/Berlin',
    ],
    ['a schedule without windows', `${head}default: {to: []}\n${night('[]')}`, /^notify\.yaml:3:45: windows: expected at least one window/],
    [
      'days of another language',
      `${head}default: {to: []}\n${night('[{days: Monday - Friday}]')}`,
      'notify.yaml:3:53: days: expected days of the week\nhint: did you mean mon-fri?',
    ],
    [
      'days that are none',
      `${head}default: {to: []}\n${night('[{days: [mon, workdays]}]')}`,
      'notify.yaml:3:59: expected days of the week\nhint: mon-fri, sat-sun, daily, or a list: [mon, wed]',
    ],
    [
      'a time that is none',
      `${head}default: {to: []}\n${night('[{from: 24:00, to: 6}]')}`,
      'notify.yaml:3:53: from: expected a time of day\nhint: write hours and minutes in quotes: "06:00", up to "23:59"\nnotify.yaml:3:64: to: expected a time of day\nhint: write hours and minutes in quotes: "06:00", up to "24:00"',
    ],
    [
      'a date that does not exist',
      `contacts: {a: ${rotation('2026-02-29', '1w', 'a')}}\ndefault: {to: []}`,
      'notify.yaml:1:45: start: expected a date\nhint: write year, month and day: 2026-11-02',
    ],
    [
      'turns of half a day',
      `contacts: {a: {email: a@b.org}, b: ${rotation('2026-02-28', '36h', 'a')}}\ndefault: {to: []}`,
      'notify.yaml:1:85: every: expected whole days\nhint: such as 1d, 7d or 2w',
    ],
    [
      'turns of nobody',
      `contacts: {a: {rotation: {zone: UTC, start: 2026-02-28, every: 1d, of: []}}}\ndefault: {to: []}`,
      'notify.yaml:1:72: of: expected at least one contact',
    ],
    [
      'turns of somebody unknown',
      `contacts: {anna: {email: a@b.org}, b: ${rotation('2026-02-28', '1d', 'ana')}}\ndefault: {to: []}`,
      'notify.yaml:1:97: there is no contact "ana"\nhint: did you mean anna?',
    ],
    [
      'a channel beside a rotation',
      `contacts: {a: {email: a@b.org, rotation: {zone: UTC, start: 2026-02-28, every: 1d, of: [a]}}}\ndefault: {to: []}`,
      'notify.yaml:1:16: unknown key "email"\nhint: known here: rotation',
    ],
    [
      'on call by a schedule that does not exist',
      'contacts: {a: {email: a@b.org}, b: {onCall: [{schedule: day, to: a}, {to: c}]}}\ndefault: {to: []}',
      'notify.yaml:1:75: there is no contact "c"\nhint: did you mean a?\nnotify.yaml:1:57: there is no schedule "day"\nhint: add it under schedules',
    ],
    [
      'contacts that stand for each other',
      `contacts: {a: {onCall: [{to: b}]}, b: {onCall: [{to: c}]}, c: ${rotation('2026-02-28', '1d', 'b')}}\ndefault: {to: []}`,
      'notify.yaml:1:36: these stand for each other in a circle: b → c → b\nhint: one of them has to name a person instead',
    ],
    [
      'an inhibition by everything',
      `${head}default: {to: []}\ninhibitions: [{source: {}, target: {labels: {}}}]`,
      'notify.yaml:3:24: source: matches every alert\nhint: say which ones: {source: {rule: gateway-down}}\nnotify.yaml:3:36: target: matches every alert\nhint: say which ones: {target: {rule: gateway-down}}',
    ],
    [
      'an inhibition without target',
      `${head}default: {to: []}\ninhibitions: [{source: {rule: a}}]`,
      /^notify\.yaml:3:15: target is missing/,
    ],
    [
      'an escalation without steps',
      `${head}default: {to: []}\n${escalation('[]')}`,
      /^notify\.yaml:3:34: steps: expected at least one step/,
    ],
    [
      'an escalation to nobody',
      `${head}default: {to: []}\n${escalation('[{after: 1m, to: []}]')}`,
      'notify.yaml:3:51: to: expected at least one contact',
    ],
    [
      'an escalation to somebody unknown',
      `${head}default: {to: []}\n${escalation('[{after: 1m, to: [pharmacy, x]}]')}`,
      'notify.yaml:3:62: there is no contact "x"\nhint: known: pharmacy',
    ],
    [
      'steps that do not ascend',
      `${head}default: {to: []}\n${escalation('[{after: 10m, to: [pharmacy]}, {after: 10m, to: [pharmacy]}]')}`,
      /^notify\.yaml:3:73: after: expected later than the step before\nhint: /,
    ],
    [
      'steps that go round too fast',
      `${head}default: {to: []}\n${escalation('[{after: 59s, to: [pharmacy]}], loop: true')}`,
      /^notify\.yaml:3:72: loop: goes round within less than a minute\nhint: /,
    ],
    [
      'a storm that is a number',
      `${head}default: {to: []}\nstorm: 20`,
      'notify.yaml:3:8: storm: expected a mapping or off\nhint: such as {after: 20, in: 1m}',
    ],
    [
      'limits with a wrong key',
      `${head}default: {to: []}\nlimits: {perMinute: 1}`,
      'notify.yaml:3:10: unknown key "perMinute"\nhint: known here: perHour',
    ],
  ];
  it.each(cases)('says where and why: %s', (_name, text, expected) => {
    const problems = rendered(text);
    if (typeof expected === 'string') expect(problems.join('\n')).toBe(expected);
    else expect(problems.join('\n')).toMatch(expected);
  });

  const env = { MAIL: 'night@example.org', TEAM: 'pharmacy', SECRET: 'hunter2 "quoted"' };
  const resolve: Resolve = (data, problem) => substitute(data, { env, folder: '.' }, problem);
  const resolved = (text: string) => parseNotify({ path: 'notify.yaml', text, resolve });

  it('puts in what references stand for', () => {
    const { config, problems } = resolved(
      'contacts: {pharmacy: {email: "${MAIL}"}}\nroutes: [{match: {labels.team: "${TEAM}"}, to: ["${TEAM}"]}]\ndefault: {to: []}',
    );
    expect(problems).toEqual([]);
    expect(config.contacts[0]?.channels).toEqual([{ kind: 'email', address: 'night@example.org' }]);
    expect(config.routes[0]).toMatchObject({ to: ['pharmacy'], match: { labels: { team: ['pharmacy'] } } });
  });

  it.each([
    ['a variable that is not set', 'contacts: {a: {email: "${NONE}"}}', /^notify\.yaml:1:23: .*NONE is not set\nhint: export NONE/],
    ['a file that is not there', 'contacts: {a: {email: "${file:/nowhere}"}}', /^notify\.yaml:1:23: the file \/nowhere cannot be read/],
    ['no address', 'contacts: {a: {email: "${SECRET}"}}', /^notify\.yaml:1:23: email: "\$\{SECRET\}" is more than an address/],
    ['no contact', 'default: {to: ["${SECRET}"]}', /^notify\.yaml:1:16: there is no contact "\$\{SECRET\}"/],
    ['no level', 'routes: [{match: {level: [info, "x${SECRET}"]}, to: []}]', /^notify\.yaml:1:26: level: there is no level "…"/],
  ])('a reference to %s is a problem with its place, and never shows the secret', (_name, text, expected) => {
    const { problems } = resolved(text.includes('default') ? text : `${text}\ndefault: {to: []}`);
    const shown = problems.map((problem) => problem.render()).join('\n');
    expect(shown).toMatch(expected);
    expect(shown).not.toContain('hunter2');
    expect(problems).toHaveLength(1);
  });

  it.each([
    '"a@b.org\\r\\nRCPT TO:<evil@x.org>"',
    '"a@b.org\\nBcc: evil@x.org"',
    'a@b.org, evil@x.org',
    'Pharmacy <a@b.org>',
    'a@b.org;c@d.org',
    'a',
    '@b.org',
    'a@',
    'a..b@c.org',
    'a b@c.org',
    'a@-b.org',
    '"${MAIL}@b.org"',
    '42',
    '""',
    `"${'x'.repeat(65)}@b.org"`,
  ])('refuses %s as an address, with its place', (address) => {
    const text = `contacts: {a: {email: ${address.startsWith('"') || address === '42' ? address : JSON.stringify(address)}}}\ndefault: {to: [a]}`;
    expect(rendered(text).join('\n')).toMatch(/^notify\.yaml:1:23: email: /);
  });

  it.each(['a@b.org', 'first.last+tag@sub.example.co.uk', 'root@localhost', 'x_y@münchen.de'])('accepts %s', (address) => {
    expect(rendered(`contacts: {a: {email: "${address}"}}\ndefault: {to: [a]}`)).toEqual([]);
  });
});

describe('what a silence matches', () => {
  it('may be alerts by their ids, and nothing else that a route does not match', () => {
    expect(silenceMatchForm.parse({ alert: 'a1' })).toEqual({ ...ALL, alerts: ['a1'] });
    expect(silenceMatchForm.parse({ alert: ['a1', 'a2'], 'labels.site': '' })).toEqual({
      ...ALL,
      alerts: ['a1', 'a2'],
      labels: { site: [''] },
    });
    expect(silenceMatchForm.safeParse({ alert: [] }).success).toBe(false);
    expect(silenceMatchForm.safeParse({ alerts: 'a1' }).error?.issues).toMatchObject([
      { path: ['alerts'], message: 'unknown key', params: { hint: 'did you mean alert?' } },
    ]);
    expect(rendered('routes: [{match: {alert: a1}, to: []}]\ndefault: {to: []}')).toEqual([
      expect.stringMatching(/^notify\.yaml:1:26: alert: unknown key\nhint: /),
    ]);
  });
});
