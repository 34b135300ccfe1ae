/** Which topics a filter covers, and which are a device's own. */
import { describe, expect, it } from 'vitest';
import { OwnTopics } from '../../src/access/own-topics.ts';
import { NOTHING, Rights, rulesOf } from '../../src/access/rights.ts';
import { covers, filterProblem, matchesTopic } from '../../src/access/topic-filter.ts';
import { parseFleet } from '../../src/devices/fleet.ts';
import { parseProfile } from '../../src/devices/profile.ts';

const split = (text: string): string[] => text.split('/');

describe('a topic filter', () => {
  it.each([
    ['a/b', 'a/b', true],
    ['a/b', 'a/c', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a', false],
    ['a/+', 'a/b/c', false],
    ['a/+', 'a/', true],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['+/#', 'a', true],
    ['a/+/#', 'a', false],
    ['#', 'a', true],
    ['#', '$SYS/a', false],
    ['+/a', '$SYS/a', false],
    ['$SYS/#', '$SYS/a', true],
  ])('%s on the topic %s: %s', (filter, topic, expected) => {
    expect(matchesTopic(filter, topic)).toBe(expected);
    // What matches a topic covers the filter that is only this topic.
    expect(covers(split(filter), split(topic))).toBe(expected);
  });

  it.each([
    ['a/#', 'a/#', true],
    ['a/#', 'a/+/c', true],
    ['a/#', 'a', true],
    ['a/+', 'a/#', false],
    ['a/+', 'a/+', true],
    ['a/+/c', 'a/b/c', true],
    ['a/+/c', 'a/b/+', false],
    ['a/b', 'a/+', false],
    ['a/b', '#', false],
    ['#', '#', true],
    ['#', '+/+', true],
    ['#', '$SYS/#', false],
    ['+/+', '#', false],
    ['sensors/#', 'sensors2/a', false],
  ])('%s covers %s: %s', (filter, other, expected) => {
    expect(covers(split(filter), split(other))).toBe(expected);
  });

  it.each(['', 'a/#/b', 'a#', 'a+/b', 'a\0b', Array(101).fill('a').join('/')])('%j is none', (text) => {
    expect(filterProblem(text)).not.toBeNull();
  });
});

const PROFILES = [
  'profile: fridge\ntopic: "plant/{site}/{device}/state"',
  'profile: meter\ntopic: ["meters/{device}", "m/{device}/up"]',
  'profile: bridge\ntopic: "bridges/{device}/up"\ndecode: senml',
  'profile: shared\ntopic: "all/#"\ndecode: senml',
];
const FLEET = 'devices: [{id: m-1, profile: meter}, {id: gw, profile: bridge}, {id: d-1}]';

function ownTopics(): OwnTopics {
  const parsed = PROFILES.map((text) => parseProfile({ path: 'p.yaml', text }));
  const profiles = parsed.flatMap(({ parsed: one }) => (one === null ? [] : [one.profile]));
  const { fleet, problems } = parseFleet({ path: 'f.yaml', text: FLEET }, profiles);
  expect([...parsed.flatMap((one) => one.problems), ...problems]).toEqual([]);
  expect(profiles).toHaveLength(PROFILES.length);
  return new OwnTopics({ profiles, ...fleet });
}

describe('a device', () => {
  const own = ownTopics();
  it.each([
    ['d-1', 'sensors/d-1/telemetry', true, 'the built-in topics'],
    ['d-1', 'sensors/d-1/temperature', true, 'the built-in topics'],
    ['d-1', 'sensors/d-1/log/boot', true, 'below its own, where no sensor speaks'],
    ['d-1', 'sensors/d-2/telemetry', false, 'another device'],
    ['d-1', 'sensors/telemetry', false, 'nobody'],
    ['d-1', 'plant/berlin/d-1/state', true, 'a profile, at any site'],
    ['d-1', 'plant/berlin/d-2/state', false, 'a profile, another device'],
    ['d-1', 'tele/d-1/SENSOR', true, 'a built-in format'],
    ['d-1', 'zigbee2mqtt/d-1', true, 'a built-in format'],
    ['d-1', 'd-1/anything', true, 'its own name first'],
    ['d-1', 'ruuvi/d-1/d-2', false, 'another device below its own topic'],
    ['d-1', 'bridges/d-1/up', false, 'a format whose messages name devices, without that profile'],
    ['gw', 'bridges/gw/up', true, 'the same with it'],
    ['gw', 'bridges/d-1/up', false, 'the same, another gateway'],
    ['gw', 'all/x', false, 'a topic that names nobody'],
    ['d-1', 'senml/d-1', false, 'a built-in format whose messages name devices'],
    ['d-1', 'v3/app/devices/d-1/up', false, 'a network server’s'],
    ['d-1', 'homeassistant/sensor/d-1/config', false, 'discovery'],
    ['homeassistant', 'homeassistant/sensor/x/config', false, 'discovery, by its name'],
    ['sensors', 'sensors/d-1/telemetry', false, 'another device, by a name like a level'],
    ['d-1', 'v1/devices/me/telemetry', true, 'who publishes'],
    ['d-1', 'v1/gateway/telemetry', false, 'a gateway’s'],
    ['m-1', 'meters/m-1', true, 'the profile that the fleet gives it'],
    ['m-1', 'm/m-1/up', true, 'its other topic'],
    ['m-1', 'plant/x/m-1/state', false, 'a profile that it does not have'],
    ['m-1', 'sensors/m-1/telemetry', true, 'the built-in topics, whatever its profile'],
  ])('%s may publish %s: %s (%s)', (device, topic, expected) => {
    expect(own.mayPublish(device, topic)).toBe(expected);
  });

  it.each([
    ['sensors/d-1/telemetry', true],
    ['sensors/d-1/#', true],
    ['cmnd/d-1/+', true],
    ['plant/+/d-1/state', true],
    ['sensors/+/telemetry', false],
    ['sensors/#', false],
    ['#', false],
    ['+/d-1', false],
    ['tocsin/alerts/#', false],
    ['$SYS/#', false],
    ['cmnd/tasmotas/#', false],
  ])('may subscribe to %s: %s', (filter, expected) => {
    expect(own.maySubscribe('d-1', filter)).toBe(expected);
  });
});

describe('rights', () => {
  const own = ownTopics();
  const user = { kind: 'user', name: 'board', publish: ['a/+', 'b/#'], subscribe: ['a/#', '$SYS/#'] } as const;

  it('of a user are what is listed', () => {
    const rights = new Rights(rulesOf(user, own));
    // Twice: the second answer is remembered.
    for (let time = 0; time < 2; time++) {
      expect(['a/b', 'b', 'b/c/d', 'a/b/c', 'sensors/board/telemetry'].filter((topic) => rights.mayPublish(topic))).toEqual([
        'a/b',
        'b',
        'b/c/d',
      ]);
      expect(['a', 'a/b', 'b', '$SYS/x'].filter((topic) => rights.mayRead(topic))).toEqual(['a', 'a/b', '$SYS/x']);
    }
    expect(['#', 'a/#', 'a/+', '$SYS/+/x', 'b/#'].filter((filter) => rights.maySubscribe(filter))).toEqual(['a/#', 'a/+', '$SYS/+/x']);
  });

  it('of a device are its own topics and what is listed', () => {
    const rights = new Rights(rulesOf({ ...user, kind: 'device', name: 'd-1' }, own));
    expect(['a/b', 'sensors/d-1/telemetry', 'sensors/d-2/telemetry'].filter((topic) => rights.mayPublish(topic))).toEqual([
      'a/b',
      'sensors/d-1/telemetry',
    ]);
  });

  it('that are taken away are gone, whatever was asked before; and far more topics than are remembered are answered right', () => {
    const rights = new Rights(rulesOf(user, own));
    for (let index = 0; index < 5000; index++)
      expect(rights.mayPublish(`${index % 2 === 0 ? 'a' : 'x'}/${index % 2500}`)).toBe(index % 2 === 0);
    expect(rights.mayRead('a/1')).toBe(true);
    rights.change(NOTHING);
    expect([rights.mayPublish('a/0'), rights.mayRead('a/1'), rights.maySubscribe('a/#')]).toEqual([false, false, false]);
  });
});
