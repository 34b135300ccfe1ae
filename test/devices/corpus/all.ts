/** Every corpus that there is, in the order of its file's name. A file without an entry is plain JSON without a profile. */
import type { Corpus } from './corpus.ts';
import { homeassistantDiscovery } from './homeassistant-discovery.ts';
import { influxLineProtocol } from './influx-line-protocol.ts';
import { senmlCbor, senmlJson } from './senml.ts';
import { sparkplugB } from './sparkplug-b.ts';

export const CORPORA: readonly Corpus[] = [homeassistantDiscovery, influxLineProtocol, senmlCbor, senmlJson, sparkplugB];
