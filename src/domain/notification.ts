/** Who is told, over what, and what came of it. Times are µs. */

/**
 * A way to reach a contact. `address` is what may be shown in lists and logs: never a secret, so of a URL that is one (Slack's)
 * only the host. What the channel needs beside it is its own.
 */
export type Channel =
  | { readonly kind: 'email'; readonly address: string }
  /** POSTs JSON. `secret` signs the body. `allowPrivate`: addresses of private networks and of this machine are no error. */
  | {
      readonly kind: 'webhook';
      readonly address: string;
      readonly url: string;
      readonly secret: string | null;
      readonly allowPrivate: boolean;
    }
  /** An incoming webhook that takes Slack's JSON (Slack, Mattermost, Rocket.Chat, Discord's /slack), or Microsoft Teams'. */
  | { readonly kind: 'slack' | 'teams'; readonly address: string; readonly url: string; readonly allowPrivate: boolean }
  /** `url` with the topic as its path: https://ntfy.sh/my-topic. */
  | {
      readonly kind: 'ntfy';
      readonly address: string;
      readonly url: string;
      readonly token: string | null;
      readonly allowPrivate: boolean;
    }
  /** Published by this installation's own broker, as JSON; `address` is the topic, below `tocsin/`. */
  | { readonly kind: 'mqtt'; readonly address: string; readonly retain: boolean }
  /** A user's module, whose default export is a `CreateNotifier`; `address` is its path as written, `path` the absolute one. */
  | { readonly kind: 'module'; readonly address: string; readonly path: string; readonly options: Readonly<Record<string, unknown>> };

export type ChannelKind = Channel['kind'];

export interface Contact {
  readonly id: string;
  /** In order: the next one is the fallback. Empty for who stands for others. */
  readonly channels: readonly Channel[];
  /** Null: a person of their own. */
  readonly onCall: OnCall | null;
}

/** Who of several contacts is meant depends on the time. */
export type OnCall =
  /**
   * In turn: `of[0]` from `start` at `handoverMinute` local time on, the next one `everyDays` calendar days later at the same local
   * time, and so on. Before `start`, whose turn it would have been.
   */
  | {
      readonly kind: 'rotation';
      readonly zone: string;
      /** `2026-11-02` */
      readonly start: string;
      /** Minutes after local midnight. */
      readonly handoverMinute: number;
      readonly everyDays: number;
      readonly of: readonly string[];
    }
  /** The first entry whose schedule holds now; one without a schedule always does. None: nobody. */
  | { readonly kind: 'schedules'; readonly entries: readonly { readonly schedule: string | null; readonly to: string }[] };

/** Recurring windows of local time. */
export interface Schedule {
  readonly id: string;
  /** IANA name. */
  readonly zone: string;
  readonly windows: readonly ScheduleWindow[];
}

export interface ScheduleWindow {
  /** 1 is Monday, 7 Sunday; days on which the window begins. */
  readonly days: readonly number[];
  /** Minutes after local midnight, `to` exclusive, up to 1440. `to` at or before `from`: it ends on the next day. */
  readonly fromMinute: number;
  readonly toMinute: number;
}

export type DeliveryOutcome =
  | { readonly outcome: 'delivered'; readonly detail: string }
  /** Worth another try: refused for now, no answer, connection lost. `afterMs`: the other side said when. */
  | { readonly outcome: 'retryable'; readonly detail: string; readonly afterMs?: number }
  /**
   * Will not get better by itself; `detail` says what to do about it. `isMendable`: the fault is in our own settings (a
   * password, a certificate), so that a message without another channel is worth keeping until they are mended.
   */
  | { readonly outcome: 'permanent'; readonly detail: string; readonly isMendable: boolean };
