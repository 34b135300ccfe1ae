/**
 * What a browser must not be made to do. Tocsin listens on loopback without a login, so a web page that the user visits
 * could reach it: by a name that the page's owner points at 127.0.0.1 (DNS rebinding), or by a form or script that posts
 * across origins. Both are refused by what the browser itself says: Host, Origin and Sec-Fetch-Site.
 *
 * The pages that links in messages lead to are reached by others, under whatever name a proxy passes on. They are open to
 * every Host, since they tell and do nothing without a token that we have signed; nothing else is.
 */
import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { Problem } from './problem.ts';

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (bare === 'localhost' || bare === '::1') return true;
  return isIP(bare) === 4 && bare.startsWith('127.');
}

/** The one route that is open to every Host. Compared with the route that was matched: a path can be spelt in many ways. */
export const LINK_ROUTE = '/a/:token';

/**
 * Throws the Problem that answers the request, or returns.
 * @param publicUrl where a reverse proxy makes this server reachable, or null; its host and origin are taken too.
 */
export function guard(request: FastifyRequest, publicUrl: URL | null): void {
  if (request.routeOptions.url === LINK_ROUTE) {
    guardLink(request, publicUrl);
    return;
  }
  const host = request.headers.host;
  const name = host === undefined ? undefined : /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host)?.[1];
  const isPublic = publicUrl !== null && host?.toLowerCase() === publicUrl.host;
  if (name === undefined || !(isPublic || isLoopback(name))) {
    throw new Problem(421, 'this server answers to localhost and http.publicUrl only: ask for it as 127.0.0.1, localhost or [::1]');
  }
  if (request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS') return;
  const { origin } = request.headers;
  const ownOrigin = isPublic ? publicUrl.origin : `http://${host}`.toLowerCase();
  const isOwnOrigin = origin === undefined || origin.toLowerCase() === ownOrigin;
  if (!isOwnOrigin || !isOwnSite(request)) throw foreign();
}

/**
 * `Origin: null` is what a browser says of a form on a page that sends no referrer, as these are: then Sec-Fetch-Site tells,
 * and the token in the form. A proxy may have put its own name in the place of Host, and have ended TLS.
 */
function guardLink(request: FastifyRequest, publicUrl: URL | null): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const { origin, host = '' } = request.headers;
  const own = ['null', `http://${host}`, `https://${host}`, ...(publicUrl === null ? [] : [publicUrl.origin])];
  const isOwnOrigin = origin === undefined || own.some((candidate) => candidate.toLowerCase() === origin.toLowerCase());
  if (!isOwnOrigin || !isOwnSite(request)) throw foreign();
}

function isOwnSite({ headers: { 'sec-fetch-site': site } }: FastifyRequest): boolean {
  return site === undefined || site === 'same-origin' || site === 'none';
}

const foreign = (): Problem => new Problem(403, 'a page of another origin may not write here');

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
};
