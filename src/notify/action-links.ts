/**
 * Links in messages that let who holds them act on one alert, for a time: what such a link says, and that we have said it.
 *
 *     1at9xk2q.bmlnaHQ.Zjg2….MAC      version, action and end; contact; alert; HMAC-SHA256 of what stands before it
 *
 * Pure. The MAC is of the text and is compared as text, so that no other spelling of the same bytes is a link too.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { MICROSECONDS_PER_SECOND } from '../domain/reading.ts';

export type LinkAction = 'acknowledge' | 'silence';

export interface Link {
  /** Id of the alert. */
  readonly alert: string;
  /** Id of the contact that it was sent to: on whose behalf it acts. */
  readonly contact: string;
  readonly action: LinkAction;
}

/** Links of another version are refused: what changes in the form, or in what is signed, changes it. */
const VERSION = '1';
const LETTERS: Readonly<Record<LinkAction, string>> = { acknowledge: 'a', silence: 's' };
const FORM = /^1([as])([0-9a-z]{1,9})\.([\w-]+)\.([\w-]+)\.([\w-]{24})$/;
/** 144 bits: far beyond guessing, and 24 characters without one to spare, so that each of them counts. */
const MAC_BYTES = 18;
const KEY_BYTES_MIN = 32;
/** Longer than any link of ours: nothing longer is worth a hash. */
const LENGTH_MAX = 1024;

/**
 * @param key 32 random bytes or more
 * @param link.expiresAt µs, rounded up to the second
 * @returns a token of letters, digits and `._-`
 */
export function signLink(link: Link & { readonly expiresAt: number }, key: Uint8Array): string {
  const expiresAt = Math.ceil(link.expiresAt / MICROSECONDS_PER_SECOND).toString(36);
  const signed = `${VERSION}${LETTERS[link.action]}${expiresAt}.${encode(link.contact)}.${encode(link.alert)}`;
  const token = `${signed}.${macOf(signed, key)}`;
  if (token.length > LENGTH_MAX || !FORM.test(token)) throw new Error('no link can be made of this alert, contact and time');
  return token;
}

/** @param now µs @returns `problem`: a sentence for who has followed it, which gives nothing away */
export function readLink(token: string, key: Uint8Array, now: number): Link | { readonly problem: string } {
  const match = token.length > LENGTH_MAX ? null : FORM.exec(token);
  if (match === null) return DAMAGED;
  const [, letter, expiry = '', contact = '', alert = '', mac = ''] = match;
  if (!isSame(mac, macOf(token.slice(0, -mac.length - 1), key))) return DAMAGED;
  if (now >= Number.parseInt(expiry, 36) * MICROSECONDS_PER_SECOND) return EXPIRED;
  return { alert: decode(alert), contact: decode(contact), action: letter === LETTERS.silence ? 'silence' : 'acknowledge' };
}

const DAMAGED = { problem: 'This link is not complete, or not one of ours. Copy it whole from the message.' };
const EXPIRED = { problem: 'This link has expired. A newer message about the alert has a link that holds.' };

function macOf(signed: string, key: Uint8Array): string {
  if (key.length < KEY_BYTES_MIN) throw new Error('the key for links is too short');
  // What the key is for is part of what is signed: signed with it for another purpose, the same text is no link.
  return createHmac('sha256', key).update(`tocsin link ${signed}`).digest().subarray(0, MAC_BYTES).toString('base64url');
}

const isSame = (a: string, b: string): boolean => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');
const decode = (text: string): string => Buffer.from(text, 'base64url').toString('utf8');
