/**
 * The packets of a client, done in their order where the order shows.
 *
 * Aedes begins all packets of a segment at once. So a PUBLISH that waits for the disk was overtaken by the SUBSCRIBE behind it, which then
 * got the message twice, live and retained [MQTT-3.3.1-9]; by DISCONNECT, which cost it its PUBACK and its subscribers [MQTT-4.5.0-1]; a
 * SUBSCRIBE overtook UNSUBSCRIBE and was undone by it [MQTT-3.10.4-2]; and what came behind DISCONNECT was done [MQTT-3.14.4-2]. Here
 * SUBSCRIBE, UNSUBSCRIBE and DISCONNECT begin when all before them are done, and what comes behind them begins when they are done.
 *
 * Aedes also answers a filter that comes twice in one SUBSCRIBE with one code [MQTT-3.8.4-5]: such a packet is done filter by filter, which
 * is what the standard says it means [MQTT-3.8.4-4].
 */
import type { Subscription } from 'aedes';
import type { AedesClient, Incoming } from './aedes.ts';
import { subackBytes } from './wire.ts';

const ORDERED: ReadonlySet<string> = new Set(['subscribe', 'unsubscribe', 'disconnect']);

export function keepOrder(client: AedesClient): void {
  new PacketOrder(client).attach();
}

class PacketOrder {
  readonly #client: AedesClient;
  #begin: (packet: Incoming) => void = () => undefined;
  #nextBatch: (error?: Error | null) => void = () => undefined;
  /** Begun and not done. */
  #running = 0;
  /** One of those that begin alone is running. */
  #isAlone = false;
  /** Begun when it is their turn. While there are any, nothing more is read: what waits here is of one segment. */
  readonly #waiting: Incoming[] = [];
  #isOver = false;

  constructor(client: AedesClient) {
    this.#client = client;
  }

  attach(): void {
    const client = this.#client;
    const parser = client._parser;
    // Aedes' own, which takes what it is called on for the parser.
    const [begin] = parser.listeners('packet');
    if (begin === undefined) throw new Error('Aedes listens for no packets: another version than it is meant for');
    parser.removeAllListeners('packet');
    this.#begin = begin.bind(parser);
    parser.on('packet', (packet: Incoming) => this.#receive(packet));
    this.#nextBatch = client._nextBatch;
    client._nextBatch = (error) => this.#done(error);
    // Aedes' own counts as one packet more that is done.
    client.resume = () => this.#resume();
  }

  #receive(packet: Incoming): void {
    // By far the most.
    if (packet.cmd === 'publish' && !this.#isAlone && this.#waiting.length === 0) {
      this.#running += 1;
      this.#begin(packet);
      return;
    }
    if (this.#isOver) return;
    if (packet.cmd === 'disconnect') {
      this.#isOver = true;
      // Whatever it waits for: the client has said that this is no failure [MQTT-3.14.4-3].
      this.#client._disconnected = true;
    }
    if (this.#waiting.length === 0 && this.#mayBegin(packet)) {
      this.#start(packet);
      return;
    }
    this.#waiting.push(packet);
    this.#client.pause();
  }

  #mayBegin(packet: Incoming): boolean {
    return this.#running === 0 || !(this.#isAlone || ORDERED.has(packet.cmd));
  }

  #start(packet: Incoming): void {
    this.#running += 1;
    this.#isAlone = ORDERED.has(packet.cmd);
    if (packet.subscriptions !== undefined && hasRepetition(packet.subscriptions)) {
      this.#client._parsingBatch += 1;
      void this.#subscribeOneByOne(packet, packet.subscriptions);
    } else this.#begin(packet);
  }

  #done(error?: Error | null): void {
    this.#running -= 1;
    if (this.#running === 0) this.#isAlone = this.#isOver;
    if (error || this.#waiting.length === 0) {
      this.#nextBatch(error);
      return;
    }
    const client = this.#client;
    // As Aedes counts it, which it does not while it is paused.
    client._parsingBatch -= 1;
    while (!client.closed && this.#waiting[0] !== undefined && this.#mayBegin(this.#waiting[0])) {
      const packet = this.#waiting.shift();
      if (packet !== undefined) this.#start(packet);
    }
    if (client.closed) this.#waiting.length = 0;
    else if (this.#waiting.length === 0) this.#resume();
  }

  #resume(): void {
    const client = this.#client;
    if (this.#waiting.length > 0) return;
    client._paused = false;
    // It reads on if nothing runs; what does run will ask again when it is done.
    if (client._parsingBatch <= 0) this.#nextBatch();
  }

  async #subscribeOneByOne({ messageId }: Incoming, subscriptions: readonly Subscription[]): Promise<void> {
    const client = this.#client;
    const codes: number[] = [];
    for (const { topic, qos } of subscriptions) {
      // In it Aedes leaves what it granted, once it has called back.
      const subscription = { topic, qos };
      const error = await new Promise<Error | undefined>((resolve) => client.subscribe({ subscriptions: [subscription] }, resolve));
      if (error) return this.#done(error);
      codes.push(subscription.qos);
    }
    if (!client.closed) client.conn.write(subackBytes(messageId ?? 0, codes));
    this.#done();
  }
}

function hasRepetition(subscriptions: readonly Subscription[]): boolean {
  return subscriptions.length > 1 && new Set(subscriptions.map(({ topic }) => topic)).size < subscriptions.length;
}
