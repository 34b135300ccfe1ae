/** Every type of Cayenne LPP, on its own topic and inside a message; frames that are none are refused. */
import { expect, it } from 'vitest';
import { decoderOf, valuesOf } from './seen.ts';

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');
const decoder = decoderOf('topic: lora/{device}/raw\ndecode: cayenne-lpp');
const decode = (text: string) => valuesOf(decoder, 'lora/d1/raw', hex(text));

it.each([
  ['digital', '00 00 00  01 00 ff  02 01 01', { digital_in_0: 0, digital_in_1: 255, digital_out_2: 1 }],
  ['analog', '01 02 ff 9c  02 03 03 e8', { analog_in_1: -1, analog_out_2: 10 }],
  ['light and presence', '01 65 ff ff  02 66 01', { luminosity_1: 65535, presence_2: 1 }],
  ['climate', '01 67 ff d7  ff 68 ff  03 73 27 94', { temperature_1: -4.1, relative_humidity_255: 127.5, barometric_pressure_3: 1013.2 }],
  ['axes', '01 71 03 e8 fc 18 00 01', { 'accelerometer_1.x': 1, 'accelerometer_1.y': -1, 'accelerometer_1.z': 0.001 }],
  ['turning', '02 86 00 64 ff 9c 00 00', { 'gyrometer_2.x': 1, 'gyrometer_2.y': -1, 'gyrometer_2.z': 0 }],
  ['place', '01 88 f8 cd 00 14 00 00 ff ff 9c', { 'gps_1.latitude': -47.1808, 'gps_1.longitude': 131.072, 'gps_1.altitude': -1 }],
  ['electricity', '01 74 01 4a  02 75 03 e8  03 76 00 00 00 32', { voltage_1: 3.3, current_2: 1, frequency_3: 50 }],
  ['energy', '01 80 ff ff  02 83 ff ff ff ff', { power_1: 65535, energy_2: 4294967.295 }],
  ['way', '01 79 ff ff  02 82 00 00 03 e8  03 84 01 67', { altitude_1: -1, distance_2: 1, direction_3: 359 }],
  ['others', '01 64 ff ff ff ff  02 78 64  03 7d 01 90', { generic_1: 4294967295, percentage_2: 100, concentration_3: 400 }],
  ['time and switch', '01 85 65 92 00 80  02 8e 01  03 8e 00', { unixtime_1: 1704067200, switch_2: true, switch_3: false }],
  ['colour', '01 87 ff 80 00', { 'colour_1.r': 255, 'colour_1.g': 128, 'colour_1.b': 0 }],
  ['a polyline, which is passed over', '01 f0 09 01 00 00 01 00 00 02 11  02 67 00 0a', { temperature_2: 1 }],
  ['one channel twice: the later one counts', '01 67 00 0a 01 67 00 14', { temperature_1: 2 }],
])('%s', (_, frame, values) => expect(decode(frame)).toEqual(values));

it.each([
  ['a channel alone', '01'],
  ['no value', '01 67'],
  ['half a value', '01 67 00'],
  ['a type that is none', '01 05 00'],
  ['text', Buffer.from('temperature=21').toString('hex')],
  ['a polyline that counts itself as empty', '01 f0 00 01 67 00 0a'],
  ['a polyline beyond the end', '01 f0 ff 00'],
  ['good values before a cut', '01 67 00 0a 02 88 00'],
])('refuses %s', (_, frame) => expect(decode(frame)).toBe('parse-error'));

it('says nothing with an empty frame', () => expect(decode('')).toBe('nothing'));

it('knows the units', () => {
  decode('07 67 00 0a  08 74 00 0a  09 71 00 00 00 00 00 00  0a 88 00 00 00 00 00 00 00 00 00  0b 00 01');
  expect(decoder.learned.description('d1').units).toMatchObject({
    temperature_7: '°C',
    voltage_8: 'V',
    'accelerometer_9.x': 'g',
    'gps_10.latitude': '°',
    'gps_10.altitude': 'm',
  });
  expect(decoder.learned.description('d1').units).not.toHaveProperty('digital_in_11');
});
