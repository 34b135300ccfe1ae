import { PbfWriter } from 'pbf';
import { describe, expect, it } from 'vitest';
import type { Decoded, Decoder } from '../../../src/devices/decode.ts';
import { decode, decoderWith, NOW, readingsOf, reasonsOf, timesOf } from './decoding.ts';

const NOW_MS = NOW / 1000;

/** As sparkplug_b.proto names them; the value under the name of its field. */
interface Metric {
  readonly name?: string;
  readonly alias?: number;
  readonly timestamp?: number;
  readonly datatype?: number;
  readonly isNull?: boolean;
  readonly isHistorical?: boolean;
  readonly properties?: Readonly<Record<string, string | number>>;
  readonly int?: number;
  readonly long?: number;
  /** Ten bytes of a varint, which the writer cannot write from a number. */
  readonly exact?: bigint;
  readonly float?: number;
  readonly double?: number;
  readonly bool?: boolean;
  readonly string?: string;
  readonly bytes?: Uint8Array;
  readonly table?: {
    readonly columns: readonly string[];
    readonly types: readonly number[];
    readonly rows: readonly (readonly number[])[];
  };
  readonly template?: { readonly isDefinition?: boolean; readonly metrics: readonly Metric[] };
}

const TYPE = {
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  uint8: 5,
  uint32: 7,
  uint64: 8,
  float: 9,
  boolean: 11,
  string: 12,
  time: 13,
  uuid: 15,
};

/** All 64 bits, which the writer cannot take from a number. */
function writeExactField(pbf: PbfWriter, field: number, value: bigint): void {
  pbf.writeTag(field, 0);
  pbf.realloc(10);
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) pbf.buf[pbf.pos++] = Number(rest & 0x7fn) | 0x80;
  pbf.buf[pbf.pos++] = Number(rest);
}

function writeProperties(properties: Readonly<Record<string, string | number>>, pbf: PbfWriter): void {
  for (const key of Object.keys(properties)) pbf.writeStringField(1, key);
  for (const value of Object.values(properties)) {
    pbf.writeMessage(
      2,
      (one, inner) => {
        inner.writeVarintField(1, typeof one === 'string' ? TYPE.string : TYPE.int32);
        if (typeof one === 'string') inner.writeStringField(8, one);
        else inner.writeVarintField(3, one);
      },
      value,
    );
  }
}

function writeTable({ columns, types, rows }: NonNullable<Metric['table']>, pbf: PbfWriter): void {
  pbf.writeVarintField(1, columns.length);
  for (const column of columns) pbf.writeStringField(2, column);
  pbf.writePackedVarint(3, [...types]);
  for (const row of rows) {
    const writeCell = (cell: number, inner: PbfWriter) => inner.writeVarintField(1, cell);
    pbf.writeMessage(
      4,
      (cells, inner) =>
        cells.forEach((cell) => {
          inner.writeMessage(1, writeCell, cell);
        }),
      row,
    );
  }
}

function writeTemplate({ isDefinition = false, metrics }: NonNullable<Metric['template']>, pbf: PbfWriter): void {
  pbf.writeStringField(1, 'v1');
  for (const metric of metrics) pbf.writeMessage(2, writeMetric, metric);
  pbf.writeStringField(4, 'udt');
  pbf.writeBooleanField(5, isDefinition);
}

function writeMetric(metric: Metric, pbf: PbfWriter): void {
  if (metric.name !== undefined) pbf.writeStringField(1, metric.name);
  if (metric.alias !== undefined) pbf.writeVarintField(2, metric.alias);
  if (metric.timestamp !== undefined) pbf.writeVarintField(3, metric.timestamp);
  if (metric.datatype !== undefined) pbf.writeVarintField(4, metric.datatype);
  if (metric.isHistorical !== undefined) pbf.writeBooleanField(5, metric.isHistorical);
  if (metric.isNull !== undefined) pbf.writeBooleanField(7, metric.isNull);
  if (metric.properties !== undefined) pbf.writeMessage(9, writeProperties, metric.properties);
  if (metric.int !== undefined) pbf.writeVarintField(10, metric.int);
  if (metric.long !== undefined) pbf.writeVarintField(11, metric.long);
  if (metric.exact !== undefined) writeExactField(pbf, 11, metric.exact);
  if (metric.float !== undefined) pbf.writeFloatField(12, metric.float);
  if (metric.double !== undefined) pbf.writeDoubleField(13, metric.double);
  if (metric.bool !== undefined) pbf.writeBooleanField(14, metric.bool);
  if (metric.string !== undefined) pbf.writeStringField(15, metric.string);
  if (metric.bytes !== undefined) pbf.writeBytesField(16, metric.bytes);
  if (metric.table !== undefined) pbf.writeMessage(17, writeTable, metric.table);
  if (metric.template !== undefined) pbf.writeMessage(18, writeTemplate, metric.template);
}

interface Message {
  readonly timestamp?: number;
  readonly metrics?: readonly Metric[];
  readonly uuid?: string;
}

function write({ timestamp, metrics = [], uuid }: Message): Uint8Array {
  const pbf = new PbfWriter();
  if (timestamp !== undefined) pbf.writeVarintField(1, timestamp);
  for (const metric of metrics) pbf.writeMessage(2, writeMetric, metric);
  pbf.writeVarintField(3, 7);
  if (uuid !== undefined) pbf.writeStringField(4, uuid);
  return pbf.finish().slice();
}

const send = (decoder: Decoder, topic: string, message: Message): Decoded => decode(decoder, `spBv1.0/${topic}`, write(message));
const readData = (...metrics: Metric[]): Decoded => send(decoderWith(), 'plant/DDATA/edge1/press', { timestamp: NOW_MS, metrics });
const PRESS = 'plant/edge1/press';

describe('a value', () => {
  it.each<[string, Metric, unknown]>([
    ['of Int8 is signed', { datatype: TYPE.int8, int: 0xff }, -1],
    ['of Int8 in 32 bits is signed', { datatype: TYPE.int8, int: 0xfffffffe }, -2],
    ['of Int16 is signed', { datatype: TYPE.int16, int: 0x8000 }, -32768],
    ['of Int32 is signed', { datatype: TYPE.int32, int: 0xffffff9c }, -100],
    ['of Int32 in 64 bits is signed', { datatype: TYPE.int32, exact: -100n }, -100],
    ['of Int32 that is positive stays so', { datatype: TYPE.int32, int: 2147483647 }, 2147483647],
    ['of Int64 is signed', { datatype: TYPE.int64, exact: -5n }, -5],
    ['of Int64 beyond 2^53 is text', { datatype: TYPE.int64, exact: -(2n ** 63n) }, '-9223372036854775808'],
    ['of UInt8', { datatype: TYPE.uint8, int: 255 }, 255],
    ['of UInt32', { datatype: TYPE.uint32, int: 0xffffffff }, 4294967295],
    ['of UInt64', { datatype: TYPE.uint64, long: 2 ** 53 - 1 }, 2 ** 53 - 1],
    ['of UInt64 beyond 2^53 is text', { datatype: TYPE.uint64, exact: 2n ** 53n + 1n }, '9007199254740993'],
    ['of UInt64 may use all bits', { datatype: TYPE.uint64, exact: 2n ** 64n - 1n }, '18446744073709551615'],
    ['of Float is the decimal it was made from', { datatype: TYPE.float, float: 12.1 }, 12.1],
    ['of Float may be small', { datatype: TYPE.float, float: 1.234567e-20 }, 1.234567e-20],
    ['of Double', { datatype: 10, double: 12.123456789012 }, 12.123456789012],
    ['of Boolean', { datatype: TYPE.boolean, bool: false }, false],
    ['of Boolean as an integer', { datatype: TYPE.boolean, int: 1 }, true],
    ['of String stays text', { datatype: TYPE.string, string: '42' }, '42'],
    ['of DateTime is in ms', { datatype: TYPE.time, long: NOW_MS }, NOW_MS],
    ['of UUID', { datatype: TYPE.uuid, string: '36bb2a3f-2b5b-4d5e-9d7e-0a1b2c3d4e5f' }, '36bb2a3f-2b5b-4d5e-9d7e-0a1b2c3d4e5f'],
    ['of no type', { int: 7 }, 7],
  ])('%s', (_name, metric, expected) => {
    expect(readingsOf(readData({ ...metric, name: 'm' }))).toEqual({ [PRESS]: [{ m: expected }] });
  });

  it.each<[string, Metric]>([
    ['that is null', { isNull: true, int: 5 }],
    ['that is missing', {}],
    ['of octets', { datatype: 17, bytes: new Uint8Array([1, 2]) }],
    ['of an array', { datatype: 24, bytes: new Uint8Array([1, 0, 0, 0]) }],
    ['that is no number', { datatype: 10, double: Number.NaN }],
    ['of bad quality', { int: 5, properties: { Quality: 0 } }],
    ['of stale quality', { int: 5, properties: { Quality: 500 } }],
    ['of a template definition', { template: { isDefinition: true, metrics: [{ name: 'x', int: 1 }] } }],
  ])('%s is no reading', (_name, metric) => {
    expect(readingsOf(readData({ ...metric, name: 'm' }))).toBe('ignored');
    expect(readingsOf(readData({ ...metric, name: 'm' }, { name: 'n', int: 1, properties: { Quality: 192 } }))).toEqual({
      [PRESS]: [{ n: 1 }],
    });
  });

  it('of a template is one of each member', () => {
    const inner: Metric = {
      name: 'temp',
      template: {
        metrics: [
          { name: 'c', datatype: TYPE.int16, int: 0xfff6 },
          { name: 'n', isNull: true },
        ],
      },
    };
    expect(readingsOf(readData({ name: 'motor', template: { metrics: [inner, { name: 'on', bool: true }] } }))).toEqual({
      [PRESS]: [{ 'motor.temp.c': -10, 'motor.on': true }],
    });
  });
  it('of a data set is one of each cell', () => {
    const table = {
      columns: ['a', 'b'],
      types: [TYPE.int8, TYPE.uint8],
      rows: [
        [1, 255],
        [255, 2],
      ],
    };
    expect(readingsOf(readData({ name: 't', table }))).toEqual({ [PRESS]: [{ 't.0.a': 1, 't.0.b': 255, 't.1.a': -1, 't.1.b': 2 }] });
  });
  it('of too large a data set is refused alone', () => {
    const table = { columns: ['a'], types: [TYPE.int32], rows: Array.from({ length: 1001 }, () => [1]) };
    const decoded = readData({ name: 't', table }, { name: 'n', int: 1 });
    expect(readingsOf(decoded)).toEqual({ [PRESS]: [{ n: 1 }] });
    expect(reasonsOf(decoded)).toEqual(['too-many-values']);
  });
  it('may be called __proto__ by its sender, and is refused alone', () => {
    const decoder = decoderWith();
    const metrics = [
      { name: '__proto__', alias: 1, int: 1 },
      { name: 'constructor', alias: 2, int: 2 },
    ];
    expect(reasonsOf(send(decoder, 'g/NBIRTH/e', { metrics }))).toEqual(['invalid-metric']);
    expect(readingsOf(send(decoder, 'g/NDATA/e', { metrics: [{ alias: 2, int: 3 }] }))).toEqual({ 'g/e': [{ constructor: 3 }] });
    expect(readingsOf(send(decoder, 'g/NDATA/e', { metrics: [{ name: 'toString', int: 3 }] }))).toEqual({ 'g/e': [{ toString: 3 }] });
  });
});

describe('a birth', () => {
  const metrics: Metric[] = [
    { name: 'bdSeq', datatype: TYPE.uint64, long: 3 },
    { name: 'Node Control/Rebirth', alias: 0, datatype: TYPE.boolean, bool: false },
    { name: 'Inputs/A', alias: 1, datatype: TYPE.int16, int: 0xffff, properties: { engUnit: '°C', tooltip: 'x' } },
    { name: 'Flow', alias: 2, datatype: TYPE.float, isNull: true, properties: { engUnit: 'l/min' } },
  ];
  const born = (): Decoder => {
    const decoder = decoderWith();
    send(decoder, 'g/NBIRTH/e', { timestamp: NOW_MS, metrics });
    return decoder;
  };

  it('is a reading, and brings the node online; what controls it is none', () => {
    expect(readingsOf(send(decoderWith(), 'g/NBIRTH/e', { timestamp: NOW_MS, metrics }))).toEqual({
      'g/e': [{ availability: true, 'Inputs/A': -1 }],
    });
  });
  it('names group and edge node as labels', () => {
    expect(send(decoderWith(), 'g/DBIRTH/e/d', { metrics })).toMatchObject({
      readings: [{ device: { id: 'g/e/d', labels: { group: 'g', edge: 'e' } } }],
    });
  });
  it('explains aliases and types', () => {
    expect(
      readingsOf(
        send(born(), 'g/NDATA/e', {
          metrics: [
            { alias: 1, int: 0xfffe },
            { alias: 2, float: 1.5 },
            { alias: 0, bool: true },
          ],
        }),
      ),
    ).toEqual({
      'g/e': [{ 'Inputs/A': -2, Flow: 1.5 }],
    });
  });
  it('explains types to those who give the name', () => {
    expect(readingsOf(send(born(), 'g/NDATA/e', { metrics: [{ name: 'Inputs/A', int: 0xfffd }] }))).toEqual({
      'g/e': [{ 'Inputs/A': -3 }],
    });
  });
  it('tells units, also of what has no value yet', () => {
    expect(born().learned.description('g/e').units).toEqual({ 'Inputs/A': '°C', Flow: 'l/min' });
  });
  it('explains nothing to other devices', () => {
    const decoder = born();
    expect(readingsOf(send(decoder, 'g/DDATA/e/d', { metrics: [{ alias: 1, int: 1 }] }))).toBe('unknown-alias');
    expect(readingsOf(send(decoder, 'g/NDATA/f', { metrics: [{ alias: 1, int: 1 }] }))).toBe('unknown-alias');
  });
  it('that comes again explains anew', () => {
    const decoder = born();
    send(decoder, 'g/NBIRTH/e', { metrics: [{ name: 'Other', alias: 1, int: 1 }] });
    expect(readingsOf(send(decoder, 'g/NDATA/e', { metrics: [{ alias: 1, int: 5 }] }))).toEqual({ 'g/e': [{ Other: 5 }] });
    expect(readingsOf(send(decoder, 'g/NDATA/e', { metrics: [{ alias: 2, int: 5 }] }))).toBe('unknown-alias');
  });
  it('of a node ends what its devices were born with', () => {
    const decoder = born();
    send(decoder, 'g/DBIRTH/e/d', { metrics: [{ name: 'x', alias: 9, int: 1 }] });
    expect(readingsOf(send(decoder, 'g/DDATA/e/d', { metrics: [{ alias: 9, int: 2 }] }))).toEqual({ 'g/e/d': [{ x: 2 }] });
    send(decoder, 'g/NBIRTH/e', { metrics });
    expect(readingsOf(send(decoder, 'g/DDATA/e/d', { metrics: [{ alias: 9, int: 2 }] }))).toBe('unknown-alias');
  });
  it('outlives a restart', () => {
    const before = born();
    const decoder = decoderWith();
    for (const entry of before.learned.entries()) decoder.learned.recall(entry);
    expect(readingsOf(send(decoder, 'g/NDATA/e', { metrics: [{ alias: 1, int: 0xfffe }] }))).toEqual({ 'g/e': [{ 'Inputs/A': -2 }] });
  });
  it('with a metric without a name keeps the others', () => {
    const decoded = send(decoderWith(), 'g/NBIRTH/e', {
      metrics: [
        { alias: 1, int: 1 },
        { name: 'a', int: 1 },
      ],
    });
    expect(readingsOf(decoded)).toEqual({ 'g/e': [{ availability: true, a: 1 }] });
    expect(reasonsOf(decoded)).toEqual(['parse-error']);
  });
  it('of more metrics than can be remembered says so, and is read', () => {
    const many = Array.from({ length: 900 }, (_, index) => ({ name: `${'x'.repeat(180)}${index}`, alias: index, int: 1 }));
    const decoded = send(decoderWith(), 'g/NBIRTH/e', { metrics: many });
    expect(reasonsOf(decoded)).toEqual(['too-much-learned']);
    expect(decoded).toMatchObject({ readings: [{ values: { length: 901 } }] });
  });
  it('of more metrics than a reading holds is several', () => {
    const many = Array.from({ length: 999 }, (_, index) => ({ name: `m${index}`, int: 1 }));
    expect(send(decoderWith(), 'g/NBIRTH/e', { metrics: many })).toMatchObject({ readings: [{ values: { length: 1000 } }] });
    const more = send(decoderWith(), 'g/NBIRTH/e', { metrics: [...many, { name: 'm0', timestamp: 5, int: 1 }, { name: 'm1', int: 2 }] });
    expect(more).toMatchObject({ readings: [{ values: { length: 1000 } }, { metrics: ['m1'] }, { metrics: ['m0'] }] });
  });
});

describe('data', () => {
  it('with unknown aliases keeps the rest, and asks for a rebirth', () => {
    const decoded = readData({ alias: 7, int: 1 }, { name: 'a', int: 1 }, { alias: 8, int: 1 });
    expect(readingsOf(decoded)).toEqual({ [PRESS]: [{ a: 1 }] });
    expect(decoded).toMatchObject({
      rejected: [{ reason: 'unknown-alias', detail: expect.stringMatching(/alias 7, 8; ask its edge node for a rebirth/) }],
    });
  });
  it('is a reading for each time, historical or not', () => {
    const hour = 3_600_000;
    const decoded = readData(
      { name: 'a', int: 1 },
      { name: 'b', timestamp: NOW_MS - hour, isHistorical: true, int: 2 },
      { name: 'a', timestamp: NOW_MS - hour, int: 3 },
      { name: 'c', timestamp: NOW_MS, int: 4 },
    );
    expect(readingsOf(decoded)).toEqual({
      [PRESS]: [
        { a: 1, c: 4 },
        { b: 2, a: 3 },
      ],
    });
    expect(timesOf(decoded)).toEqual(['2026-03-01T00:00:00.000Z', '2026-02-28T23:00:00.000Z']);
  });
  it('that has the same metric twice loses neither value', () => {
    expect(readingsOf(readData({ name: 'a', int: 1 }, { name: 'a', int: 2 }))).toEqual({ [PRESS]: [{ a: 1 }, { a: 2 }] });
  });
  it('without a time has that of the receipt', () => {
    expect(timesOf(send(decoderWith(), 'g/NDATA/e', { metrics: [{ name: 'a', int: 1 }] }))).toEqual([null]);
  });
  it('of nothing is a sign of life', () => expect(readingsOf(send(decoderWith(), 'g/NDATA/e', {}))).toBe('ignored'));
});

describe('a death', () => {
  const withDevices = (): Decoder => {
    const decoder = decoderWith();
    send(decoder, 'g/NBIRTH/e', { metrics: [{ name: 'bdSeq', datatype: TYPE.uint64, long: 4 }] });
    send(decoder, 'g/DBIRTH/e/d1', { metrics: [{ name: 'a', alias: 1, int: 1 }] });
    send(decoder, 'g/DBIRTH/e/d2', { metrics: [] });
    send(decoder, 'g/DBIRTH/other/d3', { metrics: [] });
    return decoder;
  };
  const OFFLINE = [{ availability: false }];

  it('of a device takes it offline', () => {
    const decoded = send(withDevices(), 'g/DDEATH/e/d1', { timestamp: NOW_MS });
    expect(readingsOf(decoded)).toEqual({ 'g/e/d1': OFFLINE });
    expect(timesOf(decoded)).toEqual(['2026-03-01T00:00:00.000Z']);
  });
  it('of a node takes it and its devices offline, now: the will is older', () => {
    const decoded = send(withDevices(), 'g/NDEATH/e', { timestamp: NOW_MS - 86_400_000, metrics: [{ name: 'bdSeq', long: 4 }] });
    expect(readingsOf(decoded)).toEqual({ 'g/e': OFFLINE, 'g/e/d1': OFFLINE, 'g/e/d2': OFFLINE });
    expect(timesOf(decoded)).toEqual([null, null, null]);
  });
  it('of an earlier session says nothing', () => {
    expect(readingsOf(send(withDevices(), 'g/NDEATH/e', { metrics: [{ name: 'bdSeq', long: 3 }] }))).toBe('ignored');
  });
  it.each([0, 255])('without a number, or of a session not known, counts (%i)', (long) => {
    expect(readingsOf(send(decoderWith(), 'g/NDEATH/e', { metrics: [{ name: 'bdSeq', long }] }))).toEqual({ 'g/e': OFFLINE });
    expect(readingsOf(decode(withDevices(), 'spBv1.0/g/NDEATH/e', ''))).toMatchObject({ 'g/e': OFFLINE });
  });
});

describe('other messages', () => {
  it.each<[string, string, unknown]>([
    ['spBv1.0/STATE/scada', '{"online":true,"timestamp":1772280000000}', { scada: [{ availability: true }] }],
    ['spBv1.0/STATE/scada', '{"online":false,"timestamp":1772280000000}', { scada: [{ availability: false }] }],
    ['spBv1.0/STATE/scada', 'OFFLINE', { scada: [{ availability: false }] }],
    ['spBv1.0/STATE/scada', '', 'ignored'],
    ['spBv1.0/STATE/scada', '{"online":"yes"}', 'parse-error'],
    ['spBv1.0/STATE/scada', 'yes', 'invalid-json'],
    ['spBv1.0/g/NCMD/e', 'whatever', 'ignored'],
    ['spBv1.0/g/DCMD/e/d', 'whatever', 'ignored'],
    ['spBv1.0/g/XDATA/e', '', 'unknown-topic'],
    ['spBv1.0/g/NDATA', '', 'unknown-topic'],
    ['spBv1.0/g/NDATA/e/d', '', 'unknown-topic'],
    ['spBv1.0/g/DDATA/e', '', 'unknown-topic'],
    ['spBv1.0/g/DDATA/e/', '', 'unknown-topic'],
  ])('%s %j', (topic, payload, expected) => {
    expect(readingsOf(decode(decoderWith(), topic, payload))).toEqual(expected);
  });
  it('may come through a bridge, by a profile', () => {
    const decoder = decoderWith('profile: p\ntopic: "site1/spBv1.0/#"\ndecode: sparkplug-b\nmetrics: {}');
    expect(readingsOf(decode(decoder, 'site1/spBv1.0/g/NDATA/e', write({ metrics: [{ name: 'a', int: 1 }] })))).toEqual({
      'g/e': [{ a: 1 }],
    });
  });
  it('that are compressed are rejected', () => {
    expect(readingsOf(send(decoderWith(), 'g/NDATA/e', { uuid: 'SPBV1.0_COMPRESSED' }))).toBe('compressed');
  });
});

describe('broken bytes', () => {
  const whole = write({ timestamp: NOW_MS, metrics: [{ name: 'temperature of the press', datatype: 10, double: 1.5 }] });
  const tenLevels = (): Metric => {
    let metric: Metric = { name: 'x', int: 1 };
    for (let level = 0; level < 10; level++) metric = { name: 'x', template: { metrics: [metric] } };
    return metric;
  };
  it('cut at any place are rejected, or end where a field ends', () => {
    const outcomes = Array.from(whole, (_, length) => readingsOf(decode(decoderWith(), 'spBv1.0/g/NDATA/e', whole.subarray(0, length))));
    expect(outcomes.filter((outcome) => outcome === 'invalid-protobuf').length).toBeGreaterThan(whole.length - 6);
    expect(outcomes.filter((outcome) => typeof outcome !== 'string').length).toBeLessThanOrEqual(1);
  });
  it.each<[string, Uint8Array]>([
    ['of text', Buffer.from('{"online":true}')],
    ['of a field without a number', Buffer.from('0000', 'hex')],
    ['of a group', Buffer.from('0b0c', 'hex')],
    ['of a varint without end', Buffer.alloc(20, 0xff)],
    ['of a length beyond all', Buffer.from('12ffffffffffffffff7f', 'hex')],
    ['of a packed list beyond all', Buffer.from('120d8a010a1affffffffffffff7f00', 'hex')],
    ['nested too deeply', write({ metrics: [tenLevels()] })],
  ])('%s are rejected', (_name, payload) => {
    const started = performance.now();
    expect(readingsOf(decode(decoderWith(), 'spBv1.0/g/NDATA/e', payload))).toBe('invalid-protobuf');
    expect(performance.now() - started).toBeLessThan(500);
  });
  it('of another wire type are skipped', () => {
    const pbf = new PbfWriter();
    pbf.writeStringField(1, 'no time');
    pbf.writeMessage(
      2,
      (_, inner) => {
        inner.writeStringField(1, 'a');
        inner.writeStringField(10, 'no integer');
        inner.writeVarintField(12, 3);
        inner.writeVarintField(10, 5);
      },
      null,
    );
    pbf.writeStringField(99, 'unknown');
    expect(readingsOf(decode(decoderWith(), 'spBv1.0/g/NDATA/e', pbf.finish()))).toEqual({ 'g/e': [{ a: 5 }] });
  });
});
