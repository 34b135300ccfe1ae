/** Every open connection, counted and limited, whatever it came by. */
import type { Duplex } from 'node:stream';
import type { Aedes, Client } from 'aedes';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../std/clock.ts';
import type { Ingest } from './ingest.ts';
import { ReadGate } from './read-gate.ts';

export interface ConnectionsOptions {
  readonly limits: { readonly connections: number };
  readonly ingest: Ingest;
  readonly clock: Clock;
  readonly registry: Registry;
}

/** How long a stop waits for connections to close by themselves. */
const FINISH_WAIT_MS = 500;

export class Connections {
  readonly #broker: Aedes;
  readonly #open = new Set<Duplex>();
  readonly #max: number;
  readonly #refused: Counter;
  readonly #gate: ReadGate;
  readonly #clock: Clock;

  constructor(broker: Aedes, options: ConnectionsOptions) {
    const { ingest, clock } = options;
    this.#clock = clock;
    this.#gate = new ReadGate({ waiting: () => ingest.waiting(), whenAnswered: (callback) => ingest.whenAnswered(callback), clock });
    this.#broker = broker;
    this.#max = options.limits.connections;
    const open = this.#open;
    new Gauge({
      name: 'tocsin_mqtt_connections',
      help: 'Open MQTT connections',
      registers: [options.registry],
      collect() {
        this.set(open.size);
      },
    });
    this.#refused = new Counter({
      name: 'tocsin_mqtt_connections_refused_total',
      help: 'Connections closed at once because mqtt.limits.connections was reached',
      registers: [options.registry],
    });
  }

  accept(connection: Duplex): void {
    if (this.#max > 0 && this.#open.size >= this.#max) {
      this.#refused.inc();
      connection.destroy();
      return;
    }
    this.#open.add(connection);
    connection.once('close', () => this.#open.delete(connection));
    let client: Client | undefined;
    this.#gate.guard(connection, () => client?.connected === true);
    client = this.#broker.handle(connection);
  }

  stopReading(): void {
    this.#gate.close();
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
    for (const connection of this.#open) connection.destroy();
  }
}
