import { describe, expect, it } from 'vitest';
import type { Channel, DeliveryOutcome } from '../../../src/domain/notification.ts';
import { ChannelHealth } from '../../../src/notify/channels/channel-health.ts';

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
const NOW = Date.UTC(2026, 0, 2) * 1000;

const mail: Channel = { kind: 'email', address: 'ann@x.org' };
const hook = (url: string): Channel => ({ kind: 'slack', address: 'hooks.slack.com', url, allowPrivate: false });
const delivered: DeliveryOutcome = { outcome: 'delivered', detail: 'taken' };
const busy: DeliveryOutcome = { outcome: 'retryable', detail: 'busy' };
const refused: DeliveryOutcome = { outcome: 'permanent', detail: 'no such mailbox', isMendable: false };

describe('a channel', () => {
  const cases: [name: string, outcomes: [afterSeconds: number, outcome: DeliveryOutcome][], seenAfter: number, since: number | null][] = [
    ['that was never tried does not fail', [], 600, null],
    ['that delivers does not fail', [[0, delivered]], 600, null],
    [
      'that has failed for less than two minutes does not count',
      [
        [0, busy],
        [100, busy],
      ],
      119,
      null,
    ],
    [
      'that has failed for two minutes fails since the first failure',
      [
        [10, busy],
        [100, busy],
      ],
      130,
      10,
    ],
    ['that was refused for good fails at once', [[5, refused]], 5, 5],
    [
      'that delivered again works',
      [
        [0, busy],
        [200, busy],
        [201, delivered],
      ],
      600,
      null,
    ],
    [
      'that was refused for good, and delivered since, works',
      [
        [0, refused],
        [1, delivered],
      ],
      600,
      null,
    ],
    [
      'counts anew after a delivery',
      [
        [0, busy],
        [50, delivered],
        [60, busy],
      ],
      150,
      null,
    ],
    [
      'refused for good and then busy is not mended by that',
      [
        [0, refused],
        [1, busy],
      ],
      2,
      0,
    ],
    [
      'busy and then refused for good fails since the first failure',
      [
        [0, busy],
        [1, refused],
      ],
      2,
      0,
    ],
  ];
  it.each(cases)('%s', (_name, outcomes, seenAfter, since) => {
    const health = new ChannelHealth();
    for (const [after, outcome] of outcomes) health.attempted(mail, 'ann', outcome, NOW + after * SECOND);
    const detail = outcomes.findLast(([, { outcome }]) => outcome !== 'delivered')?.[1].detail;
    expect(health.failing(NOW + seenAfter * SECOND)).toEqual(
      since === null ? [] : [{ channel: 'email ann@x.org', contact: 'ann', since: NOW + since * SECOND, detail }],
    );
  });

  it('fails after the time that is asked for', () => {
    const health = new ChannelHealth({ failingAfterMs: 1000 });
    health.attempted(mail, 'ann', busy, NOW);
    expect([health.failing(NOW + SECOND - 1), health.failing(NOW + SECOND)].map(({ length }) => length)).toEqual([0, 1]);
  });

  it('is told from others of the same kind, contact and host, and shows nothing of its URL', () => {
    const health = new ChannelHealth();
    health.attempted(hook('https://hooks.slack.com/services/one'), 'ann', refused, NOW);
    health.attempted(hook('https://hooks.slack.com/services/two'), 'ann', delivered, NOW);
    health.attempted(mail, 'ann', refused, NOW - 1);
    health.attempted(mail, 'bob', delivered, NOW);
    const failing = health.failing(NOW);
    expect(failing.map(({ channel, contact }) => `${channel} of ${contact}`)).toEqual([
      'email ann@x.org of ann',
      'slack hooks.slack.com of ann',
    ]);
    expect(JSON.stringify(failing)).not.toContain('services');
  });

  it('is forgotten when a thousand others failed after it, but not when it was tried in between', () => {
    const health = new ChannelHealth();
    const fail = (contact: string): void => health.attempted(mail, contact, refused, NOW);
    for (const contact of ['first', 'second']) fail(contact);
    for (let i = 0; i < 998; i++) fail(`c${i}`);
    fail('first');
    fail('one more');
    const contacts = health.failing(NOW).map(({ contact }) => contact);
    expect(contacts).toHaveLength(1000);
    expect([contacts.includes('first'), contacts.includes('second')]).toEqual([true, false]);
  });
});

describe('a contact', () => {
  it('hears nothing, from what was given up until something is delivered over any channel', () => {
    const health = new ChannelHealth();
    health.attempted(mail, 'ann', refused, NOW);
    expect([health.undelivered(NOW), health.givenUp]).toEqual([[], 0]);
    health.gaveUp('ann', NOW);
    health.gaveUp('bob', NOW + 1);
    expect([health.undelivered(NOW + 1), health.givenUp]).toEqual([['ann', 'bob'], 2]);
    health.attempted(mail, 'ann', busy, NOW + 2);
    health.attempted(mail, 'cy', delivered, NOW + 2);
    expect(health.undelivered(NOW + 2)).toEqual(['ann', 'bob']);
    health.attempted(hook('https://hooks.slack.com/services/one'), 'ann', delivered, NOW + 3);
    expect([health.undelivered(NOW + 3), health.givenUp]).toEqual([['bob'], 2]);
    expect(health.failing(NOW + 3).map(({ channel }) => channel)).toEqual(['email ann@x.org']);
  });

  it('is no longer listed a day after the last that was given up', () => {
    const health = new ChannelHealth();
    health.gaveUp('ann', NOW);
    health.gaveUp('ann', NOW + HOUR);
    expect([health.undelivered(NOW + 25 * HOUR), health.undelivered(NOW + 25 * HOUR + 1)]).toEqual([['ann'], []]);
    expect([health.undelivered(NOW + 2 * HOUR, 3_600_000), health.undelivered(NOW + 2 * HOUR + 1, 3_600_000)]).toEqual([['ann'], []]);
  });

  it('is one of a thousand at most', () => {
    const health = new ChannelHealth();
    for (let i = 0; i < 1500; i++) health.gaveUp(`c${i}`, NOW + i);
    const contacts = health.undelivered(NOW + 1500);
    expect([contacts.length, contacts[0], contacts.at(-1), health.givenUp]).toEqual([1000, 'c500', 'c1499', 1500]);
  });
});

describe('a reload', () => {
  it('lets go of channels and contacts that are gone', () => {
    const health = new ChannelHealth();
    const [one, two] = ['one', 'two'].map((name) => hook(`https://hooks.slack.com/services/${name}`));
    if (one === undefined || two === undefined) throw new Error('no channels');
    for (const contact of ['ann', 'bob']) {
      for (const channel of [mail, one, two]) health.attempted(channel, contact, refused, NOW);
      health.gaveUp(contact, NOW);
    }
    health.keepOnly([{ id: 'ann', channels: [{ ...two }, { ...mail }], onCall: null }]);
    expect(health.failing(NOW).map(({ channel, contact }) => `${channel} of ${contact}`)).toEqual([
      'email ann@x.org of ann',
      'slack hooks.slack.com of ann',
    ]);
    expect(health.undelivered(NOW)).toEqual(['ann']);
    health.attempted(two, 'ann', delivered, NOW);
    expect(health.failing(NOW)).toHaveLength(1);
  });
});
