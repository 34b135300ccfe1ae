import type { Corpus } from './corpus.ts';

export const tasmota: Corpus = { file: 'tasmota' };
