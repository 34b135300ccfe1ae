/**
 * Where clients connect: plain or TLS, MQTT or WebSocket. Every socket is accepted here and comes out as a connection; a TLS one after
 * its handshake. Certificates are exchanged while connections stay.
 */
import { createServer as createHttpServer, Server as HttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions, type Server as TlsServer } from 'node:tls';
import type { Registry } from 'prom-client';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { readTls, type TlsContent, type TlsFiles } from '../access/certificates.ts';
import { comesThrough } from '../access/origin.ts';
import type { Clock } from '../std/clock.ts';
import { InvalidConfig, TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Connections } from './connections.ts';
import { CONNECT_WAIT_MS } from './gate/packet-gate.ts';
import { HANDSHAKE_TIMEOUT_MS, Handshakes } from './handshakes.ts';

/** After so long without a word the kernel asks whether the other side is still there: a client may have asked for no keepalive. */
const PROBE_MS = 60_000;
const SOCKETS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: PROBE_MS };
/** Over what a packet may hold, so that one that is too large is answered if it is not much too large. */
const FRAME_SPARE_BYTES = 64 * 1024;
const UPGRADE_TIMES = { headersTimeout: CONNECT_WAIT_MS, requestTimeout: CONNECT_WAIT_MS, connectionsCheckingInterval: 1000 };

export interface Listener {
  readonly scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss';
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

export interface ListenersOptions {
  readonly listeners: readonly Listener[];
  readonly tls: TlsFiles | null;
  readonly limits: { readonly connections: number; readonly packetBytes: number };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #connections: Connections;
  /** Null: nothing is encrypted. */
  readonly #handshakes: Handshakes | null;
  readonly #servers: Server[] = [];
  readonly #secure: TlsServer[] = [];
  readonly #urls: string[] = [];
  #content: TlsContent | null;

  private constructor(connections: Connections, options: ListenersOptions) {
    this.#connections = connections;
    this.#options = options;
    this.#content = options.tls === null ? null : contentOf(options.tls);
    this.#handshakes = options.tls === null ? null : new Handshakes({ ...options, unfinishedMax: options.limits.connections });
  }

  /** @throws TocsinError when an address cannot be had */
  static async open(connections: Connections, options: ListenersOptions): Promise<Listeners> {
    const listeners = new Listeners(connections, options);
    for (const listener of options.listeners) await listeners.#open(listener);
    return listeners;
  }

  /** With the real ports. */
  get urls(): readonly string[] {
    return this.#urls;
  }

  renewCertificates(): void {
    const { tls, logger } = this.#options;
    if (tls === null) return;
    const content = readTls(tls);
    if (!('cert' in content)) {
      // A certificate and its key are two files: between the two they do not fit.
      for (const { place, message } of content) logger.warn({ place }, `TLS goes on with the certificate before: ${message}`);
      return;
    }
    const before = this.#content;
    if (content.cert === before?.cert && content.key === before.key && content.ca === before.ca) return;
    this.#content = content;
    for (const server of this.#secure) server.setSecureContext(content);
    logger.info({ cert: tls.cert }, 'TLS certificate exchanged');
  }

  /** Takes nobody in any more; resolves when every connection has ended, which is others' to see to. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    this.#handshakes?.close();
    // A connection on which no request has come yet is none of the broker's to destroy, and would be waited for.
    for (const server of [...this.#servers, ...this.#secure])
      if (server instanceof HttpServer || server instanceof HttpsServer) server.closeAllConnections();
    await Promise.all(closed);
  }

  async #open(listener: Listener): Promise<void> {
    const server = this.#server(listener.scheme);
    this.#connections.admitFrom(server);
    await listen(server, listener);
    // Too many open files, say: the connection is lost, the listener is not.
    server.on('error', (error) =>
      this.#options.logger.error({ err: error, listener: listener.scheme }, 'a connection could not be accepted'),
    );
    this.#servers.push(server);
    // A server that listens on a port has an address of this kind.
    const { port } = server.address() as AddressInfo;
    this.#urls.push(`${listener.scheme}://${listener.host.includes(':') ? `[${listener.host}]` : listener.host}:${port}`);
  }

  #server(scheme: Listener['scheme']): Server {
    const connections = this.#connections;
    const { packetBytes } = this.#options.limits;
    if (scheme === 'mqtt') return createServer(SOCKETS, (socket) => connections.accept(socket, socket));
    if (scheme === 'ws') return withWebSockets(createHttpServer(UPGRADE_TIMES, refuseRequest), connections, packetBytes);
    const options = this.#tlsOptions();
    const secure =
      scheme === 'mqtts'
        ? createTlsServer(options, (socket) => connections.accept(socket, socket))
        : withWebSockets(createHttpsServer({ ...options, ...UPGRADE_TIMES }, refuseRequest), connections, packetBytes);
    const handshakes = this.#handshakes;
    handshakes?.watch(secure);
    this.#secure.push(secure);
    return createServer(SOCKETS, (socket) => handshakes?.take(socket, secure));
  }

  #tlsOptions(): TlsOptions {
    const { tls } = this.#options;
    if (tls === null || this.#content === null)
      throw new TocsinError('a listener with TLS, and no certificate', { hint: 'see mqtt.tls in the config' });
    const clients = { requestCert: tls.clientCert !== 'off', rejectUnauthorized: tls.clientCert === 'required' };
    return { ...this.#content, ...clients, handshakeTimeout: HANDSHAKE_TIMEOUT_MS };
  }
}

function contentOf(files: TlsFiles): TlsContent {
  const content = readTls(files);
  if ('cert' in content) return content;
  throw new InvalidConfig(content);
}

const refuseRequest: RequestListener = (_request, response) => response.writeHead(426, { Upgrade: 'websocket' }).end();

function withWebSockets<S extends HttpServer | HttpsServer>(server: S, connections: Connections, packetBytes: number): S {
  const webSockets = new WebSocketServer({
    server,
    maxPayload: packetBytes + FRAME_SPARE_BYTES,
    handleProtocols: (protocols) => (protocols.has('mqtt') ? 'mqtt' : false),
  });
  // It repeats the server's errors, which are heard where they arise; unheard here, they would end the process.
  webSockets.on('error', () => undefined);
  webSockets.on('connection', (webSocket, { socket }: { socket: Socket }) => {
    // MQTT comes in binary frames only [MQTT-6.0.0-1].
    webSocket.on('message', (_data, isBinary) => isBinary || webSocket.terminate());
    const stream = createWebSocketStream(webSocket);
    comesThrough(stream, socket);
    connections.accept(stream, socket);
  });
  return server;
}

/** Connections that the system keeps until they are accepted: a fleet that comes back at once is not to wait for its own retries. */
const BACKLOG = 4096;

function listen(server: Server, { scheme, host, port }: Listener): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      reject(
        new TocsinError(`cannot listen on ${scheme}://${host}:${port}: ${cause.message}`, {
          hint: taken ? 'another program has this port: stop it, or change mqtt.listeners' : 'see mqtt.listeners in the config',
          cause,
        }),
      );
    });
    server.listen({ port, host, backlog: BACKLOG }, resolve);
  });
}
