/**
 * TLS handshakes, a few a turn of the event loop. Each computes for a millisecond or more on the thread that also answers everybody else:
 * when two thousand devices come back at once, they take turns, and who is connected already does not wait for all of them. How many
 * at the other end are slow does not matter for that. What is unfinished is bounded in number and in time.
 */
import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';

export interface HandshakesOptions {
  /** How many connections may be unfinished; 0: as many as come. */
  readonly unfinishedMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

const BEGUN_A_TURN_MAX = 4;
/** For the handshake itself, by Node. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** As long as clients commonly try: who waits longer has gone. */
const WAIT_MS = 30_000;

interface Waiting {
  readonly server: Server;
  readonly cancel: () => void;
}

export class Handshakes {
  readonly #options: HandshakesOptions;
  /** In the order in which they came. */
  readonly #waiting = new Map<Socket, Waiting>();
  /** By the peer's address and port: Node does not say which socket a finished handshake was on. */
  readonly #begun = new Map<string, Socket>();
  readonly #failed: Counter<'reason'>;
  #isScheduled = false;

  constructor(options: HandshakesOptions) {
    this.#options = options;
    const unfinished = (): number => this.#waiting.size + this.#begun.size;
    new Gauge({
      name: 'tocsin_mqtt_handshakes',
      help: 'Connections whose TLS handshake is not done yet',
      registers: [options.registry],
      collect() {
        this.set(unfinished());
      },
    });
    const help =
      'TLS connections that came to nothing: failed (protocol, certificate), late (their turn did not come in time), full (too many were unfinished)';
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
    server.on('secureConnection', (socket) => this.#begun.delete(keyOf(socket)));
    server.on('tlsClientError', (error, socket: TLSSocket) => {
      this.#failed.inc({ reason: 'failed' });
      this.#options.logger.debug({ reason: error.message }, 'no TLS connection');
      socket.destroy();
    });
  }

  take(socket: Socket, server: Server): void {
    const { unfinishedMax, clock } = this.#options;
    if (unfinishedMax > 0 && this.#waiting.size + this.#begun.size >= unfinishedMax) {
      this.#failed.inc({ reason: 'full' });
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    const cancel = clock.after(WAIT_MS, () => {
      this.#failed.inc({ reason: 'late' });
      socket.destroy();
    });
    this.#waiting.set(socket, { server, cancel });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      cancel();
      this.#waiting.delete(socket);
      if (this.#begun.get(key) === socket) this.#begun.delete(key);
    });
    this.#schedule();
  }

  /** None goes on. */
  close(): void {
    for (const socket of [...this.#waiting.keys(), ...this.#begun.values()]) socket.destroy();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#beginSome();
      this.#schedule();
    });
  }

  #beginSome(): void {
    let begun = 0;
    for (const [socket, { server, cancel }] of this.#waiting) {
      if (begun >= BEGUN_A_TURN_MAX) return;
      this.#waiting.delete(socket);
      cancel();
      if (socket.destroyed) continue;
      begun += 1;
      this.#begun.set(keyOf(socket), socket);
      server.emit('connection', socket);
    }
  }
}

const keyOf = ({ remoteAddress, remotePort, localPort }: Socket): string => `${remoteAddress} ${remotePort} ${localPort}`;
