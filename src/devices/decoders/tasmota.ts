/**
 * Tasmota: `tele/{device}/SENSOR`, `STATE`, `LWT` …, `stat/{device}/POWER`, `RESULT`, `STATUS8` …; also with the device first. The last level
 * says what a message is. Levels between the device and the last belong to the device's name, as in `tele/stadtweg/esp01/SENSOR` and
 * for the devices of a Zigbee bridge.
 *
 * `Time` is local time without a zone: it counts where the profile says which. `Epoch` is exact. What is told in answer to a command (`RESULT`,
 * `STATUS`) is mostly settings: only states are taken. `TempUnit`, `PressureUnit` and `SpeedUnit` are units of the values beside them.
 *
 * Source: https://tasmota.github.io/docs/MQTT/, https://tasmota.github.io/docs/JSON-Status-Responses/; units as in hatasmota's sensor.py.
 */

import { AVAILABILITY } from '../../domain/device.ts';
import { amend, namesIn } from './amend.ts';
import { onlineWord, onOff } from './fields.ts';
import { beginsObject, type Format, type FormatMessage, type Part, readObject, readText } from './format.ts';
import { isObject, type JsonObject } from './json.ts';
import { Refusal, shown } from './value.ts';

const KINDS = /^(?:SENSOR|STATE|LWT|UPTIME|INFO\d|RESULT|STATUS\d{0,2}|(?:POWER|SWITCH|BUTTON)\d{0,2})$/;
const PREFIXES = new Set(['tele', 'stat']);

export const tasmota: Format = {
  name: 'tasmota',
  topics: ['tele/{device}/#', 'stat/{device}/#', '{device}/tele/#', '{device}/stat/#'],
  speaksOn: (levels) => levels.length > 2 && KINDS.test(levels.at(-1) ?? ''),
  namesDevices: false,
  bearsTime: true,
  read(message) {
    const { levels, match } = message;
    const kind = levels.at(-1) ?? '';
    if (levels.includes('cmnd') || !KINDS.test(kind)) return [];
    const values = readKind(kind, message);
    if (values instanceof Refusal) return values;
    return values === null ? [] : [partOf(values, deviceOf(match.device, match.rest))];
  },
  unitOf: fixedUnit,
};

/** @returns null: the topic's device */
function deviceOf(device: string | null, rest: readonly string[]): string | null {
  if (rest.length < 2) return null;
  const between = rest.slice(0, -1).filter((level) => !PREFIXES.has(level));
  return between.length === 0 ? null : [device, ...between].join('/');
}

/** @returns null when it tells no state */
function readKind(kind: string, { payload }: FormatMessage): JsonObject | Refusal | null {
  if (kind === 'INFO1' || kind === 'INFO2') return null;
  // Answers come on a topic of the command's name where the device is set so (SetOption4), as JSON.
  const isWord = kind === 'LWT' || (/^(?:POWER|SWITCH|BUTTON)/.test(kind) && !beginsObject(payload));
  if (isWord) return readWord(kind, payload);
  const document = readObject(payload);
  if (document instanceof Refusal) return document;
  if (kind === 'RESULT') return only(document, (key) => STATES.test(key));
  if (kind.startsWith('STATUS')) return only(document, (key) => key === 'StatusSNS' || key === 'StatusSTS');
  return /^(?:SWITCH|BUTTON)/.test(kind) ? { [kind]: document } : document;
}

/** What a RESULT says of the device's state; anything else in it is a setting. */
const STATES =
  /^(?:Time|Epoch|TempUnit|(?:POWER|Dimmer|CT|White|Channel|Switch|Button|Shutter|Counter|PWM|FanSpeed)\d*|(?:Rf|Ir|Zb|Lw)Received)$/;

function only(document: JsonObject, isTaken: (key: string) => boolean): JsonObject {
  return Object.fromEntries(Object.entries(document).filter(([key]) => isTaken(key)));
}

function readWord(kind: string, payload: Uint8Array): JsonObject | Refusal {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  const word = text.trim();
  if (kind !== 'LWT') return { [kind]: onOff(word) };
  const isOnline = onlineWord(word);
  if (isOnline !== null) return { [AVAILABILITY]: isOnline };
  return new Refusal('wrong-type', `LWT is ${shown(word)}, expected Online or Offline`);
}

function partOf(values: JsonObject, device: string | null): Part {
  // The units come from the same place as the readings: beside them, so in an answer one level further down.
  const inner = [values.StatusSNS, values.StatusSTS].find(isObject) ?? values;
  const at = inner.Epoch ?? inner.Time;
  const { TempUnit: temperature, PressureUnit: pressure, SpeedUnit: speed } = inner;
  const readings = amend(withUptime(values), judge);
  return {
    device,
    at,
    values: readings,
    get units() {
      return saidUnits(readings, { temperature, pressure, speed });
    },
  };
}

const UPTIME = /^(\d{1,6})T(\d\d):(\d\d):(\d\d)$/;

/** `Uptime` is text for people; where there is no `UptimeSec` beside it, it becomes one. */
function withUptime(values: JsonObject): JsonObject {
  const { Uptime: uptime } = values;
  const found = typeof uptime === 'string' && values.UptimeSec === undefined ? UPTIME.exec(uptime) : null;
  if (found === null) return values;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = found.slice(1).map(Number);
  return { ...values, UptimeSec: ((days * 24 + hours) * 60 + minutes) * 60 + seconds };
}

/** Texts that name or describe, and are no state. Numbers under these names are kept: a fingerprint's `Id` is what was read. */
const DESCRIPTIONS = new Set(
  `Time Id ID Address Type Device Name ModelId Manufacturer IEEEAddr TempUnit PressureUnit SpeedUnit SSId BSSId Uptime Downtime SleepMode
  Color HSBColor Version Module Hostname mac MAC`.split(/\s+/),
);

function judge(raw: unknown, key: string, parent: string): unknown {
  if (typeof raw === 'number') return key.endsWith('Epoch') ? null : raw;
  if (typeof raw !== 'string') return raw;
  const word = onOff(raw);
  if (word !== raw) return word;
  if (DESCRIPTIONS.has(key) || isTime(raw) || (key === 'Mode' && parent === 'Wifi')) return null;
  // Hexadecimal, whichever digits there are in it: "123456" is no number.
  if (key === 'Data' || key === 'UID') return raw.startsWith('0x') ? raw : `0x${raw}`;
  return raw;
}

/** `2020-02-10T14:45:14` */
const isTime = (text: string): boolean => text.length >= 19 && text[4] === '-' && text[7] === '-' && text[10] === 'T';

const TEMPERATURES = new Set(['Temperature', 'DewPoint', 'HeatIndex', 'FeelsLike', 'OBJTMP', 'AMBTMP', 'TempSet', 'ThermostatTemperature']);
const PRESSURES = new Set(['Pressure', 'SeaPressure', 'SeaLevelPressure']);
const FIXED = new Map(
  Object.entries({
    Humidity: '%',
    Moisture: '%',
    Battery: '%',
    BatteryPercentage: '%',
    Dimmer: '%',
    Illuminance: 'lx',
    Ambient: 'lx',
    CarbonDioxide: 'ppm',
    eCO2: 'ppm',
    CO2: 'ppm',
    TVOC: 'ppb',
    Noise: 'dB',
    Weight: 'kg',
    Distance: 'cm',
    Gas: 'kΩ',
    Fertility: 'µS/cm',
    Conductivity: 'µS/cm',
    Power: 'W',
    ApparentPower: 'VA',
    ReactivePower: 'var',
    Voltage: 'V',
    BatteryVoltage: 'V',
    Vcc: 'V',
    Current: 'A',
    Frequency: 'Hz',
    Factor: '',
    Phaseangle: '°',
    PhaseAngle: '°',
    Azimuth: '°',
    Deg: '°',
    UptimeSec: 's',
    Heap: 'kB',
    Signal: 'dBm',
    LinkQuality: 'lqi',
    UvPower: 'W/m²',
    CCT: 'K',
  }),
);
const ENERGIES = /^(?:Total|Yesterday|Today|ExportActive|ImportActive|TotalTariff|ExportTariff|Export|Import|DailyEnergy)$/;

function fixedUnit(metric: string): string | null {
  const particles = /(?:^|\.)(PM|CF|PB)\d+(?:\.\d+)?$/.exec(metric)?.[1];
  if (particles !== undefined) return particles === 'PB' ? 'ppd' : 'µg/m³';
  const { name, path } = lastName(metric);
  if (path.includes('ENERGY')) {
    if (ENERGIES.test(name)) return 'kWh';
    if (name === 'ExportReactive' || name === 'ImportReactive') return 'kvarh';
    if (name === 'Period') return 'Wh';
  }
  // The one distance in millimetres.
  if (name === 'Distance' && path.some((level) => level.startsWith('VL53L'))) return 'mm';
  if (name === 'RSSI' && path.includes('Wifi')) return '%';
  const unit = FIXED.get(name);
  if (unit !== undefined) return unit === '' ? null : unit;
  // As they come, unless the message says otherwise.
  return TEMPERATURES.has(name) ? '°C' : PRESSURES.has(name) ? 'hPa' : null;
}

/** `ENERGY.Power.0` → Power, `ANALOG.Temperature1` → Temperature. */
function lastName(metric: string): { name: string; path: readonly string[] } {
  const path = metric.split('.');
  while (path.length > 1 && /^\d+$/.test(path.at(-1) ?? '')) path.pop();
  const last = path.at(-1) ?? '';
  return { name: FIXED.has(last) ? last : last.replace(/\d{1,2}$/, ''), path };
}

function saidUnits(
  values: JsonObject,
  { temperature, pressure, speed }: { temperature: unknown; pressure: unknown; speed: unknown },
): Readonly<Record<string, string>> {
  const units: Record<string, string> = {};
  const inDegrees = temperature === 'F' ? '°F' : temperature === 'K' ? 'K' : null;
  for (const metric of namesIn(values)) {
    const { name, path } = lastName(metric);
    if (inDegrees !== null && TEMPERATURES.has(name)) units[metric] = inDegrees;
    else if (typeof pressure === 'string' && PRESSURES.has(name)) units[metric] = pressure;
    else if (typeof speed === 'string' && path.includes('Speed')) units[metric] = speed;
  }
  return units;
}
