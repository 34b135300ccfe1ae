/**
 * What devices do by journal time alone: readings held for `lateness` are let go in the order of their device time, and a
 * backlog ends when nothing further comes. Times are µs.
 */
import type { DeviceState, HeldReading } from './device-state.ts';

/** A device that sends more than this within its lateness has the oldest let go early. */
const HELD_MAX = 1000;

export const Holding = {
  /** Journal time of the next thing that the device does by itself; infinity when there is none. */
  dueOf(device: DeviceState): number {
    return Math.min(this.letGoNextAt(device), this.backlogEndsAt(device));
  },

  /** When the first of the held readings is let go; infinity when none is held. */
  letGoNextAt(device: DeviceState): number {
    const [first] = device.held;
    return first === undefined ? Number.POSITIVE_INFINITY : letGoAt(device, first);
  },

  /** When the backlog is over although no new reading says so. */
  backlogEndsAt({ backlog, retrospectiveAfterUs }: DeviceState): number {
    return backlog === null ? Number.POSITIVE_INFINITY : backlog.receivedAt + retrospectiveAfterUs;
  },

  /** Takes the reading in. Returns what is to be worked on at once: it, when it is later than that, and the oldest of too many. */
  hold(device: DeviceState, reading: HeldReading): HeldReading[] {
    if (letGoAt(device, reading) <= reading.receivedAt) return [reading];
    const { held } = device;
    let index = held.length;
    while (index > 0 && comesBefore(reading, held[index - 1])) index -= 1;
    held.splice(index, 0, reading);
    return held.length > HELD_MAX ? held.splice(0, 1) : [];
  },

  /** Those whose time has come, in order, as received at that time. */
  letGo(device: DeviceState, now: number): HeldReading[] {
    const count = device.held.findIndex((reading) => letGoAt(device, reading) > now);
    const due = device.held.splice(0, count < 0 ? device.held.length : count);
    return due.map((reading) => ({ ...reading, receivedAt: letGoAt(device, reading) }));
  },
};

/**
 * By the device's clock, brought to ours; a clock that is ahead does not hold anything longer. What is within the lateness
 * is the network's delay as likely as the clock's, and must not make a difference.
 */
function letGoAt(device: DeviceState, { at, receivedAt }: HeldReading): number {
  const offsetUs = device.clock?.offsetUs ?? 0;
  return Math.min(at + (Math.abs(offsetUs) > device.latenessUs ? offsetUs : 0), receivedAt) + device.latenessUs;
}

/** Of two of one instant the content decides, not the order of arrival. */
function comesBefore(reading: HeldReading, other: HeldReading | undefined): boolean {
  if (other === undefined || reading.at !== other.at) return other !== undefined && reading.at < other.at;
  return JSON.stringify([reading.metrics, reading.values]) < JSON.stringify([other.metrics, other.values]);
}
