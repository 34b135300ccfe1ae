/** A state.db that the version before wrote, when a message was one transition to one contact: nothing in it is lost. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSqliteStateStore } from '../../src/alerts/sqlite-state-store.ts';
import type { Transition } from '../../src/domain/alert.ts';
import { NOTIFY_MIGRATIONS } from '../../src/notify/outbox-schema.ts';
import { openDatabase } from '../../src/sqlite/database.ts';
import { systemClock } from '../../src/std/clock.ts';
import { startSmtp } from './channels/smtp.ts';
import { configOf, eventually, START, startNotifying, TransitionLog } from './fixtures.ts';

const config = configOf(`
contacts: {pharmacy: {email: p@x.org}, night: [{webhook: "https://hooks.example.org/x"}, {email: n@x.org}]}
default: {to: [pharmacy], groupWait: 0s}
`);
const HOUR = 3_600_000_000;
const BEGUN = systemClock.now() - HOUR;
const idOf = (transition: string, contact: string): string =>
  createHash('sha256').update(`${transition}\n${contact}`).digest('hex').slice(0, 32);
/** Within the hour: what ended a month ago is let go of. */
const createdAt = ({ sequence }: Transition): number => BEGUN + sequence;
/** As alerting wrote transitions then. */
const withoutJournalTime = ({ journaledAt: _, ...transition }: Transition): object => transition;

interface Stored {
  readonly transition: Transition;
  readonly contact?: string;
  readonly state?: string;
  readonly thread?: string;
  readonly replaces?: object[];
  readonly channel?: number;
  readonly about?: readonly string[];
}

function messageOf(database: ReturnType<typeof openDatabase>, stored: Stored): string {
  const { transition, contact = 'pharmacy', state = 'waiting', thread = null, replaces = [], channel = 0, about = [] } = stored;
  const { kind, alert } = transition;
  const id = idOf(transition.id, contact);
  const at = createdAt(transition);
  const ended = state === 'waiting' ? null : at + 1;
  database
    .prepare(`INSERT INTO notify_message (id, alert, contact, kind, urgent, subject, transition, thread, replaces, state, detail, created_at,
       ended_at, channel, channel_since, channel_attempts, attempts, next_at) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, 2, 3, ?)`)
    .run(
      ...[id, alert.id, contact, kind, `subject of ${transition.id}`, JSON.stringify(withoutJournalTime(transition)), thread],
      ...[JSON.stringify(replaces), state, at, ended, channel, at, at],
    );
  for (const each of about) database.prepare('INSERT INTO notify_about VALUES (?, ?)').run(each, id);
  return id;
}

/** Two alerts that pharmacy was told of and that fire still, one of them in the summary of a backlog, and one of each state. */
function oldState(folder: string): TransitionLog {
  const log = new TransitionLog();
  using database = openDatabase(join(folder, 'state.db'));
  database.migrate('notify', NOTIFY_MIGRATIONS.slice(0, 2));
  database.transaction(() => {
    const tell = (stored: Stored): string => messageOf(database, stored);
    const told = (alert: string, contact: string, first: string): unknown =>
      database.prepare('INSERT INTO notify_told VALUES (?, ?, ?)').run(alert, contact, first);
    const first = tell({ transition: log.add('firing', { id: 'open', level: 'warning' }), state: 'delivered' });
    const replaced = { transition: 'open/2', subject: 'in between', level: 'warning', at: START };
    tell({ transition: log.add('no-data', { id: 'open', level: 'critical', flags: ['no-data'] }), thread: first, replaces: [replaced] });
    told('open', 'pharmacy', first);
    const ended = { id: 'ended', device: 'fridge-02' };
    tell({ transition: log.add('firing', ended), state: 'superseded' });
    tell({ transition: log.add('resolved', ended), state: 'given-up' });
    log.late('firing', { id: 'late', rule: 'door-open', level: 'warning' });
    log.late('resolved', { id: 'over', rule: 'battery-low' });
    const summary = log.backlog(['late', 'over']);
    told('late', 'pharmacy', tell({ transition: summary, about: ['late', 'over'] }));
    tell({ transition: log.add('firing', { id: 'falls-back', device: 'fridge-03' }), contact: 'night', channel: 1 });
    tell({ transition: log.add('resolved', { id: 'falls-back', device: 'fridge-03' }), contact: 'gone' });
    database.prepare('INSERT INTO notify_cursor VALUES (1, ?)').run(log.all.length);
    const note =
      'INSERT INTO notify_timeline (alert, transition_id, message, kind, detail, at, last_at, times) VALUES (?, ?, ?, ?, ?, ?, ?, 1)';
    database.prepare(note).run('open', 'open/1', first, 'sent', 'taken', BEGUN, BEGUN);
  });
  log.pass((systemClock.now() - log.now()) / 1000);
  return log;
}

describe('a state.db of the version before', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tocsin-notify-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is taken over whole: what waits is delivered under its id, what ended is listed', async () => {
    const log = oldState(folder);
    await using server = await startSmtp();
    await using bench = startNotifying({ folder, log, config, smtp: server.url, publicUrl: 'https://tocsin.example.org' });
    await server.until(3);
    const items = await eventually(
      () => bench.notifying.notifications({}).items,
      (seen) => seen.every(({ state }) => !['waiting', 'sending'].includes(state)),
    );
    expect(items.map(({ alerts, contact, kind, state }) => [alerts.join(), contact, kind, state].join(' '))).toEqual([
      'falls-back gone resolved given-up',
      'falls-back night firing delivered',
      'late,over pharmacy backlog delivered',
      'ended pharmacy resolved given-up',
      'ended pharmacy firing superseded',
      'open pharmacy no-data delivered',
      'open pharmacy firing delivered',
    ]);
    expect(items.at(-2)?.replaces).toEqual([idOf('open/2', 'pharmacy')]);
    expect(bench.notifying.timeline('open')[0]).toMatchObject({ kind: 'sent', detail: 'taken' });

    const mailOf = (alert: string) => server.received.find(({ mail }) => mail.headers.get('x-tocsin-alert') === alert)?.mail;
    expect(mailOf('open')?.messageId).toBe(`<${idOf('open/2', 'pharmacy')}@tocsin>`);
    expect(mailOf('open')?.inReplyTo).toBe(`<${idOf('open/1', 'pharmacy')}@tocsin>`);
    expect(mailOf('open')?.subject).toBe('subject of open/2');
    expect(mailOf('open')?.date?.getTime()).toBe(Math.floor((BEGUN + 2) / 1_000_000) * 1000);
    expect(mailOf('late')?.text).toContain('battery-low (critical) from');
    expect(server.received.find(({ to }) => to.includes('n@x.org'))?.mail.subject).toBe('subject of falls-back/1');
    // A link holds for days from then, not from 1970.
    const [, token = ''] = /\/a\/(\S+)/.exec(mailOf('open')?.text ?? '') ?? [];
    expect(bench.notifying.openLink(token)).toMatchObject({ contact: 'pharmacy', alert: { id: 'open' } });
  });

  it('tells the end of what somebody had been told of, to them alone, and what is new', async () => {
    const log = oldState(folder);
    await using server = await startSmtp();
    await using bench = startNotifying({ folder, log, config, smtp: server.url });
    await server.until(3);
    log.add('resolved', { id: 'open', value: 5 });
    log.add('resolved', { id: 'late', rule: 'door-open', level: 'warning' });
    log.add('firing', { id: 'new', device: 'fridge-09' });
    bench.notifying.wake();
    await server.until(6);
    const told = server.received.slice(3).map(({ to, mail }) => `${to.join()} ${mail.subject}`);
    expect(told.sort()).toEqual([
      'p@x.org [CRITICAL] fridge-warm on fridge-09: 9.3 °C',
      'p@x.org [RESOLVED] door-open on fridge-01: 9.3',
      'p@x.org [RESOLVED] fridge-warm on fridge-01: 5 °C',
    ]);
  });

  it('reminds of what fires still, and is silent else', async () => {
    const log = oldState(folder);
    await using server = await startSmtp();
    await using bench = startNotifying({ folder, log, config, smtp: server.url });
    await server.until(3);
    log.pass((4 * HOUR) / 1000 + 60_000);
    bench.notifying.wake();
    await server.until(5);
    expect(
      bench.notifying
        .notifications({ limit: 2 })
        .items.map(({ kind, alerts }) => [kind, ...alerts].join(' '))
        .sort(),
    ).toEqual(['reminder late', 'reminder open']);
    bench.notifying.wake();
    expect(bench.notifying.notifications({}).items).toHaveLength(9);
  });

  it('makes the same of it however often it is opened', async () => {
    const log = oldState(folder);
    for (let start = 0; start < 2; start++) {
      await using bench = startNotifying({ folder, log, config });
      await eventually(
        () => bench.notifying.notifications({ state: 'waiting' }).items.length,
        (count) => count === 0,
      );
      expect(bench.notifying.notifications({}).items).toHaveLength(7);
    }
  });

  it('has transitions without a journal time: they are timed by their reading, or by when they were due', () => {
    using database = openDatabase(join(folder, 'state.db'));
    const store = createSqliteStateStore(database, { followedTo: () => 0 });
    const log = new TransitionLog();
    for (const receivedAt of [START + 5, null]) {
      const transition = log.add('firing', { id: `alert-${receivedAt}` }, { receivedAt });
      database
        .prepare('INSERT INTO transition (id, alert, body) VALUES (?, ?, ?)')
        .run(transition.id, transition.alert.id, JSON.stringify(withoutJournalTime(transition)));
    }
    expect(store.after(0, 10).map(({ journaledAt }) => journaledAt)).toEqual([START + 5, log.all[1]?.at]);
  });
});
