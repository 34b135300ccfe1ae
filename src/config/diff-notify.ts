/**
 * Who is told, without saying how to reach them: what may be shown to others and compared with. A contact's channels are a
 * short salted hash. That is enough to see a change, and too little to find an address or a secret by trying. All else holds
 * none, and is text.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { NotifyConfig } from '../notify/notify-config.ts';
import { added, type Change, changed, removed, type Thing, Written } from './change.ts';
import {
  escalationText,
  groupingTexts,
  inhibitionText,
  limitsText,
  matchText,
  onCallText,
  scheduleText,
  stormText,
  toText,
} from './notify-text.ts';

export interface NotifyDigest {
  readonly salt: string;
  readonly contacts: readonly {
    readonly id: string;
    /** Kinds. */
    readonly channels: readonly string[];
    readonly hash: string;
    readonly onCall: string | null;
  }[];
  /** In order; the last one is the default. `keys`: those that group and repeat. */
  readonly routes: readonly { readonly route: string; readonly keys: Readonly<Record<string, string>> }[];
  readonly schedules: readonly { readonly id: string; readonly windows: string }[];
  readonly inhibitions: readonly string[];
  readonly escalations: readonly string[];
  readonly storm: string;
  readonly limits: string;
}

const HASH_DIGITS = 6;
const FROM_NOW_ON = 'from the next transition on';

/** @param salt of the digest that it shall be compared with; without one, a new one */
export function digestOf(notify: NotifyConfig, salt = randomBytes(16).toString('hex')): NotifyDigest {
  const hash = (value: unknown): string => createHmac('sha256', salt).update(JSON.stringify(value)).digest('hex').slice(0, HASH_DIGITS);
  const { contacts, routes, default: fallback } = notify;
  return {
    salt,
    contacts: contacts.map(({ id, channels, onCall }) => ({
      id,
      channels: channels.map(({ kind }) => kind),
      hash: hash(channels),
      onCall: onCall === null ? null : onCallText(onCall),
    })),
    routes: [
      ...routes.map((route) => ({
        route: `${matchText(route.match)} → ${toText(route.to)}${route.continue ? ', and continue' : ''}`,
        keys: groupingTexts(route),
      })),
      { route: `default → ${toText(fallback.to)}`, keys: groupingTexts(fallback) },
    ],
    schedules: notify.schedules.map((schedule) => ({ id: schedule.id, windows: scheduleText(schedule) })),
    inhibitions: notify.inhibitions.map(inhibitionText),
    escalations: notify.escalations.map(escalationText),
    storm: stormText(notify.storm),
    limits: limitsText(notify.limits),
  };
}

/** Both with the same salt. */
export function notifyDiff(before: NotifyDigest, after: NotifyDigest): Change[] {
  const whole = { kind: 'notify', id: '' } as const;
  return [
    ...contactsDiff(before, after),
    ...routesDiff(before, after),
    ...schedulesDiff(before, after),
    ...listDiff('inhibition', { before: before.inhibitions, after: after.inhibitions, effect: FROM_NOW_ON }),
    ...listDiff('escalation', { before: before.escalations, after: after.escalations, effect: 'for alerts that are open as well' }),
    ...partDiff(whole, 'storm', { before: before.storm, after: after.storm, effect: FROM_NOW_ON }),
    ...partDiff(whole, 'limits', { before: before.limits, after: after.limits, effect: 'from the next message on' }),
  ];
}

/** Texts that stand for themselves. */
function partDiff(
  thing: Thing,
  part: string,
  { before, after, effect }: { before: string | null; after: string | null; effect: string },
): Change[] {
  if (before === after) return [];
  const [from, to] = [before, after].map((text) => (text === null ? null : new Written(text)));
  return [changed(thing, { part, from, to, effect })];
}

function contactsDiff(before: NotifyDigest, after: NotifyDigest): Change[] {
  const old = new Map(before.contacts.map((contact) => [contact.id, contact]));
  const ids = new Set(after.contacts.map(({ id }) => id));
  return [
    ...before.contacts.flatMap(({ id }) =>
      ids.has(id) ? [] : [removed({ kind: 'contact', id }, 'messages to it that wait are given up, and the alert says so')],
    ),
    ...after.contacts.flatMap((contact) => {
      const thing: Thing = { kind: 'contact', id: contact.id };
      const known = old.get(contact.id);
      if (known === undefined) return [added(thing, 'told by the routes that name it')];
      return [
        ...channelsDiff(thing, known, contact),
        ...partDiff(thing, 'on call', { before: known.onCall, after: contact.onCall, effect: 'from the next message on' }),
      ];
    }),
  ];
}

type ContactDigest = NotifyDigest['contacts'][number];

function channelsDiff(thing: Thing, from: ContactDigest, to: ContactDigest): Change[] {
  if (from.hash === to.hash) return [];
  const effect = 'messages that wait go there as well';
  if (isDeepStrictEqual(from.channels, to.channels)) return [changed(thing, { part: 'channels', from: null, to: null, effect })];
  const [before, after] = [from, to].map(({ channels }) => (channels.length === 0 ? 'none' : channels.join(', ')));
  return partDiff(thing, 'channels', { before: before ?? null, after: after ?? null, effect });
}

/** Routes of the same match and contacts are the same ones: of two alike the first is the first. */
function routesDiff(before: NotifyDigest, after: NotifyDigest): Change[] {
  const [old, now] = [numbered(before.routes), numbered(after.routes)];
  const known = new Map(old.map((route) => [route.id, route]));
  const ids = new Set(now.map(({ id }) => id));
  const changes = [
    ...old.filter(({ id }) => !ids.has(id)).map(({ route }) => removed({ kind: 'route', id: route }, FROM_NOW_ON)),
    ...now.flatMap(({ id, route, keys }) => {
      const thing: Thing = { kind: 'route', id: route };
      const former = known.get(id);
      if (former === undefined) return [added(thing, FROM_NOW_ON)];
      return Object.keys(keys).flatMap((key) =>
        partDiff(thing, key, { before: former.keys[key] ?? null, after: keys[key] ?? null, effect: FROM_NOW_ON }),
      );
    }),
  ];
  const kept = old.filter(({ id }) => ids.has(id)).map(({ id }) => id);
  const inOrder = now.filter(({ id }) => known.has(id)).map(({ id }) => id);
  const isOrdered = isDeepStrictEqual(kept, inOrder);
  return isOrdered
    ? changes
    : [...changes, changed({ kind: 'notify', id: 'routes' }, { part: 'order', from: null, to: null, effect: FROM_NOW_ON })];
}

function numbered(routes: NotifyDigest['routes']) {
  const seen = new Map<string, number>();
  return routes.map(({ route, keys }) => {
    const number = (seen.get(route) ?? 0) + 1;
    seen.set(route, number);
    return { id: `${route} ${number}`, route, keys };
  });
}

function schedulesDiff(before: NotifyDigest, after: NotifyDigest): Change[] {
  const old = new Map(before.schedules.map(({ id, windows }) => [id, windows]));
  const ids = new Set(after.schedules.map(({ id }) => id));
  return [
    ...before.schedules.filter(({ id }) => !ids.has(id)).map(({ id }) => removed({ kind: 'schedule', id }, 'nothing names it any more')),
    ...after.schedules.flatMap(({ id, windows }) => {
      const known = old.get(id);
      const thing: Thing = { kind: 'schedule', id };
      if (known === undefined) return [added(thing, 'for what names it')];
      return partDiff(thing, 'windows', { before: known, after: windows, effect: 'for what names it, from now on' });
    }),
  ];
}

function listDiff(
  kind: 'inhibition' | 'escalation',
  { before, after, effect }: { before: readonly string[]; after: readonly string[]; effect: string },
): Change[] {
  return [
    ...before.filter((text) => !after.includes(text)).map((id) => removed({ kind, id }, effect)),
    ...after.filter((text) => !before.includes(text)).map((id) => added({ kind, id }, effect)),
  ];
}
