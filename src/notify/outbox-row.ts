/** A message as the outbox holds it, read back from its row and checked: the file may be another version's. */
import { createHash } from 'node:crypto';
import type { SQLOutputValue } from 'node:sqlite';
import * as z from 'zod';
import { LEVELS, type Level } from '../domain/alert.ts';
import type { Content, Item, MessageKind } from './content.ts';

export type MessageState = 'waiting' | 'delivered' | 'superseded' | 'given-up';
/** A message that another one stands in for. */
export interface Replaced {
  readonly id: string;
  /** Ids of the transitions that it told of, the foremost first; a few. */
  readonly transitions: readonly string[];
  readonly subject: string;
  readonly level: Level;
  /** When it was decided on, µs. */
  readonly at: number;
}

export interface OutboxMessage {
  readonly number: number;
  readonly id: string;
  readonly alert: string;
  readonly contact: string;
  readonly kind: MessageKind;
  /** It tells of something critical, or stands in for a message that did. */
  readonly isUrgent: boolean;
  readonly subject: string;
  readonly content: Content;
  readonly thread: string | null;
  readonly replaces: readonly Replaced[];
  readonly state: MessageState;
  readonly detail: string | null;
  /** Journal time. */
  readonly decidedAt: number;
  /** When the reading reached us that it tells of, or null. */
  readonly receivedAt: number | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
  /** Index into the contact's channels. */
  readonly channel: number;
  readonly channelSince: number;
  readonly channelAttempts: number;
  readonly attempts: number;
  readonly nextAt: number;
}

const level = z.enum(LEVELS);
const alertForm = z.object({
  id: z.string(),
  rule: z.string(),
  device: z.string(),
  group: z.string().exactOptional(),
  level,
  state: z.enum(['pending', 'firing', 'resolved']),
  flags: z.array(z.enum(['no-data', 'acknowledged', 'silenced', 'inhibited', 'flapping', 'retrospective'])),
  since: z.number(),
  firedAt: z.number().nullable(),
  resolvedAt: z.number().nullable(),
  value: z.union([z.number(), z.boolean(), z.string()]).nullable(),
  summary: z.string(),
  labels: z.record(z.string(), z.string()),
});
const newsForm = z.enum(['firing', 'level', 'no-data', 'resolved', 'flapping', 'calm', 'still', 'ended']);
const itemForm = z.object({ alert: alertForm, news: newsForm, fromLevel: level.nullable(), transition: z.string(), reason: z.string() });
const groupForm = z.record(z.string(), z.string());
const causeForm = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('update'), group: groupForm }),
  z.object({ kind: z.literal('reminder'), since: z.number(), group: groupForm }),
  z.object({ kind: z.literal('escalation'), step: z.number(), steps: z.number(), afterMs: z.number() }),
  z.object({ kind: z.literal('backlog'), device: z.string(), from: z.number(), to: z.number() }),
  z.object({
    kind: z.literal('mute-end'),
    mute: z.enum(['silence', 'schedule', 'inhibition']),
    name: z.string(),
    by: z.string().nullable(),
    from: z.number(),
    to: z.number(),
  }),
  z.object({
    kind: z.literal('storm'),
    phase: z.enum(['begun', 'goes-on', 'over']),
    since: z.number(),
    explanation: z.object({ name: z.string(), value: z.string(), count: z.number() }).nullable(),
    total: z.number(),
    firing: z.number(),
  }),
  z.object({ kind: z.literal('digest'), held: z.number(), since: z.number(), perHour: z.number() }),
  z.object({ kind: z.literal('test'), by: z.string() }),
]);
const contentForm = z.object({ cause: causeForm, items: z.array(itemForm).min(1), more: z.number() });
/** As it was before a message had more than one alert: a transition. */
const transitionForm = z
  .object({
    id: z.string(),
    kind: z.enum(['firing', 'level', 'no-data', 'resolved', 'backlog']),
    fromLevel: level.nullable(),
    alert: alertForm,
    reason: z.string(),
    backlog: z
      .object({ device: z.string(), from: z.number(), to: z.number(), alerts: z.array(alertForm).min(1), more: z.number() })
      .optional(),
  })
  .transform(({ id, kind, fromLevel, alert, reason, backlog }): Content => {
    const item = { fromLevel, transition: id, reason };
    const still = (each: typeof alert): Item => ({ ...item, alert: each, news: each.state === 'firing' ? 'still' : 'ended' });
    if (backlog !== undefined) {
      const { device, from, to, alerts, more } = backlog;
      return { cause: { kind: 'backlog', device, from, to }, items: alerts.map(still), more };
    }
    return { cause: { kind: 'update', group: {} }, items: [kind === 'backlog' ? still(alert) : { ...item, alert, news: kind }], more: 0 };
  });
const storedForm = z.union([contentForm, transitionForm]);
const replacesForm = z.array(
  z.union([
    z.object({ id: z.string(), transitions: z.array(z.string()), subject: z.string(), level, at: z.number() }),
    // As it was when there was one message a transition and contact.
    z.object({ transition: z.string(), subject: z.string(), level, at: z.number() }),
  ]),
);
const kindForm = z.enum([...newsForm.options, 'group', 'reminder', 'escalation', 'backlog', 'mute-end', 'storm', 'digest', 'test']);
const stateForm = z.enum(['waiting', 'delivered', 'superseded', 'given-up']);
export const stateOf = (value: SQLOutputValue | undefined): MessageState => stateForm.parse(value);

export function messageOfRow(row: Record<string, SQLOutputValue>): OutboxMessage {
  const text = (value: SQLOutputValue | undefined): string | null => (value === null || value === undefined ? null : String(value));
  return {
    number: Number(row.number),
    id: String(row.id),
    alert: String(row.alert),
    contact: String(row.contact),
    kind: kindForm.parse(row.kind) satisfies MessageKind,
    isUrgent: row.urgent === 1,
    subject: String(row.subject),
    content: storedForm.parse(JSON.parse(String(row.content))),
    thread: text(row.thread),
    replaces: replacesForm.parse(JSON.parse(String(row.replaces))).map((replaced) => replacedOf(replaced, String(row.contact))),
    state: stateOf(row.state),
    detail: text(row.detail),
    decidedAt: Number(row.decided_at),
    receivedAt: row.received_at === null ? null : Number(row.received_at),
    createdAt: Number(row.created_at),
    endedAt: row.ended_at === null ? null : Number(row.ended_at),
    channel: Number(row.channel),
    channelSince: Number(row.channel_since),
    channelAttempts: Number(row.channel_attempts),
    attempts: Number(row.attempts),
    nextAt: Number(row.next_at),
  };
}

function replacedOf(stored: z.output<typeof replacesForm>[number], contact: string): Replaced {
  if ('id' in stored) return stored;
  const { transition, ...replaced } = stored;
  const id = createHash('sha256').update(`${transition}\n${contact}`).digest('hex').slice(0, 32);
  return { id, transitions: [transition], ...replaced };
}
