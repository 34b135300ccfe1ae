/**
 * What a device depends on (a sensor on its gateway): while that is offline, the device's own silence is put down to it.
 *
 * The gateway is offline once it is said to be (online.ts), until it is said to be online or speaks; and once its last sign of life is
 * older than its `maxGap`, or than the shortest silence that a rule on it raises an alarm for. A sign of life is a reading of its own; of
 * a gateway that never sends one, any reading of what depends on it, unless its own announcements say that it is online. A gateway that
 * no rule watches inhibits nothing: nobody would be told of anything. One that is watched for `availability` alone excuses
 * nothing by its silence.
 */
import { asksAvailability } from '../rules/program.ts';
import type { DeviceState } from './device-state.ts';

export interface Dependency {
  readonly on: DeviceState;
  /** How much later the silence of the dependent ripens, so that the gateway's own is known first. µs */
  readonly graceUs: number;
}

/** Whether a rule raises an alarm for its silence: what is said of it is another matter. */
const isListenedTo = (device: DeviceState): boolean => device.instances.some(({ program }) => program.noData?.raise != null);

/** Whether a rule would tell of its being away: for its silence, or for what is said of it. */
export const isWatched = (device: DeviceState): boolean =>
  isListenedTo(device) || device.instances.some(({ program }) => asksAvailability(program));

/** @param now journal time, µs */
export function isOffline(device: DeviceState, now: number): boolean {
  if (device.online === false) return isWatched(device);
  const watched = device.instances.flatMap(({ program }) => (program.noData?.raise == null ? [] : [program.noData.afterUs]));
  if (watched.length === 0) return false;
  if (device.lastSeen === null && device.online === true) return false;
  const sign = device.lastSign ?? device.registeredAt;
  if (sign === null) return false;
  const gaps = device.lastSeen === null ? device.dependents.map((dependent) => dependent.maxGapUs()) : [device.maxGapUs()];
  return now - sign > Math.min(Math.max(...gaps), ...watched);
}

/** When the device, back behind its gateway since `now`, should have been heard at the latest. */
export const backBy = (device: DeviceState, dependency: Dependency, now: number): number =>
  now + Math.max(dependency.graceUs, device.maxGapUs());
