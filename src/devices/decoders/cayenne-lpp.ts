/**
 * Cayenne Low Power Payload: channel, type, value, again and again. Names are those that The Things Stack gives: `temperature_3`,
 * `accelerometer_6.x`, `gps_12.latitude`. The types beyond the first twelve are those of the library most devices are built with, and
 * named as there. A frame that is cut, or has a type that nobody knows, is refused whole: it is most likely something else.
 *
 * Sources: https://docs.mydevices.com/docs/lorawan/cayenne-lpp, https://github.com/ElectronicCats/CayenneLPP.
 */
import type { Codec, Format } from './format.ts';
import type { JsonObject } from './json.ts';
import { lorawanUnit } from './lorawan-units.ts';
import { Refusal } from './value.ts';

/** One number of so many bytes, most significant first; the value is what stands there divided by `per`. */
interface Field {
  readonly bytes: 1 | 2 | 3 | 4;
  readonly isSigned: boolean;
  readonly per: number;
}

interface Type {
  readonly name: string;
  /** By the name of the part; '' where there is one only. */
  readonly fields: readonly (readonly [part: string, field: Field])[];
  readonly isSwitch?: true;
}

const unsigned = (bytes: Field['bytes'], per = 1): Field => ({ bytes, isSigned: false, per });
const signed = (bytes: Field['bytes'], per = 1): Field => ({ bytes, isSigned: true, per });
const one = (name: string, field: Field): Type => ({ name, fields: [['', field]] });
const axes = (name: string, field: Field): Type => ({ name, fields: ['x', 'y', 'z'].map((axis) => [axis, field] as const) });

const TYPES = new Map<number, Type>([
  [0, one('digital_in', unsigned(1))],
  [1, one('digital_out', unsigned(1))],
  [2, one('analog_in', signed(2, 100))],
  [3, one('analog_out', signed(2, 100))],
  [100, one('generic', unsigned(4))],
  [101, one('luminosity', unsigned(2))],
  [102, one('presence', unsigned(1))],
  [103, one('temperature', signed(2, 10))],
  [104, one('relative_humidity', unsigned(1, 2))],
  [113, axes('accelerometer', signed(2, 1000))],
  [115, one('barometric_pressure', unsigned(2, 10))],
  [116, one('voltage', unsigned(2, 100))],
  [117, one('current', unsigned(2, 1000))],
  [118, one('frequency', unsigned(4))],
  [120, one('percentage', unsigned(1))],
  [121, one('altitude', signed(2))],
  [125, one('concentration', unsigned(2))],
  [128, one('power', unsigned(2))],
  [130, one('distance', unsigned(4, 1000))],
  [131, one('energy', unsigned(4, 1000))],
  [132, one('direction', unsigned(2))],
  [133, one('unixtime', unsigned(4))],
  [134, axes('gyrometer', signed(2, 100))],
  [135, { name: 'colour', fields: ['r', 'g', 'b'].map((part) => [part, unsigned(1)] as const) }],
  [
    136,
    {
      name: 'gps',
      fields: [
        ['latitude', signed(3, 10_000)],
        ['longitude', signed(3, 10_000)],
        ['altitude', signed(3, 100)],
      ],
    },
  ],
  [142, { ...one('switch', unsigned(1)), isSwitch: true }],
]);

/** A way that was travelled, not a value: passed over by its length, which stands first and counts itself. */
const POLYLINE = 240;
const POLYLINE_BYTES_MIN = 8;

export const cayenneLpp: Format = {
  name: 'cayenne-lpp',
  topics: [],
  namesDevices: false,
  bearsTime: false,
  read({ payload }) {
    const values = decodeLpp(payload);
    return values instanceof Refusal ? values : [{ device: null, values }];
  },
  unitOf: lorawanUnit,
};

export const cayenneLppCodec: Codec = ({ bytes }) => {
  const values = decodeLpp(bytes);
  return values instanceof Refusal ? values : [{ device: null, values }];
};

function decodeLpp(bytes: Uint8Array): JsonObject | Refusal {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: Record<string, unknown> = {};
  let at = 0;
  while (at < bytes.length) {
    if (at + 2 > bytes.length) return refusal(at, 'it ends after a channel');
    const channel = view.getUint8(at);
    const code = view.getUint8(at + 1);
    const from = at + 2;
    if (code === POLYLINE) {
      const length = bytes[from] ?? 0;
      if (length < POLYLINE_BYTES_MIN || from + length > bytes.length) return refusal(at, 'it ends within a polyline');
      at = from + length;
      continue;
    }
    const type = TYPES.get(code);
    if (type === undefined) return refusal(at + 1, `${code} is no type of Cayenne LPP`);
    const size = type.fields.reduce((sum, [, field]) => sum + field.bytes, 0);
    if (from + size > bytes.length) return refusal(at, `it ends within ${type.name}_${channel}`);
    values[`${type.name}_${channel}`] = valueAt(view, from, type);
    at = from + size;
  }
  return values;
}

function valueAt(view: DataView, from: number, { fields, isSwitch }: Type): unknown {
  let at = from;
  const read = fields.map(([part, field]): [string, number] => {
    const number = numberAt(view, at, field);
    at += field.bytes;
    return [part, number];
  });
  const [first] = read;
  if (first === undefined || first[0] !== '') return Object.fromEntries(read);
  return isSwitch === true ? first[1] !== 0 : first[1];
}

function numberAt(view: DataView, at: number, { bytes, isSigned, per }: Field): number {
  let number = 0;
  for (let index = 0; index < bytes; index++) number = number * 256 + view.getUint8(at + index);
  const span = 256 ** bytes;
  return (isSigned && number >= span / 2 ? number - span : number) / per;
}

const refusal = (at: number, why: string): Refusal => new Refusal('parse-error', `no Cayenne LPP: byte ${at}: ${why}`);
