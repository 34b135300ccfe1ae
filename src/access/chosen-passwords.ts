/**
 * Checks of chosen passwords, one after the other on a thread of their own. At most `WAITING_MAX` wait, each at most `WAIT_MS`; one
 * whose client has gone is not computed. What was right once is recognised from then on by a hash under a key that only this
 * process has: a fleet that comes back all at once is let in at once.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../std/clock.ts';
import { messageOf, Unavailable } from '../std/errors.ts';
import { connect, type Remote } from '../std/rpc.ts';

export type CheckingMethods = { firstMatch(password: Uint8Array, candidates: readonly string[]): number };

export interface Check {
  readonly password: Uint8Array;
  /** As stored. */
  readonly candidates: readonly string[];
  /** True: nobody waits for the answer any more. */
  readonly isGone: () => boolean;
}

export const WAITING_MAX = 200;
const WAIT_MS = 4000;
const IDLE_MS = 30_000;
const RECOGNISED_MAX = 20_000;

interface Waiting extends Check {
  readonly done: (outcome: number | Error) => void;
}

export class ChosenPasswords implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #key = randomBytes(32);
  /** Stored password → what was right for it. */
  readonly #recognised = new Map<string, string>();
  readonly #waiting = new Set<Waiting>();
  #running: { readonly worker: Worker; readonly remote: Remote<CheckingMethods> } | null = null;
  #isBusy = false;
  #cancelEnd: () => void = () => undefined;
  #hasEnded = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Which candidate it is, or null. Rejects with Unavailable when it cannot be told in time. */
  async match(check: Check): Promise<string | null> {
    const { password, candidates } = check;
    const recognised = candidates.find((stored) => this.#recognised.get(stored) === this.#keyed(password));
    if (recognised !== undefined) return recognised;
    const found = candidates[await this.#inTurn(check)] ?? null;
    if (found !== null) {
      const [oldest] = this.#recognised.keys();
      if (this.#recognised.size >= RECOGNISED_MAX && oldest !== undefined) this.#recognised.delete(oldest);
      this.#recognised.set(found, this.#keyed(password));
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hasEnded = true;
    this.#cancelEnd();
    await this.#end();
  }

  /** The next check starts another one. */
  async #end(): Promise<void> {
    const ending = this.#running;
    this.#running = null;
    await ending?.worker.terminate();
  }

  #keyed(password: Uint8Array): string {
    return createHmac('sha256', this.#key).update(password).digest('base64');
  }

  #inTurn(check: Check): Promise<number> {
    if (this.#hasEnded || this.#waiting.size >= WAITING_MAX)
      return Promise.reject(new Unavailable('too many passwords wait to be checked'));
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(WAIT_MS, () => waiting.done(new Unavailable('the password could not be checked in time')));
      const waiting: Waiting = {
        ...check,
        done: (outcome) => {
          cancel();
          this.#waiting.delete(waiting);
          if (typeof outcome === 'number') resolve(outcome);
          else reject(outcome);
        },
      };
      this.#waiting.add(waiting);
      void this.#work();
    });
  }

  async #work(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#cancelEnd();
    for (let next = first(this.#waiting); next !== undefined; next = first(this.#waiting)) {
      this.#waiting.delete(next);
      if (next.isGone()) next.done(new Unavailable('the client has gone'));
      else next.done(await this.#compute(next));
    }
    this.#isBusy = false;
    this.#cancelEnd = this.#clock.after(IDLE_MS, () => void this.#end());
  }

  async #compute({ password, candidates }: Waiting): Promise<number | Error> {
    try {
      this.#running ??= this.#start();
      return await this.#running.remote.firstMatch(password, candidates);
    } catch (error) {
      return new Unavailable(`passwords cannot be checked: ${messageOf(error)}`);
    }
  }

  #start(): { worker: Worker; remote: Remote<CheckingMethods> } {
    const worker = new Worker(new URL('./checking-thread.ts', import.meta.url), { name: 'passwords' });
    const { remote, disconnect } = connect<CheckingMethods>(worker, {});
    const ended = (reason: string): void => {
      if (this.#running?.worker === worker) this.#running = null;
      disconnect(new Unavailable(`the thread that checks them ended: ${reason}`));
    };
    worker.once('error', (error) => ended(messageOf(error)));
    worker.once('exit', (code) => ended(`exit code ${code}`));
    return { worker, remote };
  }
}

const first = <T>(set: ReadonlySet<T>): T | undefined => set.values().next().value;
