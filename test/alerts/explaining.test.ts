/** Explanations: each kind of part, why it is unknown, what a level waits for, silence, gateways, and rules that are for others. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LevelExplanation } from '../../src/alerts/explain-level.ts';
import { type Explanation, explain, type RuleExplanation } from '../../src/alerts/explaining.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import type { PartView } from '../../src/rules/explain.ts';
import { directoryOf, listed, MINUTE_US, profileOf, rulesOf, ruleText, Scenario, START_US } from './scenario.ts';

const when = (condition: string, more = ''): string => ruleText(`{warning: {when: "${condition}"${more}}}`);
const at = (minute: number): number => START_US + minute * MINUTE_US;

class Asked extends Scenario {
  readonly #rules: string;
  readonly #directory: DeviceDirectory;

  constructor(rules: string, directory: DeviceDirectory = directoryOf()) {
    super(rules, { directory });
    this.#rules = rules;
    this.#directory = directory;
  }

  asked(minute: number, device = 'fridge-01', rule?: string): Explanation {
    const rules = rulesOf(this.#rules, this.#directory);
    const query = { device, ...(rule !== undefined && { rule }) };
    const explained = explain(query, { devices: this.devices, rules, directory: this.#directory, now: at(minute) });
    if ('unknown' in explained) throw new Error(`${explained.unknown}; ${explained.hint}`);
    return explained;
  }

  rule(minute: number, device?: string): RuleExplanation {
    const [rule] = this.asked(minute, device).rules;
    if (rule === undefined) throw new Error('no rule is for it');
    return rule;
  }

  level(minute: number, index = 0): LevelExplanation {
    const level = this.rule(minute).levels[index];
    if (level === undefined) throw new Error('there is no such level');
    return level;
  }

  /** The part that is written so. */
  part(minute: number, text: string): PartView {
    const flat = (part: PartView): PartView[] => [part, ...part.parts.flatMap(flat)];
    const all = flat(this.level(minute).when.tree);
    const found = all.find((part) => part.text === text);
    if (found === undefined) throw new Error(`no part ${text}: ${all.map((part) => part.text).join(' | ')}`);
    return found;
  }
}

describe('each part of a condition', () => {
  const cases: readonly {
    readonly says: string;
    readonly condition: string;
    readonly part: string;
    readonly run: (scenario: Asked) => unknown;
    readonly minute: number;
    readonly is: Partial<PartView>;
  }[] = [
    {
      says: 'a metric with its value and age',
      condition: 'temperature > 8 || humidity > 1',
      part: 'temperature',
      run: (s) => s.reading(0, { temperature: 9 }).reading(5, { humidity: 1 }),
      minute: 6,
      is: { kind: 'metric', value: 9, at: at(0), ageMs: 300_000, maxGapMs: 900_000, isFresh: true },
    },
    {
      says: 'a metric that never had a value',
      condition: 'temperature > 8 && humidity > 1',
      part: 'humidity',
      run: (s) => s.reading(0, { temperature: 9 }),
      minute: 1,
      is: { value: null, why: 'no value of humidity has come yet' },
    },
    {
      says: 'a metric too old, by how much, and what it was',
      condition: 'temperature > 8 && humidity > 1',
      part: 'humidity',
      run: (s) => s.reading(0, { humidity: 70 }).reading(20, { temperature: 9 }),
      minute: 20,
      is: { value: null, last: 70, isFresh: false, why: 'humidity is too old by 5m: 70 is 20m old, and counts for 15m' },
    },
    {
      says: 'a limit with its value',
      condition: 'temperature > limits.temperature_max',
      part: 'limits.temperature_max',
      run: (s) => s.reading(0, { temperature: 9 }),
      minute: 0,
      is: { kind: 'limit', value: 8 },
    },
    {
      says: 'a window with its length and samples',
      condition: "avg(temperature, '10m') > 8",
      part: "avg(temperature, '10m')",
      run: (s) => s.temperatures({ every: 5 }, [1, 8, 10]),
      minute: 10,
      is: { kind: 'window', value: 9, samples: 2, samplesUnit: 'samples', windowMs: 600_000 },
    },
    {
      says: 'an empty window',
      condition: "avg(humidity, '10m') > 8 || temperature > 8",
      part: "avg(humidity, '10m')",
      run: (s) => s.reading(0, { temperature: 9 }),
      minute: 0,
      is: { value: null, samples: 0, why: 'the window is empty: no value of humidity in the last 10m' },
    },
    {
      says: 'a window of two values that has one',
      condition: "delta(temperature, '10m') > 8",
      part: "delta(temperature, '10m')",
      run: (s) => s.reading(0, { temperature: 9 }),
      minute: 0,
      is: { value: null, samples: 1, why: 'only one sample of temperature, and delta() compares two' },
    },
    {
      says: 'the time above a bound, with the bound',
      condition: "timeAbove(temperature, limits.temperature_max, '1h') > '4m'",
      part: "timeAbove(temperature, limits.temperature_max, '1h')",
      run: (s) => s.temperatures({ every: 5 }, [9, 9, 5]),
      minute: 10,
      is: { value: 600, bound: 8, samplesUnit: 'readings', windowMs: 3_600_000 },
    },
    {
      says: 'stale() with the age of the last value',
      condition: "stale(humidity, '8m') && temperature > 1",
      part: "stale(humidity, '8m')",
      run: (s) => s.reading(0, { humidity: 70 }).reading(10, { temperature: 9 }),
      minute: 10,
      is: { kind: 'stale', value: true, ageMs: 600_000, windowMs: 480_000 },
    },
    {
      says: "another device's metric",
      condition: "temperature > 8 && device('fridge-02').door",
      part: "device('fridge-02').door",
      run: (s) => s.reading(0, { door: true }, { device: 'fridge-02' }).reading(20, { temperature: 9 }),
      minute: 20,
      is: { kind: 'remote', value: null, last: true, why: 'door of fridge-02 is too old by 5m: true is 20m old, and counts for 15m' },
    },
    {
      says: 'what is no finite number',
      condition: 'temperature / (temperature - temperature) > 1',
      part: 'temperature / (temperature - temperature)',
      run: (s) => s.reading(0, { temperature: 9 }),
      minute: 0,
      is: { kind: 'expression', value: null, why: 'temperature / (temperature - temperature) is not a finite number' },
    },
    {
      says: 'a part in parentheses, with them',
      condition: '(temperature - 1) * 2 > 8',
      part: '(temperature - 1) * 2',
      run: (s) => s.reading(0, { temperature: 9 }),
      minute: 0,
      is: { value: 16 },
    },
    {
      says: 'a label that is not set',
      condition: "temperature > 8 && device.labels.site == 'berlin'",
      part: "device.labels.site == 'berlin'",
      run: (s) => s.reading(0, { temperature: 9 }),
      minute: 0,
      is: { kind: 'comparison', value: null },
    },
    {
      says: 'what a macro reads, as its own names are not ours to ask',
      condition: "['a', 'b'].exists(x, x == mode) || temperature > 8",
      part: 'mode',
      run: (s) => s.reading(0, { temperature: 9, mode: 'b' }),
      minute: 0,
      is: { kind: 'metric', value: 'b' },
    },
  ];
  for (const { says, condition, part, run, minute, is } of cases) {
    it(says, () => {
      const directory = directoryOf({ fleet: [listed('fridge-01'), listed('fridge-02')] });
      const scenario = new Asked(when(condition), directory);
      run(scenario);
      expect(scenario.part(minute, part)).toMatchObject(is);
    });
  }

  it('an error of the evaluation, in its own words', () => {
    const directory = directoryOf({ profiles: [profileOf({ metrics: [] })] });
    const scenario = new Asked(when('temperature > 8'), directory);
    scenario.reading(0, { temperature: 'hot' });
    expect(scenario.level(0).when).toMatchObject({ value: null, because: 'temperature is "hot", not a number' });
  });

  it('a limit that is not set for the device', () => {
    const scenario = new Asked(when('temperature > limits.most'), directoryOf({ profiles: [profileOf({ limits: { most: 8 } })] }));
    scenario.reading(0, { temperature: 9 }, { profile: 'vaccine-fridge' });
    expect(scenario.level(0).when.value).toBe(true);
    const unset = new Asked(`rules:\n  - {id: r, levels: {warning: {when: "temperature > limits.most"}}}\n`, directoryOf({ profiles: [] }));
    unset.reading(0, { temperature: 9 }, { profile: null });
    expect(unset.level(0).when).toMatchObject({ value: null, because: 'no limit most is set for this device' });
  });

  it('says which parts decided', () => {
    const scenario = new Asked(when('temperature > limits.temperature_max && (humidity > 50 || door)'));
    scenario.reading(0, { temperature: 5, humidity: 60 });
    expect(scenario.level(0).when).toMatchObject({ value: false, because: 'temperature is 5, limits.temperature_max is 8' });
    scenario.reading(5, { temperature: 9, humidity: 40 });
    expect(scenario.level(5).when).toMatchObject({ value: null, because: 'no value of door has come yet' });
    scenario.reading(6, { door: true });
    expect(scenario.level(6).when).toMatchObject({
      value: true,
      because: 'temperature is 9, limits.temperature_max is 8; door is true',
    });
    expect(scenario.level(6).when.place).toBe('rules.yaml:4:31');
  });

  it('has the value that the engine gives it, whatever its shape', () => {
    const leaf = fc.constantFrom(
      'temperature > 8',
      'humidity < 50',
      'door',
      'temperature / (humidity - 40) > 1',
      "avg(temperature, '10m') > 7",
    );
    const condition = fc.letrec<{ any: string }>((tie) => ({
      any: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf,
        fc.tuple(tie('any'), fc.constantFrom('&&', '||'), tie('any')).map(([a, op, b]) => `(${a}) ${op} ${b}`),
        tie('any').map((inner) => `!(${inner})`),
      ),
    })).any;
    const number = fc.constantFrom(1, 7.5, 9, 40, 60);
    const reading = fc.record({ temperature: number, humidity: number, door: fc.boolean() }, { requiredKeys: [] });
    fc.assert(
      fc.property(condition, fc.array(reading, { minLength: 1, maxLength: 4 }), (text, readings) => {
        const scenario = new Asked(when(text));
        for (const [index, values] of readings.entries()) scenario.reading(index * 9, values);
        const { tree } = scenario.level(readings.length * 9).when;
        // What the parts come to by three-valued logic is what the whole comes to for the engine.
        const follows = (part: PartView): unknown => {
          const values = part.parts.map(follows);
          if (part.kind === 'not') return typeof values[0] === 'boolean' ? !values[0] : null;
          if (part.kind !== 'and' && part.kind !== 'or') return part.value;
          const decisive = part.kind === 'or';
          return values.includes(decisive) ? decisive : values.includes(null) ? null : !decisive;
        };
        expect(follows(tree)).toBe(tree.value);
      }),
    );
  });
});

describe('what a level waits for', () => {
  it('its `for`, and the timer that ends it', () => {
    const scenario = new Asked(when('temperature > 8', ', for: 10m'));
    scenario.reading(0, { temperature: 9 }).reading(5, { temperature: 9 });
    const rule = scenario.rule(7);
    expect(rule).toMatchObject({ phase: 'pending', evaluatedAt: at(5), alert: { state: 'pending' } });
    expect(rule.levels[0]).toMatchObject({ forMs: 600_000, trueSince: at(0), heldMs: 300_000, ripensAt: at(10) });
    expect(rule.levels[0]?.says).toContain('5m of 10m; fires at 2026-01-05T00:10:00.000Z');
    expect(rule.timers).toMatchObject([{ kind: 'for', dueAt: at(10), inMs: 180_000, level: 'warning' }]);
  });

  it('a further reading, where the newest will be too old by then', () => {
    const scenario = new Asked(when('temperature > 8', ', for: 20m'));
    scenario.reading(0, { temperature: 9 });
    const rule = scenario.rule(1);
    expect(rule.timers).toEqual([]);
    expect(rule.levels[0]?.says).toContain('so that it takes a further reading to fire');
  });

  it('a value that is known again, and what it would come to by now', () => {
    const scenario = new Asked(when('temperature > 8', ', for: 20m'));
    scenario.reading(0, { temperature: 9 });
    expect(scenario.level(30)).toMatchObject({
      when: { value: true },
      whenNow: { value: null, because: 'temperature is too old by 15m: 9 is 30m old, and counts for 15m' },
    });
    expect(scenario.level(10).whenNow).toBeNull();
  });

  it('its count: 2 of the last 5', () => {
    const scenario = new Asked(when('temperature > 8', ', count: {times: 3, of: 5}'));
    scenario.temperatures({ every: 5 }, [9, 5, 9, 5]);
    expect(scenario.level(15)).toMatchObject({
      count: { times: 3, of: 5, trues: 2, newestFirst: [false, true, false, true, false] },
      says: 'true in 2 of the last 5 readings, and 3 are needed',
    });
  });

  it('clear, which keeps it', () => {
    const scenario = new Asked(when('temperature > 8', ', clear: "temperature < 7.5"'));
    scenario.temperatures({ every: 5 }, [9, 7.8]);
    expect(scenario.level(5)).toMatchObject({ isCurrent: true, clear: { value: false } });
    expect(scenario.level(5).says).toContain('it stays until clear is true, which is false: temperature is 7.8');
  });

  it('keepFiringFor, and its countdown', () => {
    const scenario = new Asked(ruleText('{warning: {when: "temperature > 8"}}', 'keepFiringFor: 10m'));
    scenario.temperatures({ every: 5 }, [9, 5]);
    const rule = scenario.rule(6);
    expect(rule.levels[0]).toMatchObject({ isCurrent: true, endedSince: at(5), keptUntil: at(15), keepFiringForMs: 600_000 });
    expect(rule.timers).toMatchObject([{ kind: 'keep', dueAt: at(15), inMs: 540_000 }]);
  });

  it('every timer that runs, in order', () => {
    const scenario = new Asked(
      ruleText(
        '{warning: {when: "temperature > 8", for: 10m}, critical: {when: "temperature > 8", for: 14m}}',
        'noData: {after: 12m, raise: warning}',
      ),
    );
    scenario.reading(0, { temperature: 9 });
    expect(scenario.rule(1).timers.map(({ kind, dueAt }) => [kind, dueAt])).toEqual([
      ['for', at(10)],
      ['no-data', at(12)],
      ['for', at(14)],
    ]);
  });
});

describe('silence', () => {
  const SILENCE = 'noData: {after: 15m, raise: critical}';
  it('since when, of what, and when it ripens', () => {
    const scenario = new Asked(ruleText('{warning: {when: "temperature > 8 && humidity > 1"}}', SILENCE));
    scenario.reading(0, { temperature: 9, humidity: 70 }).reading(5, { temperature: 9 });
    expect(scenario.rule(6).silence).toMatchObject({
      silentSince: at(0),
      stalest: ['humidity'],
      dueAt: at(15),
      policy: 'raise critical',
      isSilent: false,
      metrics: [
        { name: 'temperature', heardAt: at(5) },
        { name: 'humidity', heardAt: at(0) },
      ],
    });
    const silent = scenario.until(16).rule(16);
    expect(silent).toMatchObject({ noData: true, phase: 'firing', level: 'critical', silence: { isSilent: true, dueAt: null } });
    expect(silent.silence?.says).toBe('no value of humidity for 16m, since 2026-01-05T00:00:00.000Z: no-data (raise critical)');
  });

  it('put down to the gateway, and since when', () => {
    const fleet = [listed('gw', { profile: 'gateway' }), listed('fridge-01', { dependsOn: 'gw' })];
    const directory = directoryOf({ profiles: [profileOf(), profileOf({ name: 'gateway', topics: ['gw/{device}'] })], fleet });
    const rules = `${ruleText('{warning: {when: "temperature > 8"}}', SILENCE)}  - id: gateway\n    devices: {profile: gateway}\n    levels: {warning: {when: "temperature > 99"}}\n    noData: {after: 10m, raise: warning}\n`;
    const scenario = new Asked(rules, directory);
    scenario.reading(0, { temperature: 5 }, { device: 'gw', profile: 'gateway' }).reading(0, { temperature: 5 });
    expect(scenario.rule(5).silence?.dependsOn).toMatchObject({ device: 'gw', isOffline: false, isWatched: true, inhibitedSince: null });
    const silence = scenario.until(20).rule(20).silence;
    expect(silence?.dependsOn).toMatchObject({ isOffline: true, inhibitedSince: at(15.5), graceMs: 30_000 });
    expect(silence?.says).toContain('put down to gw, since 2026-01-05T00:15:30.000Z');
  });

  it('a gateway that no rule watches excuses nothing', () => {
    const directory = directoryOf({ fleet: [listed('gw', { profile: null }), listed('fridge-01', { dependsOn: 'gw' })] });
    const scenario = new Asked(ruleText('{warning: {when: "temperature > 8"}}', SILENCE), directory);
    scenario.reading(0, { temperature: 5 });
    expect(scenario.rule(5).silence?.says).toContain(
      'gw excuses no silence, as no rule with noData.raise or about its availability is on it',
    );
  });

  it('of an unlisted device that was never heard of its metric counts from the first value', () => {
    const scenario = new Asked(ruleText('{warning: {when: "temperature > 8"}}', SILENCE));
    scenario.reading(0, { humidity: 5 });
    expect(scenario.rule(5).silence).toMatchObject({ silentSince: null, dueAt: null });
    expect(scenario.rule(5).notes).toEqual(['it has not been evaluated yet: no reading has come that its conditions ask about']);
  });
});

describe('a rule that is not for the device', () => {
  const why = (selector: string, condition: string, labels = {}): readonly string[] => {
    const rules = `rules:\n  - {id: other, devices: ${selector}, levels: {warning: {when: "${condition}"}}}\n`;
    const profiles = [profileOf(), profileOf({ name: 'pump', topics: ['pumps/{device}'], metrics: [] })];
    const scenario = new Asked(rules, directoryOf({ profiles }));
    scenario.reading(0, { temperature: 5 }, { labels });
    expect(scenario.asked(0).rules).toEqual([]);
    return scenario.asked(0).others[0]?.why ?? [];
  };
  it('which part of its selector does not match', () => {
    expect(why('{profile: pump}', 'a > 1')).toEqual(['it is for the profile pump, and fridge-01 has vaccine-fridge']);
    expect(why('{id: "freezer-*"}', 'temperature > 1')).toEqual(['it is for devices whose id matches freezer-*, and this is fridge-01']);
    expect(why('{labels: {site: paris, room: a}}', 'temperature > 1', { site: 'rome' })).toEqual([
      'it is for site=paris, and fridge-01 has site=rome',
      'it is for room=a, and fridge-01 has no label room',
    ]);
  });

  it('what its conditions ask for in vain', () => {
    expect(why('{}', 'pressure > 1')).toEqual([
      'its conditions do not hold for the profile vaccine-fridge: unknown name pressure: the profile vaccine-fridge has no such metric',
    ]);
  });

  it('a label that would make the group', () => {
    const scenario = new Asked(
      `rules:\n  - {id: site, devices: {profile: vaccine-fridge}, by: [site], levels: {warning: {when: "max(temperature) > 8"}}}\n`,
    );
    scenario.reading(0, { temperature: 5 });
    expect(scenario.asked(0).others).toMatchObject([{ why: ['it makes groups by site, and fridge-01 has no label site'] }]);
  });
});

describe('a group', () => {
  it('is explained with what each member has, asked by a member or by its own name', () => {
    const directory = directoryOf();
    const rules = `rules:\n  - {id: site, devices: {profile: vaccine-fridge}, by: [site], levels: {warning: {when: "max(temperature) > 8"}}}\n`;
    const scenario = new Asked(rules, directory);
    const labels = { site: 'a' };
    scenario
      .reading(0, { temperature: 9 }, { device: 'fridge-02', labels })
      .reading(1, { humidity: 9 }, { device: 'fridge-03', labels })
      .reading(20, { temperature: 5 }, { labels });
    const rule = scenario.rule(20);
    expect(rule).toMatchObject({ group: 'site=a', members: 3, phase: 'ok' });
    const [aggregate] = rule.levels[0]?.when.tree.parts ?? [];
    expect(aggregate).toMatchObject({
      kind: 'aggregate',
      value: 5,
      memberCount: 3,
      members: [
        { device: 'fridge-02', value: null, why: 'too old by 5m' },
        { device: 'fridge-03', value: null, why: 'no value has come yet' },
        { device: 'fridge-01', value: 5 },
      ],
    });
    expect(scenario.asked(20, 'site=a')).toMatchObject({ device: null, rules: [{ rule: 'site', group: 'site=a' }], others: [] });
  });
});

describe('what is not there', () => {
  const scenario = new Asked(when('temperature > 8'), directoryOf({ fleet: [listed('fridge-01')] }));
  it('an unknown device or rule, with what may be meant', () => {
    expect(() => scenario.asked(0, 'fridge-1')).toThrow('no device "fridge-1" has been heard of; did you mean fridge-01?');
    expect(() => scenario.asked(0, 'fridge-01', 'wram')).toThrow('there is no rule "wram"; did you mean warm?');
  });
  it('a rule that was not evaluated yet', () => {
    expect(scenario.rule(0)).toMatchObject({ evaluatedAt: null, phase: 'ok', levels: [{ when: { value: null } }] });
  });
});

describe('looking', () => {
  const RULES = `${ruleText(
    `{warning: {when: "avg(temperature, '12m') > 7 && humidity > 10", for: 6m, clear: "timeAbove(temperature, 8, '30m') < '2m'"}, critical: {when: "median(temperature, '20m') > 8 || stale(humidity, '11m')", count: {times: 2, of: 3}}}`,
    'noData: {after: 15m, raise: warning}',
  )}    keepFiringFor: 4m\n`;

  it('twice gives the same, and changes nothing that comes after', () => {
    const step = fc.record({
      minutes: fc.integer({ min: 0, max: 25 }),
      late: fc.integer({ min: 0, max: 4 }),
      temperature: fc.constantFrom(5, 7.9, 8.3, 9, 12),
      humidity: fc.option(fc.constantFrom(5, 60), { nil: undefined }),
      look: fc.integer({ min: 0, max: 90 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const seen = new Asked(RULES);
        const unseen = new Asked(RULES);
        let minute = 0;
        for (const { minutes, late, temperature, humidity, look } of steps) {
          minute += minutes;
          const values = { temperature, ...(humidity !== undefined && { humidity }) };
          for (const scenario of [seen, unseen]) scenario.until(minute).reading(minute, values, { at: Math.max(0, minute - late) });
          const first = seen.asked(minute + look);
          expect(seen.asked(minute + look)).toEqual(first);
        }
        for (const scenario of [seen, unseen]) scenario.until(minute + 60);
        expect(seen.transitions).toEqual(unseen.transitions);
        const windows = (scenario: Asked) =>
          [...(scenario.devices.get('fridge-01')?.windows.values() ?? [])].map((window) => window.encode());
        expect(windows(seen)).toEqual(windows(unseen));
      }),
    );
  });
});
