/**
 * A device side that keeps its word: a persistent session that sends what was not acknowledged again, with DUP and under the
 * same packet identifier, after every reconnection, in the order of the first sending (MQTT 3.1.1, 4.4). QoS 1 or 2.
 *
 * It connects to `port` again and again until it is stopped; the port may change while the server is down.
 */
import { connect, type Socket } from 'node:net';
import { systemClock } from '../../src/std/clock.ts';
import {
  asDuplicate,
  CONNACK,
  connectPacket,
  disconnectPacket,
  PacketScanner,
  PUBACK,
  PUBCOMP,
  PUBREC,
  publishPacket,
  pubrelPacket,
} from './wire.ts';

export interface Outgoing<T> {
  readonly topic: string;
  readonly payload: string;
  /** Handed back with the acknowledgement. */
  readonly tag: T;
}

export interface PersistentPublisherOptions<T> {
  readonly clientId: string;
  readonly qos: 1 | 2;
  readonly window: number;
  /** The next publish, or null when there is nothing to say at present. */
  readonly take: () => Outgoing<T> | null;
  /** PUBACK, or PUBREC: from now on the server answers for it. */
  readonly onAcknowledged: (tag: T) => void;
  readonly onSentAgain: (tag: T) => void;
}

interface InFlight<T> {
  readonly tag: T;
  readonly packet: Buffer;
  /** QoS 2: PUBREC has come, PUBCOMP has not. */
  received: boolean;
}

const RECONNECT_MS = 50;
const CONNECT_WAIT_MS = 5000;
const PACKET_ID_MAX = 65_535;

export class PersistentPublisher<T> implements Disposable {
  /** Where the server listens; null while it is known to be down. */
  port: number | null = null;
  readonly #options: PersistentPublisherOptions<T>;
  readonly #inFlight = new Map<number, InFlight<T>>();
  #socket: Socket | null = null;
  #connected = false;
  #stopped = false;
  #lastPacketId = 0;
  #reconnections = -1;

  constructor(options: PersistentPublisherOptions<T>) {
    this.#options = options;
    this.#connect();
  }

  get isConnected(): boolean {
    return this.#connected;
  }
  get unacknowledged(): number {
    return this.#inFlight.size;
  }
  get reconnections(): number {
    return Math.max(0, this.#reconnections);
  }

  /** Publishes up to `count` more; fewer when the window is full, the server is away or there is nothing to say. */
  publish(count: number): number {
    const { window, qos, take } = this.#options;
    const packets: Buffer[] = [];
    while (packets.length < count && this.#connected && this.#inFlight.size < window) {
      const outgoing = take();
      if (outgoing === null) break;
      const packetId = this.#freePacketId();
      const packet = publishPacket({ topic: outgoing.topic, payload: outgoing.payload, qos, packetId });
      this.#inFlight.set(packetId, { tag: outgoing.tag, packet, received: false });
      packets.push(packet);
    }
    if (packets.length > 0) this.#socket?.write(Buffer.concat(packets));
    return packets.length;
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#socket?.end(disconnectPacket);
    this.#socket?.destroySoon();
  }

  #connect(): void {
    if (this.#stopped) return;
    if (this.port === null) {
      systemClock.after(RECONNECT_MS, () => this.#connect());
      return;
    }
    const socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    const scanner = new PacketScanner((type, identifier) => this.#onPacket(socket, type, identifier));
    const cancelTimeout = systemClock.after(CONNECT_WAIT_MS, () => {
      if (!this.#connected) socket.destroy();
    });
    socket.on('connect', () => socket.write(connectPacket({ clientId: this.#options.clientId, clean: false, keepaliveSeconds: 0 })));
    socket.on('data', (chunk: Buffer) => scanner.push(chunk));
    // The server being killed is what these tests are about; `close` follows and connects again.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      cancelTimeout();
      this.#connected = false;
      systemClock.after(RECONNECT_MS, () => this.#connect());
    });
  }

  #onPacket(socket: Socket, type: number, identifier: number): void {
    if (type === CONNACK) {
      if ((identifier & 0xff) !== 0) throw new Error(`${this.#options.clientId} was refused with code ${identifier & 0xff}`);
      this.#connected = true;
      this.#reconnections += 1;
      this.#sendAgain(socket);
      return;
    }
    const inFlight = this.#inFlight.get(identifier);
    if (inFlight === undefined) return;
    if (type === PUBACK || type === PUBCOMP) this.#inFlight.delete(identifier);
    if (type === PUBREC) socket.write(pubrelPacket(identifier));
    if (type === PUBACK || (type === PUBREC && !inFlight.received)) this.#options.onAcknowledged(inFlight.tag);
    inFlight.received = true;
  }

  #sendAgain(socket: Socket): void {
    const packets: Buffer[] = [];
    for (const [packetId, { packet, received, tag }] of this.#inFlight) {
      packets.push(received ? pubrelPacket(packetId) : asDuplicate(packet));
      if (!received) this.#options.onSentAgain(tag);
    }
    if (packets.length > 0) socket.write(Buffer.concat(packets));
  }

  #freePacketId(): number {
    do {
      this.#lastPacketId = (this.#lastPacketId % PACKET_ID_MAX) + 1;
    } while (this.#inFlight.has(this.#lastPacketId));
    return this.#lastPacketId;
  }
}
