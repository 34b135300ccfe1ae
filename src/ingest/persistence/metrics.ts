/**
 * How far sessions, their queues and retained messages have grown towards their limits, and what was refused or let go for it: as metrics,
 * and in the log once in a while, with how many there were since.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from '../../std/clock.ts';
import type { Logger } from '../../std/logger.ts';
import type { Applied } from './operations.ts';
import type { Persistence } from './persistence.ts';

const LOG_EVERY_MS = 10_000;

export class Noting {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #persistence: Persistence | undefined;
  #applied: Applied = { queued: 0, queuedBytes: 0, dropped: new Map() };
  #dropped = 0;
  /** What the log has told, of what is counted. */
  readonly #told = { dropped: 0, sessions: 0, retained: 0 };
  #isQuiet = false;

  constructor({ registry, clock, logger }: { readonly registry: Registry; readonly clock: Clock; readonly logger: Logger }) {
    this.#registry = registry;
    this.#clock = clock;
    this.#logger = logger;
  }

  observe(persistence: Persistence): void {
    this.#persistence = persistence;
    const { sessions, retained } = persistence;
    sessions.onRefused = () => this.#tell();
    retained.onRefused = () => this.#tell();
    this.#gauge('tocsin_mqtt_sessions', 'Persistent MQTT sessions', () => sessions.count);
    this.#counter('tocsin_mqtt_sessions_refused_total', 'Connections refused because of mqtt.limits.sessions', () => sessions.refused);
    this.#gauge('tocsin_mqtt_retained', 'Retained messages', () => retained.count);
    this.#gauge('tocsin_mqtt_retained_bytes', 'Topics and payloads of retained messages', () => retained.bytes);
    this.#counter('tocsin_mqtt_retained_refused_total', 'Messages delivered and not retained, as that has limits', () => retained.refused);
    this.#gauge('tocsin_mqtt_queued', 'Messages that wait for sessions', () => this.#applied.queued);
    this.#gauge('tocsin_mqtt_queued_bytes', 'Bytes of messages that wait for sessions', () => this.#applied.queuedBytes);
    this.#counter('tocsin_mqtt_queued_dropped_total', 'Oldest messages that queues of sessions had to let go', () => this.#dropped);
  }

  applied(applied: Applied): void {
    this.#applied = applied;
    for (const count of applied.dropped.values()) this.#dropped += count;
    if (applied.dropped.size > 0) this.#tell();
  }

  /** At once, and then what has come together in the meantime. */
  #tell(): void {
    if (this.#isQuiet || this.#persistence === undefined) return;
    const { sessions, retained } = this.#persistence;
    const now = { dropped: this.#dropped, sessions: sessions.refused, retained: retained.refused };
    const count = (what: keyof typeof now): number => now[what] - this.#told[what];
    const [session] = this.#applied.dropped.keys();
    const client = session === undefined ? undefined : sessions.numbered(session)?.client;
    if (count('dropped') > 0)
      this.#logger.warn({ client, messages: count('dropped') }, 'queues of sessions are full: their oldest messages are dropped');
    if (count('sessions') > 0)
      this.#logger.warn({ connections: count('sessions') }, 'refused: there are as many sessions as mqtt.limits.sessions');
    if (count('retained') > 0)
      this.#logger.warn({ messages: count('retained'), topic: retained.refusedTopic }, 'not retained: see mqtt.limits.retained, and sizes');
    Object.assign(this.#told, now);
    this.#isQuiet = true;
    this.#clock.after(LOG_EVERY_MS, () => {
      this.#isQuiet = false;
      const isMore = this.#told.dropped < this.#dropped || this.#told.sessions < sessions.refused || this.#told.retained < retained.refused;
      if (isMore) this.#tell();
    });
  }

  #gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(value());
      },
    });
  }

  #counter(name: string, help: string, value: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  }
}
