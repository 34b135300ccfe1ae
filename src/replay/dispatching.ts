/**
 * The notifying half of a replay: the dispatcher that runs live, without its rows. Operations of people and reloads from an
 * instance's log take effect at the place at which they did: after the same transition, where transitions are numbered as in the
 * instance, else at their journal time.
 */
import type { Alert, Transition } from '../domain/alert.ts';
import type { LoggedOperation, Operation, OperationResult, Reload } from '../domain/operation.ts';
import type { Rule } from '../domain/rule.ts';
import type { Decided, Tables } from '../notify/dispatch/dispatch-state.ts';
import { Dispatcher } from '../notify/dispatch/dispatcher.ts';
import type { Kept } from '../notify/dispatch/kept.ts';
import { Policy } from '../notify/dispatch/policy.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';

export interface Decider {
  readonly notify: NotifyConfig;
  readonly ruleTexts: readonly Rule[];
}

/** From an instance's log. */
export interface Scheduled extends Pick<LoggedOperation, 'at'> {
  /** Null: the replay numbers transitions in another way. */
  readonly sequence: number | null;
  /** Of a reload, with what it is that decides from then on. */
  readonly operation: Operation | (Reload & Decider);
  /**
   * What the alerts are that it is about, by id, where those of the replay may have other ids: then what fires of that rule on that
   * device at the time is meant.
   */
  readonly alerts?: Readonly<Record<string, { readonly rule: string; readonly device: string }>>;
}

export interface DispatchingOptions extends Decider {
  /** In the order of the log. */
  readonly operations: readonly Scheduled[];
  readonly onDecided: (decided: Decided) => void;
  /** One that was scheduled was done, or why it was not. */
  readonly onOperated: (operation: Operation, result: OperationResult) => void;
}

export class Dispatching {
  #dispatcher: Dispatcher;
  /** By id; messages quote them. */
  #rules: ReadonlyMap<string, Rule>;
  readonly #options: DispatchingOptions;
  #place = 0;
  #sequence = 0;
  /** Journal time, µs, of what comes next without a transition: asked for every reading, so kept at hand. */
  due: number;

  constructor(options: DispatchingOptions) {
    this.#options = options;
    this.#dispatcher = new Dispatcher(new Policy(options.notify, options.ruleTexts));
    this.#rules = rulesOf(options);
    this.due = this.#nextDue();
  }

  get rules(): ReadonlyMap<string, Rule> {
    return this.#rules;
  }
  get dispatcher(): Dispatcher {
    return this.#dispatcher;
  }

  transition(transition: Transition): void {
    const { sequence, journaledAt } = transition;
    for (;;) {
      const next = this.#options.operations[this.#place];
      if (next === undefined || (next.sequence === null ? next.at >= journaledAt : next.sequence >= sequence)) break;
      this.#operateNext(next);
    }
    this.#sequence = sequence;
    this.#dispatcher.transition(transition);
    this.#decided();
  }

  /** Journal time goes on. */
  advance(until: number): void {
    if (this.due > until) return;
    for (;;) {
      const next = this.#options.operations[this.#place];
      if (next === undefined || next.at > until || (next.sequence ?? 0) > this.#sequence) break;
      this.#operateNext(next);
    }
    this.#dispatcher.advance(Math.min(until, this.#firedTo()));
    this.#decided();
  }

  operate(operation: Operation, at: number): OperationResult {
    this.advance(at);
    const result = this.#dispatcher.operate(operation, Math.max(at, this.#dispatcher.now));
    this.#decided();
    return result;
  }

  /** Others decide from now on, as after a start with them. @param firedTo what was due by then was decided by those before */
  reload({ notify, ruleTexts }: Decider, at: number, firedTo = at): void {
    this.#dispatcher.advance(firedTo);
    this.#decided();
    const before = this.#dispatcher.tables;
    // As from its rows, which come in the order of their keys.
    this.#dispatcher = new Dispatcher(new Policy(notify, ruleTexts), (tables) => copy(before, tables));
    this.#rules = rulesOf({ ruleTexts });
    this.#dispatcher.reload(at);
    this.#decided();
  }

  /** What stands beside the alert's own flags. */
  flagged(alert: Alert): Alert {
    return { ...alert, flags: [...alert.flags, ...this.#dispatcher.flagsOf(alert.id)] };
  }

  #operateNext({ at, operation, alerts }: Scheduled): void {
    this.#place += 1;
    const now = Math.max(at, this.#dispatcher.now);
    if (operation.kind === 'reload') {
      this.reload(operation, now, operation.firedUntil);
      return;
    }
    // What holds then is known once the timers before it have fired.
    this.#dispatcher.advance(now - 1);
    const meant = alerts === undefined ? operation : this.#meant(operation, alerts);
    const result = meant === null ? NO_SUCH_ALERT : this.#dispatcher.operate(meant, now);
    this.#options.onOperated(operation, result);
    this.#decided();
  }

  /** About alerts of the replay; null: about none of them. */
  #meant(operation: Operation, alerts: NonNullable<Scheduled['alerts']>): Operation | null {
    if (operation.kind === 'end-silence') return operation;
    if (operation.kind === 'silence') {
      const { match } = operation.silence;
      if (match.alerts === null) return operation;
      const ids = match.alerts.flatMap((id) => this.#idOf(id, alerts[id]) ?? []);
      return ids.length === 0 ? null : { ...operation, silence: { ...operation.silence, match: { ...match, alerts: ids } } };
    }
    const alert = this.#idOf(operation.alert, alerts[operation.alert]);
    return alert === null ? null : { ...operation, alert };
  }

  #idOf(id: string, about: { readonly rule: string; readonly device: string } | undefined): string | null {
    if (this.#dispatcher.entry(id) !== undefined) return id;
    if (about === undefined) return null;
    const isMeant = ({ rule, device, state }: Alert): boolean => state === 'firing' && rule === about.rule && device === about.device;
    return this.#dispatcher.tables.alert.values().find(({ alert }) => isMeant(alert))?.alert.id ?? null;
  }

  #decided(): void {
    this.#dispatcher.stamp();
    this.#options.onDecided(this.#dispatcher.take());
    this.due = this.#nextDue();
  }

  /** What is due later is no longer decided by who decides now. */
  #firedTo(): number {
    const next = this.#options.operations[this.#place];
    if (next?.operation.kind !== 'reload' || (next.sequence ?? 0) > this.#sequence) return Number.POSITIVE_INFINITY;
    return next.operation.firedUntil;
  }

  #nextDue(): number {
    const { nextDue } = this.#dispatcher;
    const next = this.#options.operations[this.#place];
    return Math.min(nextDue > this.#firedTo() ? Number.POSITIVE_INFINITY : nextDue, next?.at ?? Number.POSITIVE_INFINITY);
  }
}

const NO_SUCH_ALERT: OperationResult = { done: false, problem: 'nothing of that rule on that device fires', hint: null };

const rulesOf = ({ ruleTexts }: Pick<Decider, 'ruleTexts'>): ReadonlyMap<string, Rule> => new Map(ruleTexts.map((rule) => [rule.id, rule]));

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
