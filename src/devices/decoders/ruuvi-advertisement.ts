/**
 * Ruuvi's Bluetooth advertisements → values: data formats 3 (RAWv1), 5 (RAWv2), C5, 6 and E1. The names are those that Ruuvi Gateway gives them
 * in its own JSON (`GET /history`). What a tag marks as not available is no reading. Pressure is in Pa.
 *
 * Source: https://docs.ruuvi.com/communication/bluetooth-advertisements
 */
import { Refusal } from './value.ts';

export type Advertised = Readonly<Record<string, number | boolean | null>>;

/** Null: not available. */
type Reader = (bytes: Buffer) => number | boolean | null;

interface DataFormat {
  /** Of what is read, not of the whole: the address at the end is not needed. */
  readonly length: number;
  readonly fields: readonly (readonly [name: string, read: Reader])[];
}

const HEX_LENGTH_MAX = 2048;
const MANUFACTURER_DATA = 0xff;
/** 0x0499, as it is sent: the low byte first. */
const RUUVI = 0x9904;
const ENCRYPTED = 8;

const signed =
  (at: number, divisor: number): Reader =>
  (bytes) => {
    const raw = bytes.readInt16BE(at);
    return raw === -0x8000 ? null : raw / divisor;
  };
const unsigned =
  (at: number, { divisor = 1, offset = 0, size = 2 }: { divisor?: number; offset?: number; size?: number } = {}): Reader =>
  (bytes) => {
    const raw = bytes.readUIntBE(at, size);
    return raw === 2 ** (8 * size) - 1 ? null : (raw + offset) / divisor;
  };
/** Nine bits: the lowest stands in the byte of flags. */
const nineBits =
  (at: number, { flags, bit }: { flags: number; bit: number }): Reader =>
  (bytes) => {
    const raw = bytes.readUInt8(at) * 2 + ((bytes.readUInt8(flags) >> bit) & 1);
    return raw === 0x1ff ? null : raw;
  };
const calibrating =
  (flags: number): Reader =>
  (bytes) =>
    (bytes.readUInt8(flags) & 1) === 1;

const voltage =
  (at: number): Reader =>
  (bytes) => {
    const raw = bytes.readUInt16BE(at) >> 5;
    return raw === 0x7ff ? null : (raw + 1600) / 1000;
  };
const txPower =
  (at: number): Reader =>
  (bytes) => {
    const raw = bytes.readUInt16BE(at) & 0x1f;
    return raw === 0x1f ? null : raw * 2 - 40;
  };

/** Format 3: a sign and whole degrees, then hundredths. */
const signAndHundredths: Reader = (bytes) => {
  const whole = bytes.readUInt8(2);
  const hundredths = (whole & 0x7f) * 100 + bytes.readUInt8(3);
  return hundredths === 0 ? 0 : (whole >= 0x80 ? -hundredths : hundredths) / 100;
};

const LUMINOSITY_STEP = Math.log(65_536) / 254;
const logarithmic =
  (at: number): Reader =>
  (bytes) => {
    const code = bytes.readUInt8(at);
    return code === 0xff ? null : Math.round((Math.exp(code * LUMINOSITY_STEP) - 1) * 100) / 100;
  };

const CLIMATE = [
  ['temperature', signed(1, 200)],
  ['humidity', unsigned(3, { divisor: 400 })],
  ['pressure', unsigned(5, { offset: 50_000 })],
] as const;

const DATA_FORMATS: ReadonlyMap<number, DataFormat> = new Map([
  [
    3,
    {
      length: 14,
      fields: [
        ['temperature', signAndHundredths],
        ['humidity', (bytes) => bytes.readUInt8(1) / 2],
        ['pressure', (bytes) => bytes.readUInt16BE(4) + 50_000],
        ['accelX', (bytes) => bytes.readInt16BE(6) / 1000],
        ['accelY', (bytes) => bytes.readInt16BE(8) / 1000],
        ['accelZ', (bytes) => bytes.readInt16BE(10) / 1000],
        ['voltage', (bytes) => bytes.readUInt16BE(12) / 1000],
      ],
    },
  ],
  [
    5,
    {
      length: 18,
      fields: [
        ...CLIMATE,
        ['accelX', signed(7, 1000)],
        ['accelY', signed(9, 1000)],
        ['accelZ', signed(11, 1000)],
        ['voltage', voltage(13)],
        ['txPower', txPower(13)],
        ['movementCounter', unsigned(15, { size: 1 })],
        ['measurementSequenceNumber', unsigned(16)],
      ],
    },
  ],
  [
    0xc5,
    {
      length: 12,
      fields: [
        ...CLIMATE,
        ['voltage', voltage(7)],
        ['txPower', txPower(7)],
        ['movementCounter', unsigned(9, { size: 1 })],
        ['measurementSequenceNumber', unsigned(10)],
      ],
    },
  ],
  [
    6,
    {
      length: 17,
      fields: [
        ...CLIMATE,
        ['PM2.5', unsigned(7, { divisor: 10 })],
        ['CO2', unsigned(9)],
        ['VOC', nineBits(11, { flags: 16, bit: 6 })],
        ['NOx', nineBits(12, { flags: 16, bit: 7 })],
        ['luminosity', logarithmic(13)],
        // The low byte of a longer counter: 255 is a number like any other.
        ['measurementSequenceNumber', (bytes) => bytes.readUInt8(15)],
        ['flag_calibration_in_progress', calibrating(16)],
      ],
    },
  ],
  [
    0xe1,
    {
      length: 29,
      fields: [
        ...CLIMATE,
        ['PM1.0', unsigned(7, { divisor: 10 })],
        ['PM2.5', unsigned(9, { divisor: 10 })],
        ['PM4.0', unsigned(11, { divisor: 10 })],
        ['PM10.0', unsigned(13, { divisor: 10 })],
        ['CO2', unsigned(15)],
        ['VOC', nineBits(17, { flags: 28, bit: 6 })],
        ['NOx', nineBits(18, { flags: 28, bit: 7 })],
        ['luminosity', unsigned(19, { divisor: 100, size: 3 })],
        ['measurementSequenceNumber', unsigned(25, { size: 3 })],
        ['flag_calibration_in_progress', calibrating(28)],
      ],
    },
  ],
]);

/** @returns null when it is the advertisement of another maker's device */
export function readAdvertisement(hex: string): Advertised | null | Refusal {
  if (hex.length > HEX_LENGTH_MAX || hex.length % 2 === 1 || !/^[0-9a-f]*$/i.test(hex))
    return new Refusal('parse-error', 'data is no advertisement in hexadecimal');
  const bytes = manufacturerData(Buffer.from(hex, 'hex'));
  return bytes === null ? null : readManufacturerData(bytes);
}

/** What follows Ruuvi's number in the advertisement: each structure is a length, a type and its data. */
function manufacturerData(advertisement: Buffer): Buffer | null {
  let start = 0;
  while (start + 4 <= advertisement.length) {
    const length = advertisement.readUInt8(start);
    if (advertisement.readUInt8(start + 1) === MANUFACTURER_DATA && length >= 3 && advertisement.readUInt16BE(start + 2) === RUUVI)
      return advertisement.subarray(start + 4, start + 1 + length);
    start += 1 + length;
  }
  return null;
}

function readManufacturerData(bytes: Buffer): Advertised | Refusal {
  const number = bytes[0] ?? 0;
  if (number === ENCRYPTED) return new Refusal('encrypted', 'the tag encrypts what it sends (data format 8)');
  const format = DATA_FORMATS.get(number);
  if (format === undefined)
    return new Refusal('unknown-data-format', `Ruuvi's data format ${number.toString(16).toUpperCase()} is not known here`);
  if (bytes.length < format.length)
    return new Refusal(
      'parse-error',
      `data format ${number.toString(16).toUpperCase()} has ${format.length} bytes, and here are ${bytes.length}`,
    );
  const values: Record<string, number | boolean | null> = {};
  for (const [name, read] of format.fields) values[name] = read(bytes);
  return values;
}
