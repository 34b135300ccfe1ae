import { describe, expect, it } from 'vitest';
import { decoderWith, speak, spoken } from './spoken.ts';

const base = 'zigbee2mqtt';

describe('zigbee2mqtt: what is read', () => {
  it.each([
    ['a sensor', 'attic', { temperature: 4.5, humidity: '61.20', battery: null }, { 'attic temperature': 4.5, 'attic humidity': 61.2 }],
    ['a name with a slash', 'house/attic/window', { contact: false }, { 'house/attic/window contact': false }],
    ['a switch', 'plug', { state: 'OFF', state_left: 'ON' }, { 'plug state': false, 'plug state_left': true }],
    ['a state that is neither on nor off', 'blind', { state: 'OPEN', position: 100 }, { 'blind state': 'OPEN', 'blind position': 100 }],
    ['a press', 'button', { action: 'double', linkquality: 30 }, { 'button action': 'double', 'button linkquality': 30 }],
    ['the end of a press', 'button', { action: '', linkquality: 30 }, { 'button linkquality': 30 }],
    [
      'a colour',
      'bulb',
      { color: { x: 0.3, y: 0.4 }, color_mode: 'xy' },
      { 'bulb color.x': 0.3, 'bulb color.y': 0.4, 'bulb color_mode': 'xy' },
    ],
    [
      'neither firmware nor description',
      'attic',
      {
        temperature: 1,
        update: { state: 'idle', installed_version: 1 },
        update_available: false,
        device: { networkAddress: 4, model: 'x' },
      },
      { 'attic temperature': 1 },
    ],
    ['available', 'attic/availability', 'online', { 'attic availability': true }],
    ['not available, as JSON', 'house/attic/availability', { state: 'offline' }, { 'house/attic availability': false }],
    ['the bridge', 'bridge/state', { state: 'offline' }, { 'bridge availability': false }],
    ['an attribute', 'bulb/brightness', '200', { 'bulb brightness': 200 }],
    ['an attribute that is on', 'bulb/state', 'ON', { 'bulb state': true }],
    ['an attribute of a name with a slash', 'house/bulb/color_mode', 'xy', { 'house/bulb color_mode': 'xy' }],
    ['an attribute of an attribute', 'bulb/color-x', '0.31', { 'bulb color-x': 0.31 }],
  ])('%s', (_what, topic, payload, values) => {
    expect(spoken(`${base}/${topic}`, payload)).toMatchObject({ outcome: 'readings', values, refused: [] });
    expect(Object.keys(spoken(`${base}/${topic}`, payload).values)).toEqual(Object.keys(values));
  });

  it.each([
    ['a command', 'bulb/set', { state: 'ON' }],
    ['a command for an attribute', 'bulb/set/state', 'ON'],
    ['a command for an endpoint', 'house/bulb/left/set', { state: 'ON' }],
    ['a question', 'bulb/get', { state: '' }],
    ['what the bridge logs', 'bridge/logging', { level: 'info', message: 'x' }],
    ['what it answers', 'bridge/response/device/rename', { status: 'ok' }],
    ['what it is', 'bridge/info', { version: '2.1.0', config: { mqtt: {} } }],
    ['how it is', 'bridge/health', { os: { load_average: [0.1] } }],
    ['when an attribute was seen', 'bulb/last_seen', '2026-04-03T08:00:00Z'],
    ['an attribute that is gone', 'bulb/color_temp', ''],
  ])('says nothing of a sensor: %s', (_what, topic, payload) => {
    expect(spoken(`${base}/${topic}`, payload).outcome).toBe('ignored');
  });

  it.each([
    ['text instead of an object', 'attic', 'offline', 'invalid-json'],
    ['a number instead of an object', 'attic', '21', 'not-an-object'],
    ['cut off', 'attic', '{"temperature":2', 'invalid-json'],
    ['an unknown availability', 'attic/availability', 'maybe', 'wrong-type'],
    ['an availability without a state', 'attic/availability', '{}', 'wrong-type'],
    ['a colour is no number', 'bulb/color', '100,50,10', 'not-a-number'],
    ['no UTF-8', 'bulb/state', Buffer.from([0xff]), 'invalid-utf8'],
    ['devices cut off', 'bridge/devices', '[{"friendly_name":', 'invalid-json'],
  ])('broken: %s', (_what, topic, payload, reason) => {
    expect(spoken(`${base}/${topic}`, payload).outcome).toBe(reason);
  });

  it('under a profile with a topic of its own', () => {
    const profile = 'topic: "home/zigbee/{device}/#"\ndecode: zigbee2mqtt';
    expect(spoken('home/zigbee/attic', { contact: true }, profile).values).toEqual({ 'attic contact': true });
    expect(spoken('home/zigbee/attic/availability', 'offline', profile).values).toEqual({ 'attic availability': false });
  });
});

describe('zigbee2mqtt: last_seen is the time', () => {
  it.each([
    ['ISO_8601', '2026-04-03T07:59:00.000Z'],
    ['ISO_8601_local', '2026-04-03T09:59:00+02:00'],
    ['epoch', 1775203140000],
  ])('%s', (_what, last_seen) => {
    expect(spoken(`${base}/attic`, { temperature: 1, last_seen })).toMatchObject({
      values: { 'attic temperature': 1 },
      times: ['2026-04-03T07:59:00.000Z'],
    });
  });
});

describe('zigbee2mqtt: units', () => {
  const unitsAfter = (messages: readonly (readonly [string, unknown])[], device = 'attic') => {
    const decoder = decoderWith(null);
    for (const [topic, payload] of messages) speak(decoder, `${base}/${topic}`, payload);
    return decoder.learned.description(device).units;
  };

  it.each([
    [
      'by name',
      { temperature: 1, soil_moisture: 2, local_temperature_l1: 3, action: 'x' },
      { temperature: '°C', soil_moisture: '%', local_temperature_l1: '°C' },
    ],
    ['the voltage of a battery', { battery: 90, voltage: 2900 }, { battery: '%', voltage: 'mV' }],
    ['the voltage of the mains', { power: 5, voltage: 230 }, { power: 'W', voltage: 'V' }],
  ])('%s', (_what, payload, units) => {
    expect(unitsAfter([['attic', payload]])).toEqual(units);
  });

  const numeric = (property: string, unit: string) => ({ type: 'numeric', name: property, property, unit, access: 1 });
  const devices = (exposes: unknown) => [{ friendly_name: 'house/attic', type: 'EndDevice', definition: { model: 'x', exposes } }];

  it('as the bridge says, before what the names say', () => {
    const exposes = [
      numeric('temperature', '°F'),
      numeric('voltage', 'V'),
      { type: 'light', features: [numeric('brightness_x', 'cd')] },
      { type: 'composite', property: 'level', features: [numeric('max', 'dB')] },
    ];
    const state = { temperature: 70, voltage: 3, brightness_x: 4, level: { max: 5 }, humidity: 6 };
    expect(
      unitsAfter(
        [
          ['bridge/devices', devices(exposes)],
          ['house/attic', state],
        ],
        'house/attic',
      ),
    ).toEqual({
      temperature: '°F',
      voltage: 'V',
      brightness_x: 'cd',
      'level.max': 'dB',
      humidity: '%',
    });
  });

  it('as the bridge says later', () => {
    const messages = [
      ['house/attic', { temperature: 70 }],
      ['bridge/devices', devices([numeric('temperature', '°F')])],
    ] as const;
    expect(unitsAfter(messages, 'house/attic')).toEqual({ temperature: '°F' });
  });

  it('whatever the list of devices holds, it does no harm', () => {
    const nested = (depth: number): unknown => (depth === 0 ? [] : [{ type: 'composite', property: 'p', features: nested(depth - 1) }]);
    for (const list of [{}, [null, 3, {}, { friendly_name: 4 }], devices(null), devices([null, 3, { unit: 4 }]), devices(nested(40))])
      expect(spoken(`${base}/bridge/devices`, list).outcome).toBe('ignored');
  });
});
