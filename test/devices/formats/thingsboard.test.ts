import { describe, expect, it } from 'vitest';
import { decoderWith, speak, spoken } from './spoken.ts';

const TELEMETRY = 'v1/devices/me/telemetry';
const TS = 1775203140000;
const TIME = '2026-04-03T07:59:00.000Z';

describe('thingsboard: a device', () => {
  it.each([
    [
      'values',
      { t: 21.5, door: true, mode: 'eco', gone: null, n: '7' },
      { 'me t': 21.5, 'me door': true, 'me mode': 'eco', 'me n': 7 },
      [],
    ],
    ['values of a time', { ts: TS, values: { t: 21.5, at: { x: 1 } } }, { 'me t': 21.5, 'me at.x': 1 }, [TIME]],
    ['seconds where milliseconds belong', { ts: TS / 1000, values: { t: 1 } }, { 'me t': 1 }, [TIME]],
    ['a time beside the values', { ts: TS, t: 1 }, { 'me t': 1 }, [TIME]],
    ['a list of both', [{ t: 1 }, { ts: TS, values: { t: 2 } }], { 'me t': 2 }, [TIME]],
    ['a metric called values', { values: 3 }, { 'me values': 3 }, []],
  ])('%s', (_what, payload, values, times) => {
    expect(spoken(TELEMETRY, payload)).toMatchObject({ values, times });
  });

  it('is the client that publishes', () => {
    expect(speak(decoderWith(null), TELEMETRY, { t: 1 }, 'boiler-7').values).toEqual({ 'boiler-7 t': 1 });
    const profile = 'topic: "tb/{device}/telemetry"\ndecode: thingsboard';
    expect(speak(decoderWith(profile), 'tb/oven/telemetry', { t: 1 }, 'boiler-7').values).toEqual({ 'oven t': 1 });
  });

  it('attributes', () => {
    expect(spoken('v1/devices/me/attributes', { fw: '1.2', limit: 4 })).toMatchObject({
      values: { 'me fw': 1.2, 'me limit': 4 },
      times: [],
    });
  });

  it('what is wrong with one element does not touch the others', () => {
    expect(spoken(TELEMETRY, [{ t: 1 }, 5])).toMatchObject({ values: { 'me t': 1 }, refused: ['not-an-object'] });
  });

  it.each([
    ['a cut message', TELEMETRY, '[{"ts":1', 'invalid-json'],
    ['a number', TELEMETRY, '5', 'not-an-object'],
    ['an empty list', TELEMETRY, '[]', 'ignored'],
    ['too many', TELEMETRY, Array.from({ length: 5000 }, (_, index) => ({ ts: TS + index, values: { t: 1 } })), 'too-many-values'],
    ['too deep', TELEMETRY, `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 'not-an-object'],
    ['a request of attributes', 'v1/devices/me/attributes/request/1', { clientKeys: 'a' }, null],
    ['a command', 'v1/devices/me/rpc/request/1', { method: 'm' }, null],
  ])('%s', (_what, topic, payload, outcome) => {
    const found = spoken(topic, payload);
    expect(found.outcome === 'readings' ? found.refused : found.outcome).toEqual(outcome);
  });
});

describe('thingsboard: a gateway', () => {
  it.each([
    [
      'telemetry',
      'telemetry',
      {
        'Device A': [
          { ts: TS, values: { t: 1 } },
          { ts: TS, values: { h: 2 } },
        ],
        'Device B': { t: 3 },
      },
      { 'Device A t': 1, 'Device A h': 2, 'Device B t': 3 },
    ],
    ['attributes', 'attributes', { 'Device A': { floor: 2 } }, { 'Device A floor': 2 }],
    ['a device that connects', 'connect', { device: 'Device A', type: 'thermometer' }, { 'Device A availability': true }],
    ['and disconnects', 'disconnect', { device: 'Device A' }, { 'Device A availability': false }],
  ])('%s', (_what, kind, payload, values) => {
    expect(spoken(`v1/gateway/${kind}`, payload).values).toEqual(values);
  });

  it.each([
    ['a list', 'telemetry', [1], 'not-an-object'],
    ['no device', 'connect', {}, 'no-device'],
    ['a device of another type', 'connect', { device: 5 }, 'no-device'],
    ['a command', 'rpc', { device: 'a' }, null],
  ])('%s', (_what, kind, payload, outcome) => {
    expect(spoken(`v1/gateway/${kind}`, payload).outcome).toBe(outcome);
  });

  it('what is wrong with one device does not touch the others, and names that mean something in JavaScript are names', () => {
    const found = spoken('v1/gateway/telemetry', '{"a": 5, "b": {"t": 1}, "__proto__": {"t": 2}, "constructor": [{"t": 3}]}');
    expect(found.refused).toContain('not-an-object');
    expect(found.values).toMatchObject({ 'b t': 1, 'constructor t': 3 });
    expect(Object.prototype).not.toHaveProperty('t');
  });
});

it.each([
  ['first', '{"n":2882429806056571124}'],
  ['after white space', '{"a":1,\n "n" :\t2882429806056571124 }'],
  ['in a list', '{"n":[2882429806056571124]}'],
])('an integer that no number holds exactly stays digit for digit: %s', (_what, payload) => {
  expect(Object.values(spoken(TELEMETRY, payload).values)).toContain('2882429806056571124');
});

it('one below 0 as well', () => {
  expect(spoken(TELEMETRY, '{"n":-2882429806056571124}').values).toEqual({ 'me n': '-2882429806056571124' });
});
