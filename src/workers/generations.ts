/**
 * Alerting and notifying over one configuration are a generation; a reload exchanges it for another, on the same open
 * database and in the same thread.
 *
 * What a restart does, a reload does: notifying lets finish what is being sent and commits it, alerting works on meanwhile
 * and then writes its last snapshot; the new ones begin from what is stored. So neither loses or repeats anything, for the
 * reasons for which a restart does not. The new configuration is made ready before anything stops: one that does not hold
 * changes nothing. Questions are answered by the old generation until the new one is there.
 */
import type { createAlerting } from '../alerts/alerting.ts';
import type { DeviceDirectory } from '../domain/device.ts';
import type { Rule } from '../domain/rule.ts';
import type { Position } from '../journal/journal.ts';
import type { NotifyConfig } from '../notify/notify-config.ts';
import type { createNotifying } from '../notify/notifying.ts';
import { type CompiledRule, compileRules } from '../rules/compile.ts';
import { InvalidConfig, Unavailable } from '../std/errors.ts';
import type { Service } from '../std/service.ts';

/** What a reload applies: plain data. */
export interface Configuration {
  readonly rules: readonly Rule[];
  readonly directory: DeviceDirectory;
  readonly notify: NotifyConfig;
}

/** A configuration ready to run. */
export interface Prepared extends Configuration {
  readonly compiled: readonly CompiledRule[];
}

export interface Generation {
  readonly rules: readonly Rule[];
  readonly alerting: ReturnType<typeof createAlerting>;
  readonly notifying: ReturnType<typeof createNotifying>;
}

/** What the journal holds. */
export interface Range {
  readonly first: Position;
  readonly head: Position;
}

interface Waiting {
  readonly prepared: Prepared;
  readonly done: PromiseWithResolvers<void>;
}

export class Generations implements Service {
  readonly id = 'decisions';
  readonly #make: (prepared: Prepared, range: Range) => Generation;
  readonly #range: () => Promise<Range>;
  #current: Generation | null;
  #waiting: Waiting | null = null;
  #called = Promise.withResolvers<void>();

  /** @param options.range is asked for at each exchange: it moves on */
  constructor(options: {
    first: { prepared: Prepared; range: Range };
    make: (prepared: Prepared, range: Range) => Generation;
    range: () => Promise<Range>;
  }) {
    this.#make = options.make;
    this.#range = options.range;
    this.#current = options.make(options.first.prepared, options.first.range);
  }

  /** Who answers at present. */
  get current(): Generation {
    if (this.#current === null) throw new Unavailable('decisions is being started again');
    return this.#current;
  }

  /** Resolves when the new configuration is in force; rejects with InvalidConfig, and then nothing has changed. One at a time. */
  reload(configuration: Configuration): Promise<void> {
    if (this.#waiting !== null) throw new Error('a reload was asked for while another one waits');
    this.#waiting = { prepared: prepare(configuration), done: Promise.withResolvers() };
    this.#called.resolve();
    return this.#waiting.done.promise;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#runOne(this.current, signal);
      const waiting = this.#waiting;
      if (signal.aborted || waiting === null) break;
      const range = await this.#range();
      // The old one is let go of first: a fleet's state is in memory once, not twice.
      this.#current = null;
      this.#current = this.#make(waiting.prepared, range);
      this.#waiting = null;
      this.#called = Promise.withResolvers();
      waiting.done.resolve();
    }
    this.#waiting?.done.reject(new Unavailable('Tocsin is being stopped'));
  }

  /** Until the signal aborts or a reload waits; then until both have stopped cleanly. Rejects with the fault of either. */
  async #runOne({ alerting, notifying }: Generation, signal: AbortSignal): Promise<void> {
    const alertingEnd = new AbortController();
    const notifyingEnd = new AbortController();
    const stop = (): void => {
      notifyingEnd.abort();
      alertingEnd.abort();
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      const running = [alerting.run(alertingEnd.signal), notifying.run(notifyingEnd.signal)] as const;
      const bothEnd = Promise.all(running);
      await Promise.race([bothEnd, this.#called.promise]);
      // A mail server that hangs holds notifying up for a few seconds: alerting need not wait for it.
      notifyingEnd.abort();
      await Promise.race([bothEnd, running[1]]);
      alertingEnd.abort();
      await bothEnd;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

/** @throws InvalidConfig */
export function prepare(configuration: Configuration): Prepared {
  const { compiled, problems } = compileRules(configuration.rules, configuration.directory);
  if (problems.length > 0) throw new InvalidConfig(problems);
  return { ...configuration, compiled };
}
