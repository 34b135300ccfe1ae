/**
 * A group of a rule with `by:`: what each member contributes to each aggregate, and the one instance that is asked about
 * all of them. A reading of a member brings its own contribution up to date; an aggregate then goes through the members,
 * which costs nanoseconds each and keeps no running sum that could drift. A contribution counts while the member's value
 * is fresh. Nothing of a group is stored but its instance: contributions follow from the members' values.
 *
 * Times are µs, and our own: each member's clock offset is added, as the members' clocks are off in different ways.
 */
import type { CompiledRule } from '../rules/compile.ts';
import type { Cell, CellWindow, Frame, FrameInputs } from '../rules/frame.ts';
import type { GroupProgram, MemberProgram } from '../rules/group.ts';
import type { AggregateFunction } from '../rules/inputs.ts';
import { DeviceState } from './device-state.ts';
import { Instance } from './instance.ts';

/** One device in one group. */
export class Membership implements FrameInputs {
  readonly group: GroupState;
  readonly device: DeviceState;
  readonly program: MemberProgram;
  readonly cells: readonly Cell[];
  readonly windows: readonly CellWindow[];
  readonly remotes = [];
  readonly checkedAt = Number.NEGATIVE_INFINITY;
  /** Its place in the group's lists. */
  index = 0;

  constructor(parts: {
    group: GroupState;
    device: DeviceState;
    program: MemberProgram;
    cells: readonly Cell[];
    windows: readonly CellWindow[];
  }) {
    this.group = parts.group;
    this.device = parts.device;
    this.program = parts.program;
    this.cells = parts.cells;
    this.windows = parts.windows;
  }

  aggregate(): number {
    return Number.NaN;
  }

  /** Event time of its newest value, in its own time; minus infinity before the first. */
  get newestAt(): number {
    return this.cells.reduce((newest, { at }) => Math.max(newest, at), Number.NEGATIVE_INFINITY);
  }
}

export class GroupState implements FrameInputs {
  readonly rule: CompiledRule;
  readonly program: GroupProgram;
  readonly name: string;
  readonly members: Membership[] = [];
  readonly instance: Instance;
  readonly windows = [];
  readonly remotes = [];
  readonly checkedAt = Number.NEGATIVE_INFINITY;
  /** By aggregate and member; NaN is unknown. */
  readonly #contributions: number[][];
  /** By member: until when its values are fresh. */
  readonly #freshUntil: number[] = [];

  constructor(rule: CompiledRule, program: GroupProgram, name: string, labels: Readonly<Record<string, string>>) {
    this.rule = rule;
    this.program = program;
    this.name = name;
    const { profile } = rule.rule.selector;
    const host = new DeviceState({ id: name, profile, labels }, true);
    host.configure(undefined, { values: program.limits, origins: {} });
    host.retrospectiveAfterUs = Number.POSITIVE_INFINITY;
    host.isCoupled = true;
    this.#contributions = program.program.inputs.aggregates.map(() => []);
    const cells = host.cellsOf(program.program.metrics, new Map());
    this.instance = new Instance({ rule, program: program.program, device: host, cells, inputs: this });
    host.instances = [this.instance];
    host.attention = new Uint8Array([1]);
  }

  get cell(): Cell {
    const [cell] = this.instance.cells;
    if (cell === undefined) throw new Error(`the group ${this.name} has nothing to be heard by`);
    return cell;
  }

  join(membership: Membership): void {
    membership.index = this.members.push(membership) - 1;
    for (const contributions of this.#contributions) contributions.push(Number.NaN);
    this.#freshUntil.push(Number.NEGATIVE_INFINITY);
  }

  /** Its place is taken by the last member. */
  leave(membership: Membership): void {
    const last = this.members.pop();
    const { index } = membership;
    const move = (list: number[]): void => {
      const value = list.pop();
      if (last !== membership && value !== undefined) list[index] = value;
    };
    for (const contributions of this.#contributions) move(contributions);
    move(this.#freshUntil);
    if (last === undefined || last === membership) return;
    last.index = index;
    this.members[index] = last;
  }

  /**
   * Brings the member's contribution up to date. The frame is left as it is found but for its failure.
   * @returns false when the member has no value yet
   */
  contribute(membership: Membership, frame: Frame): boolean {
    const { device, program, index } = membership;
    const at = membership.newestAt;
    if (at === Number.NEGATIVE_INFINITY) return false;
    device.present(frame);
    frame.cells = membership.cells;
    frame.inputs = membership;
    frame.now = at;
    for (const [aggregate, contribution] of program.contributions.entries()) {
      const value = contribution(frame);
      const list = this.#contributions[aggregate];
      if (list !== undefined) list[index] = numberOf(value, this.program.program.inputs.aggregates[aggregate]?.function);
      frame.failure = null;
    }
    const ownAt = at + frame.clockOffsetUs;
    const maxGapUs = device.maxGapUs();
    this.#freshUntil[index] = ownAt + maxGapUs;
    // The group is heard of as seldom as its members are.
    this.instance.device.raiseMaxGap(maxGapUs);
    return true;
  }

  /** The group has been heard of: its cell stands for the newest of its members. */
  hear(membership: Membership, receivedAt: number): void {
    const { cell } = this;
    const at = membership.newestAt + (membership.device.clock?.offsetUs ?? 0);
    if (at > cell.at) {
      cell.at = at;
      cell.receivedAt = receivedAt;
    }
    cell.heardAt = Math.max(cell.heardAt, receivedAt);
    const value = this.aggregate(0, cell.at);
    cell.value = Number.isNaN(value) ? (cell.value ?? 0) : value;
  }

  /** What each member has for an aggregate, for whoever explains it. `freshUntil`: minus infinity before its first value. */
  contributionsOf(aggregate: number): { readonly device: string; readonly value: number; readonly freshUntil: number }[] {
    return this.members.map(({ device, index }) => ({
      device: device.id,
      value: this.#contributions[aggregate]?.[index] ?? Number.NaN,
      freshUntil: this.#freshUntil[index] ?? Number.NEGATIVE_INFINITY,
    }));
  }

  aggregate(aggregate: number, now: number): number {
    const input = this.program.program.inputs.aggregates[aggregate];
    const contributions = this.#contributions[aggregate];
    return input === undefined || contributions === undefined ? Number.NaN : combine(input.function, contributions, this.#freshUntil, now);
  }
}

/** To a count a number contributes that it is there. */
function numberOf(value: number | boolean | undefined, name: AggregateFunction | undefined): number {
  if (value === undefined) return Number.NaN;
  return typeof value === 'number' && name === 'count' ? 1 : Number(value);
}

function combine(name: AggregateFunction, contributions: readonly number[], freshUntil: readonly number[], now: number): number {
  let count = 0;
  let trues = 0;
  let sum = 0;
  let least = Number.POSITIVE_INFINITY;
  let greatest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < contributions.length; index++) {
    const value = contributions[index] ?? Number.NaN;
    if (Number.isNaN(value) || (freshUntil[index] ?? 0) < now) continue;
    count += 1;
    sum += value;
    if (value !== 0) trues += 1;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  if (count === 0) return Number.NaN;
  switch (name) {
    case 'avg':
      return sum / count;
    case 'sum':
      return sum;
    case 'min':
      return least;
    case 'max':
      return greatest;
    case 'count':
      return trues;
  }
}
