/** Notifying's tables in state.db. Steps are only ever appended. */
export const NOTIFY_MIGRATIONS: readonly string[] = [
  `CREATE TABLE notify_cursor (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL) STRICT;

   -- Who was told of which open alert, and the message that the later ones answer to. Gone when the alert has ended.
   CREATE TABLE notify_told (
     alert TEXT NOT NULL, contact TEXT NOT NULL, first_message TEXT NOT NULL,
     PRIMARY KEY (alert, contact)
   ) STRICT, WITHOUT ROWID;

   CREATE TABLE notify_message (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     alert TEXT NOT NULL, contact TEXT NOT NULL, kind TEXT NOT NULL, urgent INTEGER NOT NULL,
     subject TEXT NOT NULL, transition TEXT NOT NULL, thread TEXT, replaces TEXT NOT NULL,
     state TEXT NOT NULL, detail TEXT,
     created_at INTEGER NOT NULL, ended_at INTEGER,
     channel INTEGER NOT NULL, channel_since INTEGER NOT NULL, channel_attempts INTEGER NOT NULL, attempts INTEGER NOT NULL,
     next_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX notify_due ON notify_message (urgent, next_at, number) WHERE state = 'waiting';
   CREATE INDEX notify_by_alert ON notify_message (alert, number);
   CREATE INDEX notify_by_state ON notify_message (state, number);
   CREATE INDEX notify_ended ON notify_message (ended_at) WHERE ended_at IS NOT NULL;

   -- What was decided and tried, and why; equal attempts in a row are one entry with a count.
   CREATE TABLE notify_timeline (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     alert TEXT NOT NULL, transition_id TEXT NOT NULL, message TEXT,
     kind TEXT NOT NULL, detail TEXT NOT NULL, at INTEGER NOT NULL, last_at INTEGER NOT NULL, times INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX notify_timeline_by_alert ON notify_timeline (alert, id);
   CREATE INDEX notify_timeline_by_message ON notify_timeline (message, id) WHERE message IS NOT NULL;`,

  `-- Of a message that is the summary of a backlog: every alert that it tells of.
   CREATE TABLE notify_about (
     alert TEXT NOT NULL, message TEXT NOT NULL REFERENCES notify_message (id) ON DELETE CASCADE,
     PRIMARY KEY (alert, message)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX notify_about_by_message ON notify_about (message);`,
];
