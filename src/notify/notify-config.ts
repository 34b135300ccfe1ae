/** notify.yaml as checked, plain data: `config.ts` makes it from the file. */
import type { Level } from '../domain/alert.ts';
import type { Contact, Schedule } from '../domain/notification.ts';
import type { AlertMatch } from '../domain/operation.ts';
import type { Place } from '../domain/rule.ts';

/** How the messages of a route come about. */
export interface Grouping {
  /** `rule`, `device`, `level`, or `labels.<name>`. Empty: all alerts of the route are one group. */
  readonly groupBy: readonly string[];
  /** How long news are collected before they go out, by the level of the alert. */
  readonly groupWaitMs: Readonly<Record<Level, number>>;
  /** At the earliest so long after the last message of the group, for news that are not urgent. */
  readonly groupIntervalMs: number;
  /** How often a group that still fires is told again; null is never. */
  readonly repeatIntervalMs: number | null;
  /** Tells of what is resolved while others of its group still fire. */
  readonly sendResolved: boolean;
  /** Id of a schedule: told of within its windows only, muted otherwise. */
  readonly active: string | null;
  /** Id of a schedule: muted within its windows. */
  readonly muted: string | null;
}

export interface Route extends Grouping {
  readonly place: Place;
  readonly match: AlertMatch;
  /** Ids of contacts. Empty: nobody, on purpose. */
  readonly to: readonly string[];
  /** True: the routes after it are asked as well. */
  readonly continue: boolean;
}

/** Targets are muted while an unresolved source matches that has equal values for all of `equal`. */
export interface Inhibition {
  readonly source: AlertMatch;
  readonly target: AlertMatch;
  /** As in `groupBy`. */
  readonly equal: readonly string[];
}

/** Each step is due `afterMs` after the alert was first told of (or fired, where nobody was), until somebody acknowledges it. */
export interface Escalation {
  readonly match: AlertMatch;
  readonly steps: readonly { readonly afterMs: number; readonly to: readonly string[] }[];
  /** After the last step it begins again, counting from it. */
  readonly loop: boolean;
}

export interface NotifyConfig {
  readonly contacts: readonly Contact[];
  readonly routes: readonly Route[];
  readonly default: Grouping & { readonly to: readonly string[] };
  readonly schedules: readonly Schedule[];
  readonly inhibitions: readonly Inhibition[];
  readonly escalations: readonly Escalation[];
  /** More new alerts than `after` within `inMs` on one route become one incident; null is `off`. */
  readonly storm: { readonly after: number; readonly inMs: number } | null;
  /** Messages to a contact; null is `off`. */
  readonly limits: { readonly perHour: number } | null;
}

/** An alert and its messages are one group unless a route says otherwise: one thread an alert. */
export const GROUPING: Grouping = {
  groupBy: ['rule', 'device'],
  groupWaitMs: { critical: 0, warning: 30_000, info: 30_000 },
  groupIntervalMs: 5 * 60_000,
  repeatIntervalMs: 4 * 3_600_000,
  sendResolved: true,
  active: null,
  muted: null,
};
export const STORM = { after: 20, inMs: 60_000 };
export const LIMITS = { perHour: 60 };

export const NOBODY: NotifyConfig = {
  contacts: [],
  routes: [],
  default: { ...GROUPING, to: [] },
  schedules: [],
  inhibitions: [],
  escalations: [],
  storm: STORM,
  limits: LIMITS,
};
