/**
 * ESPHome: `{device}/sensor/outdoor/state`, `{device}/light/lamp/state` (JSON), `{device}/climate/hall/mode/state` …; below a profile's topic
 * also `{device}/status`, and any topic that a component was given. A sensor's metric is its object id; that of anything
 * else has its domain before it (`switch.pump`, `climate.hall.mode`), as one id may stand in several domains.
 *
 * Units are not in these messages: they are learned from the discovery messages that ESPHome sends for Home Assistant, or a profile has them.
 *
 * Source: https://esphome.io/components/mqtt/
 */

import { AVAILABILITY } from '../../domain/device.ts';
import { amend } from './amend.ts';
import { onOff } from './fields.ts';
import { beginsObject, type Format, type FormatMessage, levelsAfterDevice, type Part, readObject, readText } from './format.ts';
import { Refusal, shown } from './value.ts';

const SENSORS = new Set(['sensor', 'binary_sensor', 'text_sensor']);
const DOMAINS = [
  ...SENSORS,
  ...['switch', 'light', 'fan', 'cover', 'climate', 'number', 'select', 'text', 'lock', 'valve', 'event', 'alarm_control_panel'],
  ...['water_heater', 'date', 'time', 'datetime'],
];
/** Their topics look alike: Home Assistant's own states, attributes of a device with a slash in its name, and so on. */
const OTHERS = new Set(['homeassistant', 'zigbee2mqtt', 'homie', 'shellies', 'tele', 'stat', 'cmnd', 'sensors']);

export const esphome: Format = {
  name: 'esphome',
  topics: ['esphome/{device}/#', ...DOMAINS.map((domain) => `{device}/${domain}/#`)],
  speaksOn(levels) {
    const [first = ''] = levels;
    if (first === 'esphome') return levels.length > 2 && levels[1] !== 'discover';
    return (levels.length === 4 || levels.length === 5) && levels.at(-1) === 'state' && !OTHERS.has(first);
  },
  namesDevices: false,
  bearsTime: false,
  read(message) {
    const path = levelsAfterDevice(message);
    const [domain = '', ...rest] = path;
    const last = path.at(-1);
    if (last === undefined || message.match.device === 'discover') return [];
    if (last === 'command' || (path.length === 1 && last === 'debug')) return [];
    if (path.length === 1 && last === 'status') return readStatus(message);
    const levels = last === 'state' && rest.length > 1 ? path.slice(0, -1) : path;
    return readValue(message, { domain, metric: (SENSORS.has(domain) && levels.length > 1 ? levels.slice(1) : levels).join('.') });
  },
};

function readStatus({ payload }: FormatMessage): readonly Part[] | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const word = text.trim();
  if (word === 'online' || word === 'offline') return [{ device: null, values: { [AVAILABILITY]: word === 'online' } }];
  return new Refusal('wrong-type', `status is ${shown(word)}, expected online or offline`);
}

function readValue({ payload }: FormatMessage, { domain, metric }: { domain: string; metric: string }): readonly Part[] | Refusal {
  if (domain !== 'text_sensor' && beginsObject(payload)) {
    const document = readObject(payload);
    return document instanceof Refusal ? document : partOf(metric, amend(document, onOff));
  }
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  if (domain === 'text_sensor') return [{ device: null, values: { [metric]: text }, isTyped: true }];
  return partOf(metric, onOff(text.trim()));
}

const partOf = (metric: string, value: unknown): readonly Part[] => [{ device: null, values: { [metric]: value } }];
