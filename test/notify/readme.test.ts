// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested
/** What config/README.md and the comments of the shipped notify.yaml show of who is told, is valid, and means what they say. */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { substitute } from '../../src/config/substitute.ts';
import { parseNotify, type Resolve } from '../../src/notify/config.ts';
import { GROUPING, LIMITS, STORM } from '../../src/notify/notify-config.ts';

const README = readFileSync('config/README.md', 'utf8');
const SHIPPED = readFileSync('config/notify.yaml', 'utf8');
/** Which other tests run; the first word of a block says what it is. */
const TESTED_ELSEWHERE = ['rules', 'tests', 'devices', 'mqtt'];
const NOTIFY_KEYS = ['contacts', 'routes', 'schedules', 'inhibitions'];

const env = { SLACK_URL: 'https://hooks.slack.com/services/T/B/x', HOOK_SECRET: 'a-secret-of-some-length' };
const resolve: Resolve = (data, problem) => substitute(data, { env, folder: '.' }, problem);

const blocks = [...README.matchAll(/```yaml\n((\w+):.*?)```/gs)].map(([, text = '', key = '']) => ({ text, key }));
const examples = blocks.filter(({ key }) => NOTIFY_KEYS.includes(key)).map(({ text }) => text);

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null;
function mapping(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = parse(text);
  if (!isMapping(value)) throw new Error(`this example is no mapping: ${text}`);
  return value;
}

describe('the examples of config/README.md', () => {
  it('are all run by some test', () => {
    expect(README.match(/```yaml/g)).toHaveLength(blocks.length);
    expect(blocks.filter(({ key }) => ![...TESTED_ELSEWHERE, ...NOTIFY_KEYS].includes(key))).toEqual([]);
    expect(examples.length).toBeGreaterThanOrEqual(5);
  });

  const all = examples.map(mapping);
  const contacts = Object.assign({}, ...all.map((example) => example.contacts));
  const schedules = all.flatMap((example) => example.schedules ?? []);
  it.each(examples)('of who is told are valid, with the contacts and schedules of the others: %#', (text) => {
    const whole = { default: { to: [] }, ...mapping(text), contacts, schedules };
    const { problems } = parseNotify({ path: 'README', text: stringify(whole), resolve });
    expect(problems.map((problem) => problem.render())).toEqual([]);
  });

  it('say what counts when a key is left out', () => {
    const { config } = parseNotify({ path: 'README', text: 'default: {to: []}' });
    expect(config.default).toEqual({ ...GROUPING, to: [] });
    for (const row of [
      '`[rule, device]`: each on its own |',
      '| critical `0s`, others `30s` |',
      '| `5m` |',
      '| `4h` |',
      'storm: {after: 20, in: 1m}\n',
      'limits: {perHour: 60}\n',
    ])
      expect(README).toContain(row);
    expect({ grouping: GROUPING, storm: config.storm, limits: config.limits }).toMatchObject({
      grouping: {
        groupBy: ['rule', 'device'],
        groupWaitMs: { critical: 0, warning: 30_000, info: 30_000 },
        groupIntervalMs: 300_000,
        repeatIntervalMs: 14_400_000,
      },
      storm: { after: 20, inMs: 60_000 },
      limits: { perHour: 60 },
    });
  });

  it('show how a signature is checked', () => {
    const code = README.slice(README.indexOf('    import { createHmac, timingSafeEqual }'), README.indexOf('## Applying a change'));
    const body = code.split('\n').slice(1).join('\n');
    const isOurs: unknown = new Function('createHmac', 'timingSafeEqual', 'secret', 'request', 'body', `${body}\nreturn isOurs;`);
    if (typeof isOurs !== 'function') throw new Error('no function');
    const signature = `v1=${createHmac('sha256', 's3cret').update('17.{"a":1}').digest('hex')}`;
    const check = (given: string | undefined, content: string): unknown =>
      isOurs(
        createHmac,
        (a: Buffer, b: Buffer) => a.equals(b),
        's3cret',
        { headers: { 'x-tocsin-timestamp': '17', 'x-tocsin-signature': given } },
        content,
      );
    expect([check(signature, '{"a":1}'), check(signature, '{"a":2}'), check(undefined, '{"a":1}')]).toEqual([true, false, false]);
  });
});

describe('the shipped notify.yaml', () => {
  it('is valid with what it shows in comments', () => {
    const uncommented = SHIPPED.replace(/^# ( {2}\S.*)$/gm, '$1').replace(/^(\w+): \[\]$/gm, '$1:');
    const { config, problems } = parseNotify({ path: 'notify.yaml', text: uncommented, resolve });
    expect(problems.map((problem) => problem.render())).toEqual([]);
    expect({ ...config, contacts: config.contacts.map(({ id }) => id), schedules: config.schedules.map(({ id }) => id) }).toMatchObject({
      contacts: ['pharmacy', 'anna', 'ben', 'on-call', 'desk'],
      schedules: ['office-hours', 'quiet'],
      routes: [{ groupBy: ['rule'] }, { continue: true }, { muted: 'quiet' }],
      inhibitions: [{ equal: ['labels.site'] }],
      escalations: [{ loop: true }],
    });
  });

  it('says what counts when storm and limits are left out', () => {
    const { config } = parseNotify({ path: 'notify.yaml', text: SHIPPED });
    expect({ storm: config.storm, limits: config.limits }).toEqual({ storm: STORM, limits: LIMITS });
  });
});
