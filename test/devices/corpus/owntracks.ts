import type { Corpus } from './corpus.ts';

export const owntracks: Corpus = {
  file: 'owntracks',
  // What names a device there is a convention of the corpus; ours is `user/device`, as two people may both have a `phone`.
  nameOf: (_expected, { topic }) => ({ device: topic?.split('/').slice(1, 3).join('/') ?? '' }),
};
