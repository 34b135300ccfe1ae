/**
 * The dispatcher and its rows: what it decides is committed in one transaction, messages, timeline, state and cursor. What could not
 * be committed yet is kept and tried again before anything else is decided: nothing is decided twice, and nothing lost.
 */
import type { Transition } from '../domain/alert.ts';
import type { LoggedOperation, Operation, OperationResult } from '../domain/operation.ts';
import type { Database } from '../sqlite/database.ts';
import type { Clock } from '../std/clock.ts';
import type { Decided, Tables } from './dispatch/dispatch-state.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import type { Changes } from './dispatch/kept.ts';
import type { Policy } from './dispatch/policy.ts';
import { StateRows } from './dispatch/state-rows.ts';
import { OperationLog } from './operation-log.ts';
import type { Outbox, SubjectOf } from './outbox.ts';

type Kind = keyof Tables;
const KINDS: readonly Kind[] = ['alert', 'group', 'mute', 'summary', 'storm', 'rate', 'contact', 'flap', 'silence', 'meta'];

interface Uncommitted {
  readonly decided: Decided;
  readonly changes: readonly { readonly kind: Kind; readonly changes: Changes<unknown> }[];
  /** Sequence of the last transition. */
  readonly cursor: number;
  readonly operation: Pick<LoggedOperation, 'operation' | 'at'> | null;
}

export interface DecidingOptions {
  readonly database: Database;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly subjectOf: SubjectOf;
  readonly isSending: (id: string) => boolean;
  readonly onFlagged: (alerts: ReadonlySet<string>) => void;
}

export class Deciding {
  readonly dispatcher: Dispatcher;
  readonly operations: OperationLog;
  readonly #rows: StateRows;
  readonly #options: DecidingOptions;
  #cursor: number;
  #uncommitted: Uncommitted | null = null;

  constructor(policy: Policy, options: DecidingOptions) {
    this.#options = options;
    this.#rows = new StateRows(options.database);
    this.operations = new OperationLog(options.database);
    this.#cursor = options.outbox.cursor();
    this.dispatcher = new Dispatcher(policy, (tables) => {
      // Our own rows, as this version wrote them or a migration brought them up to it.
      for (const kind of KINDS) tables[kind].load(this.#rows.load(kind) as [string, never][]);
    });
  }

  get subjectOf(): SubjectOf {
    return this.#options.subjectOf;
  }

  /** Sequence of the last transition that was worked through, committed or about to be. */
  get cursor(): number {
    return this.#cursor;
  }

  transitions(batch: readonly Transition[]): void {
    this.commit();
    const [first] = batch;
    if (first !== undefined) this.#reload(first.journaledAt - 1);
    for (const transition of batch) this.dispatcher.transition(transition);
    this.#cursor = batch.at(-1)?.sequence ?? this.#cursor;
    this.#keep(null);
    this.commit();
  }

  /** Journal time has come to `until`, and every transition decided by then has been given. */
  advance(until: number): void {
    this.commit();
    if (this.dispatcher.nextDue > until) return;
    this.#reload(until);
    if (this.dispatcher.nextDue > until) return;
    this.dispatcher.advance(until);
    this.#keep(null);
    this.commit();
  }

  /** Committed when it returns. @param at journal time */
  operate(operation: Operation, at: number): OperationResult {
    this.commit();
    this.#reload(at);
    // After timers that have fired, which may have been before a start.
    const now = Math.max(at, this.dispatcher.now, this.dispatcher.firedTo + 1);
    const result = this.dispatcher.operate(operation, now);
    this.#keep(result.done ? { operation, at: now } : null);
    this.commit();
    return result;
  }

  /** Writes what has been decided. Throws when it cannot be written: then it is still to be written. */
  commit(): void {
    const uncommitted = this.#uncommitted;
    if (uncommitted === null) return;
    const { database, outbox, clock, subjectOf, isSending, onFlagged } = this.#options;
    const { decided, changes, cursor, operation } = uncommitted;
    database.transaction(() => {
      const now = clock.now();
      for (const { alert, transition, detail, at } of decided.notes)
        outbox.note({ alert, transition, message: null, kind: 'decision', detail, at });
      for (const message of decided.messages) outbox.add(message, { subject: subjectOf, now, isSending });
      for (const each of changes) this.#rows.write(each.kind, each.changes);
      if (operation !== null) this.operations.append(operation.operation, { at: operation.at, sequence: cursor });
      outbox.moveCursor(cursor);
    });
    this.#uncommitted = null;
    if (decided.flagged.size > 0) onFlagged(decided.flagged);
  }

  /** Comes before anything else is decided, and is logged like what people do: by no other way could a replay know its time. */
  #reload(at: number): void {
    if (!this.dispatcher.isPolicyNew) return;
    const now = Math.max(at, this.dispatcher.now);
    const { firedTo: firedUntil } = this.dispatcher;
    this.dispatcher.reload(now);
    this.#keep({ operation: { kind: 'reload', firedUntil }, at: now });
    this.commit();
  }

  #keep(operation: Uncommitted['operation']): void {
    this.dispatcher.stamp();
    const decided = this.dispatcher.take();
    const { tables } = this.dispatcher;
    const changes = KINDS.map((kind) => ({ kind, changes: tables[kind].takeChanges() }));
    this.#uncommitted = { decided, changes, cursor: this.#cursor, operation };
  }
}
