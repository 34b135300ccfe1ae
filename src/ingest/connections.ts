/**
 * Every open connection, counted and limited before anything is read from it, whatever it comes by; and in front of Aedes the gates: one
 * that decides when is read, and one for each connection that looks at every packet.
 */
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Aedes, Client } from 'aedes';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../std/clock.ts';
import { type GateOptions, PacketGate } from './gate/packet-gate.ts';
import type { Reason, Refusals } from './gate/refusals.ts';
import { TopicNames } from './gate/topics.ts';
import { UnfinishedPackets } from './gate/unfinished.ts';
import { GateWatch } from './gate/watch.ts';
import { WillBudget } from './gate/will-budget.ts';
import type { Ingest } from './ingest.ts';
import { ReadGate } from './read-gate.ts';

/** 0 is no limit. */
export interface ConnectionLimits {
  readonly packetBytes: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly messagesPerSecond: number;
}

export interface ConnectionsOptions {
  readonly limits: ConnectionLimits;
  readonly ingest: Ingest;
  readonly refusals: Refusals;
  readonly clock: Clock;
  readonly registry: Registry;
}

/** How long a stop waits for connections to close by themselves. */
const FINISH_WAIT_MS = 500;
/** What all clients together may have begun and not ended, have as wills, and not have read. */
const UNFINISHED_BYTES_MAX = 64 * 1024 * 1024;
const WILL_BYTES_MAX = 64 * 1024 * 1024;
const UNSENT_BYTES_MAX = 256 * 1024 * 1024;
/** Some milliseconds' work. */
const STARTS_PER_TURN = 20;

export class Connections {
  readonly #broker: Aedes;
  readonly #limits: ConnectionLimits;
  readonly #sockets = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();
  readonly #open = new Set<Duplex>();
  /** Bounded as connections are. */
  readonly #toStart: { readonly connection: Duplex; readonly socket: Socket }[] = [];
  readonly #refused: Counter;
  readonly #refusals: Refusals;
  readonly #readGate: ReadGate;
  readonly #gateOptions: GateOptions;
  readonly #watch: GateWatch;
  readonly #clock: Clock;
  #isStopping = false;

  constructor(broker: Aedes, options: ConnectionsOptions) {
    const { limits, ingest, refusals, clock, registry } = options;
    this.#broker = broker;
    this.#limits = limits;
    this.#refusals = refusals;
    this.#clock = clock;
    this.#readGate = new ReadGate({ waiting: () => ingest.waiting(), whenAnswered: (callback) => ingest.whenAnswered(callback), clock });
    const unfinished = new UnfinishedPackets(UNFINISHED_BYTES_MAX);
    const wills = new WillBudget(WILL_BYTES_MAX);
    this.#gateOptions = { limits, clock, refusals, names: new TopicNames(), unfinished, wills, asking: () => this.#readGate.asking };
    this.#watch = new GateWatch({ clock, unsentBytesMax: UNSENT_BYTES_MAX });
    this.#refused = new Counter({
      name: 'tocsin_mqtt_connections_refused_total',
      help: 'Connections closed at once because mqtt.limits.connections or connectionsPerAddress was reached',
      registers: [registry],
    });
    const gauges: [name: string, help: string, value: () => number][] = [
      ['connections', 'Open MQTT connections', () => this.#sockets.size],
      ['unfinished_bytes', 'Packets that were begun and not ended', () => unfinished.bytes],
      ['will_bytes', 'Wills of connected clients', () => wills.bytes],
      ['unsent_bytes', 'What clients have not read yet', () => this.#watch.unsentBytes],
    ];
    for (const [name, help, value] of gauges) {
      new Gauge({
        name: `tocsin_mqtt_${name}`,
        help,
        registers: [registry],
        collect() {
          this.set(value());
        },
      });
    }
  }

  /** Everything that comes to this server is counted; what is one too many is destroyed. */
  admitFrom(server: Server): void {
    server.prependListener('connection', (socket: Socket) => this.#admit(socket));
  }

  /**
   * Starts it in this turn of the event loop or one of the next: very many at once must not hold up those that are there.
   * @param socket by which it comes, admitted already
   */
  accept(connection: Duplex, socket: Socket): void {
    // Whatever happens to it before Aedes listens is no fault of ours.
    connection.on('error', () => undefined);
    this.#toStart.push({ connection, socket });
    if (this.#toStart.length === 1) setImmediate(() => this.#startSome());
  }

  #startSome(): void {
    for (const { connection, socket } of this.#toStart.splice(0, STARTS_PER_TURN)) {
      if (!socket.destroyed && !this.#isStopping) this.#start(connection, socket);
    }
    if (this.#toStart.length > 0) setImmediate(() => this.#startSome());
  }

  #start(connection: Duplex, socket: Socket): void {
    const gate = new PacketGate(connection, addressOf(socket), this.#gateOptions);
    let client: Client | undefined;
    this.#readGate.guard(connection, () => client?.connected === true);
    client = this.#broker.handle(connection);
    gate.attach(client);
    this.#open.add(connection);
    this.#watch.add(gate);
    connection.once('close', () => {
      this.#open.delete(connection);
      this.#watch.delete(gate);
    });
  }

  stopReading(): void {
    this.#isStopping = true;
    this.#readGate.close();
  }

  /** Sends what is still to be sent, then says that no more comes; gives connections a moment to take note. */
  async finish(): Promise<void> {
    const finished = [...this.#open].map(
      (connection) =>
        new Promise<void>((resolve) => {
          connection.once('close', resolve);
          connection.end();
        }),
    );
    await Promise.race([Promise.all(finished), this.#clock.sleep(FINISH_WAIT_MS)]);
  }

  destroyAll(): void {
    this.#watch.stop();
    for (const connection of this.#open) connection.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  #admit(socket: Socket): void {
    const address = addressOf(socket);
    const limit = this.#limitReachedBy(address);
    if (limit !== null) {
      this.#refused.inc();
      this.#refusals.note(limit, { address });
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
    });
  }

  #limitReachedBy(address: string): Reason | null {
    const { connections, connectionsPerAddress } = this.#limits;
    if (connections > 0 && this.#sockets.size >= connections) return 'connections';
    if (connectionsPerAddress > 0 && (this.#perAddress.get(address) ?? 0) >= connectionsPerAddress) return 'address';
    return null;
  }
}

const addressOf = (socket: Socket): string => socket.remoteAddress ?? '';
