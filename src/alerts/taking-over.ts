/** A value of a reading into its cell: taken over as the newest, or found to be late or there already. Windows take it by its time. */
import { FLAG_DEVICE_TIME, type Reading, type Value } from '../domain/reading.ts';
import type { Cell } from '../rules/frame.ts';
import type { DeviceState } from './device-state.ts';
import type { Instance } from './instance.ts';

export interface ValueCounts {
  lateValues: number;
  conflictValues: number;
  duplicateValues: number;
}

type Taken = Omit<Reading, 'device'>;

type Outcome = 'moved' | 'late' | 'duplicate';

export function writeValue(device: DeviceState, cell: Cell, value: Value, { at, receivedAt, flags }: Taken, counts: ValueCounts): Outcome {
  cell.heardAt = receivedAt;
  if (at <= cell.at && (flags & FLAG_DEVICE_TIME) !== 0) {
    if (at < cell.at) {
      counts.lateValues += 1;
      if (cell.windows !== null) intoWindows(device, cell, at, value);
      return 'late';
    }
    if (value === cell.value) {
      counts.duplicateValues += 1;
      return 'duplicate';
    }
    counts.conflictValues += 1;
  }
  cell.value = value;
  // A receipt time after a device time that ran ahead: the order of arrival decides, and time does not go back.
  if (at > cell.at) cell.at = at;
  cell.receivedAt = receivedAt;
  if (cell.windows !== null) intoWindows(device, cell, cell.at, value);
  return 'moved';
}

/** A truth counts as 0 or 1, a text as being there. */
function intoWindows(device: DeviceState, cell: Cell, at: number, value: Value): void {
  const number = typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : 0;
  const maxGapUs = device.maxGapUs();
  for (const window of cell.windows ?? []) window.add(at, number, maxGapUs);
}

/** Whether one of the values that the rule names was taken over from this reading. */
export function someMoved(instance: Instance, reading: Taken): boolean {
  const { program, cells } = instance;
  if (program.conditionMetrics === 0) return true;
  for (let index = 0; index < program.conditionMetrics; index++) {
    const cell = cells[index];
    const place = cell === undefined ? -1 : reading.metrics.indexOf(cell.name);
    if (cell !== undefined && place >= 0 && isNew(cell, reading, reading.values[place])) return true;
  }
  return false;
}

/** After the cells were written: a late value differs in time, a duplicate was received before. */
const isNew = (cell: Cell, reading: Taken, value: Value | undefined): boolean =>
  cell.receivedAt === reading.receivedAt && cell.value === value && cell.at >= reading.at;
