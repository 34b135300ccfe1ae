/**
 * What becomes of a message after an attempt. Pure.
 *
 *     delivered   done
 *     retryable   again after a backoff of 1 s to 5 min; after `fallbackAfter` on one channel, the contact's next one;
 *                 after `giveUpAfter` since it was decided on, given up
 *     permanent   the next channel at once; without one, given up, unless mending our own settings can still help
 */
import type { DeliveryOutcome } from '../domain/notification.ts';
import { backoffMs } from '../std/backoff.ts';

export interface DeliveryTiming {
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  readonly fallbackAfterMs: { readonly critical: number; readonly other: number };
  readonly giveUpAfterMs: number;
}

export const DELIVERY_TIMING: DeliveryTiming = {
  retryFirstMs: 1000,
  retryMaxMs: 5 * 60_000,
  fallbackAfterMs: { critical: 10 * 60_000, other: 60 * 60_000 },
  giveUpAfterMs: 24 * 60 * 60_000,
};

/** Times in µs. */
export interface Attempted {
  readonly createdAt: number;
  readonly channelSince: number;
  /** Attempts on this channel, the last one included. */
  readonly channelAttempts: number;
  readonly isUrgent: boolean;
  readonly hasNextChannel: boolean;
}

export type Settlement =
  | { readonly next: 'delivered' }
  | { readonly next: 'retry'; readonly at: number }
  | { readonly next: 'fallback'; readonly reason: string }
  | { readonly next: 'given-up'; readonly reason: string };

export function settle(
  outcome: DeliveryOutcome,
  attempted: Attempted,
  options: { now: number; timing: DeliveryTiming; random?: () => number },
): Settlement {
  const { now, timing } = options;
  if (outcome.outcome === 'delivered') return { next: 'delivered' };
  const isPermanent = outcome.outcome === 'permanent';
  if (isPermanent && attempted.hasNextChannel) return { next: 'fallback', reason: 'refused for good' };
  if (isPermanent && !outcome.isMendable) return { next: 'given-up', reason: 'refused for good, and the contact has no other channel' };

  const fallbackAt = attempted.channelSince + (attempted.isUrgent ? timing.fallbackAfterMs.critical : timing.fallbackAfterMs.other) * 1000;
  const giveUpAt = attempted.createdAt + timing.giveUpAfterMs * 1000;
  if (now >= giveUpAt) return { next: 'given-up', reason: 'not delivered in all the time it was tried' };
  if (attempted.hasNextChannel && now >= fallbackAt) return { next: 'fallback', reason: 'not delivered for too long' };
  // The other side may have said when.
  const askedMs = outcome.outcome === 'retryable' ? (outcome.afterMs ?? 0) : 0;
  const backedOffMs = isPermanent
    ? timing.retryMaxMs
    : backoffMs(attempted.channelAttempts, {
        firstMs: timing.retryFirstMs,
        maxMs: timing.retryMaxMs,
        ...(options.random && { random: options.random }),
      });
  const delayMs = Math.max(askedMs, backedOffMs);
  const deadline = attempted.hasNextChannel ? Math.min(fallbackAt, giveUpAt) : giveUpAt;
  return { next: 'retry', at: Math.min(now + delayMs * 1000, deadline) };
}
