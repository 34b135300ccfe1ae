/** A way to hand a message to the outside. `send` never rejects: whatever goes wrong is an outcome with its reason. */
import type { Channel, DeliveryOutcome } from '../../domain/notification.ts';
import type { Clock } from '../../std/clock.ts';
import type { Logger } from '../../std/logger.ts';
import type { Content, MessageKind } from '../content.ts';

export interface OutgoingMessage {
  /** Of the outbox row: the same when a message is sent again, so that the repeat is recognisable. */
  readonly id: string;
  /** Id of the first message to this contact about this incident; null when this is the first. */
  readonly thread: string | null;
  /** Id of the contact. */
  readonly contact: string;
  readonly channel: Channel;
  readonly kind: MessageKind;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** Shown in the HTML where it says `cid:<contentId>`. */
  readonly chart: { readonly contentId: string; readonly png: Uint8Array } | null;
  /** When it was decided on, not when it is sent: a repeat is the same to the byte; µs. */
  readonly at: number;
  readonly isUrgent: boolean;
  /** For machines: what the texts were made from. */
  readonly content: Content;
  /** For a person to act on; null without a public URL. */
  readonly links: Links | null;
  /** For programs that sort mail; single-line text. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface Links {
  /** The alert's page. */
  readonly alert: string;
  /** Pages with a button: to follow one changes nothing. Null: of a message that is not about one open alert. */
  readonly acknowledge: string | null;
  readonly silence: string | null;
}

export interface Notifier {
  /** Resolves within a bounded time, or soon after the signal aborts. */
  send(message: OutgoingMessage, signal: AbortSignal): Promise<DeliveryOutcome>;
  close(): Promise<void>;
}

/** What a user's module exports by default: `(options, context) => notifier`. */
export type CreateNotifier = (
  options: Readonly<Record<string, unknown>>,
  context: { readonly clock: Clock; readonly logger: Logger },
) => Notifier | Promise<Notifier>;
