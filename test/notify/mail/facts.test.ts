import { describe, expect, it } from 'vitest';
import { type Bound, factsOf } from '../../../src/notify/mail/facts.ts';
import { alertOf, directory, rule } from './contents.ts';

const place = { file: '', line: 1, column: 1 };
const factsFor = (text: string, given = directory) =>
  factsOf(alertOf(), { ...rule, levels: rule.levels.map((level) => ({ ...level, when: { text, place } })) }, given);

describe('what is known of an alert', () => {
  it.each<[condition: string, metric: string | null, unit: string | null]>([
    ['temperature > 8', 'temperature', '°C'],
    ['metric("pm2.5") > 8 && temperature > 1', 'pm2.5', 'µg/m³'],
    ["device.id == 'temperature' && metric('pm2.5') > 8", 'pm2.5', 'µg/m³'],
    ["avg(temperature, '5m') > 1", 'temperature', '°C'],
    ['door && temperature > 1', 'door', null],
    ['something > 1', null, null],
  ])('has the metric and unit that %s names first', (condition, metric, unit) => {
    expect(factsFor(condition)).toMatchObject({ metric, unit });
  });

  const max: Bound = { name: 'temperature_max', value: 7, side: 'above' };
  it.each<[condition: string, bounds: Bound[]]>([
    ['temperature > limits.temperature_max', [max]],
    ['limits.temperature_max <= temperature', [max]],
    ['temperature>=8', [{ name: null, value: 8, side: 'above' }]],
    ['temperature < -1.5e1', [{ name: null, value: -15, side: 'below' }]],
    [
      'temperature > limits.temperature_max || temperature < limits.temperature_min',
      [max, { name: 'temperature_min', value: 2, side: 'below' }],
    ],
    ['door && (temperature > 8)', []],
    ["metric('temperature') > 8 && !door", [{ name: null, value: 8, side: 'above' }]],
    ['temperature - 1 > 7', []],
    ['temperature > 8 + 1', []],
    ["avg(temperature, '5m') > 8", []],
    ['temperature > limits.unknown', []],
    ['temperature > temperature', []],
    ['temperature == 8', []],
  ])('knows what %s compares its first metric with', (condition, bounds) => {
    expect(factsFor(condition).bounds).toEqual(bounds);
  });

  it('has the limits that count for the device: its own, before those of its groups, before the profile', () => {
    const groups = [{ id: 'berlin', profile: null, labels: { site: 'berlin' }, limits: { temperature_max: 6, temperature_min: 3 } }];
    const condition = 'temperature > limits.temperature_max || temperature < limits.temperature_min';
    expect(factsFor(condition, { ...directory, groups }).limits).toEqual([
      { name: 'temperature_max', value: 7 },
      { name: 'temperature_min', value: 3 },
    ]);
    expect(factsFor(condition).limits.at(1)).toEqual({ name: 'temperature_min', value: 2 });
  });

  it('is little of an alert whose rule is gone', () => {
    const none = { metric: null, unit: null, limits: [], bounds: [], condition: null, description: null, runbook: null, flapping: null };
    expect(factsOf(alertOf(), undefined, directory)).toMatchObject(none);
  });
});
