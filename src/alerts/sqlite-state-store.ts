/** The state store on SQLite: one transaction a change. Bodies are JSON; what is searched by stands in columns. */
import type { Alert, Transition } from '../domain/alert.ts';
import type { Database } from '../sqlite/database.ts';
import { InvalidQuery } from '../std/errors.ts';
import type { BacklogRecord } from './backlog.ts';
import { countOf } from './lifecycle.ts';
import type { AlertQuery, DeviceRow, InstanceRow, LetGo, OpenCounts, Page, StateChange, StateStore, WindowRow } from './state-store.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;
const MIGRATIONS = [
  `CREATE TABLE alerting_journal (only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL) STRICT;
   CREATE TABLE alerting_cursor (partition INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT;
   CREATE TABLE device (id TEXT PRIMARY KEY, partition INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE instance (device TEXT NOT NULL, rule TEXT NOT NULL, partition INTEGER NOT NULL, body TEXT NOT NULL,
     PRIMARY KEY (device, rule)) STRICT, WITHOUT ROWID;
   CREATE TABLE alert (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, partition INTEGER NOT NULL, rule TEXT NOT NULL,
     device TEXT NOT NULL, level TEXT NOT NULL, state TEXT NOT NULL, transitions INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
   CREATE INDEX alert_by_state ON alert (state, number);
   CREATE INDEX alert_by_device ON alert (device, number);
   CREATE INDEX alert_by_rule ON alert (rule, number);
   CREATE TABLE transition (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, alert TEXT NOT NULL, body TEXT NOT NULL) STRICT;
   CREATE INDEX transition_by_alert ON transition (alert, sequence);`,
  // When it ended by our clock, where the body says it in event time: that may be of any age.
  `ALTER TABLE alert ADD COLUMN ended_at INTEGER;
   UPDATE alert SET ended_at = json_extract(body, '$.resolvedAt') WHERE state = 'resolved';
   CREATE INDEX alert_ended ON alert (ended_at) WHERE ended_at IS NOT NULL;`,
  `CREATE TABLE window (device TEXT NOT NULL, key TEXT NOT NULL, partition INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (device, key)) STRICT;
   CREATE TABLE backlog (device TEXT PRIMARY KEY, partition INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE downtime (number INTEGER PRIMARY KEY, started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL) STRICT;
   CREATE TABLE alive (only INTEGER PRIMARY KEY CHECK (only = 1), at INTEGER NOT NULL) STRICT;`,
];
/** Older ones matter to nobody: no run is that long. */
const DOWNTIMES_MAX = 100;

/**
 * An alert that is open for months and changes its level every minute keeps its first transition and the latest ones.
 * Each hundredth time what is too much goes.
 */
const TRANSITIONS_PER_ALERT_MAX = 1000;
const TRIM_EVERY = 100;

function prepare(database: Database) {
  return {
    journal: database.prepare('SELECT id FROM alerting_journal'),
    setJournal: database.prepare('INSERT INTO alerting_journal VALUES (1, ?) ON CONFLICT DO UPDATE SET id = excluded.id'),
    cursor: database.prepare('SELECT position FROM alerting_cursor WHERE partition = ?'),
    setCursor: database.prepare('INSERT INTO alerting_cursor VALUES (?, ?) ON CONFLICT DO UPDATE SET position = excluded.position'),
    devices: database.prepare('SELECT body FROM device WHERE partition = ? ORDER BY id'),
    setDevice: database.prepare('INSERT OR REPLACE INTO device VALUES (?, ?, ?)'),
    instances: database.prepare('SELECT body FROM instance WHERE partition = ? ORDER BY device, rule'),
    setInstance: database.prepare('INSERT OR REPLACE INTO instance VALUES (?, ?, ?, ?)'),
    dropInstance: database.prepare('DELETE FROM instance WHERE device = ? AND rule = ?'),
    open: database.prepare("SELECT body, transitions FROM alert WHERE partition = ? AND state IN ('pending', 'firing') ORDER BY number"),
    setAlert: database.prepare(
      `INSERT INTO alert (id, partition, rule, device, level, state, transitions, body, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET level = excluded.level, state = excluded.state, transitions = excluded.transitions,
         body = excluded.body, ended_at = excluded.ended_at`,
    ),
    alert: database.prepare('SELECT body FROM alert WHERE id = ?'),
    addTransition: database.prepare('INSERT OR IGNORE INTO transition (id, alert, body) VALUES (?, ?, ?)'),
    timeline: database.prepare('SELECT sequence, body FROM transition WHERE alert = ? ORDER BY sequence'),
    windows: database.prepare('SELECT device, key, body FROM window WHERE partition = ?'),
    setWindow: database.prepare('INSERT OR REPLACE INTO window VALUES (?, ?, ?, ?)'),
    dropWindow: database.prepare('DELETE FROM window WHERE device = ? AND key = ?'),
    backlogs: database.prepare('SELECT device, body FROM backlog WHERE partition = ? ORDER BY device'),
    setBacklog: database.prepare('INSERT OR REPLACE INTO backlog VALUES (?, ?, ?)'),
    dropBacklog: database.prepare('DELETE FROM backlog WHERE device = ?'),
    downtimes: database.prepare(`SELECT * FROM (SELECT * FROM downtime ORDER BY number DESC LIMIT ${DOWNTIMES_MAX}) ORDER BY number`),
    addDowntime: database.prepare('INSERT INTO downtime (started_at, ended_at) VALUES (?, ?)'),
    dropDowntimes: database.prepare('DELETE FROM downtime WHERE number <= (SELECT max(number) FROM downtime) - ?'),
    alive: database.prepare('SELECT at FROM alive'),
    setAlive: database.prepare('INSERT INTO alive VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at'),
    latest: database.prepare('SELECT coalesce(max(sequence), 0) AS latest FROM transition'),
    after: database.prepare('SELECT sequence, body FROM transition WHERE sequence > ? ORDER BY sequence LIMIT ?'),
  };
}

/** @param options.followedTo the sequence up to which nobody needs transitions any more */
export function createSqliteStateStore(database: Database, options: { followedTo: () => number }): StateStore {
  database.migrate('alerting', MIGRATIONS);
  const statements = prepare(database);

  const write = (partition: number, change: StateChange, now: number): void => {
    for (const row of change.devices ?? []) statements.setDevice.run(row.id, partition, JSON.stringify(row));
    for (const row of change.instances ?? []) statements.setInstance.run(row.device, row.rule, partition, JSON.stringify(row));
    for (const { device, rule } of change.idle ?? []) statements.dropInstance.run(device, rule);
    for (const { alert, transitions } of change.alerts ?? []) {
      const { id, rule, device, level, state } = alert;
      const endedAt = state === 'resolved' ? now : null;
      statements.setAlert.run(id, partition, rule, device, level, state, transitions, JSON.stringify(alert), endedAt);
    }
    for (const transition of change.transitions ?? []) {
      statements.addTransition.run(transition.id, transition.alert.id, JSON.stringify(transition));
      const count = countOf(transition);
      if (count > TRANSITIONS_PER_ALERT_MAX && count % TRIM_EVERY === 0) trim(database, transition.alert.id, options.followedTo());
    }
    for (const { device, key, bytes } of change.windows ?? []) statements.setWindow.run(device, key, partition, bytes);
    for (const { device, key } of change.unusedWindows ?? []) statements.dropWindow.run(device, key);
    for (const { device, backlog } of change.backlogs ?? []) {
      if (backlog === null) statements.dropBacklog.run(device);
      else statements.setBacklog.run(device, partition, JSON.stringify(backlog));
    }
    if (change.downtime !== undefined) {
      statements.addDowntime.run(change.downtime.from, change.downtime.to);
      statements.dropDowntimes.run(DOWNTIMES_MAX);
    }
    if (change.aliveAt !== undefined) statements.setAlive.run(change.aliveAt);
    if (change.cursor !== undefined) statements.setCursor.run(partition, change.cursor);
  };

  return {
    origin(partition) {
      const journal = statements.journal.get();
      if (journal === undefined) return null;
      const cursor = statements.cursor.get(partition);
      return { journalId: String(journal.id), cursor: cursor === undefined ? null : Number(cursor.position) };
    },
    adopt: (journalId) => void statements.setJournal.run(journalId),
    load(partition) {
      return {
        devices: statements.devices.all(partition).map((row) => bodyOf<DeviceRow>(row)),
        instances: statements.instances.all(partition).map((row) => bodyOf<InstanceRow>(row)),
        open: statements.open.all(partition).map((row) => ({ alert: bodyOf<Alert>(row), transitions: Number(row.transitions) })),
        windows: statements.windows.all(partition).map(windowOf),
        backlogs: statements.backlogs.all(partition).map((row) => ({ device: String(row.device), backlog: bodyOf<BacklogRecord>(row) })),
        downtimes: statements.downtimes.all().map((row) => ({ from: Number(row.started_at), to: Number(row.ended_at) })),
        aliveAt: aliveAtOf(statements.alive.get()),
      };
    },
    commit: (partition, change, now) => database.transaction(() => write(partition, change, now)),
    letGo: (limits) => letGo(database, limits),
    alerts: (query) => alerts(database, query),
    alert(id) {
      const row = statements.alert.get(id);
      return row === undefined ? null : bodyOf<Alert>(row);
    },
    openCounts: () => openCounts(database),
    timeline: (alertId) => statements.timeline.all(alertId).map(transitionOf),
    latest: () => Number(statements.latest.get()?.latest),
    after: (sequence, limit) => statements.after.all(sequence, limit).map(transitionOf),
  };
}

function trim(database: Database, alert: string, followedTo: number): void {
  database
    .prepare(
      `DELETE FROM transition WHERE sequence IN (SELECT sequence FROM transition WHERE alert = ?1 AND sequence <= ?2
         AND sequence > (SELECT min(sequence) FROM transition WHERE alert = ?1)
         AND sequence <= (SELECT sequence FROM transition WHERE alert = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?3)
         ORDER BY sequence LIMIT ?4)`,
    )
    .run(alert, followedTo, TRANSITIONS_PER_ALERT_MAX - 1, 2 * TRIM_EVERY);
}

const VACUUM_PAGES = 200;

function letGo(database: Database, limits: LetGo): { alerts: number; isMore: boolean } {
  const { endedBefore, transitionsMax, followedTo, rowsMax } = limits;
  const ended = database.prepare('SELECT id, ended_at FROM alert WHERE ended_at IS NOT NULL ORDER BY ended_at LIMIT ?');
  const lastOf = database.prepare('SELECT max(sequence) AS last FROM transition WHERE alert = ?');
  const drop = database.prepare(
    'DELETE FROM transition WHERE sequence IN (SELECT sequence FROM transition WHERE alert = ? ORDER BY sequence LIMIT ?)',
  );
  const dropAlert = database.prepare('DELETE FROM alert WHERE id = ?');
  const latest = Number(database.prepare('SELECT coalesce(max(sequence), 0) AS latest FROM transition').get()?.latest);
  let rows = 0;
  let alerts = 0;
  database.transaction(() => {
    for (const row of ended.all(rowsMax)) {
      const id = String(row.id);
      const last = Number(lastOf.get(id)?.last ?? 0);
      const isOld = Number(row.ended_at) < endedBefore || last <= latest - transitionsMax;
      if (!isOld || last > followedTo || rows >= rowsMax) break;
      const left = rowsMax - rows;
      const dropped = Number(drop.run(id, left).changes);
      rows += dropped;
      // What is left of it goes with the next piece.
      if (dropped === left) break;
      dropAlert.run(id);
      rows += 1;
      alerts += 1;
    }
  });
  if (rows > 0) database.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
  return { alerts, isMore: rows >= rowsMax };
}

type Row = Record<string, unknown>;

/** What we wrote ourselves in this very format; the migrations vouch for its version. */
function bodyOf<T>(row: Row): T {
  return JSON.parse(String(row.body));
}

function windowOf(row: Row): WindowRow {
  if (!(row.body instanceof Uint8Array)) throw new Error('a stored window holds no bytes');
  return { device: String(row.device), key: String(row.key), bytes: row.body };
}

const aliveAtOf = (row: Row | undefined): number | null => (row === undefined ? null : Number(row.at));

/** One that an earlier version wrote has no journal time: when its reading came, or its timer was due. */
function transitionOf(row: Row): Transition {
  const { journaledAt, ...body } = bodyOf<Omit<Transition, 'sequence' | 'journaledAt'> & { readonly journaledAt?: number }>(row);
  return { ...body, journaledAt: journaledAt ?? body.receivedAt ?? body.at, sequence: Number(row.sequence) };
}

function alerts(database: Database, query: AlertQuery): Page<Alert> {
  const limit = Math.min(Math.max(1, Math.floor(query.limit ?? LIMIT_DEFAULT)), LIMIT_MAX);
  const wheres: string[] = [];
  const values: (string | number)[] = [];
  for (const column of ['state', 'level', 'device', 'rule'] as const) {
    const value = query[column];
    if (value === undefined) continue;
    wheres.push(`${column} = ?`);
    values.push(value);
  }
  if (query.cursor !== undefined) {
    wheres.push('number < ?');
    values.push(numberOf(query.cursor));
  }
  const where = wheres.length === 0 ? '' : `WHERE ${wheres.join(' AND ')}`;
  const rows = database.prepare(`SELECT number, body FROM alert ${where} ORDER BY number DESC LIMIT ?`).all(...values, limit + 1);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { items: page.map((row) => bodyOf<Alert>(row)), next: rows.length > limit && last !== undefined ? String(last.number) : null };
}

function openCounts(database: Database): OpenCounts {
  const counts = new Map<string, { pending: number; firing: number }>();
  const sql = "SELECT rule, state, count(*) AS n FROM alert WHERE state IN ('pending', 'firing') GROUP BY rule, state";
  for (const { rule, state, n } of database.prepare(sql).all()) {
    const ofRule = counts.get(String(rule)) ?? { pending: 0, firing: 0 };
    ofRule[state === 'pending' ? 'pending' : 'firing'] = Number(n);
    counts.set(String(rule), ofRule);
  }
  return counts;
}

function numberOf(cursor: string): number {
  const number = Number(cursor);
  if (!Number.isSafeInteger(number))
    throw new InvalidQuery(`${cursor} is no cursor`, { hint: 'use the value of next from the previous page' });
  return number;
}
