/** What every Notifier promises, held against real peers: outcomes, bounds, the same bytes for a repeat, and no secret in what it says. */
import { describe, expect, it } from 'vitest';
import type { DeliveryOutcome } from '../../../src/domain/notification.ts';
import type { Notifier, OutgoingMessage } from '../../../src/notify/channels/notifier.ts';

export interface Subject extends AsyncDisposable {
  readonly notifier: Notifier;
  readonly message: OutgoingMessage;
  /** What the peer has taken, as bytes of the message. */
  taken(): readonly string[];
  /** Connections that the peer sees open; 0 where there are none to see. */
  open(): number;
  /** What may stand in no detail. */
  readonly secrets: readonly string[];
}

export interface Contract<Behaviour extends string> {
  /** Its own waits are to be short: a stalled peer is to be given up within `STALLED_MAX_MS`. */
  start(behaviour: Behaviour): Promise<Subject>;
  readonly accept: Behaviour;
  readonly stall: Behaviour;
  readonly outcomes: readonly (readonly [behaviour: Behaviour, expected: Partial<DeliveryOutcome>])[];
}

const STALLED_MAX_MS = 3000;
const SOON_MS = 1000;
const never = new AbortController().signal;

async function soon(holds: () => boolean): Promise<void> {
  const until = performance.now() + SOON_MS;
  while (!holds() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(holds()).toBe(true);
}

async function timed<T>(work: Promise<T>): Promise<{ value: T; tookMs: number }> {
  const startMs = performance.now();
  const value = await work;
  return { value, tookMs: performance.now() - startMs };
}

export function notifierContract<Behaviour extends string>(name: string, contract: Contract<Behaviour>): void {
  const { start, accept, stall, outcomes } = contract;
  describe(`${name} as a notifier`, () => {
    it('delivers once, and the same bytes when asked again', async () => {
      await using subject = await start(accept);
      const first = await subject.notifier.send(subject.message, never);
      expect(first).toEqual({ outcome: 'delivered', detail: expect.stringMatching(/\S/) });
      expect(subject.taken()).toHaveLength(1);
      expect((await subject.notifier.send(structuredClone(subject.message), never)).outcome).toBe('delivered');
      const [one, two, ...others] = subject.taken();
      expect(others).toEqual([]);
      expect(one).not.toBe('');
      expect(two).toBe(one);
      await subject.notifier.close();
      await soon(() => subject.open() === 0);
    });

    it('gives up a peer that stalls, within its bound, and holds nothing open', async () => {
      await using subject = await start(stall);
      const { value, tookMs } = await timed(subject.notifier.send(subject.message, never));
      expect(value.outcome).toBe('retryable');
      expect(tookMs).toBeLessThan(STALLED_MAX_MS);
      await subject.notifier.close();
      await soon(() => subject.open() === 0);
    });

    it('stops soon after the signal, or before it began', async () => {
      await using subject = await start(stall);
      const stopping = new AbortController();
      const sending = subject.notifier.send(subject.message, stopping.signal);
      setTimeout(() => stopping.abort(), 50);
      const { value, tookMs } = await timed(sending);
      expect(value.outcome).toBe('retryable');
      expect(tookMs).toBeLessThan(50 + SOON_MS / 4);
      const again = await timed(subject.notifier.send(subject.message, stopping.signal));
      expect(again.value.outcome).toBe('retryable');
      expect(again.tookMs).toBeLessThan(SOON_MS / 4);
      await subject.notifier.close();
    });

    it('ends what is under way when it is closed', async () => {
      await using subject = await start(stall);
      const sending = timed(subject.notifier.send(subject.message, never));
      await new Promise((resolve) => setTimeout(resolve, 50));
      await subject.notifier.close();
      const { value, tookMs } = await sending;
      expect(value.outcome).toBe('retryable');
      expect(tookMs).toBeLessThan(STALLED_MAX_MS);
      await soon(() => subject.open() === 0);
    });

    it.each(outcomes)('says what became of: %s', async (behaviour, expected) => {
      await using subject = await start(behaviour);
      const { value, tookMs } = await timed(subject.notifier.send(subject.message, never));
      expect(value).toMatchObject(expected);
      expect(tookMs).toBeLessThan(STALLED_MAX_MS);
      expect(value.detail).toMatch(/\S/);
      expect(value.detail).not.toMatch(/[\n\r]/);
      expect(value.detail.length).toBeLessThan(700);
      for (const secret of subject.secrets) expect(value.detail.toLowerCase()).not.toContain(secret.toLowerCase());
      await subject.notifier.close();
      await soon(() => subject.open() === 0);
    });
  });
}
