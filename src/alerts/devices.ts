/**
 * The device registry: every device that was heard of, is listed in the fleet, or is read by a rule of another, with what
 * alerting knows of it; and the groups that rules with `by:` make of them. Bounded by the ingest, which admits no more
 * devices and metrics than its limits say.
 */
import type { Alert } from '../domain/alert.ts';
import type { DeviceDirectory, FleetDevice, Profile } from '../domain/device.ts';
import type { DeviceRef, Shape } from '../domain/reading.ts';
import type { CompiledRule } from '../rules/compile.ts';
import { createFrame, holds, type RemoteCell } from '../rules/frame.ts';
import { groupName } from '../rules/group.ts';
import type { LiveWindow } from '../rules/windows/live-window.ts';
import { type DeviceView, fill, stateFrom, viewOf } from './device-rows.ts';
import { DeviceState, sameLabels } from './device-state.ts';
import { GroupState, Membership } from './group-state.ts';
import type { Instance } from './instance.ts';
import { createLimits, type LimitsOf } from './limits.ts';
import { createRuleIndex, type RuleIndex } from './rule-index.ts';
import type { Page, StoredState } from './state-store.ts';

export type { DeviceView } from './device-rows.ts';

const SHAPES_MAX = 10_000;
const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;

export interface DevicesOptions {
  readonly rules: readonly CompiledRule[];
  readonly directory: DeviceDirectory;
  /** No silence ripens before it. */
  readonly graceUntil: number;
  /** How much later the silence of a device that depends on another ripens; without it 30 s. */
  readonly dependencyGraceMs?: number;
}

export interface DevicesQuery {
  readonly cursor?: string;
  readonly limit?: number;
  /** Those that are said to be, or not to be. */
  readonly online?: boolean;
}

const DEPENDENCY_GRACE_MS = 30_000;

export class Devices {
  readonly #options: DevicesOptions;
  readonly #profiles: ReadonlyMap<string, Profile>;
  readonly #fleet: ReadonlyMap<string, FleetDevice>;
  readonly #limits: LimitsOf;
  readonly #rules: RuleIndex;
  readonly #groupRules: RuleIndex;
  readonly #devices = new Map<string, DeviceState>();
  /** By rule and name. */
  readonly #groups = new Map<string, GroupState>();
  readonly #shapes = new Map<string, Shape>();
  readonly #frame = createFrame();
  #sortedIds: string[] | null = null;
  /** Devices that have left the fleet since they were stored, and the instances that the store has of them. */
  readonly left: { readonly devices: DeviceState[]; readonly instances: { readonly device: string; readonly rule: string }[] } = {
    devices: [],
    instances: [],
  };
  /** Windows that the store has and nothing reads any more. */
  readonly unusedWindows: { readonly device: string; readonly key: string }[] = [];

  constructor(options: DevicesOptions) {
    this.#options = options;
    this.#profiles = new Map(options.directory.profiles.map((profile) => [profile.name, profile]));
    this.#fleet = new Map(options.directory.fleet.map((device) => [device.id, device]));
    this.#limits = createLimits(options.directory);
    this.#rules = createRuleIndex(options.rules, (rule, profile) => rule.programFor(profile) !== null);
    this.#groupRules = createRuleIndex(options.rules, ({ group }, profile) => (group?.memberFor(profile) ?? null) !== null);
  }

  get all(): IterableIterator<DeviceState> {
    return this.#devices.values();
  }
  get groups(): IterableIterator<GroupState> {
    return this.#groups.values();
  }
  get(id: string): DeviceState | undefined {
    return this.#devices.get(id);
  }

  /** The device that a reading's reference means, with the profile and labels that the reference carries. */
  intern(ref: DeviceRef): DeviceState {
    const device = this.announced(ref);
    this.renew(device);
    return device;
  }

  /** The same, but of a device that is known what has changed holds only once it is renewed: with the reading itself. */
  announced(ref: DeviceRef): DeviceState {
    const known = this.#devices.get(ref.id);
    if (known === undefined) return this.#add(new DeviceState(ref));
    const isSame = known.profile === ref.profile && sameLabels(known.labels, ref.labels);
    known.renewal = isSame ? null : ref;
    return known;
  }

  renew(device: DeviceState): void {
    const { renewal } = device;
    if (renewal === null) return;
    device.renewal = null;
    device.profile = renewal.profile;
    device.labels = renewal.labels;
    this.#configure(device);
  }

  internShape(shape: Shape): Shape {
    const key = shape.join('\u0000');
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    if (this.#shapes.size >= SHAPES_MAX) this.#shapes.clear();
    this.#shapes.set(key, shape);
    return shape;
  }

  /** Brings back what was stored; of a device that has left the fleet only what it is, as its alerts are closed. */
  restore(stored: StoredState): void {
    const left = new Set(stored.devices.flatMap(({ id, registeredAt }) => (registeredAt !== null && !this.#fleet.has(id) ? [id] : [])));
    const windows = Map.groupBy(stored.windows, ({ device }) => device);
    for (const row of stored.devices) {
      const listed = this.#fleet.get(row.id);
      const known = this.#devices.get(row.id);
      const device = known ?? new DeviceState({ id: row.id, profile: row.profile, labels: row.labels });
      fill(device, row, listed, windows.get(row.id) ?? []);
      if (left.has(row.id)) this.left.devices.push(device);
      if (known === undefined) this.#add(device);
      else this.#configure(device);
    }
    for (const row of stored.instances) {
      if (left.has(row.device)) {
        this.left.instances.push({ device: row.device, rule: row.rule });
        continue;
      }
      const instance = this.#instance(row.device, row.rule);
      if (instance === undefined) continue;
      instance.state = stateFrom(row, instance);
      instance.position = row.position;
      if (instance.device.isGroup) Object.assign(instance.cells[0] ?? {}, row.heard);
      instance.isStored = true;
    }
    for (const tracked of stored.open) {
      const instance = left.has(tracked.alert.device) ? undefined : this.instanceOf(tracked.alert);
      if (instance !== undefined) instance.open = tracked;
    }
    for (const { device, backlog } of stored.backlogs) {
      const known = this.#devices.get(device);
      if (known !== undefined) known.backlog = backlog;
    }
  }

  instanceOf(alert: Alert): Instance | undefined {
    return this.#instance(alert.device, alert.rule);
  }

  #instance(device: string, rule: string): Instance | undefined {
    return (
      this.#groups.get(groupKey(rule, device))?.instance ??
      this.#devices.get(device)?.instances.find((instance) => instance.rule.rule.id === rule)
    );
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

  list(query: DevicesQuery): Page<DeviceView> {
    this.#sortedIds ??= [...this.#devices.keys()].sort();
    const limit = Math.min(Math.max(1, Math.floor(query.limit ?? LIMIT_DEFAULT)), LIMIT_MAX);
    const { cursor, online } = query;
    const items: DeviceView[] = [];
    for (let index = cursor === undefined ? 0 : firstAfter(this.#sortedIds, cursor); index < this.#sortedIds.length; index++) {
      const device = this.#devices.get(this.#sortedIds[index] ?? '');
      if (device === undefined || !isReal(device) || (online !== undefined && device.online !== online)) continue;
      if (items.length === limit) return { items, next: items.at(-1)?.id ?? null };
      items.push(viewOf(device));
    }
    return { items, next: null };
  }

  view(id: string): DeviceView | null {
    const device = this.#devices.get(id);
    return device === undefined || !isReal(device) ? null : viewOf(device);
  }

  #add(device: DeviceState): DeviceState {
    this.#devices.set(device.id, device);
    this.#sortedIds = null;
    this.#configure(device);
    return device;
  }

  /** A device that others read or depend on may be known before it is heard of. */
  #known(id: string): DeviceState {
    const listed = this.#fleet.get(id);
    return this.#devices.get(id) ?? this.#add(new DeviceState({ id, profile: listed?.profile ?? null, labels: listed?.labels ?? {} }));
  }

  #configure(device: DeviceState): void {
    const profile = device.profile === null ? undefined : this.#profiles.get(device.profile);
    device.configure(profile, this.#limits(device, profile));
    const before = device.instances;
    const candidates = this.#rules.candidates(
      device,
      before.map(({ rule }) => rule),
    );
    device.bind(candidates, this.#options.graceUntil, (id, metric) => this.#remote(id, metric));
    this.#unfollow(before.filter((instance) => !device.instances.includes(instance)));
    this.#follow(device);
    this.#joinGroups(device);
    this.#depend(device);
    const keys = new Set([...(device.storedWindows?.keys() ?? []), ...device.windows.keys()]);
    device.dropUnusedWindows();
    for (const key of keys) if (!device.windows.has(key)) this.unusedWindows.push({ device: device.id, key });
  }

  #remote(id: string, metric: string): RemoteCell {
    const device = this.#known(id);
    return { device: id, cell: device.cell(metric), maxGapUs: device.maxGapUs, clockOffsetUs: () => device.clock?.offsetUs ?? 0 };
  }

  /** Readings of devices that its instances read reach those instances. */
  #follow(device: DeviceState): void {
    for (const instance of device.instances) {
      for (const { device: id } of instance.inputs.remotes) {
        const remote = this.#known(id);
        remote.followers.add(instance);
        remote.forgetPlans();
        remote.isCoupled = true;
        device.isCoupled = true;
      }
    }
  }

  #unfollow(instances: readonly Instance[]): void {
    for (const instance of instances) {
      for (const { device } of instance.inputs.remotes) {
        this.#devices.get(device)?.followers.delete(instance);
        this.#devices.get(device)?.forgetPlans();
      }
    }
  }

  #joinGroups(device: DeviceState): void {
    const candidates = this.#groupRules.candidates(device);
    if (candidates.length + device.memberships.length === 0) return;
    for (const membership of device.memberships) membership.group.leave(membership);
    device.memberships = [];
    const windows = new Map<string, LiveWindow>(device.windows);
    for (const rule of candidates) {
      const program = rule.group?.memberFor(device.profile) ?? null;
      const name = groupName(rule.rule.by, device.labels);
      if (rule.group === null || program === null || name === null || !rule.matches(device)) continue;
      const group = this.#group(rule, name, device.labels);
      const cells = device.cellsOf(program.metrics, new Map());
      const membership = new Membership({ group, device, program, cells, windows: device.windowsOf(program.inputs, windows) });
      group.join(membership);
      device.memberships.push(membership);
      device.isCoupled = true;
      // What it is known for already counts from the start.
      if (!group.contribute(membership, this.#frame)) continue;
      const receivedAt = cells.reduce((latest, cell) => Math.max(latest, cell.receivedAt), Number.NEGATIVE_INFINITY);
      group.hear(membership, receivedAt, !cells.every(holds));
    }
    device.windows = windows;
    device.forgetPlans();
  }

  #group(rule: CompiledRule, name: string, labels: Readonly<Record<string, string>>): GroupState {
    const key = groupKey(rule.rule.id, name);
    const known = this.#groups.get(key);
    if (known !== undefined || rule.group === null) {
      if (known === undefined) throw new Error(`the rule ${rule.rule.id} is on no group`);
      return known;
    }
    const own = Object.fromEntries(rule.rule.by.map((label) => [label, labels[label] ?? '']));
    const group = new GroupState(rule, rule.group, name, own);
    group.instance.device.graceUntil = this.#options.graceUntil;
    this.#groups.set(key, group);
    return group;
  }

  #depend(device: DeviceState): void {
    const on = this.#fleet.get(device.id)?.dependsOn ?? null;
    if (on === null || device.dependency?.on.id === on) return;
    const graceUs = (this.#options.dependencyGraceMs ?? DEPENDENCY_GRACE_MS) * 1000;
    device.dependency = { on: this.#known(on), graceUs };
    device.dependency.on.dependents.push(device);
    device.dependency.on.isCoupled = true;
    device.isCoupled = true;
  }
}

const groupKey = (rule: string, name: string): string => `${rule}\u0000${name}`;

/** Not merely named by a rule. */
const isReal = ({ firstSeen, registeredAt, dependents }: DeviceState): boolean =>
  firstSeen !== null || registeredAt !== null || dependents.length > 0;

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
