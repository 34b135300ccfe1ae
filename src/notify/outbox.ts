/**
 * The durable side of notifying: its cursor over transitions, the messages, and the timeline of what was decided and tried.
 *
 *     waiting → delivered                  the channel took it
 *     waiting → superseded                 a newer message about the same alerts goes to the same contact instead: it tells of
 *                                          all that stood in the older one
 *     waiting → given-up                   refused for good, or not delivered in all the time it was tried
 *
 * That a message is being sent stands in memory only: after a crash it is waiting still and is sent again under the same
 * id. Methods that write are called inside a transaction of the caller's. Times are µs.
 */
import type { SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { ChannelKind } from '../domain/notification.ts';
import type { Database } from '../sqlite/database.ts';
import { type Content, foremost, kindOf } from './content.ts';
import type { NewMessage } from './dispatch/dispatch-state.ts';
import { joined } from './joined.ts';
import { type MessageState, messageOfRow, type OutboxMessage, type Replaced, stateOf } from './outbox-row.ts';
import { NOTIFY_MIGRATIONS } from './outbox-schema.ts';

export interface TimelineEntry {
  /** `decision`, `sent`, `attempt`, `fallback`, `superseded`, `given-up` */
  readonly kind: string;
  readonly detail: string;
  readonly transition: string;
  readonly message: string | null;
  readonly at: number;
  /** The last of `times` equal ones. */
  readonly lastAt: number;
  readonly times: number;
}

/** @param at when it was decided on, µs */
export type SubjectOf = (content: Content, at: number) => string;

/** Over what a message goes now. `none`: its contact is no more. */
export type Lane = ChannelKind | 'none';
/** @param channel index into the contact's channels */
export type LaneOf = (contact: string, channel: number) => Lane;

/** Of a message that is replaced. */
const TRANSITIONS_NAMED_MAX = 5;
const REPLACED_MAX = 20;
const RETENTION_MS = 30 * 86_400_000;
const MESSAGES_MAX = 100_000;
const TIMELINE_MAX = 300_000;
const PRUNED_AT_ONCE = 1000;
const TIMELINE_PER_ALERT_MAX = 1000;

export class Outbox {
  readonly #database: Database;
  readonly #laneOf: LaneOf;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: Database, laneOf: LaneOf) {
    this.#database = database;
    this.#laneOf = laneOf;
    database.migrate('notify', NOTIFY_MIGRATIONS);
  }

  /** At the start: what waits, under what it goes over by now; the contacts may be others than before. */
  relane(): void {
    const ways = this.#all(`SELECT contact, channel, lane FROM notify_message WHERE state = 'waiting' GROUP BY contact, channel, lane`);
    for (const { contact, channel, lane } of ways) {
      const now = this.#laneOf(String(contact), Number(channel));
      if (now === lane) continue;
      const sql = `UPDATE notify_message SET lane = ? WHERE state = 'waiting' AND contact = ? AND channel = ?`;
      this.#run(sql, now, String(contact), Number(channel));
    }
  }

  /** Sequence of the last transition that was worked through. */
  cursor(): number {
    return Number(this.#get('SELECT sequence FROM notify_cursor')?.sequence ?? 0);
  }

  moveCursor(sequence: number): void {
    this.#run('INSERT INTO notify_cursor VALUES (1, ?) ON CONFLICT DO UPDATE SET sequence = excluded.sequence', sequence);
  }

  /**
   * Adds a message; one that is there already is left alone. What waits for the same contact about the same alerts is
   * superseded, unless it is being sent at this moment: what becomes of that one, its attempt says.
   * @param context `now` is the clock's: from when it is tried, and for how long
   */
  add(message: NewMessage, context: { subject: SubjectOf; now: number; isSending: (id: string) => boolean }): void {
    const { id, contact, content, thread, at, isUrgent, receivedAt } = message;
    if (this.#get('SELECT 1 FROM notify_message WHERE id = ?', id) !== undefined) return;
    const { now } = context;
    const older = this.#waitingFor(content, contact).filter((waiting) => !context.isSending(waiting.id));
    this.#run(
      `INSERT INTO notify_message (id, alert, contact, kind, urgent, subject, content, thread, replaces, state, decided_at, received_at,
         created_at, channel, channel_since, channel_attempts, attempts, next_at, lane)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, '[]', 'waiting', ?, ?, ?, 0, ?, 0, 0, ?, ?)`,
      ...[
        id,
        foremost(content).id,
        contact,
        kindOf(content),
        isUrgent ? 1 : 0,
        context.subject(content, at),
        JSON.stringify(content),
        thread,
      ],
      ...[at, receivedAt, now, now, now, this.#laneOf(contact, 0)],
    );
    this.#tellsOf(id, content);
    this.#replace(older, id, context);
  }

  /** The message was tried in vain: ends it in favour of a newer one about the same alerts to the same contact, if one waits. */
  supersededBy(message: OutboxMessage, context: { subject: SubjectOf; now: number }): OutboxMessage | null {
    const newer = this.#waitingFor(message.content, message.contact).filter(({ number }) => number > message.number);
    const last = newer.pop() ?? null;
    if (last !== null) this.#replace([message, ...newer], last.id, context);
    return last;
  }

  /** Messages to send now in a lane, critical ones first, then the longest due. */
  due(lane: Lane, now: number, limit: number): OutboxMessage[] {
    const sql = `SELECT * FROM notify_message WHERE state = 'waiting' AND lane = ? AND urgent = ? AND next_at <= ?
      ORDER BY next_at, number LIMIT ?`;
    const urgent = this.#all(sql, lane, 1, now, limit);
    const others = urgent.length < limit ? this.#all(sql, lane, 0, now, limit - urgent.length) : [];
    return [...urgent, ...others].map(messageOfRow);
  }

  /** How many are due, counted up to `limit`. */
  dueCount(lane: Lane, now: number, limit: number): number {
    const sql = `SELECT count(*) AS n FROM
      (SELECT 1 FROM notify_message WHERE state = 'waiting' AND lane = ? AND urgent IN (0, 1) AND next_at <= ? LIMIT ?)`;
    return Number(this.#get(sql, lane, now, limit)?.n ?? 0);
  }

  /** When the next message after `now` is due, or null. */
  nextDue(lane: Lane, now: number): number | null {
    const sql = `SELECT min(next_at) AS at FROM notify_message WHERE state = 'waiting' AND lane = ? AND urgent = ? AND next_at > ?`;
    const times = [1, 0].flatMap((urgent) => this.#get(sql, lane, urgent, now)?.at ?? []).map(Number);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Due at the latest by `latest`: mends what a clock that was set back would leave waiting for hours. */
  dueBy(latest: number): void {
    this.#run(`UPDATE notify_message SET next_at = ?1 WHERE state = 'waiting' AND next_at > ?1`, latest);
  }

  delivered(message: OutboxMessage, detail: string, now: number): void {
    this.#run('UPDATE notify_message SET attempts = attempts + 1 WHERE id = ?', message.id);
    this.#end(message, { state: 'delivered', detail, now, kind: 'sent' });
  }

  attempted(message: OutboxMessage, detail: string, now: number): void {
    this.#run('UPDATE notify_message SET attempts = attempts + 1, detail = ? WHERE id = ?', detail, message.id);
    this.#noteOf(message, { kind: 'attempt', detail, at: now });
  }

  retryAt(message: OutboxMessage, at: number): void {
    this.#run('UPDATE notify_message SET next_at = ?, channel_attempts = channel_attempts + 1 WHERE id = ?', at, message.id);
  }

  nextChannel(message: OutboxMessage, reason: string, now: number): void {
    this.#run(
      'UPDATE notify_message SET channel = channel + 1, lane = ?, channel_since = ?, channel_attempts = 0, next_at = ? WHERE id = ?',
      ...[this.#laneOf(message.contact, message.channel + 1), now, now, message.id],
    );
    this.#noteOf(message, { kind: 'fallback', detail: `${reason}: on to the contact's next channel`, at: now });
  }

  giveUp(message: OutboxMessage, reason: string, now: number): void {
    this.#end(message, { state: 'given-up', detail: reason, now, kind: 'given-up' });
  }

  note(entry: { alert: string; transition: string; message: string | null; kind: string; detail: string; at: number }): void {
    const { alert, transition, message, kind, detail, at } = entry;
    if (kind === 'attempt') {
      const sql = 'SELECT id, kind, detail FROM notify_timeline WHERE message = ? AND alert = ? ORDER BY id DESC LIMIT 1';
      const last = this.#get(sql, message, alert);
      if (last !== undefined && last.kind === kind && last.detail === detail) {
        this.#run('UPDATE notify_timeline SET times = times + 1, last_at = ? WHERE id = ?', at, Number(last.id));
        return;
      }
    }
    this.#run(
      'INSERT INTO notify_timeline (alert, transition_id, message, kind, detail, at, last_at, times) VALUES (?, ?, ?, ?, ?, ?, ?, 1)',
      ...[alert, transition, message, kind, detail, at, at],
    );
  }

  /** What was decided and tried about an alert, in order; the latest 1,000 entries. */
  timeline(alert: string): TimelineEntry[] {
    const rows = this.#all('SELECT * FROM notify_timeline WHERE alert = ? ORDER BY id DESC LIMIT ?', alert, TIMELINE_PER_ALERT_MAX);
    return rows.reverse().map((row) => ({
      kind: String(row.kind),
      detail: String(row.detail),
      transition: String(row.transition_id),
      message: row.message === null ? null : String(row.message),
      at: Number(row.at),
      lastAt: Number(row.last_at),
      times: Number(row.times),
    }));
  }

  /** Newest first. */
  list(query: { alert?: string; state?: MessageState; before?: number; limit: number }): OutboxMessage[] {
    const conditions: string[] = [];
    const values: SQLInputValue[] = [];
    const add = (condition: string, value: SQLInputValue | undefined): void => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    if (query.alert !== undefined) {
      conditions.push('number IN (SELECT number FROM notify_about JOIN notify_message ON id = message WHERE notify_about.alert = ?)');
      values.push(query.alert);
    }
    add('state = ?', query.state);
    add('number < ?', query.before);
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    return this.#all(`SELECT * FROM notify_message ${where} ORDER BY number DESC LIMIT ?`, ...values, query.limit).map(messageOfRow);
  }

  waitingCount(): number {
    return Number(this.#get(`SELECT count(*) AS n FROM notify_message WHERE state = 'waiting'`)?.n ?? 0);
  }

  counts(): Record<MessageState, number> {
    const counts = { waiting: 0, delivered: 0, superseded: 0, 'given-up': 0 };
    for (const { state, n } of this.#all('SELECT state, count(*) AS n FROM notify_message GROUP BY state'))
      counts[stateOf(state)] = Number(n);
    return counts;
  }

  /** At the start: of messages to one contact about one alert only the newest waits. Of two, one was being sent at a crash. */
  supersedeAllButNewest(context: { subject: SubjectOf; now: number }): void {
    const rows = this.#all(
      `SELECT notify_about.alert, contact FROM notify_about JOIN notify_message ON id = message WHERE state = 'waiting'
         GROUP BY notify_about.alert, contact HAVING count(*) > 1`,
    );
    for (const { alert, contact } of rows) {
      const waiting = this.#waitingAbout(String(alert), String(contact));
      const newest = waiting.pop();
      if (newest !== undefined) this.#replace(waiting, newest.id, context);
    }
  }

  /** Lets go of what is old or too much; a bounded piece of work, true when there may be more. What waits is never let go. */
  prune(now: number): boolean {
    const cutoff = now - RETENTION_MS * 1000;
    const old = this.#run(
      'DELETE FROM notify_message WHERE number IN (SELECT number FROM notify_message WHERE ended_at < ? ORDER BY ended_at LIMIT ?)',
      ...[cutoff, PRUNED_AT_ONCE],
    );
    const many = this.#run(
      `DELETE FROM notify_message WHERE number IN (SELECT number FROM notify_message WHERE ended_at IS NOT NULL
         AND number <= (SELECT max(number) FROM notify_message) - ? ORDER BY number LIMIT ?)`,
      ...[MESSAGES_MAX, PRUNED_AT_ONCE],
    );
    const entries = this.#run(
      `DELETE FROM notify_timeline WHERE id IN (SELECT id FROM notify_timeline ORDER BY id LIMIT ?2)
         AND (last_at < ?1 OR id <= (SELECT max(id) FROM notify_timeline) - ${TIMELINE_MAX})`,
      ...[cutoff, PRUNED_AT_ONCE],
    );
    return Math.max(old, many, entries) >= PRUNED_AT_ONCE;
  }

  /**
   * Ends messages in favour of a newer one. That one tells of them and of all their alerts, is as urgent as they were, and
   * goes on where the last of them had got to on its way through the contact's channels: an alert that changes often must
   * not keep its contact from ever reaching the fallback.
   */
  #replace(older: readonly OutboxMessage[], newerId: string, context: { subject: SubjectOf; now: number }): void {
    const last = older.at(-1);
    const row = this.#get('SELECT * FROM notify_message WHERE id = ?', newerId);
    if (last === undefined || row === undefined) return;
    const newer = this.#widened(messageOfRow(row), older, context.subject);
    for (const message of older)
      this.#end(message, { state: 'superseded', detail: `replaced by: ${newer.subject}`, now: context.now, kind: 'superseded' });
    const replaces = older.flatMap((message): Replaced[] => [
      ...message.replaces,
      {
        id: message.id,
        transitions: message.content.items.slice(0, TRANSITIONS_NAMED_MAX).map(({ transition }) => transition),
        subject: message.subject,
        level: foremost(message.content).level,
        at: message.decidedAt,
      },
    ]);
    this.#run(
      'UPDATE notify_message SET replaces = ?, urgent = ?, channel = ?, lane = ?, channel_since = ? WHERE id = ?',
      ...[JSON.stringify(bounded([...replaces, ...newer.replaces])), newer.isUrgent || older.some(({ isUrgent }) => isUrgent) ? 1 : 0],
      ...[last.channel, this.#laneOf(last.contact, last.channel), last.channelSince, newerId],
    );
  }

  /** It tells of what the older ones told of, too. It has not been tried yet. */
  #widened(message: OutboxMessage, older: readonly OutboxMessage[], subjectOf: SubjectOf): OutboxMessage {
    const before = older.map(({ content }) => content);
    const content = joined(message.content, before);
    if (content === message.content) return message;
    const subject = subjectOf(content, message.decidedAt);
    const alert = foremost(content).id;
    const kind = kindOf(content);
    this.#run(
      'UPDATE notify_message SET kind = ?, alert = ?, subject = ?, content = ? WHERE id = ?',
      ...[kind, alert, subject, JSON.stringify(content), message.id],
    );
    this.#tellsOf(message.id, content);
    return { ...message, kind, alert, subject, content };
  }

  #tellsOf(id: string, { items }: Content): void {
    for (const { alert } of items) this.#run('INSERT INTO notify_about VALUES (?, ?) ON CONFLICT DO NOTHING', alert.id, id);
  }

  #waitingFor({ items }: Content, contact: string): OutboxMessage[] {
    if (this.#get(`SELECT 1 FROM notify_message WHERE contact = ? AND state = 'waiting' LIMIT 1`, contact) === undefined) return [];
    const waiting = items.flatMap(({ alert }) => this.#waitingAbout(alert.id, contact));
    return [...new Map(waiting.map((message) => [message.number, message])).values()].sort((a, b) => a.number - b.number);
  }

  #waitingAbout(alert: string, contact: string): OutboxMessage[] {
    const sql = `SELECT notify_message.* FROM notify_about JOIN notify_message ON id = message
      WHERE notify_about.alert = ? AND contact = ? AND state = 'waiting' ORDER BY number`;
    return this.#all(sql, alert, contact).map(messageOfRow);
  }

  #end(message: OutboxMessage, end: { state: MessageState; detail: string; now: number; kind: string }): void {
    this.#run('UPDATE notify_message SET state = ?, detail = ?, ended_at = ? WHERE id = ?', end.state, end.detail, end.now, message.id);
    this.#noteOf(message, { kind: end.kind, detail: end.detail, at: end.now });
  }

  /** On the timeline of every alert that the message tells of. */
  #noteOf({ id, content }: OutboxMessage, entry: { kind: string; detail: string; at: number }): void {
    for (const { alert, transition } of content.items) this.note({ ...entry, alert: alert.id, transition, message: id });
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #get = (sql: string, ...values: SQLInputValue[]): Record<string, SQLOutputValue> | undefined => this.#statement(sql).get(...values);
  #all = (sql: string, ...values: SQLInputValue[]): Record<string, SQLOutputValue>[] => this.#statement(sql).all(...values);
  #run = (sql: string, ...values: SQLInputValue[]): number => Number(this.#statement(sql).run(...values).changes);
}

/** The first one and the latest ones: the beginning of the story is worth more than its middle, and its worst more than either. */
function bounded(replaces: readonly Replaced[]): readonly Replaced[] {
  if (replaces.length <= REPLACED_MAX) return replaces;
  const left = replaces.slice(1, 1 - REPLACED_MAX);
  const kept = [...replaces.slice(0, 1), ...replaces.slice(1 - REPLACED_MAX)];
  const worst = left.findLast(({ level }) => level === 'critical');
  return worst === undefined || kept.some(({ level }) => level === 'critical') ? kept : kept.with(1, worst);
}
