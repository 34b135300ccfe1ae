/**
 * What goes out to a client, in place of Aedes' own delivery, which
 *
 * - took the QoS of whichever subscription came first, and handed a message of QoS 2 on as it was to a wildcard subscription of QoS 1: here
 *   it is the greatest that was granted to any filter that matches, but no more than that of the message [MQTT-3.3.5-1, 3.8.4-6];
 * - dropped a message that reached the client after a later one, for a repetition: here that is one message matched by several filters;
 * - gave an identifier to a message while another still had it [MQTT-2.3.1-4], and handed DUP on [MQTT-3.3.1-3];
 * - sent what is queued for a session without DUP [MQTT-3.3.1-1], mixed with what is published meanwhile, some of it before CONNACK and
 *   twice [MQTT-3.2.0-1, 4.6.0-6]: here the queue is sent first, in passes, until nothing new has come into it, and only then is what is
 *   published sent as it comes;
 * - forgot retained messages that a session had not acknowledged, and closed the connection on their PUBREC [MQTT-4.4.0-1].
 *
 *     CATCHING_UP (a persistent session connects: its queue is sent) => LIVE
 */
import type { Subscription } from 'aedes';
import { matchesTopic } from '../../access/topic-filter.ts';
import type { Clock } from '../../std/clock.ts';
import { type AedesBroker, type AedesClient, type AedesPersistence, asForwarded, type Outgoing } from './aedes.ts';
import { Identifiers } from './identifiers.ts';
import { pubrelBytes, writePublish } from './wire.ts';

/** Payloads up to this are copied behind their header: one write is cheaper than two. */
const COPIED_BYTES_MAX = 1024;
/** From when a message is in a queue until it is delivered, at the very most. */
const IN_BETWEEN_MS = 10_000;
const REFUSED = 128;

export interface DeliveryOptions {
  readonly broker: AedesBroker;
  /** As it was before it was mended. */
  readonly store: AedesPersistence;
  readonly clock: Clock;
}

export class Delivery {
  readonly #client: AedesClient;
  readonly #options: DeliveryOptions;
  readonly #identifiers = new Identifiers();
  #isLive = false;
  /** Something has come into the queue since the last pass over it began. */
  #hasMore = false;
  /** Sent from the queue, and perhaps about to be delivered as it comes. By its number, which is unique in this broker's life. */
  readonly #fromQueue = new Set<number>();
  #lastNumber = -1;

  constructor(client: AedesClient, options: DeliveryOptions) {
    this.#client = client;
    this.#options = options;
    client.deliver0 = (packet, done) => this.#deliver(packet, done);
    client.deliverQoS = client.deliver0;
  }

  /** CONNACK has been written. */
  async start(): Promise<void> {
    if (!this.#client.clean) await this.#catchUp();
    this.#isLive = true;
    if (this.#fromQueue.size > 0) this.#options.clock.after(IN_BETWEEN_MS, () => this.#fromQueue.clear());
  }

  /** PUBACK or PUBCOMP has come. */
  acknowledged(messageId: number): void {
    this.#identifiers.free(messageId);
  }

  /** Whether an exchange under this identifier is not at its end. */
  isOpen(messageId: number): boolean {
    return this.#identifiers.isTaken(messageId);
  }

  /** What is retained for new subscriptions: to each with the QoS that it was granted, though others of this client may match. */
  async sendRetained(subscriptions: readonly Subscription[]): Promise<void> {
    const { broker, store } = this.#options;
    const granted = subscriptions.filter(({ qos }: { readonly qos: number }) => qos !== REFUSED);
    // All are asked for at once: what is published from now on is delivered as it comes.
    const streams = granted.map(({ topic, qos }) => ({ topic, qos, stream: store.createRetainedStreamCombi([topic]) }));
    for (const { topic, qos, stream } of streams) {
      for await (const packet of stream as AsyncIterable<Outgoing>) {
        if (this.#client.closed) return;
        // A wildcard in the first level finds `$` topics in the store.
        if (!matchesTopic(topic, packet.topic)) continue;
        const retained = { ...packet, brokerId: broker.id, brokerCounter: ++broker.counter, dup: false, retain: true };
        await this.#sendKept({ ...retained, qos: Math.min(qos, packet.qos), messageId: undefined });
      }
    }
  }

  /** Called for each subscription that matches, in one turn for all of a message. */
  #deliver(packet: Outgoing, done: () => void): void {
    const { brokerCounter = 0 } = packet;
    const qos = brokerCounter === this.#lastNumber ? -1 : this.#qosFor(packet);
    this.#lastNumber = brokerCounter;
    const isQueued = qos > 0 && !this.#client.clean;
    if (isQueued && !this.#isLive) this.#hasMore = true;
    if (qos < 0 || (!this.#isLive && (isQueued || !this.#client.connackSent)) || (isQueued && this.#fromQueue.delete(brokerCounter))) {
      done();
      return;
    }
    // In a turn of its own: else each message that a delivery lets in would be handled on top of the one before.
    setImmediate(() => {
      if (isQueued) void this.#sendQueued({ ...packet, qos, dup: false }).then(done);
      else this.#send({ ...packet, qos, dup: false, messageId: qos > 0 ? this.#identify() : undefined }, done);
    });
  }

  /** The greatest QoS of those that match, or -1 where none does any more. */
  #qosFor({ topic, qos }: Outgoing): number {
    const { subscriptions } = this.#client;
    let greatest = -1;
    for (const filter in subscriptions) {
      const granted = subscriptions[filter]?.qos ?? 0;
      if (granted <= greatest || !matchesTopic(filter, topic)) continue;
      if (granted >= qos) return qos;
      greatest = granted;
    }
    return greatest;
  }

  /** A message that is in no queue yet: into it where there is one. */
  async #sendKept(packet: Outgoing): Promise<void> {
    if (packet.qos === 0 || this.#client.clean) {
      const messageId = packet.qos > 0 ? this.#identify() : undefined;
      await new Promise<void>((resolve) => this.#send({ ...packet, messageId }, resolve));
      return;
    }
    await this.#options.store.outgoingEnqueueCombi([{ clientId: this.#client.id, qos: packet.qos }], packet);
    if (this.#isLive) await this.#sendQueued(packet);
    else this.#hasMore = true;
  }

  /** A message that is in the session's queue: what is there no longer is not sent. Never rejects. */
  async #sendQueued(packet: Outgoing): Promise<void> {
    const { store } = this.#options;
    const sent = { ...packet, messageId: this.#identify() };
    const { messageId } = sent;
    if (messageId === undefined) return;
    const isThere = await store.outgoingUpdate(this.#client, sent).then(
      () => true,
      () => false,
    );
    // The store may know better which one is free.
    if (!isThere || sent.messageId !== messageId) this.#identifiers.free(messageId);
    if (!isThere) return;
    this.#identifiers.take(sent.messageId ?? messageId);
    await new Promise<void>((resolve) => this.#send(sent, resolve));
  }

  async #catchUp(): Promise<void> {
    const client = this.#client;
    for (let isFirst = true; (isFirst || this.#hasMore) && !client.closed; isFirst = false) {
      this.#hasMore = false;
      for await (const packet of this.#options.store.outgoingStream(client) as AsyncIterable<Outgoing>) {
        if (client.closed) return;
        if (packet.messageId === undefined) {
          this.#fromQueue.add(packet.brokerCounter ?? 0);
          await this.#sendQueued(packet);
        } else if (isFirst) await this.#sendAgain(packet, packet.messageId);
      }
    }
  }

  /** What an earlier connection has sent and not seen the end of [MQTT-4.4.0-1]. */
  async #sendAgain(packet: Outgoing, messageId: number): Promise<void> {
    this.#identifiers.take(messageId);
    if (packet.cmd === 'pubrel') {
      this.#client.conn.write(pubrelBytes(messageId));
      return;
    }
    await this.#options.store.outgoingUpdate(this.#client, { ...packet });
    await new Promise<void>((resolve) => this.#send({ ...packet, dup: true }, resolve));
  }

  /** An unused identifier. Who acknowledges none of 65,535 messages is disconnected. */
  #identify(): number | undefined {
    const identifier = this.#identifiers.next();
    if (identifier === undefined) this.#client.conn.destroy();
    return identifier;
  }

  /** Calls back when more may be written. */
  #send(packet: Outgoing, done: () => void): void {
    const client = this.#client;
    const isGone = client.closed || (packet.qos > 0 && packet.messageId === undefined);
    const forwarded = isGone ? null : this.#options.broker.authorizeForward(client, asForwarded(packet));
    if (!forwarded) {
      if (!isGone && packet.qos > 0) this.#drop(packet);
      done();
      return;
    }
    if (this.#write(packet)) done();
    else client.waitForDrain(done);
  }

  /** It may not be forwarded: the queue is not to offer it again. */
  #drop(packet: Outgoing): void {
    this.#identifiers.free(packet.messageId ?? 0);
    if (this.#client.clean) return;
    const { store, broker } = this.#options;
    store.outgoingClearMessageId(this.#client, packet).catch((error: unknown) => broker.emit('error', error));
  }

  #write({ topic, payload, qos, retain, dup = false, messageId = 0 }: Outgoing): boolean {
    const { conn } = this.#client;
    const content = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const isCopied = content.length <= COPIED_BYTES_MAX;
    const header = { topic, payloadBytes: content.length, qos, retain, dup, messageId };
    const { bytes, end } = writePublish(header, isCopied ? content.length : 0);
    if (isCopied) bytes.set(content, end);
    // What this turn has to say to the client goes out together.
    conn.cork();
    process.nextTick(() => conn.uncork());
    const mayWrite = conn.write(bytes.subarray(0, isCopied ? end + content.length : end));
    return isCopied ? mayWrite : conn.write(content);
  }
}
