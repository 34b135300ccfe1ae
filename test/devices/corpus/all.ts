/** Every corpus that there is, in the order of its file's name. A file without an entry is plain JSON without a profile. */
import type { Corpus } from './corpus.ts';
import { esphome } from './esphome.ts';
import { homeassistantDiscovery } from './homeassistant-discovery.ts';
import { homie } from './homie.ts';
import { shellyGen1, shellyGen2 } from './shelly.ts';
import { tasmota } from './tasmota.ts';
import { zigbee2mqtt } from './zigbee2mqtt.ts';

export const CORPORA: readonly Corpus[] = [esphome, homeassistantDiscovery, homie, shellyGen1, shellyGen2, tasmota, zigbee2mqtt];
