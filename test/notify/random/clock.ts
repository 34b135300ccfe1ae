/** Time that goes on when it is told to. Timers of one that was killed are never called. */
import type { Clock } from '../../../src/std/clock.ts';

interface Timer {
  readonly due: number;
  readonly number: number;
  readonly owner: number;
  readonly callback: () => void;
}

export class VirtualClock {
  /** µs. */
  now: number;
  /** Grows whenever anybody does anything with it. */
  activity = 0;
  #timers: Timer[] = [];
  #count = 0;

  constructor(now: number) {
    this.now = now;
  }

  /** As one life of the program sees it. */
  of(owner: number): Clock {
    const after = (delayMs: number, callback: () => void): (() => void) => {
      this.activity += 1;
      const timer = { due: this.now + Math.round(Math.max(0, delayMs) * 1000), number: this.#count++, owner, callback };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      };
    };
    return {
      now: () => this.now,
      monotonicMs: () => this.now / 1000,
      after,
      sleep: (delayMs, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted === true) {
            resolve();
            return;
          }
          const cancel = after(delayMs, resolve);
          signal?.addEventListener('abort', () => {
            cancel();
            resolve();
          });
        }),
    };
  }

  get nextDue(): number {
    return this.#timers.reduce((earliest, { due }) => Math.min(earliest, due), Number.POSITIVE_INFINITY);
  }

  /** Calls back what is due, in order. */
  fire(): void {
    for (;;) {
      const due = this.#timers.filter((timer) => timer.due <= this.now).sort((a, b) => a.due - b.due || a.number - b.number)[0];
      if (due === undefined) return;
      this.#timers = this.#timers.filter((other) => other !== due);
      due.callback();
    }
  }

  forget(owner: number): void {
    this.#timers = this.#timers.filter((timer) => timer.owner !== owner);
  }
}
