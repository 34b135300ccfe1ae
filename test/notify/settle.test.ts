import { describe, expect, it } from 'vitest';
import type { DeliveryOutcome } from '../../src/domain/notification.ts';
import { type Attempted, DELIVERY_TIMING, settle } from '../../src/notify/settle.ts';

const MINUTE = 60_000_000;
const first: Attempted = { createdAt: 0, channelSince: 0, channelAttempts: 1, isUrgent: false, hasNextChannel: false };
const retryable: DeliveryOutcome = { outcome: 'retryable', detail: 'no' };
const refused: DeliveryOutcome = { outcome: 'permanent', detail: 'no', isMendable: false };
const mendable: DeliveryOutcome = { outcome: 'permanent', detail: 'no', isMendable: true };

describe('after an attempt', () => {
  const at = (outcome: DeliveryOutcome, attempted: Partial<Attempted>, now: number) =>
    settle(outcome, { ...first, ...attempted }, { now, timing: DELIVERY_TIMING, random: () => 0.5 });
  const cases: [name: string, outcome: DeliveryOutcome, attempted: Partial<Attempted>, now: number, expected: object][] = [
    ['delivered is done', { outcome: 'delivered', detail: '' }, {}, 0, { next: 'delivered' }],
    ['the first retry comes after about a second', retryable, {}, 0, { next: 'retry', at: 1_000_000 }],
    ['it doubles', retryable, { channelAttempts: 4 }, 0, { next: 'retry', at: 8_000_000 }],
    ['up to five minutes', retryable, { channelAttempts: 40 }, 0, { next: 'retry', at: 5 * MINUTE }],
    ['critical falls back after ten minutes', retryable, { isUrgent: true, hasNextChannel: true }, 10 * MINUTE, { next: 'fallback' }],
    ['others after an hour', retryable, { hasNextChannel: true }, 59 * MINUTE, { next: 'retry' }],
    ['others after an hour, not before', retryable, { hasNextChannel: true }, 60 * MINUTE, { next: 'fallback' }],
    [
      'a retry is never later than the fallback',
      retryable,
      { isUrgent: true, hasNextChannel: true, channelAttempts: 40 },
      9 * MINUTE,
      { next: 'retry', at: 10 * MINUTE },
    ],
    ['the last channel goes on', retryable, { isUrgent: true }, 11 * MINUTE, { next: 'retry' }],
    ['until a day has passed', retryable, {}, 24 * 60 * MINUTE, { next: 'given-up' }],
    ['refused for good goes to the next channel at once', refused, { hasNextChannel: true }, 0, { next: 'fallback' }],
    ['refused for good without one is given up', refused, {}, 0, { next: 'given-up' }],
    ['a fault of our settings is kept until mended', mendable, {}, 0, { next: 'retry', at: 5 * MINUTE }],
    ['a fault of our settings takes the next channel where there is one', mendable, { hasNextChannel: true }, 0, { next: 'fallback' }],
    ['but not for more than a day', mendable, {}, 24 * 60 * MINUTE, { next: 'given-up' }],
  ];
  it.each(cases)('%s', (_name, outcome, attempted, now, expected) => {
    expect(at(outcome, attempted, now)).toMatchObject(expected);
  });
});
