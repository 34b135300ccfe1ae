/** Every corpus that there is, in the order of its file's name. A file without an entry is plain JSON without a profile. */
import type { Corpus } from './corpus.ts';
import { genericJson } from './generic-json.ts';
import { homeassistantDiscovery } from './homeassistant-discovery.ts';
import { owntracks } from './owntracks.ts';
import { rtl433 } from './rtl_433.ts';
import { ruuviGateway } from './ruuvi-gateway.ts';
import { ruuviRawv2Vectors } from './ruuvi-rawv2-vectors.ts';
import { theengsOmg } from './theengs-omg.ts';
import { zwaveJsUi } from './zwave-js-ui.ts';

export const CORPORA: readonly Corpus[] = [
  genericJson,
  homeassistantDiscovery,
  owntracks,
  rtl433,
  ruuviGateway,
  ruuviRawv2Vectors,
  theengsOmg,
  zwaveJsUi,
];
