/** Slots: what hangs on one kind of channel holds up no other, and nothing overtakes what is under way about the same alert. */
import { describe, expect, it } from 'vitest';
import type { ChannelKind, DeliveryOutcome } from '../../src/domain/notification.ts';
import { ChannelHealth } from '../../src/notify/channels/channel-health.ts';
import type { Notifier } from '../../src/notify/channels/notifier.ts';
import { systemClock } from '../../src/std/clock.ts';
import { startHttpPeer } from './channels/http-peer.ts';
import { startSmtp } from './channels/smtp.ts';
import { configOf, eventually, oneContact, QUICK, startNotifying } from './fixtures.ts';

const SLOTS = 6;

describe('channels', () => {
  it('of one kind that hang hold up no other kind: webhooks arrive while a mail server never answers', async () => {
    await using mail = await startSmtp({ data: () => 'hang' });
    await using hook = await startHttpPeer();
    const config = configOf(`
contacts: {mail: {email: m@x.org}, hook: {webhook: "${hook.origin}/tocsin", allowPrivate: true}}
default: {to: [mail, hook], groupWait: 0s}
storm: off
limits: off`);
    await using bench = startNotifying({ smtp: mail.url, config });
    for (let i = 0; i < 50; i++) bench.log.add('firing', { id: `a${i}`, device: `d${i}` });
    bench.notifying.wake();
    await eventually(
      () => hook.posted.length,
      (count) => count === 50,
      10_000,
    );
    const sending = bench.notifying.notifications({ state: 'sending', limit: 1000 }).items;
    expect(sending).toHaveLength(SLOTS);
    expect(new Set(sending.map(({ contact }) => contact))).toEqual(new Set(['mail']));
    await bench.stop();
  }, 30_000);

  it('that hang are left for the next one, which has slots of its own', async () => {
    await using mail = await startSmtp({ data: () => 'hang' });
    await using hook = await startHttpPeer();
    const config = configOf(`
contacts: {night: [{email: m@x.org}, {webhook: "${hook.origin}/tocsin", allowPrivate: true}]}
default: {to: [night], groupWait: 0s}
storm: off
limits: off`);
    const timing = { ...QUICK, fallbackAfterMs: { critical: 10, other: 10 } };
    const timeouts = { connectMs: 1000, greetingMs: 1000, silenceMs: 300, messageMs: 1000 };
    await using bench = startNotifying({ smtp: mail.url, config, timing, timeouts });
    for (let i = 0; i < 20; i++) bench.log.add('firing', { id: `a${i}`, device: `d${i}` });
    bench.notifying.wake();
    await eventually(
      () => hook.posted.length,
      (count) => count === 20,
    );
  }, 30_000);

  it('have no more than their slots, and each alert its order, however long each message takes and however often it fails', async () => {
    const config = configOf(`
contacts: {p: [{email: p@x.org}, {mqtt: tocsin/p}], q: [{mqtt: tocsin/q}, {email: q@x.org}]}
default: {to: [p, q], groupWait: 0s, groupInterval: 0s}
storm: off
limits: off`);
    const underWay = new Map<string, string>();
    const counts = new Map<ChannelKind, number>();
    const told = new Map<string, number>();
    const wrong: string[] = [];
    // The same in each run.
    let seed = 42;
    const random = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    const notifier: Notifier = {
      async send({ channel, contact, content, id }): Promise<DeliveryOutcome> {
        const keys = content.items.map(({ alert }) => `${contact} ${alert.id}`);
        for (const [index, key] of keys.entries()) {
          const number = Number(content.items[index]?.transition.split('/')[1]);
          if (underWay.has(key)) wrong.push(`${key}: ${id} while ${underWay.get(key)} is under way`);
          if (number < (told.get(key) ?? 0)) wrong.push(`${key}: ${number} after ${told.get(key)}`);
          told.set(key, number);
          underWay.set(key, id);
        }
        counts.set(channel.kind, (counts.get(channel.kind) ?? 0) + 1);
        if ((counts.get(channel.kind) ?? 0) > SLOTS) wrong.push(`more than ${SLOTS} over ${channel.kind}`);
        await systemClock.sleep(random() * 60);
        counts.set(channel.kind, (counts.get(channel.kind) ?? 0) - 1);
        for (const key of keys) underWay.delete(key);
        if (random() < 0.6) return { outcome: 'delivered', detail: 'taken' };
        return random() < 0.5 ? { outcome: 'retryable', detail: 'busy' } : { outcome: 'permanent', detail: 'no', isMendable: true };
      },
      close: () => Promise.resolve(),
    };
    const notifiers = new Map<ChannelKind, Notifier>([
      ['email', notifier],
      ['mqtt', notifier],
    ]);
    const timing = { ...QUICK, retryFirstMs: 5, retryMaxMs: 20 };
    await using bench = startNotifying({ config, notifiers, timing });
    for (let round = 0; round < 40; round++) {
      const level = round % 2 === 0 ? 'warning' : 'critical';
      for (let i = 0; i < 10; i++) bench.log.add(round === 0 ? 'firing' : 'level', { id: `a${i}`, device: `d${i}`, level });
      bench.notifying.wake();
      await systemClock.sleep(10);
    }
    const left = await eventually(
      () =>
        bench.notifying.notifications({ state: 'waiting' }).items.length + bench.notifying.notifications({ state: 'sending' }).items.length,
      (count) => count === 0,
    );
    expect([left, wrong]).toEqual([0, []]);
    // What was told last is how it is.
    expect([...told.values()]).toEqual(Array.from({ length: 20 }, () => 40));
  }, 30_000);

  it('count what was given up once, however often that could not be written', async () => {
    const health = new ChannelHealth();
    let answer: (outcome: DeliveryOutcome) => void = () => undefined;
    const answered = new Promise<DeliveryOutcome>((resolve) => {
      answer = resolve;
    });
    let sent = 0;
    const notifier: Notifier = {
      send() {
        sent += 1;
        return answered;
      },
      close: () => Promise.resolve(),
    };
    await using bench = startNotifying({ config: oneContact, notifiers: new Map([['email', notifier]]), health });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => sent,
      (count) => count === 1,
    );
    bench.database.exec('PRAGMA query_only = ON');
    answer({ outcome: 'permanent', detail: 'no such address', isMendable: false });
    await eventually(
      () => bench.lines.filter(({ msg }) => String(msg).startsWith('the state of notifications cannot be written')).length,
      (count) => count >= 2,
    );
    bench.database.exec('PRAGMA query_only = OFF');
    await eventually(
      () => bench.notifying.notifications({ state: 'given-up' }).items.length,
      (count) => count === 1,
    );
    expect([health.givenUp, sent]).toEqual([1, 1]);
    expect(bench.notifying.channelHealth()).toMatchObject({ undelivered: ['pharmacy'], failing: [{ contact: 'pharmacy' }] });
  });
});
