/** SEMANTICS "Time": lateness, clock skew, and backlogs that are told as a whole. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { directoryOf, MINUTE_US, profileOf, ruleText, Scenario, START_US } from './scenario.ts';

const NOW = ruleText('{warning: {when: "temperature > 8"}}');
const withProfile = (changes: Parameters<typeof profileOf>[0]) => ({ directory: directoryOf({ profiles: [profileOf(changes)] }) });
const skewOf = (scenario: Scenario): number | undefined => scenario.devices.view('fridge-01')?.clockSkewMs;

describe('lateness', () => {
  const options = withProfile({ latenessMs: 60_000 });

  it('holds readings that long to put them in order', () => {
    const scenario = new Scenario(NOW, options);
    scenario.reading(10, { temperature: 5 }, { at: 10 }).reading(10.5, { temperature: 9 }, { at: 9.8 });
    expect(scenario.lines).toEqual([]);
    scenario.until(12);
    expect(scenario.lines.map((line) => line.split(' ').slice(1).join(' '))).toEqual(['firing warning', 'resolved']);
    expect(scenario.evaluating.counts.lateValues).toBe(0);
  });

  it('what comes later than that is late', () => {
    const scenario = new Scenario(NOW, options);
    scenario.reading(10, { temperature: 5 }, { at: 10 }).until(12).reading(13, { temperature: 9 }, { at: 9 });
    expect([scenario.lines, scenario.evaluating.counts.lateValues]).toEqual([[], 1]);
  });

  it('any interleaving of the same readings within it gives the same alerts', () => {
    const rule = `rules:
  - id: warm
    levels: {warning: {when: "temperature > 8", for: 2m}, critical: {when: "temperature > 9", count: {times: 2, of: 3}}}
    noData: {after: 7m, raise: warning}
  - id: mean
    levels: {info: {when: "avg(temperature, '5m') > 8 && delta(temperature, '6m') >= 0"}}
`;
    const minutes = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 2, maxLength: 25 });
    const reading = fc.record({ temperature: fc.constantFrom(5, 8.5, 9.5), delay: fc.integer({ min: 0, max: 59 }) });
    fc.assert(
      fc.property(
        minutes,
        fc.array(reading, { minLength: 25, maxLength: 25 }),
        fc.array(fc.integer({ min: 0, max: 59 }), { minLength: 25, maxLength: 25 }),
        (times, readings, delays) => {
          const run = (delayOf: (index: number) => number): string[] => {
            const arrivals = times
              .map((at, index) => ({ at, index, received: at + delayOf(index) / 60 }))
              .sort((a, b) => a.received - b.received || a.at - b.at);
            const scenario = new Scenario(rule, withProfile({ latenessMs: 60_000, retrospectiveAfterMs: null }));
            for (const { at, index, received } of arrivals)
              scenario.reading(received, { temperature: readings[index]?.temperature ?? 5 }, { at });
            scenario.until(120);
            return scenario.transitions
              .map(({ at, kind, alert }) => `${(at - START_US) / MINUTE_US} ${alert.rule} ${kind} ${alert.level}`)
              .sort();
          };
          expect(run((index) => delays[index] ?? 0)).toEqual(run((index) => readings[index]?.delay ?? 0));
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);
});

describe('clock skew', () => {
  it('a constant one is estimated and shown', () => {
    const scenario = new Scenario(NOW);
    for (let minute = 0; minute < 20; minute += 5) scenario.reading(minute + 60, { temperature: 5 }, { at: minute });
    expect(skewOf(scenario)).toBe(3_600_000);
  });

  it('delays of the network are none', () => {
    const scenario = new Scenario(NOW);
    for (let minute = 0; minute < 20; minute += 5)
      scenario.reading(minute + (minute % 2) * 0.05 + 0.01, { temperature: 5 }, { at: minute });
    expect(skewOf(scenario)).toBe(0);
  });

  it('nor is a backlog', () => {
    const scenario = new Scenario(NOW);
    for (let minute = 0; minute < 100; minute += 5) scenario.reading(120 + minute / 100, { temperature: 5 }, { at: minute });
    expect(skewOf(scenario)).toBe(0);
  });

  it('retrospective is measured after subtracting it', () => {
    const scenario = new Scenario(NOW, withProfile({ retrospectiveAfterMs: 600_000 }));
    for (let minute = 0; minute < 20; minute += 5) scenario.reading(minute + 60, { temperature: 5 }, { at: minute });
    scenario.reading(80, { temperature: 9 }, { at: 20 });
    expect(scenario.lines).toEqual(['20m firing warning']);
  });
});

describe('a backlog', () => {
  const options = withProfile({ retrospectiveAfterMs: 600_000 });
  const backlog = (scenario: Scenario, temperatures: readonly number[]): Scenario => {
    for (const [index, temperature] of temperatures.entries()) scenario.reading(120 + index / 100, { temperature }, { at: index * 5 });
    return scenario;
  };

  it('its transitions are retrospective, and it ends with the first reading that is not old', () => {
    const scenario = backlog(new Scenario(NOW, options), [9, 5, 9, 5]);
    expect(scenario.lines).toEqual([
      '0m firing warning (retrospective)',
      '5m resolved (retrospective)',
      '10m firing warning (retrospective)',
      '15m resolved (retrospective)',
    ]);
    scenario.reading(121, { temperature: 9 }, { at: 121 });
    expect(scenario.lines.slice(4)).toEqual(['2h1m backlog', '2h1m firing warning']);
    const summary = scenario.transitions[4]?.backlog;
    expect(summary).toMatchObject({ device: 'fridge-01', from: START_US, to: START_US + 15 * MINUTE_US, more: 0 });
    expect(summary?.alerts.map(({ state }) => state)).toEqual(['resolved', 'resolved']);
  });

  it('what still fires at its end is told first, and its end normally', () => {
    const scenario = backlog(new Scenario(NOW, options), [9, 5, 9, 9]);
    scenario.reading(121, { temperature: 9 }, { at: 121 }).reading(126, { temperature: 5 }, { at: 126 });
    expect(scenario.lines.slice(3)).toEqual(['2h1m backlog warning', '2h6m resolved']);
    expect(scenario.transitions[3]?.backlog?.alerts.map(({ state }) => state)).toEqual(['firing', 'resolved']);
    // The transitions of one alert are numbered on through the summary.
    expect(scenario.transitions.slice(2).map(({ id }) => id.split('/')[1])).toEqual(['1', '2', '3']);
  });

  it('ends by itself when nothing further comes', () => {
    const scenario = backlog(new Scenario(NOW, options), [9, 5]).until(140);
    expect(scenario.lines.at(-1)).toBe('2h10m1s backlog');
  });

  it('tells of an alert as it is at the end, also when it went on meanwhile', () => {
    const rule = ruleText('{warning: {when: "temperature > 8"}}', 'noData: {after: 5m, then: ok}');
    const scenario = backlog(new Scenario(rule, options), [5, 9]).until(140);
    expect(scenario.lines.slice(1)).toEqual(['2h5m1s resolved', '2h10m1s backlog']);
    expect(scenario.transitions.at(-1)?.backlog?.alerts.map(({ state }) => state)).toEqual(['resolved']);
    expect(new Set(scenario.transitions.map(({ id }) => id)).size).toBe(3);
  });

  it('in which nothing fired is not told of', () => {
    const pending = ruleText('{warning: {when: "temperature > 8", for: 30m}}');
    const scenario = backlog(new Scenario(pending, options), [9, 5, 9, 5]).reading(121, { temperature: 5 });
    expect(scenario.transitions.map(({ kind }) => kind)).not.toContain('backlog');
  });

  it('off: every transition on its own', () => {
    const scenario = backlog(new Scenario(NOW, withProfile({ retrospectiveAfterMs: null })), [9, 5]);
    expect(scenario.lines).toEqual(['0m firing warning', '5m resolved']);
  });
});
