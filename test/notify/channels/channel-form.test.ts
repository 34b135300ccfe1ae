// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested
/** Channels as people write them: what is taken, and what is said of what is not. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Channel } from '../../../src/domain/notification.ts';
import { CHANNEL_JSON, parseChannel } from '../../../src/notify/channels/channel-form.ts';
import { problemsOf } from '../../../src/std/form.ts';

const folder = mkdtempSync(join(tmpdir(), 'tocsin-form-'));
writeFileSync(join(folder, 'my-channel.ts'), '');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function parse(value: unknown): { channel: Channel | null; problems: string[] } {
  const form = z.unknown().transform((given, context) => parseChannel(given, context, ['at'], folder));
  const parsed = form.safeParse(value);
  if (parsed.success) return { channel: parsed.data, problems: [] };
  const problems = problemsOf(parsed.error, { at: value }, (at) => at.join('.'));
  return { channel: null, problems: problems.map((problem) => problem.render()) };
}
const fits = new Ajv2020({ strict: false }).compile(CHANNEL_JSON);

const url = 'https://hooks.example.org:8443/in/abc?x=y';
const posted = { url, allowPrivate: false, address: 'hooks.example.org:8443' };
const GOOD: [unknown, Channel][] = [
  [{ email: 'a@b.org' }, { kind: 'email', address: 'a@b.org' }],
  [{ webhook: url }, { kind: 'webhook', ...posted, secret: null }],
  [
    { webhook: url, secret: 'longenough', allowPrivate: 'true' },
    { kind: 'webhook', ...posted, secret: 'longenough', allowPrivate: true },
  ],
  [{ slack: url }, { kind: 'slack', ...posted }],
  [
    { teams: url, allowPrivate: false },
    { kind: 'teams', ...posted },
  ],
  [
    { ntfy: 'https://ntfy.sh/my-topic', token: 'tk_1' },
    { kind: 'ntfy', address: 'ntfy.sh/my-topic', url: 'https://ntfy.sh/my-topic', token: 'tk_1', allowPrivate: false },
  ],
  [
    { ntfy: 'http://192.168.1.5/push/t', allowPrivate: true },
    { kind: 'ntfy', address: '192.168.1.5/t', url: 'http://192.168.1.5/push/t', token: null, allowPrivate: true },
  ],
  [{ mqtt: 'tocsin/messages/night' }, { kind: 'mqtt', address: 'tocsin/messages/night', retain: false }],
  [
    { mqtt: 'tocsin/alerts-by-night', retain: true },
    { kind: 'mqtt', address: 'tocsin/alerts-by-night', retain: true },
  ],
  [{ module: './my-channel.ts' }, { kind: 'module', address: './my-channel.ts', path: join(folder, 'my-channel.ts'), options: {} }],
  [
    { module: 'my-channel.ts', options: { a: [1] } },
    { kind: 'module', address: 'my-channel.ts', path: join(folder, 'my-channel.ts'), options: { a: [1] } },
  ],
];

describe('a channel', () => {
  it.each(GOOD)('is taken, by editors too: %j', (written, expected) => {
    expect(parse(written)).toEqual({ channel: expected, problems: [] });
    expect(fits(written)).toBe(true);
  });

  it.each<[unknown, string | RegExp]>([
    ['a@b.org', /^at: at: expected a channel\nhint: write \{email: name@example\.org\}; or one of webhook, slack/],
    [[], /expected a channel/],
    [null, /expected a channel/],
    [{}, /expected a channel/],
    [{ webhok: url }, 'at.webhok: webhok: unknown key\nhint: did you mean webhook?'],
    [{ pager: '1' }, /expected a channel/],
    [{ email: 'a@b.org', slack: url }, 'at.slack: slack: email and slack are two channels\nhint: write two: [{email: …}, {slack: …}]'],
    [{ email: 'a' }, /^at\.email: email: "a" is no e-mail address/],
    [{ webhook: url, secrte: 'x' }, 'at.secrte: secrte: unknown key\nhint: did you mean secret?'],
    [{ slack: url, token: 'x' }, 'at.token: token: unknown key\nhint: known here: slack, allowPrivate'],
    [{ webhook: 5 }, 'at.webhook: webhook: expected a URL\nhint: write it like https://hooks.example.org/tocsin'],
    [{ webhook: 'ftp://x.org/' }, /begins with neither https:\/\/ nor http:\/\//],
    [{ webhook: '${HOOK}' }, /holds a variable that was not replaced/],
    [{ webhook: url, secret: 5 }, 'at.secret: secret: expected text\nhint: put it in quotes'],
    [{ webhook: url, secret: 'short' }, /expected at least 8 characters\nhint: make one with: openssl rand -hex 32/],
    [{ webhook: url, allowPrivate: 'yes' }, 'at.allowPrivate: allowPrivate: expected true or false'],
    [{ slack: 'http://127.0.0.1/x' }, /leads to an address of this machine or of a private network\nhint: write allowPrivate: true/],
    [{ teams: 'http://localhost:8080/x' }, /leads to an address of this machine/],
    [{ ntfy: 'http://0x7f.1/topic' }, /leads to an address of this machine/],
    [{ webhook: 'http://[::ffff:10.0.0.1]/' }, /leads to an address of this machine/],
    [{ ntfy: 'https://ntfy.sh' }, /does not end with a topic\nhint: write it like https:\/\/ntfy\.sh\/my-topic/],
    [{ ntfy: 'https://ntfy.sh/a.b' }, /does not end with a topic/],
    [{ ntfy: 'https://ntfy.sh/a?b=c' }, /does not end with a topic/],
    [{ mqtt: '' }, /expected an MQTT topic/],
    [{ mqtt: 'home/messages' }, /is not below tocsin\//],
    [{ mqtt: 'tocsin/' }, /is not below tocsin\//],
    [{ mqtt: 'tocsin/alerts/x' }, /tocsin\/alerts is where Tocsin publishes other things/],
    [{ mqtt: 'tocsin/alerts' }, /publishes other things/],
    [{ mqtt: 'tocsin/status' }, /publishes other things/],
    [{ mqtt: 'tocsin/messages/+' }, /holds a \+ or a #/],
    [{ mqtt: 'tocsin/\u0000' }, /control character/],
    [{ mqtt: `tocsin/${'x'.repeat(300)}` }, /longer than 200 characters/],
    [{ mqtt: 'tocsin/x', retain: 1 }, /retain: expected true or false/],
    [
      { module: './my-chanel.ts' },
      /there is no file ".*my-chanel\.ts"\nhint: write the path of a file, relative to the folder of notify\.yaml/,
    ],
    [{ module: './my-channel.py' }, /ends with one of \.ts \.mts \.js \.mjs/],
    [{ module: './my-channel.ts', options: [] }, /options: expected a mapping/],
  ])('is refused with its place and what to do: %j', (written, expected) => {
    const { channel, problems } = parse(written);
    expect(channel).toBeNull();
    expect(problems).toHaveLength(1);
    if (typeof expected === 'string') expect(problems).toEqual([expected]);
    else expect(problems[0]).toMatch(expected);
  });

  it.each<[unknown]>([
    [{ webhook: 'https://x.org/ s3cret' }],
    [{ webhook: 's3cret' }],
    [{ slack: 'gopher://x.org/s3cret' }],
    [{ slack: 'http://10.0.0.1/s3cret' }],
    [{ ntfy: 'https://ntfy.sh/s3cret.s3cret' }],
    [{ webhook: url, secret: 's3cret' }],
    [{ webhook: url, secret: 's3cret-of-some-length\n' }],
    [{ ntfy: 'https://ntfy.sh/a', token: ['s3cret'] }],
    [{ ntfy: 'https://ntfy.sh/a', token: 's3cret\r\nX-Evil: 1' }],
    [{ module: './my-channel.ts', options: 's3cret' }],
  ])('never repeats what may be a secret: %j', (written) => {
    const { problems } = parse(written);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join('\n')).not.toContain('s3cret');
  });

  it.each([
    { webhook: url, email: 'a@b.org' },
    { slack: 'hooks.slack.com/x' },
    { mqtt: 'tocsin/alerts/x' },
    { mqtt: 'x/y' },
    { module: './x.py' },
    {},
  ])('is refused by editors too: %j', (written) => expect(fits(written)).toBe(false));

  it('goes to another thread as it is', () => {
    for (const [written] of GOOD) expect(structuredClone(parse(written).channel)).toEqual(parse(written).channel);
  });
});
