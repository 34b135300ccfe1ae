/** How two configurations differ in who may connect. Passwords are shown as what came of them: a short salted hash of their hashes. */
import { createHmac } from 'node:crypto';
import type { Credential } from '../access/credentials.ts';
import { added, type Change, changed, removed, type Thing, Written } from './change.ts';

export interface AccessDigest {
  readonly anonymous: boolean;
  readonly credentials: readonly {
    readonly kind: Credential['kind'];
    readonly name: string;
    /** One each. */
    readonly passwords: readonly string[];
    readonly publish: string;
    readonly subscribe: string;
  }[];
}

const HASH_DIGITS = 8;

/** @param salt the notify digest's: the two are compared together */
export function accessDigestOf(anonymous: boolean, credentials: readonly Credential[], salt: string): AccessDigest {
  const hash = (password: string): string => createHmac('sha256', salt).update(password).digest('hex').slice(0, HASH_DIGITS);
  return {
    anonymous,
    credentials: credentials.map(({ kind, name, passwords, publish, subscribe }) => ({
      kind,
      name,
      passwords: passwords.map(hash),
      publish: `[${publish.join(', ')}]`,
      subscribe: `[${subscribe.join(', ')}]`,
    })),
  };
}

export function accessDiff(before: AccessDigest, after: AccessDigest): Change[] {
  const names = new Map(after.credentials.map((one) => [one.name, one]));
  const earlier = new Map(before.credentials.map((one) => [one.name, one]));
  const gone = before.credentials.filter(({ name }) => !names.has(name));
  return [
    ...anonymousDiff(before.anonymous, after.anonymous),
    ...gone.map((one) => removed(thingOf(one), 'its connections are closed')),
    ...after.credentials.flatMap((to) => {
      const from = earlier.get(to.name);
      return from === undefined ? [added(thingOf(to), 'it may connect')] : credentialDiff(from, to);
    }),
  ];
}

type Digest = AccessDigest['credentials'][number];

const thingOf = ({ kind, name }: Digest): Thing => ({ kind: kind === 'device' ? 'credential' : 'user', id: name });

function credentialDiff(from: Digest, to: Digest): Change[] {
  const thing = thingOf(to);
  const isGone = from.passwords.some((password) => !to.passwords.includes(password));
  const isNew = to.passwords.some((password) => !from.passwords.includes(password));
  const effect = isGone ? 'connections that logged in with one that is gone are closed' : 'connections stay';
  const list = (part: 'publish' | 'subscribe'): Change[] =>
    from[part] === to[part]
      ? []
      : [changed(thing, { part, from: new Written(from[part]), to: new Written(to[part]), effect: 'also for connections that are open' })];
  return [
    ...(isGone || isNew ? [changed(thing, { part: 'passwords', from: null, to: null, effect })] : []),
    ...list('publish'),
    ...list('subscribe'),
  ];
}

function anonymousDiff(from: boolean, to: boolean): Change[] {
  if (from === to) return [];
  const effect = to ? 'clients without a user name may connect' : 'clients without a user name are disconnected';
  return [changed({ kind: 'access', id: '' }, { part: 'anonymous', from, to, effect })];
}
