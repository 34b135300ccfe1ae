import { describe, expect, it } from 'vitest';
import { rtl433 } from '../../../src/devices/decoders/rtl-433.ts';
import { spoken } from './spoken.ts';

const EVENTS = 'rtl_433/attic/events';

describe('rtl_433: events', () => {
  it.each([
    [
      'a device with an id',
      { time: '2026-04-03 09:59:58', model: 'Nexus-TH', id: 142, channel: 1, battery_ok: 1, temperature_C: -3.4, humidity: 81, mic: 'CRC' },
      { 'Nexus-TH/142 battery_ok': 1, 'Nexus-TH/142 temperature_C': -3.4, 'Nexus-TH/142 humidity': 81 },
    ],
    ['one with an id that is text', { model: 'X-Y', id: '0f3a', depth_cm: 12 }, { 'X-Y/0f3a depth_cm': 12 }],
    ['one without an id', { model: 'Rubicson', channel: 2, temperature_C: 4 }, { 'Rubicson/2 temperature_C': 4 }],
    ['one with a channel that is text', { model: 'Acurite-Tower', channel: 'C', humidity: 40 }, { 'Acurite-Tower/C humidity': 40 }],
    ['one with neither', { model: 'WT0124-Pool', temperature_C: 24.5 }, { 'WT0124-Pool temperature_C': 24.5 }],
    ['an id of 0', { model: 'M', id: 0, channel: 3, rain_mm: 0 }, { 'M/0 rain_mm': 0 }],
    ['a name that no topic can hold', { model: 'Temp + Hum', id: 1, humidity: 5 }, { 'Temp _ Hum/1 humidity': 5 }],
    [
      'radio levels, but not how it was received',
      { model: 'M', id: 1, rssi: -0.1, snr: 30.2, noise: -30.3, mod: 'ASK', freq: 433.9, protocol: 55 },
      { 'M/1 rssi': -0.1, 'M/1 snr': 30.2, 'M/1 noise': -30.3 },
    ],
    ['the older word for the battery', { model: 'M', id: 1, battery: 'LOW' }, { 'M/1 battery': 'LOW' }],
    ['the tyres', { type: 'TPMS', model: 'Toyota', id: 'f0', pressure_PSI: 33.5, mic: 'CRC' }, { 'Toyota/f0 pressure_PSI': 33.5 }],
    [
      'undecoded bits beside values',
      { model: 'F', id: 1, count: 3, codes: ['{25}ab'], rows: [{ len: 25, data: '11' }] },
      { 'F/1 count': 3 },
    ],
    ['null', { model: 'M', id: 1, temperature_C: null, humidity: 4 }, { 'M/1 humidity': 4 }],
  ])('%s', (_what, payload, values) => {
    expect(spoken(EVENTS, payload).values).toEqual(values);
    expect(spoken('RTL_433/JSON', payload).values).toEqual(values);
  });

  it.each([
    ['local, without a zone', '2026-04-03 09:59:58', []],
    ['ISO, local', '2026-04-03T09:59:58', []],
    ['with an offset', '2026-04-03T09:59:58+0200', ['2026-04-03T07:59:58.000Z']],
    ['with microseconds and an offset', '2026-04-03 09:59:58.250000+0200', ['2026-04-03T07:59:58.250Z']],
    ['UTC', '2026-04-03T07:59:58Z', ['2026-04-03T07:59:58.000Z']],
    ['Unix', '1775203198', ['2026-04-03T07:59:58.000Z']],
    ['Unix with microseconds', '1775203198.250000', ['2026-04-03T07:59:58.250Z']],
    ['Unix with its unit', '1775203198s', ['2026-04-03T07:59:58.000Z']],
    ['Unix as a number', 1775203198, ['2026-04-03T07:59:58.000Z']],
    ['a place in a recording', '@0.123456s', []],
  ])('time: %s', (_what, time, times) => {
    const { outcome, times: found } = spoken(EVENTS, { time, model: 'M', id: 1, humidity: 1 });
    expect([outcome, found]).toEqual(['readings', times]);
  });

  it('a local time counts where the profile says where', () => {
    const profile = 'topic: "rtl_433/{host}/events"\ndecode: rtl_433\ntimezone: Europe/Berlin';
    expect(spoken(EVENTS, { time: '2026-04-03 09:59:58', model: 'M', id: 1, humidity: 1 }, profile).times).toEqual([
      '2026-04-03T07:59:58.000Z',
    ]);
  });

  it('a device in the topic goes before the one in the message', () => {
    const profile = 'topic: "radio/{device}"\ndecode: rtl_433';
    expect(spoken('radio/greenhouse', { model: 'M', id: 1, humidity: 1 }, profile).values).toEqual({ 'greenhouse humidity': 1 });
  });

  it.each([
    ['statistics', 'rtl_433/attic/states', { enabled: 150, stats: [] }, 'ignored'],
    ['what names no model', EVENTS, { time: '2026-04-03 09:59:58', src: 'SDR', msg: 'tuned' }, 'ignored'],
    ['an empty payload', EVENTS, '', 'ignored'],
    ['a cut message', EVENTS, '{"model":"M","id":1,"humidity":', 'invalid-json'],
    ['a list', EVENTS, [1], 'not-an-object'],
    ['bytes', EVENTS, Buffer.from([0xfc, 0x7e]), 'invalid-utf8'],
    ['another topic', 'rtl_433/attic', {}, null],
  ])('%s', (_what, topic, payload, outcome) => {
    expect(spoken(topic, payload).outcome).toBe(outcome);
  });
});

describe('rtl_433: a topic for each field', () => {
  it.each([
    ['Nexus-TH/1/142/temperature_C', '-3.4', { 'Nexus-TH/142 temperature_C': -3.4 }],
    ['Nexus-TH/142/humidity', '81', { 'Nexus-TH/142 humidity': 81 }],
    ['TPMS/Toyota/f0/pressure_PSI', '33.5', { 'Toyota/f0 pressure_PSI': 33.5 }],
    ['WT0124-Pool/temperature_C', '24.5', { 'WT0124-Pool temperature_C': 24.5 }],
    ['Acurite-Tower/C/9/battery', 'OK', { 'Acurite-Tower/9 battery': 'OK' }],
    ['M/9/levels/0', '7', { 'M/9 levels.0': 7 }],
    ['M/9/time', '2026-04-03 09:59:58', {}],
    ['M/9/mic', 'CRC', {}],
    ['M/9/id', '9', {}],
    ['M/9/channel', '1', {}],
    ['temperature_C', '1', {}],
  ])('%s', (path, payload, values) => {
    expect(spoken(`rtl_433/attic/devices/${path}`, payload).values).toEqual(values);
  });

  it('under a device of the topic', () => {
    const profile = 'topic: "radio/{device}/{metric}"\ndecode: rtl_433';
    expect(spoken('radio/greenhouse/temperature_C', '21.5', profile).values).toEqual({ 'greenhouse temperature_C': 21.5 });
    expect(spoken('radio/greenhouse/temperature_C', Buffer.from([0xff]), profile).outcome).toBe('invalid-utf8');
  });
});

it.each([
  ['temperature_C', '°C'],
  ['temperature_2_F', '°F'],
  ['pressure_kPa', 'kPa'],
  ['pressure_hPa', 'hPa'],
  ['pressure_PSI', 'psi'],
  ['wind_avg_m_s', 'm/s'],
  ['wind_avg_km_h', 'km/h'],
  ['wind_max_mi_h', 'mph'],
  ['wind_dir_deg', '°'],
  ['rain_mm', 'mm'],
  ['rain_rate_mm_h', 'mm/h'],
  ['rain_in', 'in'],
  ['battery_V', 'V'],
  ['battery_mV', 'mV'],
  ['current_A', 'A'],
  ['power_W', 'W'],
  ['energy_kWh', 'kWh'],
  ['light_lux', 'lx'],
  ['light_klux', 'klx'],
  ['battery_pct', '%'],
  ['humidity', '%'],
  ['humidity_1', '%'],
  ['moisture', '%'],
  ['pm2_5_ug_m3', 'µg/m³'],
  ['rssi', 'dB'],
  ['battery_ok', null],
  ['uv', null],
  ['strike_count', null],
])('the unit of %s is %s', (metric, unit) => {
  expect(rtl433.unitOf?.(metric)).toBe(unit);
});
