import type { Corpus } from './corpus.ts';

export const shellyGen1: Corpus = { file: 'shelly-gen1' };
export const shellyGen2: Corpus = { file: 'shelly-gen2' };
