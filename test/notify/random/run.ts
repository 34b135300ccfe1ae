/**
 * Runs a script: the real service on a real state file, through its lives between kills and reloads. Notes whatever it decides in
 * the order in which it was committed (triggers in the file do that, so that what was rolled back leaves no trace), and whatever
 * reached a channel.
 *
 * A kill leaves the service where it is, without a word: its clock never goes on, its channels never answer, and the next one
 * opens the file as it was at the last commit.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { TransitionSource } from '../../../src/alerts/transitions.ts';
import type { Transition } from '../../../src/domain/alert.ts';
import type { ChannelKind, DeliveryOutcome } from '../../../src/domain/notification.ts';
import { ChannelHealth } from '../../../src/notify/channels/channel-health.ts';
import type { Notifier, OutgoingMessage } from '../../../src/notify/channels/notifier.ts';
import { createNotifying, type Notifying } from '../../../src/notify/notifying.ts';
import type { TimelineEntry } from '../../../src/notify/outbox.ts';
import { type Database, openDatabase } from '../../../src/sqlite/database.ts';
import { directory } from '../fixtures.ts';
import { VirtualClock } from './clock.ts';
import { Dice } from './dice.ts';
import type { ChannelMode, Event, Script } from './world.ts';

/** A row of what was committed, in order. */
export interface Seen {
  readonly kind: 'note' | 'message' | 'operation' | 'cursor' | 'config';
  /** The alert; the message's id; the sequence; the number of the config. */
  readonly ref: string;
  readonly contact: string;
  readonly at: number;
  readonly body: string;
}
/** A message at a channel. */
export interface Sent {
  readonly at: number;
  readonly life: number;
  readonly id: string;
  readonly contact: string;
  readonly address: string;
  readonly isTaken: boolean;
  readonly items: readonly { readonly alert: string; readonly state: string; readonly level: string; readonly transition: string }[];
}
export interface Row {
  readonly number: number;
  readonly id: string;
  readonly contact: string;
  readonly state: string;
  readonly detail: string;
}
export interface Told {
  readonly script: Script;
  readonly transitions: readonly Transition[];
  readonly seen: readonly Seen[];
  readonly sent: readonly Sent[];
  readonly rows: readonly Row[];
  readonly timeline: (alert: string) => readonly TimelineEntry[];
  /** What is left in the state at the end, by kind. */
  readonly left: Readonly<Record<string, number>>;
  readonly kills: number;
}

const WATCH = `
  CREATE TABLE IF NOT EXISTS seen (n INTEGER PRIMARY KEY, kind TEXT, ref TEXT, contact TEXT, at INTEGER, body TEXT) STRICT;
  CREATE TRIGGER IF NOT EXISTS see_message AFTER INSERT ON notify_message BEGIN
    INSERT INTO seen (kind, ref, contact, at, body) VALUES ('message', new.id, new.contact, new.decided_at, new.content); END;
  CREATE TRIGGER IF NOT EXISTS see_operation AFTER INSERT ON notify_operation BEGIN
    INSERT INTO seen (kind, ref, contact, at, body) VALUES ('operation', new.number, '', new.at, new.body); END;
  CREATE TRIGGER IF NOT EXISTS see_note AFTER INSERT ON notify_timeline WHEN new.kind = 'decision' BEGIN
    INSERT INTO seen (kind, ref, contact, at, body) VALUES ('note', new.alert, '', new.at, new.detail); END;
  CREATE TRIGGER IF NOT EXISTS see_cursor AFTER INSERT ON notify_cursor BEGIN
    INSERT INTO seen (kind, ref, contact, at, body) VALUES ('cursor', new.sequence, '', 0, ''); END;
  CREATE TRIGGER IF NOT EXISTS see_cursor_move AFTER UPDATE ON notify_cursor BEGIN
    INSERT INTO seen (kind, ref, contact, at, body) VALUES ('cursor', new.sequence, '', 0, ''); END;`;

const TURNS_MAX = 100_000;

class Killed extends Error {}

export interface RunOptions {
  /** False: what kills does not, channels refuse for good, and time goes on in the smallest steps: the same is to be decided. */
  readonly isTwin: boolean;
}

export async function runScript(script: Script, options: RunOptions): Promise<Told> {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-random-'));
  const stage = new Stage(script, options, join(folder, 'state.db'));
  try {
    await stage.start(0);
    for (const event of script.events) {
      // What is decided at a time is known before journal time has come to it.
      await stage.goOn(event.kind === 'transition' ? event.at - 1 : event.at);
      await stage.happen(event);
    }
    await stage.goOn(script.endsAt);
    return stage.told();
  } finally {
    stage.drop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One life of the service. */
interface Life {
  readonly number: number;
  readonly notifying: Notifying;
  readonly database: Database;
  readonly stopping: AbortController;
  readonly running: Promise<void>;
  isOver: boolean;
}

class Stage {
  readonly #script: Script;
  readonly #isTwin: boolean;
  readonly #path: string;
  readonly #clock: VirtualClock;
  readonly #dice: Dice;
  readonly #jitter: Dice;
  readonly #transitions: Transition[] = [];
  readonly #sent: Sent[] = [];
  readonly #modes = new Map<string, ChannelMode>();
  #life: Life | null = null;
  #lives = 0;
  #config = 0;
  #journal: number;
  #isCatchingUp = false;
  /** A commit to be killed at. */
  #ambush: 'before-commit' | 'after-commit' | null = null;
  #isKilled = false;
  #kills = 0;
  #fault: unknown = null;
  #activity = 0;

  constructor(script: Script, { isTwin }: RunOptions, path: string) {
    this.#script = script;
    this.#isTwin = isTwin;
    this.#path = path;
    this.#clock = new VirtualClock(script.startsAt);
    this.#journal = script.startsAt;
    this.#dice = new Dice(script.seed + 1);
    this.#jitter = new Dice(script.seed + 2);
  }

  async start(config: number): Promise<void> {
    const number = this.#lives++;
    const database = this.#open(number);
    const clock = this.#clock.of(number);
    const transitions = this.#source();
    const notifying = createNotifying({
      database,
      transitions,
      config: this.#script.configs[config] ?? fail('no such config'),
      rules: this.#script.fleet.rules,
      directory,
      health: new ChannelHealth(),
      notifiers: this.#isTwin ? new Map() : this.#notifiers(number),
      journalTime: () => this.#journal,
      alertOf: () => null,
      draw: null,
      onFlagged: () => undefined,
      clock,
      logger: pino({ level: 'silent' }),
      registry: new Registry(),
      publicUrl: null,
      random: () => this.#jitter.next(),
    });
    database.exec(WATCH);
    this.#config = config;
    database.raw.prepare('INSERT INTO seen (kind, ref, at) VALUES (?, ?, ?)').run('config', String(config), this.#journal);
    const stopping = new AbortController();
    const life: Life = { number, notifying, database, stopping, isOver: false, running: notifying.run(stopping.signal) };
    this.#life = life;
    life.running.catch((error: unknown) => {
      if (!life.isOver && !(error instanceof Killed)) this.#fault ??= error;
    });
    await this.#settle();
  }

  /** Up to that journal time, everything that is due by then included. */
  async goOn(until: number): Promise<void> {
    const isExact = this.#isTwin || this.#dice.chance(0.7);
    while (this.#journal < until) {
      const lag = this.#clock.now - this.#journal;
      const due = isExact ? (this.#life?.notifying.nextDue() ?? Infinity) : Infinity;
      const journalDue = due > this.#journal ? due : Infinity;
      if (this.#isCatchingUp && lag > 0) {
        this.#journal = Math.min(until, this.#journal + lag, journalDue);
      } else {
        const next = Math.min(until, journalDue, Math.max(this.#journal, this.#clock.nextDue - lag));
        this.#journal = next;
        this.#clock.now = next + lag;
        this.#clock.fire();
      }
      if (isExact && due <= this.#journal) this.#life?.notifying.wake();
      await this.#settle();
    }
    this.#life?.notifying.wake();
    await this.#settle();
  }

  async happen(event: Event): Promise<void> {
    if (event.kind === 'transition') {
      this.#transitions.push({ ...event.transition, sequence: this.#transitions.length + 1 });
      // Alerting may have come to more before it is heard of.
      if (this.#isTwin || this.#dice.chance(0.7)) this.#life?.notifying.wake();
    } else if (event.kind === 'operation') {
      await this.#operate(event);
    } else if (event.kind === 'channel') {
      this.#modes.set(event.address, event.mode);
    } else if (event.kind === 'lag') {
      this.#isCatchingUp = false;
      await this.#clockOn(event.byUs);
    } else if (event.kind === 'catch-up') {
      this.#isCatchingUp = true;
    } else if (event.kind === 'reload') {
      await this.#reload(event.config);
    } else if (event.kind === 'start') {
      if (this.#life === null) await this.start(this.#config);
    } else if (event.kind === 'kill' && !this.#isTwin) {
      if (event.moment === 'now') this.#kill();
      else this.#ambush = event.moment;
    }
    await this.#settle();
  }

  told(): Told {
    const { database, notifying } = this.#life ?? fail('it is down at the end');
    const all = (sql: string): Record<string, unknown>[] => database.raw.prepare(sql).all();
    const seen = all('SELECT * FROM seen ORDER BY n').map(
      ({ kind, ref, contact, at, body }): Seen => ({
        kind: kindOfSeen(String(kind)),
        ref: String(ref),
        contact: String(contact),
        at: Number(at),
        body: String(body),
      }),
    );
    const rows = all('SELECT number, id, contact, state, detail FROM notify_message ORDER BY number').map(
      ({ number, id, contact, state, detail }): Row => ({
        number: Number(number),
        id: String(id),
        contact: String(contact),
        state: String(state),
        detail: String(detail),
      }),
    );
    const left = Object.fromEntries(
      all('SELECT kind, count(*) AS n FROM notify_state GROUP BY kind').map(({ kind, n }) => [String(kind), Number(n)]),
    );
    const timelines = new Map(
      [...new Set(this.#transitions.map(({ alert }) => alert.id))].map((id) => [id, notifying.timeline(id)] as const),
    );
    return {
      script: this.#script,
      transitions: this.#transitions,
      seen,
      sent: this.#sent,
      rows,
      timeline: (alert) => timelines.get(alert) ?? [],
      left,
      kills: this.#kills,
    };
  }

  drop(): void {
    if (this.#life !== null) this.#end(this.#life);
    this.#life = null;
  }

  /** Everything that can happen without time going on happens. */
  async #settle(): Promise<void> {
    let quietTurns = 0;
    for (let turn = 0; quietTurns < 3; turn++) {
      if (turn > TURNS_MAX) throw new Error('it never comes to rest');
      const before = this.#activity + this.#clock.activity;
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#fault !== null) throw new Error('the service failed', { cause: this.#fault });
      if (this.#isKilled) {
        this.#kill();
        await this.start(this.#config);
      }
      quietTurns = this.#activity + this.#clock.activity === before ? quietTurns + 1 : 0;
    }
  }

  async #operate(event: Extract<Event, { kind: 'operation' }>): Promise<void> {
    if (this.#life === null) return;
    const done = this.#life.notifying.operations(0, 1_000_000).length;
    try {
      this.#life.notifying.operate(event.operation);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      await this.#settle();
      // Whoever did it saw it fail, looks whether it holds, and does it again.
      const { notifying } = this.#life;
      if (notifying.operations(0, 1_000_000).length === done) notifying.operate(event.operation);
    }
  }

  async #reload(config: number): Promise<void> {
    if (this.#life === null) return;
    // By the old one all that was due by now.
    this.#life.notifying.wake();
    await this.#settle();
    const life = this.#life;
    life.stopping.abort();
    let isStopped = false;
    void life.running.finally(() => {
      isStopped = true;
    });
    await this.#settle();
    const before = this.#clock.now;
    while (!isStopped && !life.isOver) await this.#clockOn(Math.max(1, this.#clock.nextDue - this.#clock.now));
    if (this.#clock.now > before) this.#isCatchingUp = true;
    // Killed while it stopped, it has come up again with the config of before.
    if (life.isOver) return this.#reload(config);
    this.#end(life);
    await this.start(config);
  }

  /** The clock goes on alone. */
  async #clockOn(byUs: number): Promise<void> {
    const until = this.#clock.now + byUs;
    while (this.#clock.now < until) {
      this.#clock.now = Math.min(until, Math.max(this.#clock.now, this.#clock.nextDue));
      this.#clock.fire();
      await this.#settle();
    }
  }

  #kill(): void {
    this.#isKilled = false;
    if (this.#life === null) return;
    this.#kills += 1;
    this.#end(this.#life);
    this.#life = null;
  }

  #end(life: Life): void {
    life.isOver = true;
    this.#clock.forget(life.number);
    life.database.close();
  }

  #open(life: number): Database {
    const database = openDatabase(this.#path);
    // What is committed is in the file for whoever opens it next, though not on the disk: no power is cut here.
    database.exec('PRAGMA synchronous = OFF');
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const { transaction } = database;
    return {
      ...database,
      transaction: <T>(body: () => T): T => {
        this.#activity += 1;
        const ambush = life === this.#life?.number ? this.#ambush : null;
        if (ambush === null) return transaction(body);
        this.#ambush = null;
        this.#isKilled = true;
        transaction(() => {
          body();
          if (ambush === 'before-commit') throw new Killed();
        });
        throw new Killed();
      },
    };
  }

  #source(): TransitionSource {
    return {
      after: (sequence, limit) => this.#transitions.slice(sequence, sequence + limit),
      latest: () => this.#transitions.length,
    };
  }

  #notifiers(life: number): Map<ChannelKind, Notifier> {
    const notifier: Notifier = {
      send: (message, signal) => this.#send(message, { life, signal }),
      close: () => Promise.resolve(),
    };
    return new Map([
      ['email', notifier],
      ['mqtt', notifier],
    ]);
  }

  async #send(message: OutgoingMessage, { life, signal }: { life: number; signal: AbortSignal }): Promise<DeliveryOutcome> {
    this.#activity += 1;
    const { address } = message.channel;
    const isCurrent = (): boolean => this.#life?.number === life;
    let mode = this.#modes.get(address) ?? 'works';
    if (mode !== 'works' && this.#dice.chance(0.15)) mode = 'works';
    if (mode === 'slow') {
      await this.#clock.of(life).sleep(this.#dice.pick([50, 500, 5000, 60_000]), signal);
      if (!isCurrent()) return new Promise(() => undefined);
      if (signal.aborted) return { outcome: 'retryable', detail: 'cut short' };
    }
    const isTaken = ['works', 'slow', 'mute', 'deadly'].includes(mode);
    const items = message.content.items.map(({ alert: { id, state, level }, transition }) => ({ alert: id, state, level, transition }));
    this.#sent.push({ at: this.#clock.now, life, id: message.id, contact: message.contact, address, isTaken, items });
    if (mode === 'deadly') {
      this.#isKilled = true;
      if (this.#dice.chance(0.7)) this.#modes.delete(address);
      return new Promise(() => undefined);
    }
    if (mode === 'refuses' || mode === 'locked-out') return { outcome: 'permanent', detail: 'no', isMendable: mode === 'locked-out' };
    if (mode === 'busy' || mode === 'mute') return { outcome: 'retryable', detail: mode === 'busy' ? 'not now' : 'no answer' };
    return { outcome: 'delivered', detail: 'taken' };
  }
}

function kindOfSeen(kind: string): Seen['kind'] {
  if (kind === 'note' || kind === 'message' || kind === 'operation' || kind === 'cursor' || kind === 'config') return kind;
  throw new Error(`nobody notes ${kind}`);
}

function fail(why: string): never {
  throw new Error(why);
}
