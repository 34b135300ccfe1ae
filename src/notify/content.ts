/** What one message tells: plain data, from which every channel makes its own form. Times are µs. */
import type { Alert, Level } from '../domain/alert.ts';

/**
 * What is new about an alert to whom the message is for.
 *
 *     firing     first told of it            level    told of it at another level before
 *     no-data    its no-data flag changed    resolved told of it before, and it is over
 *     flapping   changes too often: no further changes are told until it is calm
 *     calm       has stopped flapping, and fires
 *     still      nothing, but it fires still (reminder, escalation, the end of a silence)
 *     ended      came and went without having been told of (while muted, held back, in a backlog)
 */
export type News = 'firing' | 'level' | 'no-data' | 'resolved' | 'flapping' | 'calm' | 'still' | 'ended';

export interface Item {
  /** As it was when the message was decided on. */
  readonly alert: Alert;
  readonly news: News;
  /** The level last told of, where it is another one. */
  readonly fromLevel: Level | null;
  /** Its latest transition. */
  readonly transition: string;
  /** One sentence: why that transition came about. */
  readonly reason: string;
}

/** The label that explains most of a storm: `gateway` `gw-1`; `rule` for the rule; null when nothing does. */
export interface Explanation {
  readonly name: string;
  readonly value: string;
  /** How many of the alerts it explains. */
  readonly count: number;
}

/** Why the message is there. */
export type Cause =
  /** News of a group; `group` holds its groupBy values, `rule: fridge-warm`. */
  | { readonly kind: 'update'; readonly group: Readonly<Record<string, string>> }
  /** `since`: the last message of the group. */
  | { readonly kind: 'reminder'; readonly since: number; readonly group: Readonly<Record<string, string>> }
  | { readonly kind: 'escalation'; readonly step: number; readonly steps: number; readonly afterMs: number }
  /** What a device sent late; its time span. */
  | { readonly kind: 'backlog'; readonly device: string; readonly from: number; readonly to: number }
  /** `name`: of the schedule, the comment of the silence, what inhibited. */
  | {
      readonly kind: 'mute-end';
      readonly mute: 'silence' | 'schedule' | 'inhibition';
      readonly name: string;
      readonly by: string | null;
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly kind: 'storm';
      readonly phase: 'begun' | 'goes-on' | 'over';
      readonly since: number;
      readonly explanation: Explanation | null;
      /** Alerts of the incident in all, and how many of them still fire. */
      readonly total: number;
      readonly firing: number;
    }
  /** What the contact's limit held back: how many messages, since when. */
  | { readonly kind: 'digest'; readonly held: number; readonly since: number; readonly perHour: number }
  /** Asked for by a person, to see whether it arrives. */
  | { readonly kind: 'test'; readonly by: string };

export interface Content {
  readonly cause: Cause;
  /** Foremost first: what fires before what is over, the highest level first. One at least. At most `ITEMS_MAX`. */
  readonly items: readonly Item[];
  /** Alerts beyond those listed. */
  readonly more: number;
}

export const ITEMS_MAX = 500;

/** One word for the API and for lists: of an update about one alert, what is new about it. */
export type MessageKind = News | 'group' | Exclude<Cause['kind'], 'update'>;
export function kindOf({ cause, items, more }: Content): MessageKind {
  if (cause.kind !== 'update') return cause.kind;
  const [only, ...others] = items;
  return only !== undefined && others.length + more === 0 ? only.news : 'group';
}

export const isFiring = ({ state }: Alert): boolean => state === 'firing';
/** The alert that the message is about, of several the foremost. */
export function foremost({ items }: Content): Alert {
  const [first] = items;
  if (first === undefined) throw new Error('a message tells of an alert at least');
  return first.alert;
}
/** It cannot wait: something critical that fires, or the end of it that was told of alone. */
export const isUrgent = ({ items }: Content): boolean =>
  items.some(({ alert, news }) => alert.level === 'critical' && (isFiring(alert) || (items.length === 1 && news !== 'ended')));
