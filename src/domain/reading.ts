/**
 * A reading: one device, one instant, one or more named values.
 *
 * All times are integer microseconds since 1970-01-01T00:00:00Z, which a double holds exactly until the year 2255.
 */

export type Value = number | boolean | string;

/** Who published: interned by the ingest, so that identity comparison is enough within one process. */
export interface DeviceRef {
  readonly id: string;
  /** The profile's name, or null when the device has none. */
  readonly profile: string | null;
  /** Labels as they were at ingest: from the fleet file and from the topic. */
  readonly labels: Readonly<Record<string, string>>;
}

/** The names of a reading's metrics, in the order of its values. Interned like DeviceRef. */
export type Shape = readonly string[];

export interface Reading {
  readonly device: DeviceRef;
  /** When it was measured (device time), or the time of receipt made unique for the device; µs. */
  readonly at: number;
  /** When it reached us; µs. */
  readonly receivedAt: number;
  readonly flags: number;
  readonly metrics: Shape;
  /** `values[i]` belongs to `metrics[i]`; a number is always finite. */
  readonly values: readonly Value[];
}

/** `at` is the device's own time, not the time of receipt. */
export const FLAG_DEVICE_TIME = 1;
/** The device gave a time outside `maxPast`/`maxFuture`; the time of receipt stands in. */
export const FLAG_CLOCK_SKEW = 2;

/** A message, or a part of one, that did not become a reading. Kept in the quarantine. */
export interface Rejection {
  /** The device, where the topic names one. */
  readonly device: string | null;
  readonly topic: string;
  readonly payload: Uint8Array;
  /** MQTT client id, or `http`. */
  readonly client: string;
  readonly receivedAt: number;
  /** A fixed code such as `invalid-json`, `out-of-range`, `not-a-number`, `wrong-type`, `clock-skew`. Groups in the quarantine. */
  readonly reason: string;
  /** The particulars, for a person: which path, which value, which limit. */
  readonly detail: string;
  /** True when other values of the same message were accepted. */
  readonly partial: boolean;
}

export const MICROSECONDS_PER_MILLISECOND = 1000;
export const MICROSECONDS_PER_SECOND = 1_000_000;
