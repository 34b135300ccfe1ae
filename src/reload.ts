/**
 * A changed configuration is applied while everything runs. It is read whole, by what `check` and the start read it by: with
 * one problem nothing is applied, and what was in force runs on. Rules, profiles, fleet, notify and credentials are applied; another
 * key of tocsin.yaml is named as one that takes a restart.
 *
 * First the decisions take it up, then the decoder: what is in the journal by then was decoded by the old profiles and is
 * decided by the new rules, as after a restart. Reloads come one after another, and at most one waits: whoever asks while
 * one waits is answered with that one, which will read what is there by then.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Loaded } from './cli/load.ts';
import { renderChange } from './config/change.ts';
import { keysThatNeedRestart } from './config/changed-keys.ts';
import { type Described, type Diff, describeConfiguration, diff } from './config/diff.ts';
import { type Watched, watchConfiguration } from './config/watch.ts';
import type { Config } from './config.ts';
import type { Clock } from './std/clock.ts';
import { InvalidConfig, messageOf, type TocsinError } from './std/errors.ts';
import type { Logger } from './std/logger.ts';

export interface Reloaded extends Diff {
  /** Keys of tocsin.yaml that differ from those in force, and stay without effect until a restart. */
  readonly needsRestart: readonly string[];
  readonly warnings: readonly Remark[];
}

export interface Remark {
  readonly place: string | null;
  readonly message: string;
  readonly hint: string | null;
}

export interface ReloaderOptions {
  /** What is in force. */
  readonly loaded: Loaded;
  /** Reads the files. @throws InvalidConfig */
  readonly load: () => Promise<Loaded>;
  /** Puts into force; when it rejects, nothing has changed. */
  readonly apply: (loaded: Loaded) => Promise<void>;
  /** Who may connect, and certificates: called after each reading, as no pause comes of it and files of their own may have changed. */
  readonly admit: (loaded: Loaded) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LINES_LOGGED_MAX = 50;
const RETRY_MS = 5000;

export class Reloader {
  readonly #options: ReloaderOptions;
  /** What the program was started with: keys that take a restart are compared with it. */
  readonly #config: Config;
  #current: Loaded;
  #fingerprint: string;
  #running: Promise<unknown> | null = null;
  #next: Promise<Reloaded> | null = null;
  #endWatch: () => void = () => undefined;
  #cancelRetry: () => void = () => undefined;
  #hasEnded = false;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#config = options.loaded.config;
    this.#current = options.loaded;
    this.#fingerprint = fingerprintOf(options.loaded);
    this.#watch(options.loaded.config);
  }

  /** What is in force. */
  get current(): Loaded {
    return this.#current;
  }

  described(): Described {
    return describeConfiguration(this.#current);
  }

  /** Rejects with InvalidConfig when there are problems; they are logged as well. */
  reload(reason: string): Promise<Reloaded> {
    if (this.#next !== null) return this.#next;
    if (this.#running === null) return this.#start(reason);
    this.#next = this.#running.then(() => {
      this.#next = null;
      return this.#start(reason);
    });
    return this.#next;
  }

  /**
   * For those who do not wait for an answer, a signal or a changed file: what became of it is in the log. What cannot be
   * done at the moment, as the decisions are just being started again, is tried again.
   */
  request(reason: string): void {
    this.#cancelRetry();
    this.reload(reason).catch((error: unknown) => {
      if (error instanceof InvalidConfig || this.#hasEnded) return;
      this.#cancelRetry();
      this.#cancelRetry = this.#options.clock.after(RETRY_MS, () => this.request(reason));
    });
  }

  end(): void {
    this.#hasEnded = true;
    this.#cancelRetry();
    this.#endWatch();
  }

  #start(reason: string): Promise<Reloaded> {
    const running = this.#reload(reason);
    const settled = running.then(
      () => undefined,
      () => undefined,
    );
    this.#running = settled;
    void settled.then(() => {
      if (this.#running === settled) this.#running = null;
    });
    return running;
  }

  async #reload(reason: string): Promise<Reloaded> {
    const { load, apply, admit } = this.#options;
    const before = this.#current;
    // Anew each time, as a folder may have come or been exchanged; and first, so that no change goes by between reading and watching.
    this.#watch(before.config);
    try {
      const loaded = await load();
      const fingerprint = fingerprintOf(loaded);
      const isSame = fingerprint === this.#fingerprint;
      const differences = isSame && isDeepStrictEqual(accessOf(before), accessOf(loaded)) ? NO_DIFFERENCE : differencesOf(before, loaded);
      // A pause, however short, is not made for nothing.
      if (!isSame) await apply(loaded);
      admit(loaded);
      this.#current = loaded;
      this.#fingerprint = fingerprint;
      const result = {
        ...differences,
        needsRestart: keysThatNeedRestart(this.#config, loaded.config),
        warnings: loaded.warnings.map(remarkOf),
      };
      this.#tell(result, reason);
      if (!isDeepStrictEqual(watchedOf(before.config), watchedOf(loaded.config))) this.#watch(loaded.config);
      return result;
    } catch (error) {
      this.#tellRefusal(error, reason);
      throw error;
    }
  }

  #tell({ changes, more, needsRestart, warnings }: Reloaded, reason: string): void {
    const { logger } = this.#options;
    for (const change of changes.slice(0, LINES_LOGGED_MAX)) logger.info({ resets: change.resets }, renderChange(change));
    const count = changes.length + more;
    if (count > LINES_LOGGED_MAX) logger.info({ count: count - LINES_LOGGED_MAX }, 'further changes');
    for (const { place, hint, message } of warnings.slice(0, LINES_LOGGED_MAX)) logger.warn({ place, hint }, message);
    if (needsRestart.length > 0) logger.warn({ keys: needsRestart }, `needs a restart: ${needsRestart.join(', ')}`);
    logger.info({ reason, changes: count }, count === 0 ? 'configuration read again: nothing has changed' : 'configuration applied');
  }

  #tellRefusal(error: unknown, reason: string): void {
    const { logger } = this.#options;
    const problems = error instanceof InvalidConfig ? error.problems : [];
    for (const { place, hint, message } of problems.slice(0, LINES_LOGGED_MAX)) logger.error({ place, hint }, message);
    const fields = problems.length > 0 ? { problems: problems.length } : { error: messageOf(error) };
    logger.error({ reason, ...fields }, 'the changed configuration is not applied: the one before runs on');
  }

  #watch(config: Config): void {
    this.#endWatch();
    this.#endWatch = () => undefined;
    if (!config.watch || this.#hasEnded) return;
    const { clock, logger } = this.#options;
    this.#endWatch = watchConfiguration(watchedOf(config), { clock, logger, onChange: () => this.request('a file has changed') });
  }
}

const NO_DIFFERENCE: Diff = { changes: [], more: 0 };

function differencesOf(before: Loaded, loaded: Loaded): Diff {
  const described = describeConfiguration(before);
  return diff(described, describeConfiguration(loaded, described.notify.salt));
}

const accessOf = ({ config, credentials }: Loaded) => ({ anonymous: config.mqtt.anonymous, credentials });

const fingerprintOf = ({ rules, directory, notify }: Loaded): string =>
  createHash('sha256').update(JSON.stringify({ rules, directory, notify })).digest('hex');

const watchedOf = ({ path, devices, rules, notify, credentials, watch }: Config): Watched & { watch: boolean } => ({
  config: path,
  devices,
  rules,
  notify,
  credentials,
  watch,
});

function remarkOf({ place, message, hint }: TocsinError): Remark {
  return { place: place ?? null, message, hint: hint ?? null };
}
