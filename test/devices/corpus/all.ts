/** Every corpus that there is, in the order of its file's name. A file without an entry is plain JSON without a profile. */
import type { Corpus } from './corpus.ts';
import { genericJson } from './generic-json.ts';
import { homeassistantDiscovery } from './homeassistant-discovery.ts';
import { influxLineProtocol } from './influx-line-protocol.ts';
import { owntracks } from './owntracks.ts';
import { rtl433 } from './rtl_433.ts';
import { ruuviGateway } from './ruuvi-gateway.ts';
import { ruuviRawv2Vectors } from './ruuvi-rawv2-vectors.ts';
import { senmlCbor, senmlJson } from './senml.ts';
import { sparkplugB } from './sparkplug-b.ts';
import { theengsOmg } from './theengs-omg.ts';
import { zwaveJsUi } from './zwave-js-ui.ts';

export const CORPORA: readonly Corpus[] = [
  genericJson,
  homeassistantDiscovery,
  influxLineProtocol,
  owntracks,
  rtl433,
  ruuviGateway,
  ruuviRawv2Vectors,
  senmlCbor,
  senmlJson,
  sparkplugB,
  theengsOmg,
  zwaveJsUi,
];
