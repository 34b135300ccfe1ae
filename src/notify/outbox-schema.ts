/** Notifying's tables in state.db. Steps are only ever appended. */
import { NOTIFY_STATE_MIGRATION } from './dispatch/state-rows.ts';

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

  `-- A message holds its content, and every message names the alerts that it tells of. What was told stands in the state.
   DROP TABLE notify_told;
   ALTER TABLE notify_message RENAME COLUMN transition TO content;
   ALTER TABLE notify_message ADD COLUMN decided_at INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE notify_message ADD COLUMN received_at INTEGER;
   INSERT INTO notify_about SELECT alert, id FROM notify_message WHERE true ON CONFLICT DO NOTHING;
   DROP INDEX notify_by_alert;
   CREATE INDEX notify_by_contact ON notify_message (contact) WHERE state = 'waiting';

   -- What people did about alerts, in order.
   CREATE TABLE notify_operation (
     number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, sequence INTEGER NOT NULL, body TEXT NOT NULL
   ) STRICT;`,
  NOTIFY_STATE_MIGRATION,
];
