/** Aedes' own suite for persistences: ours as it is, and closed and opened again before every question, so that each answer comes from disk. */
import assert from 'node:assert';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { openPersistence } from '../../../src/ingest/persistence/open.ts';
import type { Packet } from '../../../src/ingest/persistence/packet.ts';
import type { Persistence } from '../../../src/ingest/persistence/persistence.ts';
import { systemClock as clock } from '../../../src/std/clock.ts';
import { temporaryFolder } from '../../load/server.ts';

/** What the suite uses of `node:test`. */
interface Context {
  readonly assert: object;
  plan(count: number): void;
  diagnostic(): void;
}
type Test = (name: string, body: (context: Context) => Promise<void>) => void;
const suite = createRequire(import.meta.url)('aedes-persistence/abstract.js') as (options: {
  test: Test;
  persistence: () => Promise<unknown>;
  testAsync: true;
}) => void;

/** Beside streams. Exchanges are on disk only with the message that they brought: `sessions.test.ts` asks for them. */
const QUESTIONS = ['subscriptionsByClient', 'subscriptionsByTopic', 'countOffline', 'getWill'];

// Some hundred threads are started here, which would compile the same modules each.
process.env.NODE_COMPILE_CACHE ??= temporaryFolder('compile-cache').path;

const logger = pino({ level: 'silent' });
const limits = { sessions: 0, retained: 0 };

/** One test of the suite, with the number of assertions that it says it makes. */
const test: Test = (name, body) =>
  it(name, async () => {
    let made = 0;
    let planned: number | null = null;
    const counting = new Proxy(assert, {
      get: (target, property) => {
        made += 1;
        return Reflect.get(target, property);
      },
    });
    await body({ assert: counting, plan: (count) => (planned = count), diagnostic: () => undefined });
    if (planned !== null) expect(made).toBe(planned);
  });

describe('the persistence', () => {
  suite({ test, persistence: () => openPersistence({ path: ':memory:', limits, clock, logger }), testAsync: true });
});

describe('the persistence, opened anew for every question,', () => {
  suite({ test, persistence: () => Reopened.create(), testAsync: true });
});

/** Writes go to the persistence that is open, questions to one that has just been opened on the same file. */
class Reopened {
  readonly #folder = temporaryFolder('persistence');
  #open: Persistence | undefined;
  broker = { id: '', counter: 0 };

  static async create(): Promise<Record<string, unknown>> {
    const reopened = new Reopened();
    await reopened.#reopen();
    return new Proxy(reopened as unknown as Record<string, unknown>, {
      get: (target, property) => {
        const own: unknown = Reflect.get(target, property);
        if (own !== undefined) return typeof own === 'function' ? own.bind(target) : own;
        // What comes out of an async function is asked whether it is a promise.
        if (property === 'then') return undefined;
        return (...args: unknown[]) => reopened.#call(String(property), args);
      },
    });
  }

  async setup(broker: { id: string; counter: number }): Promise<void> {
    this.broker = broker;
    await this.#open?.setup(broker);
  }

  createRetainedStream = (pattern: string): Readable => this.createRetainedStreamCombi([pattern]);
  /** `id` is none of MQTT's attributes, and not kept. */
  createRetainedStreamCombi = (patterns: string[]): Readable =>
    this.#stream(
      (persistence) => persistence.createRetainedStreamCombi(patterns),
      (packet) => ({ ...packet, id: this.broker.id }),
    );
  /** The suite knows no earlier connection, on which a packet was sent before: what is new is that it says so. */
  outgoingStream = (client: { id: string }): Readable =>
    this.#stream(
      (persistence) => persistence.outgoingStream(client),
      (packet) => {
        if (packet.messageId !== undefined && packet.cmd === 'publish') expect(packet.dup).toBe(true);
        return packet.cmd === 'publish' ? { ...packet, dup: false } : packet;
      },
    );
  streamWill = (brokers: Record<string, number>): Readable => this.#stream((persistence) => persistence.streamWill(brokers));
  getClientList = (filter: string): Readable => this.#stream((persistence) => persistence.getClientList(filter));

  async destroy(): Promise<void> {
    await this.#open?.destroy();
    this.#folder[Symbol.dispose]();
  }

  #stream(ask: (persistence: Persistence) => Readable, change = (packet: Packet): object => packet): Readable {
    const reopen = () => this.#reopen();
    async function* packets(): AsyncGenerator<unknown> {
      for await (const packet of ask(await reopen())) yield change(packet as Packet);
    }
    return Readable.from(packets());
  }

  async #call(method: string, args: unknown[]): Promise<unknown> {
    const open = QUESTIONS.includes(method) ? await this.#reopen() : this.#open;
    const call = Reflect.get(open ?? {}, method) as (...args: unknown[]) => unknown;
    return call.apply(open, args);
  }

  async #reopen(): Promise<Persistence> {
    await this.#open?.destroy();
    this.#open = await openPersistence({ path: join(this.#folder.path, 'broker.db'), limits, clock, logger });
    await this.#open.setup(this.broker);
    return this.#open;
  }
}
