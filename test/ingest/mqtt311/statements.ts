/**
 * The normative statements of MQTT 3.1.1 that a server can be held to from outside, each as a test named by its number. A chapter is a
 * table of them, run against our broker and, with `MQTT_YARDSTICK=host:port`, against another beside it.
 */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startOwnBroker } from './own-broker.ts';
import { answer, type ConnectOptions, PUBACK, PUBCOMP, PUBREC, PUBREL, publish, type Qos } from './packets.ts';
import { RawClient, type Target } from './raw-client.ts';

export interface Statement {
  /** As the standard prints it, without the brackets. */
  readonly id: string;
  /** The sentence in a few words. */
  readonly says: string;
  /** A SHOULD or MAY, or what only our broker can be asked. */
  readonly kind?: 'should' | 'own';
  readonly run: (bench: Bench) => Promise<void>;
}

/** What one test has: names that no other has, and clients that are gone after it. */
export class Bench {
  readonly #target: Target;
  readonly #clients: RawClient[] = [];
  readonly #unique = randomBytes(4).toString('hex');

  constructor(target: Target) {
    this.#target = target;
  }

  /** A topic, filter or client identifier of this test alone. */
  name(rest = ''): string {
    return `t${this.#unique}${rest}`;
  }

  async open(): Promise<RawClient> {
    const client = await RawClient.open(this.#target);
    this.#clients.push(client);
    return client;
  }

  async client(options: ConnectOptions = {}): Promise<RawClient> {
    const client = await this.open();
    expect((await client.connect({ id: `c${randomBytes(6).toString('hex')}`, ...options })).code).toBe(0);
    return client;
  }

  /** A client that has subscribed. */
  async subscriber(filter: string, qos: Qos, options: ConnectOptions = {}): Promise<RawClient> {
    const client = await this.client(options);
    expect(await client.subscribe([filter, qos])).toEqual([qos]);
    return client;
  }

  /** Publishes as another client, and waits until the server has taken it. */
  async publish(topic: string, payload: string, options: { qos?: Qos; retain?: boolean } = {}): Promise<void> {
    const client = await this.client();
    await complete(client, publish(topic, payload, { ...options, id: 9 }), options.qos ?? 0);
    client.destroy();
  }

  /** What a new subscriber finds retained. */
  async retained(filter: string): Promise<string[]> {
    const client = await this.subscriber(filter, 2);
    const found = (await client.restOfPublishes()).filter(({ retain }) => retain).map(({ payload }) => payload);
    client.destroy();
    return found;
  }

  end(): void {
    for (const client of this.#clients) client.destroy();
  }
}

/** Sends a PUBLISH under identifier 9 and sees its exchange through. */
export async function complete(client: RawClient, packet: Buffer, qos: Qos): Promise<void> {
  client.send(packet);
  if (qos === 0) await client.alive();
  if (qos === 1) await client.next(PUBACK);
  if (qos === 2) {
    await client.next(PUBREC);
    client.send(answer(PUBREL, 9));
    await client.next(PUBCOMP);
  }
}

/** Once it ends the connection, the server has taken this for what it must not do. */
export const closes =
  (...packets: readonly Buffer[]) =>
  async (bench: Bench): Promise<void> => {
    const client = await bench.client();
    client.send(...packets);
    await client.closed();
  };

export function holdTo(chapter: string, statements: readonly Statement[]): void {
  const keyOf = ({ id, says }: Statement) => `[${id}] ${says}`;
  describe.concurrent(`${chapter}: our broker`, () => {
    const broker = startOwnBroker();
    for (const statement of statements) {
      it(keyOf(statement), async () => hold(statement, await broker()));
    }
  });
  const yardstick = process.env.MQTT_YARDSTICK;
  if (yardstick === undefined) return;
  const [host = '', port = ''] = yardstick.split(':');
  describe.concurrent(`${chapter}: ${yardstick}`, () => {
    for (const statement of statements.filter(({ kind }) => kind !== 'own')) {
      it(keyOf(statement), () => hold(statement, { host, port: Number(port) }));
    }
  });
}

async function hold(statement: Statement, target: Target): Promise<void> {
  const bench = new Bench(target);
  try {
    await statement.run(bench);
  } finally {
    bench.end();
  }
}
