/**
 * Readings through the rules to the messages, on a virtual clock: what rule tests, backtests and previews run on. It is
 * the code that runs live (`Devices` and `Evaluating`, then `Dispatcher` and `render`) without its journal, its database and
 * its channels. The same journal and the same log of operations give the same transitions and messages, ids and texts included.
 *
 * **Journal time** is the time of receipt of the reading last given, or what `until` has moved it on to. Timers fire in
 * order of their due time, each before the first reading that was received later.
 *
 * **Delivery** is immediate and always succeeds, so that no message stands in for another one. Texts are made when they are
 * asked for: most replays count messages, and few read them.
 */
import type { DeviceState } from '../alerts/device-state.ts';
import { Devices } from '../alerts/devices.ts';
import { type Counts, Evaluating } from '../alerts/evaluating.ts';
import { type ExplainQuery, explain, type NothingToExplain } from '../alerts/explaining.ts';
import type { NewTransition } from '../alerts/lifecycle.ts';
import { restore } from '../alerts/restoring.ts';
import type { Alert, Transition } from '../domain/alert.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Channel } from '../domain/notification.ts';
import type { Operation, OperationResult } from '../domain/operation.ts';
import type { DeviceRef, Reading, Shape } from '../domain/reading.ts';
import type { Rule } from '../domain/rule.ts';
import { type Content, kindOf } from '../notify/content.ts';
import type { Decided, NewMessage } from '../notify/dispatch/dispatch-state.ts';
import { factsOf } from '../notify/mail/facts.ts';
import { render, subjectOf } from '../notify/mail/render.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';
import { type ToldExplanation, withTellings } from '../notify/would-tell.ts';
import type { CompiledRule } from '../rules/compile.ts';
import { Dispatching, type Scheduled } from './dispatching.ts';
import { storedState } from './stored.ts';

export interface ReplayOptions {
  readonly rules: readonly CompiledRule[];
  readonly directory: DeviceDirectory;
  readonly notify: NotifyConfig;
  /** The rules as written: messages quote them. */
  readonly ruleTexts: readonly Rule[];
  /** Alerts' ids are made from it; without it they are not those of any real journal. */
  readonly journalId?: string;
  /** Journal time at which it begins, µs: listed devices count as registered then. */
  readonly startsAt: number;
  /** When listed devices were listed, where that is known: their silence counts from then, if it was after the beginning. */
  readonly registeredAt?: ReadonlyMap<string, number>;
  /** What links in messages begin with. */
  readonly publicUrl?: string | null;
  /** From an instance's log, in its order. */
  readonly operations?: readonly Scheduled[];
  /** One of those was done, or why it was not. */
  readonly onOperated?: (operation: Operation, result: OperationResult) => void;
  readonly onTransition?: (transition: Transition) => void;
  readonly onMessage?: (message: ReplayMessage) => void;
}

/** One message to one contact. */
export interface ReplayMessage {
  readonly id: string;
  /** Journal time, µs. */
  readonly at: number;
  readonly content: Content;
  readonly kind: string;
  readonly contact: string;
  /** The contact's, in the order in which they would be tried. */
  readonly channels: readonly Channel[];
  /** Made anew whenever it is read, as is `text`. */
  readonly subject: string;
  readonly text: string;
  /** Why there is news of the foremost alert in it. */
  readonly reason: string;
}

/** A step from alert to message, also where nobody was told. */
export interface ReplayDecision {
  readonly alert: string;
  readonly transition: string;
  readonly reason: string;
  /** Journal time, µs. */
  readonly at: number;
}

/** A reading before its device is interned. */
export type ReplayReading = Omit<Reading, 'device'> & { readonly device: DeviceRef };

export interface RuleError {
  readonly rule: string;
  readonly message: string;
  count: number;
}

const DECISIONS_MAX = 10_000;
const SHAPES_MAX = 10_000;

/** The reference that last spoke for a device: while it is the same object, nothing about the device needs to be compared. */
interface Recognised {
  readonly ref: DeviceRef;
  readonly device: DeviceState;
}

export class Replay {
  #options: ReplayOptions;
  #devices: Devices;
  #evaluating: Evaluating;
  readonly #errors = new Map<string, RuleError>();
  readonly #recognised = new Map<string, Recognised>();
  readonly #shapes = new Map<Shape, Shape>();
  readonly #dispatching: Dispatching;
  /** By open alert, which of all it was. */
  readonly #openedAs = new Map<string, number>();
  #decisions: ReplayDecision[] = [];
  #time: number;
  #next = 0;
  #sequence = 0;
  #messages = 0;
  /** At the latest moment at which there was a message. */
  #sent: { readonly at: number; readonly ids: Set<string> } = { at: 0, ids: new Set() };

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#time = options.startsAt;
    this.#dispatching = new Dispatching({
      ...options,
      operations: options.operations ?? [],
      onOperated: options.onOperated ?? (() => undefined),
      onDecided: (decided) => this.#decided(decided),
    });
    ({ devices: this.#devices, evaluating: this.#evaluating } = this.#made(options));
    for (const device of this.#devices.register(options.startsAt)) {
      device.registeredAt = Math.max(options.startsAt, options.registeredAt?.get(device.id) ?? options.startsAt);
    }
    this.#arm();
  }

  #made({ rules, directory, journalId = 'replay' }: ReplayOptions) {
    return {
      devices: new Devices({ rules, directory, graceUntil: 0 }),
      evaluating: new Evaluating({
        journalId,
        onRuleError: (rule, count, message) => this.#ruleFailed(rule, count, message),
        renew: (device) => this.#devices.renew(device),
      }),
    };
  }

  #arm(): void {
    for (const device of this.#devices.all) this.#evaluating.arm(device);
    for (const { instance } of this.#devices.groups) this.#evaluating.arm(instance.device);
  }

  /** Other rules from here on, as by a reload: everything as it was stored, and begun anew. */
  reload(configuration: Pick<ReplayOptions, 'rules' | 'directory' | 'notify' | 'ruleTexts'>): void {
    const stored = storedState(this.#devices, { position: this.#next - 1, openedAs: this.#openedAs });
    this.#options = { ...this.#options, ...configuration };
    ({ devices: this.#devices, evaluating: this.#evaluating } = this.#made(this.#options));
    this.#recognised.clear();
    this.#shapes.clear();
    const store = { load: () => stored, commit: () => undefined };
    const { closed } = restore({ store, devices: this.#devices, partition: 0, cursor: this.#next, now: this.#time });
    this.#dispatching.reload(this.#options, this.#time);
    for (const transition of closed) this.#tell(transition);
    this.#arm();
  }

  /** What a person does, now. */
  operate(operation: Operation): OperationResult {
    return this.#dispatching.operate(operation, this.#time);
  }

  /** Journal time, µs. */
  get time(): number {
    return this.#time;
  }
  /** The latest decisions, at most 10,000. */
  get decisions(): readonly ReplayDecision[] {
    return this.#decisions.slice(-DECISIONS_MAX);
  }
  get counts(): Readonly<Counts & { transitions: number; messages: number }> {
    return { ...this.#evaluating.counts, transitions: this.#sequence, messages: this.#messages };
  }
  /** Conditions that could not be evaluated and counted as unknown, by rule: how often, and the last reason. */
  get ruleErrors(): readonly RuleError[] {
    return [...this.#errors.values()];
  }

  /** The alert with the flags that notifying knows of: acknowledged, silenced and their like. */
  flagged(alert: Alert): Alert {
    return this.#dispatching.flagged(alert);
  }

  /** Why a device did, or did not, alert, as it is now; the alert is the replay's own. Changes nothing. */
  explain(query: ExplainQuery): ToldExplanation | NothingToExplain {
    const { rules, directory } = this.#options;
    const explained = explain(query, { rules, directory, devices: this.#devices, now: this.#time });
    return withTellings(explained, this.#dispatching.dispatcher);
  }

  /**
   * In the order of the journal: `receivedAt` never decreases.
   * @param position its place in the journal, which alerts' ids are made from; else it is one past the last one's
   */
  reading(reading: ReplayReading, position: number = this.#next): void {
    const { receivedAt } = reading;
    if (receivedAt < this.#time) throw new Error(`a reading of ${receivedAt} came when journal time was ${this.#time} already`);
    // What it says of its device holds once the timers before it have fired.
    const device = this.#intern(reading.device);
    if (this.#evaluating.nextDue < receivedAt) this.#fire(receivedAt - 1, position);
    if (this.#dispatching.due < receivedAt) this.#dispatching.advance(receivedAt - 1);
    this.#time = receivedAt;
    this.#next = position + 1;
    this.#evaluating.reading(position, {
      device,
      at: reading.at,
      receivedAt,
      flags: reading.flags,
      metrics: this.#shapes.get(reading.metrics) ?? this.#internShape(reading.metrics),
      values: reading.values,
    });
    this.#take();
  }

  /** Journal time goes on to `timeUs` without a reading: every timer due by then fires. */
  until(timeUs: number): void {
    this.#fire(timeUs, this.#next);
    this.#dispatching.advance(timeUs);
    this.#time = Math.max(this.#time, timeUs);
  }

  /** No further reading comes: what is due at this very moment fires too. */
  finish(): void {
    this.until(this.#time);
  }

  /** One due time after the other, so that each transition knows its journal time. */
  #fire(until: number, next: number): void {
    for (;;) {
      const due = this.#evaluating.nextDue;
      if (due > until) return;
      if (this.#dispatching.due < due) this.#dispatching.advance(due - 1);
      this.#time = Math.max(this.#time, due);
      this.#evaluating.fireTimers(this.#time, next);
      this.#take();
    }
  }

  #intern(ref: DeviceRef): DeviceState {
    const known = this.#recognised.get(ref.id);
    if (known?.ref === ref) return known.device;
    const device = this.#devices.announced(ref);
    this.#recognised.set(ref.id, { ref, device });
    return device;
  }

  #internShape(shape: Shape): Shape {
    if (this.#shapes.size >= SHAPES_MAX) this.#shapes.clear();
    const interned = this.#devices.internShape(shape);
    this.#shapes.set(shape, interned);
    return interned;
  }

  #take(): void {
    const changes = this.#evaluating.takeChanges();
    if (changes === null) return;
    for (const transition of changes.transitions) this.#tell(transition);
  }

  #tell(unnumbered: NewTransition): void {
    this.#sequence += 1;
    const transition: Transition = { ...unnumbered, sequence: this.#sequence };
    const { id, state } = transition.alert;
    if (state === 'resolved') this.#openedAs.delete(id);
    else if (!this.#openedAs.has(id)) this.#openedAs.set(id, this.#sequence);
    this.#options.onTransition?.(transition);
    this.#dispatching.transition(transition);
  }

  #decided({ messages, notes }: Decided): void {
    for (const { alert, transition, detail, at } of notes) this.#note({ alert, transition, reason: detail, at });
    for (const message of messages) this.#send(message);
  }

  #send({ id, content, contact, at }: NewMessage): void {
    // The outbox holds a message once: two routes may come to the same one.
    if (this.#sent.at !== at) this.#sent = { at, ids: new Set() };
    if (this.#sent.ids.has(id)) return;
    this.#sent.ids.add(id);
    this.#messages += 1;
    const { onMessage, directory, publicUrl = null } = this.#options;
    if (onMessage === undefined) return;
    const { rules, dispatcher } = this.#dispatching;
    const factsOfAlert = (alert: Alert) => factsOf(alert, rules.get(alert.rule), directory);
    onMessage({
      id,
      at,
      content,
      kind: kindOf(content),
      contact,
      reason: content.items[0]?.reason ?? '',
      channels: dispatcher.policy.contacts.get(contact)?.channels ?? [],
      get subject() {
        return subjectOf(content, factsOfAlert, at);
      },
      get text() {
        return render({ content, factsOf: factsOfAlert, replaces: [], publicUrl, links: null, chart: null, at }).text;
      },
    });
  }

  #note(decision: ReplayDecision): void {
    this.#decisions.push(decision);
    if (this.#decisions.length >= 2 * DECISIONS_MAX) this.#decisions = this.#decisions.slice(-DECISIONS_MAX);
  }

  #ruleFailed(rule: string, count: number, message: string): void {
    const known = this.#errors.get(rule);
    this.#errors.set(rule, { rule, message, count: (known?.count ?? 0) + count });
  }
}
