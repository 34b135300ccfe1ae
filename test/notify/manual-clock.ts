/** Time that goes on only when a test says so. */
import type { Clock } from '../../src/std/clock.ts';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  readonly #startUs: number;
  #passedMs = 0;
  #timers: Timer[] = [];

  constructor(startUs: number) {
    this.#startUs = startUs;
  }

  now = (): number => this.#startUs + this.#passedMs * 1000;
  monotonicMs = (): number => this.#passedMs;

  after = (delayMs: number, callback: () => void): (() => void) => {
    const timer = { dueMs: this.#passedMs + Math.max(0, delayMs), callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  sleep = (delayMs: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const cancel = this.after(delayMs, resolve);
      signal?.addEventListener('abort', () => {
        cancel();
        resolve();
      });
    });

  /** Timers that are set now. */
  get timerCount(): number {
    return this.#timers.length;
  }

  /** What is due by then is called, in order, and what follows from it has a turn of the event loop in between. */
  async pass(delayMs: number): Promise<void> {
    const endMs = this.#passedMs + delayMs;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#timers.filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#passedMs = Math.max(this.#passedMs, next.dueMs);
      next.callback();
    }
    this.#passedMs = endMs;
  }
}
