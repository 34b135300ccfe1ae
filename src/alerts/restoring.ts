/**
 * The start: what was stored is brought back, alerts of what is gone are closed, and the fleet's new devices and the time
 * that we were down are noted. In one transaction, so that a start that ends early has either happened or not.
 */
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import type { Partition, Position } from '../journal/journal.ts';
import { followed } from './backlog.ts';
import { bareRow, toDeviceRow } from './device-rows.ts';
import type { Devices } from './devices.ts';
import { countOf, type NewTransition, removed, type TrackedAlert } from './lifecycle.ts';
import type { Downtime, StateStore } from './state-store.ts';

/** A stop and start within this is no hole in anybody's data. */
const DOWNTIME_MIN_US = 1000 * MICROSECONDS_PER_MILLISECOND;

export interface Restored {
  /** As they were stored, those that are closed now among them. */
  readonly open: readonly TrackedAlert[];
  readonly closed: readonly NewTransition[];
  readonly downtimes: readonly Downtime[];
}

export function restore(given: {
  store: Pick<StateStore, 'load' | 'commit'>;
  devices: Devices;
  partition: Partition;
  cursor: Position;
  now: number;
}): Restored {
  const { store, devices, partition, cursor, now } = given;
  const stored = store.load(partition);
  devices.restore(stored);
  const gone = stored.open.filter(({ alert }) => devices.instanceOf(alert)?.open?.alert.id !== alert.id);
  const closed = gone.flatMap((tracked) => removed(tracked, now));
  const backlogs = closed.flatMap(({ id, alert }) => {
    const device = devices.get(alert.device);
    if (device === undefined || device.backlog === null) return [];
    device.backlog = followed(device.backlog, { alert, transitions: countOf({ id }) });
    return [{ device: device.id, backlog: device.backlog }];
  });
  const registered = devices.register(now);
  const { left, unusedWindows } = devices;
  const downtime = downtimeOf(stored.aliveAt, now);
  store.commit(
    partition,
    {
      // Noted at once, or a device that has left the fleet would leave it again with the next start.
      devices: [
        ...[...registered.filter(({ isStored }) => isStored), ...left.devices].map((device) => toDeviceRow(device, device.position)),
        ...registered.filter(({ isStored }) => !isStored).map(bareRow),
      ],
      idle: [...gone.map(({ alert }) => ({ rule: alert.rule, device: alert.device })), ...left.instances],
      transitions: closed,
      alerts: closed.map((transition) => ({ alert: transition.alert, transitions: countOf(transition) })),
      backlogs,
      unusedWindows: unusedWindows.splice(0),
      ...(downtime !== null && { downtime }),
      aliveAt: now,
      cursor,
    },
    now,
  );
  for (const device of registered) device.isStored = true;
  return { open: stored.open, closed, downtimes: downtime === null ? stored.downtimes : [...stored.downtimes, downtime] };
}

/** Null when we were not down for long enough to matter, or never ran before. */
function downtimeOf(aliveAt: number | null, now: number): Downtime | null {
  return aliveAt === null || now - aliveAt < DOWNTIME_MIN_US ? null : { from: aliveAt, to: now };
}
