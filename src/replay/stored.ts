/** What a replay's devices would leave in the store at a stop: what a start begins from, without a database. */
import { toDeviceRow, toInstanceRow } from '../alerts/device-rows.ts';
import type { DeviceState } from '../alerts/device-state.ts';
import type { Devices } from '../alerts/devices.ts';
import type { StoredState } from '../alerts/state-store.ts';
import { IDLE } from '../rules/evaluate.ts';

/**
 * @param given.position the last one that was worked through
 * @param given.openedAs which of all alerts it was, by its id: the store has them in that order
 */
export function storedState(devices: Devices, given: { position: number; openedAs: ReadonlyMap<string, number> }): StoredState {
  const { position, openedAs } = given;
  const own: readonly DeviceState[] = [...devices.all];
  const instances = [...own, ...[...devices.groups].map(({ instance }) => instance.device)].flatMap((device) => device.instances);
  return {
    devices: own.map((device) => toDeviceRow(device, position)),
    instances: instances.flatMap((instance) =>
      instance.state === IDLE && !instance.device.isGroup ? [] : [toInstanceRow(instance, position)],
    ),
    open: instances
      .flatMap(({ open }) => open ?? [])
      .sort((left, right) => (openedAs.get(left.alert.id) ?? 0) - (openedAs.get(right.alert.id) ?? 0)),
    windows: own.flatMap((device) =>
      [...device.windows.values()].map((window) => ({ device: device.id, key: window.key, bytes: window.encode() })),
    ),
    backlogs: own.flatMap(({ id, backlog }) => (backlog === null ? [] : [{ device: id, backlog }])),
    downtimes: [],
    aliveAt: null,
  };
}
