import { readFileSync } from 'node:fs';
import { type Corpus, isThere, type Row, rowsOf } from './corpus.ts';
import { deviceOf, pathOf } from './lorawan.ts';

const FILE = 'lorawan-device-vectors';
const FIXTURES = 'test/devices/codecs/fixtures';

/** Models that a codec of ours reads, with the units that none can know without a profile. */
const OURS: Readonly<Record<string, { readonly codec: string; readonly metrics: string }>> = {
  am307: { codec: 'tlv.js', metrics: 'battery: {unit: "%"}, pressure: {unit: hPa}' },
  'em300-th': { codec: 'tlv.js', metrics: '' },
  'em500-co2': { codec: 'tlv.js', metrics: 'battery: {unit: "%"}, pressure: {unit: hPa}' },
  lht65: {
    codec: 'battery-and-probe.js',
    metrics: 'BatV: {unit: V}, Hum_SHT: {unit: "%"}, TempC_DS: {unit: °C}, TempC_SHT: {unit: °C}',
  },
};

const modelOf = (row: Row): string => String(row.model);
const needsVendor = (row: Row): string => `${modelOf(row)} needs the codec of its vendor, which is not ours to ship`;

/** Frames alone: they come inside an uplink of The Things Stack, to a profile with the codec of the model. */
export const lorawanDeviceVectors: Corpus = {
  file: FILE,
  profileOf: (row) => {
    const ours = OURS[modelOf(row)];
    if (ours === undefined) return null;
    return `topic: v3/{application}/devices/{device}/#\ndecode: {format: ttn, codec: ./${ours.codec}}\nmetrics: {${ours.metrics}}`;
  },
  readScript: (path) => ({ path, source: readFileSync(`${FIXTURES}/${path}`, 'utf8') }),
  topicOf: ({ expect }) => `v3/app/devices/${deviceOf(expect)}/up`,
  payloadOf: ({ payloadBase64, fPort }) => Buffer.from(JSON.stringify({ uplink_message: { f_port: fPort, frm_payload: payloadBase64 } })),
  nameOf: ({ metric }) => ({ metric: pathOf(metric) }),
  not: Object.fromEntries(
    isThere(FILE)
      ? rowsOf(FILE)
          .filter((row) => OURS[modelOf(row)] === undefined)
          .map((row) => [row.id, needsVendor(row)])
      : [],
  ),
};
