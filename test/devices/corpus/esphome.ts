import type { Corpus } from './corpus.ts';

/** Topics of its own for each component, as these devices have them, need a profile; so does the unit where no discovery says it. */
const PROFILE = 'topic: ["{device}/status", "{device}/{metric}"]\ndecode: esphome\nmetrics: {temperature: {unit: °C}}';

export const esphome: Corpus = {
  file: 'esphome',
  profileOf: ({ topic }) => (topic?.startsWith('esphome/') || topic?.split('/').length !== 2 ? null : PROFILE),
};
