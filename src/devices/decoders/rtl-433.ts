/**
 * rtl_433's MQTT output: `rtl_433/<host>/events` with JSON, `rtl_433/<host>/devices/…/<field>` with one field each, and
 * `rtl_433/<host>/states`, which tells of the receiver only; also `RTL_433/JSON`, as older instructions have it.
 *
 * A device is `model/id`; `model/channel` where it has no id, `model` where it has neither. A name in the topic, `{device}`, goes before that.
 * The topics below `devices` are read by their default form `[/type][/model][/subtype][/channel][/id]`: the first level that is no
 * type is the model, the last before the field the id. Units follow from the ends of the names (`_C`, `_km_h`).
 *
 * Source: https://triq.org/rtl_433/DATA_FORMAT.html and OPERATION.html (MQTT output, Meta information).
 */
import { leaveOut, nameOf } from './fields.ts';
import { type Format, type FormatMessage, type Part, readObject, readText } from './format.ts';
import type { JsonObject } from './json.ts';
import { freeScalar, Refusal } from './value.ts';

/** Who sent it, how it was received and checked, and the undecoded bits. */
const NO_READINGS = new Set(
  (
    'time type model subtype id channel rid sid brand protocol mic mod freq freq1 freq2 sequence_num message_type exception ' +
    'raw_msg raw code codes data rows num_rows len tag duration'
  ).split(' '),
);
/** rtl_433 knows one device type; any other first level is a model. */
const DEVICE_TYPE = 'TPMS';
/** The longer ending first, where one ends with another. */
const UNITS = (
  'ug_m3 µg/m³|mm_h mm/h|in_h in/h|km_h km/h|kph km/h|mi_h mph|mph mph|m_s m/s|deg °|C °C|F °F|kPa kPa|hPa hPa|bar bar|PSI psi|psi psi|' +
  'inHg inHg|mm mm|cm cm|km km|inch in|in in|m3 m³|ft3 ft³|gal gal|L L|mV mV|kV kV|V V|mA mA|A A|kWh kWh|Wh Wh|kW kW|W W|kVA kVA|VA VA|' +
  'dBm dBm|dB dB|klux klx|lux lx|pct %|ppm ppm|ppb ppb|kg kg|MHz MHz|kHz kHz|Hz Hz'
)
  .split('|')
  .map((pair) => {
    const [ending = '', unit = ''] = pair.split(' ');
    return { ending: `_${ending}`, unit };
  });
const PERCENT = /^(?:humidity|moisture)(?:_\d+)?$/;
const RADIO_LEVEL = /^(?:rssi|snr|noise)$/;

export const rtl433: Format = {
  name: 'rtl_433',
  topics: ['rtl_433/{host}/events', 'rtl_433/{host}/states', 'rtl_433/{host}/devices/#', 'RTL_433/JSON'],
  namesDevices: true,
  bearsTime: true,
  read(message) {
    const { levels, match } = message;
    const last = levels.at(-1);
    if (last === 'states') return [];
    return last !== 'events' && (match.metric !== null || match.rest.length > 0) ? readField(message) : readEvent(message);
  },
  unitOf: rtl433UnitOf,
};

export function rtl433UnitOf(metric: string): string | null {
  if (PERCENT.test(metric)) return '%';
  if (RADIO_LEVEL.test(metric)) return 'dB';
  return UNITS.find(({ ending }) => metric.endsWith(ending))?.unit ?? null;
}

function readEvent({ payload, match }: FormatMessage): readonly Part[] | Refusal {
  const document = readObject(payload);
  if (document instanceof Refusal) return document;
  const device = match.device === null ? rtl433DeviceOf(document) : null;
  // Without a model it tells of the receiver: a start, statistics.
  return device === null && match.device === null ? [] : [rtl433Part(document, device)];
}

export const rtl433Part = (document: JsonObject, device: string | null): Part => ({
  device,
  at: timeOf(document.time),
  values: leaveOut(document, NO_READINGS),
});

/** @returns null when the message is none of a device */
export function rtl433DeviceOf(document: JsonObject): string | null {
  const model = nameOf(document.model);
  return model === null ? null : deviceName(model, nameOf(document.id) ?? nameOf(document.channel));
}

// What stands in older models' names (`Temp + Humidity`) cannot be in a topic, and so not in a device's name.
const deviceName = (model: string, id: string | null): string => (id === null ? model : `${model}/${id}`).replace(/[+#]/g, '_');

/** `2022-10-29 18:42:29` (local), with an offset, or Unix time; with a `@` it is a place in a recording. */
function timeOf(raw: unknown): unknown {
  if (typeof raw !== 'string') return raw;
  if (raw.startsWith('@')) return null;
  return /^\d+(?:\.\d+)?s$/.test(raw) ? raw.slice(0, -1) : raw;
}

function readField({ match, payload }: FormatMessage): readonly Part[] | Refusal {
  const { device, field } = match.metric === null ? fieldPath(match.rest) : { device: null, field: match.metric };
  const isOfDevice = device !== null || match.device !== null;
  if (!isOfDevice || NO_READINGS.has(field.split('.')[0] ?? '')) return [];
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const value = freeScalar(text.trim());
  if (value instanceof Refusal) return value;
  return value === undefined ? [] : [{ device: match.device === null ? device : null, values: { [field]: value } }];
}

function fieldPath(rest: readonly string[]): { device: string | null; field: string } {
  // A profile may take in more than what is below `devices`.
  const path = rest.slice(rest.indexOf('devices') + 1);
  if (path[0] === DEVICE_TYPE && path.length > 2) path.shift();
  let field = path.pop() ?? '';
  // Elements of a list have a level of their own.
  if (/^\d+$/.test(field) && path.length > 0) field = `${path.pop() ?? ''}.${field}`;
  const [model, ...ids] = path;
  return { device: model === undefined ? null : deviceName(model, ids.at(-1) ?? null), field };
}
