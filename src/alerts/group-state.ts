/**
 * A group of a rule with `by:`: what each member contributes to each aggregate, and the one instance that is asked about
 * all of them. A reading of a member brings its own contribution up to date; an aggregate then goes through the members,
 * which costs nanoseconds each and keeps no running sum that could drift. A contribution counts while the member's value
 * is fresh. Of a group its instance is stored, and when it was heard of; contributions follow from the members' values.
 *
 * Times are µs, and our own: each member's clock offset is added, as the members' clocks are off in different ways.
 */
import type { CompiledRule } from '../rules/compile.ts';
import { type Cell, type CellWindow, type Frame, type FrameInputs, holds } from '../rules/frame.ts';
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

/** What it contributes is nothing but whether it is online: that counts until it is told anew. */
const isHeld = ({ cells }: Membership): boolean => cells.length > 0 && cells.every(holds);

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
  /** By member: when what it contributes was measured, in its own time. How long that counts may change meanwhile. */
  readonly #measuredAt: number[] = [];

  constructor(rule: CompiledRule, program: GroupProgram, name: string, labels: Readonly<Record<string, string>>) {
    this.rule = rule;
    this.program = program;
    this.name = name;
    const { profile } = rule.rule.selector;
    const host = new DeviceState({ id: name, profile, labels }, true);
    host.configure(undefined, { values: program.limits, origins: {} });
    host.retrospectiveAfterUs = Number.POSITIVE_INFINITY;
    host.isCoupled = true;
    host.measureGapBy(() => this.#maxGapUs());
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

  /** Members stand in the order of their ids, so that a sum over them comes to the same bits after a restart. */
  join(membership: Membership): void {
    let index = this.members.length;
    while (index > 0 && (this.members[index - 1]?.device.id ?? '') > membership.device.id) index -= 1;
    this.members.splice(index, 0, membership);
    for (const contributions of this.#contributions) contributions.splice(index, 0, Number.NaN);
    this.#measuredAt.splice(index, 0, Number.NEGATIVE_INFINITY);
    this.#renumber(index);
  }

  leave({ index }: Membership): void {
    this.members.splice(index, 1);
    for (const contributions of this.#contributions) contributions.splice(index, 1);
    this.#measuredAt.splice(index, 1);
    this.#renumber(index);
  }

  #renumber(from: number): void {
    for (let index = from; index < this.members.length; index++) {
      const member = this.members[index];
      if (member !== undefined) member.index = index;
    }
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
    this.#measuredAt[index] = at;
    return true;
  }

  /**
   * The group has been heard of: its cell stands for the newest of its members.
   * @param isSign the member itself was: an announcement ends no silence
   */
  hear(membership: Membership, receivedAt: number, isSign: boolean): void {
    const { cell } = this;
    const at = membership.newestAt + (membership.device.clock?.offsetUs ?? 0);
    if (at > cell.at) {
      cell.at = at;
      cell.receivedAt = receivedAt;
    }
    if (isSign) cell.heardAt = Math.max(cell.heardAt, receivedAt);
    const value = this.aggregate(0, cell.at);
    cell.value = Number.isNaN(value) ? (cell.value ?? 0) : value;
  }

  /** What each member has for an aggregate, for whoever explains it. `freshUntil`: minus infinity before its first value. */
  contributionsOf(aggregate: number): { readonly device: string; readonly value: number; readonly freshUntil: number }[] {
    return this.members.map(({ device, index }) => ({
      device: device.id,
      value: this.#contributions[aggregate]?.[index] ?? Number.NaN,
      freshUntil: this.#freshUntil(index),
    }));
  }

  aggregate(aggregate: number, now: number): number {
    const input = this.program.program.inputs.aggregates[aggregate];
    const contributions = this.#contributions[aggregate];
    if (input === undefined || contributions === undefined) return Number.NaN;
    const sums = new Sums();
    for (let index = 0; index < contributions.length; index++) {
      const value = contributions[index] ?? Number.NaN;
      if (!Number.isNaN(value) && this.#isFresh(index, now)) sums.add(value);
    }
    return sums.of(input.function);
  }

  /** The cheap question first, as for every value. */
  #isFresh(index: number, now: number): boolean {
    const member = this.members[index];
    if (member === undefined) return false;
    const { device } = member;
    const age = now - (this.#measuredAt[index] ?? Number.NEGATIVE_INFINITY) - (device.clock?.offsetUs ?? 0);
    return age <= device.surelyFreshUs || age <= device.maxGapUs() || isHeld(member);
  }

  /** Asked anew each time: how long a value counts changes with how often its device reports. */
  #freshUntil(index: number): number {
    const member = this.members[index];
    const at = this.#measuredAt[index];
    if (member === undefined || at === undefined) return Number.NEGATIVE_INFINITY;
    return isHeld(member) ? Number.POSITIVE_INFINITY : at + (member.device.clock?.offsetUs ?? 0) + member.device.maxGapUs();
  }

  /** The group is heard of as seldom as its members are. */
  #maxGapUs(): number {
    let longest = 0;
    for (const member of this.members) longest = Math.max(longest, isHeld(member) ? Number.POSITIVE_INFINITY : member.device.maxGapUs());
    return longest;
  }
}

/** To a count a number contributes that it is there. */
function numberOf(value: number | boolean | undefined, name: AggregateFunction | undefined): number {
  if (value === undefined) return Number.NaN;
  return typeof value === 'number' && name === 'count' ? 1 : Number(value);
}

class Sums {
  #count = 0;
  #trues = 0;
  #sum = 0;
  #least = Number.POSITIVE_INFINITY;
  #greatest = Number.NEGATIVE_INFINITY;

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    if (value !== 0) this.#trues += 1;
    if (value < this.#least) this.#least = value;
    if (value > this.#greatest) this.#greatest = value;
  }

  /** NaN, unknown, of nothing. */
  of(name: AggregateFunction): number {
    if (this.#count === 0) return Number.NaN;
    switch (name) {
      case 'avg':
        return this.#sum / this.#count;
      case 'sum':
        return this.#sum;
      case 'min':
        return this.#least;
      case 'max':
        return this.#greatest;
      case 'count':
        return this.#trues;
    }
  }
}
