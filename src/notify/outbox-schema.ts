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

  `-- A message holds its content, and every message names the alerts that it tells of.
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
  `-- Who was told of an alert that fires still hears of its end: what was told stands in the state from now on, each alert as the
   -- latest message about it has it. The policy counts as another one, so that routes, reminders and escalations take it up.
   CREATE TABLE IF NOT EXISTS notify_told (
     alert TEXT NOT NULL, contact TEXT NOT NULL, first_message TEXT NOT NULL,
     PRIMARY KEY (alert, contact)
   ) STRICT, WITHOUT ROWID;
   CREATE TEMP TABLE latest AS
     SELECT alert, contact, number, transition_id, reason, body FROM (
       SELECT told.alert, told.contact, message.number, message.content ->> '$.id' AS transition_id, message.content ->> '$.reason' AS reason,
         coalesce(
           (SELECT value FROM json_each(message.content, '$.backlog.alerts') WHERE value ->> '$.id' = told.alert),
           message.content -> '$.alert'
         ) AS body,
         row_number() OVER (PARTITION BY told.alert, told.contact ORDER BY message.number DESC) AS place
       FROM notify_told AS told
         JOIN notify_about AS about ON about.alert = told.alert
         JOIN notify_message AS message ON message.id = about.message AND message.contact = told.contact
     ) WHERE place = 1 AND body ->> '$.id' = alert;
   INSERT INTO notify_state
     SELECT 'alert', alert, json_object(
       'alert', json(body), 'transition', transition_id, 'reason', reason, 'receivedAt', NULL,
       'firedAt', coalesce(body ->> '$.firedAt', body ->> '$.since'),
       'told', (
         SELECT json_group_object(contact, json_object(
           'state', 'firing', 'level', body ->> '$.level',
           'noData', json(iif(EXISTS (SELECT 1 FROM json_each(body, '$.flags') WHERE value = 'no-data'), 'true', 'false'))))
         FROM latest AS other WHERE other.alert = latest.alert),
       'on', json('{}'), 'acknowledgement', NULL, 'escalations', json('{}'), 'heldFor', json('[]'))
     FROM latest WHERE number = (SELECT max(number) FROM latest AS other WHERE other.alert = latest.alert)
     ON CONFLICT DO NOTHING;
   INSERT INTO notify_state
     SELECT 'meta', 'clock', json_object('now', (SELECT max(created_at) FROM notify_message), 'fingerprint', '')
     WHERE EXISTS (SELECT 1 FROM latest)
     ON CONFLICT DO NOTHING;
   DROP TABLE latest;
   DROP TABLE notify_told;
   UPDATE notify_message SET decided_at = created_at WHERE decided_at = 0;

   -- What is due, by the kind of channel that it goes over.
   ALTER TABLE notify_message ADD COLUMN lane TEXT NOT NULL DEFAULT 'none';
   DROP INDEX notify_due;
   CREATE INDEX notify_due ON notify_message (lane, urgent, next_at, number) WHERE state = 'waiting';`,
];
