/**
 * The MQTT broker as the rest of the program sees it: listeners in front (`connections.ts`), Aedes behind (`tocsin-broker.ts`), and an
 * end that loses nothing. Aedes stays behind these files.
 */
import { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Client } from 'aedes';
import type { Registry } from 'prom-client';
import { NotDurable } from '../journal/group-commit.ts';
import type { Clock } from '../std/clock.ts';
import { TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { type ConnectionLimits, Connections, webSocketServer } from './connections.ts';
import { Refusals } from './gate/refusals.ts';
import type { Ingest } from './ingest.ts';
import { Noting } from './persistence/metrics.ts';
import { openPersistence } from './persistence/open.ts';
import { TocsinBroker } from './tocsin-broker.ts';

/** After so long without a word the kernel asks whether the other side is still there: a client may have asked for no keepalive. */
const PROBE_MS = 60_000;

export interface Listener {
  readonly scheme: 'mqtt' | 'ws';
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

export interface BrokerOptions {
  readonly listeners: readonly Listener[];
  readonly limits: ConnectionLimits & { readonly sessions?: number; readonly retained?: number };
  /** Where sessions, their queues and retained messages are kept; left out, they end with the process. */
  readonly path?: string;
  readonly ingest: Ingest;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

export interface Broker {
  /** Where it listens, with the real ports. */
  readonly urls: readonly string[];
  /** Publishes as the program itself: below `tocsin/` only the program may. Rejects when the broker did not take it, which is logged. */
  publish(topic: string, payload: string, options: { retain: boolean }): Promise<void>;
  close(): Promise<void>;
}

export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { logger, ingest } = options;
  const { limits, path = ':memory:' } = options;
  const refusals = new Refusals(options);
  const noting = new Noting(options);
  const persistence = await openPersistence({
    ...options,
    path,
    limits: { sessions: limits.sessions ?? 0, retained: limits.retained ?? 0 },
    onApplied: (applied) => noting.applied(applied),
  });
  noting.observe(persistence);
  const broker = new TocsinBroker({ ...options, persistence, refusals });
  await broker.listen();
  broker.on('client', (client: Client) => {
    if (client.clean) ingest.sessionEnded(client.id);
  });
  // A clean session ends with its connection; the next one under this name may be another's.
  broker.on('clientDisconnect', (client: Client) => {
    if (client.clean) ingest.sessionEnded(client.id);
  });
  // Aedes says so when its own upkeep fails (wills, the offline queue); unheard, it would end the process.
  const events: NodeJS.EventEmitter = broker;
  events.on('error', (error: unknown) => logger.error({ err: error }, 'the MQTT broker could not do something of its own'));
  broker.on('clientError', (client: Client, error: Error) => {
    if (error instanceof NotDurable) broker.noteFailure(client.id);
    logger.debug({ client: client.id, reason: error.message }, 'client closed');
  });
  broker.on('connectionError', (_client: Client, error: Error) => logger.debug({ reason: error.message }, 'connection closed'));

  const connections = new Connections(broker, { ...options, refusals });
  const { servers, urls } = await listenOn(options, connections).catch(async (error: unknown) => {
    await persistence.destroy();
    throw error;
  });
  return {
    urls,
    publish: (topic, payload, { retain }) => {
      const packet = { cmd: 'publish' as const, topic, payload: Buffer.from(payload), qos: 1 as const, retain, dup: false };
      return new Promise((resolve, reject) => {
        broker.publish(packet, (error?: Error) => {
          if (!error) return resolve();
          logger.warn({ err: error, topic }, 'own message not published');
          reject(error);
        });
      });
    },
    async close() {
      const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
      // A connection on which no request has come yet is none of ours to destroy, and would be waited for.
      for (const server of servers) if (server instanceof HttpServer) server.closeAllConnections();
      // What was read is made durable and acknowledged first: else its senders, told nothing, would send it again.
      connections.stopReading();
      await ingest.drained();
      await persistence.drained();
      await connections.finish();
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      connections.destroyAll();
      await persistence.destroy();
      await Promise.all(closed);
    },
  };
}

async function listenOn(
  { listeners, limits, logger }: BrokerOptions,
  connections: Connections,
): Promise<{ servers: Server[]; urls: string[] }> {
  const servers: Server[] = [];
  const urls: string[] = [];
  for (const listener of listeners) {
    const server =
      listener.scheme === 'ws'
        ? webSocketServer(connections, limits.packetBytes)
        : createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: PROBE_MS }, (socket) => connections.accept(socket, socket));
    connections.admitFrom(server);
    await listen(server, listener);
    // Too many open files, say: the connection is lost, the listener is not.
    server.on('error', (error) => logger.error({ err: error, listener: listener.scheme }, 'a connection could not be accepted'));
    servers.push(server);
    const { port } = server.address() as AddressInfo;
    urls.push(`${listener.scheme}://${listener.host.includes(':') ? `[${listener.host}]` : listener.host}:${port}`);
  }
  return { servers, urls };
}

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
    server.listen(port, host, resolve);
  });
}
