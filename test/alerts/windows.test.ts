/** SEMANTICS "A condition's value": window functions over event time, stale(), and metrics of other devices. */
import { describe, expect, it } from 'vitest';
import { directoryOf, listed, profileOf, ruleText, Scenario } from './scenario.ts';
import { table } from './table.ts';

const when = (condition: string, more = ''): string => ruleText(`{warning: {when: "${condition}"${more}}}`);
const EVERY_5 = { every: 5 };

describe('window functions', () => {
  table([
    {
      says: 'avg over (t-w, t]: the reading at t-w is outside, the one at t inside',
      rule: when("avg(temperature, '10m') > 8"),
      run: (s) => s.temperatures(EVERY_5, [0, 9, 9, 0]),
      expect: ['10m firing warning', '15m resolved'],
    },
    {
      says: 'min and max',
      rule: when("max(temperature, '15m') - min(temperature, '15m') > 5"),
      run: (s) => s.temperatures(EVERY_5, [1, 3, 8, 8, 8]),
      expect: ['10m firing warning', '15m resolved'],
    },
    {
      says: 'sum and count',
      rule: when("count(temperature, '20m') >= 3 && sum(temperature, '20m') > 10"),
      run: (s) => s.temperatures(EVERY_5, [4, 4, 4, 1, 1]),
      expect: ['10m firing warning', '20m resolved'],
    },
    {
      says: 'first and last',
      rule: when("last(temperature, '15m') > first(temperature, '15m')"),
      run: (s) => s.temperatures(EVERY_5, [1, 1, 2, 2, 2]),
      expect: ['10m firing warning', '20m resolved'],
    },
    {
      says: 'delta is the last less the first, and unknown with one reading',
      rule: when("delta(temperature, '15m') >= 0 && delta(temperature, '15m') < 3"),
      run: (s) => s.temperatures(EVERY_5, [1, 3, 9]),
      expect: ['5m firing warning', '10m resolved'],
    },
    {
      says: 'rate is that per second',
      rule: when("rate(temperature, '15m') > 0.01"),
      run: (s) => s.temperatures(EVERY_5, [0, 2, 8, 8, 8, 8]),
      expect: ['10m firing warning', '15m resolved'],
    },
    {
      says: 'stddev and median',
      rule: when("stddev(temperature, '15m') > 1 && median(temperature, '15m') < 5"),
      run: (s) => s.temperatures(EVERY_5, [1, 1, 9, 9, 9]),
      expect: ['10m firing warning', '15m resolved'],
    },
    {
      says: 'a truth counts as 0 and 1',
      rule: when("avg(door, '20m') >= 0.5"),
      run: (s) => [true, false, false, true, true].reduce((run, door, index) => run.reading(index * 5, { door }), s),
      expect: ['0m firing warning', '10m resolved', '15m firing warning'],
    },
    {
      says: 'timeAbove: each reading holds until the next; in seconds, or compared with a duration',
      rule: when("timeAbove(temperature, 8, '1d') >= '15m'"),
      run: (s) => s.temperatures(EVERY_5, [9, 9, 5, 9, 9, 9, 5]),
      expect: ['20m firing warning'],
    },
    {
      says: 'timeAbove never counts across a gap over maxGap',
      rule: when("timeAbove(temperature, limits.temperature_max, '1d') >= 600"),
      run: (s) =>
        s.reading(0, { temperature: 9 }).reading(40, { temperature: 9 }).reading(45, { temperature: 9 }).reading(50, { temperature: 9 }),
      expect: ['50m firing warning'],
    },
    {
      says: 'timeBelow forgets what lies before the window',
      rule: when("timeBelow(temperature, 2, '30m') >= '10m'"),
      run: (s) => s.temperatures(EVERY_5, [1, 1, 5, 5, 5, 5, 5, 5, 5]),
      expect: ['10m firing warning', '35m resolved'],
    },
    {
      says: 'a late value goes into windows that still hold its time, and moves no rule by itself',
      rule: when("max(temperature, '30m') > 8"),
      run: (s) =>
        s
          .reading(0, { temperature: 5 })
          .reading(10, { temperature: 5 })
          .reading(11, { temperature: 9 }, { at: 5 })
          .reading(15, { temperature: 5 }),
      expect: ['15m firing warning'],
    },
    {
      says: 'a window is unknown when it is empty, and unknown neither fires nor clears',
      rule: when("avg(humidity, '10m') < 50"),
      run: (s) => s.reading(0, { temperature: 1 }).reading(5, { humidity: 40 }).reading(30, { temperature: 1 }),
      expect: ['5m firing warning'],
    },
  ]);

  it('the summary shows them, too', () => {
    const rule = ruleText(`{warning: {when: "temperature > 8"}}`, `summary: "{{avg(temperature, '10m')}} on average"`);
    expect(new Scenario(rule).temperatures(EVERY_5, [1, 8, 10]).transitions.at(-1)?.alert.summary).toBe('9 on average');
  });

  it('limits of one device make its threshold', () => {
    const directory = directoryOf({ fleet: [listed('fridge-01', { limits: { temperature_max: 4 } })] });
    const rule = when("timeAbove(temperature, limits.temperature_max, '1d') >= '5m'");
    expect(new Scenario(rule, { directory }).temperatures(EVERY_5, [5, 5]).lines).toEqual(['5m firing warning']);
  });
});

describe('stale', () => {
  table([
    {
      says: 'is true by time alone, without a further reading',
      rule: when("stale(temperature, '20m')"),
      run: (s) => s.reading(0, { temperature: 5 }).reading(10, { temperature: 5 }).until(60),
      expect: ['30m firing warning'],
    },
    {
      says: 'ends with the next value, not with one of another metric',
      rule: when("stale(temperature, '20m')"),
      run: (s) => s.reading(0, { temperature: 5 }).reading(25, { humidity: 5 }).reading(30, { temperature: 5 }),
      expect: ['20m firing warning', '30m resolved'],
    },
    {
      says: 'ripens by its for without a reading',
      rule: when("stale(temperature, '20m')", ', for: 10m'),
      run: (s) => s.reading(0, { temperature: 5 }).until(60),
      expect: ['20m pending warning', '30m firing warning'],
    },
  ]);
});

describe('conditions over another device', () => {
  const profiles = [profileOf(), profileOf({ name: 'door', topics: ['doors/{device}'], limits: {} })];
  const fleet = [listed('fridge-01'), listed('door-1', { profile: 'door' })];
  const directory = directoryOf({ profiles, fleet });
  const door = { device: 'door-1', profile: 'door' };
  table([
    {
      says: 'are evaluated on its readings as well',
      rule: when("temperature > 8 && device('door-1').door"),
      directory,
      run: (s) =>
        s
          .reading(0, { temperature: 9 })
          .reading(1, { door: true }, door)
          .reading(2, { door: false }, door)
          .reading(3, { door: true }, door),
      expect: ['1m firing warning', '2m resolved', '3m firing warning'],
    },
    {
      says: 'are unknown when its value is too old',
      rule: when("temperature > 8 && device('door-1').door"),
      directory,
      run: (s) => s.reading(0, { door: true }, door).reading(16, { temperature: 9 }),
      expect: [],
    },
  ]);

  it('one that is not listed is no device before it is heard of', () => {
    const scenario = new Scenario(when("temperature > 8 && device('cellar').open"), { directory: directoryOf({ fleet: [] }) });
    const ids = () => scenario.devices.list({}).items.map(({ id }) => id);
    scenario.reading(0, { temperature: 9 });
    expect(ids()).toEqual(['fridge-01']);
    scenario.reading(1, { open: true }, { device: 'cellar', profile: null });
    expect(ids()).toEqual(['cellar', 'fridge-01']);
    expect(scenario.lines).toEqual(['1m firing warning']);
  });

  it('names of it that do not exist are refused with a suggestion', () => {
    expect(() => new Scenario(when("device('dor-1').door"), { directory })).toThrow(/did you mean door-1/);
    expect(() => new Scenario(when("device('door-1').dor"), { directory })).toThrow(/did you mean door/);
  });
});
