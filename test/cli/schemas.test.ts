// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type * as z from 'zod';
import { credentialsForm } from '../../src/access/credentials.ts';
import { SCHEMA_FOLDER, schemaFiles } from '../../src/cli/schemas.ts';
import { schema as configForm } from '../../src/config/schema.ts';
import { fleetForm } from '../../src/devices/fleet.ts';
import { profileForm } from '../../src/devices/profile.ts';
import { notifyForm } from '../../src/notify/config/form.ts';
import { ruleTestsForm } from '../../src/replay/rule-test-file.ts';
import { ruleFileForm } from '../../src/rules/form.ts';
import { duration, durationOrOff, size } from '../../src/std/form.ts';
import { jsonSchemaOf } from '../../src/std/json-schema.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Hints such as `examples` are not ajv's concern, and a pattern may stand beside the `anyOf` that holds its type. */
const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true });
const FORMS: Readonly<Record<string, z.ZodType>> = {
  tocsin: configForm,
  rules: ruleFileForm,
  'rule-tests': ruleTestsForm,
  profile: profileForm,
  fleet: fleetForm,
  notify: notifyForm,
  credentials: credentialsForm,
};
const schemas = new Map(schemaFiles().map(({ name, text }) => [name.replace('.schema.json', ''), JSON.parse(text) as unknown]));
const validators = new Map([...schemas].map(([name, schema]) => [name, ajv.compile(schema as object)]));

function validator(name: string): ValidateFunction {
  const found = validators.get(name);
  if (found === undefined) throw new Error(`there is no schema ${name}`);
  return found;
}

const yamlBelow = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => `${folder}/${name}`);
const shipped = [...yamlBelow('config'), ...yamlBelow('devices'), ...yamlBelow('simulator')].sort();

function kindOf(path: string): string {
  if (path.endsWith('.test.yaml')) return 'rule-tests';
  if (path.startsWith('devices/profiles/')) return 'profile';
  return basename(dirname(path)) === 'rules' ? 'rules' : basename(path, '.yaml');
}

describe('the JSON Schemas', () => {
  it('on disk are what the validators say now', () => {
    const files = Object.fromEntries(schemaFiles().map(({ name, text }) => [name, text]));
    const found = Object.fromEntries(readdirSync(SCHEMA_FOLDER).map((name) => [name, readFileSync(join(SCHEMA_FOLDER, name), 'utf8')]));
    expect(found, 'run npm run schemas').toEqual(files);
  });

  it.each([...schemas])('%s: explains every key', (_name, schema) => {
    const silent = keysOf(schema).filter(({ key }) => typeof key.description !== 'string' || key.description === '');
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('say the defaults that the validator takes', () => {
    const written = defaultsOf(schemas.get('tocsin'));
    expect(written).toMatchObject({ journal: { keep: '7d', maxBytes: '10GB' }, mqtt: { limits: { connections: 10_000 } }, watch: false });
    expect(configForm.parse(written)).toEqual({ ...configForm.parse({}), history: { url: undefined } });
  });
});

describe('each shipped YAML file', () => {
  it('is found', () => expect(shipped.length).toBeGreaterThanOrEqual(6));

  it.each(shipped)('%s names its schema, and keeps to it', (path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    const schema = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text)?.[1] ?? '';
    expect(normalize(join(dirname(path), schema))).toBe(`config/schemas/${kindOf(path)}.schema.json`);
    const validate = validator(kindOf(path));
    validate(parse(text));
    expect(validate.errors).toBeNull();
  });
});

describe('schema and validator', () => {
  const good: [kind: string, text: string][] = [
    ['tocsin', '{}'],
    [
      'rule-tests',
      'tests: [{name: a, device: x, readings: {every: 5m, temperature: [5, "9 x3", null]}, expect: [{at: 0, alert: r, level: none, email: []}]}]',
    ],
    ['rule-tests', 'tests: [{name: a, readings: [{from: 1m, values: {"pm2.5": 3}}], emails: 0}]'],
    ['tocsin', 'mqtt: {listeners: "mqtt://127.0.0.1:0", anonymous: "true", limits: {packetBytes: 1MB, devices: "5"}}'],
    [
      'tocsin',
      'mqtt: {listeners: ["mqtts://127.0.0.1:0", "wss://[::1]:0"], tls: {cert: a, key: b, ca: c, clientCert: off}}\ncredentials: ./c.yaml',
    ],
    ['credentials', 'devices:\nusers: {a: , b: {passwords: [], publish: [x/+], subscribe: ["$SYS/#", "#"]}}'],
    [
      'credentials',
      `devices: {a: {passwords: ["$sha256$${'a'.repeat(43)}", "$scrypt$ln=14,r=8,p=1$${'b'.repeat(22)}$${'c'.repeat(43)}"]}}`,
    ],
    ['tocsin', 'history: {influx: "http://u:p@db:8086/tocsin", tags: [site]}\nwatch: true\nconsumers: []'],
    ['tocsin', 'alerting: {startGrace: 0, dependencyGrace: 1m30s}\njournal: {keep: 0.5h, reserve: 0, maxBytes: 10 gib}'],
    ['rules', 'rules:'],
    ['rules', 'rules: [{id: a, levels: {info: {when: true}}}]'],
    [
      'rules',
      'rules: [{id: a, by: site, keepFiringFor: 5m, devices: {id: 7, labels: {floor: 2}}, levels: {critical: {when: "t > 1", for: 0, clear: "t < 0", count: {times: 3, of: 5}}, warning: {when: "t > 0", consecutive: 3, keepFiringFor: 0s}}, noData: {after: 5m, then: ok, metrics: [t]}, labels: {team: x}, flapping: off}, {id: b, levels: {info: {when: x}}, flapping: {changes: 4}}]',
    ],
    ['profile', 'profile: p\ntopic: ["a/{device}"]\nlateness: 1h\nretrospectiveAfter: off\nmetrics: {t: {range: [0, 1]}, h: }'],
    ['fleet', '{}'],
    [
      'fleet',
      'devices: [{id: a, dependsOn: b, labels: {site: x}, limits: {m: 1}}]\ngroups: [{id: g, devices: {}, limits: {m: 2}}]\nunknown: reject',
    ],
    [
      'notify',
      'contacts: {a: [{email: a@b.org}, {email: c@d.org}]}\nroutes: [{match: {labels.team: x, level: [info, warning], labels: {site: [a, b]}}, to: [a], continue: true, groupBy: []}]\ndefault: {to: []}\nstorm: off',
    ],
    [
      'notify',
      'contacts: {a: {webhook: "https://x.org"}, b: {rotation: {zone: UTC, start: 2026-11-02, handover: 09:00, every: 1w, of: [a]}}, c: {onCall: [{schedule: night, to: a}, {to: b}]}}\ndefault: {to: [], groupBy: labels.site, groupWait: {critical: 0, info: 1m}, groupInterval: 0, repeatInterval: off, sendResolved: false, active: a, muted: b}\nschedules: [{id: night, zone: UTC, windows: [{days: mon-fri, from: "22:00", to: "24:00"}, {days: [mon, sat-sun]}, {}]}]\ninhibitions: [{source: {rule: a}, target: {labels.b: ""}, equal: [labels.site]}]\nescalations: [{match: {}, steps: [{after: 10m, to: [a]}], loop: true}]\nstorm: {after: 5, in: 30s}\nlimits: {}',
    ],
    ['notify', 'default: {to: [], groupWait: 5s}\ncontacts:\nroutes:\nschedules:\nlimits: off'],
  ];
  it.each(good)('%s: both accept %s', (kind, text) => {
    const data: unknown = parse(text);
    expect(FORMS[kind]?.safeParse(data).error?.issues).toBeUndefined();
    const validate = validator(kind);
    validate(data);
    expect(validate.errors).toBeNull();
  });

  const rule = (keys: string): string => `rules: [{id: a, levels: {info: {when: "x"}}, ${keys}}]`;
  const level = (keys: string): string => `rules: [{id: a, levels: {info: {${keys}}}}]`;
  const wrong: [kind: string, text: string][] = [
    ['tocsin', 'jurnal: {}'],
    ['tocsin', 'mqtt: {tls: {cert: a}}'],
    ['credentials', 'devices: {a: {passwords: [hunter2]}}'],
    ['credentials', 'devices: [a]'],
    ['credentials', 'users: {a: {role: admin}}'],
    ['tocsin', 'journal: {keep: 7}'],
    ['tocsin', 'journal: {keep: 7 days}'],
    ['tocsin', 'journal: {maxBytes: lots}'],
    ['tocsin', 'journal: {url: "kafka://x"}'],
    ['tocsin', 'mqtt: {listeners: ["tcp://127.0.0.1:1883"]}'],
    ['tocsin', 'mqtt: {listeners: []}'],
    ['tocsin', 'mqtt: {tls: {cert: x}}'],
    ['tocsin', 'mqtt: {limits: {devices: -1}}'],
    ['tocsin', 'http: {listen: "https://127.0.0.1:1"}'],
    ['tocsin', 'roles: [ingest, alertin]'],
    ['tocsin', 'watch: sometimes'],
    ['tocsin', 'consumers: [{id: x}]'],
    ['tocsin', 'email: {from: nobody}'],
    ['tocsin', 'data: 5'],
    ['rules', 'rule: []'],
    ['rules', 'rules: {}'],
    ['rules', 'rules: [{id: "a b", levels: {info: {when: "x"}}}]'],
    ['rules', 'rules: [{levels: {info: {when: "x"}}}]'],
    ['rules', 'rules: [{id: a}]'],
    ['rules', 'rules: [{id: a, levels: {}}]'],
    ['rules', 'rules: [{id: a, levels: {severe: {when: "x"}}}]'],
    ['rules', level('for: 5m')],
    ['rules', level('when: 5')],
    ['rules', level('when: ""')],
    ['rules', level('when: "x", for: 5')],
    ['rules', level('when: "x", consecutive: 31')],
    ['rules', level('when: "x", count: 3')],
    ['rules', level('when: "x", count: {times: 0, of: 3}')],
    ['rules', level('when: "x", count: {times: 1, of: 3}, consecutive: 3')],
    ['rules', rule('dependsOn: gw')],
    ['rules', rule('flapping: {changes: 1}')],
    ['rules', rule('flapping: 6')],
    ['rules', rule('flapping: {in: 0}')],
    ['rules', rule('windows: {}')],
    ['rules', rule('by: []')],
    ['rules', rule('by: [a, a]')],
    ['rules', rule('noData: {after: 5m}')],
    ['rules', rule('noData: {after: 0, then: ok}')],
    ['rules', rule('noData: {after: 5m, raise: info}')],
    ['rules', rule('noData: {after: 5m, raise: warning, then: ok}')],
    ['rules', rule('labels: [a]')],
    ['profile', 'topic: a/{device}'],
    ['profile', 'profile: readings'],
    ['profile', 'profile: p\ndecode: tasmoto'],
    ['profile', 'profile: p\nlateness: off'],
    ['profile', 'profile: p\nmaxPast: never'],
    ['profile', 'profile: p\nclock: mine'],
    ['profile', 'profile: p\nmetrics: {t: {unt: C}}'],
    ['profile', 'profile: p\nmetrics: {t: {range: [1]}}'],
    ['profile', 'profile: p\nlimits: {a: x}'],
    ['fleet', 'devices: [{}]'],
    ['fleet', 'devices: [{id: a+b}]'],
    ['fleet', 'devices: [{id: 7}]'],
    ['fleet', 'devices: [{id: a, limits: {m: x}}]'],
    ['fleet', 'groups: [{id: g, limits: {m: 1}}]'],
    ['fleet', 'groups: [{id: g, devices: {site: x}, limits: {m: 1}}]'],
    ['fleet', 'unknown: acept'],
    ['notify', 'contacts: {}'],
    ['notify', 'default: {}'],
    ['notify', 'default: {to: []}\ncontacts: {a: a@b.org}'],
    ['notify', 'default: {to: []}\ncontacts: {a: []}'],
    ['notify', 'default: {to: []}\ncontacts: {a: {fax: "1"}}'],
    ['notify', 'default: {to: []}\ncontacts: {a: {rotation: {zone: UTC, start: 2.11.2026, every: 1w, of: [a]}}}'],
    ['notify', 'default: {to: []}\ncontacts: {a: {rotation: {zone: UTC, start: 2026-11-02, every: weekly, of: [a]}}}'],
    ['notify', 'default: {to: []}\ncontacts: {a: {rotation: {zone: UTC, start: 2026-11-02, every: 1w, of: []}}}'],
    ['notify', 'default: {to: []}\ncontacts: {a: {onCall: [{schedule: night}]}}'],
    ['notify', 'default: {to: [], groupBy: [site]}'],
    ['notify', 'default: {to: [], groupBy: [rule, rule]}'],
    ['notify', 'default: {to: [], groupWait: {fatal: 1m}}'],
    ['notify', 'default: {to: [], repeatInterval: never}'],
    ['notify', 'default: {to: []}\nschedules: [{id: night, zone: UTC, windows: []}]'],
    ['notify', 'default: {to: []}\nschedules: [{id: night, zone: UTC, windows: [{days: workdays}]}]'],
    ['notify', 'default: {to: []}\nschedules: [{id: night, zone: UTC, windows: [{from: "24:00"}]}]'],
    ['notify', 'default: {to: []}\nschedules: [{id: night, zone: UTC, windows: [{to: 6}]}]'],
    ['notify', 'default: {to: []}\ninhibitions: [{source: {}, target: {rule: a}}]'],
    ['notify', 'default: {to: []}\nescalations: [{match: {}, steps: []}]'],
    ['notify', 'default: {to: []}\nescalations: [{match: {}, steps: [{after: 10m, to: []}]}]'],
    ['notify', 'default: {to: []}\nstorm: 20'],
    ['notify', 'default: {to: []}\nlimits: {perHour: 0}'],
    ['notify', 'default: {to: []}\ncontacts: {"a b": {email: a@b.org}}'],
    ['notify', 'default: {to: []}\nroutes: [{match: {level: fatal}, to: []}]'],
    ['notify', 'default: {to: []}\nroutes: [{match: {lable.team: x}, to: []}]'],
    ['notify', 'default: {to: []}\nroutes: [{to: []}]'],
    ['notify', 'default: {to: []}\nschedules: [{id: night}]'],
  ];
  it.each(wrong)('%s: both refuse %s', (kind, text) => {
    const data: unknown = parse(text);
    expect(FORMS[kind]?.safeParse(data).success).toBe(false);
    expect(validator(kind)(data)).toBe(false);
  });

  it.each([
    [
      'tocsin',
      'data: "${DATA}"\nwatch: "${WATCH}"\njournal: {keep: "${KEEP}d", url: "${URL}"}\nmqtt: {listeners: "${URL}", limits: {devices: "${MAX}"}}',
    ],
    ['notify', 'contacts: {a: {email: "${MAIL}"}}\nroutes: [{match: {level: "${LEVEL}"}, to: ["${X}"]}]\ndefault: {to: []}'],
  ])('%s: a value may be a reference', (kind, text) => {
    const validate = validator(kind);
    validate(parse(text));
    expect(validate.errors).toBeNull();
  });

  it('agree on what a duration and a size is', () => {
    const part = fc.constantFrom('0', '1', '90', '.', '1.5', 'ms', 's', 'm', 'h', 'd', 'w', 'k', 'MB', 'gib', ' ', '-', 'x');
    const value = fc.oneof(
      fc.array(part, { maxLength: 5 }).map((parts) => parts.join('')),
      fc.constantFrom<unknown>(0, 5, -1, 0.5, false, true, null),
    );
    for (const form of [duration(), durationOrOff(), size()]) {
      const validate = ajv.compile(jsonSchemaOf(form, { title: 'one value' }));
      fc.assert(
        fc.property(value, (written) => validate(written) === form.safeParse(written).success),
        { numRuns: 1000 },
      );
    }
  });
});

type Keyword = Readonly<Record<string, unknown>>;
const isMapping = (value: unknown): value is Keyword => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Every key of the schema that people may write, at any depth, with its path. */
function keysOf(schema: unknown, path = ''): { path: string; key: Keyword }[] {
  if (Array.isArray(schema)) return schema.flatMap((branch: unknown) => keysOf(branch, path));
  if (!isMapping(schema)) return [];
  const properties = Object.entries(isMapping(schema.properties) ? schema.properties : {});
  return [
    ...properties.flatMap(([name, key]) => (isMapping(key) ? [{ path: `${path}.${name}`, key }, ...keysOf(key, `${path}.${name}`)] : [])),
    ...['items', 'additionalProperties', 'anyOf'].flatMap((keyword) => keysOf(schema[keyword], path)),
  ];
}

/** The defaults of mappings within mappings, as one would write them. */
function defaultsOf(schema: unknown): unknown {
  if (!isMapping(schema)) return undefined;
  if (schema.default !== undefined || !isMapping(schema.properties)) return schema.default;
  const entries = Object.entries(schema.properties).map(([name, key]): [string, unknown] => [name, defaultsOf(key)]);
  const given = entries.filter(([, value]) => value !== undefined);
  // A section that may be left out whole has none.
  return given.length === 0 ? undefined : Object.fromEntries(given);
}
