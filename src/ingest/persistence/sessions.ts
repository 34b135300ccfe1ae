/**
 * Persistent sessions and what they subscribe to, in memory, every change on its way to the disk. Their queues are on disk only: a
 * session that is away costs its name and its filters.
 *
 * There are at most `sessionsMax`. Past that, the one that has been away for longest and subscribes to nothing gives way to a new one;
 * where each subscribes to something, no new one is taken.
 */
import { Interest } from '../interest.ts';
import { InFlight } from './in-flight.ts';
import type { Stored } from './operations.ts';
import { TopicTree } from './topic-tree.ts';
import type { Writes } from './writes.ts';

/** As Aedes hands it over and wants it back; all but the topic is kept as it is. */
export interface Subscription {
  readonly topic: string;
  readonly qos: number;
}

export class Session {
  readonly number: number;
  readonly client: string;
  readonly subscriptions = new Map<string, Subscription>();
  readonly inFlight = new InFlight();
  /** Of its present connection, or of the one it will have: tells what was sent before from what is sent now. */
  epoch: number;
  isConnected = false;

  constructor(number: number, client: string, epoch: number) {
    this.number = number;
    this.client = client;
    this.epoch = epoch;
  }
}

/** Sessions that subscribe to a filter with a QoS above 0, with that QoS. */
interface Subscribers {
  readonly filter: string;
  readonly qos: Map<Session, number>;
}

export class Sessions {
  readonly #writes: Writes;
  readonly #max: number;
  readonly #byClient = new Map<string, Session>();
  readonly #byNumber = new Map<number, Session>();
  readonly #subscribers = new TopicTree<Subscribers>();
  readonly #interest = new Interest();
  /** Away and without subscriptions, the longest first. */
  readonly #idle = new Set<Session>();
  #lastNumber = 0;
  #lastEpoch: number;
  refused = 0;
  /** Called for each one refused. */
  onRefused: () => void = () => undefined;
  /** With a QoS above 0. */
  subscriptionCount = 0;

  constructor(writes: Writes, options: { readonly max: number; readonly stored: Stored }) {
    const { stored } = options;
    this.#writes = writes;
    this.#max = options.max;
    this.#lastEpoch = stored.epoch + 1;
    for (const { session, client } of stored.sessions) this.#register(new Session(session, client, this.#lastEpoch));
    for (const { session, filter, options: text } of stored.subscriptions) {
      const known = this.#byNumber.get(session);
      if (known !== undefined) this.#subscribe(known, { topic: filter, ...(JSON.parse(text) as Omit<Subscription, 'topic'>) });
    }
  }

  get count(): number {
    return this.#byClient.size;
  }

  find(client: string): Session | undefined {
    return this.#byClient.get(client);
  }

  numbered(number: number): Session | undefined {
    return this.#byNumber.get(number);
  }

  all(): Iterable<Session> {
    return this.#byClient.values();
  }

  /** Whether there is room for a session of this client, or one already. */
  canBegin(client: string): boolean {
    return this.#max === 0 || this.#byClient.size < this.#max || this.#idle.size > 0 || this.#byClient.has(client);
  }

  refuse(): null {
    this.refused += 1;
    this.onRefused();
    return null;
  }

  /** The session of this client, a new one where there is none; null where there is no room for one. */
  begin(client: string): Session | null {
    const known = this.#byClient.get(client);
    if (known !== undefined) return known;
    if (!this.canBegin(client)) return this.refuse();
    const [idle] = this.#idle;
    if (this.#max > 0 && this.#byClient.size >= this.#max && idle !== undefined) this.end(idle);
    const session = new Session(this.#lastNumber + 1, client, this.#lastEpoch);
    this.#register(session);
    this.#writes.add({ kind: 'session', session: session.number, client });
    return session;
  }

  end(session: Session): void {
    for (const filter of session.subscriptions.keys()) this.#forget(session, filter);
    session.subscriptions.clear();
    this.#byClient.delete(session.client);
    this.#byNumber.delete(session.number);
    this.#idle.delete(session);
    this.#writes.add({ kind: 'end', session: session.number });
  }

  connected(session: Session): void {
    this.#lastEpoch += 1;
    session.epoch = this.#lastEpoch;
    session.isConnected = true;
    this.#idle.delete(session);
  }

  left(session: Session): void {
    session.isConnected = false;
    session.inFlight.clear();
    this.#noteIdle(session);
  }

  subscribe(session: Session, subscription: Subscription): void {
    const { topic, ...options } = subscription;
    const text = JSON.stringify(options);
    const known = session.subscriptions.get(topic);
    if (known !== undefined && JSON.stringify({ ...known, topic: undefined }) === text) return;
    this.#subscribe(session, subscription);
    this.#writes.add({ kind: 'subscribe', session: session.number, filter: topic, options: text });
  }

  unsubscribe(session: Session, filter: string): void {
    if (!session.subscriptions.has(filter)) return;
    this.#forget(session, filter);
    session.subscriptions.delete(filter);
    this.#writes.add({ kind: 'unsubscribe', session: session.number, filter });
    this.#noteIdle(session);
  }

  /** Whether a message with a QoS above 0 goes into any queue. */
  isWanted(topic: string): boolean {
    return this.#interest.isWanted(topic);
  }

  /** Visits each subscription with a QoS above 0 that matches: a session as often as its filters do. */
  match(topic: string, visit: (session: Session, filter: string, qos: number) => void): void {
    this.#subscribers.match(topic, (subscribers) => {
      for (const [session, qos] of subscribers.qos) visit(session, subscribers.filter, qos);
    });
  }

  #subscribe(session: Session, subscription: Subscription): void {
    const { topic: filter, qos } = subscription;
    this.#forget(session, filter);
    // Aedes goes on changing what it handed over.
    session.subscriptions.set(filter, { ...subscription });
    this.#idle.delete(session);
    if (qos === 0) return;
    const subscribers = this.#subscribers.get(filter) ?? { filter, qos: new Map() };
    if (subscribers.qos.size === 0) this.#subscribers.set(filter, subscribers);
    subscribers.qos.set(session, qos);
    this.#interest.add(filter);
    this.subscriptionCount += 1;
  }

  /** As one who is to be queued for. */
  #forget(session: Session, filter: string): void {
    const subscribers = this.#subscribers.get(filter);
    if (subscribers?.qos.delete(session) !== true) return;
    if (subscribers.qos.size === 0) this.#subscribers.delete(filter);
    this.#interest.remove(filter);
    this.subscriptionCount -= 1;
  }

  #register(session: Session): void {
    this.#lastNumber = Math.max(this.#lastNumber, session.number);
    this.#byClient.set(session.client, session);
    this.#byNumber.set(session.number, session);
    this.#noteIdle(session);
  }

  #noteIdle(session: Session): void {
    if (!session.isConnected && session.subscriptions.size === 0) this.#idle.add(session);
  }
}
