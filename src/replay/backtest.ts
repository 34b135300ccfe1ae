/**
 * A backtest: one pass over recorded readings, each rule set on a replay of its own, and what came of it: the alerts that
 * would have fired, the messages that would have gone out, and the sums of each rule.
 *
 * Replays begin before the period, so that windows are filled and what was firing already is known to be. What happened before the
 * period is left out; an alert that was firing when it began is counted as such and as nothing else.
 */
import type { Alert, Level, Transition } from '../domain/alert.ts';
import { levelRank } from '../domain/alert.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { OperationResult } from '../domain/operation.ts';
import type { Value } from '../domain/reading.ts';
import type { Rule } from '../domain/rule.ts';
import { foremost } from '../notify/content.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';
import type { CompiledRule } from '../rules/compile.ts';
import type { Scheduled } from './dispatching.ts';
import { Replay, type ReplayMessage, type RuleError } from './replay.ts';
import { type RuleSum, RuleSums } from './rule-sums.ts';
import type { Source, SourceBatch } from './sources/source.ts';

export interface RuleSet {
  readonly name: string;
  readonly compiled: readonly CompiledRule[];
  readonly rules: readonly Rule[];
}

export interface BacktestOptions {
  readonly source: Source;
  readonly sets: readonly RuleSet[];
  readonly directory: DeviceDirectory;
  readonly notify: NotifyConfig;
  readonly publicUrl: string | null;
  /** What people did, in its order. */
  readonly operations: readonly Scheduled[];
  /** µs; null: from the first reading, to the last one. */
  readonly from: number | null;
  readonly to: number | null;
  /** Where the replays begin, at or before `from`: silence counts from there on. Null: at the first reading. */
  readonly startsAt: number | null;
  /** How many messages of each set are kept; beyond that they are counted. */
  readonly messagesMax: number;
  readonly onProgress: (readings: number) => void;
}

/** An alert that fired within the period. Times are µs of event time. */
export interface FiredAlert {
  readonly id: string;
  readonly rule: string;
  readonly device: string;
  readonly firedAt: number;
  /** Null: it was firing still at the end. */
  endedAt: number | null;
  /** To its end, or that of the period. */
  durationMs: number;
  /** The highest that it reached. */
  level: Level;
  /** When it fired. */
  readonly value: Value | null;
  readonly summary: string;
}

export interface SentMessage {
  readonly at: number;
  readonly contact: string;
  readonly rule: string;
  readonly device: string;
  readonly kind: string;
  readonly subject: string;
  readonly reason: string;
}

export interface SetResult {
  readonly name: string;
  /** The first ALERTS_MAX of them. */
  readonly alerts: readonly FiredAlert[];
  readonly alertCount: number;
  readonly messages: readonly SentMessage[];
  readonly messageCount: number;
  readonly messagesByContact: ReadonlyMap<string, number>;
  readonly messagesByKind: ReadonlyMap<string, number>;
  /** What people did that took effect, and what was left out, as there was nothing that it could be about. */
  readonly operations: { readonly taken: number; readonly leftOut: number };
  /** One for each rule of the set, in its order. */
  readonly rules: readonly RuleSum[];
  /** Alerts that fired before the period and were firing when it began. */
  readonly firingBefore: number;
  readonly errors: readonly RuleError[];
}

export interface BacktestResult {
  /** µs; null where there was no reading and no period was given. */
  readonly from: number | null;
  readonly to: number | null;
  /** Those before the period among them. */
  readonly readings: number;
  readonly sets: readonly SetResult[];
}

/** A rule that changes with every reading would fill the memory; beyond this its alerts are counted. */
const ALERTS_MAX = 200_000;

export async function backtest(options: BacktestOptions): Promise<BacktestResult> {
  const { source } = options;
  let runs: readonly Run[] = [];
  let readings = 0;
  let from = options.from;
  let last = options.from;
  for await (const batch of source.batches) {
    const first = batch.readings[0]?.receivedAt;
    if (first === undefined) continue;
    from ??= first;
    if (runs.length === 0) runs = startRuns(options, from, options.startsAt ?? first);
    for (const run of runs) run.take(batch);
    readings += batch.readings.length;
    last = batch.readings.at(-1)?.receivedAt ?? last;
    options.onProgress(readings);
  }
  const to = options.to ?? last;
  // Without a single reading there is silence to be raised all the same.
  if (runs.length === 0 && from !== null) runs = startRuns(options, from, options.startsAt ?? from);
  return { from, to, readings, sets: runs.map((run) => run.finish(to ?? 0)) };
}

function startRuns(options: BacktestOptions, from: number, startsAt: number): readonly Run[] {
  const { source, sets, ...rest } = options;
  return sets.map((set) => new Run(set, { ...rest, from, startsAt, journalId: source.journalId }));
}

interface RunOptions extends Omit<BacktestOptions, 'source' | 'sets' | 'from' | 'startsAt'> {
  readonly from: number;
  readonly startsAt: number;
  readonly journalId: string | null;
}

/** One rule set on its replay. */
class Run {
  readonly #set: RuleSet;
  readonly #options: RunOptions;
  readonly #replay: Replay;
  readonly #sums: RuleSums;
  readonly #alerts: FiredAlert[] = [];
  #alertCount = 0;
  readonly #open = new Map<string, FiredAlert>();
  /** Ids of alerts that fired before the period and have not ended. */
  readonly #earlier = new Set<string>();
  #firingBefore: number | null = null;
  readonly #messages: SentMessage[] = [];
  readonly #messagesByContact = new Map<string, number>();
  readonly #messagesByKind = new Map<string, number>();
  readonly #operations = { taken: 0, leftOut: 0 };
  #messageCount = 0;

  constructor(set: RuleSet, options: RunOptions) {
    const { directory, notify, publicUrl, startsAt, journalId, operations } = options;
    this.#set = set;
    this.#options = options;
    this.#sums = new RuleSums(set.rules.map(({ id }) => id));
    this.#replay = new Replay({
      rules: set.compiled,
      ruleTexts: set.rules,
      directory,
      notify,
      publicUrl,
      startsAt,
      operations,
      onOperated: (_operation, result) => this.#operated(result),
      ...(journalId === null ? {} : { journalId }),
      onTransition: (transition) => this.#transition(transition),
      onMessage: (message) => this.#message(message),
    });
  }

  take({ readings, positions }: SourceBatch): void {
    for (let index = 0; index < readings.length; index++) {
      const reading = readings[index];
      if (reading !== undefined) this.#replay.reading(reading, positions?.[index]);
    }
  }

  finish(to: number): SetResult {
    this.#replay.until(to);
    for (const alert of this.#open.values()) this.#end(alert, null, to);
    this.#alerts.sort((left, right) => left.firedAt - right.firedAt);
    return {
      name: this.#set.name,
      alerts: this.#alerts,
      alertCount: this.#alertCount,
      messages: this.#messages,
      messageCount: this.#messageCount,
      messagesByContact: this.#messagesByContact,
      messagesByKind: this.#messagesByKind,
      operations: this.#operations,
      rules: this.#sums.sums(to - this.#options.from),
      firingBefore: this.#firingBefore ?? this.#earlier.size,
      errors: this.#replay.ruleErrors,
    };
  }

  #transition(transition: Transition): void {
    const { alert, kind, at } = transition;
    if (this.#replay.time < this.#options.from) {
      if (kind === 'firing') this.#earlier.add(alert.id);
      else if (kind === 'resolved') this.#earlier.delete(alert.id);
      return;
    }
    this.#firingBefore ??= this.#earlier.size;
    if (this.#earlier.has(alert.id)) return;
    if (kind === 'cancelled') this.#sums.cancelled(alert.rule);
    else if (kind === 'firing') this.#fired(alert, at);
    else if (kind === 'level' || kind === 'no-data') this.#changed(transition);
    else if (kind === 'resolved') {
      const open = this.#open.get(alert.id);
      if (open !== undefined) this.#end(open, at, at);
    }
  }

  #fired(alert: Alert, at: number): void {
    const { id, rule, device, level, value, summary } = alert;
    const fired = { id, rule, device, firedAt: at, endedAt: null, durationMs: 0, level, value, summary };
    this.#open.set(id, fired);
    this.#alertCount += 1;
    if (this.#alerts.length < ALERTS_MAX) this.#alerts.push(fired);
    this.#sums.fired(rule, level);
  }

  #changed({ alert, fromLevel }: Transition): void {
    const open = this.#open.get(alert.id);
    if (open === undefined) return;
    if (alert.level !== fromLevel) this.#sums.reached(alert.rule, alert.level);
    if (levelRank(alert.level) > levelRank(open.level)) open.level = alert.level;
  }

  #end(alert: FiredAlert, endedAt: number | null, to: number): void {
    alert.endedAt = endedAt;
    alert.durationMs = Math.max(0, to - alert.firedAt) / 1000;
    this.#open.delete(alert.id);
    this.#sums.lasted(alert.rule, alert.durationMs, endedAt === null);
  }

  #operated({ done }: OperationResult): void {
    if (done) this.#operations.taken += 1;
    else this.#operations.leftOut += 1;
  }

  #message(message: ReplayMessage): void {
    const { at, contact, kind, reason, content } = message;
    if (at < this.#options.from) return;
    const { rule, device } = foremost(content);
    this.#messageCount += 1;
    countIn(this.#messagesByContact, contact);
    countIn(this.#messagesByKind, kind);
    this.#sums.told(rule);
    if (this.#messages.length < this.#options.messagesMax)
      this.#messages.push({ at, contact, rule, device, kind, subject: message.subject, reason });
  }
}

function countIn(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
