/**
 * The HTTP server. It serves loopback only, until there are users to log in: a listener that others can reach is refused at
 * the start. Requests, bodies, connections and waits are bounded; every error is a problem document; nothing of the inside
 * (stack, path, version) is shown.
 */
import { fastify } from 'fastify';
import { type Clock, systemClock } from '../std/clock.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { registerRoutes } from './api.ts';
import type { Backend } from './backend.ts';
import { guard, isLoopback, SECURITY_HEADERS } from './guard.ts';
import { answerError, Problem, sendProblem } from './problem.ts';

const BODY_BYTES_MAX = 4 * 1024 * 1024;
const CONNECTIONS_MAX = 500;
/** To receive a whole request. */
const REQUEST_TIMEOUT_MS = 15_000;
/** To answer one: past it the client gets a 503. Longer than the journal's own limit on a commit. */
const ANSWER_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 10_000;
/** How long requests under way may take to finish when the server closes. */
const CLOSE_GRACE_MS = 3000;
const PATH_PARAMETER_LENGTH_MAX = 512;

export interface WebServerOptions {
  /** A loopback address. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly backend: Backend;
  readonly logger: Logger;
  /** `http.publicUrl`: where a reverse proxy makes this server reachable. */
  readonly publicUrl?: string | null;
  readonly clock?: Clock;
}

export interface WebServer {
  /** With the real port, without a slash at the end. */
  readonly url: string;
  /** Takes no more requests, gives those under way a moment, then cuts them. */
  close(): Promise<void>;
}

export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const { host, port, backend, logger, clock = systemClock } = options;
  if (!isLoopback(host)) {
    throw new TocsinError(`http.listen: ${host} can be reached from other machines, and there are no users yet to log in`, {
      hint: 'listen on 127.0.0.1 and put a reverse proxy with a login in front of it, or use an SSH tunnel',
    });
  }
  const publicUrl = options.publicUrl == null ? null : new URL(options.publicUrl);
  const server = fastify({
    // Requests are not logged one by one: errors are, by answerError.
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    connectionTimeout: IDLE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    handlerTimeout: ANSWER_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { maxParamLength: PATH_PARAMETER_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => answerError(error, request, reply, logger),
    clientErrorHandler: (error, socket) => {
      const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
      const body = new Problem(status, 'the request could not be read').body();
      const head = `HTTP/1.1 ${status} Refused\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}`;
      if (socket.writable) socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
      else socket.destroy();
    },
  });
  server.server.maxConnections = CONNECTIONS_MAX;
  // Only JSON: a text/plain body is what a foreign page can send without asking.
  server.removeContentTypeParser('text/plain');
  server.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    guard(request, publicUrl);
  });
  server.setErrorHandler((error, request, reply) => answerError(error, request, reply, logger));
  server.setNotFoundHandler((request, reply) =>
    sendProblem(reply, new Problem(404, `there is nothing at ${request.method} ${request.url.split('?')[0] ?? ''}`)),
  );
  registerRoutes(server, backend, { clock, logger });
  const url = await listen(server, host, port);
  return {
    url,
    async close() {
      const cancel = clock.after(CLOSE_GRACE_MS, () => server.server.closeAllConnections());
      try {
        await server.close();
      } finally {
        cancel();
      }
    },
  };
}

async function listen(server: ReturnType<typeof fastify>, host: string, port: number): Promise<string> {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  try {
    await server.listen({ host: bare, port });
  } catch (cause) {
    await server.close();
    const isTaken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
    throw new TocsinError(`http.listen: cannot listen on ${host}:${port}: ${isTaken ? 'the port is taken' : messageOf(cause)}`, {
      hint: isTaken
        ? 'is another Tocsin running? else choose another port: --set http.listen=http://127.0.0.1:8081'
        : 'check the address and port',
      cause,
    });
  }
  const address = server.server.address();
  const realPort = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${bare.includes(':') ? `[${bare}]` : bare}:${realPort}`;
}
