import type { Corpus, Expected } from './corpus.ts';

/** Lists are numbered in the corpus in brackets, and named in TTN's messages from the uplink on. */
export const pathOf = (metric: string): string =>
  metric
    .replaceAll(/\[(\d+)\]/g, '.$1')
    .replace(/^(?:uplink_message\.|location_solved\.)?(?:decoded_payload\.|normalized_payload\.\d+\.)?/, '');

export const ttnV3: Corpus = { file: 'ttn-v3', nameOf: ({ metric }) => ({ metric: pathOf(metric) }) };

export const chirpstackV4: Corpus = {
  file: 'chirpstack-v4',
  // A device's name is not unique in ChirpStack, and may be changed: ours is the EUI, which the topic has.
  nameOf: ({ metric }, { topic }) => ({ metric: pathOf(metric).replace(/^object\./, ''), device: topic?.split('/')[3] ?? '' }),
};

export const cayennelpp: Corpus = {
  file: 'cayennelpp',
  profileOf: () => 'topic: lorawan/{device}\ndecode: cayenne-lpp',
  topicOf: ({ expect }) => `lorawan/${deviceOf(expect)}`,
};

export const deviceOf = ([first]: readonly Expected[]): string => first?.device ?? 'lpp';
