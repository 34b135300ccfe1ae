/**
 * Shelly, both generations; the levels after the device tell them apart. Gen1: `shellies/{device}/relay/0`, `…/emeter/0/power`, `…/light/0/status`,
 * a value or a JSON object a topic; a metric is the levels, dotted, without `status` and `info`. Gen2 and later: a JSON object a component,
 * `{device}/status/switch:0`, and `{device}/events/rpc`, which holds several, with the device's time. Their prefix is free, so without a
 * profile only topics count whose component is known, or whose device is called `shelly…`, as it comes from the factory.
 *
 * Source: https://shelly-api-docs.shelly.cloud/gen1/#mqtt-support, https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Mqtt
 */

import { AVAILABILITY } from '../../domain/device.ts';
import { amend } from './amend.ts';
import { beginsObject, type Format, type FormatMessage, levelsAfterDevice, type Part, readObject, readText } from './format.ts';
import { isObject, type JsonObject } from './json.ts';
import { Refusal, shown } from './value.ts';

const COMPONENT =
  /^(?:switch|cover|light|rgb|rgbw|cct|input|temperature|humidity|voltmeter|illuminance|devicepower|smoke|flood|motion|em|em1|emdata|em1data|pm1|thermostat|bthomedevice|bthomesensor|blutrv|presencezone|boolean|number|text|enum|group|script):\d{1,5}$/;
const EVENTS_MAX = 1000;

export const shelly: Format = {
  name: 'shelly',
  topics: ['shellies/{device}/#', '{device}/events/rpc', '{device}/status/#', '{device}/online'],
  speaksOn([first = '', second, component = '']) {
    // `shellies/announce` and `shellies/command` are nobody's.
    if (first === 'shellies') return component !== '';
    if (second === 'events' || first.startsWith('shelly')) return true;
    return second === 'status' && COMPONENT.test(component);
  },
  namesDevices: false,
  bearsTime: true,
  read(message) {
    const path = levelsAfterDevice(message);
    const last = path.at(-1);
    if (last === undefined || path.some((level) => NO_READINGS.has(level))) return [];
    if (last === 'online' && path.length === 1) return readOnline(message.payload);
    if (last === 'rpc') return path.at(-2) === 'events' ? readRpc(message.payload) : [];
    if (path[0] === 'status' && path.length > 1) return readDocument(message.payload, path.slice(1));
    if (last === 'status' || last === 'info') return readDocument(message.payload, path.slice(0, -1));
    return beginsObject(message.payload) ? readDocument(message.payload, path) : readWord(message, path);
  },
  unitOf,
};

const NO_READINGS = new Set(['command', 'set', 'announce', 'settings']);

function readOnline(payload: Uint8Array): readonly Part[] | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const word = text.trim();
  if (word === 'true' || word === 'false') return [{ device: null, values: { [AVAILABILITY]: word === 'true' } }];
  return new Refusal('wrong-type', `online is ${shown(word)}, expected true or false`);
}

function readWord({ payload }: FormatMessage, path: readonly string[]): readonly Part[] | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const word = text.trim();
  // A list: the reasons for which a sleeping device woke up.
  if (word.startsWith('[')) return [];
  return [{ device: null, values: { [path.join('.')]: word === 'on' ? true : word === 'off' ? false : word } }];
}

function readDocument(payload: Uint8Array, path: readonly string[]): readonly Part[] | Refusal {
  const document = readObject(payload);
  if (document instanceof Refusal) return document;
  const { unixtime } = document;
  // 0 while the clock is not set.
  const at = typeof unixtime === 'number' && unixtime > 0 ? unixtime : null;
  const values = amend(document, judge);
  return [{ device: null, at, values: path.length === 0 ? values : { [path.join('.')]: values } }];
}

/** A notification: the status of what changed, or of everything; or what happened. Answers to commands are neither. */
function readRpc(payload: Uint8Array): readonly Part[] | Refusal {
  const document = readObject(payload);
  if (document instanceof Refusal) return document;
  const { method, params } = document;
  if (!isObject(params)) return [];
  const { ts: at } = params;
  if (method === 'NotifyStatus' || method === 'NotifyFullStatus') return [{ device: null, at, values: amend(params, judge) }];
  if (method !== 'NotifyEvent' || !Array.isArray(params.events)) return [];
  return params.events.slice(0, EVENTS_MAX).flatMap((event) => (isObject(event) ? partOfEvent(event, at) : []));
}

/** Of what it does itself (updates, settings, sleep) a device tells by the same means. */
const OWN_EVENTS = /^(?:ota_|config_changed|component_|scheduled_restart|sleep)/;

function partOfEvent({ component, event, ts, data }: JsonObject, at: unknown): readonly Part[] {
  if (typeof component !== 'string' || typeof event !== 'string' || OWN_EVENTS.test(event)) return [];
  const values = { event, ...(isObject(data) && { data: amend(data, judge) }) };
  return [{ device: null, at: ts ?? at, values: { [component]: values } }];
}

/** Names, times of other things, settings' revisions, and what is summed up elsewhere. */
const LEFT_OUT = new Set(
  `id source ts timestamp unixtime time mac ip sta_ip sta_ip6 ssid bssid serial hwID address addr fw fw_ver fw_id new_fw has_update update
  available_updates by_minute counters actions_stats cfg_changed_cnt utc_offset timer_started`.split(/\s+/),
);

const judge = (raw: unknown, key: string): unknown =>
  LEFT_OUT.has(key) || key.endsWith('_ts') || key.endsWith('_at') || key.endsWith('_rev') ? null : raw;

const UNITS = new Map(
  Object.entries({
    power: 'W',
    apower: 'W',
    act_power: 'W',
    aprt_power: 'VA',
    aprtpower: 'VA',
    reactive_power: 'var',
    voltage: 'V',
    V: 'V',
    current: 'A',
    freq: 'Hz',
    energy: 'W·min',
    returned_energy: 'W·min',
    act_energy: 'Wh',
    act_ret_energy: 'Wh',
    total_act: 'Wh',
    total_act_ret: 'Wh',
    total_returned: 'Wh',
    temperature: '°C',
    temperature_f: '°F',
    ext_temperature: '°C',
    ext_temperature_f: '°F',
    tC: '°C',
    tF: '°F',
    current_C: '°C',
    target_C: '°C',
    target_t: '°C',
    humidity: '%',
    ext_humidity: '%',
    hum: '%',
    rh: '%',
    battery: '%',
    bat: '%',
    percent: '%',
    brightness: '%',
    gain: '%',
    pos: '%',
    current_pos: '%',
    target_pos: '%',
    lux: 'lx',
    tilt: '°',
    concentration: 'ppm',
    ppm: 'ppm',
    adc: 'V',
    rssi: 'dBm',
    uptime: 's',
    ct: 'K',
  }),
);
/** `a_act_power`, `total_current`, `b_total_act_ret_energy`. */
const OF_PHASE = /^(?:[abcn]_|total_)+(current|voltage|freq|act_power|aprt_power|act_energy|act_ret_energy)$/;

function unitOf(metric: string): string | null {
  const path = metric.split('.');
  while (path.length > 1 && /^\d+$/.test(path.at(-1) ?? '')) path.pop();
  const last = path.at(-1) ?? '';
  const parent = path.at(-2) ?? '';
  if (last === 'total') {
    if (parent === 'aenergy' || parent === 'ret_aenergy' || path[0]?.startsWith('emeter')) return 'Wh';
    return path[0] === 'meters' ? 'W·min' : null;
  }
  // `tmp.value`, `bat.value`, `lux.value` of an info.
  if (last === 'value') return parent === 'tmp' ? '°C' : (UNITS.get(parent) ?? null);
  return UNITS.get(last) ?? UNITS.get(OF_PHASE.exec(last)?.[1] ?? '') ?? null;
}
