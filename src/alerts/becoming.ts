/**
 * What an instance's new state means for its alert: transitions, with their reasons, collected for the caller to commit; and
 * which of them make up a device's backlog. No I/O.
 */
import type { Value } from '../domain/reading.ts';
import { IDLE, type InstanceState, verdictOf } from '../rules/evaluate.ts';
import type { Frame } from '../rules/frame.ts';
import { formatValue } from '../rules/summary.ts';
import type { Timer } from '../rules/timer.ts';
import { type BacklogRecord, ended, followed, noted } from './backlog.ts';
import type { DeviceState } from './device-state.ts';
import type { Instance } from './instance.ts';
import { advance, countOf, type Moment, type NewTransition, type TrackedAlert } from './lifecycle.ts';
import { reasonFor } from './reason.ts';

export interface Changes {
  readonly transitions: readonly NewTransition[];
  /** The alerts of those transitions as they are now. */
  readonly alerts: readonly TrackedAlert[];
  readonly instances: ReadonlySet<Instance>;
  /** Null: it has ended. */
  readonly backlogs: readonly { readonly device: string; readonly backlog: BacklogRecord | null }[];
}

export interface Occasion {
  /** Event time, µs. */
  readonly at: number;
  readonly receivedAt: number | null;
  readonly timer: Timer | null;
  /** It is older than the device's `retrospectiveAfter`. */
  readonly isOld: boolean;
  readonly position: number;
}

export class Becoming {
  readonly #journalId: string;
  readonly #frame: Frame;
  readonly #changed: (device: DeviceState) => void;
  /** Journal time of what is being evaluated, µs; transitions bear it. */
  journaledAt = 0;
  #transitions: NewTransition[] = [];
  #alerts = new Map<string, TrackedAlert>();
  #instances = new Set<Instance>();
  #backlogs = new Map<string, BacklogRecord | null>();

  constructor(options: { journalId: string; frame: Frame; changed: (device: DeviceState) => void }) {
    this.#journalId = options.journalId;
    this.#frame = options.frame;
    this.#changed = options.changed;
  }

  /** What changed since it was last asked. */
  take(): Changes | null {
    if (this.#transitions.length === 0) return null;
    const backlogs = [...this.#backlogs].map(([device, backlog]) => ({ device, backlog }));
    const changes = { transitions: this.#transitions, alerts: [...this.#alerts.values()], instances: this.#instances, backlogs };
    this.#transitions = [];
    this.#alerts = new Map();
    this.#instances = new Set();
    this.#backlogs = new Map();
    return changes;
  }

  become(instance: Instance, state: InstanceState, occasion: Occasion): void {
    const { program, device, open, state: before, rule } = instance;
    instance.state = state;
    device.attention[instance.number] = state === IDLE ? 0 : 1;
    this.#changed(device);
    if (state.level !== null && state.level === before.level && state.noData === before.noData) return;
    const verdict = verdictOf(program, state);
    // It waits on: as most of what is pending does, reading after reading.
    if (verdict.phase === 'pending' && open?.alert.state === 'pending') return;
    const labels = open?.alert.labels ?? { ...device.labels, ...rule.rule.labels };
    const group = device.isGroup ? { group: device.id } : {};
    const subject = { journalId: this.#journalId, rule: rule.rule.id, device: device.id, labels, ...group };
    const result = advance(open, verdict, subject, (): Moment => {
      const cell = program.conditionMetrics > 0 ? instance.cells[0] : undefined;
      const value = cell?.value ?? null;
      const { at, receivedAt, timer, isOld, position } = occasion;
      const circumstances = { program, verdict, timer, metric: cell?.name ?? null, value, at };
      return {
        at,
        receivedAt,
        journaledAt: this.journaledAt,
        origin: timer === null ? `p${position}` : `t${timer.due}`,
        value,
        summary: this.#summary(instance, value),
        since: timer?.kind === 'no-data' ? timer.silentSince : at,
        isRetrospective: isOld,
        reason: (change) => reasonFor(change, circumstances),
      };
    });
    if (result === null) return;
    for (const transition of result.transitions) this.#note(instance, transition, occasion);
    instance.open = result.open;
    this.#instances.add(instance);
  }

  /** Its summary goes out, where there was something that concerns anybody. */
  endBacklog(device: DeviceState, now: number): void {
    const { backlog } = device;
    if (backlog === null) return;
    device.backlog = null;
    this.#backlogs.set(device.id, null);
    const instanceOf = ({ alert }: TrackedAlert) => device.instances.find(({ open }) => open?.alert.id === alert.id);
    const end = ended(device.id, backlog, (tracked) => instanceOf(tracked)?.open ?? tracked, now);
    if (end === null) return;
    this.#transitions.push(end.transition);
    this.#alerts.set(end.of.alert.id, end.of);
    const instance = instanceOf(end.of);
    if (instance === undefined) return;
    instance.open = end.of;
    this.#instances.add(instance);
  }

  #note(instance: Instance, transition: NewTransition, { isOld, receivedAt, timer, position }: Occasion): void {
    const { device } = instance;
    const tracked = { alert: transition.alert, transitions: countOf(transition) };
    this.#transitions.push(transition);
    this.#alerts.set(transition.alert.id, tracked);
    const given = { transition, tracked, receivedAt: receivedAt ?? timer?.due ?? 0, position };
    const before = device.backlog;
    const backlog = isOld ? noted(before, given) : before === null ? null : followed(before, tracked);
    if (backlog === device.backlog) return;
    device.backlog = backlog;
    this.#backlogs.set(device.id, backlog);
  }

  #summary(instance: Instance, value: Value | null): string {
    const { program, device } = instance;
    if (program.summary === null) return `${program.rule.id} on ${device.id}: ${formatValue(value)}`;
    const frame = this.#frame;
    instance.present(frame);
    const text = program.summary(frame);
    frame.failure = null;
    return text;
  }
}
