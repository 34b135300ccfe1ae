/**
 * The device registry: every device that was heard of or is listed in the fleet, with what alerting knows of it. Bounded
 * by the ingest, which admits no more devices and metrics than its limits say.
 */
import type { DeviceDirectory, FleetDevice, Profile } from '../domain/device.ts';
import type { DeviceRef, Shape, Value } from '../domain/reading.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import type { CompiledRule } from '../rules/compile.ts';
import { IDLE, type InstanceState } from '../rules/evaluate.ts';
import { DeviceState, type Instance, sameLabels } from './device-state.ts';
import type { TrackedAlert } from './lifecycle.ts';
import type { DeviceRow, InstanceRow, Page } from './state-store.ts';

const SHAPES_MAX = 10_000;
const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;

/** A device as the HTTP API shows it. Times are µs. */
export interface DeviceView {
  readonly id: string;
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, number>>;
  /** It stands in the fleet file. */
  readonly listed: boolean;
  readonly firstSeen: number | null;
  readonly lastSeen: number | null;
  readonly readings: number;
  readonly maxGapMs: number;
  readonly values: Readonly<Record<string, { readonly value: Value; readonly at: number; readonly receivedAt: number }>>;
}

export interface DevicesOptions {
  readonly rules: readonly CompiledRule[];
  readonly directory: DeviceDirectory;
  /** No silence ripens before it. */
  readonly graceUntil: number;
}

export class Devices {
  readonly #options: DevicesOptions;
  readonly #profiles: ReadonlyMap<string, Profile>;
  readonly #fleet: ReadonlyMap<string, FleetDevice>;
  readonly #devices = new Map<string, DeviceState>();
  readonly #shapes = new Map<string, Shape>();
  #sortedIds: string[] | null = null;

  constructor(options: DevicesOptions) {
    this.#options = options;
    this.#profiles = new Map(options.directory.profiles.map((profile) => [profile.name, profile]));
    this.#fleet = new Map(options.directory.fleet.map((device) => [device.id, device]));
  }

  get all(): IterableIterator<DeviceState> {
    return this.#devices.values();
  }
  get(id: string): DeviceState | undefined {
    return this.#devices.get(id);
  }

  /** The device that a reading's reference means, with the profile and labels that the reference carries. */
  intern(ref: DeviceRef): DeviceState {
    const known = this.#devices.get(ref.id);
    if (known === undefined) return this.#add(new DeviceState(ref));
    if (known.profile !== ref.profile || !sameLabels(known.labels, ref.labels)) {
      known.profile = ref.profile;
      known.labels = ref.labels;
      this.#configure(known);
    }
    return known;
  }

  internShape(shape: Shape): Shape {
    const key = shape.join('\u0000');
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    if (this.#shapes.size >= SHAPES_MAX) this.#shapes.clear();
    this.#shapes.set(key, shape);
    return shape;
  }

  /** Brings back what was stored; the fleet file has the last word on what it lists. */
  restore(rows: readonly DeviceRow[], instances: readonly InstanceRow[], open: readonly TrackedAlert[]): void {
    for (const row of rows) this.#add(fromRow(row, this.#fleet.get(row.id)));
    const instanceOf = (device: string, rule: string): Instance | undefined =>
      this.#devices.get(device)?.instances.find((instance) => instance.rule.rule.id === rule);
    for (const row of instances) {
      const instance = instanceOf(row.device, row.rule);
      if (instance === undefined) continue;
      instance.state = stateFrom(row, instance);
      instance.position = row.position;
      instance.isStored = true;
    }
    for (const tracked of open) {
      const instance = instanceOf(tracked.alert.device, tracked.alert.rule);
      if (instance !== undefined) instance.open = tracked;
    }
  }

  /** Adds the fleet's devices that were not known; returns those that count from now on. */
  register(now: number): DeviceState[] {
    const added: DeviceState[] = [];
    for (const listed of this.#fleet.values()) {
      const known = this.#devices.get(listed.id);
      const device = known ?? this.#add(new DeviceState({ id: listed.id, profile: listed.profile, labels: listed.labels }));
      if (device.registeredAt !== null) continue;
      device.registeredAt = now;
      added.push(device);
    }
    return added;
  }

  list(query: { cursor?: string; limit?: number }): Page<DeviceView> {
    this.#sortedIds ??= [...this.#devices.keys()].sort();
    const limit = Math.min(Math.max(1, Math.floor(query.limit ?? LIMIT_DEFAULT)), LIMIT_MAX);
    const { cursor } = query;
    const start = cursor === undefined ? 0 : firstAfter(this.#sortedIds, cursor);
    const ids = this.#sortedIds.slice(start, start + limit);
    const items = ids.flatMap((id) => {
      const device = this.#devices.get(id);
      return device === undefined ? [] : [viewOf(device)];
    });
    return { items, next: start + limit < this.#sortedIds.length ? (ids.at(-1) ?? null) : null };
  }

  view(id: string): DeviceView | null {
    const device = this.#devices.get(id);
    return device === undefined ? null : viewOf(device);
  }

  #add(device: DeviceState): DeviceState {
    this.#devices.set(device.id, device);
    this.#sortedIds = null;
    this.#configure(device);
    return device;
  }

  #configure(device: DeviceState): void {
    const profile = device.profile === null ? undefined : this.#profiles.get(device.profile);
    device.configure(profile, this.#fleet.get(device.id)?.limits ?? {});
    device.bind(this.#options.rules, this.#options.graceUntil);
  }
}

export function toDeviceRow(device: DeviceState, position: number): DeviceRow {
  const { id, profile, labels, registeredAt, firstSeen, lastSeen, readings, intervals } = device;
  const values = [...device.cells.values()].flatMap(({ name, value, at, receivedAt, heardAt }) =>
    value === undefined ? [] : [{ name, value, at, receivedAt, heardAt }],
  );
  const lastAt = device.lastAt === Number.NEGATIVE_INFINITY ? null : device.lastAt;
  return { id, position, profile, labels, registeredAt, firstSeen, lastSeen, lastAt, readings, intervals, values };
}

function fromRow(row: DeviceRow, listed: FleetDevice | undefined): DeviceState {
  const labels = listed === undefined ? row.labels : { ...row.labels, ...listed.labels };
  const device = new DeviceState({ id: row.id, profile: listed?.profile ?? row.profile, labels });
  // A device that left the fleet is no longer missed; one that comes back counts from then.
  device.registeredAt = listed === undefined ? null : row.registeredAt;
  device.firstSeen = row.firstSeen;
  device.lastSeen = row.lastSeen;
  device.lastAt = row.lastAt ?? Number.NEGATIVE_INFINITY;
  device.readings = row.readings;
  device.position = row.position;
  device.isStored = true;
  device.intervals.push(...row.intervals);
  for (const { name, ...stored } of row.values) Object.assign(device.cell(name), stored);
  return device;
}

export function toInstanceRow(instance: Instance, position: number): InstanceRow {
  const { program, state, device } = instance;
  const runs = program.levels.flatMap(({ level }, index) => {
    const run = state.runs[index] ?? null;
    return run === null ? [] : [{ level, since: run.since, heldAt: run.heldAt }];
  });
  const { fingerprint } = program;
  return { rule: instance.rule.rule.id, device: device.id, position, fingerprint, level: state.level, noData: state.noData, runs };
}

/** Runs that were measured with other conditions are void; what fires goes on until the new ones say otherwise. */
function stateFrom(row: InstanceRow, instance: Instance): InstanceState {
  const { program } = instance;
  const stored = row.fingerprint === program.fingerprint ? row.runs : [];
  const runs = program.levels.map(({ level }) => {
    const run = stored.find((candidate) => candidate.level === level);
    return run === undefined ? null : { since: run.since, heldAt: run.heldAt };
  });
  if (row.level === null && !row.noData && runs.every((run) => run === null)) return IDLE;
  return { runs, level: row.level, noData: row.noData };
}

function viewOf(device: DeviceState): DeviceView {
  const { id, profile, labels, limits, firstSeen, lastSeen, readings } = device;
  const values: Record<string, { value: Value; at: number; receivedAt: number }> = {};
  for (const { name, value, at, receivedAt } of device.cells.values()) {
    if (value !== undefined) values[name] = { value, at, receivedAt };
  }
  const maxGapMs = device.maxGapUs() / MICROSECONDS_PER_MILLISECOND;
  return { id, profile, labels, limits, listed: device.registeredAt !== null, firstSeen, lastSeen, readings, maxGapMs, values };
}

/** Index of the first id after the cursor, by bisection. */
function firstAfter(ids: readonly string[], cursor: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] ?? '') <= cursor) low = middle + 1;
    else high = middle;
  }
  return low;
}
