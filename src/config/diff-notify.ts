/**
 * Who is told, without saying how to reach them: what may be shown to others and compared with. A contact's channels are a
 * short salted hash. That is enough to see a change, and too little to find an address or a secret by trying.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { NotifyConfig, Route } from '../notify/config.ts';
import { added, type Change, changed, removed, Written } from './change.ts';

export interface NotifyDigest {
  readonly salt: string;
  readonly contacts: readonly { readonly id: string; readonly channels: readonly string[]; readonly hash: string }[];
  /** Routes as lines, in order; the last one is the default. */
  readonly routes: readonly string[];
  /** A hash of each other key of the file. */
  readonly others: Readonly<Record<string, string>>;
}

const HASH_DIGITS = 6;

/** @param salt of the digest that it shall be compared with; without one, a new one */
export function digestOf(notify: NotifyConfig, salt = randomBytes(16).toString('hex')): NotifyDigest {
  const hash = (value: unknown): string => createHmac('sha256', salt).update(JSON.stringify(value)).digest('hex').slice(0, HASH_DIGITS);
  const { contacts, routes, default: fallback, ...others } = notify;
  return {
    salt,
    contacts: contacts.map(({ id, channels }) => ({ id, channels: channels.map(({ kind }) => kind), hash: hash(channels) })),
    routes: [...routes.map(routeLine), `default → ${JSON.stringify(fallback)}`],
    others: Object.fromEntries(Object.entries(others).map(([key, value]) => [key, hash(value)])),
  };
}

function routeLine({ place: _, match, to, ...rest }: Route): string {
  const asked = Object.fromEntries(Object.entries(match).filter(([, value]) => value !== null && !isDeepStrictEqual(value, {})));
  const more = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null && value !== false && value !== undefined));
  return `${JSON.stringify(asked)} → ${to.length === 0 ? 'nobody' : to.join(', ')}${Object.keys(more).length === 0 ? '' : ` ${JSON.stringify(more)}`}`;
}

/** Both with the same salt. */
export function notifyDiff(before: NotifyDigest, after: NotifyDigest): Change[] {
  return [...contactsDiff(before, after), ...routesDiff(before, after), ...othersDiff(before, after)];
}

function contactsDiff(before: NotifyDigest, after: NotifyDigest): Change[] {
  const [old, now] = [before, after].map(({ contacts }) => new Map(contacts.map((contact) => [contact.id, contact])));
  return [
    ...before.contacts.flatMap(({ id }) =>
      now?.has(id) ? [] : [removed({ kind: 'contact', id }, 'messages to it that wait are given up, and the alert says so')],
    ),
    ...after.contacts.flatMap((contact) => {
      const { id } = contact;
      const known = old?.get(id);
      if (known === undefined) return [added({ kind: 'contact', id }, 'told by the routes that name it')];
      if (isDeepStrictEqual(known, contact)) return [];
      const kinds = [known, contact].map(({ channels }) => new Written(channels.join(', ')));
      const isSameKinds = isDeepStrictEqual(known.channels, contact.channels);
      const [from, to] = isSameKinds ? [null, null] : kinds;
      return [changed({ kind: 'contact', id }, { part: 'channels', from, to, effect: 'messages that wait go there as well' })];
    }),
  ];
}

function routesDiff(before: NotifyDigest, after: NotifyDigest): Change[] {
  const effect = 'from the next transition on';
  const gone = before.routes.filter((route) => !after.routes.includes(route));
  const come = after.routes.filter((route) => !before.routes.includes(route));
  const changes = [...gone.map((id) => removed({ kind: 'route', id }, effect)), ...come.map((id) => added({ kind: 'route', id }, effect))];
  if (changes.length > 0 || isDeepStrictEqual(before.routes, after.routes)) return changes;
  return [changed({ kind: 'notify', id: 'routes' }, { part: 'order', from: null, to: null, effect })];
}

function othersDiff(before: NotifyDigest, after: NotifyDigest): Change[] {
  return [...new Set([...Object.keys(before.others), ...Object.keys(after.others)])]
    .filter((key) => before.others[key] !== after.others[key])
    .map((id) => changed({ kind: 'notify', id }, { part: id, from: null, to: null, effect: 'from the next transition on' }));
}
