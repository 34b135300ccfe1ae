/** What became of a message, as the decoder hands it on. */
import type { DeviceRef, Shape, Value } from '../domain/reading.ts';
import type { Refusal } from './decoders/value.ts';

export interface Refused {
  /** A fixed code; groups in the quarantine. */
  readonly reason: string;
  /** The particulars, for a person. */
  readonly detail: string;
}

export type Decoded =
  /** At least one reading, each with at least one value. `rejected`: what else the message held, one entry a reason. */
  | {
      readonly kind: 'readings';
      /** Whose message it is; null: several devices', or none that the topic names. */
      readonly device: string | null;
      readonly readings: readonly DecodedReading[];
      readonly rejected: readonly Refused[];
    }
  /** Nothing to keep and nothing wrong: a sign of life. */
  | { readonly kind: 'ignored'; readonly detail: string }
  /** For the quarantine. */
  | { readonly kind: 'rejected'; readonly device: string | null; readonly reason: string; readonly detail: string }
  /** Turned away by the fleet file (`unknown: reject`): counted, not kept. */
  | { readonly kind: 'refused'; readonly detail: string };

export interface DecodedReading {
  readonly device: DeviceRef;
  /** Device time in µs; null: the time of receipt stands. */
  readonly at: number | null;
  readonly flags: number;
  readonly metrics: Shape;
  readonly values: readonly Value[];
}

const DETAILS_SHOWN_MAX = 5;
const NOTHING_REJECTED: readonly Refused[] = Object.freeze([]);
export const IGNORED_EMPTY: Decoded = Object.freeze({ kind: 'ignored', detail: 'an empty payload' });
export const IGNORED_NOTHING: Decoded = Object.freeze({ kind: 'ignored', detail: 'no value in it' });

export const rejected = (device: string | null, { reason, detail }: Refusal): Decoded => ({ kind: 'rejected', device, reason, detail });

export function finish(device: string | null, readings: readonly DecodedReading[], refusals: readonly Refusal[]): Decoded {
  if (refusals.length === 0)
    return readings.length === 0 ? IGNORED_NOTHING : { kind: 'readings', device, readings, rejected: NOTHING_REJECTED };
  const reasons = mergeByReason(refusals);
  const [first] = reasons;
  if (readings.length > 0 || first === undefined) return { kind: 'readings', device, readings, rejected: reasons };
  return { kind: 'rejected', device, reason: first.reason, detail: reasons.map((reason) => reason.detail).join('; ') };
}

/** One entry a reason, so that a message never leaves more entries in the quarantine than there are reasons. */
function mergeByReason(refusals: readonly Refusal[]): readonly Refused[] {
  const details = new Map<string, string[]>();
  for (const { reason, detail } of refusals) {
    const known = details.get(reason);
    if (known === undefined) details.set(reason, [detail]);
    else known.push(detail);
  }
  return [...details].map(([reason, all]) => {
    const more = all.length > DETAILS_SHOWN_MAX ? `; and ${all.length - DETAILS_SHOWN_MAX} more` : '';
    return { reason, detail: all.slice(0, DETAILS_SHOWN_MAX).join('; ') + more };
  });
}
