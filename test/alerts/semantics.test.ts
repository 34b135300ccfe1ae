/** SEMANTICS, line by line: each test is named for the sentence that it holds us to. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { directoryOf, listed, profileOf, ruleText, Scenario } from './scenario.ts';
import { table } from './table.ts';

const WARM = ruleText('{warning: {when: "temperature > 8", for: 10m}}');
const NOW = ruleText('{warning: {when: "temperature > 8"}}');
const HYSTERESIS = ruleText(
  '{warning: {when: "temperature > 80", clear: "temperature < 70"}, critical: {when: "temperature > 90", clear: "temperature < 85"}}',
);
const BOTH = ruleText('{warning: {when: "temperature > 8 && humidity > 50"}}');
const SILENCE = ruleText('{warning: {when: "temperature > 8"}}', 'noData: {after: 15m, raise: critical}');
const EVERY_5 = { every: 5 };

describe('for', () => {
  table([
    {
      says: 'PENDING when `when` first turns true; FIRING when it has been true for 10 minutes of event time',
      rule: WARM,
      run: (s) => s.temperatures(EVERY_5, [5, 9, 9, 9]),
      expect: ['5m pending warning', '15m firing warning'],
    },
    {
      says: 'a false in between starts it anew',
      rule: WARM,
      run: (s) => s.temperatures(EVERY_5, [9, 5, 9, 9]),
      expect: ['0m pending warning', '5m cancelled', '10m pending warning'],
    },
    {
      says: 'without for it fires at once',
      rule: NOW,
      run: (s) => s.temperatures(EVERY_5, [5, 9, 5]),
      expect: ['5m firing warning', '10m resolved'],
    },
    {
      says: 'it ripens by timer too, at since + for, without waiting for the next reading',
      rule: WARM,
      run: (s) => s.reading(0, { temperature: 9 }).reading(7, { temperature: 9 }).until(30),
      expect: ['0m pending warning', '10m firing warning'],
    },
    {
      says: 'it does not ripen by timer when the newest reading would be older than maxGap',
      rule: ruleText('{warning: {when: "temperature > 8", for: 20m}}'),
      run: (s) => s.reading(0, { temperature: 9 }).until(60),
      expect: ['0m pending warning'],
    },
    {
      says: 'a run of "true" is broken by a gap between readings longer than maxGap',
      rule: WARM,
      run: (s) => s.reading(0, { temperature: 9 }).reading(0.5, { temperature: 9, humidity: 1 }, { at: 16 }),
      expect: ['0m pending warning'],
    },
    {
      says: 'a gap of exactly maxGap does not break it',
      rule: ruleText('{warning: {when: "temperature > 8", for: 20m}}'),
      run: (s) => s.reading(0, { temperature: 9 }).reading(15, { temperature: 9 }).reading(20, { temperature: 9 }),
      expect: ['0m pending warning', '20m firing warning'],
    },
    {
      says: 'replayed old data ripens by its readings, not by the time that passes here',
      rule: WARM,
      run: (s) => {
        for (let step = 0; step < 4; step++) s.reading(100 + step / 100, { temperature: 9 }, { at: step * 4 });
        return s.until(100.1);
      },
      expect: ['0m pending warning', '12m firing warning'],
    },
    {
      says: 'a constant clock skew does not change when the timer ripens here',
      rule: WARM,
      run: (s) => s.reading(60, { temperature: 9 }, { at: 0 }).until(69.9).until(70),
      expect: ['0m pending warning', '10m firing warning'],
    },
  ]);
});

describe('levels', () => {
  table([
    {
      says: 'the first from the highest down whose `when` is true and ripened becomes the level',
      rule: HYSTERESIS,
      run: (s) => s.temperatures(EVERY_5, [60, 81, 91, 60]),
      expect: ['5m firing warning', '10m level critical', '15m resolved'],
    },
    {
      says: 'with warning > 80 clear < 70 and critical > 90 clear < 85, critical at 75 becomes warning, not OK',
      rule: HYSTERESIS,
      run: (s) => s.temperatures(EVERY_5, [91, 75, 69]),
      expect: ['0m firing critical', '5m level warning', '10m resolved'],
    },
    {
      says: 'a level with a clear stays until its clear is true',
      rule: HYSTERESIS,
      run: (s) => s.temperatures(EVERY_5, [91, 86, 85, 84]),
      expect: ['0m firing critical', '15m level warning'],
    },
    {
      says: 'each level has its own since',
      rule: ruleText('{warning: {when: "temperature > 8", for: 10m}, critical: {when: "temperature > 8", for: 20m}}'),
      run: (s) => s.temperatures(EVERY_5, [9, 9, 9, 9, 9, 5]),
      expect: ['0m pending warning', '10m firing warning', '20m level critical', '25m resolved'],
    },
    {
      says: 'unknown neither fires nor clears',
      rule: NOW,
      run: (s) => s.reading(0, { temperature: 9 }).reading(5, { humidity: 1 }).reading(30, { humidity: 1 }).reading(35, { temperature: 5 }),
      expect: ['0m firing warning', '35m resolved'],
    },
  ]);
});

describe("a condition's value", () => {
  table([
    { says: 'unknown when a metric has no value yet', rule: BOTH, run: (s) => s.reading(0, { temperature: 9 }), expect: [] },
    {
      says: 'unknown when a metric has no value fresh enough (maxGap, 3× the interval)',
      rule: BOTH,
      run: (s) => s.reading(0, { humidity: 60 }).reading(16, { temperature: 9 }),
      expect: [],
    },
    {
      says: 'a value of an earlier reading counts while it is fresh',
      rule: BOTH,
      run: (s) => s.reading(0, { humidity: 60 }).reading(15, { temperature: 9 }),
      expect: ['15m firing warning'],
    },
    {
      says: 'false && unknown is false, true || unknown is true',
      rule: ruleText('{warning: {when: "temperature > 8 || humidity > 50", clear: "temperature < 7 && humidity < 40"}}'),
      run: (s) => s.reading(0, { temperature: 9 }).reading(5, { temperature: 7.5 }).reading(10, { temperature: 5, humidity: 30 }),
      expect: ['0m firing warning', '10m resolved'],
    },
    {
      says: 'a result that is not finite is unknown',
      rule: ruleText('{warning: {when: "1 / temperature > 5"}}'),
      run: (s) => s.reading(0, { temperature: 0 }),
      expect: [],
    },
  ]);

  it('an evaluation error is unknown too, and is counted', () => {
    const rule = 'rules: [{id: warm, levels: {warning: {when: "temperature > 8"}}}]';
    const scenario = new Scenario(rule, { directory: directoryOf({ profiles: [] }) });
    scenario.reading(0, { temperature: 'hot' }, { profile: null }).reading(1, { temperature: 9 }, { profile: null });
    expect(scenario.lines).toEqual(['1m firing warning']);
    expect(scenario.errors).toEqual(['temperature is "hot", not a number']);
  });

  it('without an interval maxGap is three times the median of the last intervals, at least 5m', () => {
    const directory = directoryOf({ profiles: [profileOf({ intervalMs: null })] });
    const seen = (every: number, gap: number): string[] => {
      const scenario = new Scenario(BOTH, { directory });
      for (let step = 0; step < 10; step++) scenario.reading(step * every, { humidity: 60 });
      return scenario.reading(9 * every + gap, { temperature: 9 }).lines;
    };
    expect(seen(1, 5)).toHaveLength(1);
    expect(seen(1, 5.1)).toHaveLength(0);
    expect(seen(10, 30)).toHaveLength(1);
    expect(seen(10, 30.1)).toHaveLength(0);
  });
});

describe('late values', () => {
  table([
    {
      says: 'a value older than the newest evaluated one of the same device and metric never moves a rule backwards',
      rule: NOW,
      run: (s) => s.reading(10, { temperature: 5 }).reading(11, { temperature: 9 }, { at: 3 }),
      expect: [],
    },
    {
      says: 'receipt-time values are never late',
      rule: NOW,
      run: (s) => s.reading(10, { temperature: 5 }).reading(9, { temperature: 9 }, { isReceiptTime: true }),
      expect: ['10m firing warning'],
    },
    {
      says: 'equal device time with another value is evaluated and overwrites',
      rule: NOW,
      run: (s) => s.reading(10, { temperature: 5 }).reading(11, { temperature: 9 }, { at: 10 }),
      expect: ['10m firing warning'],
    },
    {
      says: 'a late value of one metric does not keep the newer one of another back',
      rule: BOTH,
      run: (s) => s.reading(10, { temperature: 9 }).reading(11, { temperature: 5, humidity: 60 }, { at: 9 }),
      expect: ['10m firing warning'],
    },
  ]);

  it('late, conflicting and repeated values are counted', () => {
    const scenario = new Scenario(NOW);
    scenario
      .reading(10, { temperature: 5 })
      .reading(11, { temperature: 5 }, { at: 10 })
      .reading(12, { temperature: 6 }, { at: 10 })
      .reading(13, { temperature: 6 }, { at: 9 });
    expect(scenario.evaluating.counts).toMatchObject({ lateValues: 1, conflictValues: 1, duplicateValues: 1 });
  });
});

describe('noData', () => {
  table([
    {
      says: 'counted from the last valid value',
      rule: SILENCE,
      run: (s) => s.reading(0, { temperature: 5 }).reading(10, { temperature: 5 }).until(60),
      expect: ['25m firing critical (no-data)'],
    },
    {
      says: 'level = the higher of the current and the raised one',
      rule: SILENCE,
      run: (s) => s.reading(0, { temperature: 9 }).until(60).reading(61, { temperature: 9 }),
      expect: ['0m firing warning', '15m level critical (no-data)', '1h1m level warning'],
    },
    {
      says: 'a firing alert whose device dies stays firing and is never reported as resolved because of silence',
      rule: ruleText('{critical: {when: "temperature > 8"}}', 'noData: {after: 15m, raise: warning}'),
      run: (s) => s.reading(0, { temperature: 9 }).until(600).reading(601, { temperature: 9 }).reading(602, { temperature: 5 }),
      expect: ['0m firing critical', '15m no-data critical (no-data)', '10h1m no-data critical', '10h2m resolved'],
    },
    {
      says: 'unless the rule says `then: ok`',
      rule: ruleText('{critical: {when: "temperature > 8"}}', 'noData: {after: 15m, then: ok}'),
      run: (s) => s.reading(0, { temperature: 9 }).until(60),
      expect: ['0m firing critical', '15m resolved'],
    },
    {
      says: '`then: keep` flags the alert and changes no level',
      rule: ruleText('{critical: {when: "temperature > 8"}}', 'noData: {after: 15m, then: keep}'),
      run: (s) => s.reading(0, { temperature: 9 }).until(60),
      expect: ['0m firing critical', '15m no-data critical (no-data)'],
    },
    {
      says: 'of the stalest metric that the rule names',
      rule: ruleText('{warning: {when: "temperature > 8 && humidity > 50"}}', 'noData: {after: 15m, raise: warning}'),
      run: (s) =>
        s
          .reading(0, { temperature: 5, humidity: 5 })
          .reading(10, { temperature: 5 })
          .until(20)
          .reading(21, { temperature: 5 })
          .reading(22, { humidity: 5 }),
      expect: ['15m firing warning (no-data)', '22m resolved'],
    },
    {
      says: 'a late value is a sign of life',
      rule: SILENCE,
      run: (s) => s.reading(0, { temperature: 5 }).reading(10, { temperature: 5 }, { at: -5 }).until(24),
      expect: [],
    },
    {
      says: 'and ends the silence',
      rule: SILENCE,
      run: (s) => s.reading(0, { temperature: 5 }).until(16).reading(17, { temperature: 5 }, { at: -5 }),
      expect: ['15m firing critical (no-data)', '17m resolved'],
    },
    {
      says: 'a timer due before a reading fires before it',
      rule: SILENCE,
      run: (s) => s.reading(0, { temperature: 5 }).reading(16, { temperature: 5 }),
      expect: ['15m firing critical (no-data)', '16m resolved'],
    },
    {
      says: 'a reading received at the due time comes first',
      rule: SILENCE,
      run: (s) => s.reading(0, { temperature: 5 }).reading(15, { temperature: 5 }).until(29),
      expect: [],
    },
  ]);

  it('for a registered device never seen, from its registration', () => {
    const directory = directoryOf({ fleet: [listed('fridge-07')] });
    expect(new Scenario(SILENCE, { directory, registeredAtMinute: 3 }).until(60).lines).toEqual(['18m firing critical (no-data)']);
  });

  it('ripens no earlier than startGrace after a start', () => {
    const directory = directoryOf({ fleet: [listed('fridge-07')] });
    const scenario = new Scenario(SILENCE, { directory, registeredAtMinute: -60, graceUntilMinute: 2 });
    expect(scenario.until(1.9).lines).toEqual([]);
    expect(scenario.until(2).lines).toEqual(['2m firing critical (no-data)']);
  });
});

describe('alerts', () => {
  it('one alert is open per instance, with a stable id and numbered transitions', () => {
    const scenario = new Scenario(HYSTERESIS).temperatures(EVERY_5, [81, 91, 60, 81]);
    const ids = scenario.transitions.map((transition) => transition.id);
    const first = scenario.transitions[0]?.alert.id ?? '';
    expect(ids.slice(0, 3)).toEqual([`${first}/1`, `${first}/2`, `${first}/3`]);
    expect(ids[3]).not.toContain(first);
    expect(new Scenario(HYSTERESIS).temperatures(EVERY_5, [81]).transitions[0]?.id).toBe(`${first}/1`);
  });

  it('an alert tells value, since, summary, labels and why', () => {
    const rule = ruleText(
      '{warning: {when: "temperature > limits.temperature_max", for: 10m}}',
      'summary: "{{device.name}} is at {{temperature}} °C"\n    labels: {team: pharmacy}',
    );
    const directory = directoryOf({ fleet: [listed('fridge-01', { limits: { temperature_max: 7 } })] });
    const scenario = new Scenario(rule, { directory });
    scenario
      .reading(0, { temperature: 7.5 }, { labels: { site: 'berlin' } })
      .reading(10, { temperature: 7.6000000001 }, { labels: { site: 'berlin' } });
    const fired = scenario.transitions.at(-1);
    expect(fired?.alert).toMatchObject({
      rule: 'warm',
      device: 'fridge-01',
      summary: 'fridge-01 is at 7.6 °C',
      labels: { site: 'berlin', team: 'pharmacy' },
    });
    expect(fired?.reason).toBe(
      'temperature > limits.temperature_max has been true for 10m, since 2026-01-05T00:00:00.000Z (temperature is 7.6)',
    );
  });

  it('times are those of the event, and a timer has no reading behind it', () => {
    const scenario = new Scenario(WARM).reading(0, { temperature: 9 }).until(20);
    expect(scenario.transitions.map(({ receivedAt }) => receivedAt === null)).toEqual([false, true]);
    expect(scenario.transitions[1]?.reason).toContain('its 10m ended while no reading said otherwise');
  });
});

it('a value that is passed over as harmless is one that would have changed nothing', () => {
  const bound = fc.record({
    op: fc.constantFrom('<', '<=', '>', '>='),
    at: fc.constantFrom('5', '8', 'limits.temperature_max + 1', '1 / (2 - limits.temperature_min)'),
    isFlipped: fc.boolean(),
  });
  const text = ({ op, at, isFlipped }: { op: string; at: string; isFlipped: boolean }): string =>
    isFlipped ? `${at} ${op} temperature` : `temperature ${op} ${at}`;
  const values = fc.array(fc.constantFrom(-1, 4.9, 5, 5.1, 8, 8.1, 9, 9.1, 20), { maxLength: 30 });
  fc.assert(
    fc.property(bound, bound, values, (first, second, temperatures) => {
      // `&& true` is no comparison any more, and so always evaluated.
      const rule = (suffix: string): string =>
        ruleText(
          `{warning: {when: "${text(first)}${suffix}", for: 5m}, critical: {when: "${text(second)}${suffix}", clear: "temperature < 9"}}`,
          'noData: {after: 30m, raise: warning}',
        );
      const quick = new Scenario(rule('')).temperatures(EVERY_5, temperatures).until(500);
      const whole = new Scenario(rule(' && true')).temperatures(EVERY_5, temperatures).until(500);
      expect(quick.lines).toEqual(whole.lines);
      expect(quick.evaluating.counts.evaluations).toBe(whole.evaluating.counts.evaluations);
    }),
  );
});
