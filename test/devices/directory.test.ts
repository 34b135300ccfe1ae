import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDirectory } from '../../src/devices/directory.ts';
import { FORMATS, MODULE } from '../../src/devices/formats.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import { isTie, matchTemplate, parseTemplate, type TopicTemplate } from '../../src/devices/template.ts';

function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-devices-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

function problemsIn(files: Record<string, string>): string[] {
  const folder = folderWith(files);
  return loadDirectory(folder).problems.map(
    ({ place, message, hint }) =>
      `${place?.replace(`${folder}/`, '')} ${message}${hint === undefined ? '' : ` | ${hint.replaceAll(`${folder}/`, '')}`}`,
  );
}

const profileProblems = (text: string): string[] =>
  parseProfile({ path: 'p', text }).problems.map(
    ({ place, message, hint }) => `${place?.slice(2)} ${message}${hint === undefined ? '' : ` | ${hint}`}`,
  );

describe('the devices folder', () => {
  it('as shipped holds the vaccine fridge and no device', () => {
    const { directory, problems } = loadDirectory('devices');
    expect(problems).toEqual([]);
    expect(directory).toMatchObject({ fleet: [], unknown: 'accept' });
    expect(directory.profiles).toEqual([
      {
        name: 'vaccine-fridge',
        topics: ['sensors/{device}/telemetry'],
        decode: 'json',
        codec: null,
        compression: null,
        device: null,
        time: 'ts',
        timezone: null,
        clock: 'device',
        maxFutureMs: 300_000,
        maxPastMs: 30 * 86_400_000,
        clockSkew: 'keep',
        intervalMs: 300_000,
        maxGapMs: null,
        latenessMs: 0,
        retrospectiveAfterMs: 600_000,
        metrics: [
          {
            name: 'temperature',
            path: 'temperature',
            type: 'number',
            unit: '°C',
            range: [-40, 60],
            absent: [85, -127],
            scale: 1,
            offset: 0,
            decimal: 'point',
          },
          { name: 'door', path: 'door', type: 'boolean', unit: null, range: null, absent: [], scale: 1, offset: 0, decimal: 'point' },
        ],
        limits: { temperature_max: 8, temperature_min: 2 },
      },
    ]);
  });

  it('may be empty', () => {
    expect(loadDirectory(folderWith({}))).toEqual({ directory: { profiles: [], fleet: [], groups: [], unknown: 'accept' }, problems: [] });
    expect(loadDirectory(folderWith({ 'fleet.yaml': '', 'profiles/x.txt': 'no' })).problems).toEqual([]);
  });

  it('must be there', () => {
    expect(loadDirectory('/nope/devices').problems[0]?.render()).toMatch(/^\/nope\/devices: cannot read the devices folder/);
  });

  it('gives the fleet its devices', () => {
    const folder = folderWith({
      'profiles/a.yaml': 'profile: a\nlimits: {max: 1}',
      'fleet.yaml':
        'devices:\n  - {id: d1, profile: a, labels: {site: x}, limits: {max: 2}, dependsOn: gw}\n  - {id: "7"}\n  - {id: gw}\nunknown: quarantine',
    });
    expect(loadDirectory(folder).problems).toEqual([]);
    expect(loadDirectory(folder).directory).toMatchObject({
      unknown: 'quarantine',
      fleet: [
        { id: 'd1', profile: 'a', labels: { site: 'x' }, limits: { max: 2 }, dependsOn: 'gw' },
        { id: '7', profile: null, labels: {}, limits: {}, dependsOn: null },
        { id: 'gw' },
      ],
    });
  });

  it('gives groups their limits', () => {
    const folder = folderWith({
      'profiles/a.yaml': 'profile: a\nlimits: {max: 1}',
      'fleet.yaml': [
        'groups:',
        '  - {id: cellar, devices: {profile: a, labels: {site: x}}, limits: {max: 2}}',
        '  - {id: all, devices: {}, limits: {max: 3}}',
      ].join('\n'),
    });
    const { directory, problems } = loadDirectory(folder);
    expect(problems).toEqual([]);
    expect(directory.groups).toEqual([
      { id: 'cellar', profile: 'a', labels: { site: 'x' }, limits: { max: 2 } },
      { id: 'all', profile: null, labels: {}, limits: { max: 3 } },
    ]);
  });

  it('finds what is wrong among many devices without delay', () => {
    const devices = Array.from(
      { length: 5000 },
      (_, index) => `  - {id: d${index}, dependsOn: "${index % 2 === 0 ? `d${index + 1}` : `d${index - 1}`}"}`,
    );
    expect(problemsIn({ 'fleet.yaml': ['devices:', ...devices].join('\n') })).toHaveLength(2500);
  });

  it.each<[string, Record<string, string>, string[]]>([
    [
      'two profiles that could claim one topic',
      {
        'profiles/a.yaml': 'profile: a\ntopic: "x/{device}/t"',
        'profiles/b.yaml': 'profile: b\ntopic:\n  - "y/{device}"\n  - "x/{site}/{device}"\n  - "{device}/y/t"',
      },
      [
        'profiles/b.yaml:5:5 {device}/y/t also matches topics of the profile a, which has x/{device}/t | the other stands at profiles/a.yaml:2:8; leave the topic out of one of them and name its devices in fleet.yaml',
      ],
    ],
    [
      'two profiles of one name',
      { 'profiles/a.yaml': 'profile: a', 'profiles/b.yaml': '\nprofile: a' },
      ['profiles/b.yaml:2:10 a second profile is called a | the first is at profiles/a.yaml:1:10'],
    ],
    [
      'a profile that does not exist',
      { 'profiles/fridge.yaml': 'profile: fridge', 'fleet.yaml': 'devices:\n  - {id: d, profile: frigde}' },
      ['fleet.yaml:2:22 no profile is called frigde | did you mean fridge?'],
    ],
    [
      'a device listed twice',
      { 'fleet.yaml': 'devices:\n  - id: d\n  - id: d\n' },
      ['fleet.yaml:3:9 d is listed twice | first at fleet.yaml:2:9'],
    ],
    [
      'a limit that the profile has not',
      {
        'profiles/a.yaml': 'profile: a\nlimits: {temperature_max: 1}',
        'fleet.yaml': 'devices:\n  - {id: d, profile: a, limits: {temperature_mx: 1}}',
      },
      ['fleet.yaml:2:34 a has no limit temperature_mx | did you mean temperature_max?'],
    ],
    [
      'a device that no topic can hold',
      { 'fleet.yaml': 'devices: [{id: a+b}]' },
      ['fleet.yaml:1:16 id: a device may be in a topic: no + or #'],
    ],
    [
      'a number for an id',
      { 'fleet.yaml': 'devices: [{id: 7}]' },
      ['fleet.yaml:1:16 id: expected text, found a number | put it in quotes'],
    ],
    [
      'what is unknown',
      { 'fleet.yaml': 'unknown: acept' },
      ['fleet.yaml:1:10 unknown: expected one of accept, quarantine, reject | did you mean accept?'],
    ],
    [
      'a device that depends on itself',
      { 'fleet.yaml': 'devices: [{id: a, dependsOn: a}]' },
      ['fleet.yaml:1:30 a depends on itself | name the gateway it is reached through'],
    ],
    [
      'devices that depend on each other in a circle, once',
      {
        'fleet.yaml':
          'devices:\n  - {id: tail, dependsOn: c}\n  - {id: a, dependsOn: b}\n  - {id: b, dependsOn: c}\n  - {id: c, dependsOn: a}\n  - {id: d, dependsOn: tail}',
      },
      ['fleet.yaml:3:24 devices depend on each other in a circle: a → b → c → a | leave dependsOn out at one of them'],
    ],
    [
      'mistakes in groups',
      {
        'profiles/a.yaml': 'profile: a\nlimits: {temperature_max: 1}',
        'fleet.yaml': [
          'groups:',
          '  - {id: g, devices: {profile: b}, limits: {temperature_max: 1}}',
          '  - {id: g, devices: {profile: a}, limits: {temperature_mx: 1}}',
          '  - {id: h, devices: {labels: {site: x}}, limits: {pressure: 1}}',
        ].join('\n'),
      },
      [
        'fleet.yaml:3:10 g is listed twice | first at fleet.yaml:2:10',
        'fleet.yaml:2:32 no profile is called b | did you mean a?',
        'fleet.yaml:3:45 a has no limit temperature_mx | did you mean temperature_max?',
        'fleet.yaml:4:52 no profile has a limit pressure | add it to the limits of a profile first',
      ],
    ],
    [
      'a group of nothing and for nothing',
      { 'fleet.yaml': 'groups:\n  - {id: g, limts: {a: 1}}' },
      [
        'fleet.yaml:2:5 devices is missing | say which devices: {profile: …, labels: {site: …}}; {} is every device',
        'fleet.yaml:2:5 limits is missing | a group is there to change limits',
        'fleet.yaml:2:13 unknown key "limts" | did you mean limits?',
      ],
    ],
    [
      'a profile name that is the reason for more, once',
      { 'profiles/a.yaml': 'profile: a\ntpic: x', 'fleet.yaml': 'groups: [{id: g, devices: {}, limits: {max: 1}}]' },
      ['profiles/a.yaml:2:1 unknown key "tpic" | did you mean topic?'],
    ],
    [
      'a broken profile, once',
      { 'profiles/a.yaml': 'profile: a\ntpic: x', 'fleet.yaml': 'devices: [{id: d, profile: a}]' },
      ['profiles/a.yaml:2:1 unknown key "tpic" | did you mean topic?'],
    ],
  ])('shows %s', (_name, files, expected) => {
    expect(problemsIn(files)).toEqual(expected);
  });
});

describe('a profile', () => {
  it('takes short and long forms', () => {
    const { parsed, problems } = parseProfile({
      path: 'p',
      text: [
        'profile: p',
        'topic: ["a/{device}", "b/{device}/{metric}"]',
        'time: meta.time',
        'timezone: Europe/Berlin',
        'clockSkew: quarantine',
        'maxPast: off',
        'maxFuture: 1h',
        'maxGap: 20m',
        'retrospectiveAfter: off',
        'lateness: 30s',
        'metrics:',
        '  humidity:',
        '  pm2.5: {path: pm, scale: 0.1, offset: -1, absent: [nan, 0, true]}',
        '  state: {type: text}',
      ].join('\n'),
    });
    expect(problems).toEqual([]);
    expect(parsed?.profile).toMatchObject({
      topics: ['a/{device}', 'b/{device}/{metric}'],
      time: 'meta.time',
      timezone: 'Europe/Berlin',
      clock: 'device',
      clockSkew: 'quarantine',
      maxPastMs: null,
      maxFutureMs: 3_600_000,
      maxGapMs: 1_200_000,
      latenessMs: 30_000,
      retrospectiveAfterMs: null,
      metrics: [
        { name: 'humidity', path: 'humidity', type: 'number' },
        { name: 'pm2.5', path: 'pm', scale: 0.1, offset: -1, absent: ['nan', 0, true] },
        { name: 'state', type: 'text' },
      ],
    });
  });

  it('counts from receipt when it names no time', () => {
    expect(parseProfile({ path: 'p', text: 'profile: p' }).parsed?.profile.clock).toBe('server');
  });

  it.each([
    ['topic: x/{device}', '1:1 profile is missing'],
    ['profile: "a b"', '1:10 profile: expected letters, digits, _ . and -, at most 100, a letter or digit first'],
    ['profile: readings', '1:10 profile: this name is taken by devices without a profile'],
    [
      'profile: p\ntopic: a/b',
      '2:8 topic: it has no {device}: which level names the device? | or `device:`, the path of its id in the payload?',
    ],
    [
      'profile: p\ntopic: ["x/{device}", "a/+/{device}"]',
      '2:23 "+": + is no wildcard here, and # only as the last level; write {device}, {metric} or {any label} | for example sensors/{device}/telemetry',
    ],
    [
      'profile: p\ntopic: a/x-{device}',
      '2:8 topic: "x-{device}": a {name} takes a whole level, and is made of letters, digits, _ and - | for example sensors/{device}/telemetry',
    ],
    ['profile: p\ntopic: "{device}/{device}"', '2:8 topic: {device} stands in it twice | for example sensors/{device}/telemetry'],
    [
      'profile: p\ndecode: yaml',
      `2:9 decode: no such format | built in are json, scalar, ${FORMATS.filter((format) => format !== MODULE)
        .map(({ name }) => name)
        .join(', ')}`,
    ],
    ['profile: p\ntimezone: Berlin', '2:11 timezone: no IANA time zone | for example Europe/Berlin'],
    ['profile: p\nmaxPast: never', '2:10 maxPast: expected a duration or off | write a number with a unit: 30s, 10m, 7d; or off'],
    [
      'profile: p\nretrospectiveAfter: never',
      '2:21 retrospectiveAfter: expected a duration or off | write a number with a unit: 30s, 10m, 7d; or off',
    ],
    ['profile: p\nlateness: 2h', '2:11 lateness: expected at most 1h'],
    ['profile: p\nlateness: off', '2:11 lateness: expected a duration | write a number with a unit: 500ms, 30s, 10m, 1h30m, 7d'],
    ['profile: p\ninterval: 0', '2:11 interval: must be longer than nothing'],
    ['profile: p\nclock: device', '2:8 clock: device needs a time | add `time:`, the path of the device time'],
    ['profile: p\nmetrics:\n  t: {unt: C}', '3:7 unknown key "unt" | did you mean unit?'],
    ['profile: p\nmetrics:\n  t: {range: [5, 1]}', '3:14 range: the smaller number comes first'],
    ['profile: p\nmetrics:\n  t: {range: [5]}', '3:14 range: expected two numbers | for example [-40, 60]'],
    [
      'profile: p\nmetrics:\n  t: {type: boolean, range: [0, 1]}',
      '3:6 range, scale and offset need numbers, and this is boolean | leave them out',
    ],
    ['profile: p\nmetrics: {"": {}}', '2:11 an empty name | give it another name, and its path by `path:`'],
    ['profile: p\nlimits: {a-b: 1}', '2:10 a-b is no name for a limit | letters, digits and _'],
    ['profile: p\nlimits: {a: x}', '2:13 a: expected a number, found text'],
    [
      'profile: p\ntopic: x/{device}\ndecode: scalar',
      '2:8 nothing names the metric of this scalar | write {metric} into the topic, or give the profile exactly one metric',
    ],
    ['profile: p\ndecode: scalar\ntime: ts', '3:7 a scalar holds no time | leave it out: the time of receipt counts'],
  ])('that is wrong says where: %s', (text, expected) => {
    expect(profileProblems(text)).toEqual([expected]);
  });
});

describe('topic templates', () => {
  const template = (text: string): TopicTemplate => {
    const parsed = parseTemplate(text);
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed;
  };

  it('capture device, metric and labels', () => {
    expect(matchTemplate(template('{site}/x/{device}/{metric}'), ['berlin', 'x', 'd', 't'])).toEqual({
      device: 'd',
      metric: 't',
      labels: { site: 'berlin' },
      rest: [],
    });
  });

  it('that end with # stand for any further levels, also for none', () => {
    expect(matchTemplate(template('a/{device}/#'), ['a', 'd', 'x', 'y'])).toMatchObject({ device: 'd', rest: ['x', 'y'] });
    expect(matchTemplate(template('a/{device}/#'), ['a', 'd'])).toMatchObject({ device: 'd', rest: [] });
    expect(matchTemplate(template('a/{device}/#'), ['a'])).toBeNull();
    expect(matchTemplate(template('{device}/#'), ['$SYS', 'd'])).toBeNull();
    expect(parseTemplate('a/#/{device}')).toMatch(/^"#": .* only as the last level/);
    expect(parseTemplate('#')).toBe('it names no level');
  });

  it('match neither more nor fewer levels, nor the broker’s own topics', () => {
    expect(matchTemplate(template('a/{device}'), ['a'])).toBeNull();
    expect(matchTemplate(template('a/{device}'), ['a', 'b', 'c'])).toBeNull();
    expect(matchTemplate(template('{x}/{device}'), ['$SYS', 'b'])).toBeNull();
  });

  it.each([
    ['a/{device}', 'a/{device}', true],
    ['a/{device}/x', '{device}/b/x', true],
    ['a/{device}/x', 'a/{device}/y', false],
    ['a/{device}/x', 'a/{device}/{metric}', false],
    ['a/{device}', 'a/{device}/x', false],
    ['a/{device}/#', 'a/{device}/{x}/#', true],
    ['a/{device}/#', '{device}/b/#', true],
    ['a/{device}/#', 'a/{device}', false],
    ['a/{device}/#', 'b/{device}/#', false],
  ])('%s and %s tie: %s', (a, b, expected) => {
    expect(isTie(template(a), template(b))).toBe(expected);
    expect(isTie(template(b), template(a))).toBe(expected);
  });
});
