/** Questions to notifying: silences page by page, what a link stands for, who would be told what, and tests of channels. */
import { describe, expect, it } from 'vitest';
import type { ChannelKind, DeliveryOutcome } from '../../src/domain/notification.ts';
import type { AlertMatch, Operation } from '../../src/domain/operation.ts';
import { signLink } from '../../src/notify/action-links.ts';
import type { Notifier, OutgoingMessage } from '../../src/notify/channels/notifier.ts';
import { linkKeyOf } from '../../src/notify/link-key.ts';
import { type Bench, configOf, START, startNotifying } from './fixtures.ts';
import { ManualClock } from './manual-clock.ts';

const HOUR = 3_600_000_000;
const everything: AlertMatch = { levels: null, rules: null, devices: null, alerts: null, labels: {} };
const silenceOf = (id: string, changes: Partial<Extract<Operation, { kind: 'silence' }>['silence']> = {}): Operation => ({
  kind: 'silence',
  silence: { id, match: everything, by: 'anna', comment: `about ${id}`, startsAt: START, endsAt: START + HOUR, ...changes },
});
const onCall = configOf(`
contacts:
  anna: [{email: anna@x.org}, {mqtt: tocsin/anna}]
  ben: {email: ben@x.org}
  night: {rotation: {zone: UTC, start: "2026-01-01", every: 7d, of: [anna, ben]}}
  nobody: {onCall: [{schedule: never, to: ben}]}
schedules: [{id: never, zone: UTC, windows: [{days: mon, from: "03:00", to: "03:01"}]}]
default: {to: [night], groupWait: 0s}
`);

function startAsking(notifiers: ReadonlyMap<ChannelKind, Notifier> = new Map()): Bench & { readonly clock: ManualClock } {
  const clock = new ManualClock(START);
  return Object.assign(startNotifying({ clock, config: onCall, notifiers, publicUrl: 'https://tocsin.example.org' }), { clock });
}

const notifierOf = (send: (message: OutgoingMessage, signal: AbortSignal) => Promise<DeliveryOutcome>): Notifier => ({
  send,
  close: () => Promise.resolve(),
});

describe('silences', () => {
  it('are listed page by page, the latest first, by state', async () => {
    await using bench = startAsking();
    const { notifying } = bench;
    for (let i = 0; i < 5; i++)
      expect(notifying.operate(silenceOf(`s${i}`, { startsAt: START - 9 + i, endsAt: START + HOUR }))).toEqual({ done: true });
    expect(notifying.operate(silenceOf('later', { startsAt: START + HOUR, endsAt: START + 2 * HOUR }))).toEqual({ done: true });
    expect(notifying.operate({ kind: 'end-silence', silence: 's1', by: 'ben' })).toEqual({ done: true });
    const ids: string[][] = [];
    let cursor: string | null | undefined;
    do {
      const page: ReturnType<typeof notifying.silences> = notifying.silences({ limit: 2, ...(cursor ? { cursor } : {}) });
      ids.push(page.items.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== null);
    expect(ids.flat()).toHaveLength(6);
    expect(new Set(ids.flat()).size).toBe(6);
    expect(ids.map(({ length }) => length)).toEqual([2, 2, 2]);
    expect(ids[0]?.[0]).toBe('later');
    expect(notifying.silences({ state: 'pending' }).items.map(({ id }) => id)).toEqual(['later']);
    expect(
      notifying
        .silences({ state: 'active' })
        .items.map(({ id }) => id)
        .sort(),
    ).toEqual(['s0', 's2', 's3', 's4']);
    expect(notifying.silences({ state: 'ended' }).items).toMatchObject([{ id: 's1', endedBy: 'ben', alerts: 0 }]);
    expect(notifying.silence('s1')).toMatchObject({ state: 'ended', comment: 'about s1' });
    expect(notifying.silence('unknown')).toBeNull();
  });

  it('say how many alerts they hold back', async () => {
    await using bench = startAsking();
    for (const id of ['a', 'b']) bench.log.add('firing', { id, device: id });
    bench.notifying.operate(silenceOf('s'));
    bench.notifying.operate(silenceOf('of one', { match: { ...everything, devices: ['b'] } }));
    expect([bench.notifying.silence('s')?.alerts, bench.notifying.silence('of one')?.alerts]).toEqual([2, 1]);
  });
});

describe('a link', () => {
  it('stands for its alert as it is now, with its flags and timeline, and changes nothing', async () => {
    await using bench = startAsking();
    bench.log.add('firing', { id: 'a' });
    bench.notifying.operate({ kind: 'acknowledge', alert: 'a', by: 'anna', comment: null, until: null });
    const token = signLink({ alert: 'a', contact: 'anna', action: 'silence', expiresAt: START + HOUR }, linkKeyOf(bench.database));
    const opened = bench.notifying.openLink(token);
    expect(opened).toMatchObject({
      contact: 'anna',
      action: 'silence',
      alert: { id: 'a', flags: ['acknowledged'], timeline: [{ id: 'a/1' }] },
    });
    expect(bench.notifying.openLink(token)).toEqual(opened);
    expect(bench.notifying.operations(0, 10)).toHaveLength(1);
  });

  it('to an alert that is no longer kept says so; one that has expired, or is no link of ours, says why', async () => {
    await using bench = startAsking();
    const key = linkKeyOf(bench.database);
    const link = { alert: 'gone', contact: 'anna', action: 'acknowledge', expiresAt: START + HOUR } as const;
    expect(bench.notifying.openLink(signLink(link, key))).toEqual({ contact: 'anna', action: 'acknowledge', alert: null });
    expect(bench.notifying.openLink('nonsense')).toEqual({ problem: expect.stringContaining('not one of ours') });
    const token = signLink(link, key);
    await bench.clock.pass(HOUR / 1000);
    expect(bench.notifying.openLink(token)).toEqual({ problem: expect.stringContaining('expired') });
  });

  it('is signed with a key that stays', async () => {
    await using bench = startAsking();
    const key = linkKeyOf(bench.database);
    expect(key).toHaveLength(32);
    expect(linkKeyOf(bench.database)).toEqual(key);
    await using other = startAsking();
    expect(linkKeyOf(other.database)).not.toEqual(key);
  });
});

describe('a preview', () => {
  it('is the message that a contact would get now, of whoever is on call when nobody is named', async () => {
    await using bench = startAsking();
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    const preview = bench.notifying.preview('a', null);
    expect(preview).toMatchObject({ contact: 'anna', channel: 'email anna@x.org', subject: '[CRITICAL] fridge-warm on fridge-01: 9.3 °C' });
    expect(preview?.text).toContain('Fridge 1 is at 9.3 °C');
    expect(preview?.html).toContain('https://tocsin.example.org/a/');
    expect(bench.notifying.preview('a', 'ben')).toMatchObject({ contact: 'ben', channel: 'email ben@x.org' });
    expect(bench.notifying.preview('a', 'night')).toMatchObject({ contact: 'night', channel: null });
    expect(bench.notifying.preview('unknown', null)).toBeNull();
    expect(bench.notifying.preview('a', 'unknown')).toBeNull();
    bench.log.add('resolved', { id: 'a', value: 5 });
    expect(bench.notifying.preview('a', 'ben')?.subject).toBe('[RESOLVED] fridge-warm on fridge-01: 5 °C');
  });

  it('is none of what nobody would be told of', async () => {
    await using bench = startNotifying({ config: configOf('{contacts: {p: {email: p@x.org}}, default: {to: []}}') });
    bench.log.add('firing', { id: 'a' });
    expect(bench.notifying.preview('a', null)).toBeNull();
  });
});

describe('contacts', () => {
  it('are listed with their channels, and whom one that stands for others means now', async () => {
    await using bench = startAsking();
    expect(bench.notifying.contacts()).toEqual([
      {
        id: 'anna',
        channels: [
          { kind: 'email', address: 'anna@x.org' },
          { kind: 'mqtt', address: 'tocsin/anna' },
        ],
        onCall: null,
      },
      { id: 'ben', channels: [{ kind: 'email', address: 'ben@x.org' }], onCall: null },
      { id: 'night', channels: [], onCall: ['anna'] },
      { id: 'nobody', channels: [], onCall: [] },
    ]);
    await bench.clock.pass((7 * 24 * HOUR) / 1000);
    expect(bench.notifying.contacts()[2]?.onCall).toEqual(['ben']);
  });
});

describe('a test', () => {
  it('goes over every channel of whoever is on call, and says what became of each', async () => {
    const sent: OutgoingMessage[] = [];
    const taking = notifierOf((message) => {
      sent.push(message);
      return Promise.resolve({ outcome: 'delivered', detail: 'taken' });
    });
    const refusing = notifierOf(() => Promise.resolve({ outcome: 'permanent', detail: 'no such topic', isMendable: false }));
    await using bench = startAsking(
      new Map([
        ['email', taking],
        ['mqtt', refusing],
      ]),
    );
    expect(await bench.notifying.test('night', 'ben')).toEqual([
      { channel: 'email anna@x.org', outcome: 'delivered', detail: 'taken' },
      { channel: 'mqtt tocsin/anna', outcome: 'permanent', detail: 'no such topic' },
    ]);
    expect(sent).toMatchObject([{ contact: 'anna', kind: 'test', isUrgent: false, thread: null, chart: null }]);
    expect(sent[0]?.subject).toContain('[TEST]');
    expect(sent[0]?.text).toContain('ben');
    // Of a test nothing is kept.
    expect(bench.notifying.notifications({}).items).toEqual([]);
  });

  it('of a contact that there is not is none; of one that means nobody now reaches nobody', async () => {
    await using bench = startAsking();
    expect(await bench.notifying.test('unknown', 'ben')).toBeNull();
    expect(await bench.notifying.test('nobody', 'ben')).toEqual([]);
  });

  it('is over before a request over HTTP is: in 25 s a channel that hangs is said not to have taken it', async () => {
    const hanging = notifierOf(
      (_message, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve({ outcome: 'retryable', detail: 'Tocsin is stopping' }));
        }),
    );
    const taking = notifierOf(() => Promise.resolve({ outcome: 'delivered', detail: 'taken' }));
    await using bench = startAsking(
      new Map([
        ['email', hanging],
        ['mqtt', taking],
      ]),
    );
    let outcomes: unknown = null;
    const testing = bench.notifying.test('anna', 'ben').then((result) => {
      outcomes = result;
    });
    await bench.clock.pass(24_999);
    expect(outcomes).toBeNull();
    await bench.clock.pass(1);
    await testing;
    expect(outcomes).toEqual([
      { channel: 'email anna@x.org', outcome: 'retryable', detail: 'not taken within 25 s' },
      { channel: 'mqtt tocsin/anna', outcome: 'delivered', detail: 'taken' },
    ]);
  });

  it('over what nothing here sends, or with a fault of ours, fails by itself', async () => {
    const broken = notifierOf(() => Promise.reject(new Error('a bug')));
    await using bench = startAsking(new Map([['email', broken]]));
    expect(await bench.notifying.test('anna', 'ben')).toEqual([
      { channel: 'email anna@x.org', outcome: 'retryable', detail: 'a fault of ours: a bug' },
      { channel: 'mqtt tocsin/anna', outcome: 'permanent', detail: 'nothing here sends over mqtt' },
    ]);
  });
});
