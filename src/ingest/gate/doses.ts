/**
 * How much of what a connection sends is handed on at once. What is over the dose, or over the client's rate, goes back into the stream,
 * so that the stream's end is never seen before what came before it, and is asked for again.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../std/clock.ts';
import { Rate } from './rate.ts';

/** In messages: about as many as a chunk holds, less the more connections wait for their turn. */
const DOSE_MAX = 1000;
const DOSE_MIN = 50;
/**
 * What is no message, such as a topic filter or PINGREQ. A dashboard subscribes to all that it shows at once and then is still; who goes on
 * and on means no good.
 */
const REQUESTS_PER_SECOND = 200;
const REQUESTS_AT_ONCE_MAX = 1000;

export interface DosesOptions {
  readonly clock: Clock;
  /** 0 is no limit. */
  readonly messagesPerSecond: number;
  /** How many connections wait to be read. */
  readonly asking: () => number;
  /** Whether anything may be read now, apart from how much. */
  readonly mayRead: () => boolean;
  /** Reading is held back by a rate. */
  readonly onSlowed: (rate: 'rate' | 'request-rate') => void;
}

export class Doses {
  readonly #connection: Duplex;
  readonly #options: DosesOptions;
  readonly #rate: Rate | null;
  /** Of clients that have sent more than messages. */
  #requestRate: Rate | null = null;
  #isTaking = false;
  #wasAsked = false;
  #hasHandedOn = false;
  #left = 0;
  #messages = 0;
  /** Of the stream's first bytes, what has been here before. */
  #backBytes = 0;
  #cancelWake: (() => void) | null = null;

  /** Puts itself before the connection's `read`, which Aedes calls when it wants the next chunk. */
  constructor(connection: Duplex, options: DosesOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#rate = options.messagesPerSecond > 0 ? new Rate(options.messagesPerSecond, options.clock) : null;
    const read = connection.read.bind(connection);
    // Node's own calls with 0 only ask for data to be fetched into the stream's buffer, which is bounded.
    connection.read = (size) => {
      if (size === 0) return read(size);
      return this.#mayRead() ? read(this.#sizeToRead()) : null;
    };
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  /** Something is handed on. @param cost in messages @param messages that count for the client's rate */
  spend(cost: number, messages: number): void {
    this.#left -= cost;
    this.#messages += messages;
    this.#hasHandedOn = true;
  }

  spendRequests(count: number): void {
    this.#requestRate ??= new Rate(REQUESTS_PER_SECOND, this.#options.clock, REQUESTS_AT_ONCE_MAX);
    this.#requestRate.spend(count);
  }

  /** @param take hands on what it may of the chunk, and says where it stopped */
  take(chunk: Buffer, take: (chunk: Buffer) => number): void {
    const dose = Math.max(DOSE_MIN, Math.floor(DOSE_MAX / (1 + this.#options.asking())));
    this.#left = this.#rate === null ? dose : Math.min(dose, this.#rate.available());
    this.#messages = 0;
    this.#wasAsked = false;
    this.#hasHandedOn = false;
    this.#isTaking = true;
    try {
      const end = take(chunk);
      if (end < chunk.length) {
        this.#connection.unshift(chunk.subarray(end));
        this.#backBytes += chunk.length - end;
      }
    } finally {
      this.#rate?.spend(this.#messages);
      this.#isTaking = false;
    }
    // Aedes asks again when the last of what it was handed is answered, but not when it was handed nothing or was turned away meanwhile.
    if (this.#connection.readableLength === 0 || (this.#hasHandedOn && !this.#wasAsked)) return;
    setImmediate(() => this.#connection.emit('readable'));
  }

  release(): void {
    this.#cancelWake?.();
    this.#cancelWake = null;
  }

  #mayRead(): boolean {
    // Aedes asks as soon as a packet is answered, also in the midst of a chunk.
    if (this.#isTaking) {
      this.#wasAsked = true;
      return false;
    }
    if (!this.#options.mayRead()) return false;
    if (this.#rate !== null && this.#rate.available() < 1) return this.#slowDown(this.#rate, 'rate');
    if (this.#requestRate !== null && this.#requestRate.available() < 1) return this.#slowDown(this.#requestRate, 'request-rate');
    return true;
  }

  /** What was put back comes as it is: joined with what came after it, all of it would be copied for every dose. */
  #sizeToRead(): number | undefined {
    const { readableLength, readableHighWaterMark } = this.#connection;
    const back = this.#backBytes;
    this.#backBytes = 0;
    if (back > 0) {
      const size = Math.min(back, readableHighWaterMark);
      this.#backBytes = back - size;
      return size;
    }
    return readableLength > readableHighWaterMark ? readableHighWaterMark : undefined;
  }

  #slowDown(rate: Rate, which: 'rate' | 'request-rate'): false {
    if (this.#cancelWake !== null) return false;
    this.#options.onSlowed(which);
    this.#cancelWake = this.#options.clock.after(rate.waitMs(), () => {
      this.#cancelWake = null;
      this.#connection.emit('readable');
    });
    return false;
  }
}
