/**
 * Gives equal devices and shapes of different journal batches the same object, so that what is derived from one (a
 * line's head, the numbers of its metrics) is derived once. Within a bound: past it, it begins anew.
 */
import type { DeviceRef, Shape } from '../domain/reading.ts';

const KNOWN_MAX = 100_000;

export class Interning {
  readonly #devices = new Map<string, DeviceRef>();
  readonly #shapes = new Map<string, Shape>();

  device = (device: DeviceRef): DeviceRef => {
    const known = this.#devices.get(device.id);
    if (known !== undefined && known.profile === device.profile && sameLabels(known.labels, device.labels)) return known;
    if (this.#devices.size >= KNOWN_MAX) this.#devices.clear();
    this.#devices.set(device.id, device);
    return device;
  };

  shape = (shape: Shape): Shape => {
    const key = shape.length === 1 ? `1${shape[0]}` : JSON.stringify(shape);
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    if (this.#shapes.size >= KNOWN_MAX) this.#shapes.clear();
    this.#shapes.set(key, shape);
    return shape;
  };
}

function sameLabels(left: Readonly<Record<string, string>>, right: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  for (const key of keys) if (left[key] !== right[key]) return false;
  return true;
}
