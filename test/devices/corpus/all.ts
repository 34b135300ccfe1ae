/** Every corpus that there is, in the order of its file's name. A file without an entry is plain JSON without a profile. */
import type { Corpus } from './corpus.ts';
import { esphome } from './esphome.ts';
import { genericJson } from './generic-json.ts';
import { homeassistantDiscovery } from './homeassistant-discovery.ts';
import { homie } from './homie.ts';
import { influxLineProtocol } from './influx-line-protocol.ts';
import { cayennelpp, chirpstackV4, ttnV3 } from './lorawan.ts';
import { lorawanDeviceVectors } from './lorawan-device-vectors.ts';
import { owntracks } from './owntracks.ts';
import { rtl433 } from './rtl_433.ts';
import { ruuviGateway } from './ruuvi-gateway.ts';
import { ruuviRawv2Vectors } from './ruuvi-rawv2-vectors.ts';
import { senmlCbor, senmlJson } from './senml.ts';
import { shellyGen1, shellyGen2 } from './shelly.ts';
import { sparkplugB } from './sparkplug-b.ts';
import { tasmota } from './tasmota.ts';
import { theengsOmg } from './theengs-omg.ts';
import { zigbee2mqtt } from './zigbee2mqtt.ts';
import { zwaveJsUi } from './zwave-js-ui.ts';

export const CORPORA: readonly Corpus[] = [
  cayennelpp,
  chirpstackV4,
  esphome,
  genericJson,
  homeassistantDiscovery,
  homie,
  influxLineProtocol,
  lorawanDeviceVectors,
  owntracks,
  rtl433,
  ruuviGateway,
  ruuviRawv2Vectors,
  senmlCbor,
  senmlJson,
  shellyGen1,
  shellyGen2,
  sparkplugB,
  tasmota,
  theengsOmg,
  ttnV3,
  zigbee2mqtt,
  zwaveJsUi,
];
