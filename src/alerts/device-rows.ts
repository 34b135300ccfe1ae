/** Devices and instances as the state store keeps them, and back. */
import type { FleetDevice } from '../domain/device.ts';
import type { Value } from '../domain/reading.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { IDLE, type InstanceState } from '../rules/evaluate.ts';
import { DeviceClock } from './device-clock.ts';
import type { DeviceState } from './device-state.ts';
import type { Instance } from './instance.ts';
import type { DeviceRow, InstanceRow, WindowRow } from './state-store.ts';

/** A device as the HTTP API shows it. Times are µs. */
export interface DeviceView {
  readonly id: string;
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, number>>;
  /** Where each limit comes from. */
  readonly limitOrigins: Readonly<Record<string, string>>;
  /** It stands in the fleet file. */
  readonly listed: boolean;
  readonly dependsOn: string | null;
  readonly firstSeen: number | null;
  /** Of a reading that holds more than `availability`. */
  readonly lastSeen: number | null;
  /** What messages say of its being online; null: nothing. A device that has fallen silent without a word stays what it was. */
  readonly online: boolean | null;
  readonly readings: number;
  readonly maxGapMs: number;
  /** How far its clock is behind ours (ahead: below 0), as far as that can be told. */
  readonly clockSkewMs: number;
  readonly values: Readonly<Record<string, { readonly value: Value; readonly at: number; readonly receivedAt: number }>>;
}

export function toDeviceRow(device: DeviceState, position: number): DeviceRow {
  const { id, profile, labels, registeredAt, firstSeen, lastSeen, dependentsSeen, online, readings, intervals, held } = device;
  const values = [...device.cells.values()].flatMap(({ name, value, at, receivedAt, heardAt }) =>
    value === undefined ? [] : [{ name, value, at, receivedAt, heardAt }],
  );
  const lastAt = device.lastAt === Number.NEGATIVE_INFINITY ? null : device.lastAt;
  return {
    id,
    position,
    profile,
    labels,
    registeredAt,
    firstSeen,
    lastSeen,
    lastAt,
    readings,
    intervals: [...intervals],
    values,
    ...(dependentsSeen !== null && { dependentsSeen }),
    ...(online !== null && { online }),
    ...(device.clock !== null && { clock: device.clock.toRow() }),
    ...(held.length > 0 && { held: [...held] }),
  };
}

/** Who it is and nothing of what it sent: the readings follow by replay. */
export function bareRow({ id, profile, labels, registeredAt }: DeviceState): DeviceRow {
  const nothing = { firstSeen: null, lastSeen: null, lastAt: null, readings: 0, intervals: [], values: [] };
  return { id, position: -1, profile, labels, registeredAt, ...nothing };
}

/** The windows that changed since they were last written. */
export const toWindowRows = (device: DeviceState): WindowRow[] =>
  [...device.windows.values()].flatMap((window) =>
    window.isDirty ? [{ device: device.id, key: window.key, bytes: window.encode() }] : [],
  );

/** Puts what was stored into the device; the fleet file has the last word on what it lists. */
export function fill(device: DeviceState, row: DeviceRow, listed: FleetDevice | undefined, windows: readonly WindowRow[]): void {
  device.profile = listed?.profile ?? row.profile;
  device.labels = listed === undefined ? row.labels : { ...row.labels, ...listed.labels };
  // A device that left the fleet is no longer missed; one that comes back counts from then.
  device.registeredAt = listed === undefined ? null : row.registeredAt;
  device.firstSeen = row.firstSeen;
  device.lastSeen = row.lastSeen;
  device.dependentsSeen = row.dependentsSeen ?? null;
  device.online = row.online ?? null;
  device.lastAt = row.lastAt ?? Number.NEGATIVE_INFINITY;
  device.readings = row.readings;
  device.position = row.position;
  device.isStored = true;
  device.intervals.push(...row.intervals);
  device.clock = row.clock === undefined ? null : new DeviceClock(row.clock);
  device.held = [...(row.held ?? [])];
  if (windows.length > 0) device.storedWindows = new Map(windows.map(({ key, bytes }) => [key, bytes]));
  for (const { name, ...stored } of row.values) Object.assign(device.cell(name), stored);
}

export function toInstanceRow(instance: Instance, position: number): InstanceRow {
  const { program, state, device } = instance;
  const { level, noData, notBefore, inhibitedSince } = state;
  const levels = program.levels.flatMap((of, index) => {
    const run = state.runs[index] ?? null;
    const tally = state.tallies[index] ?? null;
    const endedAt = state.ends[index] ?? null;
    if (run === null && tally === null && endedAt === null) return [];
    return [
      {
        level: of.level,
        of: of.fingerprint,
        ...(run !== null && { since: run.since, heldAt: run.heldAt }),
        ...(tally !== null && { bits: tally.bits, countedAt: tally.at }),
        ...(endedAt !== null && { endedAt }),
      },
    ];
  });
  return {
    rule: instance.rule.rule.id,
    device: device.id,
    position,
    level,
    noData,
    levels,
    ...(notBefore !== 0 && { notBefore }),
    ...(inhibitedSince !== null && { inhibitedSince }),
    ...(device.isGroup && heardOf(instance)),
  };
}

function heardOf({ cells: [cell] }: Instance): Pick<InstanceRow, 'heard'> {
  if (cell?.value === undefined) return {};
  const { value, at, receivedAt, heardAt } = cell;
  return { heard: { value, at, receivedAt, heardAt } };
}

/** What was measured with another condition is void; what fires goes on until the new one says otherwise. */
export function stateFrom(row: InstanceRow, { program }: Instance): InstanceState {
  const stored = program.levels.map((level) => (row.levels ?? []).find((candidate) => candidate.of === level.fingerprint));
  const runs = stored.map((level) => (level?.since === undefined ? null : { since: level.since, heldAt: level.heldAt ?? level.since }));
  const tallies = program.hasCounts
    ? stored.map((level) => (level?.bits === undefined ? null : { bits: level.bits, at: level.countedAt ?? 0 }))
    : [];
  // A level that is gone from the rule fires no more.
  const level = program.levels.some((candidate) => candidate.level === row.level) ? row.level : null;
  const ends = program.keeps && level !== null ? stored.map((candidate) => candidate?.endedAt ?? null) : [];
  const { noData, notBefore = 0, inhibitedSince = null } = row;
  const isIdle = level === null && !noData && notBefore === 0 && inhibitedSince === null;
  if (isIdle && runs.every((run) => run === null) && tallies.every((tally) => tally === null)) return IDLE;
  return { runs, tallies, ends, level, noData, notBefore, inhibitedSince };
}

export function viewOf(device: DeviceState): DeviceView {
  const { id, profile, labels, limits, limitOrigins, firstSeen, lastSeen, online, readings } = device;
  const values: Record<string, { value: Value; at: number; receivedAt: number }> = {};
  for (const { name, value, at, receivedAt } of device.cells.values()) {
    if (value !== undefined) values[name] = { value, at, receivedAt };
  }
  const maxGapMs = device.maxGapUs() / MICROSECONDS_PER_MILLISECOND;
  const clockSkewMs = (device.clock?.offsetUs ?? 0) / MICROSECONDS_PER_MILLISECOND;
  const dependsOn = device.dependency?.on.id ?? null;
  const listed = device.registeredAt !== null;
  const seen = { firstSeen, lastSeen, online };
  return { id, profile, labels, limits, limitOrigins, listed, dependsOn, ...seen, readings, maxGapMs, clockSkewMs, values };
}
