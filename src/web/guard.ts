/**
 * What a browser must not be made to do. Tocsin listens on loopback without a login, so a web page that the user visits
 * could reach it: by a name that the page's owner points at 127.0.0.1 (DNS rebinding), or by a form or script that posts
 * across origins. Both are refused by what the browser itself says: Host, Origin and Sec-Fetch-Site.
 */
import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { Problem } from './problem.ts';

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (bare === 'localhost' || bare === '::1') return true;
  return isIP(bare) === 4 && bare.startsWith('127.');
}

/**
 * Throws the Problem that answers the request, or returns.
 * @param publicUrl where a reverse proxy makes this server reachable, or null; its host and origin are taken too.
 */
export function guard(request: FastifyRequest, publicUrl: URL | null): void {
  const host = request.headers.host;
  const name = host === undefined ? undefined : /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host)?.[1];
  const isPublic = publicUrl !== null && host?.toLowerCase() === publicUrl.host;
  if (name === undefined || !(isPublic || isLoopback(name))) {
    throw new Problem(421, 'this server answers to localhost and http.publicUrl only: ask for it as 127.0.0.1, localhost or [::1]');
  }
  if (request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS') return;
  const { origin, 'sec-fetch-site': site } = request.headers;
  const ownOrigin = isPublic ? publicUrl.origin : `http://${host}`.toLowerCase();
  const isOwnOrigin = origin === undefined || origin.toLowerCase() === ownOrigin;
  const isOwnSite = site === undefined || site === 'same-origin' || site === 'none';
  if (!isOwnOrigin || !isOwnSite) throw new Problem(403, 'a page of another origin may not write here');
}

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
};
