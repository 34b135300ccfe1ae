/**
 * Tocsin watching itself: every `everyMs` a reading of itself goes the way of a device's readings, into the journal, through
 * the rules and into history. It carries what is observed at that moment, and by being on its way it measures the way.
 *
 * What is asked of other threads is waited for a bounded time only, and asked once at a time: a reading goes out without
 * the answer of a thread that hangs, which is when it matters most.
 */
import { statfs } from 'node:fs/promises';
import { Gauge, type Registry } from 'prom-client';
import type { Journal, Position } from '../journal/journal.ts';
import type { Clock } from '../std/clock.ts';
import { messageOf } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';
import { Canary, type Stage } from './canary.ts';
import { type ChannelReport, Observing } from './observing.ts';
import type { SelfValues } from './self-profile.ts';

/** How far the decisions have come. */
export interface Progress {
  /** Sequence of the latest transition that alerting has committed. */
  readonly transitions: number;
  /** Of the latest one that notifying has worked through. */
  readonly followedTo: number;
}

export interface WatchingOptions {
  /** null: off, until `useEvery` says otherwise. */
  readonly everyMs: number | null;
  /** Takes a reading of Tocsin's own device in; resolves when it is durable. */
  readonly post: (values: SelfValues) => Promise<void>;
  readonly journal: Pick<Journal, 'range' | 'stats'>;
  /** The journal's folder and bounds. */
  readonly disk: { readonly folder: string; readonly bytesMax: number; readonly reserveBytes: number };
  readonly progress: () => Promise<Progress>;
  readonly channels: () => Promise<ChannelReport>;
  /** Why the series store is not written to, or null. */
  readonly historyTrouble: () => Promise<string | null>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

const ANSWER_WAIT_MS = 2000;
/** The ingest gives up earlier by itself. */
const POST_WAIT_MS = 30_000;
/** How often the canary is looked for: soon at first, so that a fast way is measured finely, then ever more rarely. */
const LOOK = { firstMs: 5, maxMs: 1000, growth: 1.3 };
/** With self off there is nothing to do but wait for another word. */
const OFF_WAIT_MS = 60_000;
/** A canary counts as passing while the latest that was evaluated is no older than so many intervals. */
const PASSING_INTERVALS = 3;
const STAGES: readonly Stage[] = ['evaluated', 'stored'];

export class Watching implements Service {
  readonly id = 'self';
  readonly #options: WatchingOptions;
  readonly #canary = new Canary();
  readonly #observing = new Observing();
  readonly #progress: Question<Progress>;
  readonly #channels: Question<ChannelReport>;
  readonly #historyTrouble: Question<string | null>;
  readonly #freeBytes: Question<number>;
  #everyMs: number | null;
  /** Cuts the wait for the next reading short. */
  #changed = new AbortController();
  /** Alerting was at `position` when its transitions went up to `transitions`: notifying has yet to follow. */
  #following: { readonly position: Position; readonly transitions: number } | null = null;
  #isRefused = false;

  constructor(options: WatchingOptions) {
    const { clock, disk, registry } = options;
    this.#options = options;
    this.#everyMs = options.everyMs;
    this.#progress = new Question(options.progress, clock);
    this.#channels = new Question(options.channels, clock);
    this.#historyTrouble = new Question(options.historyTrouble, clock);
    this.#freeBytes = new Question(async () => {
      const { bavail, bsize } = await statfs(disk.folder);
      return bavail * bsize;
    }, clock);
    const canary = this.#canary;
    new Gauge({
      name: 'tocsin_canary_seconds',
      help: 'How long Tocsin’s own latest reading took, or is on its way, until it was evaluated and stored',
      labelNames: ['stage'],
      registers: [registry],
      collect() {
        for (const stage of STAGES) {
          const tookMs = canary.tookMs(stage, clock.monotonicMs());
          if (tookMs !== null) this.set({ stage }, tookMs / 1000);
        }
      },
    });
  }

  /** From the next reading on. */
  useEvery(everyMs: number | null): void {
    if (everyMs === this.#everyMs) return;
    this.#everyMs = everyMs;
    this.#changed.abort();
  }

  /** Whether what is received is evaluated and told at present, as far as the canary shows. */
  isPassing(): boolean {
    const passedMs = this.#canary.passedMs('evaluated');
    if (this.#everyMs === null || passedMs === null) return false;
    return this.#options.clock.monotonicMs() - passedMs <= PASSING_INTERVALS * this.#everyMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const everyMs = this.#everyMs;
      const dueMs = clock.monotonicMs() + (everyMs ?? OFF_WAIT_MS);
      this.#changed = new AbortController();
      const waiting = AbortSignal.any([signal, this.#changed.signal]);
      if (everyMs !== null) {
        await this.#read(waiting);
        await this.#look(dueMs, waiting);
      }
      await clock.sleep(dueMs - clock.monotonicMs(), waiting);
    }
  }

  /** One reading: observed, and posted. */
  async #read(signal: AbortSignal): Promise<void> {
    const { clock, journal, disk, post, logger } = this.#options;
    const [channels, historyTrouble, freeBytes] = await Promise.all([
      this.#channels.answer(),
      this.#historyTrouble.answer(),
      this.#freeBytes.answer(),
    ]);
    const nowMs = clock.monotonicMs();
    const canary = this.#canary;
    const values = this.#observing.valuesOf({
      nowMs,
      now: clock.now(),
      range: journal.range(0),
      stats: journal.stats(),
      disk: { ...disk, freeBytes: freeBytes ?? null },
      historyTrouble,
      channels,
      canary: {
        evaluatedMs: canary.tookMs('evaluated', nowMs),
        storedMs: canary.tookMs('stored', nowMs),
        unstoredMs: canary.waitedMs('stored', nowMs),
      },
    });
    try {
      const isDurable = await this.#within(POST_WAIT_MS, post(values), signal);
      if (!isDurable) return;
      canary.posted(journal.range(0).head, nowMs);
      if (this.#isRefused) logger.info('Tocsin’s own readings are taken again');
      this.#isRefused = false;
    } catch (error) {
      if (!this.#isRefused) logger.error({ error: messageOf(error) }, 'Tocsin’s own readings are not taken: it cannot watch itself');
      this.#isRefused = true;
    }
  }

  /** False when the signal aborts first: a stop does not wait for a disk that hangs. */
  async #within(waitMs: number, posted: Promise<void>, signal: AbortSignal): Promise<boolean> {
    const ended = new AbortController();
    const late = this.#options.clock.sleep(waitMs, AbortSignal.any([signal, ended.signal])).then(() => false);
    try {
      return await Promise.race([posted.then(() => true), late]);
    } finally {
      ended.abort();
    }
  }

  /** Looks where the canary is, until it has arrived everywhere or the next one is due. */
  async #look(dueMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let waitMs = LOOK.firstMs;
    while (!signal.aborted) {
      await this.#lookOnce();
      const hasArrived = this.#canary.next('evaluated') === null && (this.#canary.next('stored') === null || !this.#hasHistory());
      const restMs = dueMs - clock.monotonicMs();
      if (hasArrived || restMs <= 0) return;
      await clock.sleep(Math.min(waitMs, restMs), signal);
      waitMs = Math.min(waitMs * LOOK.growth, LOOK.maxMs);
    }
  }

  async #lookOnce(): Promise<void> {
    const { clock, journal } = this.#options;
    const { consumers } = journal.stats();
    const history = consumers.find(({ id }) => id === 'history');
    if (history !== undefined) this.#canary.reached('stored', history.released, clock.monotonicMs());
    // A consumer's position moves with its next read: it has then worked through and committed everything before it.
    const alerting = consumers.find(({ id }) => id === 'alerting');
    const next = this.#canary.next('evaluated');
    if (next === null || alerting === undefined || alerting.position < next) return;
    const progress = await this.#progress.answer();
    if (progress === undefined) return;
    this.#following ??= { position: alerting.position, transitions: progress.transitions };
    if (progress.followedTo < this.#following.transitions) return;
    this.#canary.reached('evaluated', this.#following.position, clock.monotonicMs());
    this.#following = null;
  }

  #hasHistory(): boolean {
    return this.#options.journal.stats().consumers.some(({ id }) => id === 'history');
  }
}

/** Asked of somebody who may be busy, gone or stuck. Until there is an answer it is not asked again. */
class Question<T> {
  readonly #ask: () => Promise<T>;
  readonly #clock: Clock;
  #asked: Promise<T | undefined> | null = null;

  constructor(ask: () => Promise<T>, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Undefined: there was none in time, or it failed. */
  async answer(): Promise<T | undefined> {
    this.#asked ??= this.#ask()
      // Why a thread does not answer is logged where it is looked after.
      .catch(() => undefined)
      .finally(() => {
        this.#asked = null;
      });
    const ended = new AbortController();
    try {
      return await Promise.race([this.#asked, this.#clock.sleep(ANSWER_WAIT_MS, ended.signal).then(() => undefined)]);
    } finally {
      ended.abort();
    }
  }
}
