/** A message as the outbox holds it, read back from its row and checked: the file may be another version's. */
import type { SQLOutputValue } from 'node:sqlite';
import * as z from 'zod';
import { LEVELS, type Level, type Transition } from '../domain/alert.ts';
import type { MessageKind } from './decide.ts';

export type MessageState = 'waiting' | 'delivered' | 'superseded' | 'given-up';
/** A message that another one stands in for. */
export interface Replaced {
  readonly transition: string;
  readonly subject: string;
  readonly level: Level;
  /** Event time of the transition, µs. */
  readonly at: number;
}

export interface OutboxMessage {
  readonly number: number;
  readonly id: string;
  readonly alert: string;
  readonly contact: string;
  readonly kind: MessageKind;
  /** It is about a critical alert, of a summary one that still fires; or stands in for a message that was. */
  readonly isUrgent: boolean;
  readonly subject: string;
  readonly transition: Transition;
  readonly thread: string | null;
  readonly replaces: readonly Replaced[];
  readonly state: MessageState;
  readonly detail: string | null;
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
const backlogForm = z.object({
  device: z.string(),
  from: z.number(),
  to: z.number(),
  alerts: z.array(alertForm),
  more: z.number(),
});
const transitionForm = z.object({
  id: z.string(),
  sequence: z.number(),
  kind: z.enum(['pending', 'cancelled', 'firing', 'level', 'no-data', 'resolved', 'backlog']),
  fromLevel: level.nullable(),
  alert: alertForm,
  at: z.number(),
  receivedAt: z.number().nullable(),
  reason: z.string(),
  backlog: backlogForm.exactOptional(),
});
const replacesForm = z.array(z.object({ transition: z.string(), subject: z.string(), level, at: z.number() }));
const kindForm = z.enum(['firing', 'level', 'no-data', 'resolved', 'backlog']);
const stateForm = z.enum(['waiting', 'delivered', 'superseded', 'given-up']);
export const stateOf = (value: SQLOutputValue | undefined): MessageState => stateForm.parse(value);

export function messageOfRow(row: Record<string, SQLOutputValue>): OutboxMessage {
  const text = (value: SQLOutputValue | undefined): string | null => (value === null || value === undefined ? null : String(value));
  return {
    number: Number(row.number),
    id: String(row.id),
    alert: String(row.alert),
    contact: String(row.contact),
    kind: kindForm.parse(row.kind),
    isUrgent: row.urgent === 1,
    subject: String(row.subject),
    transition: transitionForm.parse(JSON.parse(String(row.transition))),
    thread: text(row.thread),
    replaces: replacesForm.parse(JSON.parse(String(row.replaces))),
    state: stateOf(row.state),
    detail: text(row.detail),
    createdAt: Number(row.created_at),
    endedAt: row.ended_at === null ? null : Number(row.ended_at),
    channel: Number(row.channel),
    channelSince: Number(row.channel_since),
    channelAttempts: Number(row.channel_attempts),
    attempts: Number(row.attempts),
    nextAt: Number(row.next_at),
  };
}
