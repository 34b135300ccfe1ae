/**
 * Theengs Gateway and OpenMQTTGateway: `<base>/<gateway>/<kind>toMQTT[/<device>]` with what a gateway received over Bluetooth, LoRa or 433 MHz,
 * `SYStoMQTT` with the gateway's own state, `LWT` with whether it is online, `<base>/presence/<gateway>` with distances.
 *
 * A device is the payload's `mac` or `id`, else the topic's last level (`AABBCCDDEEFF` as `AA:BB:CC:DD:EE:FF`), else the gateway; below
 * `RTL_433toMQTT` it is named as rtl_433 does. Units are those of Theengs' properties.
 *
 * Sources: https://decoder.theengs.io, https://gateway.theengs.io/use/use.html, https://docs.openmqttgateway.com/use/gateway.html
 */

import { AVAILABILITY } from '../../domain/device.ts';
import { leaveOut, nameOf, onlineWord } from './fields.ts';
import { type Format, type FormatMessage, type Part, readObject, readText } from './format.ts';
import type { JsonObject } from './json.ts';
import { rtl433DeviceOf, rtl433Part, rtl433UnitOf } from './rtl-433.ts';
import { Refusal } from './value.ts';

/** Who a device is, how it is to be scanned, and what was not decoded. */
const NO_READINGS = new Set(
  (
    'id mac mac_type adv_type name device brand model model_id type subtype cidc acts track encr mfr mfid uuid major minor serial sn addr res ' +
    'unit servicedata servicedatauuid manufacturerdata hex raw from to packetSize packetsize protocol length delay mhz repeat ' +
    'unixtime UTCtime time prmac irk'
  ).split(' '),
);
/** What a gateway says of itself is mostly its settings, secrets among them: these are its readings. */
const GATEWAY_READINGS = ['uptime', 'freemem', 'freeMem', 'minmem', 'minMem', 'freestack', 'tempc', 'rssi', 'msgprc', 'msgblck', 'maxq'];
const UNITS: ReadonlyMap<string, string> = new Map(
  (
    'tempc °C|tempf °F|tem °C|dp °C|hum %|batt %|volt V|current A|power W|energy kWh|pres hPa|moi %|fer µS/cm|lux lx|rssi dBm|snr dB|txpower dBm|' +
    'co2 ppm|for mg/m³|pm1 µg/m³|pm25 µg/m³|pm4 µg/m³|pm10 µg/m³|weight kg|impedance Ω|accx m/s²|accy m/s²|accz m/s²|lvl_cm cm|lvl_in in|' +
    'litres L|seconds s|distance m|alt m|act_bpm bpm|pferror Hz|uptime s|freemem B|freeMem B|minmem B|minMem B|freestack B'
  )
    .split('|')
    .map((pair) => {
      const [name = '', unit = ''] = pair.split(' ');
      return [name, unit];
    }),
);
const TEMPERATURE = /^temp([cf])\d*(?:_\w+)?$/;
const KIND = /toMQTT$/;
const ADDRESS = /^[0-9A-Fa-f]{12}$/;

export const theengs: Format = {
  name: 'theengs',
  topics: [
    ...['BTtoMQTT', 'LORAtoMQTT', 'RTL_433toMQTT', '433toMQTT', 'PilighttoMQTT', 'RFM69toMQTT', 'CLIMAtoMQTT', 'SYStoMQTT'].map(
      (kind) => `home/{gateway}/${kind}/#`,
    ),
    'home/{gateway}/LWT',
    'home/presence/{gateway}',
  ],
  namesDevices: true,
  bearsTime: true,
  read(message) {
    const { levels, match } = message;
    const at = levels.findLastIndex((level) => KIND.test(level));
    const gateway = match.labels.gateway ?? levels[(at >= 0 ? at : levels.length - 1) - 1] ?? null;
    if (levels.at(-1) === 'LWT') return readWill(message, gateway);
    // Theengs Gateway is to decode it, and tells then.
    if (levels[at + 1] === 'undecoded') return [];
    const document = readObject(message.payload);
    if (document instanceof Refusal) return document;
    const from = { kind: levels[at] ?? '', gateway: match.device ?? gateway, rest: at < 0 ? [] : levels.slice(at + 1) };
    const part = readDocument(document, from);
    return match.device === null ? [part] : [{ ...part, device: null }];
  },
  unitOf(metric) {
    const scale = TEMPERATURE.exec(metric)?.[1];
    if (scale !== undefined) return scale === 'c' ? '°C' : '°F';
    return UNITS.get(metric.slice(metric.lastIndexOf('.') + 1)) ?? rtl433UnitOf(metric);
  },
};

interface Origin {
  /** `BTtoMQTT`; empty where the topic says nothing of it. */
  readonly kind: string;
  readonly gateway: string | null;
  /** The levels after the kind. */
  readonly rest: readonly string[];
}

function readDocument(document: JsonObject, { kind, gateway, rest }: Origin): Part {
  if (kind === 'SYStoMQTT') {
    const values = Object.fromEntries(GATEWAY_READINGS.map((name) => [name, document[name] ?? null]));
    return { device: gateway, at: timeOf(document), values };
  }
  if (kind === 'RTL_433toMQTT') return rtl433Part(document, rtl433DeviceOf(document) ?? gateway);
  const device = deviceOf(document, rest) ?? gateway;
  const about = { device, at: timeOf(document), units: unitsOf(document) };
  const values = leaveOut(document, NO_READINGS);
  // A gateway's own sensors: two of them have the same names.
  return device === gateway && rest.length > 0 ? { ...about, values: { [rest.join('.')]: values } } : { ...about, values };
}

/** A clock that was not set yet says 1970; the clock policy sees to that. */
const timeOf = ({ unixtime, UTCtime }: JsonObject): unknown => unixtime ?? UTCtime;

function deviceOf({ mac, id, addr }: JsonObject, rest: readonly string[]): string | null {
  const named = nameOf(mac) ?? nameOf(id) ?? nameOf(addr);
  if (named !== null) return named;
  const last = rest.at(-1) ?? '';
  if (ADDRESS.test(last)) return (last.match(/../g) ?? []).join(':').toUpperCase();
  // Where a computer hides addresses, a UUID stands in their place.
  return last.length >= 32 ? last : null;
}

/** Scales name their unit, and tyres have their pressure in bar. */
function unitsOf({ unit, type }: JsonObject): Record<string, string> {
  const units: Record<string, string> = {};
  if (type === 'TIRE') units.pres = 'bar';
  if (unit === 'C' || unit === 'F') units.temp = `°${unit}`;
  else if (typeof unit === 'string') units.weight = unit;
  return units;
}

function readWill({ payload, match }: FormatMessage, gateway: string | null): readonly Part[] | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const isOnline = onlineWord(text);
  if (isOnline === null) return new Refusal('parse-error', 'a gateway is online or offline');
  return [{ device: match.device === null ? gateway : null, values: { [AVAILABILITY]: isOnline } }];
}
