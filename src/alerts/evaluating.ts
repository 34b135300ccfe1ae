/**
 * Readings and timers through the rules, in the order of the journal, without any I/O: what changed is collected for the
 * caller to commit.
 *
 * **Order.** A device with `lateness` has its readings held that long and let go in the order of their device time; what is
 * let go counts as received then, so that the order of arrival within the lateness leaves no trace.
 *
 * **Late values.** A value with device time that is older than the newest of the same device and metric moves no rule
 * backwards: it goes into windows that still hold its time, and counts as a sign of life. The same time and value again is
 * a duplicate; another value at the same time overwrites and is counted as a conflict.
 *
 * **Timers** run on journal time: those due before a reading's receipt fire before it is evaluated.
 *
 * **Replay.** What a device or an instance reflects already (its position) is skipped, its timers included.
 */
import { AVAILABILITY } from '../domain/device.ts';
import { FLAG_DEVICE_TIME, type Reading } from '../domain/reading.ts';
import { evaluate, heard, IDLE, inhibit, release, ripen } from '../rules/evaluate.ts';
import { createFrame } from '../rules/frame.ts';
import { newestOf, nextTimer, type Timer } from '../rules/timer.ts';
import { Becoming, type Changes } from './becoming.ts';
import { backBy, isOffline } from './dependency.ts';
import { DeviceClock } from './device-clock.ts';
import { DeviceState, type Plan } from './device-state.ts';
import { Holding } from './holding.ts';
import { comesFirst, type Instance, InstanceInputs } from './instance.ts';
import { isAnnouncement, noteOnline, saidOnline } from './online.ts';
import { type Downtime, overlapUs } from './state-store.ts';
import { someMoved, type ValueCounts, writeValue } from './taking-over.ts';
import { Timers } from './timers.ts';

export type { Changes } from './becoming.ts';

export interface Counts extends ValueCounts {
  evaluations: number;
}

export interface EvaluatingOptions {
  readonly journalId: string;
  readonly onRuleError: (rule: string, count: number, message: string) => void;
  /** What a reading says anew of its device holds from here on: after the timers that were due before it. */
  readonly renew?: (device: DeviceState) => void;
  /** When we were not running: a hole in the data that contains one is shorter by it. */
  readonly downtimes?: readonly Downtime[];
}

/** How often it is looked whether what a silent device depends on is back. */
const LOOK_AGAIN_US = 30_000_000;

export class Evaluating {
  readonly counts: Counts = { evaluations: 0, lateValues: 0, conflictValues: 0, duplicateValues: 0 };
  readonly #onRuleError: EvaluatingOptions['onRuleError'];
  readonly #renew: (device: DeviceState) => void;
  readonly #timers = new Timers(comesFirst);
  /** What devices do by themselves: let held readings go, end a backlog. */
  readonly #deviceTimers = new Timers<DeviceState>((a, b) => a.id < b.id);
  readonly #frame = createFrame();
  readonly #becoming: Becoming;
  /** Instances whose timers cannot be told before the replay has reached what they reflect. */
  #waiting: Instance[] = [];
  /** The reading being worked on is older than its device's `retrospectiveAfter`. */
  #isOld = false;
  /** It tells whether its device is online, and nothing else. */
  #isAnnouncement = false;
  /** Devices to write with the next snapshot. */
  readonly dirty: DeviceState[] = [];

  constructor(options: EvaluatingOptions) {
    this.#onRuleError = options.onRuleError;
    this.#renew = options.renew ?? (() => undefined);
    this.#becoming = new Becoming({ journalId: options.journalId, frame: this.#frame, changed: (device) => this.#markDirty(device) });
    const downtimes = options.downtimes ?? [];
    this.#frame.downUs = (from, to) => overlapUs(downtimes, from + this.#frame.clockOffsetUs, to + this.#frame.clockOffsetUs);
  }

  /** Journal time, µs, of the next timer that may be due; infinity when none runs. */
  get nextDue(): number {
    return Math.min(this.#timers.nextDue, this.#deviceTimers.nextDue);
  }

  /** Journal time, µs, of what was evaluated last. */
  get journaledTo(): number {
    return this.#becoming.journaledAt;
  }

  /** Sets the timers of a device, or of what stands for a group, that came from the store or the fleet file. */
  arm(device: DeviceState): void {
    // What was overdue before a start is not decided earlier after it.
    const announcedAt = device.cells.get(AVAILABILITY)?.heardAt ?? 0;
    this.#becoming.journaledAt = Math.max(this.#becoming.journaledAt, device.lastSeen ?? 0, announcedAt);
    for (const instance of device.instances) {
      // A row that is ahead of its device's: its timers follow from readings that are still to be replayed.
      if (instance.position > device.position) this.#waiting.push(instance);
      else this.#arm(instance);
    }
    this.#deviceTimers.atLatest(device, Holding.dueOf(device));
  }

  reading(position: number, reading: Reading): void {
    const { device, receivedAt } = reading;
    if (this.#waiting.length > 0) this.#rearm(position);
    if (this.#timers.nextDue < receivedAt || this.#deviceTimers.nextDue < receivedAt) this.#fire(receivedAt - 1, position);
    if (!(device instanceof DeviceState)) throw new Error('a reading came with a device that was not interned');
    if (position <= device.position) return;
    if (device.renewal !== null) this.#renew(device);
    this.#becoming.journaledAt = Math.max(this.#becoming.journaledAt, receivedAt);
    if ((reading.flags & FLAG_DEVICE_TIME) !== 0) {
      device.clock ??= new DeviceClock();
      device.clock.note(reading.at, receivedAt);
    }
    if (device.latenessUs === 0) {
      this.#take(device, reading, position, position);
      return;
    }
    const { at, flags, metrics, values } = reading;
    for (const early of Holding.hold(device, { position, at, receivedAt, flags, metrics, values }))
      this.#take(device, early, position, early.position);
    this.#markDirty(device);
    this.#deviceTimers.atLatest(device, Holding.dueOf(device));
  }

  /**
   * Fires what is due up to and including `until`, in order.
   * @param next the position of the next reading: timers of what reflects it already have fired
   */
  fireTimers(until: number, next: number): void {
    if (this.#waiting.length > 0) this.#rearm(next);
    this.#fire(until, next);
  }

  /** What changed since it was last asked. */
  takeChanges(): Changes | null {
    return this.#becoming.take();
  }

  #fire(until: number, next: number): void {
    for (;;) {
      const deviceDue = this.#deviceTimers.nextDue;
      const due = Math.min(this.#timers.nextDue, deviceDue);
      if (due > until) return;
      this.#becoming.journaledAt = Math.max(this.#becoming.journaledAt, due);
      // What was received by then comes before what is due then.
      if (deviceDue === due) this.#fireDevice(next);
      else this.#fireInstance(next);
    }
  }

  #fireDevice(next: number): void {
    const now = this.#deviceTimers.nextDue;
    const device = this.#deviceTimers.pop();
    if (device === undefined) return;
    for (const held of Holding.letGo(device, now)) this.#take(device, held, next, held.position);
    if (Holding.backlogEndsAt(device) <= now) this.#becoming.endBacklog(device, now);
    this.#deviceTimers.atLatest(device, Holding.dueOf(device));
  }

  #fireInstance(next: number): void {
    const cameUpAt = this.#timers.nextDue;
    const instance = this.#timers.pop();
    if (instance === undefined) return;
    if (next <= reflected(instance)) {
      this.#waiting.push(instance);
      return;
    }
    const timer = nextTimer(instance.program, instance.state, instance);
    if (timer === null) return;
    if (timer.due > cameUpAt) {
      // Readings have pushed it away since it was set.
      this.#timers.atLatest(instance, timer.due);
      return;
    }
    if (timer.kind !== 'no-data' || !this.#isExcused(instance, timer.due)) this.#ripen(instance, timer, next - 1);
    this.#arm(instance);
    this.#deviceTimers.atLatest(instance.device, Holding.dueOf(instance.device));
  }

  /** @param position how far the journal has been read */
  #ripen(instance: Instance, timer: Timer, position: number): void {
    const { program, state, device } = instance;
    const at = timer.kind === 'no-data' ? timer.due : timer.at;
    const isOld = timer.kind !== 'no-data' && timer.due - at - instance.clockOffsetUs > device.retrospectiveAfterUs;
    const occasion = { at, receivedAt: null, timer, isOld, position };
    if (timer.kind !== 'stale') {
      this.#becoming.become(instance, ripen(program, state, timer), occasion);
      return;
    }
    if (instance.inputs instanceof InstanceInputs) instance.inputs.checkedAt = timer.at;
    const next = this.#evaluated(instance, { now: timer.at, isReading: false });
    if (next !== state) this.#becoming.become(instance, next, occasion);
  }

  /** Whether the silence is put down to what the device depends on; it is looked at again later then. */
  #isExcused(instance: Instance, now: number): boolean {
    const { device, state } = instance;
    if (device.dependency === null) return false;
    if (isOffline(device.dependency.on, now)) instance.state = inhibit(state, now, now + LOOK_AGAIN_US);
    else if (state.inhibitedSince !== null) instance.state = release(state, backBy(device, device.dependency, now));
    else return false;
    // The next reading must look at it, whatever its value.
    device.attention[instance.number] = 1;
    this.#markDirty(device);
    return true;
  }

  /** @param progress how far the journal has been read: what an instance reflects already is skipped */
  #take(device: DeviceState, reading: Omit<Reading, 'device'>, progress: number, position: number): void {
    const { at, receivedAt, flags } = reading;
    const offsetUs = device.clock?.offsetUs ?? 0;
    this.#isOld = (flags & FLAG_DEVICE_TIME) !== 0 && receivedAt - at - offsetUs > device.retrospectiveAfterUs;
    const plan = device.planFor(reading.metrics);
    const said = saidOnline(plan, reading.values);
    this.#isAnnouncement = isAnnouncement(said, reading.metrics);
    const endsBacklog = !this.#isOld && !this.#isAnnouncement;
    if (device.backlog !== null && endsBacklog && progress > device.backlog.position) this.#becoming.endBacklog(device, receivedAt);
    noteOnline(device, said);
    this.#note(device, reading);
    let stayed = 0;
    for (let index = 0; index < plan.cells.length; index++) {
      const cell = plan.cells[index];
      const value = reading.values[index];
      if (cell !== undefined && value !== undefined && writeValue(device, cell, value, reading, this.counts) !== 'moved') stayed += 1;
    }
    this.#evaluateAll(plan, reading, { stayed, progress, position });
    if (plan.listeners.length > 0) for (const instance of plan.listeners) this.#heard(instance, receivedAt, progress, position);
    if (device.isCoupled) this.#evaluateOthers(device, plan, reading, { stayed, progress, position });
    if (device.backlog !== null) this.#deviceTimers.atLatest(device, Holding.dueOf(device));
  }

  #evaluateAll(plan: Plan, reading: Omit<Reading, 'device'>, given: { stayed: number; progress: number; position: number }): void {
    const { instances, numbers, valueIndexes, quiet } = plan;
    const { values, receivedAt } = reading;
    const { stayed, progress, position } = given;
    const attention = instances[0]?.device.attention;
    for (let index = 0; index < instances.length; index++) {
      if (stayed === 0 && attention?.[numbers[index] ?? 0] === 0) {
        const value = values[valueIndexes[index] ?? 0];
        if (typeof value === 'number' && value > (quiet[2 * index] ?? NaN) && value < (quiet[2 * index + 1] ?? NaN)) {
          this.counts.evaluations += 1;
          continue;
        }
      }
      const instance = instances[index];
      if (instance === undefined || progress <= instance.position) continue;
      if (this.#isAnnouncement && instance.program.conditionMetrics === 0) continue;
      if (stayed === 0 || someMoved(instance, reading)) this.#evaluate(instance, receivedAt, position);
      else this.#heard(instance, receivedAt, progress, position);
    }
  }

  /** Instances of other devices, and of groups, that read this one; and what depends on it, or it on. */
  #evaluateOthers(
    device: DeviceState,
    plan: Plan,
    { receivedAt }: Omit<Reading, 'device'>,
    given: { stayed: number; progress: number; position: number },
  ): void {
    const { stayed, progress, position } = given;
    const hasMoved = stayed < plan.cells.length;
    if (hasMoved) for (const instance of plan.followers) if (progress > instance.position) this.#evaluate(instance, receivedAt, position);
    for (const membership of plan.memberships) {
      const { group } = membership;
      // A late value is in the member's windows from here on, and is seen with the next evaluation.
      if (!group.contribute(membership, this.#frame) || !hasMoved) continue;
      group.hear(membership, receivedAt, !this.#isAnnouncement);
      this.#markDirty(group.instance.device);
      if (progress > group.instance.position) this.#evaluate(group.instance, receivedAt, position);
    }
    const gateway = device.dependency?.on;
    if (gateway === undefined || this.#isAnnouncement) return;
    gateway.dependentsSeen = receivedAt;
    this.#markDirty(gateway);
    if (gateway.lastSeen === null) for (const instance of gateway.instances) this.#heard(instance, receivedAt, progress, position);
  }

  #note(device: DeviceState, { at, receivedAt }: Omit<Reading, 'device'>): void {
    device.readings += 1;
    device.firstSeen ??= receivedAt;
    this.#markDirty(device);
    if (this.#isAnnouncement) return;
    device.lastSeen = receivedAt;
    if (!device.reported(at)) return;
    // What was too long a wait for a timer may not be any more.
    for (const instance of device.instances) if (instance.state.runs.length > 0) this.#arm(instance);
  }

  #evaluate(instance: Instance, receivedAt: number, position: number): void {
    const { program, device, state } = instance;
    const now = newestOf(program, instance)?.at ?? device.lastAt;
    const next = this.#evaluated(instance, { now, isReading: true, receivedAt });
    if (next !== state) {
      // Silence is measured in time of receipt, so that is when it ends, whatever the age of what arrives.
      const endsSilence = state.noData && !next.noData;
      const at = endsSilence ? receivedAt : now;
      const isOld = this.#isOld && !endsSilence;
      this.#becoming.become(instance, next, { at, receivedAt, timer: null, isOld, position });
      if (mayRipen(instance)) this.#arm(instance);
    } else if (instance.heapIndex < 0 && (program.noData !== null || program.inputs.stales.length > 0)) this.#arm(instance);
    device.attention[instance.number] = next === IDLE ? 0 : 1;
  }

  #evaluated(instance: Instance, given: { now: number; isReading: boolean; receivedAt?: number }): Instance['state'] {
    const { program, state } = instance;
    const frame = this.#frame;
    instance.present(frame);
    frame.now = given.now;
    frame.isReading = given.isReading;
    frame.isSign = given.isReading && !this.#isAnnouncement;
    this.counts.evaluations += 1;
    const { receivedAt } = given;
    const next = evaluate(program, state.noData && receivedAt !== undefined ? heard(program, state, instance, receivedAt) : state, frame);
    if (frame.errors > 0) this.#reportErrors(instance);
    return next;
  }

  #heard(instance: Instance, receivedAt: number, progress: number, position: number): void {
    if (progress <= instance.position) return;
    const { program, state } = instance;
    const next = heard(program, state, instance, receivedAt);
    if (next === state) {
      if (program.noData !== null && instance.heapIndex < 0) this.#arm(instance);
      return;
    }
    this.#becoming.become(instance, next, { at: receivedAt, receivedAt, timer: null, isOld: false, position });
    this.#arm(instance);
  }

  #arm(instance: Instance): void {
    const timer = nextTimer(instance.program, instance.state, instance);
    if (timer !== null) this.#timers.atLatest(instance, timer.due);
  }

  #rearm(position: number): void {
    const ready = this.#waiting.filter((instance) => reflected(instance) < position);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((instance) => reflected(instance) >= position);
    for (const instance of ready) this.#arm(instance);
  }

  #markDirty(device: DeviceState): void {
    if (device.isDirty) return;
    device.isDirty = true;
    this.dirty.push(device);
  }

  #reportErrors(instance: Instance): void {
    this.#onRuleError(instance.rule.rule.id, this.#frame.errors, this.#frame.lastError ?? '');
    this.#frame.errors = 0;
  }
}

/** Whether a timer may have to be set: at the highest level, with its silence watched already, none has. */
function mayRipen({ program, state, heapIndex }: Instance): boolean {
  if (state.level === null || state.level !== program.levels.at(-1)?.level || program.keeps) return true;
  return heapIndex < 0 && (program.noData !== null || program.inputs.stales.length > 0);
}

const reflected = (instance: Instance): number => Math.max(instance.position, instance.device.position);
