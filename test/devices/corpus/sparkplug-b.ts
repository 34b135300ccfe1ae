import type { Corpus } from './corpus.ts';

/** In order: births explain what later messages say. Names are by guess: the file is not among those that we have seen. */
export const sparkplugB: Corpus = {
  file: 'sparkplug-b',
  isOneStory: true,
  nameOf({ device, metric }, { topic }) {
    const [, group = '', type = '', edge = '', own] = topic?.split('/') ?? [];
    const isOnline = metric === 'online' || metric === 'state';
    if (group === 'STATE') return { device: type, metric: isOnline ? 'availability' : metric };
    // The corpus may call a device by its own id; with us it bears those of its group and edge node.
    const full = [group, edge, own].filter((level) => level !== undefined).join('/');
    return { device: device.startsWith(`${group}/`) ? device : full, metric: isOnline ? 'availability' : metric };
  },
};
