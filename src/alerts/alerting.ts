/**
 * Alerting: the consumer that turns readings into transitions.
 *
 * A reading that changes nothing costs no write. Transitions of a slice commit together with their alerts and instances,
 * without moving the cursor. Every `snapshotEveryMs`, and at a clean stop, everything that changed is written
 * (`snapshot.ts`), and then the cursor. Each row says which position it reflects; after a crash the readings from the
 * cursor on are evaluated again, rows skip what they reflect, and the same transitions come out with the same ids, of
 * which the stored ones are already there.
 *
 * A commit that fails (a full disk) is tried again until it succeeds: meanwhile nothing further is evaluated, the lag
 * shows, and what is waiting to be committed stays in memory.
 */
import type { Registry } from 'prom-client';
import type { Alert, Transition } from '../domain/alert.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { readBatch } from '../journal/batch-reader.ts';
import { follow } from '../journal/consumer.ts';
import type { JournalReader, Partition, Position, Slice } from '../journal/journal.ts';
import type { CompiledRule } from '../rules/compile.ts';
import type { Database } from '../sqlite/database.ts';
import { isPassing } from '../sqlite/fault.ts';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';
import { AlertMetrics } from './alert-metrics.ts';
import { bareRow, toInstanceRow } from './device-rows.ts';
import { Devices, type DevicesQuery, type DeviceView } from './devices.ts';
import { Evaluating } from './evaluating.ts';
import { type Explained, type ExplainQuery, explain } from './explaining.ts';
import { countOf, type NewTransition } from './lifecycle.ts';
import { restore } from './restoring.ts';
import { Retention, type RetentionLimits } from './retention.ts';
import { rowsOf, Snapshot, settle } from './snapshot.ts';
import { createSqliteStateStore } from './sqlite-state-store.ts';
import { startingCursor } from './starting-cursor.ts';
import type { AlertQuery, OpenCounts, Page, StateChange, StateStore } from './state-store.ts';
import type { TransitionSource } from './transitions.ts';

/** Under load the thread is woken this often, not for each append; an alert is that much later at the most. */
const LINGER_MS = 3;
const CONSUMER_ID = 'alerting';
const SNAPSHOT_EVERY_MS = 30_000;
const START_GRACE_MS = 120_000;
/** About 5 ms of writing, so that a snapshot of many devices holds up no alert. */
const SNAPSHOT_CHUNK_DEVICES = 250;
/** Writing takes no more than this share of the time: many large windows are written less often. */
const SNAPSHOT_SHARE = 0.1;
const FOLLOWED_WAIT_MS_MAX = 500;
const COMMIT_RETRY = { firstMs: 100, maxMs: 10_000 };
const ERROR_LOG_EVERY_MS = 60_000;

export interface AlertingOptions {
  readonly journal: JournalReader;
  readonly journalId: string;
  readonly partition: Partition;
  /** What the journal holds at the start. */
  readonly range: { readonly first: Position; readonly head: Position };
  readonly database: Database;
  readonly rules: readonly CompiledRule[];
  readonly directory: DeviceDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly snapshotEveryMs?: number;
  /** How many devices a snapshot writes at a time. */
  readonly snapshotChunkDevices?: number;
  /** How long after the start no silence ripens; 0 is none. */
  readonly startGraceMs?: number;
  /** How much later the silence of a device ripens that depends on another. */
  readonly dependencyGraceMs?: number;
  readonly retention?: Partial<RetentionLimits>;
  /** New transitions are durable. Not called before `run`. */
  readonly onTransitions: () => void;
  /** Journal time, µs, of whoever follows transitions by it: it is looked at the clock then. Infinity: nothing waits. */
  readonly followersDue?: () => number;
  /** The sequence of the last transition that whoever follows them has worked through: those after it are kept. Not called before `run`. */
  readonly followedTo: () => number;
}

/** Evaluations that failed and counted as unknown, and why the last one did. */
export interface RuleErrors {
  readonly count: number;
  readonly last: string;
}

export interface Alerting extends Service {
  readonly transitions: TransitionSource;
  /** Journal time, µs: every reading received by then has been evaluated, and what came of it is among the transitions. */
  journalTime(): number;
  alerts(query: AlertQuery): Page<Alert>;
  alert(id: string): (Alert & { readonly timeline: readonly Transition[] }) | null;
  openCounts(): OpenCounts;
  /** Of rules whose conditions could not be evaluated since the start, by rule. */
  ruleErrors(): ReadonlyMap<string, RuleErrors>;
  devices(query: DevicesQuery): Page<DeviceView>;
  device(id: string): DeviceView | null;
  /** Why a device did, or did not, alert. Changes nothing. */
  explain(query: ExplainQuery): Explained;
}

/** Throws a TocsinError when the stored state does not belong to the journal. */
export function createAlerting(options: AlertingOptions): Alerting {
  return new JournalAlerting(options);
}

class JournalAlerting implements Alerting {
  readonly id = CONSUMER_ID;
  readonly transitions: TransitionSource;
  readonly #options: AlertingOptions;
  readonly #store: StateStore;
  readonly #devices: Devices;
  #evaluating: Evaluating;
  readonly #metrics: AlertMetrics;
  readonly #ruleErrors = new Map<string, RuleErrors & { loggedAtMs: number }>();
  /** One past the last position that was worked through. */
  #next: Position;
  #snapshot: Snapshot | null = null;
  #lastSnapshotMs: number;
  #snapshotTookMs = 0;
  /** Stored cursor. */
  #cursor: Position;
  readonly #retention: Retention;
  #journalTime = 0;
  #hasJustTold = false;
  /** Alerts were closed at the start. */
  #hasClosed = false;
  #isRunning = false;
  /** Transitions were given up at a stop: what is in memory is ahead of the store, and must not be written. */
  #isAhead = false;

  constructor(options: AlertingOptions) {
    this.#options = options;
    const { clock, logger, followedTo, retention } = options;
    this.#store = createSqliteStateStore(options.database, { followedTo: () => (this.#isRunning ? followedTo() : 0) });
    this.transitions = this.#store;
    this.#metrics = new AlertMetrics(options.registry);
    const onLetGo = (alerts: number): void => this.#metrics.letGo(alerts);
    this.#retention = new Retention({ store: this.#store, clock, logger, followedTo, onLetGo, ...(retention && { limits: retention }) });
    const now = clock.now();
    const graceMs = options.startGraceMs ?? START_GRACE_MS;
    // What is left of a grace is no whole number of milliseconds; times are whole microseconds.
    const graceUntil = graceMs === 0 ? 0 : now + Math.ceil(graceMs * MICROSECONDS_PER_MILLISECOND);
    const { rules, directory, dependencyGraceMs } = options;
    this.#devices = new Devices({ rules, directory, graceUntil, ...(dependencyGraceMs !== undefined && { dependencyGraceMs }) });
    this.#cursor = startingCursor(this.#store, options);
    this.#next = this.#cursor;
    this.#evaluating = this.#restore(now);
    this.#lastSnapshotMs = clock.monotonicMs();
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#isRunning = true;
    if (this.#hasClosed) this.#options.onTransitions();
    const { journal, partition } = this.#options;
    // Now, and not with the next snapshot: a full journal takes no reading that would move the cursor, and could not make room.
    await journal.release(CONSUMER_ID, partition, this.#cursor);
    const handler = {
      apply: (slice: Slice, cursor: Position) => this.#apply(slice, cursor, signal),
      waitMs: () => this.#waitMs(),
    };
    await follow({ id: CONSUMER_ID, journal, partition, from: this.#cursor, handler, signal, lingerMs: LINGER_MS });
    await this.#finish(signal);
  }

  journalTime(): number {
    return this.#journalTime;
  }

  alerts(query: AlertQuery): Page<Alert> {
    return this.#store.alerts(query);
  }

  alert(id: string): (Alert & { readonly timeline: readonly Transition[] }) | null {
    const alert = this.#store.alert(id);
    return alert === null ? null : { ...alert, timeline: this.#store.timeline(id) };
  }

  openCounts(): OpenCounts {
    return this.#store.openCounts();
  }

  ruleErrors(): ReadonlyMap<string, RuleErrors> {
    return this.#ruleErrors;
  }

  devices(query: DevicesQuery): Page<DeviceView> {
    return this.#devices.list(query);
  }

  device(id: string): DeviceView | null {
    return this.#devices.view(id);
  }

  explain(query: ExplainQuery): Explained {
    return explain(query, { ...this.#options, devices: this.#devices, now: this.#options.clock.now() });
  }

  #restore(now: number): Evaluating {
    const { partition, logger, journalId } = this.#options;
    const { open, closed, downtimes } = restore({ store: this.#store, devices: this.#devices, partition, cursor: this.#cursor, now });
    this.#metrics.opened(open.map(({ alert }) => alert));
    this.#metrics.committed(closed);
    for (const { alert } of closed)
      logger.info({ alert: alert.id, rule: alert.rule, device: alert.device }, 'alert closed: its rule or device is gone');
    const onRuleError = (rule: string, count: number, message: string): void => this.#ruleFailed(rule, count, message);
    const evaluating = new Evaluating({ journalId, onRuleError, renew: (device) => this.#devices.renew(device), downtimes });
    for (const device of this.#devices.all) evaluating.arm(device);
    for (const { instance } of this.#devices.groups) evaluating.arm(instance.device);
    this.#hasClosed = closed.length > 0;
    return evaluating;
  }

  async #apply(slice: Slice, cursor: Position, signal: AbortSignal): Promise<void> {
    for (const batch of slice.batches) {
      const { first } = batch;
      readBatch(
        batch.bytes,
        { reading: (reading, index) => this.#evaluating.reading(first + index, reading) },
        {
          from: Math.max(0, cursor - first),
          internDevice: (ref) => this.#devices.announced(ref),
          internShape: (shape) => this.#devices.internShape(shape),
        },
      );
      this.#next = first + batch.count;
    }
    // Further readings wait in the journal: they come before any timer that is not yet due for them.
    if (this.#next >= slice.head) this.#evaluating.fireTimers(slice.time, this.#next);
    this.#metrics.counted(this.#evaluating.counts);
    if (!(await this.#commitTransitions(signal))) return;
    this.#journalTime = Math.max(this.#journalTime, this.#next >= slice.head ? slice.time : this.#evaluating.journaledTo - 1);
    if ((this.#options.followersDue?.() ?? Number.POSITIVE_INFINITY) <= this.#journalTime) this.#options.onTransitions();
    await this.#continueSnapshot(signal);
    if (this.#next >= slice.head) this.#retention.step();
  }

  async #commitTransitions(signal: AbortSignal): Promise<boolean> {
    const changes = this.#evaluating.takeChanges();
    if (changes === null) return true;
    const { transitions, alerts, backlogs } = changes;
    const position = this.#next - 1;
    const changed = new Set(changes.instances);
    const devices = [...new Set([...changed].map((instance) => instance.device))].filter((device) => !device.isGroup);
    // An alert must find its device after a crash. What reads others, or is read, goes with the snapshot: its name must do.
    const bare = devices.filter((device) => !device.isStored && device.isCoupled);
    // A device that was never written is written whole; so is one that holds readings, as theirs is another order.
    const whole = devices.filter((device) => !device.isCoupled && (!device.isStored || device.latenessUs > 0));
    const rows = rowsOf(whole, position);
    const written = new Set(rows.active);
    const change: StateChange = {
      ...rows.change,
      transitions,
      alerts,
      backlogs,
      instances: [
        ...(rows.change.instances ?? []),
        ...[...changed].filter((instance) => !written.has(instance)).map((instance) => toInstanceRow(instance, position)),
      ],
      devices: [...(rows.change.devices ?? []), ...bare.map(bareRow)],
    };
    if (!(await this.#commit(change, signal))) {
      this.#isAhead = true;
      return false;
    }
    for (const instance of changed) {
      instance.position = position;
      instance.isStored = true;
    }
    settle(rows);
    for (const device of bare) device.isStored = true;
    this.#metrics.committed(transitions);
    for (const transition of transitions) this.#log(transition);
    this.#hasJustTold = true;
    this.#options.onTransitions();
    return true;
  }

  /** True when it is on disk; false when it was given up because of a stop: then a later start evaluates it again. */
  async #commit(change: StateChange, signal: AbortSignal): Promise<boolean> {
    const { partition, clock, logger } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        this.#store.commit(partition, change, clock.now());
        if (attempt > 1) logger.info({ attempt }, 'alerting state is written again');
        return true;
      } catch (error) {
        // A fault of ours would stay for ever: whoever runs this starts it again from the cursor, and shows it.
        if (!isPassing(error)) throw error;
        this.#metrics.commitRetried();
        const delayMs = backoffMs(attempt, COMMIT_RETRY);
        logger.error({ error: messageOf(error), attempt, delayMs }, 'cannot write the alerting state; evaluation waits');
        if (signal.aborted) return false;
        await clock.sleep(delayMs, signal);
      }
    }
  }

  async #continueSnapshot(signal: AbortSignal): Promise<void> {
    if (this.#snapshot === null) {
      if (this.#snapshotInMs() > 0) return;
      this.#snapshot = this.#begin();
    }
    await this.#writeChunk(this.#snapshot, signal);
  }

  #begin(): Snapshot {
    this.#lastSnapshotMs = this.#options.clock.monotonicMs();
    this.#snapshotTookMs = 0;
    return new Snapshot(this.#next, this.#evaluating.dirty.splice(0));
  }

  /** False when it could not be written, and a stop is asked for. */
  async #writeChunk(snapshot: Snapshot, signal: AbortSignal): Promise<boolean> {
    const { clock, journal, partition } = this.#options;
    const startedMs = clock.monotonicMs();
    const { change, isLast, done } = snapshot.nextChunk(this.#next - 1, this.#options.snapshotChunkDevices ?? SNAPSHOT_CHUNK_DEVICES);
    const moves = isLast && snapshot.cursor !== this.#cursor;
    const unusedWindows = this.#devices.unusedWindows.splice(0);
    const written = await this.#commit(
      { ...change, unusedWindows, ...(isLast && { aliveAt: clock.now() }), ...(moves && { cursor: snapshot.cursor }) },
      signal,
    );
    if (!written) return false;
    done();
    this.#snapshotTookMs += clock.monotonicMs() - startedMs;
    if (!isLast) return true;
    this.#snapshot = null;
    if (!moves) return true;
    this.#cursor = snapshot.cursor;
    await journal.release(CONSUMER_ID, partition, this.#cursor);
    return true;
  }

  /** At a clean stop: what a running snapshot had left, then one of everything that changed since. */
  async #finish(signal: AbortSignal): Promise<void> {
    if (this.#isAhead) return;
    this.#snapshot ??= this.#begin();
    while (this.#snapshot !== null) {
      if (!(await this.#writeChunk(this.#snapshot, signal))) return;
      const isBehind = this.#evaluating.dirty.length > 0 || this.#cursor !== this.#next;
      if (this.#snapshot === null && isBehind) this.#snapshot = this.#begin();
    }
  }

  #snapshotInMs(): number {
    const everyMs = Math.max(this.#options.snapshotEveryMs ?? SNAPSHOT_EVERY_MS, this.#snapshotTookMs / SNAPSHOT_SHARE);
    return Math.max(0, this.#lastSnapshotMs + everyMs - this.#options.clock.monotonicMs());
  }

  #waitMs(): number {
    if (this.#snapshot !== null) return 0;
    const followersDue = this.#options.followersDue?.() ?? Number.POSITIVE_INFINITY;
    const due = Math.min(this.#evaluating.nextDue, followersDue);
    // What is set meanwhile cannot end a wait: as long as anything is going on there, none is long.
    const isQuiet = followersDue === Number.POSITIVE_INFINITY && !this.#hasJustTold;
    const waitMaxMs = isQuiet ? Number.POSITIVE_INFINITY : FOLLOWED_WAIT_MS_MAX;
    this.#hasJustTold = false;
    const timerMs = (due - this.#options.clock.now()) / MICROSECONDS_PER_MILLISECOND;
    return Math.min(Math.max(1, Math.ceil(timerMs)), Math.ceil(this.#snapshotInMs()), Math.ceil(this.#retention.inMs), waitMaxMs);
  }

  #log(transition: NewTransition): void {
    const { alert, kind, fromLevel, reason } = transition;
    if (kind === 'backlog') {
      this.#options.logger.info({ device: alert.device, reason }, 'a backlog has ended');
      return;
    }
    const after = alert.state === 'resolved' ? 'OK' : alert.state === 'pending' ? 'PENDING' : `FIRING ${alert.level}`;
    const before = countOf(transition) === 1 ? 'OK' : fromLevel === null ? 'PENDING' : `FIRING ${fromLevel}`;
    const fields = { alert: alert.id, rule: alert.rule, device: alert.device, kind, change: `${before} => ${after}`, reason };
    // A pending alert concerns nobody yet, and there may be many.
    if (kind === 'pending' || kind === 'cancelled') this.#options.logger.debug(fields, 'alert changed');
    else this.#options.logger.info(fields, 'alert changed');
  }

  #ruleFailed(rule: string, count: number, message: string): void {
    this.#metrics.ruleError(rule, count);
    const nowMs = this.#options.clock.monotonicMs();
    const { count: before = 0, loggedAtMs = Number.NEGATIVE_INFINITY } = this.#ruleErrors.get(rule) ?? {};
    const isSilent = nowMs - loggedAtMs < ERROR_LOG_EVERY_MS;
    this.#ruleErrors.set(rule, { count: before + count, last: message, loggedAtMs: isSilent ? loggedAtMs : nowMs });
    if (isSilent) return;
    this.#options.logger.warn({ rule, error: message }, 'a condition could not be evaluated and counts as unknown');
  }
}
