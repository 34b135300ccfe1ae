/**
 * Aedes as we need it. Aedes writes PUBACK and PUBREC only after `authorizePublish` has called back, so that is where a message waits
 * to be durable; its hooks must call back exactly once and never throw.
 *
 * What Aedes leaves out is added here: a cap on each client's unsent output, a wait before the next CONNECT of a client whose publish
 * could not be made durable, and a shortcut past the delivery when nobody subscribes to a topic.
 */
import { Aedes, type Client, type PublishPacket } from 'aedes';
import type { Access, Refusal, Session } from '../access/access.ts';
import { originOf } from '../access/origin.ts';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';
import type { Ingest } from './ingest.ts';
import { Interest } from './interest.ts';

export interface TocsinBrokerOptions {
  readonly limits: { readonly packetBytes: number };
  readonly access: Access;
  readonly ingest: Ingest;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Topics below these belong to the program. */
const OWN_TOPIC = 'tocsin/';
const CONNECT_TIMEOUT_MS = 5000;
const DRAIN_TIMEOUT_MS = 10_000;
/** What may wait in memory for one slow subscriber before it is disconnected. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** At most as long as clients commonly wait for CONNACK: who gives up before would never get in again. */
const RECONNECT_WAIT = { firstMs: 500, maxMs: 3000 };
/** Clients remembered for having failed to publish; the oldest is forgotten first. */
const FAILED_CLIENTS_MAX = 10_000;

/** What our persistence is asked for; Aedes' own type still describes the callback form that 1.x no longer uses. */
interface Persistence {
  addSubscriptions(client: Client, subscriptions: readonly { topic: string }[]): Promise<unknown>;
  putWill(client: Client, packet: PublishPacket): Promise<unknown>;
  removeSubscriptions(client: Client, filters: readonly string[]): Promise<unknown>;
  cleanSubscriptions(client: Client): Promise<unknown>;
  incomingGetPacket(client: Client, packet: { cmd?: string; messageId?: number }): Promise<unknown>;
}

export class TocsinBroker extends Aedes {
  readonly #interest = new Interest();
  readonly #refused = new WeakSet<object>();
  /** Who each client is, from its login on. */
  readonly #clients = new WeakMap<Client, Session>();
  readonly #access: Access;
  readonly #ingest: Ingest;
  readonly #options: TocsinBrokerOptions;
  /** Failed publishes in a row and until when a CONNECT waits for it, by client. */
  readonly #failures = new Map<string, { count: number; untilMs: number }>();

  constructor(options: TocsinBrokerOptions) {
    super({
      // Anything but 0 lets one stuck subscriber stall every delivery, and past 3,000 waiting messages overflow the stack.
      concurrency: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      preConnect: (client, packet, callback) => this.#beforeConnect(packet.clientId, client, callback),
      authenticate: (client, username, password, callback) => {
        const given = { username: username === undefined || username === '' ? null : username, password: password ?? null };
        void this.#login(client, given).then((refusal) => callback(refusal, refusal === null));
      },
      authorizePublish: (client, packet, callback) => this.#incoming(client, packet, callback),
      authorizeSubscribe: (client, subscription, callback) =>
        callback(null, this.#maySubscribe(client, subscription.topic) ? subscription : null),
      authorizeForward: (client, packet) => (this.#isStuck(client) || !this.#mayRead(client, packet.topic) ? null : packet),
    });
    this.#options = options;
    this.#access = options.access;
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
    const session = client === null ? undefined : this.#clients.get(client);
    // A will whose client is gone was looked at when it was stored.
    const isDenied = client !== null && session?.rights.mayPublish(packet.topic) !== true;
    if (isDenied || isReserved(packet.topic) || packet.payload.length > this.#options.limits.packetBytes) {
      if (isDenied) this.#access.denied('publish');
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
        device: session?.who?.kind === 'device' ? session.who.name : null,
      },
      // Handed on as it is: what each message of a group keeps until its fsync is what the collector has to carry.
      this.#failures.size === 0 || client === null ? callback : this.#forgetting(client.id, callback),
    );
  }

  /** @returns null when it is let in */
  async #login(client: Client, given: { username: string | null; password: Buffer | null }): Promise<LoginError | null> {
    const outcome = await this.#access.login({
      ...given,
      ...originOf(client.conn),
      clientId: client.id,
      holder: this.#holderOf(client.id),
      isGone: () => client.closed,
    });
    if ('returnCode' in outcome) return new LoginError(outcome);
    this.#clients.set(client, outcome);
    return null;
  }

  #holderOf(clientId: string): Session | undefined {
    const holder = clientsOf(this)[clientId];
    return holder === undefined || holder.closed ? undefined : this.#clients.get(holder);
  }

  /** Once the access rules have changed: gives every client the rights that it has by now, and closes who has none any more. */
  renewSessions(): void {
    for (const client of Object.values(clientsOf(this))) if (client !== undefined) this.renewSession(client);
  }

  renewSession(client: Client): void {
    const session = this.#clients.get(client);
    if (session === undefined || this.#access.renew(session)) return;
    this.#options.logger.info(
      { client: client.id, user: session.who?.name ?? null },
      'client disconnected: what it logged in with does not count any more',
    );
    client.close();
  }

  #maySubscribe(client: Client | null, filter: string): boolean {
    const may = client !== null && this.#clients.get(client)?.rights.maySubscribe(filter) === true;
    if (!may) this.#access.denied('subscribe');
    return may;
  }

  #mayRead(client: Client, topic: string): boolean {
    const may = this.#clients.get(client)?.rights.mayRead(topic) === true;
    if (!may) this.#access.denied('read');
    return may;
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
    const { addSubscriptions, putWill, removeSubscriptions, cleanSubscriptions, incomingGetPacket } = persistence;
    persistence.addSubscriptions = (client, subscriptions) => {
      // Aedes hands over all of a packet for each one of it that was granted.
      const rights = this.#clients.get(client)?.rights;
      const granted = subscriptions.filter(({ topic }) => rights?.maySubscribe(topic) === true);
      for (const { topic } of granted) this.#interest.addToSession(client.id, topic);
      return addSubscriptions.call(persistence, client, granted);
    };
    // It may outlive the program, and who its client was is not stored with it.
    persistence.putWill = async (client, will) => {
      if (this.#clients.get(client)?.rights.mayPublish(will.topic) === true && !isReserved(will.topic))
        await putWill.call(persistence, client, will);
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

const isReserved = (topic: string): boolean => topic.startsWith(OWN_TOPIC) || topic.startsWith('$');

/** Aedes' types do not declare them. */
const clientsOf = (broker: Aedes): Readonly<Record<string, Client | undefined>> =>
  (broker as unknown as { clients: Record<string, Client> }).clients;

/** In the form in which Aedes takes CONNACK's return code. */
class LoginError extends Error {
  readonly returnCode: Refusal['returnCode'];
  constructor({ returnCode, reason }: Refusal) {
    super(reason);
    this.returnCode = returnCode;
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
