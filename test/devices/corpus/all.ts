/** Every corpus that there is, in the order of its file's name. A file without an entry is plain JSON without a profile. */
import type { Corpus } from './corpus.ts';
import { homeassistantDiscovery } from './homeassistant-discovery.ts';
import { cayennelpp, chirpstackV4, ttnV3 } from './lorawan.ts';
import { lorawanDeviceVectors } from './lorawan-device-vectors.ts';

export const CORPORA: readonly Corpus[] = [cayennelpp, chirpstackV4, homeassistantDiscovery, lorawanDeviceVectors, ttnV3];
