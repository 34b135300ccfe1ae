/**
 * Readings through the rules to the messages, on a virtual clock: what rule tests, backtests and previews run on. It is
 * the code that runs live (`Devices` and `Evaluating`, then `decide` and `render`) without its journal, its database and
 * its channels. The same journal gives the same transitions and messages, ids and texts included.
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
import type { NewMessage, Tables } from '../notify/dispatch/dispatch-state.ts';
import { Dispatcher } from '../notify/dispatch/dispatcher.ts';
import type { Kept } from '../notify/dispatch/kept.ts';
import { Policy } from '../notify/dispatch/policy.ts';
import { factsOf } from '../notify/mail/facts.ts';
import { render, subjectOf } from '../notify/mail/render.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';
import { type ToldExplanation, withTellings } from '../notify/would-tell.ts';
import type { CompiledRule } from '../rules/compile.ts';
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
  #channels: ReadonlyMap<string, readonly Channel[]>;
  #ruleTexts: ReadonlyMap<string, Rule>;
  readonly #errors = new Map<string, RuleError>();
  readonly #recognised = new Map<string, Recognised>();
  readonly #shapes = new Map<Shape, Shape>();
  #dispatcher: Dispatcher;
  /** By open alert, which of all it was. */
  readonly #openedAs = new Map<string, number>();
  #decisions: ReplayDecision[] = [];
  #time: number;
  #next = 0;
  #sequence = 0;
  #messages = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#time = options.startsAt;
    this.#dispatcher = new Dispatcher(new Policy(options.notify, options.ruleTexts));
    ({ devices: this.#devices, evaluating: this.#evaluating, channels: this.#channels, ruleTexts: this.#ruleTexts } = this.#made(options));
    for (const device of this.#devices.register(options.startsAt)) {
      device.registeredAt = Math.max(options.startsAt, options.registeredAt?.get(device.id) ?? options.startsAt);
    }
    this.#arm();
  }

  #made({ notify, ruleTexts, rules, directory, journalId = 'replay' }: ReplayOptions) {
    return {
      devices: new Devices({ rules, directory, graceUntil: 0 }),
      evaluating: new Evaluating({ journalId, onRuleError: (rule, count, message) => this.#ruleFailed(rule, count, message) }),
      channels: new Map(notify.contacts.map(({ id, channels }) => [id, channels])),
      ruleTexts: new Map(ruleTexts.map((rule) => [rule.id, rule])),
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
    ({
      devices: this.#devices,
      evaluating: this.#evaluating,
      channels: this.#channels,
      ruleTexts: this.#ruleTexts,
    } = this.#made(this.#options));
    this.#recognised.clear();
    this.#shapes.clear();
    const store = { load: () => stored, commit: () => undefined };
    const { closed } = restore({ store, devices: this.#devices, partition: 0, cursor: this.#next, now: this.#time });
    // As from its rows, which come in the order of their keys.
    const before = this.#dispatcher.tables;
    this.#dispatcher = new Dispatcher(new Policy(this.#options.notify, this.#options.ruleTexts), (tables) => copy(before, tables));
    for (const transition of closed) this.#tell(transition);
    this.#arm();
  }

  /** What a person does, now. */
  operate(operation: Operation): OperationResult {
    const result = this.#dispatcher.operate(operation, this.#time);
    this.#takeMessages();
    return result;
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

  /** Why a device did, or did not, alert, as it is now; the alert is the replay's own. Changes nothing. */
  explain(query: ExplainQuery): ToldExplanation | NothingToExplain {
    const { rules, directory } = this.#options;
    const explained = explain(query, { rules, directory, devices: this.#devices, now: this.#time });
    return withTellings(explained, this.#dispatcher);
  }

  /**
   * In the order of the journal: `receivedAt` never decreases.
   * @param position its place in the journal, which alerts' ids are made from; else it is one past the last one's
   */
  reading(reading: ReplayReading, position: number = this.#next): void {
    const { receivedAt } = reading;
    if (receivedAt < this.#time) throw new Error(`a reading of ${receivedAt} came when journal time was ${this.#time} already`);
    // As live: what a reading says of its device holds from its arrival on, also for the timers that fire just before it.
    const device = this.#intern(reading.device);
    if (this.#evaluating.nextDue < receivedAt) this.#fire(receivedAt - 1, position);
    if (this.#dispatcher.nextDue < receivedAt) this.#dispatch(receivedAt - 1);
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
    this.#dispatch(timeUs);
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
      if (this.#dispatcher.nextDue < due) this.#dispatch(due - 1);
      this.#time = Math.max(this.#time, due);
      this.#evaluating.fireTimers(this.#time, next);
      this.#take();
    }
  }

  #intern(ref: DeviceRef): DeviceState {
    const known = this.#recognised.get(ref.id);
    if (known?.ref === ref) return known.device;
    const device = this.#devices.intern(ref);
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
    this.#dispatcher.transition(transition);
    this.#takeMessages();
  }

  /** Timers of groups, reminders and their like, which come after everything else of their time. */
  #dispatch(until: number): void {
    if (this.#dispatcher.nextDue > until) return;
    this.#dispatcher.advance(until);
    this.#takeMessages();
  }

  #takeMessages(): void {
    const { messages, notes } = this.#dispatcher.take();
    for (const { alert, transition, detail } of notes) this.#note({ alert, transition, reason: detail });
    for (const message of messages) this.#send(message);
  }

  #send({ id, content, contact, at }: NewMessage): void {
    this.#messages += 1;
    const { onMessage, directory, publicUrl = null } = this.#options;
    if (onMessage === undefined) return;
    const factsOfAlert = (alert: Alert) => factsOf(alert, this.#ruleTexts.get(alert.rule), directory);
    onMessage({
      id,
      at,
      content,
      kind: kindOf(content),
      contact,
      reason: content.items[0]?.reason ?? '',
      channels: this.#channels.get(contact) ?? [],
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

function copy(from: Tables, to: Tables): void {
  const one = <T extends NonNullable<unknown>>(source: Kept<T>, target: Kept<T>): void =>
    target.load(
      [...source.keys()].sort().flatMap((key): [string, T][] => {
        const value = source.get(key);
        return value === undefined ? [] : [[key, value]];
      }),
    );
  one(from.alert, to.alert);
  one(from.group, to.group);
  one(from.mute, to.mute);
  one(from.summary, to.summary);
  one(from.storm, to.storm);
  one(from.rate, to.rate);
  one(from.contact, to.contact);
  one(from.flap, to.flap);
  one(from.silence, to.silence);
  one(from.meta, to.meta);
}
