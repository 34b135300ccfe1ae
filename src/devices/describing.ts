/** What a device is called and measures in, put beside what is known of it: from its profile, else from what its messages have said. */
import type { Profile } from '../domain/device.ts';
import type { Description } from './learned.ts';

interface Undescribed {
  readonly id: string;
  readonly profile: string | null;
  readonly values: Readonly<Record<string, object>>;
}

interface Described {
  /** What people call it; null: its messages do not say. */
  readonly name: string | null;
  readonly values: Readonly<Record<string, { readonly unit: string | null }>>;
}

/** @param known.profiles by name */
export function describe<Device extends Undescribed>(
  device: Device,
  known: { readonly profiles: ReadonlyMap<string, Profile>; readonly learned: (device: string) => Description },
): Omit<Device, 'values'> & Described {
  const { name, units } = known.learned(device.id);
  const metrics = device.profile === null ? [] : (known.profiles.get(device.profile)?.metrics ?? []);
  const own = new Map(metrics.map((metric) => [metric.name, metric.unit]));
  const unitOf = (metric: string): string | null => own.get(metric) ?? (Object.hasOwn(units, metric) ? units[metric] : null) ?? null;
  const values = Object.entries(device.values).map(([metric, value]) => [metric, { ...value, unit: unitOf(metric) }]);
  return { ...device, name, values: Object.fromEntries(values) };
}
