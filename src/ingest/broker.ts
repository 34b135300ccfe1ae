/**
 * Aedes, and nothing of it anywhere else: listeners, the settings that keep it alive, and the way of a publish into the
 * ingest. Aedes writes PUBACK and PUBREC only after `authorizePublish` has called back, so that is where a message waits
 * to be durable; its hooks must call back exactly once and never throw.
 *
 * What Aedes leaves out is added here: a cap on each client's unsent output, a limit of connections, a wait before the
 * next CONNECT of a client whose publish could not be made durable, and a shortcut past the delivery when nobody
 * subscribes to a topic. Bounds on sessions, retained messages and rates are the next issues' work.
 */
import { createServer as createHttpServer, Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { Aedes, type Client, type PublishPacket } from 'aedes';
import { Counter, Gauge, type Registry } from 'prom-client';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { NotDurable } from '../journal/group-commit.ts';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import { TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import type { Ingest } from './ingest.ts';
import { Interest } from './interest.ts';
import { ReadGate } from './read-gate.ts';

export interface Listener {
  readonly scheme: 'mqtt' | 'ws';
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

export interface BrokerOptions {
  readonly listeners: readonly Listener[];
  readonly limits: { readonly connections: number; readonly packetBytes: number };
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

/** Topics below these belong to the program. */
const OWN_TOPIC = 'tocsin/';
const CONNECT_TIMEOUT_MS = 5000;
const DRAIN_TIMEOUT_MS = 10_000;
/** What may wait in memory for one slow subscriber before it is disconnected. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** At most as long as clients commonly wait for CONNACK: who gives up before would never get in again. */
const RECONNECT_WAIT = { firstMs: 500, maxMs: 3000 };
/** How long a stop waits for connections to close by themselves. */
const FINISH_WAIT_MS = 500;
/** Clients remembered for having failed to publish; the oldest is forgotten first. */
const FAILED_CLIENTS_MAX = 10_000;

export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { logger, ingest } = options;
  const broker = new TocsinBroker(options);
  await broker.listen();
  broker.watchSessions();
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

  const connections = new Connections(broker, options);
  const servers: Server[] = [];
  const urls: string[] = [];
  for (const listener of options.listeners) {
    const server =
      listener.scheme === 'ws' ? webSocketServer(connections) : createServer({ noDelay: true }, (socket) => connections.accept(socket));
    await listen(server, listener);
    // Too many open files, say: the connection is lost, the listener is not.
    server.on('error', (error) => logger.error({ err: error, listener: listener.scheme }, 'a connection could not be accepted'));
    servers.push(server);
    const { port } = server.address() as AddressInfo;
    urls.push(`${listener.scheme}://${listener.host.includes(':') ? `[${listener.host}]` : listener.host}:${port}`);
  }
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
      await connections.finish();
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      connections.destroyAll();
      await Promise.all(closed);
    },
  };
}

/** What our persistence is asked for; Aedes' own type still describes the callback form that 1.x no longer uses. */
interface Persistence {
  addSubscriptions(client: Client, subscriptions: readonly { topic: string }[]): Promise<unknown>;
  removeSubscriptions(client: Client, filters: readonly string[]): Promise<unknown>;
  cleanSubscriptions(client: Client): Promise<unknown>;
  incomingGetPacket(client: Client, packet: { cmd?: string; messageId?: number }): Promise<unknown>;
}

class TocsinBroker extends Aedes {
  readonly #interest = new Interest();
  readonly #refused = new WeakSet<object>();
  readonly #ingest: Ingest;
  readonly #options: BrokerOptions;
  /** Failed publishes in a row and until when a CONNECT waits for it, by client. */
  readonly #failures = new Map<string, { count: number; untilMs: number }>();

  constructor(options: BrokerOptions) {
    super({
      // Anything but 0 lets one stuck subscriber stall every delivery, and past 3,000 waiting messages overflow the stack.
      concurrency: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      preConnect: (client, packet, callback) => this.#beforeConnect(packet.clientId, client, callback),
      authorizePublish: (client, packet, callback) => this.#incoming(client, packet, callback),
      authorizeSubscribe: (_client, subscription, callback) => callback(null, subscription.topic.startsWith('$') ? null : subscription),
      authorizeForward: (client, packet) => (this.#isStuck(client) ? null : packet),
    });
    this.#options = options;
    this.#ingest = options.ingest;
  }

  /** Nobody subscribes to most sensor topics: then there is nothing to do after the acknowledgement. */
  override publish(packet: PublishPacket, client?: unknown, callback?: unknown): void {
    // Aedes' types leave out the form with a client, which its own handlers call.
    const publish = super.publish as (...args: unknown[]) => void;
    const isForNobody = packet.retain !== true && !this.#interest.isWanted(packet.topic);
    const isFromClient = typeof client === 'object' && client !== null && typeof callback === 'function';
    if (isFromClient && (isForNobody || this.#refused.has(packet))) callback();
    else publish.call(this, isKept(packet) ? { ...packet, payload: copyOf(packet.payload) } : packet, client, callback);
  }

  override subscribe(...args: Parameters<Aedes['subscribe']>): void {
    this.#interest.add(args[0]);
    super.subscribe(...args);
  }

  override unsubscribe(...args: Parameters<Aedes['unsubscribe']>): void {
    this.#interest.remove(args[0]);
    super.unsubscribe(...args);
  }

  #incoming(client: Client | null, packet: PublishPacket, callback: (error?: Error | null) => void): void {
    if (packet.topic.startsWith(OWN_TOPIC) || packet.topic.startsWith('$') || packet.payload.length > this.#options.limits.packetBytes) {
      // Acknowledged and dropped: an error would close the connection, and the device would send it again for ever.
      this.#refused.add(packet);
      this.#ingest.refuse(packet.qos, callback);
      return;
    }
    const packetId = packet.messageId;
    this.#ingest.accept(
      {
        topic: packet.topic,
        payload: typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload,
        // A will has no identifier and no exchange of its own.
        qos: packetId === undefined && packet.qos === 2 ? 1 : packet.qos,
        dup: packet.dup,
        packetId: packetId ?? 0,
        client: client?.id ?? null,
      },
      // Handed on as it is: what each message of a group keeps until its fsync is what the collector has to carry.
      this.#failures.size === 0 || client === null ? callback : this.#forgetting(client.id, callback),
    );
  }

  /** A publish that is made durable ends the client's waits. */
  #forgetting(client: string, callback: (error: Error | null) => void): (error: Error | null) => void {
    return (error) => {
      if (error === null) this.#failures.delete(client);
      callback(error);
    };
  }

  /** The connection was closed because its publish could not be made durable. */
  noteFailure(client: string): void {
    if (this.#failures.size >= FAILED_CLIENTS_MAX) this.#failures.delete(this.#failures.keys().next().value ?? '');
    const count = (this.#failures.get(client)?.count ?? 0) + 1;
    this.#failures.set(client, { count, untilMs: this.#options.clock.monotonicMs() + backoffMs(count, RECONNECT_WAIT) });
  }

  #beforeConnect(clientId: string, client: Client, callback: (error: Error | null, success: boolean) => void): void {
    const { clock } = this.#options;
    const waitMs = (this.#failures.get(clientId)?.untilMs ?? 0) - clock.monotonicMs();
    // Clients resend at once: without a wait a full disk becomes a storm of reconnections. It counts from the failure, so
    // that a client which tries again and again gets in.
    if (waitMs > 0) clock.after(waitMs, () => callback(null, !client.closed));
    else callback(null, true);
  }

  /** Aedes would answer PUBREL even if this rejects: only without a connection it does not. */
  async #release(client: Client, packetId: number): Promise<void> {
    try {
      await this.#ingest.released(client.id, packetId);
    } catch (error) {
      this.noteFailure(client.id);
      client.conn.destroy();
      throw error;
    }
  }

  #isStuck(client: Client): boolean {
    if (client.conn.destroyed) return true;
    const waiting = client.conn.writableLength;
    if (waiting <= OUTPUT_BYTES_MAX) return false;
    this.#options.logger.warn({ client: client.id, waiting }, 'subscriber disconnected: it does not read what it subscribed to');
    client.conn.destroy();
    return true;
  }

  /** Once `listen` has made the persistence, and before a client connects. */
  watchSessions(): void {
    // Aedes' types do not declare `persistence`; these four methods are the ones it calls (aedes-persistence 11).
    const { persistence } = this as unknown as { persistence: Persistence };
    const { addSubscriptions, removeSubscriptions, cleanSubscriptions, incomingGetPacket } = persistence;
    persistence.addSubscriptions = (client, subscriptions) => {
      for (const { topic } of subscriptions) this.#interest.addToSession(client.id, topic);
      return addSubscriptions.call(persistence, client, subscriptions);
    };
    persistence.removeSubscriptions = (client, filters) => {
      for (const filter of filters) this.#interest.removeFromSession(client.id, filter);
      return removeSubscriptions.call(persistence, client, filters);
    };
    persistence.cleanSubscriptions = (client) => {
      this.#interest.removeSession(client.id);
      return cleanSubscriptions.call(persistence, client);
    };
    // Called for PUBREL before PUBCOMP is written: the identifier may be used again once its release is durable.
    persistence.incomingGetPacket = async (client, packet) => {
      if (packet.cmd === 'pubrel' && packet.messageId !== undefined) await this.#release(client, packet.messageId);
      return incomingGetPacket.call(persistence, client, packet);
    };
  }
}

/** What the broker keeps in memory: as retained, or for a session that is away. */
const isKept = (packet: PublishPacket): boolean => packet.retain === true || packet.qos > 0;

/** As parsed, a payload is a slice of all that was read from the socket with it, and would keep that in memory. */
function copyOf(payload: string | Buffer): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Every open connection, counted and limited. */
class Connections {
  readonly #broker: Aedes;
  readonly #open = new Set<Duplex>();
  readonly #max: number;
  readonly #refused: Counter;
  readonly #gate: ReadGate;
  readonly #clock: Clock;

  constructor(broker: Aedes, options: BrokerOptions) {
    const { ingest, clock } = options;
    this.#clock = clock;
    this.#gate = new ReadGate({ waiting: () => ingest.waiting(), whenAnswered: (callback) => ingest.whenAnswered(callback), clock });
    this.#broker = broker;
    this.#max = options.limits.connections;
    const open = this.#open;
    new Gauge({
      name: 'tocsin_mqtt_connections',
      help: 'Open MQTT connections',
      registers: [options.registry],
      collect() {
        this.set(open.size);
      },
    });
    this.#refused = new Counter({
      name: 'tocsin_mqtt_connections_refused_total',
      help: 'Connections closed at once because mqtt.limits.connections was reached',
      registers: [options.registry],
    });
  }

  accept(connection: Duplex): void {
    if (this.#max > 0 && this.#open.size >= this.#max) {
      this.#refused.inc();
      connection.destroy();
      return;
    }
    this.#open.add(connection);
    connection.once('close', () => this.#open.delete(connection));
    let client: Client | undefined;
    this.#gate.guard(connection, () => client?.connected === true);
    client = this.#broker.handle(connection);
  }

  stopReading(): void {
    this.#gate.close();
  }

  /** Sends what is still to be sent, then says that no more comes; gives connections a moment to take note. */
  async finish(): Promise<void> {
    const finished = [...this.#open].map(
      (connection) =>
        new Promise<void>((resolve) => {
          connection.once('close', resolve);
          connection.end();
        }),
    );
    await Promise.race([Promise.all(finished), this.#clock.sleep(FINISH_WAIT_MS)]);
  }

  destroyAll(): void {
    for (const connection of this.#open) connection.destroy();
  }
}

function webSocketServer(connections: Connections): Server {
  const server = createHttpServer((_request, response) => response.writeHead(426, { Upgrade: 'websocket' }).end());
  const webSockets = new WebSocketServer({ server, handleProtocols: (protocols) => (protocols.has('mqtt') ? 'mqtt' : false) });
  // It repeats the server's errors, which are heard where they arise; unheard here, they would end the process.
  webSockets.on('error', () => undefined);
  webSockets.on('connection', (socket) => connections.accept(createWebSocketStream(socket)));
  return server;
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
