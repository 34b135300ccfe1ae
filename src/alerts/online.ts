/**
 * Whether a device is online, as far as anybody says so: its metric `availability`, true or false, which formats make of wills, births,
 * deaths and the like. False holds until true, or until another reading of the device: a device that speaks is online.
 *
 * A reading that holds nothing else is an **announcement**: the broker, a bridge, or the device's own birth speaks about the device, which
 * has measured nothing. So it is no sign of life, whether true or false: silence, when the device was last seen and how often it reports
 * go by its other readings alone. A sensor whose radio comes and goes while it measures nothing is in no-data all the same.
 *
 * What is announced counts as of its place in the journal, and ends nothing that only the device itself can end: a silence, what
 * that was put down to, a backlog.
 */
import type { Shape, Value } from '../domain/reading.ts';
import type { DeviceState, Plan } from './device-state.ts';

/** What a reading says of its device's being online; undefined: nothing. A number or a text under that name is somebody's measurement. */
export function saidOnline(plan: Plan, values: readonly Value[]): boolean | undefined {
  const said = plan.availability < 0 ? undefined : values[plan.availability];
  return typeof said === 'boolean' ? said : undefined;
}

/** @param said what the reading says of it */
export const isAnnouncement = (said: boolean | undefined, metrics: Shape): boolean => said !== undefined && metrics.length === 1;

export function noteOnline(device: DeviceState, said: boolean | undefined): void {
  if (said !== undefined) device.online = said;
  else if (device.online === false) device.online = true;
}
