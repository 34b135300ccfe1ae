/** What is said of a device's being online: of a gateway, of a device itself, by a rule; and that an announcement is no sign of life. */
import { describe, expect, it } from 'vitest';
import type { Value } from '../../src/domain/reading.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { parseRules } from '../../src/rules/parse.ts';
import { directoryOf, listed, metric, profileOf, ruleText, Scenario } from './scenario.ts';
import { table } from './table.ts';

const OFFLINE = { availability: false };
const ONLINE = { availability: true };

describe('the online state of a device', () => {
  const onlineAfter = (...readings: readonly Record<string, Value>[]): boolean | null | undefined => {
    const scenario = new Scenario(ruleText('{warning: {when: "temperature > 8"}}'));
    for (const [minute, values] of readings.entries()) scenario.reading(minute, values);
    return scenario.devices.view('fridge-01')?.online;
  };
  it.each<[string, readonly Record<string, Value>[], boolean | null]>([
    ['is not known of a device that only measures', [{ temperature: 5 }], null],
    ['is what was said last', [ONLINE, OFFLINE], false],
    ['stays, however long it is silent', [ONLINE], true],
    ['is online once it speaks', [OFFLINE, { temperature: 5 }], true],
    ['is offline when it says so beside what it measured', [ONLINE, { temperature: 5, availability: false }], false],
    ['is not what a number under that name says', [OFFLINE, { availability: 99.5 }], true],
    ['is not what a number under that name says, either', [{ availability: 99.5 }], null],
  ])('%s', (_, readings, online) => expect(onlineAfter(...readings)).toBe(online));

  it('is offline from a moment that the device dates back before what it measured', () => {
    const scenario = new Scenario(ruleText('{warning: {when: "temperature > 8"}}'));
    scenario.reading(0, ONLINE).reading(5, { temperature: 5 }).reading(6, OFFLINE, { at: -10 });
    expect(scenario.devices.view('fridge-01')).toMatchObject({ online: false, lastSeen: expect.any(Number) });
  });
});

describe('an announcement is no sign of life', () => {
  const silent = ruleText('{warning: {when: "temperature > 8"}}', 'noData: {after: 15m, raise: warning}');
  const anyReading = `rules:\n  - id: any\n    devices: {profile: vaccine-fridge}\n    levels: {info: {when: "false"}}\n    noData: {after: 15m, raise: warning}\n`;
  table([
    {
      says: 'neither offline nor online puts off the silence of a metric',
      rule: silent,
      run: (s) => s.reading(0, { temperature: 5 }).reading(5, OFFLINE).reading(10, ONLINE).until(20),
      expect: ['15m firing warning (no-data)'],
    },
    {
      says: 'nor that of a device of which any reading would do',
      rule: anyReading,
      run: (s) => s.reading(0, { temperature: 5 }).reading(5, OFFLINE).reading(10, ONLINE).until(20),
      expect: ['15m firing warning (no-data)'],
    },
    {
      says: 'nor does it end one',
      rule: anyReading,
      run: (s) => s.reading(0, { temperature: 5 }).reading(20, OFFLINE).reading(25, ONLINE).reading(30, { humidity: 40 }),
      expect: ['15m firing warning (no-data)', '30m resolved'],
    },
    {
      says: 'what is said beside a measurement is one',
      rule: anyReading,
      run: (s) => s.reading(0, { temperature: 5 }).reading(10, { humidity: 40, availability: false }).until(24),
      expect: [],
    },
    {
      says: 'but for a rule that asks for just that',
      rule: ruleText('{warning: {when: "temperature > 8"}}', 'noData: {after: 15m, raise: warning, metrics: [availability]}'),
      directory: directoryOf({ profiles: [profileOf({ metrics: [metric('temperature'), metric('availability', 'boolean')] })] }),
      run: (s) => s.reading(0, ONLINE).reading(10, OFFLINE).reading(11, { temperature: 5 }).until(60),
      expect: ['25m firing warning (no-data)'],
    },
    {
      says: 'a device that was announced and never measured counts from its registration',
      rule: anyReading,
      directory: directoryOf({ fleet: [listed('fridge-01')] }),
      run: (s) => s.reading(5, ONLINE).until(20),
      expect: ['15m firing warning (no-data)'],
    },
  ]);

  it('is known by it, and was not seen', () => {
    const scenario = new Scenario(silent).reading(3, ONLINE);
    expect(scenario.devices.view('fridge-01')).toMatchObject({ lastSeen: null, readings: 1, firstSeen: expect.any(Number) });
  });

  it('nor does it change how long a value counts', () => {
    const directory = directoryOf({ profiles: [profileOf({ intervalMs: null })] });
    const scenario = new Scenario(silent, { directory });
    for (let minute = 0; minute <= 60; minute += 10) scenario.reading(minute, { temperature: 5 }).reading(minute + 1, ONLINE);
    expect(scenario.devices.view('fridge-01')?.maxGapMs).toBe(30 * 60_000);
  });

  it('nor does it end a backlog', () => {
    const directory = directoryOf({ profiles: [profileOf({ retrospectiveAfterMs: 600_000 })] });
    const scenario = new Scenario(ruleText('{warning: {when: "temperature > 8"}}'), { directory });
    const backlog = (): number => scenario.transitions.filter(({ kind }) => kind === 'backlog').length;
    scenario.reading(0, { temperature: 5 }).reading(60, { temperature: 9 }, { at: 10 }).reading(60, { temperature: 5 }, { at: 20 });
    scenario.reading(61, OFFLINE, { isReceiptTime: true });
    expect(backlog()).toBe(0);
    scenario.reading(62, { temperature: 5 });
    expect(backlog()).toBe(1);
  });
});

describe('a rule on availability', () => {
  const profile = profileOf({ decode: 'zigbee2mqtt', metrics: [metric('temperature')] });
  const directory = directoryOf({ profiles: [profile] });
  table([
    {
      says: 'holds at once, and until it is told otherwise',
      rule: ruleText('{warning: {when: "availability == false"}}'),
      directory,
      run: (s) => s.reading(0, ONLINE).reading(10, OFFLINE).reading(600, ONLINE),
      expect: ['10m firing warning', '10h resolved'],
    },
    {
      says: 'ripens however long nothing more is said',
      rule: ruleText('{warning: {when: "!availability", for: 2h}}'),
      directory,
      run: (s) => s.reading(0, OFFLINE).until(300),
      expect: ['0m pending warning', '2h firing warning'],
    },
    {
      says: 'has no gap in its run between two that say the same',
      rule: ruleText('{warning: {when: "!availability", for: 2h}}'),
      directory,
      run: (s) => s.reading(0, OFFLINE).reading(90, OFFLINE).until(300),
      expect: ['0m pending warning', '2h firing warning'],
    },
    {
      says: 'beside a measurement what was told last counts, whatever its age',
      rule: ruleText('{warning: {when: "availability && temperature > 8"}}'),
      directory,
      run: (s) => s.reading(0, ONLINE).reading(300, { temperature: 9 }),
      expect: ['5h firing warning'],
    },
    {
      says: 'its silence is that of the other metrics',
      rule: ruleText('{info: {when: "!availability && temperature > 99"}}', 'noData: {after: 15m, raise: warning}'),
      directory,
      run: (s) => s.reading(0, ONLINE).reading(5, { temperature: 5 }).reading(19, { temperature: 5 }).until(40),
      expect: ['34m firing warning (no-data)'],
    },
    {
      says: 'of another device it counts as long',
      rule: `rules:\n  - id: behind\n    devices: {id: fridge-01}\n    levels: {warning: {when: "device('fridge-02').availability == false", for: 1h}}\n`,
      directory: directoryOf({ profiles: [profile], fleet: [listed('fridge-01'), listed('fridge-02')] }),
      run: (s) => s.reading(0, OFFLINE, { device: 'fridge-02' }).until(90),
      expect: ['0m pending warning', '1h firing warning'],
    },
    {
      says: 'is a number where a profile says so, and then too old in time',
      rule: ruleText('{warning: {when: "availability < 90", for: 1h}}', 'noData: {after: 15m, raise: critical}'),
      directory: directoryOf({ profiles: [profileOf({ metrics: [metric('availability')] })] }),
      run: (s) => s.reading(0, { availability: 80 }).until(120),
      expect: ['0m pending warning', '15m firing critical (no-data)'],
    },
    {
      says: 'of a group counts who is offline, and since when does not matter',
      rule: `rules:\n  - id: site\n    by: [site]\n    levels: {warning: {when: "count(!availability) >= 2"}}\n    noData: {after: 15m, raise: critical}\n`,
      directory: directoryOf({
        profiles: [profile],
        fleet: [listed('fridge-01', { labels: { site: 'a' } }), listed('fridge-02', { labels: { site: 'a' } })],
      }),
      run: (s) => {
        const labels = { site: 'a' };
        return s.reading(0, OFFLINE, { labels }).reading(300, OFFLINE, { labels, device: 'fridge-02' }).until(400);
      },
      expect: ['5h firing warning'],
    },
  ]);

  it.each(['availability == false', "metric('availability') == false", '!availability'])('without a profile: %s', (when) => {
    const rule = `rules:\n  - {id: off, levels: {warning: {when: "${when}"}}}\n`;
    const scenario = new Scenario(rule, { directory: directoryOf({ profiles: [] }) });
    const lamp = { device: 'lamp', profile: null };
    scenario.reading(0, { power: 4 }, lamp).reading(1, OFFLINE, lamp).reading(2, ONLINE, lamp);
    expect(scenario.lines).toEqual(['1m firing warning', '2m resolved']);
  });

  it('of a plain JSON profile that does not list it is a misspelt name', () => {
    const { rules } = parseRules([{ path: 'r.yaml', text: ruleText('{warning: {when: "availability == false"}}') }]);
    expect(
      compileRules(rules, directoryOf())
        .problems.map(({ message }) => message)
        .join(),
    ).toMatch(/availability/);
  });
});

describe('a gateway that is said to be offline', () => {
  const gateway = profileOf({ name: 'gateway', decode: 'zigbee2mqtt', topics: ['gateways/{device}'], intervalMs: 60_000, limits: {} });
  const fleet = [listed('gw', { profile: 'gateway' }), listed('fridge-01', { dependsOn: 'gw' }), listed('fridge-02', { dependsOn: 'gw' })];
  const directory = directoryOf({ profiles: [profileOf(), gateway], fleet });
  const rulesWith = (watching: string): string => `rules:
  - id: gateway
    devices: {id: gw}
    ${watching}
  - id: warm
    devices: {profile: vaccine-fridge}
    levels: {warning: {when: "temperature > 8"}}
    noData: {after: 16m, raise: warning}
`;
  const SILENT = rulesWith('levels: {info: {when: "false"}}\n    noData: {after: 90m, raise: critical}');
  const SAID = rulesWith('levels: {critical: {when: "availability == false"}}');
  const UNWATCHED = rulesWith('levels: {info: {when: "temperature > 99"}}');
  const gw = { device: 'gw', profile: 'gateway' };
  const two = { device: 'fridge-02' };
  const who = (scenario: Scenario): string[] =>
    scenario.transitions.map(({ alert, kind, journaledAt }) => `${alert.rule} ${alert.device} ${kind} ${(journaledAt - START) / 6e7}`);
  const START = new Scenario(SILENT, { directory }).devices.view('gw')?.firstSeen ?? Date.UTC(2026, 0, 5) * 1000;
  const begun = (rules: string): Scenario =>
    new Scenario(rules, { directory }).reading(0, { temperature: 5 }).reading(0, { temperature: 5 }, two).reading(1, { humidity: 1 }, gw);

  it('is offline at once, however short ago it spoke: the silence behind it is inhibited', () => {
    const scenario = begun(SILENT);
    for (let minute = 2; minute <= 15; minute++) scenario.reading(minute, { humidity: 1 }, gw);
    scenario.reading(15.2, OFFLINE, gw).until(100);
    expect(who(scenario)).toEqual([]);
    expect(who(scenario.until(240))).toEqual(['gateway gw firing 105']);
  });

  it('inhibits as well when a rule on its availability tells of it', () => {
    expect(who(begun(SAID).reading(2, OFFLINE, gw).until(240))).toEqual(['gateway gw firing 2']);
  });

  it('inhibits nothing when no rule tells of it', () => {
    expect(who(begun(UNWATCHED).reading(2, OFFLINE, gw).until(60))).toEqual(['warm fridge-01 firing 16.5', 'warm fridge-02 firing 16.5']);
  });

  it('excuses nothing by mere silence where only its availability is watched', () => {
    expect(who(begun(SAID).until(60))).toEqual(['warm fridge-01 firing 16.5', 'warm fridge-02 firing 16.5']);
  });

  it('known half a minute after the silence ripens, inhibits it still: dependencyGrace', () => {
    expect(who(begun(SAID).reading(16.4, OFFLINE, gw).until(60))).toEqual(['gateway gw firing 16.4']);
  });

  it('is back when it says so, and what is behind it has its maxGap to be heard', () => {
    const scenario = begun(SAID).reading(2, OFFLINE, gw).reading(60, ONLINE, gw).reading(70, { temperature: 5 }, two).until(80);
    expect(who(scenario)).toEqual(['gateway gw firing 2', 'gateway gw resolved 60', 'warm fridge-01 firing 75']);
  });

  it('is back when it speaks', () => {
    const scenario = begun(SILENT).reading(2, OFFLINE, gw);
    for (let minute = 60; minute <= 80; minute++) scenario.reading(minute, { humidity: 1 }, gw);
    expect(who(scenario)).toEqual(['warm fridge-01 firing 75', 'warm fridge-02 firing 75']);
  });

  it('that sends nothing but announcements is online while it says so, whoever is silent behind it', () => {
    const scenario = new Scenario(SILENT.replace('90m', '20m'), { directory }).reading(0, ONLINE, gw).reading(0, { temperature: 5 });
    for (let minute = 0; minute <= 30; minute += 5) scenario.reading(minute, { temperature: 5 }, two);
    scenario.until(80);
    expect(who(scenario)).toEqual(['warm fridge-01 firing 16.5', 'warm fridge-02 firing 46.5', 'gateway gw firing 50']);
  });

  it('what is announced of the devices behind it is no sign of its life', () => {
    const scenario = new Scenario(SILENT.replace('90m', '20m'), { directory }).reading(0, { temperature: 5 });
    for (let minute = 5; minute <= 30; minute += 5) scenario.reading(minute, OFFLINE);
    expect(who(scenario)).toEqual(['gateway gw firing 20']);
  });

  it('nor does what is announced of a device end what its silence was put down to', () => {
    const scenario = begun(SAID).reading(2, OFFLINE, gw).until(30);
    scenario.reading(31, OFFLINE).reading(32, ONLINE, gw).reading(33, OFFLINE).until(46);
    expect(who(scenario)).toEqual(['gateway gw firing 2', 'gateway gw resolved 32']);
    expect(who(scenario.until(48)).slice(2)).toEqual(['warm fridge-01 firing 47', 'warm fridge-02 firing 47']);
  });
});

it('devices are listed by it, a page at a time', () => {
  const scenario = new Scenario(ruleText('{warning: {when: "temperature > 8"}}'));
  for (const [index, values] of [OFFLINE, ONLINE, { temperature: 5 }, OFFLINE, OFFLINE].entries())
    scenario.reading(index, values, { device: `d${index}` });
  const ids = (query: { online?: boolean; limit?: number; cursor?: string }): (string | null)[] => {
    const { items, next } = scenario.devices.list(query);
    return [...items.map(({ id }) => id), next];
  };
  expect(ids({ online: false, limit: 2 })).toEqual(['d0', 'd3', 'd3']);
  expect(ids({ online: false, limit: 2, cursor: 'd3' })).toEqual(['d4', null]);
  expect(ids({ online: true })).toEqual(['d1', null]);
  expect(ids({})).toHaveLength(6);
});
