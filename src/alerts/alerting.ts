/**
 * Alerting: the consumer that turns readings into transitions.
 *
 * A reading that changes nothing costs no write. Transitions of a slice commit together with their alerts and instances,
 * without moving the cursor. Every `snapshotEveryMs`, and at a clean stop, everything that changed is written, in chunks
 * so that no alert waits behind it, and then the cursor, which stood where the snapshot began. Each row says which
 * position it reflects; after a crash the readings from the cursor on are evaluated again, rows skip what they reflect,
 * and the same transitions come out with the same ids, of which the stored ones are already there.
 *
 * A commit that fails (a full disk) is tried again until it succeeds: meanwhile nothing further is evaluated, the lag
 * shows, and what is waiting to be committed stays in memory.
 */
import type { Registry } from 'prom-client';
import type { Alert, Transition } from '../domain/alert.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { readBatch } from '../journal/batch.ts';
import { follow } from '../journal/consumer.ts';
import type { JournalReader, Partition, Position, Slice } from '../journal/journal.ts';
import type { CompiledRule } from '../rules/compile.ts';
import { IDLE } from '../rules/evaluate.ts';
import type { Database } from '../sqlite/database.ts';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';
import { AlertMetrics } from './alert-metrics.ts';
import type { DeviceState, Instance } from './device-state.ts';
import { Devices, type DeviceView, toDeviceRow, toInstanceRow } from './devices.ts';
import { Evaluating } from './evaluating.ts';
import { countOf, type NewTransition, removed, type TrackedAlert } from './lifecycle.ts';
import { Retention, type RetentionLimits } from './retention.ts';
import { createSqliteStateStore } from './sqlite-state-store.ts';
import type { AlertQuery, InstanceRow, OpenCounts, Page, StateChange, StateStore } from './state-store.ts';
import type { TransitionSource } from './transitions.ts';

/** Under load the thread is woken this often, not for each append; an alert is that much later at the most. */
const LINGER_MS = 3;
const CONSUMER_ID = 'alerting';
const SNAPSHOT_EVERY_MS = 30_000;
/** After a start of the program; a reload goes on with what is left of it. */
export const START_GRACE_MS = 120_000;
/** About 5 ms of writing, so that a snapshot of many devices holds up no alert. */
const SNAPSHOT_CHUNK_DEVICES = 250;
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
  readonly retention?: Partial<RetentionLimits>;
  /** New transitions are durable. Not called before `run`. */
  readonly onTransitions: () => void;
  /** The sequence of the last transition that whoever follows them has worked through: those after it are kept. Not called before `run`. */
  readonly followedTo: () => number;
}

export interface Alerting extends Service {
  readonly transitions: TransitionSource;
  alerts(query: AlertQuery): Page<Alert>;
  alert(id: string): (Alert & { readonly timeline: readonly Transition[] }) | null;
  openCounts(): OpenCounts;
  devices(query: { cursor?: string; limit?: number }): Page<DeviceView>;
  device(id: string): DeviceView | null;
}

/** Throws a TocsinError when the stored state does not belong to the journal. */
export function createAlerting(options: AlertingOptions): Alerting {
  return new JournalAlerting(options);
}

interface Snapshot {
  readonly cursor: Position;
  readonly devices: DeviceState[];
  written: number;
}

class JournalAlerting implements Alerting {
  readonly id = CONSUMER_ID;
  readonly transitions: TransitionSource;
  readonly #options: AlertingOptions;
  readonly #store: StateStore;
  readonly #devices: Devices;
  readonly #evaluating: Evaluating;
  readonly #metrics: AlertMetrics;
  readonly #errorsLoggedAtMs = new Map<string, number>();
  /** One past the last position that was worked through. */
  #next: Position;
  #snapshot: Snapshot | null = null;
  #lastSnapshotMs: number;
  /** Stored cursor. */
  #cursor: Position;
  readonly #retention: Retention;
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
    const graceUntil = graceMs === 0 ? 0 : now + graceMs * MICROSECONDS_PER_MILLISECOND;
    this.#devices = new Devices({ rules: options.rules, directory: options.directory, graceUntil });
    this.#evaluating = new Evaluating({
      journalId: options.journalId,
      onRuleError: (rule, count, message) => this.#ruleFailed(rule, count, message),
    });
    this.#cursor = startingCursor(this.#store, options);
    this.#next = this.#cursor;
    this.#restore(now);
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

  devices(query: { cursor?: string; limit?: number }): Page<DeviceView> {
    return this.#devices.list(query);
  }

  device(id: string): DeviceView | null {
    return this.#devices.view(id);
  }

  /** Reads what was stored, closes alerts of what is gone, and notes the fleet's new devices. */
  #restore(now: number): void {
    const { partition, logger } = this.#options;
    const { devices, instances, open } = this.#store.load(partition);
    this.#devices.restore(devices, instances, open);
    const gone = open.filter(({ alert }) => this.#instanceOf(alert) === undefined);
    const closing = gone.flatMap((tracked) => removed(tracked, now));
    const registered = this.#devices.register(now);
    const idle = gone.map(({ alert }) => ({ rule: alert.rule, device: alert.device }));
    const rows = registered.map((device) => toDeviceRow(device, device.position));
    this.#store.commit(partition, { devices: rows, idle, transitions: closing, alerts: closing.map(asTracked), cursor: this.#cursor }, now);
    for (const device of registered) device.isStored = true;
    this.#metrics.opened(open.map(({ alert }) => alert));
    this.#metrics.committed(closing);
    for (const { alert } of closing)
      logger.info({ alert: alert.id, rule: alert.rule, device: alert.device }, 'alert closed: its rule or device is gone');
    for (const device of this.#devices.all) this.#evaluating.arm(device);
    this.#hasClosed = closing.length > 0;
  }

  #instanceOf(alert: Alert): Instance | undefined {
    return this.#devices.get(alert.device)?.instances.find((instance) => instance.rule.rule.id === alert.rule);
  }

  async #apply(slice: Slice, cursor: Position, signal: AbortSignal): Promise<void> {
    for (const batch of slice.batches) {
      const { first } = batch;
      readBatch(
        batch.bytes,
        { reading: (reading, index) => this.#evaluating.reading(first + index, reading) },
        {
          from: Math.max(0, cursor - first),
          internDevice: (ref) => this.#devices.intern(ref),
          internShape: (shape) => this.#devices.internShape(shape),
        },
      );
      this.#next = first + batch.count;
    }
    // Further readings wait in the journal: they come before any timer that is not yet due for them.
    if (this.#next >= slice.head) this.#evaluating.fireTimers(slice.time, this.#next);
    this.#metrics.counted(this.#evaluating.counts);
    if (!(await this.#commitTransitions(signal))) return;
    await this.#continueSnapshot(signal);
    if (this.#next >= slice.head) this.#retention.step();
  }

  async #commitTransitions(signal: AbortSignal): Promise<boolean> {
    const changes = this.#evaluating.takeChanges();
    if (changes === null) return true;
    const { transitions, alerts } = changes;
    const position = this.#next - 1;
    const changed = new Set(changes.instances);
    // An alert must find its device after a crash, so a device that was never written is written with it, whole.
    const devices = [...new Set([...changed].map((instance) => instance.device))].filter((device) => !device.isStored);
    for (const device of devices) for (const instance of device.instances) if (instance.state !== IDLE) changed.add(instance);
    const change = {
      transitions,
      alerts,
      instances: [...changed].map((instance) => toInstanceRow(instance, position)),
      devices: devices.map((device) => toDeviceRow(device, position)),
    };
    if (!(await this.#commit(change, signal))) {
      this.#isAhead = true;
      return false;
    }
    for (const instance of changed) {
      instance.position = position;
      instance.isStored = true;
    }
    for (const device of devices) {
      device.position = position;
      device.isStored = true;
    }
    this.#metrics.committed(transitions);
    for (const transition of transitions) this.#log(transition);
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
    return { cursor: this.#next, devices: this.#evaluating.dirty.splice(0), written: 0 };
  }

  async #writeChunk(snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    const chunk = this.#options.snapshotChunkDevices ?? SNAPSHOT_CHUNK_DEVICES;
    const devices = snapshot.devices.slice(snapshot.written, snapshot.written + chunk);
    const isLast = snapshot.written + devices.length >= snapshot.devices.length;
    const position = this.#next - 1;
    const instances: InstanceRow[] = [];
    const idle: Instance[] = [];
    const active: Instance[] = [];
    for (const device of devices) {
      for (const instance of device.instances) {
        // During a replay a row may be ahead of the readings; then it stays as it is.
        if (instance.position > position) continue;
        if (instance.state !== IDLE) active.push(instance);
        else if (instance.isStored) idle.push(instance);
      }
    }
    for (const instance of active) instances.push(toInstanceRow(instance, position));
    const moves = isLast && snapshot.cursor !== this.#cursor;
    if (devices.length > 0 || moves) {
      const written = await this.#commit(
        {
          devices: devices.map((device) => toDeviceRow(device, position)),
          instances,
          idle: idle.map((instance) => ({ rule: instance.rule.rule.id, device: instance.device.id })),
          ...(moves ? { cursor: snapshot.cursor } : {}),
        },
        signal,
      );
      if (!written) return;
    }
    for (const device of devices) {
      device.position = position;
      device.isDirty = false;
      device.isStored = true;
    }
    for (const instance of active) instance.isStored = true;
    for (const instance of idle) instance.isStored = false;
    snapshot.written += devices.length;
    if (!isLast) return;
    this.#snapshot = null;
    if (!moves) return;
    this.#cursor = snapshot.cursor;
    await this.#options.journal.release(CONSUMER_ID, this.#options.partition, this.#cursor);
  }

  /** At a clean stop: what a running snapshot had left, then one of everything that changed since. */
  async #finish(signal: AbortSignal): Promise<void> {
    if (this.#isAhead) return;
    this.#snapshot ??= this.#begin();
    let before = -1;
    while (this.#snapshot !== null && this.#snapshot.written > before) {
      before = this.#snapshot.written;
      await this.#writeChunk(this.#snapshot, signal);
      if (this.#snapshot === null && (this.#evaluating.dirty.length > 0 || this.#cursor !== this.#next)) {
        this.#snapshot = this.#begin();
        before = -1;
      }
    }
  }

  #snapshotInMs(): number {
    const everyMs = this.#options.snapshotEveryMs ?? SNAPSHOT_EVERY_MS;
    return Math.max(0, this.#lastSnapshotMs + everyMs - this.#options.clock.monotonicMs());
  }

  #waitMs(): number {
    if (this.#snapshot !== null) return 0;
    const timerMs = (this.#evaluating.nextDue - this.#options.clock.now()) / MICROSECONDS_PER_MILLISECOND;
    return Math.min(Math.max(1, Math.ceil(timerMs)), Math.ceil(this.#snapshotInMs()), Math.ceil(this.#retention.inMs));
  }

  #log(transition: NewTransition): void {
    const { alert, kind, fromLevel, reason } = transition;
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
    if (nowMs - (this.#errorsLoggedAtMs.get(rule) ?? Number.NEGATIVE_INFINITY) < ERROR_LOG_EVERY_MS) return;
    this.#errorsLoggedAtMs.set(rule, nowMs);
    this.#options.logger.warn({ rule, error: message }, 'a condition could not be evaluated and counts as unknown');
  }
}

function startingCursor(store: StateStore, { journalId, partition, range, logger }: AlertingOptions): Position {
  const origin = store.origin(partition);
  if (origin === null) store.adopt(journalId);
  else if (origin.journalId !== journalId) {
    throw new TocsinError('the alerting state belongs to another journal', {
      hint: 'state.db and journal.db go together: restore both from one backup, or move state.db away to begin with no alerts',
    });
  }
  const cursor = origin?.cursor ?? range.first;
  if (cursor > range.head) {
    throw new TocsinError(`the alerting state has seen position ${cursor}, and the journal ends at ${range.head}`, {
      hint: 'the journal is older than the state: restore both from one backup, or move state.db away to begin with no alerts',
    });
  }
  if (cursor >= range.first) return cursor;
  logger.warn({ cursor, first: range.first }, 'the journal no longer holds some readings that were never evaluated');
  return range.first;
}

const asTracked = (transition: NewTransition): TrackedAlert => ({ alert: transition.alert, transitions: countOf(transition) });
