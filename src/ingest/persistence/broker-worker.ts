/**
 * The broker's own thread and the only one that writes broker.db: sessions, subscriptions, queues, retained messages, wills. A batch of
 * operations is one transaction, so that an answer means fsync. A file of its own, as neither the journal's commits nor the decisions'
 * may wait for it.
 */
import type { StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { type Database, openDatabase } from '../../sqlite/database.ts';
import { connect } from '../../std/rpc.ts';
import type { Applied, Operation, QueueBounds, Queued, Stored } from './operations.ts';
import { payloadOf, QUEUE_TABLES, Queues } from './queues.ts';

export interface BrokerWorkerData {
  /** A file, or `:memory:`. */
  readonly path: string;
  readonly queues: QueueBounds;
}

export interface BrokerWorkerMethods {
  open(): Stored;
  apply(operations: readonly Operation[]): Applied;
  /** A part of a session's queue, in order; empty at its end. It counts as sent from then on. */
  page(session: number, range: { after: number; until: number }, epoch: number): readonly Queued[];
  find(session: number, messageId: number): Queued | null;
  close(): void;
}

const MIGRATIONS = [
  `CREATE TABLE session (session INTEGER PRIMARY KEY, client TEXT NOT NULL) STRICT;
   CREATE TABLE subscription (session INTEGER NOT NULL, filter TEXT NOT NULL, options TEXT NOT NULL, PRIMARY KEY (session, filter)) STRICT, WITHOUT ROWID;
   CREATE TABLE retained (topic TEXT PRIMARY KEY, qos INTEGER NOT NULL, payload ANY) STRICT;
   CREATE TABLE exchange (session INTEGER NOT NULL, message_id INTEGER NOT NULL, PRIMARY KEY (session, message_id)) STRICT, WITHOUT ROWID;
   CREATE TABLE will (client TEXT PRIMARY KEY, broker TEXT NOT NULL, packet TEXT NOT NULL, payload ANY) STRICT;
   ${QUEUE_TABLES}`,
];
/** Free pages go back to the file system a few at a time. */
const VACUUM_EVERY_BATCHES = 100;
const VACUUM_PAGES = 500;

class BrokerFile implements BrokerWorkerMethods {
  readonly #database: Database;
  readonly #queueBounds: QueueBounds;
  #sessions = new Set<number>();
  #queues: Queues;
  readonly #statements: ReturnType<typeof prepare>;
  #batches = 0;

  constructor({ path, queues }: BrokerWorkerData) {
    this.#database = openDatabase(path);
    this.#database.migrate('broker', MIGRATIONS);
    this.#database.exec('PRAGMA journal_size_limit = 4194304');
    this.#statements = prepare(this.#database);
    this.#queueBounds = queues;
    this.#queues = this.#count();
  }

  open(): Stored {
    const highest = this.#rows('SELECT coalesce(max(seq), 0) AS seq, coalesce(max(sent), 0) AS epoch FROM queue')[0];
    return {
      sessions: this.#rows('SELECT * FROM session ORDER BY session').map((row) => ({
        session: Number(row.session),
        client: String(row.client),
      })),
      subscriptions: this.#rows('SELECT * FROM subscription').map((row) => ({
        session: Number(row.session),
        filter: String(row.filter),
        options: String(row.options),
      })),
      retained: this.#rows('SELECT * FROM retained').map((row) => ({
        topic: String(row.topic),
        qos: Number(row.qos),
        payload: payloadOf(row.payload),
      })),
      exchanges: this.#rows('SELECT * FROM exchange').map((row) => ({ session: Number(row.session), messageId: Number(row.message_id) })),
      wills: this.#rows('SELECT * FROM will').map((row) => ({
        client: String(row.client),
        packet: String(row.packet),
        payload: payloadOf(row.payload),
      })),
      seq: Number(highest?.seq),
      epoch: Number(highest?.epoch),
      applied: this.#queues.takeApplied(),
    };
  }

  apply(operations: readonly Operation[]): Applied {
    this.#batches += 1;
    // Before the transaction: nothing after it may fail, or what is done would be done again.
    if (this.#batches % VACUUM_EVERY_BATCHES === 0) this.#database.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
    try {
      this.#database.transaction(() => {
        for (const operation of operations) this.#apply(operation);
      });
    } catch (error) {
      // Nothing of it was done: what is counted in memory is counted anew.
      this.#count();
      throw error;
    }
    return this.#queues.takeApplied();
  }

  page(session: number, range: { after: number; until: number }, epoch: number): readonly Queued[] {
    return this.#database.transaction(() => this.#queues.page(session, range, epoch));
  }

  find(session: number, messageId: number): Queued | null {
    return this.#queues.find(session, messageId);
  }

  close(): void {
    this.#database.close();
  }

  #apply(operation: Operation): void {
    const { session, unsession, subscribe, unsubscribe, retain, unretain, exchange, exchanged, will, unwill } = this.#statements;
    switch (operation.kind) {
      case 'session':
        session.run(operation.session, operation.client);
        this.#sessions.add(operation.session);
        break;
      case 'end':
        this.#queues.removeAll(operation.session);
        for (const statement of unsession) statement.run(operation.session);
        this.#sessions.delete(operation.session);
        break;
      case 'subscribe':
        subscribe.run(operation.session, operation.filter, operation.options);
        break;
      case 'unsubscribe':
        unsubscribe.run(operation.session, operation.filter);
        break;
      case 'retain':
        if (operation.payload === null) unretain.run(operation.topic);
        else retain.run(operation.topic, operation.qos, operation.payload);
        break;
      case 'queue':
        this.#queues.add(operation, (number) => this.#sessions.has(number));
        if (operation.from !== null && this.#sessions.has(operation.from.session))
          exchange.run(operation.from.session, operation.from.messageId);
        break;
      case 'sent':
        this.#queues.sent(operation.session, operation.seq, operation.messageId, operation.epoch);
        break;
      case 'released':
        this.#queues.released(operation.session, operation.seq);
        break;
      case 'done':
        this.#queues.remove(operation.session, operation.seq);
        break;
      case 'exchanged':
        exchanged.run(operation.session, operation.messageId);
        break;
      case 'will':
        will.run(operation.client, operation.broker, operation.packet, operation.payload);
        break;
      case 'no-will':
        unwill.run(operation.client);
        break;
    }
  }

  #count(): Queues {
    this.#sessions = new Set(this.#rows('SELECT session FROM session').map((row) => Number(row.session)));
    this.#queues = new Queues(this.#database, this.#queueBounds);
    return this.#queues;
  }

  #rows(sql: string): Record<string, unknown>[] {
    return this.#database.prepare(sql).all();
  }
}

function prepare(database: Database): Record<
  'session' | 'subscribe' | 'unsubscribe' | 'retain' | 'unretain' | 'exchange' | 'exchanged' | 'will' | 'unwill',
  StatementSync
> & {
  unsession: StatementSync[];
} {
  return {
    session: database.prepare('INSERT OR REPLACE INTO session VALUES (?, ?)'),
    unsession: ['session', 'subscription', 'exchange'].map((table) => database.prepare(`DELETE FROM ${table} WHERE session = ?`)),
    subscribe: database.prepare('INSERT OR REPLACE INTO subscription VALUES (?, ?, ?)'),
    unsubscribe: database.prepare('DELETE FROM subscription WHERE session = ? AND filter = ?'),
    retain: database.prepare('INSERT OR REPLACE INTO retained VALUES (?, ?, ?)'),
    unretain: database.prepare('DELETE FROM retained WHERE topic = ?'),
    exchange: database.prepare('INSERT OR REPLACE INTO exchange VALUES (?, ?)'),
    exchanged: database.prepare('DELETE FROM exchange WHERE session = ? AND message_id = ?'),
    will: database.prepare('INSERT OR REPLACE INTO will VALUES (?, ?, ?, ?)'),
    unwill: database.prepare('DELETE FROM will WHERE client = ?'),
  };
}

if (parentPort !== null) {
  let opened: BrokerFile | undefined;
  // Opened by a call, so that what is wrong with the file is its answer.
  const open = (): BrokerFile => {
    opened ??= new BrokerFile(workerData as BrokerWorkerData);
    return opened;
  };
  const methods: BrokerWorkerMethods = {
    open: () => open().open(),
    apply: (operations) => open().apply(operations),
    page: (session, range, epoch) => open().page(session, range, epoch),
    find: (session, messageId) => open().find(session, messageId),
    close: () => opened?.close(),
  };
  connect(parentPort, { ...methods });
}
