import type { Corpus } from './corpus.ts';

/** In order: the units of a state are said by the discovery messages before it. */
export const homeassistantDiscovery: Corpus = { file: 'homeassistant-discovery', isOneStory: true };
