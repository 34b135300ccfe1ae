import { describe, expect, it } from 'vitest';
import { decode, decoderWith, readingsOf, reasonsOf, timesOf } from './decoding.ts';

const DAY = '2026-02-28T12:00:00.000Z';
const SECONDS = Date.parse(DAY) / 1000;

describe('a line', () => {
  it.each<[string, string, unknown]>([
    ['has its series for a device, its field for a metric', 'weather,place=roof temp=21.5', { 'weather,place=roof': [{ temp: 21.5 }] }],
    ['without tags is of its measurement', 'weather temp=-3', { weather: [{ temp: -3 }] }],
    ['has several fields', 'w a=1,b=2,c=3', { w: [{ a: 1, b: 2, c: 3 }] }],
    ['sorts its tags', 'w,b=2,a=1 x=1', { 'w,a=1,b=2': [{ x: 1 }] }],
    ['is of the device in its tag', 'w,device=fridge-1 x=1', { 'fridge-1': [{ x: 1 }] }],
    ['is of the sensor in its tag', 'w,sensor_id=t1,room=hall x=1', { t1: [{ x: 1 }] }],
    ['prefers the device to the sensor', 'w,sensor=probe,device=d x=1', { d: [{ x: 1 }] }],
    ['of Telegraf has a host, whose parts are no devices', 'disk,device=sda1,host=h x=1', { 'disk,device=sda1,host=h': [{ x: 1 }] }],
    ['has integers', 'w a=42i,b=-7i,c=0i,d=7u', { w: [{ a: 42, b: -7, c: 0, d: 7 }] }],
    [
      'has integers beyond 2^53 as text',
      'w a=9223372036854775807i,b=-9223372036854775808i,c=18446744073709551615u',
      { w: [{ a: '9223372036854775807', b: '-9223372036854775808', c: '18446744073709551615' }] },
    ],
    ['has numbers in every way of writing', 'w a=1.,b=.5,c=+2,d=1e3,e=-1.5E-2', { w: [{ a: 1, b: 0.5, c: 2, d: 1000, e: -0.015 }] }],
    [
      'has booleans in every way of writing',
      'w a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE',
      { w: [{ a: true, b: true, c: true, d: true, e: true, f: false, g: false, h: false, i: false, j: false }] },
    ],
    ['has text, which stays text', 'w a="on",b="42",c="true",d="a, b=c d"', { w: [{ a: 'on', b: '42', c: 'true', d: 'a, b=c d' }] }],
    ['has escapes in its texts', String.raw`w a="say \"hi\"",b="c:\\dir",c="a\nb"`, { w: [{ a: 'say "hi"', b: 'c:\\dir', c: 'a\\nb' }] }],
    ['has texts over several lines', 'w a="one\ntwo",b=1\nw a="x"', { w: [{ a: 'one\ntwo', b: 1 }, { a: 'x' }] }],
    ['escapes spaces in names', String.raw`my\ w,the\ tag=two\ words the\ field=1`, { 'my w,the tag=two words': [{ 'the field': 1 }] }],
    [
      'keeps apart what escapes keep apart',
      `${String.raw`w,a=b\,c\=d x=1`}\nw,a=b,c=d x=2`,
      { 'w,a=b\\,c\\=d': [{ x: 1 }], 'w,a=b,c=d': [{ x: 2 }] },
    ],
    ['keeps other backslashes', String.raw`w,a=c:\dir b\c=1`, { 'w,a=c:\\dir': [{ 'b\\c': 1 }] }],
    ['may have a field like a path', 'water main/value=519.3', { water: [{ 'main/value': 519.3 }] }],
    ['may have white space to spare', '  w   x=1   1772280000000000000  ', { w: [{ x: 1 }] }],
    ['finds no reading in nan', 'w a=nan,b=-inf,c=1', { w: [{ c: 1 }] }],
    ['of nan alone is a sign of life', 'w a=NaN', 'ignored'],
    ['may call a field constructor', 'w constructor=1,toString=2', { w: [{ constructor: 1, toString: 2 }] }],
  ])('%s', (_name, payload, expected) => {
    expect(readingsOf(decode(decoderWith(), 'influx/gw', payload))).toEqual(expected);
  });

  it('may name a field __proto__, which is refused alone', () => {
    const decoded = decode(decoderWith(), 'influx/gw', 'w,__proto__=x __proto__=1,b=2');
    expect(readingsOf(decoded)).toEqual({ 'w,__proto__=x': [{ b: 2 }] });
    expect(reasonsOf(decoded)).toEqual(['invalid-metric']);
  });

  it('has its tags for labels', () => {
    const decoded = decode(decoderWith(), 'telegraf/x', 'w,device=d,room=hall,bad\\ name=1 x=1\ncpu,host=a x=1');
    expect(decoded).toMatchObject({ readings: [{ device: { labels: { room: 'hall' } } }, { device: { labels: { host: 'a' } } }] });
    expect(decoded.kind === 'readings' && Object.keys(decoded.readings[0]?.device.labels ?? {})).toEqual(['room']);
  });
});

describe('a message', () => {
  it.each<[string, string, unknown]>([
    ['has a line a reading', 'a x=1\nb x=2\n', { a: [{ x: 1 }], b: [{ x: 2 }] }],
    ['may end its lines like Windows', 'a x=1\r\nb x=2 1772280000\r\n', { a: [{ x: 1 }], b: [{ x: 2 }] }],
    ['may have comments and empty lines', '# a comment, with x=1\n\n  \n  # more\na x=1\n#end', { a: [{ x: 1 }] }],
    ['of comments is a sign of life', '# nothing\n\n', 'ignored'],
  ])('%s', (_name, payload, expected) => {
    expect(readingsOf(decode(decoderWith(), 'telegraf/h', payload))).toEqual(expected);
  });

  it.each<[string, string]>([
    ['has no fields', 'cpu'],
    ['has no fields after its tags', 'cpu,host=a'],
    ['has no measurement', ',host=a x=1'],
    ['has a tag without value', 'cpu,host= x=1'],
    ['has a tag without key', 'cpu,=a x=1'],
    ['has an empty tag', 'cpu, x=1'],
    ['has a tag twice', 'cpu,a=1,a=2 x=1'],
    ['has a field without value', 'cpu x='],
    ['has a field without key', 'cpu =1'],
    ['has a bare text', 'cpu x=on'],
    ['has a text that is never closed', 'cpu x="on'],
    ['has more after a text', 'cpu x="on"off'],
    ['has an integer with a fraction', 'cpu x=1.5i'],
    ['is beyond int64', 'cpu x=9223372036854775808i'],
    ['is below int64', 'cpu x=-9223372036854775809i'],
    ['is beyond uint64', 'cpu x=18446744073709551616u'],
    ['has a negative uint', 'cpu x=-1u'],
    ['has a number beyond all', 'cpu x=1e999'],
    ['has hexadecimal', 'cpu x=0x1f'],
    ['has a time that is none', 'cpu x=1 now'],
    ['has a time beyond int64', 'cpu x=1 9223372036854775808'],
    ['has more after its time', 'cpu x=1 1772280000 y=2'],
    ['is JSON', '{"a":1}'],
  ])('whose only line %s is rejected', (_name, payload) => {
    expect(readingsOf(decode(decoderWith(), 'telegraf/h', payload))).toBe('parse-error');
  });

  it('with a broken line keeps the others, and says which it was', () => {
    const decoded = decode(decoderWith(), 'telegraf/h', 'a x=1\nb x=\nc x="open\nd x=4');
    expect(readingsOf(decoded)).toEqual({ a: [{ x: 1 }], d: [{ x: 4 }] });
    expect(decoded).toMatchObject({ rejected: [{ reason: 'parse-error', detail: expect.stringMatching(/^line 2: .*; line 3: /) }] });
  });

  it('that is not UTF-8 is rejected', () => {
    expect(readingsOf(decode(decoderWith(), 'telegraf/h', Buffer.from([0x61, 0x20, 0xff])))).toBe('invalid-utf8');
  });

  it('of too many lines is rejected whole', () => {
    expect(readingsOf(decode(decoderWith(), 'telegraf/h', 'a x=1\n'.repeat(1000)))).toMatchObject({ a: { length: 1000 } });
    expect(readingsOf(decode(decoderWith(), 'telegraf/h', 'a x=1\n'.repeat(1001)))).toBe('too-many-values');
  });

  it.each<[string, string]>([
    ['lines without a key', '=\n'.repeat(50_000)],
    ['texts that are never closed', 'a x="\\"\n'.repeat(20_000)],
    ['backslashes', `a${'\\'.repeat(200_000)}`],
    ['tags', `a${',b=c'.repeat(50_000)}`],
    ['one text', `a x="${'\\"'.repeat(100_000)}`],
  ])('of many %s takes no time to speak of', (_name, payload) => {
    const started = performance.now();
    expect(readingsOf(decode(decoderWith(), 'telegraf/h', payload))).toBeTypeOf('string');
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('the time', () => {
  it.each<[string, string]>([
    ['nanoseconds', `${SECONDS}000000000`],
    ['microseconds', `${SECONDS}000000`],
    ['milliseconds', `${SECONDS}000`],
    ['seconds', `${SECONDS}`],
  ])('in %s is read by its size', (_name, stamp) => {
    expect(timesOf(decode(decoderWith(), 'influx/p', `m,sensor=a value=1 ${stamp}`))).toEqual([DAY]);
  });
  it('that is missing is that of the receipt', () => expect(timesOf(decode(decoderWith(), 'influx/p', 'm value=1'))).toEqual([null]));
});

describe('series that share a device', () => {
  it('and a field are kept apart: the first has the short name, in every message after it', () => {
    const decoder = decoderWith();
    expect(readingsOf(decode(decoder, 'influx/p', 'temperature,sensor=a value=21\nhumidity,sensor=a value=40,dew=9'))).toEqual({
      a: [{ value: 21 }, { dew: 9 }],
      'humidity,sensor=a': [{ value: 40 }],
    });
    expect(readingsOf(decode(decoder, 'influx/p', 'humidity,sensor=a value=41'))).toEqual({ 'humidity,sensor=a': [{ value: 41 }] });
    expect(readingsOf(decode(decoder, 'influx/p', 'temperature,sensor=a value=22'))).toEqual({ a: [{ value: 22 }] });
  });
  it('are kept apart by their other tags', () => {
    expect(readingsOf(decode(decoderWith(), 'influx/p', 'power,device=m,phase=A w=1\npower,device=m,phase=B w=2'))).toEqual({
      m: [{ w: 1 }],
      'power,device=m,phase=B': [{ w: 2 }],
    });
  });
  it('but no field go under its name together', () => {
    expect(readingsOf(decode(decoderWith(), 'influx/p', 'climate,device=d t=21\nbattery,device=d v=3.6'))).toEqual({
      d: [{ t: 21 }, { v: 3.6 }],
    });
  });
  it('are remembered up to a limit, beyond which a field goes by its series', () => {
    const decoder = decoderWith();
    for (let index = 0; index < 200; index++) decode(decoder, 'influx/p', `m,device=d f${index}=1`);
    expect(readingsOf(decode(decoder, 'influx/p', 'm,device=d f7=1,g=2'))).toEqual({ d: [{ f7: 1 }], 'm,device=d': [{ g: 2 }] });
  });
});

describe('under a profile', () => {
  const meter = 'profile: meter\ntopic: meters/{device}\ndecode: influx\nmetrics: {volume: {path: main/value, unit: m³}}';
  it('the topic names the device where no tag does', () => {
    const decoder = decoderWith(meter);
    expect(readingsOf(decode(decoder, 'meters/m1', 'watermeter main/value=519.3\ngasmeter main/value=2\nx,sensor=s y=1'))).toEqual({
      m1: [{ volume: 519.3 }],
      gasmeter: [{ volume: 2 }],
      s: [{ y: 1 }],
    });
  });
});
