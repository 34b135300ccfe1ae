/**
 * What alerting knows of one device: who it is, the latest value of each metric, how often it reports, and the instances
 * of the rules that are for it. It stands in for the DeviceRef of its readings, so that a reading finds it without a
 * look-up.
 */
import type { Profile } from '../domain/device.ts';
import { type DeviceRef, MICROSECONDS_PER_MILLISECOND, MICROSECONDS_PER_SECOND, type Shape } from '../domain/reading.ts';
import type { CompiledRule, Program } from '../rules/compile.ts';
import { type Hearing, IDLE, type InstanceState, quietRange } from '../rules/evaluate.ts';
import { type Cell, createFrame, DeviceFacts } from '../rules/frame.ts';
import type { TrackedAlert } from './lifecycle.ts';
import type { Timed } from './timers.ts';

/** Without an interval in the profile, a value counts for three of the usual intervals, and at least for this. */
const MAX_GAP_FLOOR_US = 300 * MICROSECONDS_PER_SECOND;
const GAP_IN_INTERVALS = 3;
const INTERVALS_KEPT = 20;
/** What comes closer together is one report in several messages. */
const INTERVAL_MIN_US = MICROSECONDS_PER_SECOND;
/** A device that sends ever new sets of metrics makes its plans be forgotten, not pile up. */
const PLANS_MAX = 64;

/** One rule on one device. There may be hundreds of thousands: what they have in common stands in the device or the rule. */
export class Instance implements Timed, Hearing {
  readonly rule: CompiledRule;
  readonly program: Program;
  readonly device: DeviceState;
  readonly cells: readonly Cell[];
  /** Its place in the device's list. */
  number = 0;
  state: InstanceState = IDLE;
  open: TrackedAlert | null = null;
  /** The last position whose reading the state reflects, where that is ahead of the device's. */
  position = -1;
  /** There is a row of it in the store. */
  isStored = false;
  due = Number.POSITIVE_INFINITY;
  heapIndex = -1;

  constructor(parts: { rule: CompiledRule; program: Program; device: DeviceState; cells: readonly Cell[] }) {
    this.rule = parts.rule;
    this.program = parts.program;
    this.device = parts.device;
    this.cells = parts.cells;
  }

  get maxGapUs(): () => number {
    return this.device.maxGapUs;
  }
  get registeredAt(): number | null {
    return this.device.registeredAt;
  }
  get lastSeen(): number | null {
    return this.device.lastSeen;
  }
  get graceUntil(): number {
    return this.device.graceUntil;
  }
}

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
}

export class DeviceState implements DeviceRef {
  readonly id: string;
  profile: string | null;
  labels: Readonly<Record<string, string>>;
  facts: DeviceFacts;
  limits: Readonly<Record<string, number>> = {};
  /** When a listed device was first known to this store; null for one that is not listed. µs. */
  registeredAt: number | null = null;
  firstSeen: number | null = null;
  lastSeen: number | null = null;
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
  surelyFreshUs = MAX_GAP_FLOOR_US;
  readonly intervals: number[] = [];
  #fixedGapUs: number | null = null;
  #gapUs: number | null = null;
  readonly #plans = new Map<Shape, Plan>();
  #lastShape: Shape | undefined;
  #lastPlan: Plan | undefined;

  constructor(ref: DeviceRef) {
    this.id = ref.id;
    this.profile = ref.profile;
    this.labels = ref.labels;
    this.facts = new DeviceFacts(ref.id, ref.labels);
  }

  /** Takes on the profile and limits that the configuration gives it. */
  configure(profile: Profile | undefined, limits: Readonly<Record<string, number>>): void {
    this.facts = new DeviceFacts(this.id, this.labels);
    this.limits = { ...profile?.limits, ...limits };
    const gapMs = profile?.maxGapMs ?? (profile?.intervalMs == null ? null : profile.intervalMs * GAP_IN_INTERVALS);
    this.#fixedGapUs = gapMs === null ? null : gapMs * MICROSECONDS_PER_MILLISECOND;
    this.surelyFreshUs = this.#fixedGapUs ?? MAX_GAP_FLOOR_US;
  }

  /** How old a value may be and still count, and how long a hole a run of "true" bridges. µs. */
  readonly maxGapUs = (): number => {
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
      cell = { name, value: undefined, at: never, receivedAt: never, heardAt: never };
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
  bind(rules: readonly CompiledRule[], graceUntil: number): void {
    this.graceUntil = graceUntil;
    const bound: Instance[] = [];
    const cells = new Map<string, readonly Cell[]>();
    for (const rule of rules) {
      const program = rule.matches(this) ? rule.programFor(this.profile) : null;
      const known = this.instances.find((instance) => instance.rule === rule);
      // An open alert is not forgotten because a label changed under way.
      if (known !== undefined && (known.program === program || known.open !== null)) bound.push(known);
      else if (program !== null) bound.push(new Instance({ rule, program, device: this, cells: this.#cellsOf(program.metrics, cells) }));
    }
    for (const [number, instance] of bound.entries()) instance.number = number;
    this.instances = bound;
    this.attention = new Uint8Array(bound.length).fill(1);
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
    return { cells: shape.map((name) => this.cell(name)), instances, numbers, valueIndexes, quiet };
  }

  /** Rules that name the same metrics share one list. */
  #cellsOf(metrics: readonly string[], known: Map<string, readonly Cell[]>): readonly Cell[] {
    const key = metrics.join('\u0000');
    const cells = known.get(key) ?? metrics.map((name) => this.cell(name));
    known.set(key, cells);
    return cells;
  }
}

/** A rule that names no metric is evaluated on every reading. */
function names(program: Program, shape: Shape): boolean {
  if (program.conditionMetrics === 0) return true;
  return program.metrics.slice(0, program.conditionMetrics).some((name) => shape.includes(name));
}

function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** Whether two sets of labels say the same. */
export function sameLabels(left: Readonly<Record<string, string>>, right: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}
