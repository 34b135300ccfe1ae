/** What is known of devices before they speak: profiles (a kind of device) and the fleet (the devices themselves). */
import type { Value } from './reading.ts';

/** The device as which this program tells of itself, and that device's profile: nothing else may be called so. */
export const SELF = 'tocsin';

/** The metric under which it is told whether a device is online: true or false. */
export const AVAILABILITY = 'availability';

export type MetricType = 'number' | 'boolean' | 'text';

export interface MetricDefinition {
  readonly name: string;
  /** Dotted path in the payload. */
  readonly path: string;
  readonly type: MetricType;
  readonly unit: string | null;
  /** Inclusive; a value outside is quarantined. Numbers only, after scale and offset. */
  readonly range: readonly [min: number, max: number] | null;
  /** Raw values that mean "no reading". */
  readonly absent: readonly Value[];
  /** value = raw × scale + offset */
  readonly scale: number;
  readonly offset: number;
  /** How text writes a number's fraction: `21.5` or `21,5`. */
  readonly decimal: 'point' | 'comma';
}

/** What reads the bytes that are inside a message. */
export type CodecChoice =
  | { readonly kind: 'built-in'; readonly name: string }
  /** A script, with what stood in its file when the configuration was read. `path` is as errors name it. */
  | { readonly kind: 'script'; readonly path: string; readonly source: string };

export interface Profile {
  readonly name: string;
  /** Topic templates: `{device}` and `{metric}` capture one level, any other `{name}` becomes a label. */
  readonly topics: readonly string[];
  /** A built-in format. */
  readonly decode: string;
  readonly codec: CodecChoice | null;
  /** How the payload is compressed, or null. */
  readonly compression: 'gzip' | null;
  /** Dotted path of the device's id in a JSON payload, or null: the topic names it. */
  readonly device: string | null;
  /** Dotted path of the device time, or null: the time of receipt counts. */
  readonly time: string | null;
  /** IANA zone of times without one, or null. */
  readonly timezone: string | null;
  readonly clock: 'device' | 'server';
  /** How far a device time may lie ahead of or behind the time of receipt; null is `off`. */
  readonly maxFutureMs: number | null;
  readonly maxPastMs: number | null;
  /** What becomes of a reading outside them: kept with server time and marked, or quarantined. */
  readonly clockSkew: 'keep' | 'quarantine';
  /** How often the device reports, where it is known. */
  readonly intervalMs: number | null;
  /** How old a value may be and still count; null: derived from the interval. */
  readonly maxGapMs: number | null;
  /** How long readings are held to put them in order of their device time; 0 is not at all. */
  readonly latenessMs: number;
  /** From which age on a transition is retrospective: told in a summary, not on its own; null is `off`. */
  readonly retrospectiveAfterMs: number | null;
  /** What else the payload holds is taken as it comes, under its dotted path. */
  readonly metrics: readonly MetricDefinition[];
  readonly limits: Readonly<Record<string, number>>;
}

/** What a rule may name of devices of a profile. Null: one that lists no metrics takes whatever the payload holds. */
export function metricTypesOf({ metrics, decode }: Profile): ReadonlyMap<string, MetricType> | null {
  if (metrics.length === 0) return null;
  const types = new Map(metrics.map(({ name, type }) => [name, type]));
  // Formats tell it beside what a profile lists.
  if (decode !== 'json' && decode !== 'scalar' && !types.has(AVAILABILITY)) types.set(AVAILABILITY, 'boolean');
  return types;
}

export interface FleetDevice {
  readonly id: string;
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** Overrides of the profile's limits. */
  readonly limits: Readonly<Record<string, number>>;
  readonly dependsOn: string | null;
}

/** Devices that share limits of their own. All that is given must match; of two groups that set a limit the later one counts. */
export interface DeviceGroup {
  readonly id: string;
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** Overrides of the profile's limits; the device's own override them in turn. */
  readonly limits: Readonly<Record<string, number>>;
}

export interface DeviceDirectory {
  readonly profiles: readonly Profile[];
  readonly fleet: readonly FleetDevice[];
  readonly groups: readonly DeviceGroup[];
  /** What becomes of a device that is not listed. */
  readonly unknown: 'accept' | 'quarantine' | 'reject';
}
