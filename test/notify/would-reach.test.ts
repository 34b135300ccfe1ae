/** Alerts that would reach nobody are named before they fire; and what is reached, or is silent on purpose, is not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseFleet } from '../../src/devices/fleet.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import { type Alert, LEVELS } from '../../src/domain/alert.ts';
import { parseNotify } from '../../src/notify/config.ts';
import { matches } from '../../src/notify/matching.ts';
import { NOBODY } from '../../src/notify/notify-config.ts';
import { shadowedRoutes } from '../../src/notify/would-reach/shadowed.ts';
import { unreached, unreachedOnPurpose } from '../../src/notify/would-reach.ts';
import { parseRules } from '../../src/rules/parse.ts';

interface Files {
  readonly rules?: string;
  readonly fleet?: string;
  readonly profile?: string;
  readonly notify: string;
}

const GOOD = {
  rules: '- {id: warm, devices: {profile: fridge}, levels: {warning: {when: t > 8}}}',
  fleet: 'devices: [{id: d1, profile: fridge, labels: {site: a}}, {id: d2, profile: fridge, labels: {site: b}}]\nunknown: reject',
  profile: 'profile: fridge\ntopic: "f/{device}"\nmetrics: {t: {}}',
};
const PEOPLE = 'contacts: {ann: {email: ann@b.org}, bob: {email: bob@b.org}}\n';
const NONE = `${PEOPLE}default: {to: []}\n`;

function world(files: Files) {
  const { rules, fleet, profile, notify } = { ...GOOD, ...files };
  const parsedRules = parseRules([{ path: 'rules.yaml', text: `rules:\n${rules}\n` }]);
  const { parsed, problems } = parseProfile({ path: 'profile.yaml', text: profile });
  const profiles = parsed === null ? [] : [parsed.profile];
  const parsedFleet = parseFleet({ path: 'fleet.yaml', text: fleet }, profiles);
  const parsedNotify = parseNotify({ path: 'notify.yaml', text: notify });
  expect([...parsedRules.problems, ...problems, ...parsedFleet.problems, ...parsedNotify.problems]).toEqual([]);
  return { rules: parsedRules.rules, directory: { profiles, ...parsedFleet.fleet }, ...parsedNotify };
}

function told(files: Files): string[] {
  const { rules, directory, config, placeOf } = world(files);
  return unreached(rules, directory, config, placeOf).map((problem) => problem.render());
}
function silent(files: Files): string[] {
  const { rules, directory, config } = world(files);
  return unreachedOnPurpose(rules, directory, config);
}
const routes = (...list: readonly string[]): string => `${NONE}routes:\n${list.map((route) => `  - ${route}\n`).join('')}`;

describe('an alert that no route brings to anybody', () => {
  it('is named at its rule, with what to do', () => {
    expect(told({ notify: NONE })).toEqual([
      'rules.yaml:2:8: warm (warning) reaches nobody: no route matches it, and default tells nobody\nhint: add a route that matches {rule: warm}, with to: [] if that is meant; or name a contact in default',
    ]);
    expect(silent({ notify: NONE })).toEqual([]);
  });

  it('is not named where the default has somebody, or a route, or an escalation', () => {
    expect(told({ notify: `${PEOPLE}default: {to: [ann]}` })).toEqual([]);
    expect(told({ notify: routes('{match: {rule: w*}, to: [ann]}') })).toEqual([]);
    expect(told({ notify: `${NONE}escalations: [{match: {level: warning}, steps: [{after: 5m, to: [ann]}]}]` })).toEqual([]);
  });

  it('is told apart by level, the silence of a device included', () => {
    const rules =
      '- {id: warm, devices: {profile: fridge}, levels: {info: {when: t > 7}, warning: {when: t > 8}}, noData: {after: 1h, raise: critical}}';
    expect(told({ rules, notify: routes('{match: {level: [info, warning]}, to: [ann]}') })).toEqual([
      expect.stringMatching(
        /^rules\.yaml:2:8: warm \(critical\) reaches nobody: .*\nhint: add a route that matches \{rule: warm, level: critical\}/,
      ),
    ]);
    expect(told({ rules, notify: routes('{match: {level: warning}, to: [ann]}') })).toEqual([
      expect.stringMatching(
        /^rules\.yaml:2:8: warm \(info, critical\) reaches nobody: .*\nhint: .*\{rule: warm, level: \[info, critical\]\}/,
      ),
    ]);
    expect(told({ rules, notify: routes('{match: {level: [info, warning, critical]}, to: [ann]}') })).toEqual([]);
  });

  it('is told apart by device and label', () => {
    const named = (match: string, files: Partial<Files> = {}): string[] =>
      told({ ...files, notify: routes(`{match: ${match}, to: [ann]}`) }).map((line) => line.split(':')[3]?.trim() ?? '');
    expect(named('{device: d1}')).toEqual(['warm (warning) on d2 reaches nobody']);
    expect(named('{device: "d?"}')).toEqual([]);
    expect(named('{labels.site: b}')).toEqual(['warm (warning) on d1 reaches nobody']);
    expect(named('{labels.site: [a, b]}')).toEqual([]);
    expect(named('{labels.team: ""}')).toEqual([]);
    expect(named('{labels.team: x}')).toEqual(['warm (warning) reaches nobody']);
    const labelled = '- {id: warm, devices: {profile: fridge}, labels: {team: x, site: b}, levels: {warning: {when: t > 8}}}';
    expect(named('{labels.team: x}', { rules: labelled })).toEqual([]);
    // The rule's label goes before the device's.
    expect(named('{labels.site: a}', { rules: labelled })).toEqual(['warm (warning) reaches nobody']);
  });

  it('is counted, with some of the devices, where nothing tells them apart', () => {
    const fleet = `devices: [${Array.from({ length: 300 }, (_, index) => `{id: d${index}, profile: fridge, labels: {site: s${index % 2}, n: "${index}"}}`).join(', ')}]\nunknown: reject`;
    expect(told({ fleet, notify: routes('{match: {labels.site: s0}, to: [ann]}') })[0]).toContain(
      'warm (warning) on d1 and 149 more reaches nobody',
    );
  });

  it('may be about a device that is not listed', () => {
    const fleet = GOOD.fleet.replace('reject', 'accept');
    expect(told({ fleet, notify: routes('{match: {labels.site: [a, b]}, to: [ann]}') })[0]).toContain(
      'warm (warning) on devices that the fleet file does not list reaches nobody',
    );
    expect(told({ fleet, notify: routes('{match: {labels.site: [a, b, ""]}, to: [ann]}') })).toEqual([]);
    expect(told({ fleet, notify: routes('{match: {device: "d*"}, to: [ann]}') })[0]).toContain(
      'on devices that the fleet file does not list',
    );
    const onlyD = GOOD.rules.replace('profile: fridge', 'profile: fridge, id: "d*"');
    expect(told({ fleet, rules: onlyD, notify: routes('{match: {device: "d*"}, to: [ann]}') })).toEqual([]);
    const onlyD1 = GOOD.rules.replace('profile: fridge', 'id: d1');
    expect(told({ fleet, rules: onlyD1, notify: routes('{match: {device: d1}, to: [ann]}') })).toEqual([]);
  });

  it('may be about any value of a label that a topic gives, but for what its rule asks for', () => {
    const profile = GOOD.profile.replace('f/{device}', 'f/{room}/{device}');
    const fleet = 'devices: [{id: d1, profile: fridge, labels: {room: cellar}}]';
    const cellar = routes('{match: {labels.room: cellar}, to: [ann]}');
    expect(told({ profile, fleet, notify: cellar })[0]).toContain('on devices that the fleet file does not list');
    const rules = GOOD.rules.replace('profile: fridge', 'profile: fridge, labels: {room: cellar}');
    expect(told({ profile, fleet, rules, notify: cellar })).toEqual([]);
    expect(told({ profile, fleet: 'devices: [{id: d1, profile: fridge}]\nunknown: reject', rules, notify: cellar })).toEqual([]);
    expect(told({ profile, fleet: `${fleet}\nunknown: reject`, rules, notify: NONE })).toHaveLength(1);
  });

  it('of a rule on groups is about a group', () => {
    const rules = '- {id: store, by: site, devices: {profile: fridge}, levels: {critical: {when: "max(t) > 8"}}}';
    expect(told({ rules, notify: routes('{match: {labels.site: a}, to: [ann]}') })[0]).toContain(
      'store (critical) on site=b reaches nobody',
    );
    expect(told({ rules, notify: routes('{match: {device: "site=*"}, to: [ann]}') })).toEqual([]);
    // Labels beyond those of the group are not the alert's.
    expect(told({ rules, notify: routes('{match: {labels.room: ""}, to: [ann]}') })).toEqual([]);
  });

  it('of a rule for no device is none', () => {
    expect(told({ rules: GOOD.rules.replace('profile: fridge', 'id: nobody'), notify: NONE })).toEqual([]);
  });

  it('is one of so many that the rest is a number', () => {
    const rules = Array.from({ length: 25 }, (_, index) => `- {id: r${index}, levels: {info: {when: t > 1}}}`).join('\n');
    const lines = told({ rules, notify: NONE });
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe('5 more alerts reach nobody\nhint: name a contact in default');
  });

  it('on purpose is no mistake, and can be asked for', () => {
    const rules = '- {id: warm, devices: {profile: fridge}, levels: {info: {when: t > 7}, warning: {when: t > 8}}}';
    const files = { rules, notify: routes('{match: {level: info}, to: []}', '{match: {device: d1}, to: []}', '{match: {}, to: [ann]}') };
    expect(told(files)).toEqual([]);
    expect(silent(files)).toEqual(['warm (info)', 'warm (warning) on d1']);
    // Looked at further, and there is nobody either.
    expect(silent({ rules, notify: routes('{match: {}, to: [], continue: true}', '{match: {level: info}, to: [ann]}') })).toEqual([
      'warm (warning)',
    ]);
  });

  it('where routes continue, reaches whoever one of them has', () => {
    expect(
      told({ notify: routes('{match: {}, to: [], continue: true}', '{match: {device: d1}, to: [ann]}', '{match: {}, to: [bob]}') }),
    ).toEqual([]);
    // One that matched is enough to leave the default out.
    const notify = `${PEOPLE}default: {to: [ann]}\nroutes: [{match: {}, to: [], continue: true}]`;
    expect(silent({ notify })).toEqual(['warm (warning)']);
  });
});

describe('a contact on call', () => {
  const desk = (windows: string, to = '[desk]', more = ''): Files => ({
    notify: `contacts:\n  ann: {email: ann@b.org}\n  desk: {onCall: [{schedule: hours, to: ann}${more}]}\nschedules: [{id: hours, zone: Europe/Berlin, windows: ${windows}}]\ndefault: {to: ${to}}\n`,
  });

  it('whom nobody is at some time of the week, is named with that time', () => {
    expect(told(desk('[{days: mon-fri, from: "08:00", to: "17:00"}]'))).toEqual([
      'notify.yaml:3:3: nobody is on call as desk from Mon 17:00 to Tue 08:00 (Europe/Berlin): warm (warning) reaches nobody then\nhint: add an entry without a schedule at the end of onCall, such as {to: ID}; or name somebody beside desk',
    ]);
    expect(told(desk('[{days: mon-fri}]'))[0]).toContain('from Sat 00:00 to Mon 00:00 (Europe/Berlin)');
    expect(told(desk('[{from: "06:00", to: "05:59"}]'))[0]).toContain('from Tue 05:59 to Tue 06:00');
  });

  it('who is always somebody, is not', () => {
    expect(told(desk('[{days: mon-fri}, {days: sat-sun}]'))).toEqual([]);
    expect(told(desk('[{from: "06:00", to: "18:00"}, {from: "18:00", to: "06:00"}]'))).toEqual([]);
    expect(told(desk('[{days: mon}]', '[desk, ann]'))).toEqual([]);
    expect(told(desk('[{days: mon}]', '[desk]', ', {to: ann}'))).toEqual([]);
  });

  it('may be made up for by another one at that time, in whatever zone', () => {
    const notify = (to: string) =>
      `contacts:\n  ann: {email: ann@b.org}\n  day: {onCall: [{schedule: day, to: ann}]}\n  night: {onCall: [{schedule: night, to: ann}]}\nschedules: [{id: day, zone: Europe/Berlin, windows: [{from: "08:00", to: "20:00"}]}, {id: night, zone: America/New_York, windows: [{from: "14:00", to: "${to}"}]}]\ndefault: {to: [day, night]}\n`;
    // In Berlin it is six hours later; five, while only America has changed its clocks.
    expect(told({ notify: notify('02:00') })[0]).toContain('nobody is on call as day or night from Tue 07:00 to Tue 08:00 (Europe/Berlin)');
    expect(told({ notify: notify('03:00') })).toEqual([]);
  });

  it('in turn holds when each of them does', () => {
    const notify = (of: string) =>
      `contacts:\n  ann: {email: ann@b.org}\n  desk: {onCall: [{schedule: hours, to: ann}]}\n  turn: {rotation: {zone: UTC, start: 2026-01-05, every: 1w, of: [${of}]}}\nschedules: [{id: hours, zone: UTC, windows: [{days: mon-sat}]}]\ndefault: {to: [turn]}\n`;
    expect(told({ notify: notify('ann') })).toEqual([]);
    expect(told({ notify: notify('ann, desk') })[0]).toContain(
      'notify.yaml:4:3: nobody is on call as turn from Sun 00:00 to Mon 00:00 (UTC)',
    );
  });

  it('is named once, whatever alerts go there', () => {
    const rules = Array.from(
      { length: 6 },
      (_, index) => `- {id: r${index}, devices: {profile: fridge}, levels: {info: {when: t > 1}}}`,
    ).join('\n');
    const lines = told({ ...desk('[{days: mon}]'), rules });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(': r0 (info), r1 (info), r2 (info) and 3 more reach nobody then');
  });

  it('and a contact without channels, which no file can say, is named', () => {
    const { rules, directory } = world({ notify: NONE });
    const config = { ...NOBODY, contacts: [{ id: 'x', channels: [], onCall: null }], default: { ...NOBODY.default, to: ['x'] } };
    expect(unreached(rules, directory, config).map(({ message }) => message)).toEqual([
      'x has no channel: warm (warning) reaches nobody then',
    ]);
  });
});

describe('a route', () => {
  const problems = (...list: readonly string[]): string[] =>
    told({ notify: `${PEOPLE}default: {to: [ann]}\nroutes:\n${list.map((route) => `  - ${route}\n`).join('')}` });

  it('that an earlier one shadows is named, with the earlier one', () => {
    expect(problems('{match: {rule: "fridge-*"}, to: [ann]}', '{match: {rule: fridge-warm, level: critical}, to: [bob]}')).toEqual([
      'notify.yaml:5:5: this route is never reached: the one at notify.yaml:4:5 matches all that it does\nhint: put it before, or write continue: true there, so that it is asked as well',
    ]);
  });

  it.each([
    ['everything', ['{}'], '{rule: a}'],
    ['the same', ['{rule: [a, b]}'], '{rule: [b, a]}'],
    ['a wider glob', ['{device: "a*"}'], '{device: "a?b*"}'],
    ['more values of a label', ['{labels.x: [a, b]}'], '{labels.x: b, labels.y: c}'],
    ['several routes together', ['{level: critical}', '{level: [info, warning]}'], '{rule: a}'],
    ['several routes by label', ['{labels.x: a}', '{labels.x: b, level: [info, warning, critical]}'], '{labels.x: [a, b]}'],
  ])('is shadowed by %s', (_name, earlier, later) => {
    expect(problems(...earlier.map((match) => `{match: ${match}, to: [ann]}`), `{match: ${later}, to: [bob]}`)).toHaveLength(1);
  });

  it.each([
    ['one that continues', '{match: {}, to: [ann], continue: true}', '{rule: a}'],
    ['another level', '{match: {level: info}, to: [ann]}', '{level: [info, warning]}'],
    ['a narrower glob', '{match: {rule: "a?"}, to: [ann]}', '{rule: "a*"}'],
    ['a glob that takes a letter more', '{match: {rule: "a?*"}, to: [ann]}', '{rule: "a*"}'],
    ['a label that it does not ask for', '{match: {labels.x: a}, to: [ann]}', '{rule: a}'],
  ])('is not shadowed by %s', (_name, earlier, later) => {
    expect(problems(earlier, `{match: ${later}, to: [bob]}`)).toEqual([]);
  });

  it('called shadowed is reached by no alert at all', () => {
    const glob = fc.array(fc.constantFrom('a', 'b', '*', '?'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));
    const some = <T>(value: fc.Arbitrary<T>) => fc.option(fc.uniqueArray(value, { minLength: 1, maxLength: 2 }), { nil: null });
    const match = fc.record({
      levels: some(fc.constantFrom(...LEVELS)),
      rules: some(glob),
      devices: some(glob),
      alerts: fc.constant(null),
      labels: fc.dictionary(fc.constantFrom('x', 'y'), fc.uniqueArray(fc.constantFrom('', 'a', 'b'), { minLength: 1, maxLength: 3 }), {
        maxKeys: 2,
      }),
    });
    const text = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
    const alert = fc.record({
      rule: text,
      device: text,
      level: fc.constantFrom(...LEVELS),
      labels: fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('a', 'b', 'c'), { maxKeys: 2 }),
    });
    let shadowed = 0;
    fc.assert(
      fc.property(fc.array(match, { minLength: 2, maxLength: 4 }), fc.array(alert, { minLength: 30, maxLength: 30 }), (list, alerts) => {
        const all = list.map((one, index) => ({
          ...NOBODY.default,
          match: one,
          place: { file: 'notify.yaml', line: index, column: 1 },
          continue: false,
        }));
        const lines = new Set(shadowedRoutes(all).map(({ place }) => Number(place?.split(':')[1])));
        shadowed += lines.size;
        for (const some of alerts) {
          const full: Alert = {
            id: '',
            state: 'firing',
            flags: [],
            since: 0,
            firedAt: 0,
            resolvedAt: null,
            value: null,
            summary: '',
            ...some,
          };
          expect(lines).not.toContain(all.find((route) => matches(route.match, full))?.place.line ?? -1);
        }
      }),
      { numRuns: 500 },
    );
    expect(shadowed).toBeGreaterThan(0);
  });

  it('whose mute never ends is named', () => {
    const route = (keys: string, windows: string): string[] =>
      told({
        notify: `${PEOPLE}schedules: [{id: a, zone: UTC, windows: [{from: "08:00", to: "17:00"}]}, {id: b, zone: UTC, windows: ${windows}}]\ndefault: {to: [ann], ${keys}}`,
      });
    expect(route('active: a, muted: b', '[{from: "07:00", to: "18:00"}]')).toEqual([
      'notify.yaml:3:1: this route is muted at all times (active: a, muted: b)\nhint: leave a time at which it is active and not muted; to: [] if nobody is meant',
    ]);
    expect(route('muted: b', '[{}]')).toHaveLength(1);
    expect(route('active: a, muted: b', '[{from: "07:00", to: "16:00"}]')).toEqual([]);
    expect(route('active: a', '[{}]')).toEqual([]);
    expect(route('active: b', '[{}]')).toEqual([]);
  });
});
