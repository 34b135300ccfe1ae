/** What a reload changes and resets, told as lines; and that nothing is told of what stays, moves in its file, or is secret. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCredentials } from '../../src/access/credentials.ts';
import { hashGenerated } from '../../src/access/password.ts';
import { renderChange } from '../../src/config/change.ts';
import { keysThatNeedRestart } from '../../src/config/changed-keys.ts';
import { describeConfiguration, diff } from '../../src/config/diff.ts';
import { loadConfig } from '../../src/config.ts';
import { parseFleet } from '../../src/devices/fleet.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import type { DeviceDirectory, DeviceGroup } from '../../src/domain/device.ts';
import type { Rule } from '../../src/domain/rule.ts';
import { parseNotify } from '../../src/notify/config.ts';
import { parseRules } from '../../src/rules/parse.ts';
import { temporaryConfig } from './temporary-config.ts';

interface Files {
  readonly rules?: string;
  readonly profiles?: readonly string[];
  readonly fleet?: string;
  readonly notify?: string;
  readonly groups?: readonly DeviceGroup[];
  readonly credentials?: string;
  readonly anonymous?: boolean;
  /** What no file says yet. */
  readonly mend?: (parts: { rules: readonly Rule[]; directory: DeviceDirectory }) => { rules: readonly Rule[]; directory: DeviceDirectory };
}

const FRIDGE =
  'profile: fridge\ntopic: "f/{device}"\nmetrics: {temperature: {unit: °C}, door: {type: boolean}}\nlimits: {max: 8, min: 2}\n';
const NOTIFY = 'contacts: {ann: {email: ann@example.org}, bob: {email: bob@example.org}}\ndefault: {to: [ann]}\n';
const GOOD: Required<Omit<Files, 'mend'>> = {
  rules: 'rules:\n  - id: warm\n    devices: {profile: fridge}\n    levels: {warning: {when: temperature > limits.max, for: 10m}}\n',
  profiles: [FRIDGE],
  fleet: 'devices:\n  - {id: d1, profile: fridge, labels: {site: a}}\n  - {id: d2, profile: fridge, labels: {site: b}, limits: {max: 7}}\n',
  notify: NOTIFY,
  groups: [],
  credentials: '',
  anonymous: true,
};

function configuration(files: Files) {
  const { rules: rulesText, profiles: profileTexts, fleet: fleetText, notify: notifyText, groups } = { ...GOOD, ...files };
  const parsedRules = parseRules([{ path: 'rules.yaml', text: rulesText }]);
  const parsedProfiles = profileTexts.map((text) => parseProfile({ path: 'profile.yaml', text }));
  const profiles = parsedProfiles.flatMap(({ parsed }) => (parsed === null ? [] : [parsed.profile]));
  const parsedFleet = parseFleet({ path: 'fleet.yaml', text: fleetText }, profiles);
  const parsedNotify = parseNotify({ path: 'notify.yaml', text: notifyText });
  for (const { problems } of [parsedRules, ...parsedProfiles, parsedFleet, parsedNotify]) expect(problems).toEqual([]);
  const parts = { rules: parsedRules.rules, directory: { profiles, ...parsedFleet.fleet, groups } };
  const { credentials, problems } = parseCredentials({ path: 'credentials.yaml', text: files.credentials ?? '' });
  expect(problems).toEqual([]);
  const config = { mqtt: { anonymous: files.anonymous ?? true } };
  return { config, credentials, ...(files.mend?.(parts) ?? parts), notify: parsedNotify.config };
}

function changesOf(before: Files, after: Files) {
  const described = describeConfiguration(configuration(before));
  return diff(described, describeConfiguration(configuration(after), described.notify.salt)).changes;
}
const lines = (before: Files, after: Files): string[] => changesOf(before, after).map(renderChange);
const resets = (before: Files, after: Files): boolean => changesOf(before, after).some((change) => change.resets);

const rule = (body: string): Files => ({ rules: `rules:\n  - id: warm\n    ${body.replaceAll('\n', '\n    ')}\n` });
const WHEN = 'levels: {warning: {when: temperature > 8}}';

describe('rules', () => {
  it.each([
    [
      'a condition',
      rule(WHEN),
      rule('levels: {warning: {when: temperature > 9}}'),
      'warning.when "temperature > 8" → "temperature > 9": its run and counters start anew',
      true,
    ],
    [
      'a for',
      rule(WHEN),
      rule('levels: {warning: {when: temperature > 8, for: 90s}}'),
      'warning.for 0s → 1m30s: measured anew from since; nothing starts anew',
      false,
    ],
    [
      'flapping',
      rule(WHEN),
      rule(`${WHEN}\nflapping: {changes: 4, in: 1h}`),
      'flapping {"changes":6,"in":"30m"} → {"changes":4,"in":"1h"}: the changes so far are counted by it; nothing starts anew',
      false,
    ],
    [
      'no flapping',
      rule(WHEN),
      rule(`${WHEN}\nflapping: off`),
      'flapping {"changes":6,"in":"30m"} → off: the changes so far are counted by it; nothing starts anew',
      false,
    ],
    [
      'a clear',
      rule(WHEN),
      rule('levels: {warning: {when: temperature > 8, clear: temperature < 7}}'),
      'warning.clear none → "temperature < 7": asked from the next reading on',
      false,
    ],
    [
      'a level more',
      rule(WHEN),
      rule('levels: {warning: {when: temperature > 8}, critical: {when: temperature > 20}}'),
      'critical added: evaluated from the next reading on',
      false,
    ],
    [
      'a level less',
      rule('levels: {warning: {when: temperature > 8}, critical: {when: temperature > 20}}'),
      rule(WHEN),
      'critical removed: nothing raises it any more',
      false,
    ],
    [
      'no-data',
      rule(WHEN),
      rule(`${WHEN}\nnoData: {after: 5m, raise: critical}`),
      'noData none → {"after":"5m","raise":"critical"}: silence is measured anew from the last value; nothing starts anew',
      false,
    ],
    ['the summary', rule(WHEN), rule(`${WHEN}\nsummary: too warm`), 'summary none → "too warm": from the next message on', false],
    ['labels', rule(WHEN), rule(`${WHEN}\nlabels: {team: x}`), 'labels {} → {"team":"x"}: on alerts that open from now on', false],
  ])('%s', (_, before, after, line, isReset) => {
    expect(lines(before, after)).toEqual([`rule warm: ${line}`]);
    expect(resets(before, after)).toBe(isReset);
  });

  it('added and removed', () => {
    const other = { rules: 'rules:\n  - id: hot\n    levels: {warning: {when: temperature > 8}}\n' };
    expect(lines(rule(WHEN), other)).toEqual([
      'rule warm: removed: its open alerts are closed with the reason "removed"',
      'rule hot: added: evaluated from the next reading on',
    ]);
  });

  it('of which only one level changed say so of that one', () => {
    const levels = (critical: number) => rule(`levels: {warning: {when: temperature > 8}, critical: {when: temperature > ${critical}}}`);
    expect(changesOf(levels(20), levels(21)).map(({ part }) => part)).toEqual(['critical.when']);
  });

  it('for other devices say which of the listed ones they gain and lose', () => {
    const [line] = lines(rule(`devices: {labels: {site: a}}\n${WHEN}`), rule(`devices: {labels: {site: b}}\n${WHEN}`));
    expect(line).toBe(
      'rule warm: devices {"labels":{"site":"a"}} → {"labels":{"site":"b"}}: now for d2; no longer for d1; alerts of devices that it no longer selects are closed with the reason "removed"',
    );
  });

  it('with counts and groups, which no test file here writes yet', () => {
    const mend =
      (count: { times: number; of: number } | null, by: readonly string[]): NonNullable<Files['mend']> =>
      ({ rules, directory }) => ({
        rules: rules.map((one) => ({ ...one, by, levels: one.levels.map((level) => ({ ...level, count })) })),
        directory,
      });
    expect(lines({ mend: mend({ times: 3, of: 5 }, []) }, { mend: mend({ times: 2, of: 5 }, ['site']) })).toEqual([
      'rule warm: by [] → ["site"]: its groups start anew, and alerts of the old ones are closed with the reason "removed"',
      'rule warm: warning.count {"times":3,"of":5} → {"times":2,"of":5}: its counter starts anew',
    ]);
  });

  it('that only moved in their file have not changed', () => {
    expect(lines({}, { rules: `# a comment\n\n${GOOD.rules}` })).toEqual([]);
  });
});

describe('profiles', () => {
  const metrics = (text: string): Files => ({ profiles: [FRIDGE.replace('temperature: {unit: °C}', `temperature: ${text}`)] });

  it.each([
    ['{unit: °F}', 'temperature.unit "°C" → "°F"'],
    ['{unit: °C, scale: 0.1}', 'temperature.scale 1 → 0.1'],
    ['{unit: °C, offset: -4}', 'temperature.offset 0 → -4'],
    ['{unit: °C, path: t}', 'temperature.path "temperature" → "t"'],
  ])('a metric that means something else starts its windows anew, and the runs of the rules on it: %s', (text, line) => {
    expect(lines({}, metrics(text))).toEqual([`profile fridge: ${line}: its windows start anew, and the runs of warm`]);
    expect(resets({}, metrics(text))).toBe(true);
  });

  it('a range resets nothing', () => {
    expect(lines({}, metrics('{unit: °C, range: [-40, 60]}'))).toEqual([
      'profile fridge: temperature.range none → [-40,60]: for values from now on',
    ]);
    expect(resets({}, metrics('{unit: °C, range: [-40, 60]}'))).toBe(false);
  });

  it('rules of other profiles and on other metrics are not named', () => {
    const rules =
      'rules:\n  - {id: other, devices: {profile: pump}, levels: {warning: {when: temperature > 1}}}\n  - {id: open, devices: {profile: fridge}, levels: {warning: {when: door}}}\n  - {id: sub, devices: {profile: fridge}, levels: {warning: {when: temperature_2 > 1}}}\n';
    const profiles = [FRIDGE.replace('°C', 'K'), 'profile: pump\nmetrics: {temperature: {}}\n'];
    expect(lines({ rules, profiles: [FRIDGE, profiles[1] ?? ''] }, { rules, profiles })).toEqual([
      'profile fridge: temperature.unit "°C" → "K": its windows start anew',
    ]);
  });

  it('metrics, clock and intervals', () => {
    const after = FRIDGE.replace('door: {type: boolean}', 'humidity: {}').replace(
      'limits:',
      'time: ts\nmaxFuture: off\ninterval: 5m\nlimits:',
    );
    expect(lines({}, { profiles: [after] })).toEqual([
      'profile fridge: time none → "ts": from the next message on',
      'profile fridge: clock "server" → "device": readings are timed by it, from the next message on',
      'profile fridge: maxFuture 5m → off: from the next message on',
      'profile fridge: interval none → 5m: how old a value may be follows it',
      'profile fridge: door removed: what the payload holds is taken as it comes; its windows end',
      'profile fridge: humidity added: read from the next message on',
    ]);
  });

  it('how a message is read', () => {
    const before = 'profile: p\ntopic: a/{device}\nmetrics: {t: {}}\n';
    const after = 'profile: p\ntopic: a/{device}\ncompression: gzip\ndevice: id\nmetrics: {t: {decimal: comma}}\n';
    expect(lines({ profiles: [FRIDGE, before] }, { profiles: [FRIDGE, after] })).toEqual([
      'profile p: compression none → "gzip": from the next message on',
      'profile p: device none → "id": from the next message on',
      'profile p: t.decimal "point" → "comma": for values from now on',
    ]);
  });

  it('a limit is effective for whom no nearer one overrides it', () => {
    expect(lines({}, { profiles: [FRIDGE.replace('max: 8', 'max: 9')] })).toEqual([
      'profile fridge: limits.max 8 → 9: effective for d1, and devices of the profile that are not listed',
    ]);
  });

  it('a limit by which time is measured starts that window anew', () => {
    const before = { rules: GOOD.rules.replace('temperature > limits.max', `"timeAbove(temperature, limits.max, '1d') > 60"`) };
    const after = { ...before, profiles: [FRIDGE.replace('max: 8', 'max: 9')] };
    expect(lines(before, after)).toEqual([
      'profile fridge: limits.max 8 → 9: effective for d1, and devices of the profile that are not listed; the time beyond it starts anew in warm',
    ]);
    expect(resets(before, after)).toBe(true);
    expect(resets(before, { ...before, profiles: [FRIDGE.replace('min: 2', 'min: 1')] })).toBe(false);
  });
});

describe('the fleet', () => {
  it('devices that come, go and change', () => {
    const fleet = 'devices:\n  - {id: d2, labels: {site: c}, limits: {max: 6}, dependsOn: gw}\n  - {id: gw}\nunknown: reject\n';
    expect(lines({}, { fleet })).toEqual([
      'device d1: removed: its alerts are closed with the reason "removed", and it is no longer missed when it is silent; what devices send that are not listed is refused',
      'device d2: profile "fridge" → none: what it sends is read by it, from the next message on',
      'device d2: labels {"site":"b"} → {"site":"c"}: rules and routes that go by labels follow; alerts that are open keep theirs',
      'device d2: dependsOn none → "gw": whose silence inhibits its own',
      'device d2: limits.max 7 → 6: effective for it',
      'device gw: added: missed when it is silent, from now on',
      'fleet: unknown "accept" → "reject": what devices send that are not listed is refused, from the next message on',
    ]);
  });

  it('the limits of a group are effective for its devices that have none of their own', () => {
    const group = (max: number): DeviceGroup => ({ id: 'cold', profile: 'fridge', labels: {}, limits: { max } });
    expect(lines({ groups: [group(5)] }, { groups: [group(4)] })).toEqual([
      'group cold: limits.max 5 → 4: effective for d1, and devices of the group that are not listed',
    ]);
    const warm = { ...group(9), id: 'warm' };
    expect(lines({ groups: [group(5), warm] }, { groups: [warm, group(5)] })).toEqual([
      'fleet: groups "cold, warm" → "warm, cold": where two set one limit, the later one counts',
    ]);
    expect(lines({}, { groups: [group(5)] })).toEqual([
      'group cold: limits.max none → 5: effective for d1, and devices of the group that are not listed',
    ]);
  });
});

describe('who is told', () => {
  it('contacts and routes', () => {
    const notify =
      'contacts: {ann: {email: ann@example.com}, cleo: {email: cleo@example.org}}\nroutes: [{match: {level: critical}, to: [ann, cleo], continue: true}]\ndefault: {to: [ann]}\n';
    expect(lines({}, { notify })).toEqual([
      'contact bob: removed: messages to it that wait are given up, and the alert says so',
      'contact ann: channels changed: messages that wait go there as well',
      'contact cleo: added: told by the routes that name it',
      'route {level: critical} → ann, cleo, and continue: added: from the next transition on',
    ]);
  });

  const route = (keys: string): Files => ({
    notify: `${NOTIFY}routes: [{match: {rule: "f*", labels.site: [a, ""]}, to: []${keys}}]\nschedules: [{id: night, zone: UTC, windows: [{from: "22:00", to: "06:00"}]}]\n`,
  });
  it.each([
    [', groupBy: [labels.site]', 'groupBy [rule, device] → [labels.site]'],
    [', groupWait: {warning: 90s}', 'groupWait {critical: 0s, warning: 30s, info: 30s} → {critical: 0s, warning: 1m30s, info: 30s}'],
    [', groupWait: 5s', 'groupWait {critical: 0s, warning: 30s, info: 30s} → 5s'],
    [', groupInterval: 10m', 'groupInterval 5m → 10m'],
    [', repeatInterval: off', 'repeatInterval 4h → off'],
    [', sendResolved: false', 'sendResolved true → false'],
    [', active: night', 'active always → night'],
    [', muted: night', 'muted never → night'],
  ])('how a route tells of them: %s', (keys, line) => {
    expect(lines(route(''), route(keys))).toEqual([
      `route {rule: f*, labels.site: [a, ""]} → nobody: ${line}: from the next transition on`,
    ]);
  });

  it.each([
    ['nothing', 'storm: {after: 20, in: 1m}\nlimits: {perHour: 60}', []],
    ['a storm', 'storm: off', ['notify: storm {after: 20, in: 1m} → off: from the next transition on']],
    ['limits', 'limits: {perHour: 5}', ['notify: limits {perHour: 60} → {perHour: 5}: from the next message on']],
    [
      'an inhibition',
      'inhibitions: [{source: {rule: gw}, target: {level: [info, warning]}, equal: labels.site}]',
      ['inhibition {rule: gw} mutes {level: [info, warning]} of equal labels.site: added: from the next transition on'],
    ],
    [
      'an escalation',
      'escalations: [{match: {device: d1}, steps: [{after: 10m, to: [ann]}, {after: 1h, to: [bob, ann]}], loop: true}]',
      ['escalation {device: d1}: after 10m ann, after 1h bob, ann, again and again: added: for alerts that are open as well'],
    ],
    ['a schedule', 'schedules: [{id: x, zone: UTC, windows: [{}]}]', ['schedule x: added: for what names it']],
  ])('what holds for all of them: %s', (_what, text, expected) => {
    expect(lines({}, { notify: `${NOTIFY}${text}\n` })).toEqual(expected);
  });

  it('schedules and who is on call', () => {
    const notify = (windows: string, onCall: string): Files => ({
      notify: `contacts: {ann: {email: a@b.org}, on: ${onCall}}\ndefault: {to: [on]}\nschedules: [{id: s, zone: Europe/Berlin, windows: [${windows}]}]\n`,
    });
    const turns = '{rotation: {zone: UTC, start: 2026-11-02, handover: "09:00", every: 1w, of: [ann]}}';
    const before = notify('{days: mon-fri, from: "22:00", to: "06:00"}', turns);
    expect(lines(before, notify('{days: [mon, wed], to: "12:00"}, {from: "23:05"}', '{onCall: [{schedule: s, to: ann}]}'))).toEqual([
      'contact on: on call ann in turn, every 7d from 2026-11-02 09:00 UTC → s: ann: from the next message on',
      'schedule s: windows Europe/Berlin: mon-fri 22:00-06:00 → Europe/Berlin: mon, wed 00:00-12:00; daily 23:05-24:00: for what names it, from now on',
    ]);
    expect(lines(before, notify('{days: mon-fri, from: "22:00", to: "06:00"}', '{email: on@b.org}'))).toEqual([
      'contact on: channels none → email: messages that wait go there as well',
      'contact on: on call ann in turn, every 7d from 2026-11-02 09:00 UTC → none: from the next message on',
    ]);
  });

  it('a secret of a channel is seen to change, and never shown', () => {
    const hook = (secret: string): Files => ({
      notify: `contacts: {ann: {webhook: "https://hooks.example.org/${secret}", secret: ${secret}}}\ndefault: {to: [ann]}\n`,
    });
    const described = describeConfiguration(configuration(hook('hunter2-hunter2')));
    expect(JSON.stringify(described)).not.toMatch(/hunter2|hooks\.example/);
    expect(lines(hook('hunter2-hunter2'), hook('hunter3-hunter3'))).toEqual([
      'contact ann: channels changed: messages that wait go there as well',
    ]);
  });

  it('the order of routes', () => {
    const routes = (...levels: readonly string[]) => ({
      notify: `${NOTIFY}routes: [${levels.map((level) => `{match: {level: ${level}}, to: [ann]}`).join(', ')}]\n`,
    });
    expect(lines(routes('info', 'warning'), routes('warning', 'info'))).toEqual([
      'notify routes: order changed: from the next transition on',
    ]);
  });

  it('holds no address, nor a hash by which one could be looked up', () => {
    const [one, other] = [1, 2].map(() => describeConfiguration(configuration({})));
    expect(JSON.stringify(one)).not.toContain('@');
    expect(one?.notify.contacts.map(({ hash }) => hash)).not.toEqual(other?.notify.contacts.map(({ hash }) => hash));
    for (const { hash } of one?.notify.contacts ?? []) expect(hash).toHaveLength(6);
  });
});

describe('who may connect', () => {
  const [one, two, three] = ['one', 'two', 'three'].map(hashGenerated);
  const device = (...passwords: readonly (string | undefined)[]): Files => ({
    credentials: JSON.stringify({ devices: { d1: { passwords } } }),
  });

  it.each([
    ['a new credential', {}, device(one), ['credential d1: added: it may connect']],
    ['one that is gone', device(one), {}, ['credential d1: removed: its connections are closed']],
    ['a password beside the one before', device(one), device(two, one), ['credential d1: passwords changed: connections stay']],
    [
      'the end of a rotation',
      device(two, one),
      device(two),
      ['credential d1: passwords changed: connections that logged in with one that is gone are closed'],
    ],
    ['the same in another order', device(two, one), device(one, two), []],
    [
      'the topics of a user',
      { credentials: 'users: {board: {subscribe: [a/#]}}' },
      { credentials: 'users: {board: {subscribe: [a/#, b/#]}}' },
      ['user board: subscribe [a/#] → [a/#, b/#]: also for connections that are open'],
    ],
    ['anonymous', {}, { anonymous: false }, ['access: anonymous true → false: clients without a user name are disconnected']],
  ] satisfies [string, Files, Files, string[]][])('%s', (_name, before, after, expected) => {
    expect(lines(before, after)).toEqual(expected);
  });

  it('is described without a hash that a password could be tried on', () => {
    const described = JSON.stringify(describeConfiguration(configuration(device(three))));
    expect(described).not.toContain((three ?? '').slice(10));
  });
});

describe('altogether', () => {
  it('nothing differs from itself, through JSON as well', () => {
    const described = describeConfiguration(configuration({}));
    expect(diff(described, JSON.parse(JSON.stringify(described)))).toEqual({ changes: [], more: 0 });
  });

  it('is bounded, and says how much there is beyond', () => {
    const fleet = (prefix: string) => ({
      fleet: `devices:\n${Array.from({ length: 700 }, (_, index) => `  - {id: ${prefix}${index}}`).join('\n')}\n`,
    });
    const before = describeConfiguration(configuration(fleet('a')));
    const { changes, more } = diff(before, describeConfiguration(configuration(fleet('b')), before.notify.salt));
    expect({ count: changes.length, more }).toEqual({ count: 1000, more: 400 });
  });

  it('what one way adds, the other removes', () => {
    const ids = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 0 });
    const rules = (names: readonly string[]) => ({
      rules:
        names.length === 0
          ? 'rules: []\n'
          : `rules:\n${names.map((id) => `  - {id: ${id}, levels: {warning: {when: t > 1}}}`).join('\n')}\n`,
    });
    fc.assert(
      fc.property(ids, ids, (left, right) => {
        const there = changesOf(rules(left), rules(right)).map(({ id, change }) => `${change} ${id}`);
        const back = changesOf(rules(right), rules(left)).map(({ id, change }) => `${change === 'added' ? 'removed' : 'added'} ${id}`);
        expect(there.sort()).toEqual(back.sort());
        expect(there).toHaveLength(new Set([...left, ...right]).size - left.filter((id) => right.includes(id)).length);
      }),
    );
  });
});

describe('keys of tocsin.yaml that take a restart', () => {
  const config = (text: string) => {
    using file = temporaryConfig(text);
    return loadConfig({ path: file.path, set: [], env: {} });
  };
  it.each([
    ['email: {smtp: "smtp://u:secret@mail.example.org"}', ['email.smtp']],
    ['http: {listen: "http://127.0.0.1:9090"}', ['http.listen']],
    ['journal: {maxBytes: 1GB, keep: 1d}', ['journal.keep', 'journal.maxBytes']],
    ['history: {influx: "http://127.0.0.1:8086/t"}', ['history', 'history.influx', 'history.keep', 'history.tags']],
    ['mqtt: {listeners: ["mqtt://127.0.0.1:1999"], limits: {devices: 7}}', ['mqtt.limits.devices', 'mqtt.listeners']],
    ['watch: true\nrules: ./other\n', []],
  ])('%s', (text, keys) => {
    const [before, after] = [config('email: {}\n'), config(`${text}\n`)];
    // Each stands in a folder of its own here.
    expect(keysThatNeedRestart(before, { ...after, data: before.data })).toEqual(keys);
  });
});
