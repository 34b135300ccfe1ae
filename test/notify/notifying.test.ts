/** From transitions to mails, over a real state file and real SMTP conversations. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/sqlite/database.ts';
import { systemClock } from '../../src/std/clock.ts';
import { freePort, startSmtp } from './channels/smtp.ts';
import { type Bench, configOf, eventually, QUICK, startNotifying, TransitionLog } from './fixtures.ts';

const QUICK_TIMEOUTS = { connectMs: 2000, greetingMs: 500, silenceMs: 500, messageMs: 5000 };
const twoChannels = configOf('{contacts: {night: [{email: first@x.org}, {email: second@x.org}]}, default: {to: [night], groupWait: 0s}}');

const states = (bench: Bench, alert?: string): string[] =>
  bench.notifying
    .notifications({ limit: 1000, ...(alert !== undefined && { alert }) })
    .items.map(({ kind, state }) => `${kind} ${state}`)
    .reverse();

describe('from transition to mail', () => {
  it('tells of firing, change and end in one thread, and not of what is pending', async () => {
    await using server = await startSmtp();
    await using bench = startNotifying({ smtp: server.url });
    const { log, notifying } = bench;
    const say = async (count: number, ...transition: Parameters<TransitionLog['add']>) => {
      log.add(...transition);
      // What is not urgent waits for this.
      log.pass(300_000);
      notifying.wake();
      await server.until(count);
      await eventually(
        () => states(bench),
        (seen) => seen.every((state) => state.endsWith('delivered')),
      );
    };
    await say(0, 'pending', { id: 'a', level: 'warning' });
    await say(1, 'firing', { id: 'a', level: 'warning' });
    await say(2, 'level', { id: 'a' }, { fromLevel: 'warning' });
    await say(3, 'no-data', { id: 'a', flags: ['no-data'] });
    await say(4, 'resolved', { id: 'a', value: 5 });
    expect(server.received.map(({ mail }) => mail.subject)).toEqual([
      '[WARNING] fridge-warm on fridge-01: 9.3 °C',
      '[CRITICAL] fridge-warm on fridge-01: 9.3 °C',
      '[CRITICAL] fridge-warm on fridge-01: no data',
      '[RESOLVED] fridge-warm on fridge-01: 5 °C',
    ]);
    const first = server.received[0]?.mail.messageId;
    expect(first).toBe(`<${notifying.notifications({}).items.at(-1)?.id}@tocsin>`);
    expect(server.received.map(({ mail }) => mail.inReplyTo)).toEqual([undefined, first, first, first]);
    expect(notifying.timeline('a').map(({ kind, transition, detail }) => `${kind} ${transition} ${kind === 'sent' ? '' : detail}`)).toEqual(
      [
        'decision a/1 pending: nobody is told before it fires',
        'decision a/2 no route matches: the default to pharmacy',
        'decision a/2 firing: told to pharmacy',
        'sent a/2 ',
        'decision a/3 level: told to pharmacy',
        'sent a/3 ',
        'decision a/4 no-data: told to pharmacy',
        'sent a/4 ',
        'decision a/5 resolved: told to pharmacy',
        'sent a/5 ',
      ],
    );
    expect(await bench.registry.metrics()).toContain('tocsin_notifications_total{channel="email",outcome="delivered"} 4');
    expect(await bench.registry.metrics()).toContain('tocsin_alert_latency_seconds_count 4');
    expect(await bench.registry.metrics()).toContain('tocsin_outbox_messages{state="delivered"} 4');
  });

  it('writes .eml files without a server, and says where', async () => {
    await using bench = startNotifying();
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.join() === 'firing delivered',
    );
    const path = join(bench.folder, 'mail', `${bench.notifying.notifications({}).items[0]?.id}.eml`);
    const mail = await simpleParser(readFileSync(path));
    expect(mail.subject).toBe('[CRITICAL] fridge-warm on fridge-01: 9.3 °C');
    const line = bench.lines.find(({ msg }) => msg === 'notification delivered');
    expect(line).toMatchObject({ subject: mail.subject, to: 'pharmacy@example.org', detail: `written to ${path}` });
  });

  it('sends to each contact of the route, and the end to whoever was told, also when the route is another one by then', async () => {
    const config = configOf(`
contacts: {pharmacy: {email: p@x.org}, night: {email: n@x.org}}
routes: [{match: {level: critical}, to: [night]}]
default: {to: [pharmacy], groupWait: 0s}`);
    await using server = await startSmtp();
    await using bench = startNotifying({ smtp: server.url, config });
    bench.log.add('firing', { id: 'a', level: 'warning' });
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.join() === 'firing delivered',
    );
    bench.log.add('level', { id: 'a' }, { fromLevel: 'warning' });
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.filter((state) => state.endsWith('delivered')).length === 3,
    );
    bench.log.add('resolved', { id: 'a', level: 'warning' });
    bench.log.pass(30_000);
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.filter((state) => state.endsWith('delivered')).length === 5,
    );
    const told = server.received.map(({ to, mail }) => `${to.join()} ${mail.subject?.split(' ')[0]}`);
    expect(told.slice(0, 1)).toEqual(['p@x.org [WARNING]']);
    expect(told.slice(1, 3).sort()).toEqual(['n@x.org [CRITICAL]', 'p@x.org [CRITICAL]']);
    expect(told.slice(3).sort()).toEqual(['n@x.org [RESOLVED]', 'p@x.org [RESOLVED]']);
  });

  it('lists messages page by page, by alert and by state', async () => {
    await using bench = startNotifying();
    for (let i = 0; i < 5; i++) bench.log.add('firing', { id: `alert-${i}`, device: `d${i}` });
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.length === 5 && seen.every((state) => state === 'firing delivered'),
    );
    const alerts: string[] = [];
    let cursor: string | null | undefined;
    do {
      const page: ReturnType<typeof bench.notifying.notifications> = bench.notifying.notifications({
        limit: 2,
        ...(cursor ? { cursor } : {}),
      });
      alerts.push(...page.items.map(({ alert }) => alert));
      cursor = page.next;
    } while (cursor !== null);
    expect(alerts).toEqual(['alert-4', 'alert-3', 'alert-2', 'alert-1', 'alert-0']);
    expect(bench.notifying.notifications({ alert: 'alert-2' }).items).toMatchObject([
      { transition: 'alert-2/1', state: 'delivered', attempts: 1 },
    ]);
    expect(bench.notifying.notifications({ state: 'given-up' }).items).toEqual([]);
    expect(bench.notifying.notifications({ state: 'nonsense' }).items).toEqual([]);
    expect(bench.notifying.notifications({ cursor: 'nonsense' }).items).toEqual([]);
  });
});

describe('delivery', () => {
  it('tries again after a refusal for now, with the same Message-ID, and keeps each attempt', async () => {
    await using server = await startSmtp({ data: (attempt) => (attempt <= 2 ? { code: 451, text: 'later' } : null) });
    await using bench = startNotifying({ smtp: server.url });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.join() === 'firing delivered',
    );
    expect(server.received).toHaveLength(1);
    expect(bench.notifying.notifications({}).items[0]?.attempts).toBe(3);
    expect(bench.notifying.timeline('a')).toMatchObject([
      { kind: 'decision' },
      { kind: 'decision' },
      { kind: 'attempt', times: 2, detail: expect.stringContaining('451 later') },
      { kind: 'sent' },
    ]);
  });

  it('goes to the next channel at once when refused for good', async () => {
    await using server = await startSmtp({ recipient: (address) => (address === 'first@x.org' ? { code: 550, text: 'unknown' } : null) });
    await using bench = startNotifying({ smtp: server.url, config: twoChannels });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.join() === 'firing delivered',
    );
    expect(server.received.map(({ to }) => to)).toEqual([['second@x.org']]);
    expect(bench.notifying.timeline('a').map(({ kind }) => kind)).toEqual(['decision', 'decision', 'attempt', 'fallback', 'sent']);
  });

  it('goes to the next channel when one fails for too long, and gives up, loudly, in the end', async () => {
    const timing = { ...QUICK, fallbackAfterMs: { critical: 300, other: 300 }, giveUpAfterMs: 900 };
    const tried: string[] = [];
    await using server = await startSmtp({
      recipient: (address) => {
        tried.push(address);
        return { code: 450, text: 'busy' };
      },
    });
    await using bench = startNotifying({ smtp: server.url, config: twoChannels, timing });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.join() === 'firing given-up',
    );
    const changed = tried.indexOf('second@x.org');
    expect(changed).toBeGreaterThan(0);
    expect(tried.slice(changed)).not.toContain('first@x.org');
    expect(bench.lines.filter(({ level }) => level === 50)).toMatchObject([
      { msg: 'notification given up: nobody was told by it', to: 'second@x.org' },
    ]);
    expect(await bench.registry.metrics()).toContain('tocsin_notifications_total{channel="email",outcome="given-up"} 1');
  });

  it.each([
    ['a server that never answers after DATA', 'hang' as const],
    ['a connection cut in the middle of DATA', 'drop' as const],
  ])('survives %s', async (_name, fault) => {
    await using server = await startSmtp({ data: (attempt) => (attempt === 1 ? fault : null) });
    await using bench = startNotifying({ smtp: server.url, timeouts: QUICK_TIMEOUTS });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.join() === 'firing delivered',
    );
    expect(server.received).toHaveLength(1);
    expect(bench.notifying.notifications({}).items[0]?.attempts).toBe(2);
  });

  it('replaces what could not be delivered by the newer state, and says so', async () => {
    const port = await freePort();
    await using bench = startNotifying({ smtp: `smtp://127.0.0.1:${port}` });
    bench.log.add('firing', { id: 'a', level: 'warning' });
    bench.notifying.wake();
    await eventually(
      () => bench.notifying.timeline('a'),
      (seen) => seen.some(({ kind }) => kind === 'attempt'),
    );
    bench.log.add('level', { id: 'a' }, { fromLevel: 'warning' });
    bench.log.add('resolved', { id: 'a', value: 5 });
    bench.notifying.wake();
    await using server = await startSmtp({ port });
    await eventually(
      () => states(bench),
      (seen) => seen.join() === 'firing superseded,level superseded,resolved delivered',
    );
    expect(server.received).toHaveLength(1);
    const mail = server.received[0]?.mail;
    expect(mail?.subject).toBe('[RESOLVED] fridge-warm on fridge-01: 5 °C');
    expect(mail?.text).toContain('takes the place of 2 earlier ones');
    expect(mail?.text).toContain('was critical and is over');
    expect(mail?.headers.get('x-tocsin-replaces')).toBe('a/1, a/2');
  });

  it('an alert that keeps changing still reaches the fallback in time', async () => {
    const tried: string[] = [];
    const notifier = {
      async send({ channel, subject }: { channel: { address: string }; subject: string }) {
        tried.push(`${channel.address.split('@')[0]} ${subject.split(' ')[0]}`);
        if (channel.address.startsWith('second')) return { outcome: 'delivered' as const, detail: 'taken' };
        return { outcome: 'retryable' as const, detail: 'not now' };
      },
      close: () => Promise.resolve(),
    };
    const timing = { ...QUICK, fallbackAfterMs: { critical: 400, other: 3_600_000 } };
    const config = { ...twoChannels, default: { ...twoChannels.default, groupIntervalMs: 0 } };
    await using bench = startNotifying({ notifiers: new Map([['email', notifier]]), config, timing });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    for (let change = 0; !tried.some((to) => to.startsWith('second')) && change < 200; change++) {
      await systemClock.sleep(50);
      const level = change % 2 === 0 ? 'warning' : 'critical';
      bench.log.add('level', { id: 'a', level }, { fromLevel: level === 'warning' ? 'critical' : 'warning' });
      bench.notifying.wake();
    }
    const first = bench.notifying.notifications({ limit: 1000 }).items.at(-1)?.id ?? '';
    await eventually(
      () => bench.notifying.notifications({ state: 'delivered' }).items.flatMap(({ replaces }) => replaces),
      (replaced) => replaced.includes(first),
    );
    expect(tried.some((to) => to.startsWith('second '))).toBe(true);
  });

  it('keeps the order for one alert while its first message is on its way', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let count = 0;
    const order: string[] = [];
    const notifier = {
      async send(message: { subject: string }) {
        order.push(`begin ${message.subject.split(' ')[0]}`);
        if (count++ === 0) await held;
        order.push(`end ${message.subject.split(' ')[0]}`);
        return { outcome: 'delivered' as const, detail: 'taken' };
      },
      close: () => Promise.resolve(),
    };
    await using bench = startNotifying({ notifiers: new Map([['email', notifier]]) });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => order.length,
      (seen) => seen === 1,
    );
    expect(bench.notifying.notifications({ state: 'sending' }).items).toHaveLength(1);
    bench.log.add('resolved', { id: 'a' });
    bench.log.add('firing', { id: 'b', level: 'warning', device: 'fridge-02' });
    bench.notifying.wake();
    await eventually(
      () => order.length,
      (seen) => seen === 3,
    );
    release();
    await eventually(
      () => states(bench),
      (seen) => seen.every((state) => state.endsWith('delivered')),
    );
    expect(order).toEqual(['begin [CRITICAL]', 'begin [WARNING]', 'end [WARNING]', 'end [CRITICAL]', 'begin [RESOLVED]', 'end [RESOLVED]']);
  });

  it('gives up what is for a contact that is no more, and says so', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-notify-'));
    try {
      const log = new TransitionLog();
      await using first = startNotifying({ smtp: `smtp://127.0.0.1:${await freePort()}`, folder, log });
      log.add('firing', { id: 'a' });
      first.notifying.wake();
      await eventually(
        () => states(first),
        (seen) => seen.length === 1,
      );
      await first.stop();
      await using second = startNotifying({ folder, log, config: twoChannels });
      await eventually(
        () => states(second),
        // And whoever is told instead hears that it fires.
        (seen) => seen.toSorted().join() === 'firing delivered,firing given-up',
      );
      const gone = second.notifying.notifications({}).items.find(({ contact }) => contact === 'pharmacy');
      expect(gone?.detail).toContain('there is no contact pharmacy any more');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('never logs the password of the mail server', async () => {
    const password = 'hunter2-geheim';
    await using server = await startSmtp({
      options: {
        allowInsecureAuth: true,
        onAuth: (auth, _session, callback) => callback(Object.assign(new Error(`wrong: ${auth.password}`), { responseCode: 535 })),
      },
    });
    await using bench = startNotifying({
      smtp: `smtp://me:${password}@127.0.0.1:${server.port}`,
      timing: { ...QUICK, giveUpAfterMs: 300 },
    });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => states(bench),
      (seen) => seen.join() === 'firing given-up',
    );
    const everything = JSON.stringify([bench.lines, bench.notifying.notifications({}), bench.notifying.timeline('a')]);
    expect(everything).toContain('check user and password');
    expect(everything).not.toContain(password);
  });
});

describe('bounds', () => {
  it('drains a thousand alerts, each told once, over a few connections', async () => {
    let connections = 0;
    let most = 0;
    await using server = await startSmtp({
      options: {
        onConnect: (_session, callback) => {
          connections += 1;
          most = Math.max(most, connections);
          callback();
        },
        onClose: () => {
          connections -= 1;
        },
      },
    });
    await using bench = startNotifying({ smtp: server.url });
    for (let i = 0; i < 1000; i++) bench.log.add('firing', { id: `a${i}`, device: `d${i}` });
    bench.notifying.wake();
    await eventually(
      () => bench.notifying.notifications({ state: 'waiting', limit: 1 }).items.length + (1000 - server.received.length),
      (left) => left === 0,
      60_000,
    );
    expect(new Set(server.received.map(({ mail }) => mail.messageId)).size).toBe(1000);
    expect(server.received).toHaveLength(1000);
    expect(most).toBeLessThanOrEqual(6);
  }, 90_000);

  it('takes up no further transitions while too many messages wait, and goes on after', async () => {
    const port = await freePort();
    await using bench = startNotifying({ smtp: `smtp://127.0.0.1:${port}`, waitingMax: 100 });
    for (let i = 0; i < 500; i++) bench.log.add('firing', { id: `a${i}`, device: `d${i}` });
    bench.notifying.wake();
    // One batch of transitions, of which the last is told of when journal time has gone on.
    await eventually(
      () => states(bench).length,
      (seen) => seen === 199,
    );
    await systemClock.sleep(1200);
    expect(states(bench)).toHaveLength(199);
    await using server = await startSmtp({ port });
    await eventually(
      () => server.received.length,
      (seen) => seen === 500,
      60_000,
    );
  }, 90_000);
});

describe('a state file that cannot be written', () => {
  it('is waited for: nothing is lost, nothing is sent twice, and the service runs on', async () => {
    await using server = await startSmtp();
    await using bench = startNotifying({ smtp: server.url });
    const pages = Number(bench.database.prepare('PRAGMA page_count').get()?.page_count);
    bench.database.exec(`PRAGMA max_page_count = ${pages}`);
    for (let i = 0; i < 50; i++) bench.log.add('firing', { id: `a${i}`, device: `d${i}` });
    bench.notifying.wake();
    await eventually(
      () => bench.lines,
      (seen) => seen.some(({ msg }) => msg === 'the state of notifications cannot be written; trying again'),
    );
    expect(server.received).toEqual([]);
    bench.database.exec('PRAGMA max_page_count = 100000');
    await eventually(
      () => states(bench),
      (seen) => seen.length === 50 && seen.every((state) => state === 'firing delivered'),
    );
    expect(server.received).toHaveLength(50);
  });
});

describe('stopping and starting again', () => {
  it('goes on where it stopped: what waits is sent, what was sent is not sent again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-notify-'));
    try {
      const port = await freePort();
      const log = new TransitionLog();
      {
        await using server = await startSmtp();
        await using bench = startNotifying({ smtp: server.url, folder, log });
        log.add('firing', { id: 'sent', device: 'sent' });
        bench.notifying.wake();
        await eventually(
          () => states(bench),
          (seen) => seen.join() === 'firing delivered',
        );
      }
      {
        await using bench = startNotifying({ smtp: `smtp://127.0.0.1:${port}`, folder, log });
        log.add('firing', { id: 'waiting', device: 'waiting' });
        bench.notifying.wake();
        await eventually(
          () => states(bench).length,
          (seen) => seen === 2,
        );
      }
      log.add('firing', { id: 'unseen', device: 'unseen' });
      await using server = await startSmtp({ port });
      await using bench = startNotifying({ smtp: server.url, folder, log });
      await eventually(
        () => states(bench),
        (seen) => seen.length === 3 && seen.every((state) => state === 'firing delivered'),
      );
      expect(server.received.map(({ mail }) => mail.headers.get('x-tocsin-alert')).sort()).toEqual(['unseen', 'waiting']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('stops within a few seconds while a server hangs, and the message waits', async () => {
    await using server = await startSmtp({ data: () => 'hang' });
    await using bench = startNotifying({ smtp: server.url });
    bench.log.add('firing', { id: 'a' });
    bench.notifying.wake();
    await eventually(
      () => bench.notifying.notifications({ state: 'sending' }).items.length,
      (seen) => seen === 1,
    );
    const begun = performance.now();
    await bench.stop();
    expect(performance.now() - begun).toBeLessThan(8000);
    using database = openDatabase(join(bench.folder, 'state.db'));
    expect(database.prepare('SELECT state, attempts FROM notify_message').all()).toEqual([{ state: 'waiting', attempts: 0 }]);
  }, 20_000);

  it('makes the same message of a transition that is replayed, and no second one', async () => {
    const log = new TransitionLog();
    log.add('firing', { id: 'a' });
    const ids: string[][] = [];
    for (let run = 0; run < 2; run++) {
      const folder = mkdtempSync(join(tmpdir(), 'tocsin-notify-'));
      try {
        for (let start = 0; start < 2; start++) {
          await using bench = startNotifying({ folder, log });
          await eventually(
            () => states(bench),
            (seen) => seen.join() === 'firing delivered',
          );
          await bench.stop();
          using database = openDatabase(join(folder, 'state.db'));
          database.exec('DELETE FROM notify_cursor');
        }
        ids.push(readdirSync(join(folder, 'mail')));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
    expect(ids[0]).toHaveLength(1);
    expect(ids[1]).toEqual(ids[0]);
  });
});
