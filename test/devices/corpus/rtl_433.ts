import type { Corpus } from './corpus.ts';

export const rtl433: Corpus = { file: 'rtl_433' };
