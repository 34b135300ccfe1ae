/** The backlog of a device as people hear of it: one message each, who is told afterwards, restarts in the middle, outages. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import { Deciding } from '../../src/notify/deciding.ts';
import { Policy } from '../../src/notify/dispatch/policy.ts';
import { factsOf } from '../../src/notify/mail/facts.ts';
import { subjectOf } from '../../src/notify/mail/render.ts';
import { Outbox } from '../../src/notify/outbox.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { systemClock } from '../../src/std/clock.ts';
import { freePort, startSmtp } from './channels/smtp.ts';
import { type Bench, configOf, directory, eventually, rule, startNotifying, TransitionLog } from './fixtures.ts';

const config = configOf(`
contacts: {pharmacy: {email: pharmacy@x.org}, night: {email: night@x.org}, it: {email: it@x.org}}
routes:
  - {match: {labels.team: it}, to: [it], groupWait: 0s}
  - {match: {level: critical}, to: [night], groupWait: 0s}
default: {to: [pharmacy], groupWait: 0s}
`);
const itTeam = { rule: 'battery-low', labels: { team: 'it' } };

/** `contact subject`, the oldest message first. */
const messages = (bench: Bench): string[] =>
  bench.notifying
    .notifications({ limit: 1000 })
    .items.map(({ contact, state, subject }) => `${contact} ${state}: ${subject}`)
    .reverse();

const settled = (bench: Bench, count: number): Promise<string[]> => {
  bench.notifying.wake();
  return eventually(
    () => messages(bench),
    (seen) =>
      seen.length === count &&
      bench.notifying.followedTo() === bench.log.all.length &&
      !seen.some((line) => / (?:waiting|sending):/.test(line)),
  );
};

describe('the backlog of a device', () => {
  it('is one message for each contact, about what concerns it; later ones answer to it', async () => {
    await using server = await startSmtp();
    await using bench = startNotifying({ smtp: server.url, config });
    const { log, notifying } = bench;
    log.late('firing', { id: 'hot', level: 'warning' });
    log.late('level', { id: 'hot', level: 'critical' }, { fromLevel: 'warning' });
    log.late('firing', { id: 'over', level: 'warning', rule: 'door-open' });
    log.late('resolved', { id: 'over', level: 'warning', rule: 'door-open' });
    log.late('firing', { id: 'battery', level: 'warning', ...itTeam });
    await settled(bench, 0);
    expect(notifying.timeline('hot').map(({ detail }) => detail)).toEqual([
      'retrospective: told in the summary at the end of the backlog',
      'retrospective: told in the summary at the end of the backlog',
    ]);
    log.backlog(['hot', 'over', 'battery']);
    await settled(bench, 3);
    expect(server.received.map(({ to, mail }) => `${to.join()} ${mail.subject}`).sort()).toEqual([
      'it@x.org [WARNING] fridge-01 sent 2h10m of readings late: 1 alert, still firing',
      'night@x.org [CRITICAL] fridge-01 sent 2h10m of readings late: 1 alert, still firing',
      'pharmacy@x.org [RESOLVED] fridge-01 sent 2h10m of readings late: 1 alert, over',
    ]);
    const night = server.received.find(({ to }) => to.includes('night@x.org'))?.mail;
    expect(night?.text).toContain('- fridge-warm (critical) since 2026-01-02 03:14:05 UTC, last value 9.3 °C: Fridge 1 is at 9.3 °C');
    expect(night?.html).toContain('Fridge 1 is at 9.3 °C');
    expect(night?.headers.get('priority')).toBe('high');
    expect(night?.text).not.toContain('battery-low');
    expect(notifying.timeline('over').at(-2)).toMatchObject({
      kind: 'decision',
      detail: 'backlog: told to pharmacy (ended)',
    });
    expect(notifying.timeline('over').at(-1)).toMatchObject({ kind: 'sent' });
    expect(notifying.notifications({ alert: 'battery' }).items).toMatchObject([{ kind: 'backlog', contact: 'it', alerts: ['battery'] }]);

    log.add('resolved', { id: 'hot', value: 5 });
    log.add('resolved', { id: 'battery', level: 'warning', ...itTeam });
    await settled(bench, 5);
    const ends = server.received.slice(3).map(({ to, mail }) => `${to.join()} ${mail.subject?.split(' ')[0]}`);
    expect(ends.sort()).toEqual(['it@x.org [RESOLVED]', 'night@x.org [RESOLVED]']);
    for (const { mail, to } of server.received.slice(3))
      expect(mail.inReplyTo).toBe(server.received.slice(0, 3).find((first) => first.to.join() === to.join())?.mail.messageId);
  });

  it('tells of the end of what had been told before, in its thread, and only then forgets who was told', async () => {
    await using server = await startSmtp();
    await using bench = startNotifying({ smtp: server.url, config });
    const toldOf = () =>
      bench.database
        .prepare(`SELECT notify_state.key AS alert, told.key AS contact FROM notify_state, json_each(notify_state.value, '$.told') AS told
          WHERE kind = 'alert' ORDER BY 1, 2`)
        .all();
    bench.log.add('firing', { id: 'hot', level: 'warning' });
    await settled(bench, 1);
    bench.log.add('level', { id: 'hot', level: 'critical' }, { fromLevel: 'warning' });
    await settled(bench, 3);
    const first = server.received[0]?.mail.messageId;
    bench.log.late('resolved', { id: 'hot', level: 'critical', value: 5 });
    bench.log.late('firing', { id: 'battery', level: 'warning', ...itTeam });
    await settled(bench, 3);
    const both = [
      { alert: 'hot', contact: 'night' },
      { alert: 'hot', contact: 'pharmacy' },
    ];
    expect(toldOf()).toEqual(both);
    bench.log.backlog(['hot', 'battery']);
    await settled(bench, 6);
    const told = server.received.slice(3);
    expect(told.map(({ to }) => to.join()).sort()).toEqual(['it@x.org', 'night@x.org', 'pharmacy@x.org']);
    expect(told.find(({ to }) => to.includes('pharmacy@x.org'))?.mail.inReplyTo).toBe(first);
    expect(toldOf()).toEqual([{ alert: 'battery', contact: 'it' }]);
  });

  it('is written as a file that reads well, and goes to nobody where nobody is routed', async () => {
    const nobody = configOf(
      '{contacts: {pharmacy: {email: p@x.org}}, default: {to: []}, routes: [{match: {rule: fridge-warm}, to: [pharmacy]}]}',
    );
    await using bench = startNotifying({ config: nobody });
    bench.log.late('firing', { id: 'battery', ...itTeam });
    const silent = bench.log.backlog(['battery']);
    bench.log.late('firing', { id: 'hot', summary: '<b>hot</b>' });
    const told = bench.log.backlog(['hot', 'battery']);
    await settled(bench, 1);
    expect(bench.notifying.timeline('battery').map(({ transition, detail }) => [transition, detail])).toContainEqual([
      silent.id,
      'in the summary of a backlog: no route matches: the default tells nobody',
    ]);
    const [item] = bench.notifying.notifications({}).items;
    expect(item).toMatchObject({ transition: told.id, contact: 'pharmacy' });
    expect(readdirSync(join(bench.folder, 'mail'))).toEqual([`${item?.id}.eml`]);
    const mail = await simpleParser(readFileSync(join(bench.folder, 'mail', `${item?.id}.eml`)));
    expect(mail.html).toContain('&lt;b&gt;hot&lt;/b&gt;');
    expect(mail.html).not.toContain('<b>hot');
    expect(mail.text).not.toContain('battery-low');
  });
});

/** Transitions of a fridge with three rules: some of them live, a backlog, and what comes after it. */
function story(): TransitionLog {
  const log = new TransitionLog();
  log.add('firing', { id: 'a', level: 'warning' });
  log.late('level', { id: 'a', level: 'critical' }, { fromLevel: 'warning' });
  log.late('pending', { id: 'b', level: 'warning', firedAt: null });
  log.late('firing', { id: 'b', level: 'warning', ...itTeam });
  log.late('resolved', { id: 'a', level: 'critical' });
  log.late('firing', { id: 'c', level: 'critical', rule: 'frozen' });
  log.late('pending', { id: 'd', level: 'warning', firedAt: null });
  log.late('cancelled', { id: 'd', level: 'warning', firedAt: null });
  log.backlog(['a', 'b', 'c']);
  log.add('resolved', { id: 'c', level: 'critical', rule: 'frozen' });
  log.add('level', { id: 'b', level: 'critical', ...itTeam }, { fromLevel: 'warning' });
  log.add('resolved', { id: 'b', level: 'critical', ...itTeam });
  return log;
}

describe('a restart', () => {
  it('in the middle of a backlog makes no difference to what is told', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-notify-'));
    const { all } = story();
    const run = async (name: string, stops: readonly number[]): Promise<unknown[]> => {
      const path = mkdtempSync(join(folder, name));
      const log = new TransitionLog();
      for (const stop of [...stops, all.length]) {
        log.all.push(...all.slice(log.all.length, stop));
        await using bench = startNotifying({ folder: path, log, config });
        await eventually(
          () => [
            bench.notifying.followedTo(),
            bench.notifying.notifications({ state: 'waiting' }).items.length,
            bench.notifying.notifications({ state: 'sending' }).items.length,
          ],
          ([followed, ...open]) => followed === log.all.length && open.every((count) => count === 0),
        );
      }
      using database = openDatabase(join(path, 'state.db'));
      expect(database.prepare(`SELECT * FROM notify_state WHERE kind = 'alert'`).all()).toEqual([]);
      const names = readdirSync(join(path, 'mail')).sort();
      const mails = await Promise.all(names.map((each) => simpleParser(readFileSync(join(path, 'mail', each)))));
      return mails.map(({ messageId: id, subject, inReplyTo, text }) => ({ id, subject, inReplyTo, text }));
    };
    try {
      // After every transition, so that nothing is superseded: each message is there to be compared.
      const everywhere = await run(
        'each',
        Array.from({ length: 12 }, (_, index) => index + 1),
      );
      expect(everywhere).toHaveLength(7);
      expect(await run('again', [1, 2, 3, 5, 8, 9, 10, 11])).toEqual(everywhere);
      expect(await run('late', [1, 9, 10, 11])).toEqual(everywhere);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);
});

/** Works through a log as the service does. Nothing is sent: what waits in the end is what would be. */
function worked(log: TransitionLog, isSending: (id: string) => boolean = () => false) {
  const database = openDatabase(':memory:');
  const outbox = new Outbox(database, () => 'email');
  const subject = (content: Parameters<typeof subjectOf>[0], at: number): string =>
    subjectOf(content, (alert) => factsOf(alert, rule, directory), at);
  const clock = { ...systemClock, now: () => log.now() };
  const options = { database, outbox, clock, subjectOf: subject, isSending, onFlagged: () => undefined };
  const deciding = new Deciding(new Policy(config, []), options);
  const follow = (): void => {
    deciding.transitions(log.after(deciding.cursor, 1000));
    deciding.advance(log.now());
  };
  follow();
  const waiting = () =>
    outbox.list({ state: 'waiting', limit: 1000 }).map(({ kind, contact, content, subject }) => ({
      kind,
      contact,
      subject,
      alerts: Object.fromEntries(content.items.map(({ alert }) => [alert.id, alert.state])),
    }));
  const context = { subject, now: log.now() };
  return { outbox, database, follow, waiting, context, [Symbol.dispose]: () => database.close() };
}

describe('a summary that waits', () => {
  const sent = '[CRITICAL] fridge-01 sent 2h10m of readings late:';

  it('takes the place of older messages about its alerts to the same contact, and of no others', () => {
    const log = new TransitionLog();
    log.add('firing', { id: 'a' });
    log.add('firing', { id: 'b' });
    log.add('firing', { id: 'other' });
    log.late('resolved', { id: 'a' });
    log.backlog(['a', 'b']);
    using parts = worked(log);
    expect(parts.waiting()).toMatchObject([
      { kind: 'backlog', alerts: { a: 'resolved', b: 'firing' }, subject: `${sent} 2 alerts, 1 still firing` },
      { kind: 'firing', alerts: { other: 'firing' } },
    ]);
    const replaced = parts.outbox.list({ state: 'waiting', limit: 1 })[0]?.replaces.map(({ id }) => id) ?? [];
    expect(
      parts.outbox
        .list({ limit: 10 })
        .filter(({ id }) => replaced.includes(id))
        .map(({ alert }) => alert),
    ).toEqual(['b', 'a']);
  });

  it('is as urgent as a critical alert in it that still fires', () => {
    const log = new TransitionLog();
    log.late('firing', { id: 'a' });
    log.late('resolved', { id: 'b' });
    log.backlog(['a', 'b']);
    log.late('resolved', { id: 'c' });
    log.backlog(['c']);
    using parts = worked(log);
    expect(parts.outbox.list({ limit: 2 }).map(({ isUrgent }) => isUrgent)).toEqual([false, true]);
  });

  it('is not lost to a newer state of one of its alerts: what takes its place tells of all, each as it is now', () => {
    const log = new TransitionLog();
    for (const id of ['a', 'b', 'c']) log.late('firing', { id, rule: id });
    log.backlog(['a', 'b', 'c']);
    log.add('resolved', { id: 'b', rule: 'b' });
    using parts = worked(log);
    expect(parts.waiting()).toEqual([
      {
        kind: 'backlog',
        contact: 'night',
        subject: `${sent} 3 alerts, 2 still firing`,
        alerts: { a: 'firing', b: 'resolved', c: 'firing' },
      },
    ]);
    log.add('resolved', { id: 'a', rule: 'a' });
    log.add('resolved', { id: 'c', rule: 'c' });
    parts.follow();
    expect(parts.waiting()).toMatchObject([
      {
        subject: '[RESOLVED] fridge-01 sent 2h10m of readings late: 3 alerts, none still firing',
        alerts: { a: 'resolved', b: 'resolved', c: 'resolved' },
      },
    ]);
    expect(parts.outbox.list({ limit: 10, alert: 'a' })).toHaveLength(4);
  });

  it('of one alert gives way to a newer state of it, as any message does', () => {
    const log = new TransitionLog();
    log.late('firing', { id: 'a' });
    log.backlog(['a']);
    log.add('resolved', { id: 'a' });
    using parts = worked(log);
    expect(parts.waiting()).toMatchObject([{ kind: 'resolved', alerts: { a: 'resolved' } }]);
  });

  it('joins an earlier one that waits: both spans, all alerts', () => {
    const log = new TransitionLog();
    for (const id of ['a', 'b']) log.late('firing', { id });
    const first = log.backlog(['a', 'b']).backlog;
    log.late('firing', { id: 'c' });
    log.backlog(['b', 'c'], { from: (first?.to ?? 0) + 1, to: (first?.to ?? 0) + 3_600_000_000, more: 2 });
    using parts = worked(log);
    expect(parts.waiting()).toMatchObject([
      {
        subject: '[CRITICAL] fridge-01 sent 3h10m of readings late: 3 alerts and 2 more, 3 still firing',
        alerts: { a: 'firing', b: 'firing', c: 'firing' },
      },
    ]);
  });

  it.each([false, true])('that was being sent in vain while newer states came goes on in the newest of them (crash: %s)', (isCrash) => {
    const log = new TransitionLog();
    for (const id of ['a', 'b', 'c']) log.late('firing', { id, rule: id });
    log.backlog(['a', 'b', 'c']);
    let summary = '';
    using parts = worked(log, (id) => id === summary);
    const { outbox, context } = parts;
    summary = outbox.list({ limit: 1 })[0]?.id ?? '';
    log.add('resolved', { id: 'a', rule: 'a' });
    log.add('resolved', { id: 'b', rule: 'b' });
    parts.follow();
    expect(parts.waiting()).toHaveLength(3);
    const tried = outbox.due('email', log.now(), 10).find(({ id }) => id === summary);
    if (tried === undefined) throw new Error('the summary is not due');
    if (isCrash) outbox.supersedeAllButNewest(context);
    else outbox.supersededBy(tried, context);
    expect(parts.waiting()).toMatchObject([{ kind: 'backlog', alerts: { a: 'resolved', b: 'resolved', c: 'firing' } }]);
  });

  it('is found under each of its alerts until it is let go', () => {
    const log = new TransitionLog();
    for (const id of ['a', 'b']) log.late('firing', { id });
    log.backlog(['a', 'b']);
    using parts = worked(log);
    const { outbox, database } = parts;
    const [message] = outbox.list({ alert: 'b', limit: 10 });
    if (message === undefined) throw new Error('not found');
    outbox.attempted(message, 'busy', 10);
    outbox.attempted(message, 'busy', 11);
    outbox.delivered(message, 'taken', 12);
    for (const id of ['a', 'b'])
      expect(outbox.timeline(id).slice(2)).toMatchObject([{ kind: 'attempt', detail: 'busy', times: 2 }, { kind: 'sent' }]);
    outbox.prune(31 * 86_400_000_000);
    expect(outbox.list({ alert: 'b', limit: 10 })).toEqual([]);
    expect(database.prepare('SELECT * FROM notify_about').all()).toEqual([]);
  });

  it('never lets an alert be forgotten: what waits tells each contact of every alert it was to hear of, as it is now', () => {
    const alert = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('firing' as const, 'resolved' as const), id: alert, isLate: fc.boolean() }),
      fc.record({ kind: fc.constant('backlog' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.integer({ min: 0, max: 3 }), (steps, seed) => {
        const log = new TransitionLog();
        const open = new Map<string, string>();
        const lately = new Set<string>();
        let opened = 0;
        for (const each of steps) {
          if (each.kind === 'backlog') {
            if (lately.size > 0) log.backlog([...lately]);
            lately.clear();
            continue;
          }
          const known = open.get(each.id);
          if ((each.kind === 'resolved') !== (known !== undefined)) continue;
          const id = known ?? `${each.id}${opened++}`;
          if (each.kind === 'firing') open.set(each.id, id);
          else open.delete(each.id);
          if (each.isLate) lately.add(id);
          log[each.isLate ? 'late' : 'add'](each.kind, { id });
        }
        if (lately.size > 0) log.backlog([...lately]);
        log.pass(600_000);
        // Some messages are being sent, and come back in vain in the end.
        const isSending = (id: string): boolean => seed > 0 && id.charCodeAt(0) % 4 < seed;
        using parts = worked(log, isSending);
        if (seed % 2 === 0) parts.outbox.supersedeAllButNewest(parts.context);
        else
          for (const message of parts.outbox.list({ state: 'waiting', limit: 1000 }).reverse())
            if (isSending(message.id)) parts.outbox.supersededBy(message, parts.context);
        const now = new Map(log.all.filter(({ kind }) => kind !== 'backlog').map((each) => [each.alert.id, each.alert.state]));
        const waiting = parts.waiting();
        const told = waiting.flatMap(({ alerts }) => Object.entries(alerts));
        expect(new Map(told)).toEqual(now);
        expect(told).toHaveLength(now.size);
        const stillTold = parts.database
          .prepare(`SELECT key AS alert FROM notify_state WHERE kind = 'alert'`)
          .all()
          .map(({ alert: id }) => String(id));
        expect(stillTold.sort()).toEqual([...open.values()].sort());
      }),
      { numRuns: 300 },
    );
  });
});

describe('the order of messages', () => {
  it('holds what is newer about any alert of a summary that is being sent', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const order: string[] = [];
    const notifier = {
      async send({ subject }: { subject: string }) {
        order.push(subject);
        if (order.length === 1) await held;
        return { outcome: 'delivered' as const, detail: 'taken' };
      },
      close: () => Promise.resolve(),
    };
    await using bench = startNotifying({ notifiers: new Map([['email', notifier]]), config });
    for (const id of ['a', 'b']) bench.log.late('firing', { id, rule: id });
    bench.log.backlog(['a', 'b']);
    bench.notifying.wake();
    await eventually(
      () => order.length,
      (seen) => seen === 1,
    );
    bench.log.add('resolved', { id: 'b', rule: 'b' });
    bench.log.add('firing', { id: 'c', rule: 'c' });
    bench.notifying.wake();
    await eventually(
      () => order.length,
      (seen) => seen === 2,
    );
    release();
    await settled(bench, 3);
    expect(order.map((subject) => subject.replace(/ on .*| of readings.*/, ''))).toEqual([
      '[CRITICAL] fridge-01 sent 2h10m',
      '[CRITICAL] c',
      '[RESOLVED] b',
    ]);
  });

  it('over an outage of the mail server one message tells it all', async () => {
    const port = await freePort();
    await using bench = startNotifying({ smtp: `smtp://127.0.0.1:${port}`, config });
    for (const id of ['a', 'b']) bench.log.late('firing', { id, rule: id });
    bench.log.backlog(['a', 'b']);
    bench.notifying.wake();
    await eventually(
      () => bench.notifying.timeline('b'),
      (seen) => seen.some(({ kind }) => kind === 'attempt'),
    );
    bench.log.add('resolved', { id: 'b', rule: 'b', value: 5 });
    bench.notifying.wake();
    await eventually(
      () => messages(bench),
      (seen) => seen.some((line) => line.startsWith('night superseded')),
    );
    await using server = await startSmtp({ port });
    await settled(bench, 2);
    expect(server.received.map(({ mail }) => mail.subject)).toEqual([
      '[CRITICAL] fridge-01 sent 2h10m of readings late: 2 alerts, 1 still firing',
    ]);
    const mail = server.received[0]?.mail;
    expect(mail?.text).toContain('- a (critical) since 2026-01-02 03:14:05 UTC, last value 9.3');
    expect(mail?.text).toContain('- b (critical) from 2026-01-02 03:14:05 to 03:24:05 UTC, last value 5');
    expect(mail?.text).toContain('takes the place of an earlier one');
  });
});
