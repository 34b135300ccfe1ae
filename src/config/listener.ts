/** Where to listen: `mqtt://127.0.0.1:1883` → scheme, host and port; and whether only this machine can reach it. */
import { isIPv4 } from 'node:net';

export interface Listener {
  readonly scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss';
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

export interface ListenUrl {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORTS: Record<string, number> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443, http: 80, https: 443 };

/** @returns what is wrong with it, as a sentence without the URL's own text: it may hold a password */
export function parseListenUrl(text: string, schemes: readonly string[]): ListenUrl | string {
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1];
  if (scheme === undefined || !schemes.includes(scheme))
    return `expected ${schemes.map((known) => `${known}://`).join(' or ')}, a host and a port`;
  if (!URL.canParse(text)) return `no valid URL: expected ${scheme}://host:port`;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'an address to listen on has no user and password';
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') return 'an address to listen on has no path';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '') return `no host: expected ${scheme}://host:port`;
  return { scheme, host, port: url.port === '' ? (DEFAULT_PORTS[scheme] ?? 0) : Number(url.port) };
}

export const isEncrypted = ({ scheme }: Listener): boolean => scheme === 'mqtts' || scheme === 'wss';

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
