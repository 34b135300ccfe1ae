/** A message as it is listed. */
import type { Channel, Contact } from '../domain/notification.ts';
import { foremost, type MessageKind } from './content.ts';
import type { MessageState, OutboxMessage } from './outbox-row.ts';

/** Times in µs. */
export interface NotificationItem {
  readonly id: string;
  /** The foremost of those that it tells of. */
  readonly alert: string;
  readonly transition: string;
  readonly rule: string;
  readonly device: string;
  readonly group?: string;
  readonly level: string;
  readonly kind: MessageKind;
  /** Ids of all alerts that it tells of. */
  readonly alerts: readonly string[];
  readonly contact: string;
  /** Kind and what may be shown of the address. */
  readonly channel: { readonly kind: Channel['kind']; readonly address: string } | null;
  readonly state: MessageState | 'sending';
  readonly subject: string;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly attempts: number;
  /** Of the next attempt, while it waits. */
  readonly nextAt: number | null;
  /** The last attempt's answer, or how it ended. */
  readonly detail: string | null;
  /** Ids of messages that it stands in for. */
  readonly replaces: readonly string[];
}

export function itemOf(message: OutboxMessage, contact: Contact | undefined, isSending: boolean): NotificationItem {
  const alert = foremost(message.content);
  const channel = contact?.channels[Math.min(message.channel, contact.channels.length - 1)] ?? null;
  return {
    id: message.id,
    alert: message.alert,
    transition: message.content.items[0]?.transition ?? '',
    rule: alert.rule,
    device: alert.device,
    ...(alert.group !== undefined && { group: alert.group }),
    level: alert.level,
    kind: message.kind,
    alerts: message.content.items.map((item) => item.alert.id),
    contact: message.contact,
    channel: channel === null ? null : { kind: channel.kind, address: channel.address },
    state: isSending ? 'sending' : message.state,
    subject: message.subject,
    createdAt: message.createdAt,
    endedAt: message.endedAt,
    attempts: message.attempts,
    nextAt: message.state === 'waiting' ? message.nextAt : null,
    detail: message.detail,
    replaces: message.replaces.map(({ id }) => id),
  };
}
