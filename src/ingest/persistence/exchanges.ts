/**
 * QoS 2 publishes that have been received and not released (PUBREL), by client and packet identifier: a retransmission of one is not
 * delivered again. Those of persistent sessions whose message was kept are on disk, in the transaction that kept it.
 *
 * Bounded: a client that withholds PUBREL, over reconnects too, gets no more taken at some point.
 */
import { TocsinError } from '../../std/errors.ts';
import type { Packet } from './packet.ts';

/** A QoS 2 message's own name until it is released. */
export interface Origin {
  readonly client: string;
  readonly messageId: number;
}

const COUNT_MAX = 1000;
const COUNT_MAX_IN_ALL = 500_000;
/** Aedes asks only whether there is one: past this, the payload is let go. */
const PAYLOAD_BYTES_MAX_IN_ALL = 16 * 1024 * 1024;
const NOTHING = Buffer.alloc(0);

interface Exchange {
  readonly packet: Packet;
  /** The number of the session with which it is on disk, or null. */
  session: number | null;
}

export class Exchanges {
  readonly #byClient = new Map<string, Map<number, Exchange>>();
  #count = 0;
  #payloadBytes = 0;

  /** @throws when the client has too many of them, or all clients together */
  begin(client: string, packet: Packet & { readonly messageId: number }): void {
    const known = this.#byClient.get(client) ?? new Map<number, Exchange>();
    if (!known.has(packet.messageId) && (known.size >= COUNT_MAX || this.#count >= COUNT_MAX_IN_ALL)) {
      throw new TocsinError(`${known.size} QoS 2 messages of ${client} wait for PUBREL: no more are taken`);
    }
    this.end(client, packet.messageId);
    const payload = this.#payloadBytes + packet.payload.length > PAYLOAD_BYTES_MAX_IN_ALL ? NOTHING : Buffer.from(packet.payload);
    const { cmd, topic, qos, retain, dup = false, messageId } = packet;
    this.#byClient.set(client, known);
    known.set(messageId, { packet: { cmd, topic, payload, qos, retain, dup, messageId }, session: null });
    this.#count += 1;
    this.#payloadBytes += payload.length;
  }

  /** One that a run before this one has kept. */
  recall(client: string, messageId: number, session: number): void {
    const packet = { cmd: 'publish', topic: '', payload: NOTHING, qos: 2, retain: false, dup: false, messageId };
    this.begin(client, packet);
    this.keep({ client, messageId }, session);
  }

  /** Its message goes to disk with the session of this number, where it has one. Answers what is to be written. */
  keep({ client, messageId }: Origin, session: number | undefined): { session: number; messageId: number } | null {
    const exchange = this.find(client, messageId);
    if (exchange === undefined || session === undefined) return null;
    exchange.session = session;
    return { session, messageId };
  }

  find(client: string, messageId: number | undefined): Exchange | undefined {
    return messageId === undefined ? undefined : this.#byClient.get(client)?.get(messageId);
  }

  /** Answers what there was. */
  end(client: string, messageId: number): Exchange | undefined {
    const known = this.#byClient.get(client);
    const exchange = known?.get(messageId);
    if (known === undefined || exchange === undefined) return undefined;
    known.delete(messageId);
    if (known.size === 0) this.#byClient.delete(client);
    this.#count -= 1;
    this.#payloadBytes -= exchange.packet.payload.length;
    return exchange;
  }

  endAll(client: string): void {
    for (const messageId of [...(this.#byClient.get(client)?.keys() ?? [])]) this.end(client, messageId);
  }
}
