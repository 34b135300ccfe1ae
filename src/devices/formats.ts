/** The formats that are built in, by name. Plain `json` and `scalar` are the decoder's own. */
import { cayenneLpp } from './decoders/cayenne-lpp.ts';
import { chirpstack } from './decoders/chirpstack.ts';
import { esphome } from './decoders/esphome.ts';
import type { Format } from './decoders/format.ts';
import { homeassistant } from './decoders/homeassistant.ts';
import { homie } from './decoders/homie.ts';
import { influx } from './decoders/influx.ts';
import { module } from './decoders/module.ts';
import { owntracks } from './decoders/owntracks.ts';
import { rtl433 } from './decoders/rtl-433.ts';
import { ruuvi } from './decoders/ruuvi.ts';
import { senml, senmlCbor } from './decoders/senml.ts';
import { shelly } from './decoders/shelly.ts';
import { sparkplugB } from './decoders/sparkplug.ts';
import { tasmota } from './decoders/tasmota.ts';
import { theengs } from './decoders/theengs.ts';
import { thingsboard } from './decoders/thingsboard.ts';
import { ttn } from './decoders/ttn.ts';
import { zigbee2mqtt } from './decoders/zigbee2mqtt.ts';

/** Sorted by name. */
export const FORMATS: readonly Format[] = [
  cayenneLpp,
  chirpstack,
  esphome,
  homeassistant,
  homie,
  influx,
  module,
  owntracks,
  rtl433,
  ruuvi,
  senml,
  senmlCbor,
  shelly,
  sparkplugB,
  tasmota,
  theengs,
  thingsboard,
  ttn,
  zigbee2mqtt,
];

/** A user's own decoder; a profile names its file, not the format. */
export const MODULE: Format = module;

/** The format of topics that are known from a discovery message alone. */
export const DISCOVERY: Format = homeassistant;

/** @throws Error when there is none: profiles are checked before */
export function formatNamed(name: string): Format {
  const format = FORMATS.find((one) => one.name === name);
  if (format === undefined) throw new Error(`a profile with the format ${name} passed its check`);
  return format;
}
