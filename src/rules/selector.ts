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

/** Which parts of a selector do not match, one sentence each; none: all do. */
export function mismatches(selector: Selector, device: DeviceRef): string[] {
  const found: string[] = [];
  if (selector.profile !== null && device.profile !== selector.profile) {
    found.push(`it is for the profile ${selector.profile}, and ${device.id} has ${device.profile === null ? 'none' : device.profile}`);
  }
  if (selector.id !== null && !globPattern(selector.id).test(device.id)) {
    found.push(`it is for devices whose id matches ${selector.id}, and this is ${device.id}`);
  }
  for (const [label, wanted] of Object.entries(selector.labels)) {
    const value = Object.hasOwn(device.labels, label) ? device.labels[label] : undefined;
    if (value === wanted) continue;
    found.push(`it is for ${label}=${wanted}, and ${device.id} has ${value === undefined ? `no label ${label}` : `${label}=${value}`}`);
  }
  return found;
}

/** `*` any characters, `?` one; neighbouring stars are one, so that matching stays linear in practice. */
function globPattern(glob: string): RegExp {
  const source = glob.replace(/\*+/g, '*').replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${source.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'su');
}
