/**
 * Reads the configuration in a thread of its own: a large fleet takes seconds to parse and check, and meanwhile sockets are
 * to be served. The thread is started when it is needed, and ends with its memory when nothing was read for a while.
 */
import { Worker } from 'node:worker_threads';
import type { Loaded } from '../cli/load.ts';
import type { ConfigSource } from '../config.ts';
import type { Clock } from '../std/clock.ts';
import { InvalidConfig, messageOf, TocsinError } from '../std/errors.ts';
import { connect, type Remote } from '../std/rpc.ts';

/** An error of ours between threads. */
interface ErrorData {
  readonly message: string;
  readonly place?: string;
  readonly hint?: string;
}

export type Answer =
  | { readonly loaded: Omit<Loaded, 'warnings'>; readonly warnings: readonly ErrorData[] }
  | { readonly problems: readonly ErrorData[] };

export type LoadingMethods = { load(source: ConfigSource): Promise<Answer> };

export function asData({ message, place, hint }: TocsinError): ErrorData {
  return { message, ...(place !== undefined && { place }), ...(hint !== undefined && { hint }) };
}

const asError = ({ message, ...more }: ErrorData): TocsinError => new TocsinError(message, more);

const IDLE_MS = 10_000;

export class LoadingThread implements AsyncDisposable {
  readonly #source: ConfigSource;
  readonly #clock: Clock;
  #running: { readonly worker: Worker; readonly remote: Remote<LoadingMethods> } | null = null;
  #cancelEnd: () => void = () => undefined;

  constructor(source: ConfigSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** One at a time. @throws InvalidConfig with every problem of every file */
  async load(): Promise<Loaded> {
    this.#cancelEnd();
    this.#running ??= this.#start();
    const { path, set, env } = this.#source;
    try {
      const answer = await this.#running.remote.load({ path, set, env: { ...env } });
      if ('problems' in answer) throw new InvalidConfig(answer.problems.map(asError));
      return { ...answer.loaded, warnings: answer.warnings.map(asError) };
    } finally {
      this.#cancelEnd = this.#clock.after(IDLE_MS, () => void this[Symbol.asyncDispose]());
    }
  }

  #start(): { worker: Worker; remote: Remote<LoadingMethods> } {
    const worker = new Worker(new URL('./loading.ts', import.meta.url), { name: 'loading' });
    const { remote, disconnect } = connect<LoadingMethods>(worker, {});
    const ended = (reason: string): void => {
      if (this.#running?.worker === worker) this.#running = null;
      disconnect(new TocsinError(`the thread that reads the configuration ended: ${reason}`));
    };
    worker.once('error', (error) => ended(messageOf(error)));
    worker.once('exit', (code) => ended(`exit code ${code}`));
    return { worker, remote };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelEnd();
    await this.#running?.worker.terminate();
  }
}
