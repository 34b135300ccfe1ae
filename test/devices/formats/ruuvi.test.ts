import { describe, expect, it } from 'vitest';
import { readAdvertisement } from '../../../src/devices/decoders/ruuvi-advertisement.ts';
import { Refusal } from '../../../src/devices/decoders/value.ts';
import { decoderWith, speak, spoken } from './spoken.ts';

const TAG = 'D1:02:03:04:05:06';
const TOPIC = `ruuvi/C0:00:00:00:00:01/${TAG}`;
const MAC = 'd10203040506';

/** An advertisement as a gateway passes it on: flags, then the maker's data. */
const around = (hex: string): string => `020106${(hex.length / 2 + 3).toString(16).padStart(2, '0')}FF9904${hex}`;
const decoded = (hex: string): unknown => readAdvertisement(around(hex));
/** `12FC 5394` → `12fc5394` */
const packed = (text: string): string => text.replaceAll(' ', '');

describe('data format 5', () => {
  it.each([
    [
      'values',
      `05 0FA0 4E20 C350 0010 FFF0 03E8 ${(((3000 - 1600) << 5) | 22).toString(16)} 2A 0100`,
      {
        temperature: 20,
        humidity: 50,
        pressure: 100_000,
        accelX: 0.016,
        accelY: -0.016,
        accelZ: 1,
        voltage: 3,
        txPower: 4,
        movementCounter: 42,
        measurementSequenceNumber: 256,
      },
    ],
    [
      'the largest',
      '05 7FFF FFFE FFFE 7FFF 7FFF 7FFF FFDE FE FFFE',
      {
        temperature: 163.835,
        humidity: 163.835,
        pressure: 115_534,
        accelX: 32.767,
        accelY: 32.767,
        accelZ: 32.767,
        voltage: 3.646,
        txPower: 20,
        movementCounter: 254,
        measurementSequenceNumber: 65_534,
      },
    ],
    [
      'the smallest',
      '05 8001 0000 0000 8001 8001 8001 0000 00 0000',
      {
        temperature: -163.835,
        humidity: 0,
        pressure: 50_000,
        accelX: -32.767,
        accelY: -32.767,
        accelZ: -32.767,
        voltage: 1.6,
        txPower: -40,
        movementCounter: 0,
        measurementSequenceNumber: 0,
      },
    ],
  ])('%s', (_what, hex, values) => {
    expect(decoded(packed(hex) + MAC)).toEqual(values);
  });

  it('what is not available is no reading', () => {
    const data = around(`${packed('05 8000 FFFF FFFF 8000 8000 8000 FFFF FF FFFF')}ffffffffffff`);
    expect(spoken(TOPIC, { rssi: -60, data }).values).toEqual({ [`${TAG} rssi`]: -60 });
    expect(spoken(TOPIC, { data }).outcome).toBe('ignored');
  });

  it.each([
    [
      'one of them',
      '05 8000 4E20 FFFF 0000 0000 0000 FFFF 00 0001',
      { temperature: null, humidity: 50, pressure: null, voltage: null, txPower: null },
    ],
    ['the power, but not the voltage', '05 0000 0000 0000 0000 0000 0000 FFEA 00 0001', { voltage: null, txPower: -20 }],
    ['the voltage, but not the power', '05 0000 0000 0000 0000 0000 0000 001F 00 0001', { voltage: 1.6, txPower: null }],
  ])('%s', (_what, hex, values) => {
    expect(decoded(packed(hex) + MAC)).toMatchObject(values);
  });
});

it.each([
  [
    '3',
    '03 29 1A1E CE1E 03E8 FC18 0000 0BB8',
    { humidity: 20.5, temperature: 26.3, pressure: 102_766, accelX: 1, accelY: -1, accelZ: 0, voltage: 3 },
  ],
  ['3, below zero', '03 00 8105 0000 0000 0000 0000 0000', { temperature: -1.05, pressure: 50_000, voltage: 0 }],
  ['3, minus zero', '03 00 8000 0000 0000 0000 0000 0000', { temperature: 0 }],
  [
    'C5',
    'C5 0FA0 4E20 C350 AF16 2A 0100',
    { temperature: 20, humidity: 50, pressure: 100_000, voltage: 3, txPower: 4, movementCounter: 42 },
  ],
  [
    '6',
    '06 170C 5668 C79E 0070 00C9 05 01 D9 FF CD 00 4C884F',
    {
      temperature: 29.5,
      humidity: 55.3,
      pressure: 101_102,
      'PM2.5': 11.2,
      CO2: 201,
      VOC: 10,
      NOx: 2,
      luminosity: 13_026.67,
      measurementSequenceNumber: 205,
      flag_calibration_in_progress: false,
    },
  ],
  [
    '6: the low bits of the indices',
    '06 0000 0000 0000 0000 0000 05 01 FE FF FF C1 4C884F',
    { VOC: 11, NOx: 3, luminosity: 65_535, measurementSequenceNumber: 255 },
  ],
  [
    '6: nothing available',
    '06 8000 FFFF FFFF FFFF FFFF FF FF FF FF FF FF FFFFFF',
    { temperature: null, humidity: null, pressure: null, 'PM2.5': null, CO2: null, VOC: null, NOx: null, luminosity: null },
  ],
  [
    'E1',
    `E1 170C 5668 C79E 0065 0070 04BD 11CA 00C9 0A 02 13E0AC FFFFFF DECDEE 01 FFFFFFFFFF ${MAC}`,
    {
      temperature: 29.5,
      humidity: 55.3,
      pressure: 101_102,
      'PM1.0': 10.1,
      'PM2.5': 11.2,
      'PM4.0': 121.3,
      'PM10.0': 455.4,
      CO2: 201,
      VOC: 20,
      NOx: 4,
      luminosity: 13_027,
      measurementSequenceNumber: 14_601_710,
      flag_calibration_in_progress: true,
    },
  ],
  [
    'E1: nothing available',
    'E1 8000 FFFF FFFF FFFF FFFF FFFF FFFF FFFF FF FF FFFFFF FFFFFF FFFFFF FF FFFFFFFFFF FFFFFFFFFFFF',
    {
      temperature: null,
      'PM1.0': null,
      'PM10.0': null,
      CO2: null,
      VOC: null,
      NOx: null,
      luminosity: null,
      measurementSequenceNumber: null,
    },
  ],
])('data format %s', (_what, hex, values) => {
  expect(decoded(packed(hex))).toMatchObject(values);
});

it.each([
  ['a cut message', '050FA04E20', 'parse-error'],
  ['encrypted', '08'.repeat(24), 'encrypted'],
  ['a format of the future', '7F00', 'unknown-data-format'],
  ['no format at all', '', 'unknown-data-format'],
])('%s', (_what, hex, reason) => {
  expect(decoded(hex)).toMatchObject({ reason });
});

it.each([
  ['no hexadecimal', 'zz'],
  ['half a byte', '020'],
  ['much too long', '00'.repeat(2000)],
])('an advertisement: %s', (_what, hex) => {
  expect(readAdvertisement(hex)).toBeInstanceOf(Refusal);
});

it.each([
  ['none', ''],
  ['another maker', '1AFF4C000215E2C56DB5DFFB48D2B060D0F5A71096E000010001C5'],
  ['lengths of zero', '00000000000000000000'],
  ['a length beyond the end', 'FF09'],
])('an advertisement of nobody’s: %s', (_what, hex) => {
  expect(readAdvertisement(hex)).toBeNull();
});

describe('ruuvi: the gateway', () => {
  const data = around(packed(`05 0FA0 4E20 C350 0010 FFF0 03E8 AF16 2A 0100 ${MAC}`));

  it('a tag, by the time of its reception', () => {
    const payload = { gw_mac: 'C0:00:00:00:00:01', rssi: -71, aoa: [], gwts: '1775203141', ts: '1775203140', data, coords: '60.1,24.9' };
    const decoder = decoderWith(null);
    const found = speak(decoder, TOPIC, payload);
    expect(found.times).toEqual(['2026-04-03T07:59:00.000Z']);
    expect(Object.keys(found.values).map((name) => name.slice(TAG.length + 1))).toEqual(
      'rssi temperature humidity pressure accelX accelY accelZ voltage txPower movementCounter measurementSequenceNumber'.split(' '),
    );
    expect(decoder.learned.description(TAG).units).toMatchObject({
      rssi: 'dBm',
      temperature: '°C',
      pressure: 'Pa',
      accelX: 'g',
      voltage: 'V',
    });
  });

  it('without a clock there is a counter instead of times', () => {
    expect(spoken(TOPIC, { gw_mac: 'C0', rssi: -71, aoa: [], cnt: '338', data, coords: '' })).toMatchObject({
      outcome: 'readings',
      times: [],
    });
  });

  it('decoded by the gateway', () => {
    const own = { dataFormat: 5, temperature: 20, humidity: 50, pressure: 100_000, accelX: 0.016, id: TAG };
    expect(spoken(TOPIC, { rssi: -71, ts: 1775203140, data, ...own }).values).toMatchObject({
      [`${TAG} temperature`]: 20,
      [`${TAG} accelX`]: 0.016,
    });
    const future = { rssi: -71, data: around('7F00'), dataFormat: 127, pressure: 100_000 };
    const decoder = decoderWith(null);
    expect(speak(decoder, TOPIC, future)).toMatchObject({ values: { [`${TAG} pressure`]: 100_000 }, refused: ['unknown-data-format'] });
    expect(decoder.learned.description(TAG).units.pressure).toBe('Pa');
  });

  it('decoded by someone else', () => {
    const decoder = decoderWith(null);
    expect(speak(decoder, 'ruuvi/sauna', { temperature: 81, humidity: 100.4, pressure: 1003 }).values).toEqual({
      'sauna temperature': 81,
      'sauna humidity': 100.4,
      'sauna pressure': 1003,
    });
    expect(decoder.learned.description('sauna').units).toEqual({ temperature: '°C', humidity: '%' });
  });

  it.each([
    ['online', '{"state": "online"}', { 'C0 availability': true }],
    ['offline', '{"state": "offline"}', { 'C0 availability': false }],
    ['as a word', 'offline', { 'C0 availability': false }],
  ])('%s', (_what, payload, values) => {
    expect(spoken('ruuvi/C0/gw_status', payload).values).toEqual(values);
  });

  it.each([
    ['another maker’s device', TOPIC, { rssi: -60, data: '020106' }, 'ignored'],
    ['a cut message', TOPIC, '{"gw_mac":"C0", "rs', 'invalid-json'],
    ['a list', TOPIC, [], 'not-an-object'],
    ['a status of another word', 'ruuvi/C0/gw_status', '{"state": 1}', 'parse-error'],
    ['a status that is cut', 'ruuvi/C0/gw_status', '{"state', 'invalid-json'],
  ])('%s', (_what, topic, payload, outcome) => {
    expect(spoken(topic, payload).outcome).toBe(outcome);
  });

  it('a broken advertisement leaves what else is there', () => {
    expect(spoken(TOPIC, { rssi: -60, data: 'xx' })).toMatchObject({ values: { [`${TAG} rssi`]: -60 }, refused: ['parse-error'] });
  });
});
