import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DecoderLimits } from '../../src/devices/bounds.ts';
import { createDecoder, type Decoded, type Decoder } from '../../src/devices/decode.ts';
import { parseProfile } from '../../src/devices/profile.ts';
import type { DeviceDirectory, FleetDevice } from '../../src/domain/device.ts';
import { FLAG_CLOCK_SKEW, FLAG_DEVICE_TIME, type Value } from '../../src/domain/reading.ts';

const NOW = Date.parse('2026-03-01T00:00:00Z') * 1000;
const LIMITS: DecoderLimits = { devices: 1000, metricsPerDevice: 100 };

function decoderWith(profiles: readonly string[], directory: Partial<DeviceDirectory> = {}, limits = LIMITS, before?: Decoder): Decoder {
  const parsed = profiles.map((text) => {
    const result = parseProfile({ path: 'p', text });
    if (result.parsed === null) throw new Error(result.problems.map((problem) => problem.render()).join('\n'));
    return result.parsed.profile;
  });
  return createDecoder({ profiles: parsed, fleet: [], groups: [], unknown: 'accept', ...directory }, limits, before);
}

function decode(decoder: Decoder, topic: string, payload: string | Uint8Array, receivedAt = NOW): Decoded {
  const route = decoder.route(topic);
  if (route === null) throw new Error(`${topic} is no sensor's topic`);
  return decoder.decode(route, typeof payload === 'string' ? Buffer.from(payload) : payload, receivedAt);
}

/** One reading's values by name, or the kind and reason. */
function valuesOf(decoded: Decoded): unknown {
  if (decoded.kind === 'rejected') return decoded.reason;
  if (decoded.kind !== 'readings') return decoded.kind;
  const values = decoded.readings.map(({ metrics, values }) => Object.fromEntries(metrics.map((name, index) => [name, values[index]])));
  return values.length === 1 ? values[0] : values;
}

const reasonsOf = (decoded: Decoded): string[] => (decoded.kind === 'readings' ? decoded.rejected.map(({ reason }) => reason) : []);

const listed = (id: string, more: Partial<FleetDevice> = {}): FleetDevice => ({
  id,
  profile: null,
  labels: {},
  limits: {},
  dependsOn: null,
  ...more,
});

describe('without a profile, a JSON object', () => {
  const decoder = decoderWith([]);
  it.each<[string, string, unknown]>([
    [
      'gives every value its dotted name',
      '{"temperature":21.5,"AM2301":{"Temperature":3,"x":{"y":true}}}',
      { temperature: 21.5, 'AM2301.Temperature': 3, 'AM2301.x.y': true },
    ],
    ['numbers lists', '{"a":[1,{"b":2},"x"]}', { 'a.0': 1, 'a.1.b': 2, 'a.2': 'x' }],
    ['reads decimal text as a number', '{"a":"100.00","b":"-3","c":"0.5"}', { a: 100, b: -3, c: 0.5 }],
    [
      'leaves text what could be an identifier',
      '{"a":"3E10","b":"007","c":"0x10","d":"2882429806056571124","e":"1,000","f":"+4"}',
      { a: '3E10', b: '007', c: '0x10', d: '2882429806056571124', e: '1,000', f: '+4' },
    ],
    [
      'keeps integers beyond 2^53 digit for digit',
      '{"id":2882429806056571124,"x":1.5,"n":[-9223372036854775808]}',
      { id: '2882429806056571124', x: 1.5, 'n.0': '-9223372036854775808' },
    ],
    ['keeps large numbers that are no integers', '{"a":1e300,"b":-1.5e200}', { a: 1e300, b: -1.5e200 }],
    ['finds no reading in null and its words', '{"a":null,"b":"unavailable","c":"NaN","d":"None","e":"unknown","f":"","g":1}', { g: 1 }],
    ['reads bare nan as no reading', '{"a": nan, "b":-NaN,"c":[inf,Infinity],"d":"nan, nan","e":1}', { d: 'nan, nan', e: 1 }],
    ['makes "true" a boolean, as the scalar is', '{"a":"true","b":false}', { a: true, b: false }],
    ['takes the last of two equal names', '{"a.b":1,"a":{"b":2,"c":3}}', { 'a.b': 2, 'a.c': 3 }],
    ['may call a metric constructor', '{"constructor":1,"toString":{"x":2}}', { constructor: 1, 'toString.x': 2 }],
    ['may begin with a byte order mark', '\ufeff{"a":1}', { a: 1 }],
    ['of no value is a sign of life', '{}', 'ignored'],
    ['of nulls is a sign of life', '{"a":null,"b":{}}', 'ignored'],
    ['that is null is a sign of life', 'null', 'ignored'],
    ['that is empty is a sign of life', '', 'ignored'],
    ['cut short is rejected', '{"a":1,"b":', 'invalid-json'],
    ['with a trailing comma is rejected', '{"a":1,}', 'invalid-json'],
    ['of Python is rejected', "{'a': 1}", 'invalid-json'],
    ['that is a number is rejected', '12', 'not-an-object'],
    ['that is a word is rejected', 'offline', 'invalid-json'],
    ['that is a list of numbers is rejected', '[1,2]', 'not-an-object'],
    ['that is a list of objects gives a reading each', '[{"a":1},{"a":2}]', [{ a: 1 }, { a: 2 }]],
    ['nested too deep is rejected', `${'{"a":'.repeat(17)}1${'}'.repeat(17)}`, 'too-deep'],
    ['nested absurdly deep is rejected', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'not-an-object'],
    [
      'nested absurdly deep beside a large integer is rejected',
      `[{"id":2882429806056571124},{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}]`,
      'too-deep',
    ],
    ['of too many values is rejected', JSON.stringify({ a: Array.from({ length: 1001 }, (_, index) => index) }), 'too-many-values'],
    ['of too many readings is rejected', JSON.stringify(Array.from({ length: 1001 }, () => ({ a: 1 }))), 'too-many-values'],
  ])('%s', (_name, payload, expected) => {
    expect(valuesOf(decode(decoderWith([], {}, { devices: 0, metricsPerDevice: 0 }), 'sensors/d/telemetry', payload))).toEqual(expected);
  });

  it('drops a name that is none, and only it', () => {
    const decoded = decode(
      decoder,
      'sensors/d/telemetry',
      JSON.stringify({ a: 1, ['x'.repeat(201)]: 2, 'b\nc': 3 }).replace('{', '{"__proto__":{"polluted":1},"":5,'),
    );
    expect(valuesOf(decoded)).toEqual({ a: 1 });
    expect(reasonsOf(decoded)).toEqual(['invalid-metric']);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('drops a text that is too long, and only it', () => {
    const decoded = decode(decoder, 'sensors/d/telemetry', JSON.stringify({ a: 1, b: 'x'.repeat(9000) }));
    expect(valuesOf(decoded)).toEqual({ a: 1 });
    expect(decoded).toMatchObject({ rejected: [{ reason: 'too-long', detail: 'b: a text of 9000 characters; at most 8192 are kept' }] });
  });

  it('that is no UTF-8 is rejected; the replacement character itself is text', () => {
    expect(valuesOf(decode(decoder, 'sensors/d/telemetry', Buffer.from([0x7b, 0xff, 0x7d])))).toBe('invalid-utf8');
    expect(valuesOf(decode(decoder, 'sensors/d/telemetry', '{"a":"\ufffd"}'))).toEqual({ a: '\ufffd' });
  });

  it('may come as any view of bytes', () => {
    const bytes = new Uint8Array(Buffer.from('xx{"a":1}xx')).subarray(2, 9);
    expect(valuesOf(decode(decoder, 'sensors/d/telemetry', bytes))).toEqual({ a: 1 });
  });

  it('puts no lone surrogate into a text', () => {
    expect(valuesOf(decode(decoder, 'sensors/d/telemetry', '{"a":"\\ud800x"}'))).toEqual({ a: '\ufffdx' });
  });
});

describe('without a profile, a scalar', () => {
  const decoder = decoderWith([]);
  it.each<[string, unknown]>([
    ['21.5', { m: 21.5 }],
    [' -3\n', { m: -3 }],
    ['+.5e1', { m: 5 }],
    ['20', { m: 20 }],
    ['true', { m: true }],
    ['false', { m: false }],
    ['OFF', { m: 'OFF' }],
    ['1,000', { m: '1,000' }],
    ['0x1F', { m: '0x1F' }],
    ['12 °C', { m: '12 °C' }],
    ['2882429806056571124', { m: '2882429806056571124' }],
    ['nan', 'ignored'],
    ['NaN', 'ignored'],
    ['-inf', 'ignored'],
    ['null', 'ignored'],
    ['unavailable', 'ignored'],
    ['Unknown', 'ignored'],
    ['None', 'ignored'],
    ['  ', 'ignored'],
    ['1e999', 'not-a-number'],
    ['{"a":{"b":1}}', { 'm.a.b': 1 }],
    ['[1,2]', { 'm.0': 1, 'm.1': 2 }],
    ['{"a":', 'invalid-json'],
  ])('%j', (payload, expected) => {
    expect(valuesOf(decode(decoder, 'sensors/d/m', payload))).toEqual(expected);
  });
});

describe('a profile', () => {
  const fridge = `
profile: fridge
topic: "f/{site}/{device}"
time: ts
metrics:
  temperature: {path: t.c, range: [-40, 60], absent: [85, -127, "err"], scale: 0.5, offset: 1}
  door: {type: boolean}
  state: {type: text}
`;
  const decoder = decoderWith([fridge]);
  const topic = 'f/berlin/d1';

  it.each<[string, unknown, unknown, string[]]>([
    ['scales, types and names', { t: { c: 10 }, door: 'ON', state: 5 }, { temperature: 6, door: true, state: '5' }, []],
    ['finds a path written as one key', { 't.c': 10 }, { temperature: 6 }, []],
    ['reads numbers in text', { t: { c: ' 1e1 ' }, door: 0 }, { temperature: 6, door: false }, []],
    ['keeps an identifier as text', { state: 'x' }, { state: 'x' }, []],
    ['drops what is out of range', { t: { c: 500 }, door: true }, { door: true }, ['out-of-range']],
    ['drops what is of the wrong type', { t: { c: true }, door: 'ajar', state: 'x' }, { state: 'x' }, ['wrong-type']],
    ['drops what is no number', { t: { c: "12'" }, door: true }, { door: true }, ['not-a-number']],
    ['drops an object where a value belongs', { t: { c: {} }, door: true }, { door: true }, ['wrong-type']],
    ['finds no reading in absent values', { t: { c: 85 }, door: true }, { door: true }, []],
    ['finds no reading in absent values written as text', { t: { c: '-127' }, door: true }, { door: true }, []],
    ['finds no reading in absent words', { t: { c: 'err' }, door: 'unavailable', state: null }, 'ignored', []],
    ['takes a message of nothing for a sign of life', {}, 'ignored', []],
    [
      'keeps what it does not list, under its dotted path',
      { t: { c: 10, f: 50 }, rssi: -60 },
      { temperature: 6, 't.f': 50, rssi: -60 },
      [],
    ],
    ['rejects a message whose every value is wrong', { t: { c: 500 }, door: 'ajar' }, 'out-of-range', []],
    [
      'is not fooled by what objects inherit',
      JSON.parse('{"t":{"c":10},"__proto__":{"door":true}}'),
      { temperature: 6 },
      ['invalid-metric'],
    ],
  ])('%s', (_name, payload, expected, reasons) => {
    const decoded = decode(decoder, topic, JSON.stringify(payload));
    expect(valuesOf(decoded)).toEqual(expected);
    expect(reasonsOf(decoded)).toEqual(reasons);
  });

  it('says which value, and why', () => {
    expect(decode(decoder, topic, '{"t":{"c":500},"door":"ajar"}')).toEqual({
      kind: 'rejected',
      device: 'd1',
      reason: 'out-of-range',
      detail: 'temperature is 251, outside -40 to 60; door is "ajar", the profile says boolean',
    });
  });

  it('keeps exact digits where its type is text', () => {
    expect(valuesOf(decode(decoder, topic, '{"state":2882429806056571124}'))).toEqual({ state: '2882429806056571124' });
  });

  it('finds a metric whose path is inherited only where it is sent', () => {
    const odd = decoderWith(['profile: odd\ntopic: "o/{device}"\nmetrics: {constructor: {type: text}, a: {path: __proto__.x}}']);
    expect(valuesOf(decode(odd, 'o/d', '{"y":1}'))).toEqual({ y: 1 });
    expect(valuesOf(decode(odd, 'o/d', '{"constructor":"me"}'))).toEqual({ constructor: 'me' });
  });

  it('without metrics takes every value', () => {
    const all = decoderWith(['profile: all\ntopic: "a/{device}"\ntime: ts']);
    expect(valuesOf(decode(all, 'a/d', '{"x":1,"y":{"z":2}}'))).toEqual({ x: 1, 'y.z': 2 });
  });

  it('of scalars finds its metric by topic, or has but one', () => {
    const by = decoderWith([
      'profile: s\ntopic: "s/{device}/{metric}"\ndecode: scalar\nmetrics: {power: {path: POWER, type: boolean}, t: {}}',
    ]);
    expect(valuesOf(decode(by, 's/d/POWER', 'OFF'))).toEqual({ power: false });
    expect(valuesOf(decode(by, 's/d/t', '1,000'))).toBe('not-a-number');
    expect(valuesOf(decode(by, 's/d/uptime', '5'))).toEqual({ uptime: 5 });
    const one = decoderWith(['profile: s\ntopic: "s/{device}/temp"\ndecode: scalar\nmetrics: {temperature: {}}']);
    expect(valuesOf(decode(one, 's/d/temp', '5'))).toEqual({ temperature: 5 });
  });

  it('puts the metric of the topic before the names of an object', () => {
    const shelly = decoderWith(['profile: pv\ntopic: "{device}/status/{metric}"']);
    expect(valuesOf(decode(shelly, 'pv1/status/switch:0', '{"apower":375,"temperature":{"tC":63.4}}'))).toEqual({
      'switch:0.apower': 375,
      'switch:0.temperature.tC': 63.4,
    });
    const listedOnly = decoderWith(['profile: pv\ntopic: "{device}/status/{metric}"\nmetrics: {power: {path: "switch:0.apower"}}']);
    expect(valuesOf(decode(listedOnly, 'pv1/status/switch:0', '{"apower":375}'))).toEqual({ power: 375 });
  });
});

describe('device time', () => {
  const profile = (more: string): Decoder => decoderWith([`profile: p\ntopic: "p/{device}"\ntime: ts\nmetrics: {a: {}}\n${more}`]);
  const timeOf = (decoded: Decoded): unknown =>
    decoded.kind === 'readings' ? decoded.readings.map(({ at, flags }) => [at, flags]) : valuesOf(decoded);
  const MINUTE = 60_000_000;
  const kept = [[null, FLAG_CLOCK_SKEW]];

  it.each<[string, string, unknown, unknown]>([
    ['is taken', '', NOW - MINUTE, [[NOW - MINUTE, FLAG_DEVICE_TIME]]],
    ['may be a little ahead', '', NOW + 4 * MINUTE, [[NOW + 4 * MINUTE, FLAG_DEVICE_TIME]]],
    ['too far ahead is marked', '', NOW + 6 * MINUTE, kept],
    ['too far back is marked', '', NOW - 31 * 1440 * MINUTE, kept],
    ['of 1970 is marked', '', 597, kept],
    ['that is none is marked', '', 'soon', kept],
    ['that is missing is that of receipt', '', null, [[null, 0]]],
    ['without a zone is that of receipt', '', '2026-03-01T00:00:00', [[null, 0]]],
    ['without a zone is read in the profile’s', 'timezone: Europe/Berlin', '2026-03-01T01:00:00', [[NOW, FLAG_DEVICE_TIME]]],
    ['is not asked for with clock: server', 'clock: server', NOW - MINUTE, [[null, 0]]],
    ['may be as old as it likes with maxPast: off', 'maxPast: off', 597, [[597_000_000, FLAG_DEVICE_TIME]]],
    ['may be rejected for its skew', 'clockSkew: quarantine', NOW + 6 * MINUTE, 'clock-skew'],
    ['may be rejected for being none', 'clockSkew: quarantine', 'soon', 'invalid-time'],
  ])('%s', (_name, more, ts, expected) => {
    expect(timeOf(decode(profile(more), 'p/d', JSON.stringify({ ts, a: 1 })))).toEqual(expected);
  });

  it('is each reading’s own in a list', () => {
    const decoded = decode(
      profile('clockSkew: quarantine'),
      'p/d',
      JSON.stringify([{ ts: NOW, a: 1 }, { ts: 5, a: 2 }, { a: 3 }, 7, { ts: NOW, a: null }]),
    );
    expect(timeOf(decoded)).toEqual([
      [NOW, FLAG_DEVICE_TIME],
      [null, 0],
    ]);
    expect(reasonsOf(decoded)).toEqual(['clock-skew', 'not-an-object']);
  });
});

describe('routing', () => {
  const profiles = [
    'profile: wide\ntopic: "sensors/{device}/{metric}"\ndecode: scalar',
    'profile: narrow\ntopic: "sensors/{device}/telemetry"\nmetrics: {a: {}}',
    'profile: named\nmetrics: {a: {path: x}}',
    'profile: sited\ntopic: ["{site}/{device}/t", "{site}/{room}/{device}/t"]',
  ];
  const decoder = decoderWith(profiles, {
    fleet: [listed('f1', { profile: 'named', labels: { site: 'berlin' } }), listed('f2', { labels: { site: 'rome' } })],
  });
  const device = (topic: string): unknown => decoder.route(topic)?.device;

  it('prefers the topic with the most literal levels, and any profile to the built-in topics', () => {
    expect(device('sensors/d/telemetry')).toEqual({ id: 'd', profile: 'narrow', labels: {} });
    expect(device('sensors/d/t2')).toEqual({ id: 'd', profile: 'wide', labels: {} });
    expect(decoderWith([]).route('sensors/d/telemetry')?.device).toEqual({ id: 'd', profile: null, labels: {} });
  });

  it('gives a device the profile that the fleet names, whatever the topic', () => {
    expect(device('sensors/f1/telemetry')).toEqual({ id: 'f1', profile: 'named', labels: { site: 'berlin' } });
    expect(valuesOf(decode(decoder, 'sensors/f1/telemetry', '{"x":4}'))).toEqual({ a: 4 });
    expect(valuesOf(decode(decoder, 'sensors/f1/x', '5'))).toEqual({ a: 5 });
  });

  it('puts the fleet’s labels over the topic’s', () => {
    expect(device('paris/cellar/d/t')).toEqual({ id: 'd', profile: 'sited', labels: { site: 'paris', room: 'cellar' } });
    expect(device('paris/f2/t')).toEqual({ id: 'f2', profile: 'sited', labels: { site: 'rome' } });
  });

  it('leaves other topics alone', () => {
    for (const topic of ['', 'x', 'sensors', 'sensors/a', 'sensors/a/b/c', '$SYS/x/t', 'tocsin/status'])
      expect(decoder.route(topic), topic).toBeNull();
  });

  it('hands out one object a device and one a set of names', () => {
    const first = decode(decoder, 'sensors/d/telemetry', '{"a":1}');
    const second = decode(decoder, 'sensors/d/telemetry', '{"a":2}');
    const other = decode(decoder, 'sensors/e/telemetry', '{"a":3}');
    if (first.kind !== 'readings' || second.kind !== 'readings' || other.kind !== 'readings') throw new Error('rejected');
    expect(second.device).toBe(first.device);
    expect(second.readings[0]?.metrics).toBe(first.readings[0]?.metrics);
    expect(other.readings[0]?.metrics).toBe(first.readings[0]?.metrics);
    expect(decoder.route('sensors/f1/telemetry')?.device).toBe(decoder.route('sensors/f1/other')?.device);
  });

  it('quarantines or refuses what is not in the fleet, as it says', () => {
    const fleet = [listed('f1')];
    expect(decode(decoderWith([], { fleet, unknown: 'quarantine' }), 'sensors/d/t', '1')).toEqual({
      kind: 'rejected',
      device: 'd',
      reason: 'unknown-device',
      detail: 'd is not in the fleet file',
    });
    expect(valuesOf(decode(decoderWith([], { fleet, unknown: 'reject' }), 'sensors/d/t', '1'))).toBe('refused');
    expect(valuesOf(decode(decoderWith([], { fleet, unknown: 'reject' }), 'sensors/f1/t', '1'))).toEqual({ t: 1 });
  });

  it('rejects a device or metric without a name', () => {
    expect(valuesOf(decode(decoderWith([]), 'sensors//telemetry', '{}'))).toBe('invalid-device');
    expect(valuesOf(decode(decoderWith([]), `sensors/${'x'.repeat(201)}/t`, '1'))).toBe('invalid-device');
    expect(valuesOf(decode(decoderWith([]), 'sensors/d\r\nx/t', '1'))).toBe('invalid-device');
    expect(valuesOf(decode(decoderWith([]), 'sensors/d/', '1'))).toBe('invalid-metric');
  });
});

describe('limits', () => {
  it('of devices refuse the next one, but none of the fleet', () => {
    const decoder = decoderWith([], { fleet: [listed('f1')] }, { devices: 2, metricsPerDevice: 0 });
    expect(['a', 'b', 'c', 'f1', 'a'].map((id) => valuesOf(decode(decoder, `sensors/${id}/t`, '1')))).toEqual([
      { t: 1 },
      { t: 1 },
      'too-many-devices',
      { t: 1 },
      { t: 1 },
    ]);
  });

  it('of metrics drop the next ones, in objects and scalars alike', () => {
    const decoder = decoderWith([], {}, { devices: 0, metricsPerDevice: 2 });
    const first = decode(decoder, 'sensors/d/telemetry', '{"a":1,"b":2,"c":3}');
    expect(valuesOf(first)).toEqual({ a: 1, b: 2 });
    expect(first).toMatchObject({
      rejected: [{ reason: 'too-many-metrics', detail: 'c: the device has 2 metrics (mqtt.limits.metricsPerDevice)' }],
    });
    expect(valuesOf(decode(decoder, 'sensors/d/x', '1'))).toBe('too-many-metrics');
    expect(valuesOf(decode(decoder, 'sensors/d/b', '1'))).toEqual({ b: 1 });
    expect(valuesOf(decode(decoder, 'sensors/e/x', '1'))).toEqual({ x: 1 });
  });

  it('count on when a decoder takes the place of another, as far as what they counted is still there', () => {
    const limits = { devices: 2, metricsPerDevice: 2 };
    const before = decoderWith([], {}, limits);
    for (const id of ['a', 'b']) decode(before, `sensors/${id}/telemetry`, '{"x":1,"y":1}');
    const same = decoderWith([], {}, limits, before);
    expect(valuesOf(decode(same, 'sensors/c/t', '1'))).toBe('too-many-devices');
    expect(valuesOf(decode(same, 'sensors/a/z', '1'))).toBe('too-many-metrics');
    expect(valuesOf(decode(same, 'sensors/a/y', '1'))).toEqual({ y: 1 });
    // Its metrics may have other names under another profile; what is turned away now takes no room.
    const renamed = decoderWith(['profile: p\nmetrics: {x: {path: t}}\n'], { fleet: [listed('a', { profile: 'p' })] }, limits, before);
    expect(valuesOf(decode(renamed, 'sensors/a/z', '1'))).toEqual({ z: 1 });
    const closed = decoderWith([], { fleet: [listed('b')], unknown: 'reject' }, limits, before);
    expect(valuesOf(decode(closed, 'sensors/b/x', '1'))).toEqual({ x: 1 });
    const opened = decoderWith([], {}, limits, closed);
    expect(['c', 'd'].map((id) => valuesOf(decode(opened, `sensors/${id}/t`, '1')))).toEqual([{ t: 1 }, 'too-many-devices']);
  });

  it('never leave more than an entry a reason in the quarantine', () => {
    const decoded = decode(
      decoderWith([]),
      'sensors/d/telemetry',
      JSON.stringify({ ok: 1, bad: Array.from({ length: 500 }, () => 'x'.repeat(9000)) }),
    );
    expect(reasonsOf(decoded)).toEqual(['too-long']);
    expect(decoded).toMatchObject({ rejected: [{ detail: expect.stringMatching(/^bad\.0: .*; and 495 more$/) }] });
  });
});

describe('a profile with `device`', () => {
  const decoder = decoderWith(['profile: p\ntopic: iot/telemetry\ndevice: meta.id\ntime: ts\nmetrics: {t: {range: [0, 50]}}']);
  const read = (payload: unknown): Decoded => decode(decoder, 'iot/telemetry', JSON.stringify(payload));

  it('takes it from the payload, also of each element of a list', () => {
    expect(read({ meta: { id: 'a' }, t: 1 })).toMatchObject({
      device: 'a',
      readings: [{ device: { id: 'a', profile: 'p' }, metrics: ['t'], values: [1] }],
    });
    expect(
      read([
        { meta: { id: 'a' }, t: 1 },
        { meta: { id: 7 }, t: 2 },
      ]),
    ).toMatchObject({
      device: null,
      readings: [{ device: { id: 'a' } }, { device: { id: '7' }, values: [2] }],
    });
  });

  it('refuses what names none, and keeps the rest', () => {
    expect(read({ t: 1 })).toMatchObject({ kind: 'rejected', reason: 'no-device' });
    expect(read([{ meta: { id: 'a' }, t: 99 }, { t: 1 }, 5, { meta: { id: 'b' }, t: 3 }])).toMatchObject({
      readings: [{ device: { id: 'b' } }],
      rejected: [{ reason: 'out-of-range' }, { reason: 'no-device' }, { reason: 'not-an-object' }],
    });
  });

  it('goes with plain JSON alone', () => {
    const { problems } = parseProfile({ path: 'p', text: 'profile: p\ntopic: a\ndevice: id\ndecode: scalar\nmetrics: {t: }' });
    expect(problems.map(({ message }) => message)).toContain('scalar has its own way to name a device');
  });
});

describe('values posted by name', () => {
  const decoder = decoderWith([
    'profile: p\ntopic: "sensors/{device}/telemetry"\nmetrics: {a: {path: x.y, scale: 0.1, range: [0, 10]}, s: {type: text}}\nmaxPast: 1h',
  ]);
  const post = (values: Record<string, Value>, at: number | null = null, device = 'd'): Decoded =>
    decoder.decodeValues(device, values, { at, receivedAt: NOW });

  it('are checked under the profile, but neither scaled nor sought by path', () => {
    expect(post({ a: 9, s: 'x' }, NOW)).toMatchObject({
      kind: 'readings',
      device: 'd',
      readings: [{ device: { id: 'd', profile: 'p' }, at: NOW, flags: FLAG_DEVICE_TIME, metrics: ['a', 's'], values: [9, 'x'] }],
      rejected: [],
    });
    expect(valuesOf(post({ a: 11 }))).toBe('out-of-range');
    expect(valuesOf(post({ a: 'x' }))).toBe('wrong-type');
    expect(post({ a: 1, b: 2 })).toMatchObject({ readings: [{ at: null, metrics: ['a', 'b'], values: [1, 2] }], rejected: [] });
  });

  it('are taken as they are without a profile', () => {
    const free = decoderWith([]);
    expect(valuesOf(free.decodeValues('d', { 'a.b': 1, t: '12', u: 'true', ok: false }, { at: null, receivedAt: NOW }))).toEqual({
      'a.b': 1,
      t: '12',
      u: 'true',
      ok: false,
    });
    expect(valuesOf(free.decodeValues('d', {}, { at: null, receivedAt: NOW }))).toBe('ignored');
  });

  it('are rejected with a time that the profile does not allow', () => {
    expect(valuesOf(post({ a: 1 }, NOW - 2 * 3_600_000_000))).toBe('clock-skew');
    expect(valuesOf(post({ a: 1 }, Number.NaN))).toBe('invalid-time');
  });

  it('need a device', () => {
    expect(valuesOf(post({ a: 1 }, null, ''))).toBe('invalid-device');
    expect(valuesOf(post({ a: 1 }, null, 'a+b'))).toBe('invalid-device');
  });
});

describe('whatever is sent', () => {
  const decoder = decoderWith([
    'profile: p\ntopic: "p/{device}"\ntime: ts\ntimezone: Europe/Berlin\nmetrics: {a: {range: [0, 1]}, b: {path: c.d, type: boolean}, __proto: {type: text}}',
    'profile: s\ntopic: "s/{device}/{metric}"\ndecode: scalar\nmetrics: {a: {}, b: {type: text}}',
  ]);
  const topics = ['sensors/d/telemetry', 'sensors/d/m', 'p/d', 's/d/a', 's/d/b', 's/d/c'];
  const json = fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.stringify(value));
  const keys = fc.constantFrom('__proto__', 'constructor', 'prototype', 'a', 'b', 'c', 'd', 'ts', '', 'a.b', '\u0000');
  const odd = fc
    .dictionary(keys, fc.oneof(fc.double(), fc.string(), fc.boolean(), fc.dictionary(keys, fc.integer())))
    .map((value) => JSON.stringify(value));
  const cut = fc.tuple(fc.oneof(json, odd), fc.nat(100)).map(([text, length]) => text.slice(0, length));
  const payloads = fc.oneof(json, odd, cut, fc.string({ unit: 'binary' })).map((text) => Buffer.from(text));

  it('the decoder never throws, every reading holds, and no prototype changes', () => {
    const before = Object.getOwnPropertyNames(Object.prototype).length;
    fc.assert(
      fc.property(fc.constantFrom(...topics), fc.oneof(payloads, fc.uint8Array({ maxLength: 200 })), (topic, payload) => {
        const decoded = decode(decoder, topic, payload);
        if (decoded.kind !== 'readings') return;
        expect(decoded.readings.length).toBeGreaterThan(0);
        for (const { at, metrics, values } of decoded.readings) {
          expect(values.length).toBe(metrics.length);
          expect(values.length).toBeGreaterThan(0);
          expect(new Set(metrics).size).toBe(metrics.length);
          for (const value of values)
            expect(typeof value === 'number' ? Number.isFinite(value) : ['boolean', 'string'].includes(typeof value)).toBe(true);
          expect(at === null || Number.isSafeInteger(at)).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
    expect(Object.getOwnPropertyNames(Object.prototype).length).toBe(before);
  });

  it('the router never throws', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('', 'sensors/', 'p/', 's/x/'),
        (text, start) => void decoder.route(start + text),
      ),
    );
  });
});
