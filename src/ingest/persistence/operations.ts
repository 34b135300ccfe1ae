/**
 * What crosses between the broker and its file: what is to be written, and what is read back at a start and for a session that returns.
 * Plain data, as it goes to another thread.
 */

/** Bytes from the network; a text only where this program itself publishes one. */
export type Payload = Uint8Array | string;

/** `session` is the number of a session, `seq` that of a message: it grows with each message, over restarts too. */
export type Operation =
  | { readonly kind: 'session'; readonly session: number; readonly client: string }
  /** With its subscriptions, its queue and its exchanges. */
  | { readonly kind: 'end'; readonly session: number }
  | { readonly kind: 'subscribe'; readonly session: number; readonly filter: string; readonly options: string }
  | { readonly kind: 'unsubscribe'; readonly session: number; readonly filter: string }
  /** A payload of null: nothing is retained there any more. */
  | { readonly kind: 'retain'; readonly topic: string; readonly qos: number; readonly payload: Payload | null }
  | Queueing
  /** It goes out under this packet identifier, on the connection of this epoch. */
  | { readonly kind: 'sent'; readonly session: number; readonly seq: number; readonly messageId: number; readonly epoch: number }
  /** PUBREC has come: what is sent again from now on is PUBREL. */
  | { readonly kind: 'released'; readonly session: number; readonly seq: number }
  /** Acknowledged: out of the queue. */
  | { readonly kind: 'done'; readonly session: number; readonly seq: number }
  | { readonly kind: 'exchanged'; readonly session: number; readonly messageId: number }
  | { readonly kind: 'will'; readonly client: string; readonly broker: string; readonly packet: string; readonly payload: Payload }
  | { readonly kind: 'no-will'; readonly client: string };

/** A message for the queues of sessions. */
export interface Queueing {
  readonly kind: 'queue';
  readonly seq: number;
  readonly topic: string;
  readonly payload: Payload;
  /** Three numbers for each session: its own, the QoS, and the epoch of the connection on which it goes out at once, or 0. */
  readonly to: readonly number[];
  /** The exchange in which it came, where that outlives a connection: remembered in the same transaction until it is `exchanged`. */
  readonly from: { readonly session: number; readonly messageId: number } | null;
}

/** What became of a batch. */
export interface Applied {
  /** Messages in queues. */
  readonly queued: number;
  readonly queuedBytes: number;
  /** Messages that queues had to let go, by session, and how many in all. */
  readonly dropped: ReadonlyMap<number, number>;
}

/** One message in a session's queue. */
export interface Queued {
  readonly seq: number;
  readonly topic: string;
  readonly payload: Payload;
  readonly qos: number;
  /** Null: never sent. */
  readonly messageId: number | null;
  /** Epoch of the connection on which it may have been sent; 0: none. */
  readonly sent: number;
  readonly isReleased: boolean;
}

/** All that is held in memory; queues are not. */
export interface Stored {
  readonly sessions: readonly { readonly session: number; readonly client: string }[];
  readonly subscriptions: readonly { readonly session: number; readonly filter: string; readonly options: string }[];
  readonly retained: readonly { readonly topic: string; readonly qos: number; readonly payload: Payload }[];
  readonly exchanges: readonly { readonly session: number; readonly messageId: number }[];
  readonly wills: readonly { readonly client: string; readonly packet: string; readonly payload: Payload }[];
  /** The highest seq and epoch so far. */
  readonly seq: number;
  readonly epoch: number;
  readonly applied: Applied;
}

/** What the queues of sessions may hold. */
export interface QueueBounds {
  readonly countMax: number;
  readonly bytesMax: number;
  /** Over all sessions; a message in several queues takes its bytes once. */
  readonly countMaxInAll: number;
  readonly bytesMaxInAll: number;
}
