/** A replay explains its present state: as a live run would, with who would be told, and without changing what comes after. */
import { describe, expect, it } from 'vitest';
import type { Transition } from '../../src/domain/alert.ts';
import { FLAG_DEVICE_TIME, type Value } from '../../src/domain/reading.ts';
import { concerning } from '../../src/replay/concerned.ts';
import { Replay } from '../../src/replay/replay.ts';
import { directoryOf, listed, MINUTE_US, profileOf, rulesOf, ruleText, START_US } from '../alerts/scenario.ts';
import { configOf } from '../notify/fixtures.ts';

const NOTIFY = configOf(`
contacts: {night: {email: night@example.org}, pharmacy: [{email: p@example.org}, {email: second@example.org}]}
routes:
  - {match: {level: critical}, to: [pharmacy, night]}
  - {match: {level: warning, labels.site: berlin}, to: []}
default: {to: [pharmacy]}`);
const RULES = ruleText(
  `{info: {when: "temperature > 7"}, warning: {when: "avg(temperature, '10m') > 8", for: 10m}, critical: {when: "temperature > 20"}}`,
  'noData: {after: 1h, raise: warning}',
);
const directory = directoryOf({ fleet: [listed('fridge-01', { labels: { site: 'berlin' } }), listed('fridge-02')] });

function replayOf(registeredAt: ReadonlyMap<string, number> = new Map()) {
  const rules = rulesOf(RULES, directory);
  const transitions: Transition[] = [];
  const replay = new Replay({
    rules,
    directory,
    notify: NOTIFY,
    ruleTexts: rules.map(({ rule }) => rule),
    startsAt: START_US,
    registeredAt,
    onTransition: (transition) => transitions.push(transition),
  });
  const say = (minute: number, temperature: Value): void =>
    replay.reading({
      device: { id: 'fridge-01', profile: 'vaccine-fridge', labels: { site: 'berlin' } },
      at: START_US + minute * MINUTE_US,
      receivedAt: START_US + minute * MINUTE_US,
      flags: FLAG_DEVICE_TIME,
      metrics: ['temperature'],
      values: [temperature],
    });
  return { replay, transitions, say };
}

describe('a replay', () => {
  it('explains what it has come to, and who would be told at each level', () => {
    const { replay, say } = replayOf();
    say(0, 9);
    say(5, 9);
    replay.until(START_US + 6 * MINUTE_US);
    expect(replay.explain({ device: 'fridge-01', rule: 'warm' })).toMatchObject({
      at: START_US + 6 * MINUTE_US,
      device: { id: 'fridge-01', labels: { site: 'berlin' } },
      rules: [
        {
          phase: 'firing',
          level: 'info',
          levels: [{ isCurrent: true }, { trueSince: START_US }, { says: 'nothing asks for it: temperature is 9' }],
          ifItFired: [
            { level: 'info', contacts: [{ id: 'pharmacy', channels: [{ address: 'p@example.org' }, { address: 'second@example.org' }] }] },
            // Whoever was told of the alert hears of its changes, though the route of the new level tells nobody.
            { level: 'warning', contacts: [{ id: 'pharmacy' }], reason: expect.stringContaining('who had been told before') },
            { level: 'critical', contacts: [{ id: 'pharmacy' }, { id: 'night' }] },
          ],
        },
      ],
    });
    expect(replay.explain({ device: 'fridge-02' })).toMatchObject({
      rules: [{ phase: 'ok', ifItFired: [{}, { level: 'warning', contacts: [{ id: 'pharmacy' }] }, {}] }],
    });
    expect(replay.explain({ device: 'fridge-03' })).toEqual({
      unknown: 'no device "fridge-03" has been heard of',
      hint: expect.stringContaining('did you mean fridge-0'),
    });
  });

  it('goes on as if nobody had looked', () => {
    const [seen, unseen] = [replayOf(), replayOf()];
    for (const [minute, temperature] of [9, 9, 9, 9, 5, 5, 5, 9, 30, 2].entries()) {
      for (const { say } of [seen, unseen]) say(minute * 7, temperature);
      seen.replay.explain({ device: 'fridge-01' });
    }
    for (const { replay } of [seen, unseen]) replay.until(START_US + 300 * MINUTE_US);
    expect(seen.transitions.length).toBeGreaterThan(4);
    expect(seen.transitions).toEqual(unseen.transitions);
  });

  it('counts silence from when a device was listed, where that is known', () => {
    const { replay, transitions } = replayOf(new Map([['fridge-01', START_US + 30 * MINUTE_US]]));
    replay.until(START_US + 95 * MINUTE_US);
    expect(transitions.map(({ alert, at }) => [alert.device, (at - START_US) / MINUTE_US])).toEqual([
      ['fridge-02', 60],
      ['fridge-01', 90],
    ]);
  });
});

describe('whose readings concern a device', () => {
  const profiles = [profileOf(), profileOf({ name: 'gateway', topics: ['gw/{device}'] })];
  const fleet = [
    listed('gw', { profile: 'gateway' }),
    listed('fridge-01', { dependsOn: 'gw', labels: { site: 'a' } }),
    listed('fridge-02', { dependsOn: 'gw' }),
  ];
  const wide = directoryOf({ profiles, fleet });
  const concerned = (rules: string, id: string) => {
    const is = concerning(id, { rules: rulesOf(rules, wide), directory: wide });
    return (device: string, labels = {}) => is({ id: device, profile: 'vaccine-fridge', labels });
  };

  it('its own, those that its rules read, those of its gateway and of what is behind it; no others', () => {
    const is = concerned(ruleText(`{warning: {when: "temperature > 8 && device('door-1').open"}}`), 'fridge-01');
    expect(['fridge-01', 'door-1', 'gw', 'fridge-02', 'fridge-03'].map((id) => is(id))).toEqual([true, true, true, true, false]);
  });

  it('members of groups, told by their labels', () => {
    const rules = `rules:\n  - {id: site, devices: {profile: vaccine-fridge}, by: [site], levels: {warning: {when: "max(temperature) > 8"}}}\n`;
    const is = concerned(rules, 'fridge-01');
    expect(is('fridge-09', { site: 'a' })).toBe(true);
    expect(is('fridge-09')).toBe(false);
  });
});
