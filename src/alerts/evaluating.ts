/**
 * Readings and timers through the rules, in the order of the journal, without any I/O: what changed is collected for the
 * caller to commit.
 *
 * **Late values.** A value with device time that is older than the newest of the same device and metric moves no rule
 * backwards: it counts as a sign of life only. The same time and value again is a duplicate; another value at the same
 * time overwrites and is counted as a conflict.
 *
 * **Timers** run on journal time: those due before a reading's receipt fire before it is evaluated.
 *
 * **Replay.** What a device or an instance reflects already (its position) is skipped, its timers included.
 */
import type { Value } from '../domain/reading.ts';
import { FLAG_DEVICE_TIME, type Reading } from '../domain/reading.ts';
import { evaluate, heard, IDLE, type InstanceState, newestCell, nextTimer, ripen, type Timer, verdictOf } from '../rules/evaluate.ts';
import { type Cell, createFrame } from '../rules/frame.ts';
import { formatValue } from '../rules/summary.ts';
import { DeviceState, type Instance } from './device-state.ts';
import { advance, countOf, type Moment, type NewTransition, type TrackedAlert } from './lifecycle.ts';
import { reasonFor } from './reason.ts';
import { Timers } from './timers.ts';

export interface Counts {
  evaluations: number;
  lateValues: number;
  conflictValues: number;
  duplicateValues: number;
}

export interface Changes {
  readonly transitions: readonly NewTransition[];
  /** The alerts of those transitions as they are now. */
  readonly alerts: readonly TrackedAlert[];
  readonly instances: ReadonlySet<Instance>;
}

type Outcome = 'moved' | 'late' | 'duplicate';
interface Occasion {
  /** Event time. */
  readonly at: number;
  readonly receivedAt: number | null;
  readonly timer: Timer | null;
  readonly origin: string;
}

export class Evaluating {
  readonly counts: Counts = { evaluations: 0, lateValues: 0, conflictValues: 0, duplicateValues: 0 };
  readonly #journalId: string;
  readonly #onRuleError: (rule: string, count: number, message: string) => void;
  readonly #timers = new Timers<Instance>();
  readonly #frame = createFrame();
  /** Instances whose timers cannot be told before the replay has reached what they reflect. */
  #waiting: Instance[] = [];
  #transitions: NewTransition[] = [];
  #alerts = new Map<string, TrackedAlert>();
  #instances = new Set<Instance>();
  /** Devices to write with the next snapshot. */
  readonly dirty: DeviceState[] = [];

  constructor(options: { journalId: string; onRuleError: (rule: string, count: number, message: string) => void }) {
    this.#journalId = options.journalId;
    this.#onRuleError = options.onRuleError;
  }

  /** Journal time, µs, of the next timer that may be due; infinity when none runs. */
  get nextDue(): number {
    return this.#timers.nextDue;
  }

  /** Sets the timers of a device that came from the store or the fleet file. */
  arm(device: DeviceState): void {
    for (const instance of device.instances) {
      // A row that is ahead of its device's: its timers follow from readings that are still to be replayed.
      if (instance.position > device.position) this.#waiting.push(instance);
      else this.#arm(instance);
    }
  }

  reading(position: number, reading: Reading): void {
    const { device, receivedAt } = reading;
    if (this.#waiting.length > 0) this.#rearm(position);
    if (this.#timers.nextDue < receivedAt) this.#fire(receivedAt - 1, position);
    if (!(device instanceof DeviceState)) throw new Error('a reading came with a device that was not interned');
    if (position <= device.position) return;
    this.#note(device, reading);
    const plan = device.planFor(reading.metrics);
    let stayed = 0;
    for (let index = 0; index < plan.cells.length; index++) {
      const cell = plan.cells[index];
      const value = reading.values[index];
      if (cell !== undefined && value !== undefined && this.#write(cell, value, reading) !== 'moved') stayed += 1;
    }
    const { instances, numbers, valueIndexes, quiet } = plan;
    const { attention } = device;
    const { values } = reading;
    for (let index = 0; index < instances.length; index++) {
      if (stayed === 0 && attention[numbers[index] ?? 0] === 0) {
        const value = values[valueIndexes[index] ?? 0];
        if (typeof value === 'number' && value > (quiet[2 * index] ?? NaN) && value < (quiet[2 * index + 1] ?? NaN)) {
          this.counts.evaluations += 1;
          continue;
        }
      }
      const instance = instances[index];
      if (instance === undefined || position <= instance.position) continue;
      if (stayed === 0 || someMoved(instance, reading)) this.#evaluate(instance, reading, position);
      else if (instance.state.noData) this.#heard(instance, reading, position);
    }
  }

  /**
   * Fires what is due up to and including `until`, in order.
   * @param next the position of the next reading: timers of what reflects it already have fired
   */
  fireTimers(until: number, next: number): void {
    if (this.#waiting.length > 0) this.#rearm(next);
    this.#fire(until, next);
  }

  #fire(until: number, next: number): void {
    while (this.#timers.nextDue <= until) {
      const cameUpAt = this.#timers.nextDue;
      const instance = this.#timers.pop();
      if (instance === undefined) break;
      if (next <= reflected(instance)) {
        this.#waiting.push(instance);
        continue;
      }
      const timer = nextTimer(instance.program, instance.state, instance);
      if (timer === null) continue;
      if (timer.due > cameUpAt) {
        // Readings have pushed it away since it was set.
        this.#timers.atLatest(instance, timer.due);
        continue;
      }
      const state = ripen(instance.program, instance.state, timer);
      const at = timer.kind === 'for' ? timer.at : timer.due;
      this.#become(instance, state, { at, receivedAt: null, timer, origin: `t${timer.due}` });
      this.#arm(instance);
    }
  }

  /** What changed since it was last asked. */
  takeChanges(): Changes | null {
    if (this.#transitions.length === 0) return null;
    const changes = { transitions: this.#transitions, alerts: [...this.#alerts.values()], instances: this.#instances };
    this.#transitions = [];
    this.#alerts = new Map();
    this.#instances = new Set();
    return changes;
  }

  #note(device: DeviceState, reading: Reading): void {
    device.readings += 1;
    device.firstSeen ??= reading.receivedAt;
    device.lastSeen = reading.receivedAt;
    this.#markDirty(device);
    if (!device.reported(reading.at)) return;
    // What was too long a wait for a timer may not be any more.
    for (const instance of device.instances) if (instance.state.runs.length > 0) this.#arm(instance);
  }

  #write(cell: Cell, value: Value, reading: Reading): Outcome {
    const { at, receivedAt } = reading;
    cell.heardAt = receivedAt;
    if (at <= cell.at && (reading.flags & FLAG_DEVICE_TIME) !== 0) {
      if (at < cell.at) {
        this.counts.lateValues += 1;
        return 'late';
      }
      if (value === cell.value) {
        this.counts.duplicateValues += 1;
        return 'duplicate';
      }
      this.counts.conflictValues += 1;
    }
    cell.value = value;
    // A receipt time after a device time that ran ahead: the order of arrival decides, and time does not go back.
    if (at > cell.at) cell.at = at;
    cell.receivedAt = receivedAt;
    return 'moved';
  }

  #evaluate(instance: Instance, reading: Reading, position: number): void {
    const { program, device, state } = instance;
    const frame = this.#frame;
    frame.cells = instance.cells;
    frame.facts = device.facts;
    frame.limits = device.limits;
    frame.surelyFreshUs = device.surelyFreshUs;
    frame.maxGapUs = device.maxGapUs;
    frame.now = newestCell(program, instance.cells)?.at ?? device.lastAt;
    this.counts.evaluations += 1;
    const next = evaluate(program, state.noData ? heard(program, state, instance, reading.receivedAt) : state, frame);
    if (frame.errors > 0) this.#reportErrors(instance);
    if (next !== state) {
      // Silence is measured in time of receipt, so that is when it ends, whatever the age of what arrives.
      const at = state.noData && !next.noData ? reading.receivedAt : frame.now;
      this.#become(instance, next, { at, receivedAt: reading.receivedAt, timer: null, origin: `p${position}` });
      if (mayRipen(instance)) this.#arm(instance);
    } else if (program.noData !== null && instance.heapIndex < 0) this.#arm(instance);
    device.attention[instance.number] = next === IDLE ? 0 : 1;
  }

  #heard(instance: Instance, reading: Reading, position: number): void {
    const state = heard(instance.program, instance.state, instance, reading.receivedAt);
    if (state === instance.state) return;
    this.#become(instance, state, { at: reading.receivedAt, receivedAt: reading.receivedAt, timer: null, origin: `p${position}` });
    this.#arm(instance);
  }

  #become(instance: Instance, state: InstanceState, occasion: Occasion): void {
    const { program, device, open, state: before } = instance;
    instance.state = state;
    device.attention[instance.number] = state === IDLE ? 0 : 1;
    this.#markDirty(device);
    if (state.level !== null && state.level === before.level && state.noData === before.noData) return;
    const verdict = verdictOf(program, state);
    const rule = instance.rule.rule;
    const labels = open?.alert.labels ?? { ...device.labels, ...rule.labels };
    const subject = { journalId: this.#journalId, rule: rule.id, device: device.id, labels };
    const result = advance(open, verdict, subject, (): Moment => {
      const cell = program.conditionMetrics > 0 ? instance.cells[0] : undefined;
      const value = cell?.value ?? null;
      const { at, receivedAt, timer, origin } = occasion;
      const circumstances = { program, verdict, timer, metric: cell?.name ?? null, value, at };
      const since = timer?.kind === 'no-data' ? timer.silentSince : at;
      return {
        at,
        receivedAt,
        origin,
        value,
        summary: this.#summary(instance, value),
        since,
        reason: (change) => reasonFor(change, circumstances),
      };
    });
    if (result === null) return;
    for (const transition of result.transitions) {
      this.#transitions.push(transition);
      this.#alerts.set(transition.alert.id, { alert: transition.alert, transitions: countOf(transition) });
    }
    instance.open = result.open;
    this.#instances.add(instance);
  }

  #summary(instance: Instance, value: Value | null): string {
    const { program, device } = instance;
    if (program.summary === null) return `${program.rule.id} on ${device.id}: ${formatValue(value)}`;
    const frame = this.#frame;
    frame.cells = instance.cells;
    frame.facts = device.facts;
    frame.limits = device.limits;
    const text = program.summary(frame);
    frame.failure = null;
    return text;
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
  return state.level === null || state.level !== program.levels.at(-1)?.level || (program.noData !== null && heapIndex < 0);
}

const reflected = (instance: Instance): number => Math.max(instance.position, instance.device.position);

/** Whether one of the values that the rule names was taken over from this reading. */
function someMoved(instance: Instance, reading: Reading): boolean {
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
const isNew = (cell: Cell, reading: Reading, value: Value | undefined): boolean =>
  cell.receivedAt === reading.receivedAt && cell.value === value && cell.at >= reading.at;
