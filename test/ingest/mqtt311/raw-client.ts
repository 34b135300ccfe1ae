/** A client that sends exactly the bytes it is told to, acknowledges nothing by itself, and hands out packets as they came. */
import { connect as connectSocket, type Socket } from 'node:net';
import { systemClock } from '../../../src/std/clock.ts';
import {
  answer,
  CONNACK,
  type ConnectOptions,
  connect,
  type Packet,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  type Published,
  parse,
  ping,
  readPublish,
  SUBACK,
  subscribe,
} from './packets.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** How long something is waited for that must come: failing tests last so long. */
const WAIT_MS = 3000;
/** How long something is waited for that must not come. */
const QUIET_MS = 250;

export class RawClient {
  readonly #socket: Socket;
  readonly #packets: Packet[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      const { packets, rest } = parse(Buffer.concat([this.#rest, chunk]));
      this.#packets.push(...packets);
      this.#rest = rest;
      this.#wake();
    });
    socket.on('error', () => this.#wake());
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** Connected, and nothing sent yet. */
  static open(target: Target): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket({ ...target, noDelay: true }, () => resolve(new RawClient(socket)));
      socket.once('error', reject);
    });
  }

  /** In one piece, as far as the network keeps it. */
  send(...packets: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(packets));
  }

  /** CONNECT and its CONNACK, which is the first packet to come. */
  async connect(options: ConnectOptions): Promise<{ sessionPresent: boolean; code: number }> {
    this.send(connect(options));
    const { type, body } = await this.next();
    if (type !== CONNACK) throw new Error(`a packet of type ${type} came before CONNACK`);
    return { sessionPresent: body[0] === 1, code: body[1] ?? -1 };
  }

  /** @returns the codes of SUBACK */
  async subscribe(...filters: readonly (readonly [filter: string | Buffer, qos: number])[]): Promise<number[]> {
    this.send(subscribe(77, ...filters));
    return [...(await this.next(SUBACK)).body.subarray(2)];
  }

  /** The next packet, or the next of this type. */
  async next(type?: number, waitMs = WAIT_MS): Promise<Packet> {
    const deadlineMs = systemClock.monotonicMs() + waitMs;
    for (;;) {
      const index = type === undefined ? 0 : this.#packets.findIndex((packet) => packet.type === type);
      const [found] = index < 0 ? [] : this.#packets.splice(index, 1);
      if (found !== undefined) return found;
      const wanted = type === undefined ? 'a packet' : `a packet of type ${type}`;
      if (this.#isClosed) throw new Error(`closed where ${wanted} was due`);
      if (!(await this.#change(deadlineMs))) throw new Error(`no ${wanted.slice(2)} within ${waitMs} ms`);
    }
  }

  async publishes(count: number): Promise<Published[]> {
    const found: Published[] = [];
    while (found.length < count) found.push(readPublish(await this.next(PUBLISH)));
    return found;
  }

  /** As `publishes`, and acknowledges each as its QoS asks for. */
  async take(count: number): Promise<Published[]> {
    const found: Published[] = [];
    while (found.length < count) {
      const [message] = await this.publishes(1);
      if (message === undefined) break;
      found.push(message);
      if (message.qos === 1) this.send(answer(PUBACK, message.id));
      if (message.qos === 2) {
        this.send(answer(PUBREC, message.id));
        await this.next(PUBREL);
        this.send(answer(PUBCOMP, message.id));
      }
    }
    return found;
  }

  /** What has come unasked for once it has been quiet for a while. */
  async rest(quietMs = QUIET_MS): Promise<Packet[]> {
    // What was sent before has been looked at.
    if (!this.#isClosed) await this.alive();
    let seen = -1;
    while (seen !== this.#packets.length) {
      seen = this.#packets.length;
      await systemClock.sleep(quietMs);
    }
    return this.#packets.splice(0);
  }

  async restOfPublishes(): Promise<Published[]> {
    return (await this.rest()).filter(({ type }) => type === PUBLISH).map(readPublish);
  }

  /** Resolves when the server has closed, with the packets that came before. */
  async closed(waitMs = WAIT_MS): Promise<Packet[]> {
    const deadlineMs = systemClock.monotonicMs() + waitMs;
    while (!this.#isClosed) if (!(await this.#change(deadlineMs))) throw new Error(`not closed within ${waitMs} ms`);
    return this.#packets.splice(0);
  }

  /** Proves that the server still talks to this client. */
  async alive(): Promise<void> {
    this.send(ping);
    await this.next(13);
  }

  /** As a network that fails. */
  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** False when nothing has changed until the deadline. */
  async #change(deadlineMs: number): Promise<boolean> {
    const leftMs = deadlineMs - systemClock.monotonicMs();
    if (leftMs <= 0) return false;
    await new Promise<void>((resolve) => {
      const cancel = systemClock.after(leftMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    return true;
  }
}
