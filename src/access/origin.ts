/** Where a connection comes from: what is between it and the broker (TLS, WebSocket) may have hidden that. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

export interface Origin {
  readonly address: string;
  /** The names in the client certificate, if one was given that its authority vouches for: the common name first. */
  readonly certificateNames: readonly string[];
}

const NAMES_MAX = 20;
const sockets = new WeakMap<Duplex, Socket>();

/** What is read from `stream` comes through this socket. */
export function comesThrough(stream: Duplex, socket: Socket): void {
  sockets.set(stream, socket);
}

export function originOf(stream: Duplex): Origin {
  const socket = sockets.get(stream) ?? stream;
  if (!(socket instanceof Socket)) return { address: '', certificateNames: [] };
  return { address: socket.remoteAddress ?? '', certificateNames: socket instanceof TLSSocket ? namesIn(socket) : [] };
}

function namesIn(socket: TLSSocket): string[] {
  if (!socket.authorized) return [];
  const { subject, subjectaltname = '' } = socket.getPeerCertificate();
  const common: unknown = subject?.CN;
  const names: unknown[] = Array.isArray(common) ? common : [common];
  // What needs quotes there is nobody's name here.
  const others = subjectaltname.split(', ').map((entry) => /^(?:DNS|email|URI):([^",]+)$/.exec(entry)?.[1]);
  return [...names, ...others].filter((name): name is string => typeof name === 'string' && name !== '').slice(0, NAMES_MAX);
}
