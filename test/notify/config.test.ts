// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { substitute } from '../../src/config/substitute.ts';
import { parseNotify, type Resolve } from '../../src/notify/config.ts';

const parse = (text: string) => parseNotify({ path: 'notify.yaml', text });
const rendered = (text: string): string[] => parse(text).problems.map((problem) => problem.render());

describe('notify.yaml', () => {
  it('accepts the shipped example', () => {
    const path = new URL('../../config/notify.yaml', import.meta.url);
    const { config, problems } = parseNotify({ path: 'config/notify.yaml', text: readFileSync(path, 'utf8') });
    expect(problems).toEqual([]);
    expect(config).toEqual({
      contacts: [{ id: 'pharmacy', channels: [{ kind: 'email', address: 'pharmacy@example.org' }] }],
      routes: [],
      default: { to: ['pharmacy'] },
    });
  });

  it('reads channels in order, both ways to match labels, lists and `continue`, and crosses threads', () => {
    const { config, problems } = parse(`
contacts:
  night: [{email: night@example.org}, {email: backup@example.net}]
routes:
  - {match: {labels.team: pharmacy, level: [warning, critical]}, to: [night, night], continue: true}
  - {match: {labels: {site: berlin}, rule: "fridge-*", device: f}, to: []}
default: {to: [night]}
`);
    expect(problems).toEqual([]);
    expect(structuredClone(config)).toEqual({
      contacts: [
        {
          id: 'night',
          channels: [
            { kind: 'email', address: 'night@example.org' },
            { kind: 'email', address: 'backup@example.net' },
          ],
        },
      ],
      routes: [
        {
          place: { file: 'notify.yaml', line: 5, column: 5 },
          match: { levels: ['warning', 'critical'], rules: null, devices: null, labels: { team: ['pharmacy'] } },
          to: ['night'],
          continue: true,
        },
        {
          place: { file: 'notify.yaml', line: 6, column: 5 },
          match: { levels: null, rules: ['fridge-*'], devices: ['f'], labels: { site: ['berlin'] } },
          to: [],
          continue: false,
        },
      ],
      default: { to: ['night'] },
    });
  });

  const head = 'contacts: {pharmacy: {email: a@b.org}}\n';
  const cases: [name: string, text: string, expected: string | RegExp][] = [
    ['an empty file', '', 'notify.yaml:1:1: default is missing'],
    ['YAML that is none', 'contacts: {', /^notify\.yaml:1:\d+: /],
    ['an unknown key', `${head}default: {to: []}\nrouts: []`, 'notify.yaml:3:1: unknown key "routs"\nhint: did you mean routes?'],
    [
      'an unknown contact in a route',
      `${head}routes:\n  - {match: {level: info}, to: [farmacy]}\ndefault: {to: []}`,
      'notify.yaml:3:33: there is no contact "farmacy"\nhint: did you mean pharmacy?',
    ],
    ['an unknown contact in the default', `${head}default: {to: [x]}`, 'notify.yaml:2:16: there is no contact "x"\nhint: known: pharmacy'],
    ['a schedule', `${head}default: {to: []}\nschedules: [{id: night}]`, /^notify\.yaml:3:12: schedules: not supported yet/],
    [
      'grouping in a route',
      `${head}routes: [{match: {level: info}, to: [], groupBy: [rule]}]\ndefault: {to: []}`,
      /^notify\.yaml:2:50: groupBy: not supported yet/,
    ],
    [
      'a webhook',
      'contacts: {a: [{email: a@b.org}, {webhook: "https://x"}]}\ndefault: {to: []}',
      /^notify\.yaml:1:44: webhook: not supported yet/,
    ],
    [
      'an unknown level',
      `${head}routes: [{match: {level: fatal}, to: []}]\ndefault: {to: []}`,
      /^notify\.yaml:2:26: level: there is no level "fatal"/,
    ],
    [
      'an unknown thing to match',
      `${head}routes: [{match: {lable.team: x}, to: []}]\ndefault: {to: []}`,
      /^notify\.yaml:2:\d+: lable\.team: unknown key/,
    ],
    ['a contact without a channel', 'contacts: {a: []}\ndefault: {to: []}', /^notify\.yaml:1:15: a: a contact needs a channel/],
    ['a contact that is text', 'contacts: {a: a@b.org}\ndefault: {to: []}', /^notify\.yaml:1:15: a: expected a channel/],
  ];
  it.each(cases)('says where and why: %s', (_name, text, expected) => {
    const problems = rendered(text);
    if (typeof expected === 'string') expect(problems).toEqual([expected]);
    else expect(problems.join('\n')).toMatch(expected);
  });

  const env = { MAIL: 'night@example.org', TEAM: 'pharmacy', SECRET: 'hunter2 "quoted"' };
  const resolve: Resolve = (data, problem) => substitute(data, { env, folder: '.' }, problem);
  const resolved = (text: string) => parseNotify({ path: 'notify.yaml', text, resolve });

  it('puts in what references stand for', () => {
    const { config, problems } = resolved(
      'contacts: {pharmacy: {email: "${MAIL}"}}\nroutes: [{match: {labels.team: "${TEAM}"}, to: ["${TEAM}"]}]\ndefault: {to: []}',
    );
    expect(problems).toEqual([]);
    expect(config.contacts[0]?.channels).toEqual([{ kind: 'email', address: 'night@example.org' }]);
    expect(config.routes[0]).toMatchObject({ to: ['pharmacy'], match: { labels: { team: ['pharmacy'] } } });
  });

  it.each([
    ['a variable that is not set', 'contacts: {a: {email: "${NONE}"}}', /^notify\.yaml:1:23: .*NONE is not set\nhint: export NONE/],
    ['a file that is not there', 'contacts: {a: {email: "${file:/nowhere}"}}', /^notify\.yaml:1:23: the file \/nowhere cannot be read/],
    ['no address', 'contacts: {a: {email: "${SECRET}"}}', /^notify\.yaml:1:23: email: "\$\{SECRET\}" is more than an address/],
    ['no contact', 'default: {to: ["${SECRET}"]}', /^notify\.yaml:1:16: there is no contact "\$\{SECRET\}"/],
    ['no level', 'routes: [{match: {level: [info, "x${SECRET}"]}, to: []}]', /^notify\.yaml:1:26: level: there is no level "…"/],
  ])('a reference to %s is a problem with its place, and never shows the secret', (_name, text, expected) => {
    const { problems } = resolved(text.includes('default') ? text : `${text}\ndefault: {to: []}`);
    const shown = problems.map((problem) => problem.render()).join('\n');
    expect(shown).toMatch(expected);
    expect(shown).not.toContain('hunter2');
    expect(problems).toHaveLength(1);
  });

  it.each([
    '"a@b.org\\r\\nRCPT TO:<evil@x.org>"',
    '"a@b.org\\nBcc: evil@x.org"',
    'a@b.org, evil@x.org',
    'Pharmacy <a@b.org>',
    'a@b.org;c@d.org',
    'a',
    '@b.org',
    'a@',
    'a..b@c.org',
    'a b@c.org',
    'a@-b.org',
    '"${MAIL}@b.org"',
    '42',
    '""',
    `"${'x'.repeat(65)}@b.org"`,
  ])('refuses %s as an address, with its place', (address) => {
    const text = `contacts: {a: {email: ${address.startsWith('"') || address === '42' ? address : JSON.stringify(address)}}}\ndefault: {to: [a]}`;
    expect(rendered(text).join('\n')).toMatch(/^notify\.yaml:1:23: email: /);
  });

  it.each(['a@b.org', 'first.last+tag@sub.example.co.uk', 'root@localhost', 'x_y@münchen.de'])('accepts %s', (address) => {
    expect(rendered(`contacts: {a: {email: "${address}"}}\ndefault: {to: [a]}`)).toEqual([]);
  });
});
