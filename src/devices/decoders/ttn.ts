/**
 * The Things Stack v3 (The Things Network, The Things Industries). Uplinks: what `decoded_payload` holds, under its own names;
 * `rx_metadata.0.rssi` and `.snr` of each gateway; the battery as the network server last asked for it; and what `normalized_payload`
 * holds, a reading for each of its measurements. Locations that were solved are `location.latitude` and so on. What else there is,
 * joins, downlinks and data of services, says nothing of a sensor.
 *
 * Which message it is, is said by its own keys, so that it may come on any topic. The time is `received_at`.
 *
 * Source: https://www.thethingsindustries.com/docs/integrations/data-formats/ and …/integrations/mqtt/.
 */
import { textOf } from './fields.ts';
import { type Format, type FormatMessage, type Part, readObject } from './format.ts';
import { isObject, type JsonObject } from './json.ts';
import { locationOf, partOf, radioOf, readUplink } from './lorawan.ts';
import { lorawanUnit } from './lorawan-units.ts';
import { Refusal } from './value.ts';

/** The first level behind the device of what others, or the stack itself, say to a device or of its session. */
const OTHERS = new Set(['down', 'downlink', 'downlinks', 'join', 'service']);

export const ttn: Format = {
  name: 'ttn',
  topics: ['v3/{application}/devices/{device}/#'],
  namesDevices: true,
  takesCodec: true,
  bearsTime: true,
  read(message) {
    if (OTHERS.has(message.match.rest[0] ?? '')) return [];
    const document = readObject(message.payload);
    if (document instanceof Refusal) return document;
    const ids = isObject(document.end_device_ids) ? document.end_device_ids : null;
    const device = message.match.device === null ? textOf(ids?.device_id) : null;
    if (isObject(document.uplink_message)) return readMessage({ device, document, uplink: document.uplink_message }, message);
    const from = { device, at: document.received_at };
    if (isObject(document.uplink_normalized)) return normalizedOf([document.uplink_normalized.normalized_payload], from);
    if (isObject(document.location_solved)) return [partOf(from, { location: locationOf(document.location_solved.location) })];
    return ids === null
      ? new Refusal('parse-error', 'no message of The Things Stack: it has neither uplink_message nor end_device_ids')
      : [];
  },
  unitOf: lorawanUnit,
};

function readMessage(
  { device, document, uplink }: { device: string | null; document: JsonObject; uplink: JsonObject },
  message: FormatMessage,
): readonly Part[] | Refusal {
  const at = document.received_at ?? uplink.received_at;
  const battery = isObject(uplink.last_battery_percentage) ? uplink.last_battery_percentage.value : undefined;
  const parts = readUplink(
    {
      device,
      at,
      frame: uplink.frm_payload,
      port: uplink.f_port,
      decoded: uplink.decoded_payload,
      radio: {
        rx_metadata: radioOf(uplink.rx_metadata, ['rssi', 'snr']),
        ...(typeof battery === 'number' && { last_battery_percentage: { value: battery } }),
      },
    },
    message,
  );
  if (parts instanceof Refusal) return parts;
  const normalized = Array.isArray(uplink.normalized_payload) ? uplink.normalized_payload : [];
  return [...parts, ...normalizedOf(normalized, { device, at })];
}

/** Each measurement may have a time of its own. */
function normalizedOf(measurements: readonly unknown[], { device, at }: { device: string | null; at: unknown }): Part[] {
  return measurements.filter(isObject).map(({ time, ...values }) => partOf({ device, at: time ?? at }, values));
}
