/**
 * The MQTT broker as the rest of the program sees it: listeners in front (`connections.ts`), Aedes behind (`tocsin-broker.ts`), and an
 * end that loses nothing. Aedes stays behind these files.
 */
import type { Client } from 'aedes';
import type { Registry } from 'prom-client';
import type { Access } from '../access/access.ts';
import type { TlsFiles } from '../access/certificates.ts';
import { NotDurable } from '../journal/group-commit.ts';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';
import { type ConnectionLimits, Connections } from './connections.ts';
import { Refusals } from './gate/refusals.ts';
import type { Ingest } from './ingest.ts';
import { type Listener, Listeners } from './listeners.ts';
import { Noting } from './persistence/metrics.ts';
import { openPersistence } from './persistence/open.ts';
import { TocsinBroker } from './tocsin-broker.ts';

export interface BrokerOptions {
  readonly listeners: readonly Listener[];
  /** Null: no listener speaks TLS. */
  readonly tls: TlsFiles | null;
  readonly access: Access;
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
  /** After the access rules have changed: who may not be connected any more is not. */
  renewSessions(): void;
  /** Reads the certificates again; what cannot be used is logged, and the ones before it stay. */
  renewCertificates(): void;
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
    // The access rules may have changed while it was being let in.
    broker.renewSession(client);
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
  const listeners = await Listeners.open(connections, options).catch(async (error: unknown) => {
    await persistence.destroy();
    throw error;
  });
  return {
    urls: listeners.urls,
    renewSessions: () => broker.renewSessions(),
    renewCertificates: () => listeners.renewCertificates(),
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
      const closed = listeners.close();
      // What was read is made durable and acknowledged first: else its senders, told nothing, would send it again.
      connections.stopReading();
      await ingest.drained();
      await persistence.drained();
      await connections.finish();
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      connections.destroyAll();
      await persistence.destroy();
      await closed;
    },
  };
}
