/**
 * The heartbeat: tells somebody outside, again and again, that Tocsin lives, and only while its canary passes. When Tocsin
 * is gone, or runs and evaluates nothing, the heartbeat stays away, and whoever expects it raises the alarm.
 *
 * One that failed is tried again with a growing wait, and what does not work is logged when it begins and when it ends.
 */
import { Counter, type Registry } from 'prom-client';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';
import type { Service } from '../std/service.ts';

const OUTCOMES = ['sent', 'failed', 'withheld'] as const;
type Outcome = (typeof OUTCOMES)[number];

export interface HeartbeatOptions {
  readonly everyMs: number;
  /** Where it goes, as it may be logged. */
  readonly to: string;
  /** Resolves with null when it was taken, else with why not. */
  readonly send: (signal: AbortSignal) => Promise<string | null>;
  readonly isPassing: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

const RETRY = { firstMs: 5000, maxMs: 300_000 };
const SEND_WAIT_MS = 60_000;
/** The first canary has just been let go when this is asked for the first time. */
const FIRST_LOOK_MS = 500;

export class Heartbeat implements Service {
  readonly id = 'heartbeat';
  readonly #options: HeartbeatOptions;
  readonly #sent: Counter<'outcome'>;
  #last: Outcome = 'sent';
  #failures = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#sent = new Counter({
      name: 'tocsin_heartbeats_total',
      help: 'Heartbeats that were due: sent, failed, or withheld because Tocsin’s own readings were not evaluated',
      labelNames: ['outcome'],
      registers: [options.registry],
    });
    for (const outcome of OUTCOMES) this.#sent.inc({ outcome }, 0);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, isPassing, everyMs } = this.#options;
    for (let looks = 0; looks < everyMs / FIRST_LOOK_MS && !isPassing() && !signal.aborted; looks++)
      await clock.sleep(FIRST_LOOK_MS, signal);
    while (!signal.aborted) {
      const waitMs = await this.#beat(signal);
      await clock.sleep(waitMs, signal);
    }
  }

  /** @returns after how long the next one is due */
  async #beat(signal: AbortSignal): Promise<number> {
    const { everyMs, isPassing, to, logger } = this.#options;
    if (!isPassing()) {
      this.#failures = 0;
      this.#sent.inc({ outcome: 'withheld' });
      if (this.#last !== 'withheld')
        logger.error({ to }, 'heartbeat SENT => WITHHELD: what Tocsin receives is not evaluated and told in time');
      this.#last = 'withheld';
      return Math.min(everyMs, RETRY.firstMs);
    }
    const problem = await this.#send(signal);
    if (signal.aborted) return 0;
    const outcome = problem === null ? 'sent' : 'failed';
    this.#sent.inc({ outcome });
    if (outcome !== this.#last) {
      if (outcome === 'sent') logger.info({ to }, `heartbeat ${this.#last.toUpperCase()} => SENT`);
      else logger.error({ to, reason: problem }, `heartbeat ${this.#last.toUpperCase()} => FAILED: whoever expects it will raise an alarm`);
    }
    this.#last = outcome;
    this.#failures = outcome === 'sent' ? 0 : this.#failures + 1;
    return outcome === 'sent' ? everyMs : Math.min(everyMs, backoffMs(this.#failures, RETRY));
  }

  /** No longer than its time limit, and not beyond the signal: a stop waits for nobody outside. */
  async #send(signal: AbortSignal): Promise<string | null> {
    const { send, clock } = this.#options;
    const late = new AbortController();
    const cancel = clock.after(SEND_WAIT_MS, () => late.abort());
    const either = AbortSignal.any([signal, late.signal]);
    const ended = new Promise<string>((resolve) => {
      either.addEventListener('abort', () => resolve(`no answer within ${SEND_WAIT_MS} ms`), { once: true });
    });
    try {
      return await Promise.race([send(either), ended]);
    } finally {
      cancel();
    }
  }
}
