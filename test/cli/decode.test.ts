/** `tocsin decode`: what it says of a message, and how the command is asked and ends. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderMessage } from '../../src/cli/decode-text.ts';
import { Decoding, type ExplainedMessage } from '../../src/cli/decoding.ts';
import { BUILT_IN_ONLY } from '../../src/devices/codecs/codecs.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import { remedyFor } from '../../src/devices/remedy.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import { tocsin } from '../main/command.ts';

const NOW = Date.parse('2026-03-01T00:00:00Z') * 1000;
const FRIDGE = `
profile: fridge
topic: "fridges/{site}/{device}"
time: ts
metrics:
  temperature: {path: t, unit: °C, range: [-40, 60]}
`;

function directoryOf(profiles: readonly string[], more: Partial<DeviceDirectory> = {}): DeviceDirectory {
  const parsed = profiles.map((text) => {
    const { parsed: result, problems } = parseProfile({ path: 'p', text });
    if (result === null) throw new Error(problems.map((problem) => problem.render()).join('\n'));
    return result.profile;
  });
  return { profiles: parsed, fleet: [], groups: [], unknown: 'accept', ...more };
}

const decodingOf = (directory: DeviceDirectory): Decoding => new Decoding(directory, BUILT_IN_ONLY);
const explain = (decoding: Decoding, topic: string, payload: string): ExplainedMessage =>
  decoding.explain({ topic, payload: Buffer.from(payload), receivedAt: NOW, client: null });

describe('a message explained', () => {
  const decoding = decodingOf(directoryOf([FRIDGE]));

  it('names template, format, profile, device and labels, the time and whose it is, and each value with its unit', () => {
    expect(explain(decoding, 'fridges/berlin/f1', '{"ts":"2026-02-28T23:59:00Z","t":4.5,"door":true}')).toEqual({
      topic: 'fridges/berlin/f1',
      outcome: 'readings',
      route: { template: 'fridges/{site}/{device}', format: 'json', profile: 'fridge', device: 'f1' },
      detail: null,
      hint: null,
      readings: [
        {
          device: 'f1',
          profile: 'fridge',
          labels: { site: 'berlin' },
          at: NOW - 60_000_000,
          clock: 'the device’s own time',
          values: [
            { metric: 'temperature', value: 4.5, unit: '°C' },
            { metric: 'door', value: true, unit: null },
          ],
        },
      ],
      rejected: [],
      learned: [],
    });
  });

  it.each<[string, string, string, RegExp]>([
    ['a time that is not believed', 'fridges/b/f', '{"ts":"2020-01-01T00:00:00Z","t":1}', /beyond maxPast \(30d\) and maxFuture \(5m\)/],
    ['no time under its path', 'fridges/b/f', '{"t":1}', /there is none under ts/],
    ['nothing that names a time', 'sensors/s/telemetry', '{"t":1}', /nothing names a time/],
  ])('says why the time of receipt counts: %s', (_, topic, payload, reason) => {
    const [reading] = explain(decodingOf(directoryOf([FRIDGE])), topic, payload).readings;
    expect(reading?.at).toBe(NOW);
    expect(reading?.clock).toMatch(reason);
  });

  it('says that the profile wants the time of receipt', () => {
    const server = decodingOf(directoryOf([`${FRIDGE}clock: server\n`]));
    expect(explain(server, 'fridges/b/f', '{"ts":"2026-02-28T23:59:00Z","t":1}').readings[0]?.clock).toBe(
      'the time of receipt: clock: server',
    );
  });

  it('says what is rejected beside what is accepted, and what to do about it', () => {
    const explained = explain(decoding, 'fridges/berlin/f1', '{"t":99,"door":false}');
    expect(explained.readings[0]?.values.map(({ metric }) => metric)).toEqual(['door']);
    expect(explained.rejected).toEqual([
      { reason: 'out-of-range', detail: 'temperature is 99, outside -40 to 60', remedy: expect.stringContaining('range:') },
    ]);
  });

  it('tells nothing to keep from a rejection, and from a device that is turned away', () => {
    expect(explain(decoding, 'fridges/berlin/f1', '{"t":null}')).toMatchObject({ outcome: 'nothing', detail: 'no value in it' });
    expect(explain(decoding, 'fridges/berlin/f1', '{"t"')).toMatchObject({ outcome: 'rejected', rejected: [{ reason: 'invalid-json' }] });
    const strict = decodingOf(directoryOf([FRIDGE], { unknown: 'reject' }));
    expect(explain(strict, 'fridges/berlin/f1', '{"t":1}')).toMatchObject({
      outcome: 'refused',
      route: null,
      detail: 'f1 is not in the fleet file',
      hint: expect.stringContaining('fleet.yaml'),
    });
  });

  it.each<[string, string, RegExp]>([
    ['names the topic that is meant', 'fridge/berlin/f1', /^fridges\/\{site\}\/\{device\} would match/],
    ['which differs in one level', 'sensor/f1/telemetry', /^sensors\/\{device\}\/telemetry would match/],
    ['or lacks one', 'fridges/f1', /^fridges\/\{site\}\/\{device\} would match/],
    ['and no other', 'a/b/c/d/e', /^add the topic to a profile/],
  ])('of a topic on which no sensor speaks %s', (_, topic, hint) => {
    const explained = explain(decoding, topic, '1');
    expect(explained).toMatchObject({ outcome: 'no-sensor', route: null, readings: [] });
    expect(explained.hint).toMatch(hint);
  });

  it('goes on with what a message before it has taught', () => {
    const learning = decodingOf(directoryOf([]));
    const config = { state_topic: 'kitchen/state', unit_of_measurement: '°C', value_template: '{{ value_json.t }}', device: { ids: 'k1' } };
    const { outcome, learned } = explain(learning, 'homeassistant/sensor/k/config', JSON.stringify(config));
    expect(outcome).toBe('nothing');
    expect(learned).toContainEqual({ about: 'the topic kitchen/state', value: expect.anything() });
    expect(explain(learning, 'kitchen/state', '{"t":21.5}')).toMatchObject({
      route: { template: null, format: 'homeassistant', device: null },
      readings: [{ device: 'k1', values: [{ metric: 't', value: 21.5, unit: '°C' }] }],
    });
  });

  it('keeps two readings of one instant apart, as the ingest does', () => {
    const times = explain(decoding, 'sensors/burst/telemetry', '[{"a":1},{"a":2}]').readings.map(({ at }) => at);
    expect(times).toEqual([NOW, NOW + 1]);
  });
});

describe('as text', () => {
  it('is safe for a terminal, whatever the message holds', () => {
    const text = renderMessage(explain(decodingOf(directoryOf([])), 'sensors/d/note', 'red \u001b[31m alert\u0007'));
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(text).toContain('red �[31m alert�');
  });

  it('lays out what was found', () => {
    const text = renderMessage(explain(decodingOf(directoryOf([FRIDGE])), 'fridges/berlin/f1', '{"ts":1772323140,"t":99,"door":true}'));
    expect(text).toBe(`fridges/berlin/f1
  matched  fridges/{site}/{device}
  format   json
  profile  fridge
  device   f1
  reading of f1 (profile fridge; site=berlin)
    at 2026-02-28T23:59:00.000000Z, the device’s own time
    door  true  boolean
  rejected out-of-range: temperature is 99, outside -40 to 60
    hint: ${remedyFor('out-of-range')}
`);
  });
});

describe('tocsin decode', { timeout: 60_000 }, () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tocsin-decode-'));
    const files = {
      // Rules and notify are not its concern: they may be missing.
      'config/tocsin.yaml': 'devices: ../devices\n',
      'devices/profiles/fridge.yaml': FRIDGE,
      'lines.jsonl': `${JSON.stringify({ topic: 'fridges/b/f1', payload: '{"t":1}', at: '2026-03-01T00:00:00Z', retain: true })}\n\n${JSON.stringify({ topic: 'fridges/b/f2', payloadBase64: Buffer.from('{"t":2}').toString('base64') })}\n`,
      'broken.jsonl': '{"topic":"a"}\n{"payload":"b"}\n',
    };
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const decode = (args: readonly string[], stdin?: string | Uint8Array) =>
    tocsin(['decode', ...args], { cwd: folder, ...(stdin !== undefined && { stdin }) });

  it('takes the payload from an option, as text, hex or base64, and from stdin as it is', async () => {
    const topic = ['--topic', 'fridges/b/f1', '--json', '--at', '2026-03-01T00:00:00Z'];
    const hex = Buffer.from('{"t":4.5}').toString('hex');
    const ended = await Promise.all([
      decode([...topic, '--payload', '{"t":4.5}']),
      decode([...topic, '--hex', '--payload', hex]),
      decode([...topic, '--base64'], `${Buffer.from('{"t":4.5}').toString('base64')}\n`),
      decode(topic, '{"t":4.5}'),
    ]);
    expect(new Set(ended.map(({ stdout }) => stdout)).size).toBe(1);
    expect(ended[0]).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(ended[0]?.stdout ?? '')).toMatchObject({
      readings: [{ at: '2026-03-01T00:00:00.000000Z', values: [{ metric: 'temperature', value: 4.5, unit: '°C' }] }],
    });
    const { status, stdout } = await decode(['--topic', 'fridges/b/f1'], Buffer.from([0xff, 0xfe, 0x00]));
    expect({ status, stdout }).toEqual({ status: 1, stdout: expect.stringContaining('rejected invalid-utf8') });
  });

  it('decodes several in order: pairs, a file and lines on stdin', async () => {
    const pairs = await decode(['--topic', 'sensors/a/x', '--payload', '-5', '--topic', 'sensors/b/x', '--payload', '6']);
    expect(pairs).toMatchObject({ status: 0, stdout: expect.stringMatching(/x {2}-5[\s\S]*\n\nsensors\/b\/x\n[\s\S]*x {2}6/) });
    const { status, stdout } = await decode(['--file', 'lines.jsonl', '--json']);
    const readings = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).readings[0]);
    expect({ status, readings }).toMatchObject({
      status: 0,
      readings: [{ device: 'f1', at: '2026-03-01T00:00:00.000000Z' }, { device: 'f2' }],
    });
    expect((await decode(['--lines'], '{"topic":"nobody/here","payload":"1"}\n')).status).toBe(1);
  });

  it.each<[string, readonly string[], string]>([
    ['no message', [], 'which message?'],
    ['two ways to write a payload', ['--topic', 'a', '--hex', '--base64'], 'exclude each other'],
    ['a topic without its payload', ['--topic', 'a', '--topic', 'b', '--payload', '1'], 'each topic needs its payload'],
    ['what is not hex', ['--topic', 'a', '--hex', '--payload', 'zz'], 'is not written in hex'],
    ['no time', ['--topic', 'a', '--payload', '1', '--at', 'noon'], '--at noon'],
  ])('ends with 2 on wrong usage: %s', async (_, args, problem) => {
    expect(await decode(args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(problem) });
  });

  it('names the line of a file that is no message', async () => {
    expect(await decode(['--file', 'broken.jsonl'])).toMatchObject({ status: 1, stderr: expect.stringContaining('broken.jsonl:2: topic') });
    expect(await decode(['--file', 'missing.jsonl'])).toMatchObject({ status: 1, stderr: expect.stringContaining('missing.jsonl') });
  });
});
