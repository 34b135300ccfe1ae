/** One rule on one device, or on one group. There may be hundreds of thousands: what they have in common stands in the device or the rule. */
import type { CompiledRule, Program } from '../rules/compile.ts';
import { IDLE, type InstanceState } from '../rules/evaluate.ts';
import { type Cell, type CellWindow, type Frame, type FrameInputs, holds, NO_INPUTS, type RemoteCell } from '../rules/frame.ts';
import type { Hearing } from '../rules/timer.ts';
import type { DeviceState } from './device-state.ts';
import type { TrackedAlert } from './lifecycle.ts';
import type { Timed } from './timers.ts';

const FOREVER = (): number => Number.POSITIVE_INFINITY;

/** What a rule reads beside the device's latest values. */
export class InstanceInputs implements FrameInputs {
  readonly windows: readonly CellWindow[];
  readonly remotes: readonly RemoteCell[];
  /** Event time of the last evaluation by a `stale` timer; not stored, as evaluating once more changes nothing. */
  checkedAt = Number.NEGATIVE_INFINITY;

  constructor(windows: readonly CellWindow[], remotes: readonly RemoteCell[]) {
    this.windows = windows;
    this.remotes = remotes;
  }

  aggregate(): number {
    return Number.NaN;
  }
}

export class Instance implements Timed, Hearing {
  readonly rule: CompiledRule;
  readonly program: Program;
  /** The device; of a rule on groups, what stands for the group. */
  readonly device: DeviceState;
  readonly cells: readonly Cell[];
  readonly inputs: FrameInputs;
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

  constructor(parts: { rule: CompiledRule; program: Program; device: DeviceState; cells: readonly Cell[]; inputs?: FrameInputs }) {
    this.rule = parts.rule;
    this.program = parts.program;
    this.device = parts.device;
    this.cells = parts.cells;
    this.inputs = parts.inputs ?? NO_INPUTS;
  }

  get remotes(): readonly RemoteCell[] {
    return this.inputs.remotes;
  }
  get checkedAt(): number {
    return this.inputs instanceof InstanceInputs ? this.inputs.checkedAt : Number.NEGATIVE_INFINITY;
  }
  get clockOffsetUs(): number {
    return this.device.clock?.offsetUs ?? 0;
  }
  /** What is asked of nothing but a device's being online holds until that is told anew: no value is too old, and no run has a gap. */
  get maxGapUs(): () => number {
    const { program, cells, remotes, device } = this;
    if (!program.asksAvailabilityAlone) return device.maxGapUs;
    const isHeld = cells.slice(0, program.conditionMetrics).every(holds) && remotes.every(({ cell }) => holds(cell));
    return isHeld ? FOREVER : device.maxGapUs;
  }
  /** Sets up a frame in which its conditions are asked. */
  present(frame: Frame): void {
    this.device.present(frame);
    frame.maxGapUs = this.maxGapUs;
    frame.cells = this.cells;
    frame.inputs = this.inputs;
  }
  get registeredAt(): number | null {
    return this.device.registeredAt;
  }
  get lastSeen(): number | null {
    return this.device.lastSign;
  }
  get graceUntil(): number {
    return this.device.graceUntil;
  }
  get dependencyGraceUs(): number {
    return this.device.dependency?.graceUs ?? 0;
  }
}

/** Of two whose timers are due at the same time. */
export const comesFirst = (a: Instance, b: Instance): boolean =>
  a.device.id < b.device.id || (a.device === b.device && a.rule.rule.id < b.rule.rule.id);
