/** Rules on groups: `by: [site]`, with aggregates over the members' values. */
import { describe, expect, it } from 'vitest';
import { directoryOf, listed, profileOf, Scenario } from './scenario.ts';

const ruleOf = (condition: string, more = ''): string => `rules:
  - id: site
    devices: {profile: vaccine-fridge}
    by: [site]
    levels: {warning: {when: "${condition}"${more}}}
    summary: "{{device.name}}: {{max(temperature)}}"
    labels: {team: pharmacy}
`;
const at = (site: string, device: string) => ({ device, labels: { site } });
const A1 = at('a', 'fridge-01');
const A2 = at('a', 'fridge-02');
const A3 = at('a', 'fridge-03');
const B1 = at('b', 'fridge-11');
const told = (scenario: Scenario): string[] => scenario.transitions.map(({ kind, alert }) => `${kind} ${alert.group} ${alert.value}`);

describe('a rule on groups', () => {
  it('asks the average of the members, one alert for each group', () => {
    const scenario = new Scenario(ruleOf('avg(temperature) > 8'));
    scenario
      .reading(0, { temperature: 9 }, A1)
      .reading(1, { temperature: 5 }, A2)
      .reading(2, { temperature: 12 }, A2)
      .reading(3, { temperature: 20 }, B1);
    expect(told(scenario)).toEqual(['firing site=a 9', 'resolved site=a 7', 'firing site=a 10.5', 'firing site=b 20']);
    expect(scenario.transitions[0]?.alert).toMatchObject({
      device: 'site=a',
      labels: { site: 'a', team: 'pharmacy' },
      summary: 'site=a: 9',
    });
  });

  it('min, max, sum and count, of metrics and of conditions', () => {
    const scenario = new Scenario(
      ruleOf('count(temperature > 8) >= 2 && max(temperature) - min(temperature) < 3 && sum(temperature) > 18'),
    );
    scenario.reading(0, { temperature: 9 }, A1).reading(1, { temperature: 10 }, A2).reading(2, { temperature: 5 }, A3);
    expect(told(scenario).map((line) => line.split(' ')[0])).toEqual(['firing', 'resolved']);
  });

  it('count of a metric is how many have a value, whatever it is', () => {
    const scenario = new Scenario(ruleOf('count(temperature) >= 2'));
    scenario.reading(0, { temperature: 0 }, A1).reading(1, { temperature: 0 }, A2);
    expect(told(scenario)).toEqual(['firing site=a 2']);
  });

  it('a member counts while its value is fresh', () => {
    const scenario = new Scenario(ruleOf('max(temperature) > 8'));
    scenario.reading(0, { temperature: 9 }, A1).reading(10, { temperature: 5 }, A2).reading(16, { temperature: 5 }, A2);
    expect(told(scenario)).toEqual(['firing site=a 9', 'resolved site=a 5']);
  });

  it('windows of each member are combined', () => {
    const scenario = new Scenario(ruleOf("avg(temperature, '20m') > 8"));
    scenario.reading(0, { temperature: 6 }, A1).reading(5, { temperature: 12 }, A1).reading(6, { temperature: 5 }, A2);
    expect(told(scenario)).toEqual(['firing site=a 9', 'resolved site=a 7']);
  });

  it('limits inside are those of each member', () => {
    const directory = directoryOf({ fleet: [listed('fridge-02', { labels: { site: 'a' }, limits: { temperature_max: 4 } })] });
    const scenario = new Scenario(ruleOf('count(temperature > limits.temperature_max) >= 1'), { directory });
    scenario.reading(0, { temperature: 5 }, A1).reading(1, { temperature: 5 }, A2);
    expect(told(scenario)).toEqual(['firing site=a 1']);
  });

  it('for, and silence of the group as a whole', () => {
    const scenario = new Scenario(`${ruleOf('max(temperature) > 8', ', for: 5m')}    noData: {after: 20m, raise: critical}\n`);
    scenario.reading(0, { temperature: 9 }, A1).reading(5, { temperature: 9 }, A2).until(60);
    expect(scenario.lines).toEqual(['0m pending warning', '5m firing warning', '25m level critical (no-data)']);
  });

  it('a device without the label is in no group, and one that moves takes its value along', () => {
    const scenario = new Scenario(ruleOf('max(temperature) > 8'));
    scenario.reading(0, { temperature: 9 }, { device: 'fridge-01' });
    expect(told(scenario)).toEqual([]);
    scenario.reading(1, { temperature: 9 }, A1).reading(2, { temperature: 9.5 }, at('b', 'fridge-01')).reading(3, { temperature: 1 }, A2);
    expect(told(scenario)).toEqual(['firing site=a 9', 'firing site=b 9.5', 'resolved site=a 1']);
  });

  const refusals: [condition: string, message: RegExp][] = [
    ['temperature > 8', /temperature is of one device, and this is asked of a group\nhint: a rule with by: asks about all members/],
    ["stddev(temperature, '5m') > 1", /stddev\(\) is of one device/],
    ['avg(temprature) > 8', /r?ules.yaml:5:\d+: unknown name temprature.*\nhint: did you mean temperature\?/],
    ['avg(door) > 8', /a number is needed here, this is a bool/],
    ['true', /has by: and asks nothing of a group/],
  ];
  it.each(refusals)('%s is refused', (condition, message) => {
    const text = ruleOf(condition).replace(/ {4}summary:.*\n/, '');
    expect(() => new Scenario(text, { directory: directoryOf({ profiles: [profileOf()] }) })).toThrow(message);
  });
});
