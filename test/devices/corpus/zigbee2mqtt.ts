import type { Corpus } from './corpus.ts';

export const zigbee2mqtt: Corpus = { file: 'zigbee2mqtt' };
