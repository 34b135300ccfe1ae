/**
 * Ruuvi Gateway over MQTT: `ruuvi/<gateway>/<tag>` with a tag's advertisement, undecoded (`data`) and, from newer firmware, decoded as well;
 * `ruuvi/<gateway>/gw_status` says whether the gateway is online. The names are the gateway's own. JSON without an advertisement (bridges
 * that decode themselves) is taken by its names. What a phone or any other maker's device advertises is not kept.
 *
 * Source: https://docs.ruuvi.com/ruuvi-gateway-firmware/gw-data-formats
 */

import { AVAILABILITY } from '../../domain/device.ts';
import { leaveOut, onlineWord } from './fields.ts';
import { type Format, type FormatMessage, type Part, readObject, readText } from './format.ts';
import { isObject, type JsonObject, parseJson } from './json.ts';
import { readAdvertisement } from './ruuvi-advertisement.ts';
import { Refusal } from './value.ts';

/** Addresses, times, the advertisement itself, and where and how the gateway received it. */
const NO_READINGS = new Set('gw_mac aoa gwts ts cnt data coords dataFormat id mac name timestamp nonce ble_phy ble_chan'.split(' '));
const PASCAL = { pressure: 'Pa' };
const UNITS: ReadonlyMap<string, string> = new Map([
  ['temperature', '°C'],
  ['humidity', '%'],
  ['accelX', 'g'],
  ['accelY', 'g'],
  ['accelZ', 'g'],
  ['voltage', 'V'],
  ['txPower', 'dBm'],
  ['rssi', 'dBm'],
  ['PM1.0', 'µg/m³'],
  ['PM2.5', 'µg/m³'],
  ['PM4.0', 'µg/m³'],
  ['PM10.0', 'µg/m³'],
  ['CO2', 'ppm'],
  ['luminosity', 'lx'],
]);

export const ruuvi: Format = {
  name: 'ruuvi',
  topics: ['ruuvi/{gateway}/{device}', 'ruuvi/{device}', 'ruuvi/{device}/gw_status'],
  namesDevices: false,
  bearsTime: true,
  read(message) {
    return message.levels.at(-1) === 'gw_status' ? readStatus(message) : readTag(message);
  },
  unitOf: (metric) => UNITS.get(metric) ?? null,
};

function readTag({ payload }: FormatMessage): readonly Part[] | Refusal {
  const document = readObject(payload);
  if (document instanceof Refusal) return document;
  const { data, dataFormat } = document;
  const at = document.ts ?? document.gwts;
  const values = leaveOut(document, NO_READINGS);
  // Other programs put pressure in hPa under the same name.
  const units = dataFormat === undefined ? {} : PASCAL;
  if (typeof data !== 'string') return [{ device: null, at, values, units }];
  const advertised = readAdvertisement(data);
  if (advertised instanceof Refusal) return [{ device: null, at, values, units, refusals: [advertised] }];
  if (advertised === null) return saysMore(values) ? [{ device: null, at, values, units }] : [];
  return [{ device: null, at, values: Object.assign(document, advertised), units: PASCAL }];
}

/** Than how well the gateway heard it. */
const saysMore = (values: JsonObject): boolean => Object.keys(values).some((name) => name !== 'rssi' && values[name] !== null);

function readStatus({ levels, payload }: FormatMessage): readonly Part[] | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const document = text.trimStart().startsWith('{') ? parseJson(text, 'double') : { state: text };
  if (document instanceof Refusal) return document;
  const isOnline = isObject(document) && typeof document.state === 'string' ? onlineWord(document.state) : null;
  if (isOnline === null) return new Refusal('parse-error', 'a gateway is online or offline');
  return [{ device: levels.at(-2) ?? null, values: { [AVAILABILITY]: isOnline } }];
}
