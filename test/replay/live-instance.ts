/**
 * Alerting and notifying as they run live, over a journal whose readings come bit by bit: who drives it decides after each bit
 * what happens next, a read, a wake, something that a person does, a stop, a kill, or a reload. Channels take everything at once.
 */
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import { type Alerting, createAlerting } from '../../src/alerts/alerting.ts';
import type { DeviceDirectory } from '../../src/domain/device.ts';
import type { Operation } from '../../src/domain/operation.ts';
import { BatchWriter } from '../../src/journal/batch.ts';
import type { JournalReader, Partition, Position, ReadOptions, Slice, StoredBatch } from '../../src/journal/journal.ts';
import { ChannelHealth } from '../../src/notify/channels/channel-health.ts';
import type { Notifier } from '../../src/notify/channels/notifier.ts';
import type { NotifyConfig } from '../../src/notify/notify-config.ts';
import { createNotifying, type Notifying } from '../../src/notify/notifying.ts';
import type { CompiledRule } from '../../src/rules/compile.ts';
import { type Database, openDatabase } from '../../src/sqlite/database.ts';
import type { Clock } from '../../src/std/clock.ts';
import { START_US } from '../alerts/scenario.ts';
import type { ScriptedReading } from '../alerts/scripted-journal.ts';

export const JOURNAL_ID = 'journal-1';
const logger = pino({ level: 'silent' });

/** Answers a read when it is told to, with as much as it is told to. */
class GatedJournal implements JournalReader {
  readonly #batches: { readonly batch: StoredBatch; readonly firstAt: number; readonly lastAt: number }[] = [];
  readonly #endUs: number;
  #appended = 0;
  #waiting: { readonly from: Position; readonly resolve: (slice: Slice) => void } | null = null;
  time = START_US;
  /** Of the last slice that was handed out. */
  told = START_US;

  /** @param script a batch each */
  constructor(script: readonly (readonly ScriptedReading[])[], endUs: number) {
    this.#endUs = endUs;
    let first = 0;
    for (const readings of script) {
      const writer = new BatchWriter();
      for (const { device, metrics, values, ...times } of readings) writer.addReading(device, metrics, values, times);
      const { bytes, count } = writer.take();
      this.#batches.push({
        batch: { first, count, bytes },
        firstAt: readings[0]?.receivedAt ?? 0,
        lastAt: readings.at(-1)?.receivedAt ?? 0,
      });
      first += count;
    }
  }

  get head(): Position {
    const last = this.#batches[this.#appended - 1]?.batch;
    return last === undefined ? 0 : last.first + last.count;
  }
  get isWhole(): boolean {
    return this.#appended === this.#batches.length;
  }
  /** Whoever reads it has read all of it. */
  get isAtEnd(): boolean {
    return this.#waiting !== null && this.#waiting.from >= this.head;
  }
  /** Before this time everything has been received. */
  get timeMax(): number {
    return (this.#batches[this.#appended]?.firstAt ?? this.#endUs + 1) - 1;
  }

  append(count: number): void {
    this.#appended = Math.min(this.#appended + count, this.#batches.length);
    const last = this.#batches[this.#appended - 1]?.lastAt ?? 0;
    this.time = Math.min(Math.max(this.time, last), this.timeMax);
  }

  read(_consumer: string | null, _partition: Partition, from: Position, _options: ReadOptions): Promise<Slice> {
    return new Promise((resolve) => {
      this.#waiting = { from, resolve };
    });
  }

  answer(batchesMax: number): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    const from = this.#batches.findIndex(({ batch }) => batch.first + batch.count > waiting.from);
    const batches = from < 0 ? [] : this.#batches.slice(from, Math.min(from + batchesMax, this.#appended)).map(({ batch }) => batch);
    this.told = this.time;
    waiting.resolve({ batches, head: this.head, time: this.time });
  }

  forget(): void {
    this.#waiting = null;
  }

  release(): Promise<void> {
    return Promise.resolve();
  }
}

export interface LiveOptions {
  readonly folder: string;
  /** A batch each. */
  readonly script: readonly (readonly ScriptedReading[])[];
  readonly endUs: number;
  readonly rules: readonly CompiledRule[];
  readonly directory: DeviceDirectory;
  readonly publicUrl: string | null;
  readonly waitingMax: number;
}

export class LiveInstance {
  readonly journal: GatedJournal;
  /** Texts of messages as a channel got them, by id; of those that stand for no other one. */
  readonly texts = new Map<string, string>();
  readonly #options: LiveOptions;
  #database: Database;
  #files = 0;
  #alerting: Alerting;
  #notifying: Notifying;
  #ends: { readonly notifying: AbortController; readonly alerting: AbortController; readonly ended: readonly Promise<void>[] };
  /** Whether notifying hears at once of what alerting has come to. */
  isPrompt = true;

  constructor(options: LiveOptions, config: NotifyConfig) {
    this.#options = options;
    this.journal = new GatedJournal(options.script, options.endUs);
    this.#database = opened(join(options.folder, 'state-0.db'));
    ({ alerting: this.#alerting, notifying: this.#notifying, ends: this.#ends } = this.#start(config));
  }

  get alerting(): Alerting {
    return this.#alerting;
  }
  get notifying(): Notifying {
    return this.#notifying;
  }
  get database(): Database {
    return this.#database;
  }

  operate(operation: Operation): boolean {
    return this.#notifying.operate(operation).done;
  }

  /** A clean stop, and a start with that config. @param between while notifying has stopped, and alerting has not */
  async restart(config: NotifyConfig, between: () => Promise<void>): Promise<void> {
    const [alerting, notifying] = this.#ends.ended;
    this.#ends.notifying.abort();
    await notifying;
    await between();
    this.#ends.alerting.abort();
    await alerting;
    this.journal.forget();
    ({ alerting: this.#alerting, notifying: this.#notifying, ends: this.#ends } = this.#start(config));
  }

  /** As after `kill -9`: goes on with what is on disk at this moment. */
  async kill(config: NotifyConfig): Promise<void> {
    const path = join(this.#options.folder, `state-${++this.#files}.db`);
    this.#database.raw.exec(`VACUUM INTO '${path}'`);
    await this.stop();
    this.journal.forget();
    this.#database = opened(path);
    ({ alerting: this.#alerting, notifying: this.#notifying, ends: this.#ends } = this.#start(config));
  }

  async stop(): Promise<void> {
    this.#ends.notifying.abort();
    this.#ends.alerting.abort();
    await Promise.all(this.#ends.ended);
    this.#database.close();
  }

  #start(config: NotifyConfig) {
    const { rules, directory, publicUrl, waitingMax } = this.#options;
    const database = this.#database;
    const registry = new Registry();
    const journal = this.journal;
    const clockAt = (now: () => number): Clock => ({
      now,
      monotonicMs: () => now() / 1000,
      sleep: () => Promise.resolve(),
      after: () => () => undefined,
    });
    const alerting = createAlerting({
      ...{ journal, database, rules, directory, logger, registry },
      journalId: JOURNAL_ID,
      partition: 0,
      range: { first: 0, head: journal.head },
      // It has run up to now: no hole in the data is put down to its not running.
      clock: clockAt(() => journal.told),
      startGraceMs: 0,
      snapshotEveryMs: 0,
      onTransitions: () => {
        if (this.isPrompt) notifying.wake();
      },
      followedTo: () => notifying.followedTo(),
      followersDue: () => notifying.nextDue(),
    });
    const channel: Notifier = {
      send: async (message) => {
        if (message.labels.Replaces === undefined) this.texts.set(message.id, message.text);
        return { outcome: 'delivered', detail: 'taken' };
      },
      close: async () => undefined,
    };
    const notifying = createNotifying({
      ...{ database, directory, config, publicUrl, waitingMax, logger, registry },
      rules: rules.map(({ rule }) => rule),
      transitions: alerting.transitions,
      health: new ChannelHealth(),
      notifiers: new Map([['email', channel]]),
      journalTime: () => alerting.journalTime(),
      alertOf: (id) => alerting.alert(id),
      draw: null,
      onFlagged: () => undefined,
      clock: clockAt(() => journal.time),
    });
    const ends = { notifying: new AbortController(), alerting: new AbortController() };
    const ended = [alerting.run(ends.alerting.signal), notifying.run(ends.notifying.signal)] as const;
    return { alerting, notifying, ends: { ...ends, ended } };
  }
}

/** A kill is of the process alone: nothing needs to reach the disk. */
function opened(path: string): Database {
  const database = openDatabase(path);
  database.raw.exec('PRAGMA synchronous = OFF');
  return database;
}

/** Lets everything that needs no more than a turn of the event loop happen. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
