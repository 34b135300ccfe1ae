/**
 * TLS handshakes, a few at a time. Each computes for a millisecond or more on the thread that also answers everybody else: when two thousand
 * devices come back at once, they take turns, and who is connected already does not wait for all of them. What waits is bounded in number
 * and in time.
 */
import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';

export interface HandshakesOptions {
  /** How many connections may wait for their turn; 0: as many as come. */
  readonly waitingMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

const AT_ONCE_MAX = 8;
/** For the handshake itself, by Node. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
const WAIT_MS = 20_000;

interface Waiting {
  readonly socket: Socket;
  readonly server: Server;
  readonly cancel: () => void;
}

export class Handshakes {
  readonly #options: HandshakesOptions;
  /** In the order in which they came. */
  readonly #waiting = new Map<Socket, Waiting>();
  /** By the peer's address and port: Node does not say which socket a finished handshake was on. */
  readonly #running = new Map<string, Socket>();
  readonly #failed: Counter<'reason'>;

  constructor(options: HandshakesOptions) {
    this.#options = options;
    const waiting = this.#waiting;
    new Gauge({
      name: 'tocsin_mqtt_handshakes_waiting',
      help: 'Connections that wait for their turn to do a TLS handshake',
      registers: [options.registry],
      collect() {
        this.set(waiting.size);
      },
    });
    const help =
      'TLS connections that came to nothing: failed (protocol, certificate), late (their turn did not come in time), full (too many waited)';
    this.#failed = new Counter({
      name: 'tocsin_mqtt_handshakes_failed_total',
      help,
      labelNames: ['reason'],
      registers: [options.registry],
    });
    for (const reason of ['failed', 'late', 'full']) this.#failed.inc({ reason }, 0);
  }

  /** Sockets that `take` is given for this server come back as its connections. */
  watch(server: Server): void {
    server.on('secureConnection', (socket) => this.#finished(keyOf(socket)));
    server.on('tlsClientError', (error, socket: TLSSocket) => {
      this.#failed.inc({ reason: 'failed' });
      this.#options.logger.debug({ reason: error.message }, 'no TLS connection');
      this.#finished(keyOf(socket));
      socket.destroy();
    });
  }

  take(socket: Socket, server: Server): void {
    const { waitingMax, clock } = this.#options;
    if (waitingMax > 0 && this.#waiting.size >= waitingMax) {
      this.#failed.inc({ reason: 'full' });
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    const cancel = clock.after(WAIT_MS, () => {
      this.#failed.inc({ reason: 'late' });
      socket.destroy();
    });
    this.#waiting.set(socket, { socket, server, cancel });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      cancel();
      this.#waiting.delete(socket);
      if (this.#running.get(key) === socket) this.#finished(key);
    });
    this.#next();
  }

  /** None goes on. */
  close(): void {
    for (const socket of [...this.#waiting.keys(), ...this.#running.values()]) socket.destroy();
  }

  #next(): void {
    for (const { socket, server, cancel } of this.#waiting.values()) {
      if (this.#running.size >= AT_ONCE_MAX) return;
      this.#waiting.delete(socket);
      cancel();
      // One that is gone already has nothing to shake.
      if (socket.destroyed) continue;
      this.#running.set(keyOf(socket), socket);
      server.emit('connection', socket);
    }
  }

  #finished(key: string): void {
    // In its own turn: what is connected now is served before the next one computes.
    if (this.#running.delete(key)) setImmediate(() => this.#next());
  }
}

const keyOf = ({ remoteAddress, remotePort, localPort }: Socket): string => `${remoteAddress} ${remotePort} ${localPort}`;
