/** The built-in rules hold, are for Tocsin's own device only, and give way to a user's. */
import { describe, expect, it } from 'vitest';
import { parseFleet } from '../../src/devices/fleet.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import type { Contact } from '../../src/domain/notification.ts';
import { NOBODY } from '../../src/notify/notify-config.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { parseRules } from '../../src/rules/parse.ts';
import { withSelfProfile, withSelfRoute, withSelfRules } from '../../src/self/self-configuration.ts';
import { SELF_DEVICE, selfProfile } from '../../src/self/self-profile.ts';
import { isBuiltIn, selfRules } from '../../src/self/self-rules.ts';

const EVERY_MS = 10_000;
const EMPTY: DeviceDirectory = { profiles: [], fleet: [], groups: [], unknown: 'accept' };
const directory = withSelfProfile({ ...EMPTY, profiles: [{ ...selfProfile(null), name: 'fridge' }] }, EVERY_MS);
const rulesOf = (text: string) => parseRules([{ path: 'rules.yaml', text }]).rules;

describe('the built-in rules', () => {
  it('are rules like any, on the built-in profile', () => {
    const { compiled, problems, warnings } = compileRules(selfRules(EVERY_MS), directory);
    expect([problems, warnings]).toEqual([[], []]);
    expect(compiled.map(({ rule }) => rule.id).sort()).toEqual([
      'tocsin-channel-failing',
      'tocsin-clock-jump',
      'tocsin-consumer-stuck',
      'tocsin-disk',
      'tocsin-history-lag',
      'tocsin-slow',
      'tocsin-undelivered',
    ]);
    for (const rule of compiled) {
      expect(rule.matches(SELF_DEVICE)).toBe(true);
      expect(rule.programFor('fridge')).toBeNull();
      expect(rule.rule).toMatchObject({ labels: { source: 'tocsin' }, place: { file: '(built in)' } });
      expect(rule.rule.description).toMatch(/\w/);
    }
  });

  it.each([
    [1000, 120_000],
    [10_000, 120_000],
    [600_000, 3_600_000],
  ])('miss a reading every %i ms after %i ms', (everyMs, afterMs) => {
    expect(selfRules(everyMs).find(({ id }) => id === 'tocsin-slow')?.noData?.afterMs).toBe(afterMs);
  });

  it('give way to a user’s rule of the same id', () => {
    const own = rulesOf('rules: [{id: tocsin-disk, devices: {profile: tocsin}, levels: {info: {when: "disk_used > 0.5"}}}]');
    const rules = withSelfRules(own, EVERY_MS);
    expect(rules.filter(({ id }) => id === 'tocsin-disk')).toEqual(own);
    expect(rules.filter(isBuiltIn)).toHaveLength(selfRules(EVERY_MS).length - 1);
    expect(compileRules(rules, directory).problems).toEqual([]);
  });

  it('are none when self is off, and a user’s rule that names the profile holds all the same', () => {
    const own = rulesOf('rules: [{id: mine, devices: {profile: tocsin}, levels: {info: {when: "disk_used > 0.5"}}}]');
    expect(withSelfRules(own, null)).toBe(own);
    expect(compileRules(own, withSelfProfile(EMPTY, null)).problems).toEqual([]);
  });
});

describe('a user’s rule for every device', () => {
  it.each([
    ['of any profile', 'rules: [{id: hot, levels: {warning: {when: "metric(\'canary_s\') > 3"}}}]'],
    ['of any id', 'rules: [{id: hot, devices: {id: "*"}, levels: {warning: {when: "metric(\'canary_s\') > 3"}}}]'],
    ['that asks for what Tocsin does not measure', 'rules: [{id: hot, levels: {warning: {when: "temperature > 3"}}}]'],
    ['on groups', 'rules: [{id: hot, by: site, levels: {warning: {when: "max(temperature) > 3"}}}]'],
  ])('%s is not for Tocsin itself, and nothing is said of it', (_, text) => {
    const { compiled, problems, warnings } = compileRules(rulesOf(text), withSelfProfile(EMPTY, EVERY_MS));
    expect(problems).toEqual([]);
    expect(warnings.map(({ message }) => message).filter((message) => message.includes('tocsin'))).toEqual([]);
    expect(compiled.map((rule) => rule.programFor('tocsin') ?? rule.group?.memberFor('tocsin') ?? null)).toEqual([null]);
  });

  it('is for Tocsin when it names it', () => {
    const rules = rulesOf('rules: [{id: slow, devices: {id: tocsin}, levels: {warning: {when: "canary_s > 3"}}}]');
    expect(compileRules(rules, withSelfProfile(EMPTY, EVERY_MS)).compiled[0]?.programFor('tocsin')).not.toBeNull();
  });
});

describe('that somebody is not reached', () => {
  const contacts: Contact[] = [
    { id: 'day', channels: [{ kind: 'email', address: 'day@example.org' }], onCall: null },
    { id: 'night', channels: [{ kind: 'mqtt', address: 'tocsin/night', retain: false }], onCall: null },
    { id: 'on-call', channels: [], onCall: { kind: 'schedules', entries: [{ schedule: null, to: 'night' }] } },
  ];

  it('is told to everybody, before and beside what the routes say', () => {
    const { routes } = withSelfRoute({ ...NOBODY, contacts }, EVERY_MS);
    expect(routes).toMatchObject([
      {
        place: { file: '(built in)', line: 0 },
        to: ['day', 'night'],
        continue: true,
        match: { rules: ['tocsin-channel-failing', 'tocsin-undelivered'] },
      },
    ]);
  });

  it('is told to nobody where there is nobody, or self is off', () => {
    expect(withSelfRoute(NOBODY, EVERY_MS)).toBe(NOBODY);
    expect(withSelfRoute({ ...NOBODY, contacts }, null).routes).toEqual([]);
  });
});

describe('the name', () => {
  it('is refused as a profile’s and as a device’s, with what to do', () => {
    const { problems } = parseProfile({ path: 'p.yaml', text: 'profile: tocsin\ntopic: "s/{device}"\n' });
    expect(problems.map((problem) => problem.render())).toEqual([
      'p.yaml:1:10: profile: tocsin is what Tocsin says of itself\nhint: give this kind of device another name',
    ]);
    const fleet = parseFleet({ path: 'fleet.yaml', text: 'devices:\n  - {id: tocsin}\n' }, []);
    expect(fleet.problems.map((problem) => problem.render())).toEqual([
      'fleet.yaml:2:10: id: tocsin is the device as which Tocsin tells of itself\nhint: give this device another id; its topic changes with it',
    ]);
  });
});
