/**
 * What stands between a connection and Aedes: it takes the bytes in place of Aedes' parser, and hands on whole packets that MQTT 3.1.1
 * allows. Nothing is buffered before its declared length has been looked at.
 *
 *     NEW => CONNECTING (CONNECT was handed on: what comes behind it waits unread) => OPEN (CONNACK was written) => CLOSED
 *     NEW => CLOSED (refused: CONNACK with a return code)
 *
 * - What is against the protocol closes the connection, unanswered, as 3.1.1 has it.
 * - A publish larger than it may be is skipped as it comes and handed on as an empty one that is acknowledged and dropped, in its turn.
 * - Packets are handed on in doses, within the client's rate.
 * - CONNECT, its answer and every packet that was begun have a time in which they must end.
 *
 * It takes the place of `parse` rather than of `read`, because a chunk and the packet that began in the one before it must be one batch for
 * Aedes, which waits for each batch to be answered; and of all of the parser, because it has to look at every field anyway.
 */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Client } from 'aedes';
import type { Clock } from '../../std/clock.ts';
import { connectAt } from './connect-packet.ts';
import { Doses } from './doses.ts';
import { CONNECT, DISCONNECT, isPublish, mayBegin, type Packet, packetAt, publishAt } from './packets.ts';
import { Fault, type Refusals } from './refusals.ts';
import { Skipping } from './skipping.ts';
import { REFUSED_TOPIC, type TopicNames } from './topics.ts';
import type { Unfinished, UnfinishedPackets } from './unfinished.ts';
import type { WillBudget } from './will-budget.ts';

export interface GateOptions {
  readonly limits: { readonly packetBytes: number; readonly messagesPerSecond: number };
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly names: TopicNames;
  readonly unfinished: UnfinishedPackets;
  readonly wills: WillBudget;
  /** How many connections wait to be read. */
  readonly asking: () => number;
}

/** What Aedes 1.2 has beyond its types: lib/client.js. */
interface GatedClient extends Client {
  readonly connackSent: boolean;
  readonly _parser: EventEmitter & { parse: (chunk: Buffer) => void };
  readonly _keepaliveTimer: { refresh(): void } | null;
}

const NEW = 0;
const CONNECTING = 1;
const OPEN = 2;
const CLOSED = 3;

export const CONNECT_WAIT_MS = 5000;
/** Longer than clients commonly wait for CONNACK, so that it is they who give up when many credentials are to be checked. */
const CONNACK_WAIT_MS = 30_000;
/** A packet that was begun has this and a second for each KiB. */
const PACKET_WAIT_MS = 30_000;
/** For a client to read why it was refused. */
const LINGER_MS = 1000;
/** What others cost, in messages: a topic filter so many, PINGREQ because nobody in good faith sends two in a row. */
const FILTER_COST = 100;
const PING_COST = 10;

function filtersIn(packet: Packet): number {
  if (packet.cmd === 'subscribe') return packet.subscriptions.length;
  return packet.cmd === 'unsubscribe' ? packet.unsubscriptions.length : 0;
}

const isAcknowledgement = ({ cmd }: Packet): boolean => cmd.startsWith('pub');

export class PacketGate {
  readonly #connection: Duplex;
  readonly #options: GateOptions;
  readonly #address: string;
  readonly #doses: Doses;
  #client: GatedClient | null = null;
  #phase = NEW;
  #deadlineMs: number;
  #isBridge = false;
  #unfinished: Unfinished | null = null;
  #skipping: Skipping | null = null;
  #willBytes = 0;
  /** Where the body of the packet begins whose header was read last. */
  #bodyAt = 0;

  constructor(connection: Duplex, address: string, options: GateOptions) {
    const { limits, clock } = options;
    this.#connection = connection;
    this.#address = address;
    this.#options = options;
    this.#deadlineMs = clock.monotonicMs() + CONNECT_WAIT_MS;
    this.#doses = new Doses(connection, {
      clock,
      messagesPerSecond: limits.messagesPerSecond,
      asking: options.asking,
      mayRead: () => this.#mayRead(),
      onSlowed: (rate) => this.#note(new Fault(rate, 'it sends more than it may')),
    });
    connection.once('close', () => this.#release());
  }

  /** Once Aedes has made a client of the connection, in the same turn. */
  attach(client: Client): void {
    // Aedes' types leave out what belongs to itself.
    this.#client = client as GatedClient;
    this.#client._parser.parse = (chunk) => this.#take(chunk);
  }

  /** What the client has not read yet. */
  get unsentBytes(): number {
    return this.#connection.writableLength;
  }

  /** Looked at again and again: ends what has lasted too long, and keeps a client alive whose bytes wait for us. True when it was ended. */
  check(nowMs: number): boolean {
    if (this.#client === null) return false;
    if (nowMs >= this.#deadlineMs) return this.#expire();
    if (this.#phase === OPEN && this.#connection.readableLength > 0) this.#client._keepaliveTimer?.refresh();
    return false;
  }

  /** Closes the connection for a reason. */
  fail(fault: Fault): void {
    if (this.#phase === CLOSED && this.#connection.destroyed) return;
    this.#phase = CLOSED;
    this.#endUnfinished();
    this.#note(fault);
    this.#client?._parser.emit('error', fault);
  }

  /** After CONNECT only when it is answered. What comes once all is over is read too, and let go. */
  #mayRead(): boolean {
    if (this.#phase !== CONNECTING) return true;
    if (this.#client?.connackSent !== true) return false;
    this.#phase = OPEN;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    return true;
  }

  #take(chunk: Buffer): void {
    try {
      this.#doses.take(chunk, (bytes) => this.#takePackets(bytes));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.fail(error);
    }
  }

  /** @returns up to where the chunk was taken: less than its length when the dose is spent */
  #takePackets(chunk: Buffer): number {
    let offset = this.#unfinished === null ? 0 : this.#takeRest(this.#unfinished, chunk);
    while (offset < chunk.length && this.#phase !== CLOSED) {
      if (this.#skipping !== null) {
        offset = this.#skip(this.#skipping, chunk, offset);
        continue;
      }
      if (this.#doses.isSpent || this.#phase === CONNECTING) return offset;
      const total = this.#totalAt(chunk, offset);
      if (offset + total - this.#bodyAt > this.#options.limits.packetBytes && total > 0) {
        this.#beginSkipping(chunk[offset] as number, offset + total - this.#bodyAt);
        offset = this.#bodyAt;
      } else if (total === 0 || offset + total > chunk.length) {
        this.#begin(chunk.subarray(offset), total);
        return chunk.length;
      } else {
        this.#packet(chunk, offset, offset + total);
        offset += total;
      }
    }
    return chunk.length;
  }

  /** Length of the packet with its header; 0 while the header is not whole. A packet that must not come throws as soon as that is seen. */
  #totalAt(bytes: Buffer, offset: number): number {
    const header = bytes[offset] as number;
    if (!mayBegin(header)) throw new Fault('malformed', 'reserved packet type, flags or QoS');
    if ((header === CONNECT) !== (this.#phase === NEW)) {
      throw new Fault('malformed', this.#phase === NEW ? 'the first packet is not CONNECT' : 'a second CONNECT');
    }
    let length = 0;
    for (let index = 1; index <= 4; index++) {
      const byte = bytes[offset + index];
      if (byte === undefined) return 0;
      length += (byte & 0x7f) << (7 * (index - 1));
      if (byte < 0x80) {
        this.#bodyAt = offset + index + 1;
        return length + index + 1;
      }
    }
    throw new Fault('malformed', 'a remaining length of more than four bytes');
  }

  #packet(bytes: Buffer, start: number, end: number): void {
    const header = bytes[start] as number;
    if (isPublish(header)) {
      const packet = publishAt(bytes, header, this.#bodyAt, end, this.#options.names);
      if (packet.topic === REFUSED_TOPIC) this.#note(TOO_DEEP);
      this.#doses.spend(1, 1);
      this.#handOn(packet);
      return;
    }
    if (header === CONNECT) {
      this.#connect(bytes, end);
      return;
    }
    const packet = packetAt(bytes, header, this.#bodyAt, end, this.#isBridge);
    // An acknowledgement answers what we sent, and is no message of its own.
    const isPing = packet.cmd === 'pingreq';
    const filters = filtersIn(packet);
    if (isPing || filters > 0) this.#doses.spendRequests(isPing ? 1 : filters);
    this.#doses.spend(isPing ? PING_COST : Math.max(1, FILTER_COST * filters), isAcknowledgement(packet) ? 0 : 1);
    this.#handOn(packet);
    // Whatever comes behind it is nobody's concern.
    if (header === DISCONNECT) this.#phase = CLOSED;
  }

  #handOn(packet: object): void {
    const client = this.#client;
    if (client === null) return;
    client._parser.emit('packet', packet);
    if (client.closed) this.#phase = CLOSED;
  }

  #connect(bytes: Buffer, end: number): void {
    const { clock, wills } = this.#options;
    const packet = connectAt(bytes, this.#bodyAt, end);
    if ('returnCode' in packet) {
      this.#refuse(packet.returnCode, new Fault('protocol', packet.detail));
      return;
    }
    if (packet.will?.topic === REFUSED_TOPIC) this.#note(TOO_DEEP);
    const willBytes = packet.will?.payload.length ?? 0;
    if (!wills.take(willBytes)) {
      this.#refuse(3, new Fault('wills', `a will of ${willBytes} bytes`));
      return;
    }
    this.#willBytes = willBytes;
    this.#isBridge = packet.bridgeMode;
    this.#phase = CONNECTING;
    this.#deadlineMs = clock.monotonicMs() + CONNACK_WAIT_MS;
    this.#doses.spend(1, 0);
    this.#handOn(packet);
  }

  /** CONNACK with a return code, and no more. */
  #refuse(returnCode: number, fault: Fault): void {
    this.#note(fault);
    this.#phase = CLOSED;
    this.#deadlineMs = this.#options.clock.monotonicMs() + LINGER_MS;
    this.#connection.end(Buffer.from([0x20, 2, 0, returnCode]));
  }

  /** A packet of which this is the beginning. */
  #begin(part: Buffer, total: number): void {
    const { clock, unfinished } = this.#options;
    this.#unfinished = unfinished.begin(() => this.fail(new Fault('unfinished', 'a packet was begun and not ended')));
    this.#unfinished.append(part, total);
    if (this.#phase === OPEN) this.#deadlineMs = clock.monotonicMs() + packetWaitMs(total);
  }

  /** What is missing of the packet that was begun. @returns where in the chunk it ends */
  #takeRest(unfinished: Unfinished, chunk: Buffer): number {
    let offset = 0;
    let total = this.#totalAt(unfinished.bytes, 0);
    while (total === 0 && offset < chunk.length) {
      unfinished.append(chunk.subarray(offset, offset + 1), 0);
      offset += 1;
      total = this.#totalAt(unfinished.bytes, 0);
    }
    if (total === 0) return offset;
    if (total - this.#bodyAt > this.#options.limits.packetBytes) {
      // Only now its length is whole: nothing of its body has come yet.
      this.#endUnfinished();
      this.#beginSkipping(unfinished.bytes[0] as number, total - this.#bodyAt);
      return offset;
    }
    const missing = Math.min(total - unfinished.length, chunk.length - offset);
    unfinished.append(chunk.subarray(offset, offset + missing), total);
    if (this.#phase === CLOSED) return chunk.length;
    if (unfinished.length < total) {
      if (this.#phase === OPEN && offset > 0) this.#deadlineMs = this.#options.clock.monotonicMs() + packetWaitMs(total);
      return chunk.length;
    }
    this.#endUnfinished();
    this.#packet(unfinished.bytes, 0, total);
    return offset + missing;
  }

  #endUnfinished(): void {
    this.#unfinished?.end();
    this.#unfinished = null;
    if (this.#phase === OPEN) this.#deadlineMs = Number.POSITIVE_INFINITY;
  }

  #beginSkipping(header: number, length: number): void {
    const detail = `${length} bytes`;
    // Only a publish can be answered without having been looked at.
    if (!isPublish(header)) throw new Fault('too-large', detail);
    this.#note(new Fault('too-large', detail));
    this.#skipping = new Skipping(header, length);
    this.#deadlineMs = this.#options.clock.monotonicMs() + packetWaitMs(length);
  }

  #skip(skipping: Skipping, chunk: Buffer, offset: number): number {
    const end = skipping.take(chunk, offset);
    if (!skipping.isDone) return end;
    this.#skipping = null;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    const { header, packetId } = skipping;
    const qos = (header >>> 1) & 3;
    const messageId = qos === 0 ? undefined : packetId;
    const packet = { cmd: 'publish', retain: false, qos, dup: false, length: 0, topic: REFUSED_TOPIC, payload: NOTHING, messageId };
    this.#doses.spend(1, 1);
    this.#handOn(packet);
    return end;
  }

  #expire(): boolean {
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    if (this.#phase === CONNECTING && this.#client?.connackSent === true) return false;
    if (this.#phase === CLOSED) this.#connection.destroy();
    else if (this.#phase === NEW) this.fail(new Fault('connect-time', `no CONNECT within ${CONNECT_WAIT_MS} ms`));
    else if (this.#phase === CONNECTING) this.fail(new Fault('check-time', `no CONNACK within ${CONNACK_WAIT_MS} ms`));
    else this.fail(new Fault('packet-time', 'a packet was begun and not ended in time'));
    return true;
  }

  #note({ reason, message }: Fault): void {
    this.#options.refusals.note(reason, { client: this.#client?.id ?? null, address: this.#address, detail: message });
  }

  #release(): void {
    this.#phase = CLOSED;
    this.#endUnfinished();
    this.#skipping = null;
    this.#options.wills.give(this.#willBytes);
    this.#willBytes = 0;
    this.#doses.release();
  }
}

const NOTHING = Buffer.alloc(0);
const TOO_DEEP = new Fault('levels', 'acknowledged and dropped');

const packetWaitMs = (bytes: number): number => PACKET_WAIT_MS + (bytes / 1024) * 1000;
