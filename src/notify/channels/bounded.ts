/** Waiting for somebody else's code, which may never answer: bounded, and over soon after the signal aborts. */
import type { Clock } from '../../std/clock.ts';

export type Waited<T> = { readonly came: true; readonly value: T } | { readonly came: false; readonly why: 'late' | 'stopped' };

/** Rejects when the work does. Work that is not waited for any longer may still go on; what it comes to is heard by nobody. */
export function waitAtMost<T>(
  work: Promise<T>,
  { timeoutMs, clock, signal }: { timeoutMs: number; clock: Clock; signal: AbortSignal },
): Promise<Waited<T>> {
  return new Promise((resolve, reject) => {
    const finish = (result: () => void): void => {
      cancel();
      signal.removeEventListener('abort', stopped);
      result();
    };
    const stopped = (): void => finish(() => resolve({ came: false, why: 'stopped' }));
    const cancel = clock.after(timeoutMs, () => finish(() => resolve({ came: false, why: 'late' })));
    signal.addEventListener('abort', stopped, { once: true });
    work.then(
      (value) => finish(() => resolve({ came: true, value })),
      (error: unknown) => finish(() => reject(error)),
    );
    if (signal.aborted) stopped();
  });
}
