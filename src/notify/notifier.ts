/** A way to hand a message to the outside. `send` never rejects: whatever goes wrong is an outcome with its reason. */
import type { Channel, DeliveryOutcome } from '../domain/notification.ts';

export interface OutgoingMessage {
  /** Of the outbox row: the same when a message is sent again, so that the repeat is recognisable. */
  readonly id: string;
  /** Id of the first message to this contact about this alert; null when this is the first. */
  readonly thread: string | null;
  readonly channel: Channel;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** When it was decided on, not when it is sent: a repeat is the same to the byte; µs. */
  readonly at: number;
  readonly isUrgent: boolean;
  /** For programs that sort mail; single-line text. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface Notifier {
  /** Resolves within a bounded time, or soon after the signal aborts. */
  send(message: OutgoingMessage, signal: AbortSignal): Promise<DeliveryOutcome>;
  close(): Promise<void>;
}
