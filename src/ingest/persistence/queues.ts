/**
 * The queues of sessions, in the broker's file. A message is stored once, however many queues it is in, and goes with the last of them.
 * A queue that would become too long or too large lets its oldest go, which is counted; so does one that would grow when all of them
 * together are.
 */
import type { StatementSync } from 'node:sqlite';
import type { Database } from '../../sqlite/database.ts';
import type { Applied, Payload, QueueBounds, Queued, Queueing } from './operations.ts';

/** Each queue's length, and the messages in any: in memory, as every message would have to count them otherwise. */
interface Length {
  count: number;
  bytes: number;
}
interface Message {
  queues: number;
  readonly bytes: number;
}

const PAGE_COUNT = 100;
const PAGE_BYTES = 1024 * 1024;
/** What a message takes beside its topic and payload, about. */
const MESSAGE_OVERHEAD_BYTES = 64;

export const QUEUE_TABLES = `
  CREATE TABLE message (seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload ANY) STRICT;
  CREATE TABLE queue (
    session INTEGER NOT NULL, seq INTEGER NOT NULL, qos INTEGER NOT NULL, message_id INTEGER, sent INTEGER NOT NULL, released INTEGER NOT NULL,
    PRIMARY KEY (session, seq)
  ) STRICT, WITHOUT ROWID`;

export class Queues {
  readonly #bounds: QueueBounds;
  readonly #lengths = new Map<number, Length>();
  readonly #messages = new Map<number, Message>();
  readonly #statements: ReturnType<typeof prepare>;
  #queued = 0;
  #bytes = 0;
  #dropped = new Map<number, number>();

  constructor(database: Database, bounds: QueueBounds) {
    this.#bounds = bounds;
    this.#statements = prepare(database);
    this.#recall(database);
  }

  /** Since it was asked for last, as to what was dropped. */
  takeApplied(): Applied {
    const dropped = this.#dropped;
    if (dropped.size > 0) this.#dropped = new Map();
    return { queued: this.#queued, queuedBytes: this.#bytes, dropped };
  }

  /** @param isSession whether a session is still there */
  add({ seq, topic, payload, to }: Queueing, isSession: (session: number) => boolean): void {
    for (let index = 0; index < to.length; index += 3) {
      const session = to[index] ?? 0;
      if (!isSession(session)) continue;
      if (!this.#messages.has(seq)) {
        this.#statements.addMessage.run(seq, topic, payload);
        this.#addMessage(seq, bytesOf(topic, Buffer.byteLength(payload)));
      }
      this.#statements.add.run(session, seq, to[index + 1] ?? 0, to[index + 2] ?? 0);
      this.#count(session, seq, 1);
      this.#shorten(session);
    }
  }

  sent(session: number, seq: number, messageId: number, epoch: number): void {
    this.#statements.sent.run(messageId, epoch, session, seq);
  }

  released(session: number, seq: number): void {
    this.#statements.released.run(session, seq);
  }

  remove(session: number, seq: number): void {
    if (Number(this.#statements.remove.run(session, seq).changes) === 0) return;
    this.#count(session, seq, -1);
  }

  removeAll(session: number): void {
    for (const { seq } of this.#statements.seqs.all(session)) this.remove(session, Number(seq));
    this.#lengths.delete(session);
  }

  /** What follows `after`, up to `until`, a page of it; from then on it counts as sent on the connection of this epoch. */
  page(session: number, range: { after: number; until: number }, epoch: number): Queued[] {
    const page: Queued[] = [];
    let bytes = 0;
    for (const row of this.#statements.page.iterate(session, range.after, range.until)) {
      const queued = queuedOf(row);
      page.push(queued);
      bytes += Buffer.byteLength(queued.payload);
      if (page.length >= PAGE_COUNT || bytes >= PAGE_BYTES) break;
    }
    const last = page.at(-1)?.seq;
    if (last !== undefined) this.#statements.touched.run(epoch, session, range.after, last);
    return page;
  }

  find(session: number, messageId: number): Queued | null {
    const row = this.#statements.find.get(session, messageId);
    return row === undefined ? null : queuedOf(row);
  }

  #recall(database: Database): void {
    const bytes = `length(topic) + coalesce(octet_length(payload), 0) + ${MESSAGE_OVERHEAD_BYTES}`;
    const counted = 'SELECT seq, count(*) AS queues FROM queue GROUP BY seq';
    for (const row of database.prepare(`SELECT seq, queues, ${bytes} AS bytes FROM (${counted}) JOIN message USING (seq)`).iterate()) {
      this.#addMessage(Number(row.seq), Number(row.bytes), Number(row.queues));
    }
    const lengths = `SELECT session, count(*) AS count, sum(${bytes}) AS bytes FROM queue JOIN message USING (seq) GROUP BY session`;
    for (const row of database.prepare(lengths).iterate()) {
      this.#lengths.set(Number(row.session), { count: Number(row.count), bytes: Number(row.bytes) });
      this.#queued += Number(row.count);
    }
  }

  #shorten(session: number): void {
    const { countMax, bytesMax, countMaxInAll, bytesMaxInAll } = this.#bounds;
    const length = this.#lengths.get(session);
    while (length !== undefined && length.count > 0) {
      const isOver = length.count > countMax || length.bytes > bytesMax || this.#queued > countMaxInAll || this.#bytes > bytesMaxInAll;
      if (!isOver) return;
      this.remove(session, Number(this.#statements.oldest.get(session)?.seq));
      this.#dropped.set(session, (this.#dropped.get(session) ?? 0) + 1);
    }
  }

  #addMessage(seq: number, bytes: number, queues = 0): void {
    this.#messages.set(seq, { queues, bytes });
    this.#bytes += bytes;
  }

  #count(session: number, seq: number, change: 1 | -1): void {
    const length = this.#lengths.get(session) ?? { count: 0, bytes: 0 };
    const message = this.#messages.get(seq) ?? { queues: 0, bytes: 0 };
    length.count += change;
    length.bytes += change * message.bytes;
    message.queues += change;
    this.#queued += change;
    if (length.count === 0) this.#lengths.delete(session);
    else this.#lengths.set(session, length);
    if (message.queues > 0) return;
    this.#messages.delete(seq);
    this.#bytes -= message.bytes;
    this.#statements.removeMessage.run(seq);
  }
}

const bytesOf = (topic: string, payloadBytes: number): number => topic.length + payloadBytes + MESSAGE_OVERHEAD_BYTES;

function prepare(
  database: Database,
): Record<
  'addMessage' | 'removeMessage' | 'add' | 'sent' | 'released' | 'remove' | 'seqs' | 'oldest' | 'page' | 'touched' | 'find',
  StatementSync
> {
  const columns = 'seq, topic, payload, qos, message_id, sent, released FROM queue JOIN message USING (seq)';
  return {
    addMessage: database.prepare('INSERT OR REPLACE INTO message VALUES (?, ?, ?)'),
    removeMessage: database.prepare('DELETE FROM message WHERE seq = ?'),
    add: database.prepare('INSERT OR REPLACE INTO queue VALUES (?, ?, ?, NULL, ?, 0)'),
    sent: database.prepare('UPDATE queue SET message_id = ?, sent = ? WHERE session = ? AND seq = ?'),
    released: database.prepare('UPDATE queue SET released = 1 WHERE session = ? AND seq = ?'),
    remove: database.prepare('DELETE FROM queue WHERE session = ? AND seq = ?'),
    seqs: database.prepare('SELECT seq FROM queue WHERE session = ?'),
    oldest: database.prepare('SELECT min(seq) AS seq FROM queue WHERE session = ?'),
    page: database.prepare(`SELECT ${columns} WHERE session = ? AND seq > ? AND seq <= ? ORDER BY seq`),
    touched: database.prepare('UPDATE queue SET sent = ? WHERE session = ? AND seq > ? AND seq <= ? AND sent = 0'),
    find: database.prepare(`SELECT ${columns} WHERE session = ? AND message_id = ? ORDER BY seq LIMIT 1`),
  };
}

function queuedOf(row: Record<string, unknown>): Queued {
  return {
    seq: Number(row.seq),
    topic: String(row.topic),
    payload: payloadOf(row.payload),
    qos: Number(row.qos),
    messageId: row.message_id === null ? null : Number(row.message_id),
    sent: Number(row.sent),
    isReleased: row.released === 1,
  };
}

/** SQLite gives no bytes as null. */
export const payloadOf = (value: unknown): Payload =>
  typeof value === 'string' || value instanceof Uint8Array ? value : new Uint8Array(0);
