/** Guarantee 3: whatever a mail server does for a while, every message is delivered once it is well again, and none is told twice. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/std/clock.ts';
import { setUpStage } from '../crash/stage.ts';
import { residentBytesOf } from '../load/process-stats.ts';
import type { SinkMode } from '../load/smtp-sink.ts';

const OUTAGE_MS = Number(process.env.OUTAGE_SECONDS ?? 6) * 1000;
const RESIDENT_GROWTH_MAX = 150 * 1024 * 1024;
const SETTLE_WAIT_MS = 120_000;
const FLEET = { devicesOfAKind: 6, readingsPerSecond: 600, toggleEvery: 60, kinds: ['timed'] } as const;

const OUTAGES: readonly { readonly name: string; readonly mode: SinkMode }[] = [
  { name: 'refuses connections', mode: 'refused' },
  { name: 'answers 451', mode: 'temporary' },
  { name: 'takes mails and never answers', mode: 'hanging' },
];

describe('a mail server', () => {
  it.each(OUTAGES)('that $name for a while gets every message afterwards', { timeout: 300_000 + OUTAGE_MS }, async ({ name, mode }) => {
    await using stage = await setUpStage({ fleet: FLEET });
    stage.fleet.start();
    await using server = await stage.start();
    await systemClock.sleep(2000);
    const residentBefore = residentBytesOf(server.pid).now;

    await stage.sink.turn(mode);
    await systemClock.sleep(OUTAGE_MS);
    const waiting = (await server.metrics()).sum('tocsin_outbox_messages', { state: 'waiting' });
    const sending = (await server.metrics()).sum('tocsin_outbox_messages', { state: 'sending' });
    expect(waiting + sending, 'messages in the outbox during the outage').toBeGreaterThan(0);
    await stage.sink.turn('healthy');

    const { faults, ...figures } = await stage.settle(server, { waitMs: SETTLE_WAIT_MS });
    console.log(`a mail server that ${name}: ${JSON.stringify(figures)}`);
    expect(faults).toEqual([]);
    expect(residentBytesOf(server.pid).peak - residentBefore).toBeLessThan(RESIDENT_GROWTH_MAX);
    await server.stop();
  });

  it('that refuses a recipient for good: the message goes to the next address of the contact', { timeout: 120_000 }, async () => {
    const notify = { contacts: { operator: [{ email: 'gone@example.org' }, { email: 'there@example.org' }] } };
    await using stage = await setUpStage({ fleet: FLEET, notify });
    stage.sink.unknownRecipient = 'gone@example.org';
    stage.fleet.start();
    await using server = await stage.start();
    await systemClock.sleep(4000);
    const { faults, ...figures } = await stage.settle(server);
    expect(faults).toEqual([]);
    expect(figures.mails).toBeGreaterThan(0);
    expect(stage.sink.refusals).toBeGreaterThan(0);
    expect(new Set(stage.sink.mails.flatMap(({ to }) => to))).toEqual(new Set(['there@example.org']));
    await server.stop();
  });
});
