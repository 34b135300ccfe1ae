/**
 * ThingsBoard's MQTT API for devices and gateways. Telemetry is an object of values, `{ts, values}`, or a list of either; a gateway's has
 * those by device name. Attributes are values without a time. `me` in a topic is the client that publishes: the device is the MQTT client
 * id, and `me` where there is none. A gateway's connect and disconnect messages are its devices' availability.
 *
 * Source: https://thingsboard.io/docs/reference/mqtt-api/ and https://thingsboard.io/docs/reference/gateway-mqtt-api/
 */

import { AVAILABILITY } from '../../domain/device.ts';
import { leaveOut } from './fields.ts';
import { type Format, type FormatMessage, type Part, readJson } from './format.ts';
import { isObject, type JsonObject } from './json.ts';
import { Refusal, shown } from './value.ts';

const TIME = new Set(['ts']);
/** The core takes no more readings than 1000 from a message: one more is enough to show it that there are. */
const PARTS_MAX = 1001;

export const thingsboard: Format = {
  name: 'thingsboard',
  topics: [
    'v1/devices/me/telemetry',
    'v1/devices/me/attributes',
    'v1/gateway/telemetry',
    'v1/gateway/attributes',
    'v1/gateway/connect',
    'v1/gateway/disconnect',
  ],
  namesDevices: true,
  bearsTime: true,
  read(message) {
    const document = readJson(message.payload);
    if (document instanceof Refusal) return document;
    const [above, kind] = message.levels.slice(-2);
    if (above !== 'gateway') return readEntries(document, message.match.device === null ? (message.client ?? 'me') : null);
    return kind === 'connect' || kind === 'disconnect' ? readConnection(document, kind) : readGateway(document, message);
  },
};

function readGateway(document: unknown, { match }: FormatMessage): readonly Part[] | Refusal {
  if (!isObject(document)) return new Refusal('not-an-object', 'expected a JSON object with a key for each device');
  const parts: Part[] = [];
  for (const [name, entries] of Object.entries(document)) {
    if (parts.length >= PARTS_MAX) break;
    const device = match.device === null ? name : null;
    const read = readEntries(entries, device);
    if (read instanceof Refusal) parts.push({ device, values: {}, refusals: [read] });
    else parts.push(...read);
  }
  return parts;
}

function readEntries(document: unknown, device: string | null): readonly Part[] | Refusal {
  if (isObject(document)) return [readEntry(document, device)];
  if (!Array.isArray(document)) return new Refusal('not-an-object', `expected values by name, or a list of them, found ${shown(document)}`);
  return document.slice(0, PARTS_MAX).map((entry: unknown, index): Part => {
    if (isObject(entry)) return readEntry(entry, device);
    return { device, values: {}, refusals: [new Refusal('not-an-object', `element ${index} is ${shown(entry)}`)] };
  });
}

function readEntry(entry: JsonObject, device: string | null): Part {
  const { ts, values } = entry;
  return isObject(values) ? { device, at: ts, values } : { device, at: ts, values: ts === undefined ? entry : leaveOut(entry, TIME) };
}

function readConnection(document: unknown, kind: 'connect' | 'disconnect'): readonly Part[] | Refusal {
  const device = isObject(document) ? document.device : null;
  if (typeof device !== 'string') return new Refusal('no-device', `expected {"device": "<name>"}, found ${shown(document)}`);
  return [{ device, values: { [AVAILABILITY]: kind === 'connect' } }];
}
