/** Which time counts: a device's own, as far as its profile believes it, or the time of receipt. */
import { FLAG_CLOCK_SKEW, FLAG_DEVICE_TIME, MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { formatDurationMs } from '../std/quantity.ts';
import { Refusal, shown } from './decoders/value.ts';
import { readDeviceTime } from './time.ts';

export interface ClockPolicy {
  readonly clock: 'device' | 'server';
  readonly timezone: string | null;
  readonly maxFutureMs: number | null;
  readonly maxPastMs: number | null;
  readonly clockSkew: 'keep' | 'quarantine';
}

/** What holds where no profile says otherwise. */
const WITHOUT_PROFILE: ClockPolicy = {
  clock: 'device',
  timezone: null,
  maxFutureMs: 5 * 60_000,
  maxPastMs: 30 * 86_400_000,
  clockSkew: 'keep',
};

export interface ReadingTime {
  /** µs; null: the time of receipt stands. */
  readonly at: number | null;
  readonly flags: number;
}

export const RECEIPT: ReadingTime = Object.freeze({ at: null, flags: 0 });

/** @param raw as it stands in the message; undefined and null are no time */
export function timeOf(policy: ClockPolicy | null, raw: unknown, receivedAt: number): ReadingTime | Refusal {
  const { clock, timezone, clockSkew } = policy ?? WITHOUT_PROFILE;
  if (raw === undefined || raw === null || clock === 'server') return RECEIPT;
  const time = readDeviceTime(raw, timezone, receivedAt);
  if (time === 'no-zone') return RECEIPT;
  const problem = time === 'invalid' ? `${shown(raw)} is no time` : skewOf(time, receivedAt, policy);
  if (problem === null && typeof time === 'number') return { at: time, flags: FLAG_DEVICE_TIME };
  if (clockSkew === 'keep') return { at: null, flags: FLAG_CLOCK_SKEW };
  return new Refusal(time === 'invalid' ? 'invalid-time' : 'clock-skew', problem ?? '');
}

/** How far the time lies outside what the profile allows, as a sentence; null when it does not. */
export function skewOf(at: number, receivedAt: number, policy: ClockPolicy | null): string | null {
  const { maxFutureMs, maxPastMs } = policy ?? WITHOUT_PROFILE;
  const aheadMs = (at - receivedAt) / MICROSECONDS_PER_MILLISECOND;
  if (maxFutureMs !== null && aheadMs > maxFutureMs) return `the device's time is ${formatDurationMs(aheadMs)} ahead, more than maxFuture`;
  if (maxPastMs !== null && -aheadMs > maxPastMs) return `the device's time is ${formatDurationMs(-aheadMs)} behind, more than maxPast`;
  return null;
}
