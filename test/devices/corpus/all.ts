/** Every corpus that there is, in the order of its file's name. A file without an entry is plain JSON without a profile. */
import type { Corpus } from './corpus.ts';
import { homeassistantDiscovery } from './homeassistant-discovery.ts';
import { tasmota } from './tasmota.ts';
import { zigbee2mqtt } from './zigbee2mqtt.ts';

export const CORPORA: readonly Corpus[] = [homeassistantDiscovery, tasmota, zigbee2mqtt];
