/**
 * What the broker remembers beyond a connection: sessions, subscriptions, queues, retained messages, wills, as Aedes asks for them. In
 * memory is what is asked for often; everything is written behind it, in batches, by a thread of its own (`writes.ts`,
 * `broker-worker.ts`). It passes Aedes' abstract suite, also when it is closed and opened again before each question.
 *
 * What waits for the disk: a subscription and the end of a session before they are answered, and a QoS 2 message on its way out before it
 * is sent and before PUBREL, or it could be delivered twice. A message that comes in waits too: `keep` takes it at once, `whenDurable`
 * says when it may be acknowledged. What does not wait: acknowledgements of subscribers and packet identifiers of QoS 1 on their way out. A crash
 * may send such a message again, with DUP.
 */
import { Readable } from 'node:stream';
import type { Committed } from '../../journal/group-commit.ts';
import { TocsinError } from '../../std/errors.ts';
import type { Remote } from '../../std/rpc.ts';
import type { BrokerWorkerMethods } from './broker-worker.ts';
import { Exchanges, type Origin } from './exchanges.ts';
import type { Stored } from './operations.ts';
import { Outgoing } from './outgoing.ts';
import type { Packet } from './packet.ts';
import { Retained, type RetainedBounds } from './retained.ts';
import { type Session, Sessions, type Subscription } from './sessions.ts';
import { Wills } from './wills.ts';
import type { Writes } from './writes.ts';

interface ClientName {
  readonly id: string;
}
/** What it needs of Aedes. */
interface Numbering {
  readonly id: string;
  counter: number;
}

export class Persistence {
  readonly sessions: Sessions;
  readonly retained: Retained;
  readonly #writes: Writes;
  readonly #outgoing: Outgoing;
  readonly #close: () => Promise<void>;
  readonly #exchanges = new Exchanges();
  readonly #wills: Wills;
  /** What was retained when a filter was subscribed to: what came later has been delivered by that subscription. */
  readonly #subscribedAt = new Map<string, number>();
  #broker: Numbering = { id: '', counter: 0 };

  constructor(parts: {
    readonly writes: Writes;
    readonly remote: Remote<BrokerWorkerMethods>;
    readonly stored: Stored;
    readonly sessionsMax: number;
    readonly retained: RetainedBounds;
    readonly close: () => Promise<void>;
  }) {
    const { writes, stored } = parts;
    this.#writes = writes;
    this.#outgoing = new Outgoing(writes, parts.remote, stored.seq);
    this.#close = parts.close;
    this.sessions = new Sessions(writes, { max: parts.sessionsMax, stored });
    this.retained = new Retained(writes, parts.retained, stored.retained);
    this.#wills = new Wills(writes, stored.wills);
    for (const { session, messageId } of stored.exchanges) {
      const client = this.sessions.numbered(session)?.client;
      if (client !== undefined) this.#exchanges.recall(client, messageId, session);
    }
  }

  get broker(): Numbering {
    return this.#broker;
  }

  async setup(broker: Numbering): Promise<void> {
    this.#broker = broker;
    this.#outgoing.brokerId = broker.id;
    // Messages go on being numbered where they were: so that what comes is queued behind what is there.
    broker.counter = Math.max(broker.counter, this.#outgoing.lastSeq);
  }

  get isOverloaded(): boolean {
    return this.#writes.isOverloaded;
  }

  /** Calls back when everything taken so far is on disk; in order, after every earlier call. */
  whenDurable(callback: Committed): void {
    this.#writes.whenDurable(callback);
  }

  drained(): Promise<void> {
    return this.#writes.drained();
  }

  /**
   * Takes a message, numbered by `brokerCounter`: as the one retained, and into the queues of the sessions that subscribe to it, each
   * with the highest QoS that its filters grant.
   */
  keep(packet: Packet, { isOwn, from }: { readonly isOwn: boolean; readonly from: Origin | null }): void {
    const { cmd, topic, payload, qos, retain } = packet;
    if (retain) this.retained.set({ cmd, topic, payload, qos, retain }, { isOwn });
    const exchange = from === null ? null : this.#exchanges.keep(from, this.sessions.find(from.client)?.number);
    const granted = new Map<Session, number>();
    if (qos > 0 && this.sessions.isWanted(topic)) {
      this.sessions.match(topic, (session, _filter, most) => granted.set(session, Math.max(granted.get(session) ?? 0, most)));
    }
    if (granted.size > 0 || exchange !== null) this.#outgoing.enqueue(packet, granted, exchange);
  }

  /** A subscription has begun to deliver. Returns what to call once what is retained for it has been asked for. */
  subscribed(filter: string): () => void {
    const { version } = this.retained;
    this.#subscribedAt.set(filter, version);
    return () => {
      if (this.#subscribedAt.get(filter) === version) this.#subscribedAt.delete(filter);
    };
  }

  async storeRetained(packet: Packet): Promise<void> {
    this.retained.set({ ...packet }, { isOwn: false });
    await this.#writes.durable();
  }

  createRetainedStream(pattern: string): Readable {
    return this.createRetainedStreamCombi([pattern]);
  }

  createRetainedStreamCombi(patterns: readonly string[]): Readable {
    const asked = patterns.map((filter) => ({ filter, version: this.#subscribedAt.get(filter) ?? Number.MAX_SAFE_INTEGER }));
    return Readable.from(retainedUpTo(this.retained, asked));
  }

  async addSubscriptions(client: ClientName, subscriptions: readonly Subscription[]): Promise<void> {
    const session = this.#session(client.id);
    for (const subscription of subscriptions) this.sessions.subscribe(session, subscription);
    await this.#writes.durable();
  }

  async removeSubscriptions(client: ClientName, filters: readonly string[]): Promise<void> {
    const session = this.sessions.find(client.id);
    if (session === undefined) return;
    for (const filter of filters) this.sessions.unsubscribe(session, filter);
    await this.#writes.durable();
  }

  async subscriptionsByClient(client: ClientName): Promise<Subscription[]> {
    return [...(this.sessions.find(client.id)?.subscriptions.values() ?? [])];
  }

  /** @throws when there is no room for one */
  beginSession(client: string): void {
    this.#session(client);
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    const clientsCount = [...this.sessions.all()].filter(({ subscriptions }) => subscriptions.size > 0).length;
    return { subsCount: this.sessions.subscriptionCount, clientsCount };
  }

  async subscriptionsByTopic(topic: string): Promise<(Subscription & { clientId: string })[]> {
    const found: (Subscription & { clientId: string })[] = [];
    this.sessions.match(topic, ({ client, subscriptions }, filter) => {
      const subscription = subscriptions.get(filter);
      if (subscription !== undefined) found.push({ clientId: client, ...subscription });
    });
    return found;
  }

  /** A session ends as a whole: with its queue and its exchanges. */
  async cleanSubscriptions(client: ClientName): Promise<void> {
    const session = this.sessions.find(client.id);
    if (session === undefined) return;
    this.sessions.end(session);
    await this.#writes.durable();
  }

  async outgoingEnqueue(subscription: { readonly clientId: string }, packet: Packet): Promise<void> {
    await this.outgoingEnqueueCombi([subscription], packet);
  }

  async outgoingEnqueueCombi(subscriptions: readonly { readonly clientId: string }[], packet: Packet): Promise<void> {
    if (subscriptions.length === 0) return;
    this.#outgoing.enqueue(packet, new Map(subscriptions.map(({ clientId }) => [this.#session(clientId), packet.qos])), null);
    await this.#writes.durable();
  }

  async outgoingUpdate(client: ClientName, packet: Packet): Promise<void> {
    const session = this.sessions.find(client.id);
    if (session !== undefined && hasIdentifier(packet)) await this.#outgoing.sending(session, packet);
  }

  async outgoingClearMessageId(client: ClientName, packet: { readonly messageId?: number }): Promise<Packet | undefined> {
    const session = this.sessions.find(client.id);
    // Without an identifier it was never sent: Aedes drops a second copy of what another subscription has delivered.
    if (session === undefined || packet.messageId === undefined) return undefined;
    return this.#outgoing.acknowledged(session, packet.messageId);
  }

  outgoingStream(client: ClientName): Readable {
    const session = this.sessions.find(client.id);
    return Readable.from(session === undefined ? [] : this.#outgoing.queued(session));
  }

  async incomingStorePacket(client: ClientName, packet: Packet & { readonly messageId: number }): Promise<void> {
    this.#exchanges.begin(client.id, packet);
  }

  async incomingGetPacket(client: ClientName, packet: { readonly messageId?: number }): Promise<Packet> {
    const exchange = this.#exchanges.find(client.id, packet.messageId);
    if (exchange === undefined) throw new TocsinError('no such packet');
    return exchange.packet;
  }

  /** Durable before it is answered: else a crash would take the next message under this identifier for a repetition. */
  async incomingDelPacket(client: ClientName, packet: { readonly messageId: number }): Promise<void> {
    const exchange = this.#exchanges.end(client.id, packet.messageId);
    if (exchange === undefined) throw new TocsinError('no such packet');
    if (exchange.session === null) return;
    this.#writes.add({ kind: 'exchanged', session: exchange.session, messageId: packet.messageId });
    await this.#writes.durable();
  }

  async cleanIncoming(client: ClientName): Promise<void> {
    this.#exchanges.endAll(client.id);
  }

  async putWill(client: ClientName, packet: Packet & { clientId?: string }): Promise<void> {
    packet.brokerId = this.#broker.id;
    packet.clientId = client.id;
    this.#wills.put(client.id, packet);
    await this.#writes.durable();
  }

  async getWill(client: ClientName): Promise<Packet | undefined> {
    return this.#wills.get(client.id);
  }

  async delWill(client: ClientName): Promise<Packet | undefined> {
    return this.#wills.delete(client.id);
  }

  streamWill(brokers: Readonly<Record<string, unknown>> = {}): Readable {
    return Readable.from([...this.#wills.all()].filter(({ brokerId = '' }) => !Object.hasOwn(brokers, brokerId)));
  }

  getClientList(filter: string): Readable {
    return Readable.from([...this.sessions.all()].filter(({ subscriptions }) => subscriptions.has(filter)).map(({ client }) => client));
  }

  async destroy(): Promise<void> {
    await this.#close();
  }

  #session(client: string): Session {
    const session = this.sessions.begin(client);
    if (session === null) throw new TocsinError(`no room for a session of ${client}: there are mqtt.limits.sessions`);
    return session;
  }
}

const hasIdentifier = (packet: Packet): packet is Packet & { messageId: number } => packet.messageId !== undefined;

/** What each filter selects, but what came after its subscription: that has been delivered already. */
function* retainedUpTo(retained: Retained, asked: readonly { readonly filter: string; readonly version: number }[]): Generator<Packet> {
  for (const { filter, version } of asked) {
    for (const message of retained.select(filter)) if (message.version <= version) yield message.packet;
  }
}
