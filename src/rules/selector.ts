/** Which devices a rule is for. All that a selector gives must match. */
import type { DeviceRef } from '../domain/reading.ts';
import type { Selector } from '../domain/rule.ts';

export type Matches = (device: DeviceRef) => boolean;

export function createSelector(selector: Selector): Matches {
  const id = selector.id === null ? null : globPattern(selector.id);
  const labels = Object.entries(selector.labels);
  return (device) =>
    (selector.profile === null || device.profile === selector.profile) &&
    (id === null || id.test(device.id)) &&
    labels.every(([key, value]) => Object.hasOwn(device.labels, key) && device.labels[key] === value);
}

/** `*` any characters, `?` one; neighbouring stars are one, so that matching stays linear in practice. */
function globPattern(glob: string): RegExp {
  const source = glob.replace(/\*+/g, '*').replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${source.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'su');
}
