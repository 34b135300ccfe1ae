/**
 * The one way in which channels post over HTTP. One request on a connection of its own, and one answer, with these promises:
 *
 *   - every wait is bounded: until the connection is there, for the request as a whole, and for what an answer says
 *   - only public addresses are connected to, unless the channel allows others; checked on the address itself
 *   - redirects are not followed: they would lead past that check, and take the body to somebody else
 *   - an outcome names the host and nothing else of the URL, which is a secret; what a server repeats of one is blotted out
 *
 * What is worth another try is: no connection, no answer, 408, 425, 429 and 5xx, after as long as `Retry-After` says. Proxies of
 * the environment are not used: they would connect in our place, to an address that nobody checked.
 */
import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { DeliveryOutcome } from '../../domain/notification.ts';
import type { Clock } from '../../std/clock.ts';
import { messageOf } from '../../std/errors.ts';
import { oneLine } from '../mail/mail-text.ts';
import { addressOf, isPublicAddress, NotPublic, notPublic, publicOnly } from './public-address.ts';
import { decoded, scrubber, secretsOf } from './scrub.ts';

export interface Post {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
  readonly allowPrivate: boolean;
  /** Beside what is in the URL. */
  readonly secrets?: readonly string[];
}

export interface HttpTimeouts {
  readonly connectMs: number;
  readonly wholeMs: number;
  /** For what an answer says, once its status is there. */
  readonly answerMs: number;
}

export interface HttpPostOptions {
  readonly clock: Clock;
  /** Of the program, for `User-Agent`. */
  readonly version: string;
  readonly timeouts?: HttpTimeouts;
  readonly lookup?: LookupFunction;
}

export interface HttpPost {
  post(post: Post, signal: AbortSignal): Promise<DeliveryOutcome>;
  /** Ends what is under way. */
  close(): void;
}

const TIMEOUTS: HttpTimeouts = { connectMs: 10_000, wholeMs: 30_000, answerMs: 2000 };
const ANSWER_BYTES_MAX = 4096;
const SAID_LENGTH_MAX = 200;
export const RETRY_AFTER_MAX_MS = 3_600_000;

export function createHttpPost(options: HttpPostOptions): HttpPost {
  const { clock, version, timeouts = TIMEOUTS, lookup } = options;
  const closing = new AbortController();
  return {
    async post(post, signal) {
      const url = new URL(post.url);
      const scrub = scrubber([...secretsOf(url), ...(post.secrets ?? [])]);
      const ending = AbortSignal.any([signal, closing.signal]);
      const { host } = url;
      try {
        const answer = await exchange({ ...post, url }, { signal: ending, clock, version, timeouts, ...(lookup && { lookup }) });
        return outcomeOf(answer, { host, now: clock.now(), scrub });
      } catch (error) {
        return failureOf(error, { host, scrub });
      }
    },
    close: () => closing.abort(),
  };
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** The beginning of it. */
  readonly said: string;
}

interface Exchange extends HttpPostOptions {
  readonly timeouts: HttpTimeouts;
  readonly signal: AbortSignal;
}

/** Why there is no answer, in words of our own. */
class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** Rejects when no status came. */
function exchange(
  post: Omit<Post, 'url'> & { readonly url: URL },
  { signal, clock, version, timeouts, lookup }: Exchange,
): Promise<Answer> {
  const { url, allowPrivate } = post;
  const address = addressOf(url);
  if (!allowPrivate && address !== null && !isPublicAddress(address)) return Promise.reject(notPublic(address, address));
  if (signal.aborted) return Promise.reject(new NoAnswer('was not asked: Tocsin is stopping'));
  return new Promise((resolve, reject) => {
    const isTls = url.protocol === 'https:';
    const body = Buffer.from(post.body);
    const request = (isTls ? requestTls : requestPlain)({
      method: 'POST',
      // A pool would hand a connection to an address that one channel allows to another that does not.
      agent: false,
      hostname: address ?? url.hostname,
      ...(url.port !== '' && { port: url.port }),
      path: `${url.pathname}${url.search}`,
      ...(url.username !== '' && { auth: `${decoded(url.username)}:${decoded(url.password)}` }),
      headers: { 'Content-Type': 'application/json', 'User-Agent': `Tocsin/${version}`, ...post.headers, 'Content-Length': body.length },
      ...(allowPrivate ? lookup && { lookup } : { lookup: publicOnly(lookup) }),
    });
    const finish = (result: () => void): void => {
      cancelConnect();
      cancelWait();
      signal.removeEventListener('abort', abort);
      request.destroy();
      result();
    };
    const fail = (error: Error): void => finish(() => reject(error));
    let stop = (): void => fail(new NoAnswer('had not answered when Tocsin stopped'));
    const abort = (): void => stop();
    const { connectMs, wholeMs, answerMs } = timeouts;
    const cancelConnect = clock.after(connectMs, () => fail(new NoAnswer(`could not be connected to within ${seconds(connectMs)}`)));
    let cancelWait = clock.after(wholeMs, () => fail(new NoAnswer(`did not answer within ${seconds(wholeMs)}`)));
    signal.addEventListener('abort', abort, { once: true });
    request.on('error', fail);
    request.on('socket', (socket) => socket.once(isTls ? 'secureConnect' : 'connect', cancelConnect));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      // From here on the status decides: whatever becomes of the rest of the answer.
      stop = () =>
        finish(() =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'],
            said: Buffer.concat(chunks).subarray(0, ANSWER_BYTES_MAX).toString('utf8'),
          }),
        );
      cancelWait();
      cancelWait = clock.after(answerMs, stop);
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes >= ANSWER_BYTES_MAX) stop();
      });
      for (const end of ['end', 'error', 'close']) response.on(end, stop);
    });
    request.end(body);
  });
}

const RETRYABLE: readonly number[] = [408, 425, 429];
const MENDABLE: Readonly<Record<number, string>> = {
  401: 'check the URL and the token in notify.yaml',
  403: 'check the URL and the token in notify.yaml',
  404: 'check the URL in notify.yaml: it may have been withdrawn',
  410: 'the URL in notify.yaml was withdrawn: make a new one',
};

interface Told {
  readonly host: string;
  /** For what is not our own text. */
  readonly scrub: (text: string) => string;
}

function outcomeOf({ status, retryAfter, said }: Answer, { host, now, scrub }: Told & { readonly now: number }): DeliveryOutcome {
  const answered = `${host} answered ${status}`;
  if (status >= 200 && status < 300) return { outcome: 'delivered', detail: answered };
  if (status >= 300 && status < 400) {
    const detail = `${answered}, a redirect, which is not followed: write the URL to which it leads into notify.yaml`;
    return { outcome: 'permanent', detail, isMendable: true };
  }
  // A page for a person says nothing that the status does not.
  const text = said.trimStart().startsWith('<') ? '' : oneLine(scrub(said), SAID_LENGTH_MAX);
  const why = text === '' ? '' : `: ${text}`;
  if (RETRYABLE.includes(status) || status >= 500) {
    const afterMs = retryAfterMs(retryAfter, now);
    return { outcome: 'retryable', detail: `${answered}${why}`, ...(afterMs !== null && { afterMs }) };
  }
  const mend = MENDABLE[status];
  if (mend !== undefined) return { outcome: 'permanent', detail: `${answered} (${mend})${why}`, isMendable: true };
  return { outcome: 'permanent', detail: `${answered}${why}`, isMendable: false };
}

/** `120`, or `Wed, 21 Oct 2026 07:28:00 GMT`; at most an hour, null when it says nothing that can be read. */
export function retryAfterMs(header: string | undefined, now: number): number | null {
  const text = header?.trim() ?? '';
  const waitMs = /^\d{1,12}$/.test(text)
    ? Number(text) * 1000
    : /\bGMT$/.test(text)
      ? Math.ceil(Date.parse(text) - now / 1000)
      : Number.NaN;
  return Number.isNaN(waitMs) ? null : Math.min(Math.max(waitMs, 0), RETRY_AFTER_MAX_MS);
}

const CERTIFICATE_CODES = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/;

function failureOf(error: unknown, { host, scrub }: Told): DeliveryOutcome {
  if (error instanceof NoAnswer) return { outcome: 'retryable', detail: `${host} ${error.message}` };
  if (error instanceof NotPublic) {
    const detail = `${host} is refused: ${error.message}; if that is meant, write allowPrivate: true beside the URL in notify.yaml`;
    return { outcome: 'permanent', detail, isMendable: true };
  }
  // What several addresses of one name came to is an error without a message of its own.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code: unknown = typeof first === 'object' && first !== null ? Reflect.get(first, 'code') : undefined;
  const message = oneLine(scrub(messageOf(first)), SAID_LENGTH_MAX);
  if (typeof code === 'string' && CERTIFICATE_CODES.test(code)) {
    const detail = `${host} has a certificate that is not trusted (${message}): mend it there, or add its authority with NODE_EXTRA_CA_CERTS`;
    return { outcome: 'permanent', detail, isMendable: true };
  }
  return { outcome: 'retryable', detail: `${host} gave no answer: ${message}` };
}

const seconds = (durationMs: number): string => `${Math.ceil(durationMs / 1000)} s`;
