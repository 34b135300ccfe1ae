import { encode, Tagged } from 'cborg';
import { describe, expect, it } from 'vitest';
import type { Decoded } from '../../../src/devices/decode.ts';
import { FLAG_DEVICE_TIME } from '../../../src/domain/reading.ts';
import { decode, decoderWith, NOW, readingsOf, reasonsOf, timesOf } from './decoding.ts';

const json = (...records: unknown[]): string => JSON.stringify(records);
const read = (...records: unknown[]): Decoded => decode(decoderWith(), 'senml/gw', json(...records));
const DAY_S = Date.parse('2026-02-28T12:00:00Z') / 1000;

function unitsOf(records: readonly unknown[], device: string): unknown {
  const decoder = decoderWith();
  decode(decoder, 'senml/gw', json(...records));
  return decoder.learned.description(device).units;
}

describe('names', () => {
  it.each<[string, unknown[], unknown]>([
    [
      'a base name is the device, less its separator',
      [
        { bn: 'urn:dev:mac:0024be:', n: 'temp', v: 1 },
        { n: 'hum', v: 2 },
        { bn: 'room2/', n: 'temp', v: 3 },
      ],
      { 'urn:dev:mac:0024be': [{ temp: 1, hum: 2 }], room2: [{ temp: 3 }] },
    ],
    ['a base name may end without one', [{ bn: 'pump7', n: 'rpm', v: 900 }], { pump7: [{ rpm: 900 }] }],
    ['a base name that ends with two keeps one', [{ bn: '2001:db8::', n: 't', v: 1 }], { '2001:db8:': [{ t: 1 }] }],
    ['a path below the base name is the metric', [{ bn: 'house/', n: 'attic/temp', v: 1 }], { house: [{ 'attic/temp': 1 }] }],
    ['without a base name the topic is the device', [{ n: 'temp', v: 1 }], { gw: [{ temp: 1 }] }],
    ['a URN is a device wherever it stands', [{ n: 'urn:dev:ow:10e2', u: 'Cel', v: 1 }], { 'urn:dev:ow:10e2': [{ Cel: 1 }] }],
    [
      'what has no name of its own is named by its unit',
      [
        { bn: 'd', bu: '%RH', v: 40 },
        { u: 'lon', v: 24 },
        { u: 'lat', v: 60 },
      ],
      { d: [{ '%RH': 40, lon: 24, lat: 60 }] },
    ],
    ['what has no unit either is called value', [{ bn: 'd', v: 40 }], { d: [{ value: 40 }] }],
    ['a text has no unit, whatever the base says', [{ bn: 'd', bu: 'Cel', v: 40 }, { vs: 'ok' }], { d: [{ Cel: 40, value: 'ok' }] }],
    [
      'an empty base name takes the last one back',
      [
        { bn: 'd:', n: 'a', v: 1 },
        { bn: '', n: 'b', v: 2 },
      ],
      { d: [{ a: 1 }], gw: [{ b: 2 }] },
    ],
    ['a name may be constructor', [{ bn: 'd:', n: 'constructor', v: 1 }], { d: [{ constructor: 1 }] }],
  ])('%s', (_name, records, expected) => {
    expect(readingsOf(read(...records))).toEqual(expected);
  });

  it('of a topic with a device by profile is that device’s', () => {
    const decoder = decoderWith('profile: p\ntopic: site/{device}/out\ndecode: senml\nmetrics: {t: {path: temp, range: [0, 50]}}');
    expect(readingsOf(decode(decoder, 'site/s1/out', json({ n: 'temp', v: 1 }, { bn: 'x:', n: 'temp', v: 2 })))).toEqual({
      s1: [{ t: 1 }],
      x: [{ t: 2 }],
    });
  });
  it('of a topic without one are devices themselves', () => {
    const decoder = decoderWith('profile: p\ntopic: all\ndecode: senml\nmetrics: {}');
    expect(readingsOf(decode(decoder, 'all', json({ n: 'temp', u: 'Cel', v: 1 })))).toEqual({ temp: [{ Cel: 1 }] });
  });
  it.each(['-a', 'a b', 'ä', 'a\u0000', '°C', '/3/0'])('of other characters are refused alone: %j', (name) => {
    const decoded = read({ n: name, v: 1 }, { n: 'b', v: 2 });
    expect(readingsOf(decoded)).toEqual({ gw: [{ b: 2 }] });
    expect(reasonsOf(decoded)).toEqual(['invalid-name']);
  });
});

describe('values', () => {
  it.each<[string, unknown[], unknown]>([
    [
      'are numbers, booleans and texts',
      [
        { n: 'a', v: -1.5e3 },
        { n: 'b', vb: false },
        { n: 'c', vs: 'open' },
      ],
      { a: -1500, b: false, c: 'open' },
    ],
    [
      'that are text stay text',
      [
        { n: 'a', vs: '42' },
        { n: 'b', vs: 'true' },
      ],
      { a: '42', b: 'true' },
    ],
    [
      'that are octets are no reading',
      [
        { n: 'a', vd: 'aGkgCg' },
        { n: 'b', v: 1 },
      ],
      { b: 1 },
    ],
    [
      'that are null are no reading',
      [
        { n: 'a', v: null },
        { n: 'b', v: 1 },
      ],
      { b: 1 },
    ],
    [
      'are added to the base value',
      [
        { bv: 20, n: 'a', v: 1.5 },
        { n: 'b', v: -1 },
        { bv: 0, n: 'c', v: 3 },
      ],
      { a: 21.5, b: 19, c: 3 },
    ],
    [
      'are no value for want of one, whatever the base value',
      [
        { bv: 20, n: 'a' },
        { n: 'b', v: 1 },
      ],
      { b: 21 },
    ],
    [
      'have sums beside them',
      [
        { n: 'a', v: 5, s: 100 },
        { n: 'b', s: 7 },
      ],
      { a: 5, 'a.sum': 100, 'b.sum': 7 },
    ],
    [
      'have sums with a base',
      [
        { bs: 1000, n: 'a', v: 5, s: 1 },
        { n: 'b', s: -1 },
        { n: 'c', v: 1 },
      ],
      { a: 5, 'a.sum': 1001, 'b.sum': 999, c: 1, 'c.sum': 1000 },
    ],
    ['may come with what is not known', [{ n: 'a', v: 1, ut: 60, extra: { x: 1 }, l: '[]' }], { a: 1 }],
  ])('%s', (_name, records, expected) => {
    expect(readingsOf(read(...records))).toEqual({ gw: [expected] });
  });

  it.each<[string, unknown, string]>([
    ['a number as text', { n: 'a', v: '21.5' }, 'not-a-number'],
    ['a boolean as number', { n: 'a', vb: 1 }, 'wrong-type'],
    ['a text as number', { n: 'a', vs: 1 }, 'wrong-type'],
    ['a sum as text', { n: 'a', s: '1' }, 'not-a-number'],
    ['a time as text', { n: 'a', v: 1, t: 'now' }, 'invalid-time'],
    ['a unit that is none', { n: 'a', v: 1, u: 7 }, 'parse-error'],
    ['a name that is none', { n: 7, v: 1 }, 'invalid-name'],
    ['a record that is none', 7, 'not-an-object'],
    ['a list for a record', [], 'not-an-object'],
  ])('%s is refused alone', (_name, record, reason) => {
    const decoded = read(record, { n: 'b', v: 1 });
    expect(readingsOf(decoded)).toEqual({ gw: [{ b: 1 }] });
    expect(reasonsOf(decoded)).toEqual([reason]);
    expect(readingsOf(read(record))).toBe(reason);
  });

  it('have their units as they are written', () => {
    const records = [
      { bn: 'd:', bu: 'Cel', n: 'a', v: 1 },
      { n: 'b', u: '%RH', v: 2 },
      { n: 'c', vb: true },
      { n: 'e', u: '', v: 3 },
    ];
    expect(unitsOf(records, 'd')).toEqual({ a: 'Cel', b: '%RH' });
  });
});

describe('times', () => {
  it.each<[string, unknown[], (string | null)[]]>([
    [
      'missing are that of the receipt',
      [
        { n: 'a', v: 1 },
        { n: 'b', v: 1, t: 0 },
      ],
      [null],
    ],
    ['are in seconds, with fractions', [{ n: 'a', v: 1, t: DAY_S + 0.25 }], ['2026-02-28T12:00:00.250Z']],
    [
      'are added to the base time',
      [
        { bt: DAY_S, n: 'a', v: 1 },
        { n: 'a', t: -5, v: 2 },
      ],
      ['2026-02-28T12:00:00.000Z', '2026-02-28T11:59:55.000Z'],
    ],
    [
      'below 2^28 count from now',
      [
        { n: 'a', t: -10, v: 1 },
        { n: 'a', t: 20, v: 2 },
      ],
      ['2026-02-28T23:59:50.000Z', '2026-03-01T00:00:20.000Z'],
    ],
    [
      'may have a base from now',
      [
        { bt: -3600, n: 'a', v: 1 },
        { n: 'a', t: 60, v: 2 },
      ],
      ['2026-02-28T23:00:00.000Z', '2026-02-28T23:01:00.000Z'],
    ],
    [
      'that are equal are one reading',
      [
        { bt: DAY_S, n: 'a', v: 1 },
        { n: 'a', t: 1, v: 1 },
        { n: 'b', v: 1 },
      ],
      ['2026-02-28T12:00:00.000Z', '2026-02-28T12:00:01.000Z'],
    ],
  ])('%s', (_name, records, expected) => {
    expect(timesOf(read(...records))).toEqual(expected);
  });
  it('from now are the device’s own', () => {
    expect(read({ n: 'a', t: -1, v: 1 })).toMatchObject({ readings: [{ at: NOW - 1_000_000, flags: FLAG_DEVICE_TIME }] });
  });
  it('of the same metric twice lose neither value', () => {
    expect(readingsOf(read({ n: 'a', v: 1 }, { n: 'a', v: 2 }))).toEqual({ gw: [{ a: 1 }, { a: 2 }] });
  });
});

describe('a pack', () => {
  it.each<[string, string, string]>([
    ['cut short', '[{"n":"a","v":1}', 'invalid-json'],
    ['that is an object', '{"n":"a","v":1}', 'not-a-list'],
    ['of a higher version', json({ bver: 11, n: 'a', v: 1 }), 'unsupported-version'],
    ['of no version', json({ bver: 'x', n: 'a', v: 1 }), 'unsupported-version'],
    ['with an extension that must be understood', json({ n: 'a', v: 1 }, { n: 'b', v: 1, new_: 1 }), 'unsupported-extension'],
    ['with a wrong base name', json({ bn: 1, n: 'a', v: 1 }), 'parse-error'],
    ['with a wrong base time', json({ bt: '2026', n: 'a', v: 1 }), 'parse-error'],
    ['with a wrong base unit', json({ bu: {}, n: 'a', v: 1 }), 'parse-error'],
    ['with a wrong base value', json({ bv: [], n: 'a', v: 1 }), 'parse-error'],
    ['with a wrong base sum', json({ bs: 'x', n: 'a', v: 1 }), 'parse-error'],
    ['of too many times', json(...Array.from({ length: 1001 }, (_, index) => ({ n: 'a', v: 1, t: index }))), 'too-many-values'],
    ['that is empty', '[]', 'ignored'],
    ['of base fields only', json({ bn: 'd:', bt: DAY_S, bver: 10 }), 'ignored'],
  ])('%s', (_name, payload, expected) => {
    expect(readingsOf(decode(decoderWith(), 'senml/gw', payload))).toBe(expected);
  });
  it('of a thousand values of one time is one reading', () => {
    const records = Array.from({ length: 400 }, (_, index) => ({ n: `a${index}`, v: index }));
    expect(read(...records)).toMatchObject({ readings: [{ values: { length: 400 } }] });
  });
});

describe('in CBOR', () => {
  const cbor = (records: unknown, options = {}): Uint8Array => encode(records, options);
  const record = (fields: Record<number, unknown>): Map<number | string, unknown> =>
    new Map(Object.entries(fields).map(([key, value]) => [Number(key), value]));
  const readCbor = (payload: Uint8Array): Decoded => decode(decoderWith(), 'senml-cbor/gw', payload);

  it('labels are integers', () => {
    const pack = [
      record({ [-1]: 10, [-2]: 'd:', [-3]: DAY_S, [-4]: 'Cel', [-5]: 100, [-6]: 10, 0: 'a', 2: 1.5, 5: 1 }),
      record({ 0: 'b', 1: '%RH', 2: -1, 6: 1, 7: 60 }),
      record({ 0: 'c', 3: '42', 6: 1 }),
      record({ 0: 'e', 4: true, 6: 1 }),
      record({ 0: 'f', 8: new Uint8Array([1, 2]), 6: 1 }),
    ];
    const decoded = readCbor(cbor(pack));
    expect(readingsOf(decoded)).toEqual({
      d: [
        { a: 101.5, 'a.sum': 11 },
        { b: 99, 'b.sum': 10, c: '42', e: true },
      ],
    });
    expect(timesOf(decoded)).toEqual(['2026-02-28T12:00:00.000Z', '2026-02-28T12:00:01.000Z']);
  });
  it('numbers may be decimal fractions, large, half as precise, or none', () => {
    const pack = [
      record({ 0: 'a', 2: new Tagged(4, [-2, 2731]) }),
      record({ 0: 'b', 2: 2n ** 63n }),
      record({ 0: 'c', 2: Number.NaN }),
      record({ 0: 'd', 2: 1.5 }),
    ];
    expect(readingsOf(readCbor(cbor(pack)))).toEqual({ gw: [{ a: 27.31, b: 2 ** 63, d: 1.5 }] });
  });
  it('it may say that it is CBOR', () => {
    expect(readingsOf(readCbor(cbor(new Tagged(55799, [record({ 0: 'a', 2: 1 })]))))).toEqual({ gw: [{ a: 1 }] });
  });
  it('lists may be of any length, as in streams', () => {
    const one = Buffer.from(cbor(record({ 0: 'a', 2: 1 })));
    expect(readingsOf(readCbor(Buffer.concat([Buffer.from([0x9f]), one, Buffer.from([0xff])])))).toEqual({ gw: [{ a: 1 }] });
  });
  it('an integer may be longer than it needs', () => {
    expect(readingsOf(readCbor(Buffer.from('81a2006161021900 05'.replaceAll(' ', ''), 'hex')))).toEqual({ gw: [{ a: 5 }] });
  });

  it.each<[string, Uint8Array, string]>([
    ['cut short', cbor([record({ 0: 'a', 2: 1 })]).subarray(0, 4), 'invalid-cbor'],
    ['followed by more', Buffer.concat([cbor([]), cbor([])]), 'invalid-cbor'],
    ['that is JSON', Buffer.from('[{"n":"a","v":1}]'), 'invalid-cbor'],
    ['with a label twice', Buffer.from('81a2006161006162', 'hex'), 'invalid-cbor'],
    ['with an unknown tag', cbor([new Tagged(99, 1)]), 'invalid-cbor'],
    ['with a broken fraction', cbor([record({ 0: 'a', 2: new Tagged(4, ['x']) })]), 'invalid-cbor'],
    ['with a fraction beyond all numbers', cbor([record({ 0: 'a', 2: new Tagged(4, [9999, 1]) })]), 'ignored'],
    ['of a huge length', Buffer.from('9bffffffffffffffff', 'hex'), 'invalid-cbor'],
    ['of a long text that is not there', Buffer.from('817b7fffffffffffffff61', 'hex'), 'invalid-cbor'],
    ['of a map', cbor(record({ 0: 'a', 2: 1 })), 'not-a-list'],
    ['nested deeper than the stack', Buffer.alloc(500_000, 0x81), 'too-deep'],
    [
      'of a must-understand extension',
      cbor([
        new Map<number | string, unknown>([
          [0, 'a'],
          [2, 1],
          ['x_', 1],
        ]),
      ]),
      'unsupported-extension',
    ],
    ['that is empty', cbor([]), 'ignored'],
  ])('a pack %s', (_name, payload, expected) => {
    expect(readingsOf(readCbor(payload))).toBe(expected);
  });

  it('a label __proto__ is an extension like any that ends with _, and changes nothing', () => {
    const pack = cbor([
      new Map<number | string, unknown>([
        [0, 'a'],
        [2, 1],
        ['__proto__', { polluted: 1 }],
      ]),
    ]);
    expect(readingsOf(readCbor(pack))).toBe('unsupported-extension');
    expect(readingsOf(read(JSON.parse('{"n":"a","v":1,"__proto__":{"polluted":1}}')))).toBe('unsupported-extension');
    expect('polluted' in {}).toBe(false);
  });
});
