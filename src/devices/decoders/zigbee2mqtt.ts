/**
 * Zigbee2MQTT: `zigbee2mqtt/{device}` with a JSON object, `zigbee2mqtt/{device}/availability`, `zigbee2mqtt/bridge/state`. A friendly name may
 * have slashes, so an object is the state of the device that all levels name; anything else is one attribute of it (`output: attribute`), which
 * the last level names. Commands (`…/set`, `…/get`) and what the bridge tells of itself are no readings.
 *
 * `last_seen` is the device's time, in any of its forms. Units are learned from `bridge/devices`; where nobody has seen that, they
 * are those of Zigbee2MQTT's own list, and a `voltage` is in mV for what has a battery, else in V.
 *
 * Source: https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html, …/exposes.html; lib/controller.ts for attributes.
 */

import { AVAILABILITY } from '../../domain/device.ts';
import { amend } from './amend.ts';
import { onOff } from './fields.ts';
import {
  beginsObject,
  type Format,
  type FormatMessage,
  type Learned,
  levelsAfterDevice,
  type Part,
  readJson,
  readObject,
  readText,
} from './format.ts';
import { isObject, type JsonObject } from './json.ts';
import { Refusal, shown } from './value.ts';

const DEVICES_MAX = 2000;
const EXPOSES_MAX = 500;
const EXPOSES_DEPTH_MAX = 8;

export const zigbee2mqtt: Format = {
  name: 'zigbee2mqtt',
  topics: ['zigbee2mqtt/{device}/#'],
  namesDevices: false,
  bearsTime: true,
  read(message, learned) {
    const { match } = message;
    const last = levelsAfterDevice(message).at(-1);
    if (match.device === 'bridge') return readBridge(last, message, learned);
    if (isCommand(match.rest)) return [];
    const name = [match.device ?? '', ...match.rest];
    if (last === 'availability') return readAvailability(message, nameOf(name.slice(0, -1)));
    return readState(message, name, learned);
  },
  unitOf: (metric) => UNITS.get(metric) ?? UNITS.get(metric.replace(/_(?:left|right|center|l?\d)$/, '')) ?? null,
};

/** Null: as the topic says. */
const nameOf = (levels: readonly string[]): string | null => (levels.length < 2 ? null : levels.join('/'));

/** `…/set`, `…/get/state`, `…/left/set`. */
const isCommand = (rest: readonly string[]): boolean => rest.slice(-2).some((level) => level === 'set' || level === 'get');

function readAvailability({ payload }: FormatMessage, device: string | null): readonly Part[] | Refusal {
  const said = beginsObject(payload) ? readObject(payload) : readText(payload);
  if (said instanceof Refusal) return said;
  const word = typeof said === 'string' ? said.trim() : said.state;
  if (word !== 'online' && word !== 'offline')
    return new Refusal('wrong-type', `availability is ${shown(word)}, expected online or offline`);
  return [{ device, values: { [AVAILABILITY]: word === 'online' } }];
}

function readState(message: FormatMessage, name: readonly string[], learned: Learned): readonly Part[] | Refusal {
  if (name.length > 1 && !beginsObject(message.payload)) return readAttribute(message.payload, name);
  const document = readObject(message.payload);
  if (document instanceof Refusal) return document;
  const at = document.last_seen;
  const values = amend(document, judge);
  const topic = message.topic;
  return [
    {
      device: nameOf(name),
      at,
      values,
      get units() {
        return { ...guessedUnits(values), ...learnedUnits(learned.get(unitsKey(topic))) };
      },
    },
  ];
}

/** Of objects, what the firmware is and may become, and what the device is; of the rest, times. */
const LEFT_OUT = new Set(['update', 'update_available', 'device', 'last_seen', 'elapsed']);

function judge(raw: unknown, key: string, parent: string): unknown {
  if (parent === '' && LEFT_OUT.has(key)) return null;
  return onOff(raw);
}

function readAttribute(payload: Uint8Array, levels: readonly string[]): readonly Part[] | Refusal {
  const attribute = levels.at(-1) ?? '';
  if (LEFT_OUT.has(attribute) || attribute.startsWith('update-') || attribute.startsWith('device-')) return [];
  const said = readText(payload);
  if (said instanceof Refusal) return said;
  const text = said.trim();
  if (LIST.test(text)) return new Refusal('not-a-number', `${attribute} is ${shown(text)}, a list of numbers`);
  return [{ device: nameOf(levels.slice(0, -1)), values: { [attribute]: judge(text, attribute, '') } }];
}

/** `100,50,10`: a colour, no decimal comma. */
const LIST = /^-?\d+(?:\.\d+)?(?:,-?\d+(?:\.\d+)?)+$/;

/** Only whether the bridge is there is a reading of it; its list of devices says the units of theirs. */
function readBridge(kind: string | undefined, message: FormatMessage, learned: Learned): readonly Part[] | Refusal {
  if (kind === 'state') return readAvailability(message, null);
  if (kind !== 'devices') return [];
  const devices = readJson(message.payload);
  if (devices instanceof Refusal) return devices;
  if (!Array.isArray(devices)) return [];
  const base = message.topic.slice(0, -'/bridge/devices'.length);
  for (const device of devices.slice(0, DEVICES_MAX)) {
    if (!isObject(device) || typeof device.friendly_name !== 'string' || !isObject(device.definition)) continue;
    const units = new Map<string, string>();
    collectUnits(device.definition.exposes, { path: '', depth: 1 }, units);
    learned.set(unitsKey(`${base}/${device.friendly_name}`), units.size === 0 ? null : Object.fromEntries(units));
    // Of a device that spoke before its bridge did, too.
    if (units.size > 0) learned.describe(device.friendly_name, { units: Object.fromEntries(units) });
  }
  return [];
}

/** By topic: two bridges may have devices of one name. */
const unitsKey = (topic: string): string => `zigbee2mqtt ${topic}`;

/** Only this file writes under these keys. */
const learnedUnits = (known: unknown): Readonly<Record<string, string>> => (isObject(known) ? (known as Record<string, string>) : {});

/** A light or switch has features that are attributes of the device; a composite has such of its own. */
function collectUnits(exposes: unknown, { path, depth }: { path: string; depth: number }, units: Map<string, string>): void {
  if (!Array.isArray(exposes) || depth > EXPOSES_DEPTH_MAX) return;
  for (const expose of exposes) {
    if (!isObject(expose) || units.size >= EXPOSES_MAX) continue;
    const property = typeof expose.property === 'string' ? expose.property : null;
    const own = property === null ? path : path === '' ? property : `${path}.${property}`;
    if (typeof expose.unit === 'string' && property !== null) units.set(own, expose.unit);
    const isNested = expose.type === 'composite';
    collectUnits(expose.features, { path: isNested ? own : path, depth: depth + 1 }, units);
  }
}

function guessedUnits(values: JsonObject): Readonly<Record<string, string>> {
  if (values.voltage === undefined) return {};
  const hasBattery = 'battery' in values || 'battery_low' in values;
  return { voltage: hasBattery ? 'mV' : 'V' };
}

const UNITS = new Map(
  Object.entries({
    temperature: '°C',
    device_temperature: '°C',
    local_temperature: '°C',
    local_temperature_calibration: '°C',
    external_temperature: '°C',
    soil_temperature: '°C',
    current_heating_setpoint: '°C',
    occupied_heating_setpoint: '°C',
    unoccupied_heating_setpoint: '°C',
    occupied_cooling_setpoint: '°C',
    unoccupied_cooling_setpoint: '°C',
    humidity: '%',
    soil_moisture: '%',
    battery: '%',
    position: '%',
    tilt: '%',
    valve_position: '%',
    pi_heating_demand: '%',
    pressure: 'hPa',
    illuminance: 'lx',
    illuminance_lux: 'lx',
    linkquality: 'lqi',
    power: 'W',
    power_apparent: 'VA',
    power_reactive: 'VAR',
    current: 'A',
    energy: 'kWh',
    produced_energy: 'kWh',
    consumed_energy: 'kWh',
    ac_frequency: 'Hz',
    co2: 'ppm',
    eco2: 'ppm',
    voc: 'ppb',
    pm1: 'µg/m³',
    pm25: 'µg/m³',
    pm10: 'µg/m³',
    formaldehyd: 'mg/m³',
    noise: 'dBA',
    color_temp: 'mired',
    flow: 'm³/h',
    water_consumed: 'm³',
  }),
);
