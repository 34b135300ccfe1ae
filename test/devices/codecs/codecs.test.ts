/** Codecs as profiles name them: what becomes of what they say, of one that stalls, of a changed file, and of a file that is wrong. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codecProblems } from '../../../src/devices/codecs/codecs.ts';
import type { Decoder } from '../../../src/devices/decode.ts';
import { loadDirectory } from '../../../src/devices/directory.ts';
import { type Clock, systemClock } from '../../../src/std/clock.ts';
import { decode, decoderOfFolder, RECEIVED_AT, valuesOf } from '../formats/seen.ts';

const FIXTURES = 'test/devices/codecs/fixtures';
const MALFORMED = '../shared/data/malformed/malformed.jsonl';
const UP = 'v3/house@ttn/devices/d1/up';

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-codecs-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    if (existsSync(text)) copyFileSync(text, join(folder, name));
    else writeFileSync(join(folder, name), text);
  }
  return folder;
}

const profile = (decodeAs: string): string =>
  `profile: p\ntopic: ["v3/{application}/devices/{device}/#", "own/{device}"]\ndecode: ${decodeAs}\n`;
const withCodec = (source: string): string =>
  folderWith({ 'profiles/p.yaml': profile('{format: ttn, codec: ../codecs/c.js}'), 'codecs/c.js': source });
const withModule = (source: string): string => folderWith({ 'profiles/p.yaml': profile('{module: ./m.js}'), 'profiles/m.js': source });

const frame = (hex: string, port = 85): object => ({
  received_at: '2026-04-03T07:59:58Z',
  uplink_message: { f_port: port, frm_payload: Buffer.from(hex, 'hex').toString('base64'), rx_metadata: [{ rssi: -80 }] },
});

describe('a decoder in TypeScript', () => {
  const folder = (source: string): string => folderWith({ 'profiles/p.yaml': profile('{module: ./m.ts}'), 'profiles/m.ts': source });

  it('runs without its types, and without a word on stderr', async () => {
    const warnings: unknown[] = [];
    const note = (warning: unknown): void => void warnings.push(warning);
    process.on('warning', note);
    const source =
      'interface In { bytes: number[] }\nexport function decodeUplink(input: In) { return { data: { first: input.bytes[0] as number } }; }';
    const decoder = await decoderOfFolder(folder(source));
    expect(valuesOf(decoder, 'own/d', 'A')).toEqual({ first: 65 });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  it('must be one whose types can be taken out', () => {
    const { problems } = loadDirectory(folder('enum A { b }\nfunction decodeUplink() { return { data: {} }; }'));
    expect(problems.map(({ message }) => message)).toEqual([expect.stringMatching(/^no TypeScript whose types can be taken out: .*enum/)]);
  });
});

describe('inside a format', () => {
  it('reads the frame in the vendors’ form', async () => {
    const decoder = await decoderOfFolder(withCodec(`${FIXTURES}/tlv.js`));
    const values = { battery: 100, temperature: -27.5, humidity: 57.5, co2: 1127, pressure: 1006.3, 'rx_metadata.0.rssi': -80 };
    expect(valuesOf(decoder, UP, frame('017564 0367edfe 046873 057d6704 06734f27'.replaceAll(' ', '')))).toEqual(values);
    // Nothing of the frame before is left, though the codec keeps its values in a variable of its own.
    expect(valuesOf(decoder, UP, frame('017501'))).toEqual({ battery: 1, 'rx_metadata.0.rssi': -80 });
    expect(decode(decoder, UP, frame('7f7f00'))).toBe('codec-error');
    expect(decode(decoder, UP, frame('0367ed'))).toBe('codec-error');
  });

  it('reads the frame in the older form, and refuses a port as the codec does', async () => {
    const decoder = await decoderOfFolder(withCodec(`${FIXTURES}/battery-and-probe.js`));
    const lht = 'cbf60b0d0376010add7fff';
    const values = { BatV: 3.062, Bat_status: 3, TempC_SHT: 28.29, Hum_SHT: 88.6, TempC_DS: 27.81, 'rx_metadata.0.rssi': -80 };
    expect(valuesOf(decoder, UP, frame(lht, 2))).toEqual(values);
    const route = decoder.route(UP);
    if (route === null) throw new Error('no route');
    expect(decoder.decode(route, Buffer.from(JSON.stringify(frame(lht, 42))), RECEIVED_AT)).toMatchObject({
      kind: 'rejected',
      device: 'd1',
      reason: 'codec-error',
      detail: expect.stringContaining('unknown FPort'),
    });
  });

  it.skipIf(!existsSync(MALFORMED))('refuses malformed-091, which came on a port that its codec does not know', async () => {
    const row = readFileSync(MALFORMED, 'utf8')
      .split('\n')
      .find((line) => line.includes('"malformed-091"'));
    const { payloadBase64, fPort }: { payloadBase64: string; fPort: number } = JSON.parse(row ?? '{}');
    const decoder = await decoderOfFolder(withCodec(`${FIXTURES}/battery-and-probe.js`));
    expect(decode(decoder, UP, frame(Buffer.from(payloadBase64, 'base64').toString('hex'), fPort))).toBe('codec-error');
    expect(decode(decoder, UP, frame(Buffer.from(payloadBase64, 'base64').toString('hex'), 2))).not.toBe('codec-error');
  });

  it('takes several readings, each at its time and of its device', async () => {
    const decoder = await decoderOfFolder(
      withCodec(`function decodeUplink() { return {data: [
        {temperature: 20}, {temperature: 19, time: '2026-04-03T07:00:00Z'}, {device: 'beacon-7', rssi: -60}, {device: 8, time: 1775199600}
      ]} }`),
    );
    expect(decode(decoder, UP, frame('00'))).toEqual({
      readings: [
        {
          device: 'd1',
          labels: { application: 'house@ttn' },
          at: '2026-04-03T07:59:58.000Z',
          values: { temperature: 20, 'rx_metadata.0.rssi': -80 },
        },
        { device: 'd1', labels: { application: 'house@ttn' }, at: '2026-04-03T07:00:00.000Z', values: { temperature: 19 } },
        { device: 'beacon-7', labels: { application: 'house@ttn' }, at: '2026-04-03T07:59:58.000Z', values: { rssi: -60 } },
      ],
      refused: [],
    });
  });

  it.each([
    ['{errors: ["low", "lower"], data: {a: 1}}', 'codec-error'],
    ['{errors: [], warnings: ["w"], data: {a: 1}}', { a: 1, 'rx_metadata.0.rssi': -80 }],
    ['{data: null}', { 'rx_metadata.0.rssi': -80 }],
    ['{data: {}}', { 'rx_metadata.0.rssi': -80 }],
    ['{temperature: 5}', 'codec-error'],
    ['{data: 5}', 'codec-error'],
    ['{data: [1]}', 'codec-error'],
    ['[1]', 'codec-error'],
    ['{data: new Array(1001).fill({})}', 'too-many-values'],
    ['JSON.parse(\'{"data": {"__proto__": {"polluted": 1}, "a": 1}}\')', { a: 1, 'rx_metadata.0.rssi': -80 }],
  ])('makes of %s what is in it', async (result, outcome) => {
    const decoder = await decoderOfFolder(withCodec(`function decodeUplink() { return ${result} }`));
    const seen = valuesOf(decoder, UP, frame('00'));
    if (result.includes('__proto__')) expect(seen).not.toBe('codec-error');
    else expect(seen).toEqual(outcome);
    expect(Object.prototype).not.toHaveProperty('polluted');
  });
});

describe('a module', () => {
  it('reads whole messages, whatever they are', async () => {
    const decoder = await decoderOfFolder(
      withModule(`export function decodeUplink({bytes, topic, recvTime, fPort}) {
        const text = String.fromCharCode(...bytes), [temperature, at] = text.split(';');
        return {data: [{temperature: Number(temperature), topic, fPort, receipt: recvTime.getTime(), time: at}]};
      }`),
    );
    expect(decode(decoder, 'own/d1', '21.5;2026-04-03T07:30:00Z')).toMatchObject({
      readings: [
        { device: 'd1', at: '2026-04-03T07:30:00.000Z', values: { temperature: 21.5, topic: 'own/d1', receipt: RECEIVED_AT / 1000 } },
      ],
    });
  });

  it('may name the device where the topic does not', async () => {
    const folder = folderWith({
      'profiles/p.yaml': 'profile: p\ntopic: plant/all\ndecode: {module: ./m.js}\n',
      'profiles/m.js': 'function decodeUplink({bytes}) { return {data: bytes.map((value, index) => ({device: "d" + index, value}))} }',
    });
    const decoder = await decoderOfFolder(folder);
    expect(decode(decoder, 'plant/all', Buffer.of(7, 8))).toMatchObject({
      readings: [
        { device: 'd0', values: { value: 7 } },
        { device: 'd1', values: { value: 8 } },
      ],
    });
  });

  it('is not given more than it can hold', async () => {
    const decoder = await decoderOfFolder(withModule('function decodeUplink({bytes}) { return {data: {n: bytes.length}} }'));
    expect(valuesOf(decoder, 'own/d1', Buffer.alloc(65_536))).toEqual({ n: 65_536 });
    expect(decode(decoder, 'own/d1', Buffer.alloc(65_537))).toBe('too-long');
  });
});

describe('a codec that takes too long', () => {
  it('is suspended for a while, and asked again', async () => {
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
    const decoder = await decoderOfFolder(
      withModule('function decodeUplink({bytes}) { while (bytes[0] === 1) {} return {data: {n: bytes[0]}} }'),
      { clock },
    );
    const send = (byte: number) => valuesOf(decoder, 'own/d1', Buffer.of(byte));
    expect([1, 1, 0, 1].map(send)).toEqual(['codec-timeout', 'codec-timeout', { n: 0 }, 'codec-timeout']);
    expect([0, 1].map(send)).toEqual([{ n: 0 }, 'codec-timeout']);
    const from = performance.now();
    for (let round = 0; round < 1000; round++) expect(send(1)).toBe('codec-suspended');
    expect(performance.now() - from).toBeLessThan(1000);
    expect(send(0)).toBe('codec-suspended');
    aheadMs = 61_000;
    expect(send(0)).toEqual({ n: 0 });
    // One more, and that at once.
    expect([1, 1].map(send)).toEqual(['codec-timeout', 'codec-timeout']);
    expect(send(0)).toBe('codec-suspended');
  });
});

it('a changed file counts from the next configuration on', async () => {
  const folder = withCodec('function decodeUplink() { return {data: {version: 1}} }');
  const version = (decoder: Decoder): unknown => valuesOf(decoder, UP, frame('00'));
  const before = await decoderOfFolder(folder);
  expect(version(before)).toMatchObject({ version: 1 });
  writeFileSync(join(folder, 'codecs/c.js'), 'function decodeUplink() { return {data: {version: 2}} }');
  expect(version(before)).toMatchObject({ version: 1 });
  expect(version(await decoderOfFolder(folder, { before }))).toMatchObject({ version: 2 });
});

describe('what is wrong with', () => {
  const problemsIn = async (files: Readonly<Record<string, string>>): Promise<string[]> => {
    const folder = folderWith(files);
    const { directory, problems } = loadDirectory(folder);
    const all = problems.length > 0 ? problems : await codecProblems(directory.profiles, systemClock);
    return all.map(({ place, message }) => `${place?.replace(`${folder}/`, '')} ${message.replace(folder, '')}`);
  };

  it.each([
    [
      '{format: ttn, codec: ../codecs/none.js}',
      "profiles/p.yaml:3:30 cannot be read: ENOENT: no such file or directory, lstat '/codecs/none.js'",
    ],
    ['{format: ttn, codec: ../../out.js}', 'profiles/p.yaml:3:30 ../../out.js is not in the devices folder'],
    ['{format: ttn, codec: ../codecs/link.js}', 'profiles/p.yaml:3:30 ../codecs/link.js is not in the devices folder'],
    ['{format: ttn, codec: ./c.txt}', 'profiles/p.yaml:3:30 ./c.txt is no .js or .ts file'],
    ['{format: ttn, codec: cayene-lpp}', 'profiles/p.yaml:3:30 codec: no such codec'],
    ['{format: json, codec: cayenne-lpp}', 'profiles/p.yaml:3:31 codec: there are no bytes for a codec inside json'],
    ['{format: tnt}', 'profiles/p.yaml:3:18 format: no such format'],
    ['{codec: cayenne-lpp}', 'profiles/p.yaml:3:9 format is missing'],
    ['{format: ttn, codecs: x}', 'profiles/p.yaml:3:31 codecs: unknown key "codecs"'],
    ['{module: 5}', 'profiles/p.yaml:3:18 module: expected the path of a file'],
    ['module', 'profiles/p.yaml:3:9 decode: no such format'],
  ])('decode: %s', async (decodeAs, problem) => {
    const folder = folderWith({ 'profiles/p.yaml': profile(decodeAs), 'codecs/c.js': '' });
    symlinkSync(join(process.cwd(), FIXTURES, 'tlv.js'), join(folder, 'codecs/link.js'));
    const [first] = loadDirectory(folder).problems.map(
      ({ place, message }) => `${place?.replace(`${folder}/`, '')} ${message.replaceAll(folder, '')}`,
    );
    expect(first).toContain(problem);
  });

  it('its text is told with file, line and column, all at once', async () => {
    const files = {
      'profiles/a.yaml': 'profile: a\ndecode: {format: ttn, codec: ../codecs/a.js}\n',
      'profiles/b.yaml': 'profile: b\ndecode: {module: ../codecs/b.js}\n',
      'profiles/c.yaml': 'profile: c\ndecode: {format: chirpstack, codec: ../codecs/a.js}\n',
      'codecs/a.js': 'function decodeUplink() {\n  return {data: }\n}',
      'codecs/b.js': 'import fs from "fs";\nfunction decodeUplink() {}',
    };
    expect(await problemsIn(files)).toEqual([
      "codecs/a.js:2:17 SyntaxError: unexpected token in expression: '}'",
      "codecs/b.js:1:8 SyntaxError: expecting '('",
    ]);
  });
});
