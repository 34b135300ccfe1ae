/** SEMANTICS "Levels" and "State machine": counts, keeping a level, silence of chosen metrics, and what a device depends on. */
import { describe, expect, it } from 'vitest';
import { directoryOf, listed, profileOf, ruleText, Scenario } from './scenario.ts';
import { table } from './table.ts';

const EVERY_5 = { every: 5 };
const levels = (text: string, more = ''): string => ruleText(text, more);

describe('count and consecutive', () => {
  const COUNT = levels('{warning: {when: "temperature > 8", count: {times: 3, of: 5}}}');
  const RUN = levels('{warning: {when: "temperature > 8", consecutive: 3}}');
  table([
    {
      says: 'true in 3 of the last 5 readings',
      rule: COUNT,
      run: (s) => s.temperatures(EVERY_5, [9, 5, 9, 5, 9, 5, 5]),
      expect: ['0m pending warning', '20m firing warning', '25m resolved', '25m pending warning'],
    },
    {
      says: 'what never comes to the count ends when no true reading is left among them',
      rule: COUNT,
      run: (s) => s.temperatures(EVERY_5, [9, 5, 5, 5, 5, 5]),
      expect: ['0m pending warning', '25m cancelled'],
    },
    {
      says: 'consecutive: 3 is {times: 3, of: 3}',
      rule: RUN,
      run: (s) => s.temperatures(EVERY_5, [9, 9, 5, 9, 9, 9, 5]),
      expect: ['0m pending warning', '25m firing warning', '30m resolved', '30m pending warning'],
    },
    {
      says: 'an unknown reading does not count',
      rule: levels('{warning: {when: "temperature > 8 && humidity > 50", consecutive: 2}}'),
      run: (s) =>
        s.reading(0, { temperature: 9, humidity: 60 }).reading(16, { temperature: 9 }).reading(17, { temperature: 9, humidity: 60 }),
      expect: ['0m pending warning'],
    },
    {
      says: 'a late or repeated reading does not count',
      rule: RUN,
      run: (s) =>
        s
          .temperatures(EVERY_5, [9, 9])
          .reading(6, { temperature: 9 }, { at: 5 })
          .reading(7, { temperature: 9 }, { at: 4 })
          .reading(10, { temperature: 9 }),
      expect: ['0m pending warning', '10m firing warning'],
    },
    {
      says: 'a gap over maxGap begins the count anew',
      rule: RUN,
      run: (s) => s.temperatures(EVERY_5, [9, 9]).temperatures({ every: 5, from: 25 }, [9, 9, 9]),
      expect: ['0m pending warning', '35m firing warning'],
    },
  ]);
});

describe('keepFiringFor', () => {
  const KEEP = levels('{warning: {when: "temperature > 8", keepFiringFor: 10m}}');
  table([
    {
      says: 'a level that would end stays for it, and ends by timer',
      rule: KEEP,
      run: (s) => s.temperatures(EVERY_5, [9, 5]).until(60),
      expect: ['0m firing warning', '15m resolved'],
    },
    {
      says: 'true again cancels the countdown',
      rule: KEEP,
      run: (s) => s.temperatures(EVERY_5, [9, 5, 9, 5, 5, 5]),
      expect: ['0m firing warning', '25m resolved'],
    },
    {
      says: 'it does not end by timer when the newest reading would be older than maxGap',
      rule: levels('{warning: {when: "temperature > 8", keepFiringFor: 20m}}'),
      run: (s) => s.temperatures(EVERY_5, [9, 5]).until(120).reading(125, { temperature: 5 }),
      expect: ['0m firing warning', '2h5m resolved'],
    },
    {
      says: 'each level has its own, and a lower one that held is next',
      rule: levels('{warning: {when: "temperature > 8", keepFiringFor: 20m}, critical: {when: "temperature > 10", keepFiringFor: 5m}}'),
      run: (s) => s.temperatures(EVERY_5, [11, 5, 5, 5, 5, 5]),
      expect: ['0m firing critical', '10m level warning', '25m resolved'],
    },
    {
      says: 'a lower level that never held is not kept after a higher one',
      rule: levels('{warning: {when: "humidity > 50", keepFiringFor: 30m}, critical: {when: "temperature > 10"}}'),
      run: (s) => s.reading(0, { temperature: 11, humidity: 40 }).reading(5, { temperature: 5, humidity: 40 }),
      expect: ['0m firing critical', '5m resolved'],
    },
    {
      says: 'given for the rule it is that of each level',
      rule: ruleText('{warning: {when: "temperature > 8"}}', 'keepFiringFor: 5m'),
      run: (s) => s.temperatures(EVERY_5, [9, 5, 5]),
      expect: ['0m firing warning', '10m resolved'],
    },
  ]);
});

describe('noData.metrics', () => {
  const rule = ruleText('{warning: {when: "temperature > 8"}}', 'noData: {after: 15m, raise: warning, metrics: [humidity]}');
  table([
    {
      says: 'overrides whose silence counts',
      rule,
      run: (s) =>
        s
          .reading(0, { temperature: 5, humidity: 1 })
          .reading(10, { temperature: 5 })
          .reading(20, { temperature: 5 })
          .reading(21, { humidity: 1 }),
      expect: ['15m firing warning (no-data)', '21m resolved'],
    },
  ]);
});

describe('dependsOn', () => {
  const fleet = [listed('gw', { profile: 'gateway' }), listed('fridge-01', { dependsOn: 'gw' }), listed('fridge-02', { dependsOn: 'gw' })];
  const gateway = profileOf({
    name: 'gateway',
    topics: ['gateways/{device}'],
    intervalMs: 60_000,
    metrics: profileOf().metrics,
    limits: {},
  });
  const directory = directoryOf({ profiles: [profileOf(), gateway], fleet });
  const WATCHED = `rules:
  - id: gateway
    devices: {id: gw}
    levels: {info: {when: "false"}}
    noData: {after: 5m, raise: critical}
  - id: warm
    devices: {profile: vaccine-fridge}
    levels: {warning: {when: "temperature > 8"}}
    noData: {after: 16m, raise: warning}
`;
  const gw = { device: 'gw', profile: 'gateway' };
  const two = { device: 'fridge-02' };
  const who = (scenario: Scenario): string[] => scenario.transitions.map(({ alert, kind }) => `${alert.rule} ${alert.device} ${kind}`);

  it('while the gateway is offline the silence behind it is inhibited: one alert, not three', () => {
    const scenario = new Scenario(WATCHED, { directory });
    scenario.reading(0, { temperature: 5 }).reading(0, { temperature: 5 }, two).reading(1, { humidity: 1 }, gw).until(240);
    expect(who(scenario)).toEqual(['gateway gw firing']);
  });

  it('a sensor that dies behind a gateway that lives is told, dependencyGrace later', () => {
    const scenario = new Scenario(WATCHED, { directory });
    scenario.reading(0, { temperature: 5 }).reading(0, { temperature: 5 }, two);
    for (let minute = 1; minute <= 30; minute++) {
      scenario.reading(minute, { humidity: 1 }, gw);
      if (minute % 5 === 0) scenario.reading(minute, { temperature: 5 }, two);
    }
    expect(scenario.lines).toEqual(['16m30s firing warning (no-data)']);
  });

  it('a gateway that publishes nothing itself is online while any of its dependents is', () => {
    const scenario = new Scenario(WATCHED, { directory });
    for (let minute = 0; minute <= 60; minute += 4) scenario.reading(minute, { temperature: 5 }, two);
    expect(scenario.lines).toEqual(['16m30s firing warning (no-data)']);
    scenario.until(120);
    expect(who(scenario)).toEqual(['warm fridge-01 firing', 'gateway gw firing']);
    scenario.reading(121, { temperature: 5 }, two);
    expect(who(scenario).at(-1)).toBe('gateway gw resolved');
  });

  it('the gateway need not be listed', () => {
    const listedOnly = directoryOf({ profiles: [profileOf(), gateway], fleet: fleet.slice(1) });
    const scenario = new Scenario(WATCHED, { directory: listedOnly });
    scenario.reading(0, { temperature: 5 }).reading(4, { temperature: 5 }, two).until(120);
    expect(who(scenario)).toEqual(['gateway gw firing']);
    expect(scenario.devices.view('gw')).toMatchObject({ listed: false, lastSeen: null });
  });

  it('behind a gateway that is back, a sensor has its maxGap to be heard', () => {
    const scenario = new Scenario(WATCHED, { directory });
    scenario.reading(0, { temperature: 5 }).reading(0, { temperature: 5 }, two).reading(1, { humidity: 1 }, gw).until(60);
    for (let minute = 60; minute <= 90; minute++) scenario.reading(minute, { humidity: 1 }, gw);
    const lines = scenario.transitions.map(
      ({ alert, kind, at }) => `${alert.device} ${kind} ${Math.round((at - (scenario.transitions[0]?.at ?? 0)) / 6e7)}`,
    );
    expect(lines.slice(0, 2)).toEqual(['gw firing 0', 'gw resolved 54']);
    expect(who(scenario).slice(2).sort()).toEqual(['warm fridge-01 firing', 'warm fridge-02 firing']);
  });

  it('a gateway that no rule watches inhibits nothing', () => {
    const unwatched = WATCHED.replace(/ {2}- id: gateway[\s\S]*?(?= {2}- id: warm)/, '');
    const scenario = new Scenario(unwatched, { directory });
    scenario.reading(0, { temperature: 5 }).until(60);
    expect(who(scenario)).toContain('warm fridge-01 firing');
  });
});
