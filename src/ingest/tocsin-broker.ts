/**
 * Aedes as we need it. Aedes writes PUBACK and PUBREC only after `authorizePublish` has called back, so that is where a message waits
 * to be durable; its hooks must call back exactly once and never throw.
 *
 * What Aedes leaves out is added here: a cap on each client's unsent output, a wait before the next CONNECT of a client whose publish
 * could not be made durable, and a shortcut past the delivery when nobody subscribes to a topic.
 *
 * A QoS 1 message that somebody wants is delivered and kept in that hook, too, once the journal has it: what is retained or queued for a session is
 * then durable before the PUBACK. Aedes' own delivery, which follows the PUBACK, is left out for it.
 */
import { Aedes, type Client, type PublishPacket } from 'aedes';
import type { Access, Refusal, Session } from '../access/access.ts';
import { originOf } from '../access/origin.ts';
import { NotDurable } from '../journal/group-commit.ts';
import { backoffMs } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import { TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { Fault, type Refusals } from './gate/refusals.ts';
import { SUBSCRIPTIONS_MAX, SubscriptionLimit } from './gate/subscription-limit.ts';
import { REFUSED_TOPIC } from './gate/topics.ts';
import type { Ingest } from './ingest.ts';
import { Interest } from './interest.ts';
import { mend } from './mending/mending.ts';
import { Answers } from './persistence/answers.ts';
import type { Origin } from './persistence/exchanges.ts';
import type { Persistence } from './persistence/persistence.ts';
import { fitToAedes, NO_SUBSCRIPTION } from './persistence/seam.ts';

export interface TocsinBrokerOptions {
  readonly access: Access;
  readonly ingest: Ingest;
  readonly persistence: Persistence;
  readonly refusals: Refusals;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Topics below these belong to the program. */
const OWN_TOPIC = 'tocsin/';
/** Behind the gate's own, which is shorter. */
const CONNECT_TIMEOUT_MS = 10_000;
const DRAIN_TIMEOUT_MS = 10_000;
/** What may wait in memory for one slow subscriber before it is disconnected. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** At most as long as clients commonly wait for CONNACK: who gives up before would never get in again. */
const RECONNECT_WAIT = { firstMs: 500, maxMs: 3000 };
/** Begun at QoS 2 and not released, of one session: over all its connections, which Aedes' own bound of as many forgets. */
const OPEN_MESSAGES_MAX = 1000;
/** Clients remembered for having failed to publish; the oldest is forgotten first. */
const FAILED_CLIENTS_MAX = 10_000;

/** As many as Aedes takes: what comes over the wire is checked there, a will is not. */
const TOPIC_LEVELS_MAX = 100;
/** CONNACK with return code 3, server unavailable. */
const CONNACK_UNAVAILABLE = Buffer.from([0x20, 2, 0, 3]);

/** What Aedes has and its types leave out. */
interface Delivery {
  counter: number;
  readonly mq: { emit(packet: object): void };
}

export class TocsinBroker extends Aedes {
  readonly #interest = new Interest();
  readonly #subscriptions = new SubscriptionLimit();
  readonly #refused = new WeakSet<object>();
  /** Delivered before their acknowledgement. */
  readonly #delivered = new WeakSet<object>();
  readonly #granted = new WeakSet<object>();
  /** Who each client is, from its login on. */
  readonly #clients = new WeakMap<Client, Session>();
  readonly #access: Access;
  readonly #answers: Answers;
  readonly #persistence: Persistence;
  readonly #ingest: Ingest;
  readonly #options: TocsinBrokerOptions;
  /** Failed publishes in a row and until when a CONNECT waits for it, by client. */
  readonly #failures = new Map<string, { count: number; untilMs: number }>();

  constructor(options: TocsinBrokerOptions) {
    super({
      // Anything but 0 lets one stuck subscriber stall every delivery, and past 3,000 waiting messages overflow the stack.
      concurrency: 0,
      persistence: options.persistence,
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      preConnect: (client, packet, callback) => this.#beforeConnect(packet, client, callback),
      authenticate: (client, username, password, callback) => {
        const given = { username: username === undefined || username === '' ? null : username, password: password ?? null };
        void this.#login(client, given).then((refusal) => callback(refusal, refusal === null));
      },
      authorizePublish: (client, packet, callback) => this.#incoming(client, packet, callback),
      authorizeSubscribe: (client, subscription, callback) => {
        const isGranted = this.#maySubscribe(client, subscription.topic);
        if (isGranted) this.#granted.add(subscription);
        callback(null, isGranted ? subscription : null);
      },
      authorizeForward: (client, packet) => (this.#isStuck(client) || !this.#mayRead(client, packet.topic) ? null : packet),
    });
    this.#options = options;
    this.#access = options.access;
    this.#ingest = options.ingest;
    this.#persistence = options.persistence;
    this.#answers = new Answers(options.persistence);
    fitToAedes(options.persistence, {
      isGranted: (subscription) => this.#granted.has(subscription),
      mayLeave: (client, { topic }) => this.#clients.get(client)?.rights.mayPublish(topic) === true && !isReserved(topic),
      release: (client, packetId) => this.#release(client, packetId),
    });
    this.on('client', (client) => {
      const session = client.clean ? undefined : this.#persistence.sessions.find(client.id);
      if (session !== undefined) this.#persistence.sessions.connected(session);
    });
    this.on('clientDisconnect', (client) => {
      const session = client.clean ? undefined : this.#persistence.sessions.find(client.id);
      if (session !== undefined) this.#persistence.sessions.left(session);
    });
    this.on('unsubscribe', (filters, client) => this.#subscriptions.forget(client, filters));
  }

  /** Nobody subscribes to most sensor topics: then there is nothing to do after the acknowledgement. */
  override publish(packet: PublishPacket, client?: unknown, callback?: unknown): void {
    // Aedes' types leave out the form with a client, which its own handlers call, with null where it is gone.
    const done = (typeof client === 'function' ? client : callback) as (error?: Error | null) => void;
    if (packet.topic.startsWith('$')) super.publish(packet, done);
    else if (!this.#isWanted(packet) || this.#delivered.has(packet) || this.#refused.has(packet)) done();
    else this.#publishWanted(packet, client instanceof Object && 'id' in client ? String(client.id) : null, done);
  }

  #publishWanted(packet: PublishPacket, publisher: string | null, done: (error?: Error | null) => void): void {
    const failure = this.#deliver(packet, publisher);
    if (failure !== null) done(failure);
    else if (packet.qos > 0) this.#persistence.whenDurable(done);
    else done();
  }

  override subscribe(...args: Parameters<Aedes['subscribe']>): void {
    const [filter, deliver, subscribed] = args;
    this.#interest.add(filter);
    const served = this.#persistence.subscribed(filter);
    super.subscribe(filter, deliver, () => {
      // Aedes asks for what is retained in this turn, when all filters of the packet have got here.
      setImmediate(served);
      subscribed();
    });
  }

  override unsubscribe(...args: Parameters<Aedes['unsubscribe']>): void {
    this.#interest.remove(args[0]);
    super.unsubscribe(...args);
  }

  #incoming(client: Client | null, packet: PublishPacket, callback: (error?: Error | null) => void): void {
    const session = client === null ? undefined : this.#clients.get(client);
    // A will whose client is gone was looked at when it was stored.
    const isDenied = client !== null && session?.rights.mayPublish(packet.topic) !== true;
    if (isDenied || isReserved(packet.topic)) {
      // What the gate hands on to be dropped it has counted for what it was.
      if (packet.topic !== REFUSED_TOPIC)
        this.#options.refusals.note('may-not-publish', { client: client?.id ?? null, detail: packet.topic });
      // Acknowledged and dropped: an error would close the connection, and the device would send it again for ever.
      this.#refused.add(packet);
      this.#ingest.refuse(packet.qos, callback);
      return;
    }
    const packetId = packet.messageId;
    if (
      packet.qos === 2 &&
      packetId !== undefined &&
      client !== null &&
      this.#ingest.hasTooManyOpen(client.id, packetId, OPEN_MESSAGES_MAX)
    ) {
      const fault = new Fault('open-messages', `more than ${OPEN_MESSAGES_MAX} at once`);
      this.#options.refusals.note(fault.reason, { client: client.id, detail: fault.message });
      callback(fault);
      return;
    }
    // Handed on as it is where it can be: what each message of a group keeps until its fsync is what the collector has to carry.
    const answer = this.#failures.size === 0 || client === null ? callback : this.#forgetting(client.id, callback);
    const name = client?.id ?? null;
    this.#ingest.accept(
      {
        topic: packet.topic,
        payload: typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload,
        // A will has no identifier and no exchange of its own.
        qos: packetId === undefined && packet.qos === 2 ? 1 : packet.qos,
        dup: packet.dup,
        packetId: packetId ?? 0,
        client: name,
        device: session?.who?.kind === 'device' ? session.who.name : null,
      },
      packet.qos === 1 && this.#isWanted(packet)
        ? this.#answers.taking(name, () => this.#deliver(packet, name), answer)
        : this.#answers.following(name, answer),
    );
  }

  #isWanted({ topic, qos, retain }: PublishPacket): boolean {
    return retain || this.#interest.isWanted(topic) || (qos > 0 && this.#persistence.sessions.isWanted(topic));
  }

  /** To those who are here, and into what is kept for those who are not. Answers why it was not taken, or null. */
  #deliver(packet: PublishPacket, publisher: string | null): Error | null {
    const { topic, qos, retain } = packet;
    if (topic.length > TOPIC_LEVELS_MAX && topic.split('/').length > TOPIC_LEVELS_MAX) return new Error('the topic has too many levels');
    const isOwn = topic.startsWith(OWN_TOPIC);
    if (qos > 0 && this.#persistence.isOverloaded && !isOwn) return new NotDurable('too much waits to be written for sessions');
    // Aedes' types leave out both: they count messages, and hand them to subscriptions.
    const delivery = this as unknown as Delivery;
    delivery.counter += 1;
    const payload = qos > 0 || retain ? copyOf(packet.payload) : packet.payload;
    const sent = {
      cmd: 'publish',
      topic,
      payload,
      qos,
      retain,
      dup: false,
      brokerId: this.id,
      brokerCounter: delivery.counter,
      clientId: publisher ?? undefined,
    };
    if (qos > 0 || retain) this.#persistence.keep(sent, { isOwn, from: exchangeOf(packet, publisher) });
    this.#delivered.add(packet);
    delivery.mq.emit(sent);
    return null;
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

  #mayRead(client: Client, topic: string): boolean {
    const may = this.#clients.get(client)?.rights.mayRead(topic) === true;
    if (!may) this.#options.refusals.note('may-not-read', { client: client.id, detail: topic });
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

  #beforeConnect(
    { clientId, clean = true }: { readonly clientId: string; readonly clean?: boolean },
    client: Client,
    callback: (error: Error | null, success: boolean) => void,
  ): void {
    const { clock } = this.#options;
    if (!clean && !this.#persistence.sessions.canBegin(clientId)) {
      this.#persistence.sessions.refuse();
      client.conn.write(CONNACK_UNAVAILABLE);
      callback(new TocsinError(`no room for a session of ${clientId}`, { hint: 'raise mqtt.limits.sessions' }), false);
      return;
    }
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

  #maySubscribe(client: Client, filter: string): boolean {
    if (filter === NO_SUBSCRIPTION.topic) return false;
    if (this.#clients.get(client)?.rights.maySubscribe(filter) !== true) {
      this.#options.refusals.note('may-not-subscribe', { client: client.id, detail: filter });
      return false;
    }
    if (this.#subscriptions.admits(client, filter)) return true;
    this.#options.refusals.note('subscriptions', { client: client.id, detail: `more than ${SUBSCRIPTIONS_MAX}` });
    return false;
  }

  #isStuck(client: Client): boolean {
    if (client.conn.destroyed) return true;
    const waiting = client.conn.writableLength;
    if (waiting <= OUTPUT_BYTES_MAX) return false;
    this.#options.refusals.note('slow-reader', { client: client.id, detail: `${waiting} bytes wait for it` });
    client.conn.destroy();
    return true;
  }

  override async listen(): Promise<void> {
    await super.listen();
    mend(this, this.#options.clock);
  }
}

/** The exchange that a QoS 2 message came in; a will came in none. */
const exchangeOf = ({ qos, messageId }: PublishPacket, publisher: string | null): Origin | null =>
  qos === 2 && publisher !== null && messageId !== undefined ? { client: publisher, messageId } : null;

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

/** As parsed, a payload is a slice of all that was read from the socket with it, and would keep that in memory. */
function copyOf(payload: string | Buffer): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
