/** What people ask of notifying, beside being told: to act on alerts, and to see who would be told what. Times are µs. */
import type { Alert } from '../domain/alert.ts';
import type { ChannelKind } from '../domain/notification.ts';
import type { Operation, OperationResult, SilenceView } from '../domain/operation.ts';
import type { LinkAction } from './action-links.ts';

export interface Operating {
  /** What was done is committed when it returns. */
  operate(operation: Operation): OperationResult;
  /** The latest first; `cursor` is the `next` of the page before. */
  silences(query: SilencesQuery): { readonly items: readonly SilenceView[]; readonly next: string | null };
  silence(id: string): SilenceView | null;
  /** What a link in a message stands for, its signature and its end checked. Changes nothing. */
  openLink(token: string): OpenedLink;
  /** Sends a sample over each channel of the contact, of one that stands for others to whom it means now. Null: there is none such. */
  test(contact: string, by: string): Promise<readonly TestOutcome[] | null>;
  /**
   * What a contact would be told of an alert now.
   * @param contact null: whoever is told first
   * @returns null when there is no such alert or contact, or nobody is told of it
   */
  preview(alert: string, contact: string | null): Preview | null;
  contacts(): readonly ContactView[];
}

export interface SilencesQuery {
  readonly state?: SilenceView['state'];
  readonly cursor?: string;
  readonly limit?: number;
}

export type OpenedLink =
  | {
      /** Null: it is no longer kept. */
      readonly alert: (Alert & { readonly timeline: readonly unknown[] }) | null;
      readonly contact: string;
      readonly action: LinkAction;
    }
  /** A sentence for who has followed it. */
  | { readonly problem: string };

export interface TestOutcome {
  /** `email night@example.org` */
  readonly channel: string;
  /** `delivered`, `retryable` or `permanent` */
  readonly outcome: string;
  readonly detail: string;
}

export interface Preview {
  readonly contact: string;
  /** Null: the contact has none, as of one that stands for others. */
  readonly channel: string | null;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export interface ContactView {
  readonly id: string;
  readonly channels: readonly { readonly kind: ChannelKind; readonly address: string }[];
  /** Whom it means now, of one that stands for others. */
  readonly onCall: readonly string[] | null;
}
