/**
 * What alerting knows of one device: who it is, the latest value of each metric, how often it reports, and the instances
 * of the rules that are for it. It stands in for the DeviceRef of its readings, so that a reading finds it without a
 * look-up.
 */
import { AVAILABILITY, type Profile } from '../domain/device.ts';
import { type DeviceRef, MICROSECONDS_PER_MILLISECOND, MICROSECONDS_PER_SECOND, type Shape, type Value } from '../domain/reading.ts';
import type { CompiledRule, Program } from '../rules/compile.ts';
import { quietRange } from '../rules/evaluate.ts';
import { type Cell, createFrame, DeviceFacts, type Frame, type FrameInputs, NO_INPUTS, type RemoteCell } from '../rules/frame.ts';
import type { Inputs } from '../rules/inputs.ts';
import { createLiveWindow, type LiveWindow } from '../rules/windows/live-window.ts';
import type { BacklogRecord } from './backlog.ts';
import type { Dependency } from './dependency.ts';
import type { DeviceClock } from './device-clock.ts';
import type { Membership } from './group-state.ts';
import { Instance, InstanceInputs } from './instance.ts';
import type { Timed } from './timers.ts';

/** Without an interval in the profile, a value counts for three of the usual intervals, and at least for this. */
const MAX_GAP_FLOOR_US = 300 * MICROSECONDS_PER_SECOND;
const GAP_IN_INTERVALS = 3;
const INTERVALS_KEPT = 20;
/** What comes closer together is one report in several messages. */
const INTERVAL_MIN_US = MICROSECONDS_PER_SECOND;
/** Where no profile says otherwise. */
const RETROSPECTIVE_AFTER_MS = 600_000;
/** A device that sends ever new sets of metrics makes its plans be forgotten, not pile up. */
const PLANS_MAX = 64;

/**
 * What to do with a reading of one shape. The arrays beside `instances` are what the common case reads: an idle instance
 * whose value lies in its quiet range needs no look at the instance itself, and so no further memory.
 */
export interface Plan {
  readonly cells: readonly Cell[];
  /** Those that name one of its metrics. */
  readonly instances: readonly Instance[];
  /** Of each instance, its number in the device. */
  readonly numbers: Uint16Array;
  /** Of each instance, where its metric stands in the reading. */
  readonly valueIndexes: Uint16Array;
  /** Of each instance, the open range of values that change nothing: above, below. */
  readonly quiet: Float64Array;
  /** Instances that only listen for signs of life of its metrics. */
  readonly listeners: readonly Instance[];
  /** Instances of other devices that read its metrics. */
  readonly followers: readonly Instance[];
  /** Groups that its metrics contribute to. */
  readonly memberships: readonly Membership[];
  /** Where `availability` stands in the reading; -1: nowhere. */
  readonly availability: number;
}

/** A reading that is held to be put in order, with the position it came at. */
export interface HeldReading {
  readonly position: number;
  readonly at: number;
  readonly receivedAt: number;
  readonly flags: number;
  readonly metrics: Shape;
  readonly values: readonly Value[];
}

/** How a rule reaches metrics of other devices. */
export type FindRemote = (device: string, metric: string) => RemoteCell;
const NOBODY: FindRemote = () => {
  throw new Error('this device was bound without a way to reach others');
};

export class DeviceState implements DeviceRef, Timed {
  readonly id: string;
  profile: string | null;
  labels: Readonly<Record<string, string>>;
  facts: DeviceFacts;
  limits: Readonly<Record<string, number>> = {};
  /** Where each limit comes from, for people. */
  limitOrigins: Readonly<Record<string, string>> = {};
  /** When a listed device was first known to this store; null for one that is not listed. µs. */
  registeredAt: number | null = null;
  firstSeen: number | null = null;
  /** Receipt of its latest reading that is no announcement (online.ts). */
  lastSeen: number | null = null;
  /** What was last told of its being online, or shown by its speaking; null: nothing. */
  online: boolean | null = null;
  /** Newest event time, or minus infinity. */
  lastAt = Number.NEGATIVE_INFINITY;
  readings = 0;
  /** No silence of it ripens before: the grace after a start. */
  graceUntil = 0;
  readonly cells = new Map<string, Cell>();
  instances: Instance[] = [];
  /** By instance number: 1 when it must be evaluated whatever the value, as it is not idle or was not yet looked at. */
  attention = new Uint8Array(0);
  /** The last position that this state reflects. */
  position = -1;
  /** Changed since it was last written. */
  isDirty = false;
  /** There is a row of it in the store. */
  isStored = false;
  /** It stands for a group: it has no readings of its own, and no row. */
  readonly isGroup: boolean;
  /** Other devices' instances read it, or it theirs: their rows are only consistent together. */
  isCoupled = false;
  /** Null: it has sent no time of its own yet. */
  clock: DeviceClock | null = null;
  /** How long its readings are held to be put in order; 0 is not at all. */
  latenessUs = 0;
  /** From which age on a transition is retrospective; infinity is never. */
  retrospectiveAfterUs = Number.POSITIVE_INFINITY;
  /** In order of device time. */
  held: HeldReading[] = [];
  backlog: BacklogRecord | null = null;
  dependency: Dependency | null = null;
  /** Devices that depend on it. */
  readonly dependents: DeviceState[] = [];
  /** Latest receipt of a reading of what depends on it. */
  dependentsSeen: number | null = null;
  readonly followers = new Set<Instance>();
  memberships: Membership[] = [];
  /** Journal time of the next thing that it does by itself: let a held reading go, end a backlog. Written by Timers only. */
  due = Number.POSITIVE_INFINITY;
  heapIndex = -1;
  /** What a reading that is about to be evaluated says it is. */
  renewal: DeviceRef | null = null;
  windows: ReadonlyMap<string, LiveWindow> = new Map();
  /** What the store had of its windows, until they are made. */
  storedWindows: Map<string, Uint8Array> | null = null;
  surelyFreshUs = MAX_GAP_FLOOR_US;
  readonly intervals: number[] = [];
  #fixedGapUs: number | null = null;
  #gapUs: number | null = null;
  #measuredGap: (() => number) | null = null;
  readonly #plans = new Map<Shape, Plan>();
  #lastShape: Shape | undefined;
  #lastPlan: Plan | undefined;

  #profile: Profile | undefined;

  constructor(ref: DeviceRef, isGroup = false) {
    this.isGroup = isGroup;
    this.id = ref.id;
    this.profile = ref.profile;
    this.labels = ref.labels;
    this.facts = new DeviceFacts(ref.id, ref.labels);
  }

  /** Takes on what the configuration gives it. */
  configure(profile: Profile | undefined, limits: EffectiveLimits): void {
    this.#profile = profile;
    this.facts = new DeviceFacts(this.id, this.labels);
    this.limits = limits.values;
    this.limitOrigins = limits.origins;
    const gapMs = profile?.maxGapMs ?? (profile?.intervalMs == null ? null : profile.intervalMs * GAP_IN_INTERVALS);
    this.#fixedGapUs = gapMs === null ? null : gapMs * MICROSECONDS_PER_MILLISECOND;
    this.surelyFreshUs = this.#fixedGapUs ?? MAX_GAP_FLOOR_US;
    this.latenessUs = (profile?.latenessMs ?? 0) * MICROSECONDS_PER_MILLISECOND;
    const retrospectiveMs = profile === undefined ? RETROSPECTIVE_AFTER_MS : profile.retrospectiveAfterMs;
    this.retrospectiveAfterUs = retrospectiveMs === null ? Number.POSITIVE_INFINITY : retrospectiveMs * MICROSECONDS_PER_MILLISECOND;
  }

  /** Of a group: it has no readings of its own to go by. At least as long as of a device that nothing is known of. */
  measureGapBy(gapUs: () => number): void {
    this.#measuredGap = gapUs;
  }

  /** Receipt of its latest reading; of a device that sends none itself, of what depends on it. */
  get lastSign(): number | null {
    return this.lastSeen ?? this.dependentsSeen;
  }

  /** How old a value may be and still count, and how long a hole a run of "true" bridges. µs. */
  readonly maxGapUs = (): number => {
    if (this.#measuredGap !== null) return Math.max(MAX_GAP_FLOOR_US, this.#measuredGap());
    if (this.#fixedGapUs !== null) return this.#fixedGapUs;
    this.#gapUs ??= Math.max(MAX_GAP_FLOOR_US, GAP_IN_INTERVALS * median(this.intervals));
    return this.#gapUs;
  };

  /** Notes the event time of a reading that is not late; true when `maxGap` may have changed by it. */
  reported(at: number): boolean {
    const interval = at - this.lastAt;
    if (interval <= 0) return false;
    this.lastAt = at;
    if (this.#fixedGapUs !== null || interval < INTERVAL_MIN_US || interval === Number.POSITIVE_INFINITY) return false;
    if (this.intervals.push(interval) > INTERVALS_KEPT) this.intervals.shift();
    this.#gapUs = null;
    return true;
  }

  cell(name: string): Cell {
    let cell = this.cells.get(name);
    if (cell === undefined) {
      const never = Number.NEGATIVE_INFINITY;
      cell = { name, value: undefined, at: never, receivedAt: never, heardAt: never, windows: null };
      this.cells.set(name, cell);
    }
    return cell;
  }

  planFor(shape: Shape): Plan {
    if (shape === this.#lastShape && this.#lastPlan !== undefined) return this.#lastPlan;
    let plan = this.#plans.get(shape);
    if (plan === undefined) {
      if (this.#plans.size >= PLANS_MAX) this.#plans.clear();
      plan = this.#plan(shape);
      this.#plans.set(shape, plan);
    }
    this.#lastShape = shape;
    this.#lastPlan = plan;
    return plan;
  }

  /** Makes the instances of the rules that are for it; those it has already are kept as they are. */
  bind(rules: readonly CompiledRule[], graceUntil: number, findRemote: FindRemote = NOBODY): void {
    this.graceUntil = graceUntil;
    const bound: Instance[] = [];
    const cells = new Map<string, readonly Cell[]>();
    const windows = new Map<string, LiveWindow>();
    for (const rule of rules) {
      const program = rule.matches(this) ? rule.programFor(this.profile) : null;
      const known = this.instances.find((instance) => instance.rule === rule);
      // An open alert is not forgotten because a label changed under way.
      if (known !== undefined && (known.program === program || known.open !== null)) {
        bound.push(known);
        for (const window of this.windows.values()) if (known.inputs.windows.includes(window)) windows.set(window.key, window);
      } else if (program !== null) {
        const inputs = this.#inputsOf(program.inputs, windows, findRemote);
        bound.push(new Instance({ rule, program, device: this, cells: this.cellsOf(program.metrics, cells), inputs }));
      }
    }
    for (const [number, instance] of bound.entries()) instance.number = number;
    this.instances = bound;
    this.attention = new Uint8Array(bound.length).fill(1);
    this.windows = windows;
    this.forgetPlans();
  }

  /** What a rule, or a group's membership, reads beside the latest values. */
  #inputsOf(inputs: Inputs, windows: Map<string, LiveWindow>, findRemote: FindRemote): FrameInputs {
    if (inputs.windows.length + inputs.remotes.length + inputs.stales.length === 0) return NO_INPUTS;
    const live = this.windowsOf(inputs, windows);
    return new InstanceInputs(
      live,
      inputs.remotes.map(({ device, metric }) => findRemote(device, metric)),
    );
  }

  /** The windows of these inputs: those it has, those of the store, or new ones. They are noted in `windows`. */
  windowsOf(inputs: Inputs, windows: Map<string, LiveWindow>): LiveWindow[] {
    const frame = createFrame();
    frame.limits = this.limits;
    return inputs.windows.map((input) => {
      const threshold = input.threshold?.(frame) ?? Number.NaN;
      const key = this.#windowKey(input.text, input.metric, threshold);
      const stored = this.storedWindows?.get(key);
      const window = windows.get(key) ?? this.windows.get(key) ?? createLiveWindow(input, key, threshold, stored);
      windows.set(key, window);
      const cell = this.cell(input.metric);
      if (!(cell.windows ?? []).includes(window)) cell.windows = [...(cell.windows ?? []), window];
      return window;
    });
  }

  /** With what the metric is measured in: a window of one unit is no window of another. */
  #windowKey(text: string, metric: string, threshold: number): string {
    const known = this.#profile?.metrics.find(({ name }) => name === metric);
    const measure = known === undefined ? [] : [known.unit, known.scale, known.offset, known.type, known.path];
    return JSON.stringify([text, Number.isNaN(threshold) ? null : threshold, ...measure]);
  }

  /** Lets go of windows that nothing reads any more. */
  dropUnusedWindows(): void {
    const used = new Set<unknown>(this.instances.flatMap(({ inputs }) => inputs.windows));
    for (const membership of this.memberships) for (const window of membership.windows) used.add(window);
    this.windows = new Map([...this.windows].filter(([, window]) => used.has(window)));
    for (const cell of this.cells.values()) {
      const kept = cell.windows?.filter((window) => used.has(window)) ?? [];
      cell.windows = kept.length === 0 ? null : kept;
    }
    this.storedWindows = null;
  }

  forgetPlans(): void {
    this.#plans.clear();
    this.#lastShape = undefined;
  }

  #plan(shape: Shape): Plan {
    const instances = this.instances.filter((instance) => names(instance.program, shape));
    const quiet = new Float64Array(instances.length * 2);
    const valueIndexes = new Uint16Array(instances.length);
    const frame = createFrame();
    frame.limits = this.limits;
    for (const [index, { program }] of instances.entries()) {
      const range = quietRange(program, frame);
      quiet[2 * index] = range.above;
      quiet[2 * index + 1] = range.below;
      valueIndexes[index] = Math.max(0, shape.indexOf(program.metrics[0] ?? ''));
    }
    const numbers = Uint16Array.from(instances, (instance) => instance.number);
    const listeners = this.instances.filter(
      ({ program }) => !instances.some((instance) => instance.program === program) && listensTo(program, shape),
    );
    const followers = [...this.followers].filter(({ inputs }) =>
      inputs.remotes.some(({ cell }) => this.cells.get(cell.name) === cell && shape.includes(cell.name)),
    );
    const memberships = this.memberships.filter(
      ({ program }) => program.metrics.length === 0 || program.metrics.some((name) => shape.includes(name)),
    );
    const cells = shape.map((name) => this.cell(name));
    const availability = shape.indexOf(AVAILABILITY);
    return { cells, instances, numbers, valueIndexes, quiet, listeners, followers, memberships, availability };
  }

  /** Rules that name the same metrics share one list. */
  cellsOf(metrics: readonly string[], known: Map<string, readonly Cell[]>): readonly Cell[] {
    const key = metrics.join('\u0000');
    const cells = known.get(key) ?? metrics.map((name) => this.cell(name));
    known.set(key, cells);
    return cells;
  }

  /** Sets up a frame with what is the device's own. */
  present(frame: Frame): void {
    frame.facts = this.facts;
    frame.limits = this.limits;
    frame.surelyFreshUs = this.surelyFreshUs;
    frame.maxGapUs = this.maxGapUs;
    frame.clockOffsetUs = this.clock?.offsetUs ?? 0;
  }
}

/** A rule that names no metric is evaluated on every reading. */
function names(program: Program, shape: Shape): boolean {
  if (program.conditionMetrics === 0) return program.inputs.remotes.length === 0;
  return program.metrics.slice(0, program.conditionMetrics).some((name) => shape.includes(name));
}

/** Metrics that a rule's conditions do not name, but whose silence counts. */
function listensTo(program: Program, shape: Shape): boolean {
  return program.metrics.slice(program.conditionMetrics, program.watchedMetrics).some((name) => shape.includes(name));
}

function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** The limits that count for one device, each with where it comes from. */
export interface EffectiveLimits {
  readonly values: Readonly<Record<string, number>>;
  readonly origins: Readonly<Record<string, string>>;
}

/** Whether two sets of labels say the same. */
export function sameLabels(left: Readonly<Record<string, string>>, right: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}
