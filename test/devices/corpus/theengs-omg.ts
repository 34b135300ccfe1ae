import type { Corpus } from './corpus.ts';

export const theengsOmg: Corpus = { file: 'theengs-omg' };
