/** One message to one contact over one channel. Times are µs. */

/** A way to reach a contact. */
export type Channel = { readonly kind: 'email'; readonly address: string };

export interface Contact {
  readonly id: string;
  /** In order: the next one is the fallback. */
  readonly channels: readonly Channel[];
}

export type DeliveryOutcome =
  | { readonly outcome: 'delivered'; readonly detail: string }
  /** Worth another try: refused for now, no answer, connection lost. */
  | { readonly outcome: 'retryable'; readonly detail: string }
  /**
   * Will not get better by itself; `detail` says what to do about it. `isMendable`: the fault is in our own settings (a
   * password, a certificate), so that a message without another channel is worth keeping until they are mended.
   */
  | { readonly outcome: 'permanent'; readonly detail: string; readonly isMendable: boolean };
