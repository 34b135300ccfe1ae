/** Which level of a topic names what, which field is the time, and what a name gives away of a unit. */
import { describe, expect, it } from 'vitest';
import { isId, levelsOf } from '../../../src/devices/learning/device-level.ts';
import { type Heard, lookOf } from '../../../src/devices/learning/heard.ts';
import { isMetricWord, unitByName } from '../../../src/devices/learning/metric-words.ts';
import { timeFieldOf } from '../../../src/devices/learning/time-field.ts';

describe('the level that names the device', () => {
  /** Each level as what it is: d, m, l, or itself. */
  const read = (look: 'object' | 'value', ...topics: readonly string[]): string => {
    const split = topics.map((topic) => topic.split('/'));
    const { device, metric, labels } = levelsOf(split, look);
    const name = (level: string, index: number): string =>
      index === device ? '{d}' : index === metric ? '{m}' : labels.includes(index) ? '{l}' : level;
    return (split[0] ?? []).map(name).join('/');
  };
  it.each<[string, 'object' | 'value', readonly string[], string]>([
    ['is the one that varies', 'object', ['plant/pump/data', 'plant/mixer/data'], 'plant/{d}/data'],
    ['is the id among those that vary', 'object', ['berlin/f1/data', 'paris/f2/data'], '{l}/{d}/data'],
    ['is not what is measured', 'value', ['home/kitchen/temperature', 'home/kitchen/humidity', 'home/bath/temperature'], 'home/{d}/{m}'],
    ['is not what is measured, of one device', 'value', ['home/kitchen/temperature', 'home/kitchen/humidity'], 'home/{d}/{m}'],
    ['is not what is measured, one of each', 'value', ['home/kitchen/temperature', 'home/bath/humidity'], 'home/{d}/{m}'],
    ['is the id, whatever has metrics below it', 'value', ['a/f1/foo', 'a/f1/bar', 'a/f2/foo'], 'a/{d}/{m}'],
    ['stands before what is measured in objects, too', 'object', ['x/d1/co2', 'x/d1/temperature', 'x/d2/co2'], 'x/{d}/{m}'],
    ['may come first', 'object', ['node-1/telemetry', 'node-2/telemetry'], '{d}/telemetry'],
    ['may come last', 'object', ['readings/7', 'readings/8'], 'readings/{d}'],
    ['of a single topic is the id', 'object', ['sensor/a4c138112233/data'], 'sensor/{d}/data'],
    ['of a single topic is no word that all end with', 'object', ['greenhouse/north/state'], 'greenhouse/{d}/state'],
    ['of a single value stands before what is measured', 'value', ['garage/freezer/temperature'], 'garage/{d}/temperature'],
    ['may be all there is', 'object', ['thermometer'], '{d}'],
    ['is the room where the site goes with it', 'object', ['s/berlin/a1/d', 's/berlin/a2/d', 's/paris/b1/d'], 's/{l}/{d}/d'],
  ])('%s', (_, look, topics, expected) => expect(read(look, ...topics)).toBe(expected));

  it('says what it is not sure of', () => {
    expect(levelsOf([['home', 'kitchen', 'climate']], 'object').doubts).toHaveLength(1);
    const twice = ['berlin/r1/temperature', 'berlin/r1/humidity', 'paris/r1/temperature', 'paris/r1/humidity', 'paris/r2/humidity'];
    const { doubts } = levelsOf(
      twice.map((topic) => topic.split('/')),
      'value',
    );
    expect(doubts.join()).toContain('level 1 (berlin, paris) takes several values for one device');
    expect(levelsOf([['a', 'd1'], ['a', 'd2']], 'object').doubts).toEqual([]); // biome-ignore format: one line
  });
});

describe('a unit by its name', () => {
  it.each<[string, [number, number], string | null]>([
    ['temperature', [18, 24], '°C'],
    ['AM2301.Temperature', [-5, 30], '°C'],
    ['temperature', [64, 78], null],
    ['temperature_f', [64, 78], null],
    ['tempF', [64, 78], '°F'],
    ['outside_temp_2', [3, 4], '°C'],
    ['battery', [80, 100], '%'],
    ['battery', [2900, 3100], null],
    ['battery_voltage', [2.9, 3.1], 'V'],
    ['batteryMv', [2900, 3100], 'mV'],
    ['co2', [400, 2000], 'ppm'],
    ['co2_temperature', [20, 21], '°C'],
    ['pressure', [990, 1020], 'hPa'],
    ['pressure', [2, 3], null],
    ['current_position', [0, 100], null],
    ['phase.current', [0, 16], 'A'],
    ['rssi', [-90, -40], 'dBm'],
    ['flux', [0, 1], null],
    ['constructor', [0, 1], null],
  ])('%s, %j: %s', (name, [min, max], unit) => expect(unitByName(name, { min, max })).toBe(unit));

  it.each([
    ['kitchen', false],
    ['temperature', true],
    ['pm2_5', false],
    ['pm25', true],
    ['doorState', true],
    ['fridge-01', false],
  ])('%s names what is measured: %s', (level, is) => expect(isMetricWord(level)).toBe(is));

  it.each([
    ['f1', true],
    ['0x00158d0001a2b3c4', true],
    ['deadbeefcafe', true],
    ['v1', false],
    ['co2', false],
    ['temperature_2', false],
    ['kitchen', false],
  ])('%s is an id: %s', (level, is) => expect(isId(level)).toBe(is));
});

describe('what a payload looks like', () => {
  it.each([
    ['{"a":1}', 'object'],
    [' [{"a":1}]', 'object'],
    ['[1,2]', 'other'],
    ['21.5', 'value'],
    ['Float', 'value'],
    ['', 'value'],
    ['weather,location=us temperature=82', 'other'],
    ['<xml/>', 'other'],
    ['{"a":', 'other'],
    ['a\nb', 'other'],
    ['x'.repeat(200), 'other'],
  ])('%j: %s', (payload, look) => expect(lookOf(Buffer.from(payload))).toBe(look));
  it('bytes are other', () => expect(lookOf(Uint8Array.of(0xff, 0xfe))).toBe('other'));
});

describe('the field that is the time', () => {
  const NOON = Date.UTC(2026, 10, 23, 12) * 1000;
  const heardOf = (documents: readonly object[], isTimed = true): Heard[] =>
    documents.map((document, index) => ({
      topic: 'a/b',
      payload: Buffer.from(JSON.stringify(document)),
      receivedAt: NOON + index * 10_000_000,
      isTimed,
    }));
  const BERLIN = 'Europe/Berlin';
  const seconds = NOON / 1e6;
  it.each<[string, readonly object[], string | null, string | null]>([
    [
      'in seconds',
      [
        { ts: seconds, t: 21.5 },
        { ts: seconds + 10, t: 22 },
      ],
      'ts',
      null,
    ],
    ['in milliseconds', [{ when: seconds * 1000 }, { when: seconds * 1000 }], 'when', null],
    ['as text with a zone', [{ time: '2026-11-23T12:00:00Z' }], 'time', null],
    ['nested', [{ head: { stamp: seconds }, v: 1 }], 'head.stamp', null],
    ['whatever it is called', [{ x: seconds + 0.5, v: 1 }], 'x', null],
    ['rather that which is called so', [{ x: seconds, ts: seconds }], 'ts', null],
    ['without a zone, in UTC', [{ Time: '2026-11-23T12:00:01' }], 'Time', 'UTC'],
    ['without a zone, in the one of whoever asks', [{ Time: '2026-11-23T13:00:01' }], 'Time', BERLIN],
    ['not one in no zone that is known', [{ Time: '2026-11-23T17:00:01' }], null, null],
    ['not a small number', [{ ts: 12.5 }], null, null],
    ['not a time long ago', [{ installed: '2020-01-01T00:00:00Z' }], null, null],
    ['not one that is a time only now and then', [{ ts: seconds }, { ts: 'boot' }], null, null],
    ['not one that few messages have', [{ ts: seconds }, {}, {}, {}], null, null],
    ['nothing that nobody can read', [{ ts: { a: [1] } }, { ts: null }], null, null],
  ])('%s', (_, documents, path, timezone) =>
    expect(timeFieldOf(heardOf(documents), BERLIN)).toEqual(path === null ? null : { path, timezone }),
  );

  it('of a recording without times is a time of the last years that is called one', () => {
    expect(timeFieldOf(heardOf([{ ts: seconds - 86_400 * 400, n: seconds }], false), BERLIN)).toEqual({ path: 'ts', timezone: null });
    expect(timeFieldOf(heardOf([{ n: seconds }], false), BERLIN)).toBeNull();
  });
});
