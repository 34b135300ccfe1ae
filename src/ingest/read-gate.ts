/**
 * Decides when a connection may be read, which is the broker's only brake: what is not read waits in the kernel, and the
 * sender with it. It holds reads back
 *
 * - while enough messages wait for their fsync: more of them would only wait longer, and live long enough to cost memory;
 * - when this turn of the event loop has lasted long enough: however many connections have something to say at once,
 *   timers, HTTP and other connections get their turn.
 *
 * Connections take turns in the order in which they asked. A connection that has not finished its CONNECT is always
 * read, as the time for that is limited. Nothing is lost or reordered: a connection is asked to read again.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../std/clock.ts';

export interface ReadGateOptions {
  /** Messages that wait for their fsync. */
  readonly waiting: () => number;
  /** Calls back when those that wait now have been answered. */
  readonly whenAnswered: (callback: () => void) => void;
  readonly clock: Clock;
}

const WAITING_MAX = 1000;
const TURN_MS = 6;

export class ReadGate {
  readonly #options: ReadGateOptions;
  /** In the order in which they asked; a set, as one asks again each time more arrives. */
  readonly #asking = new Set<Duplex>();
  #turnStartMs: number | null = null;
  #isWaitingForAnswers = false;
  #isClosed = false;

  constructor(options: ReadGateOptions) {
    this.#options = options;
  }

  /** Puts the gate before a connection's `read`, which Aedes calls when it wants the next chunk. */
  guard(connection: Duplex, isConnected: () => boolean): void {
    const read = connection.read.bind(connection);
    connection.read = (size) => {
      // Node's own calls with 0 only ask for data to be fetched into the stream's buffer, which is bounded.
      if (size === 0) return read(size);
      if (!this.#isClosed && (!isConnected() || this.#isOpen())) return read(size);
      this.#asking.add(connection);
      return null;
    };
    connection.once('close', () => this.#asking.delete(connection));
  }

  /** Connections that were turned away and wait for their turn. */
  get asking(): number {
    return this.#asking.size;
  }

  /** Nothing is read any more. */
  close(): void {
    this.#isClosed = true;
  }

  #isOpen(): boolean {
    const { waiting, whenAnswered, clock } = this.#options;
    if (waiting() >= WAITING_MAX) {
      if (!this.#isWaitingForAnswers) {
        this.#isWaitingForAnswers = true;
        whenAnswered(() => {
          this.#isWaitingForAnswers = false;
          this.#resume();
        });
      }
      return false;
    }
    const nowMs = clock.monotonicMs();
    if (this.#turnStartMs !== null) return nowMs - this.#turnStartMs <= TURN_MS;
    this.#turnStartMs = nowMs;
    setImmediate(() => {
      this.#turnStartMs = null;
      this.#resume();
    });
    return true;
  }

  /** Lets connections read, the one that has waited longest first, until the gate closes again. */
  #resume(): void {
    for (let left = this.#isClosed ? 0 : this.#asking.size; left > 0; left--) {
      const [connection] = this.#asking;
      if (connection === undefined) return;
      this.#asking.delete(connection);
      connection.emit('readable');
      // It was turned away and asks again: so would all others.
      if (this.#asking.has(connection)) return;
    }
  }
}
