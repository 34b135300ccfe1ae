/**
 * What clients were refused, by reason: a metric that counts every one, and a log line for each reason at most every ten seconds, as
 * whoever floods a broker must not flood its log.
 */
import { Counter, type Registry } from 'prom-client';
import type { Clock } from '../../std/clock.ts';
import type { Logger } from '../../std/logger.ts';

const SENTENCES = {
  malformed: 'connection closed: MQTT 3.1.1 does not allow the packet',
  protocol: 'connection refused: not the version of MQTT, or not the client id, that this broker takes',
  'too-large': 'a packet was larger than mqtt.limits.packetBytes',
  levels: 'a topic had too many levels',
  'connect-time': 'connection closed: no CONNECT in time',
  'check-time': 'connection closed: its CONNECT could not be answered in time',
  'packet-time': 'connection closed: a packet that was begun did not end in time',
  unfinished: 'connection closed: all that has been begun and not ended takes too much memory',
  unsent: 'connection closed: all that clients do not read takes too much memory',
  'slow-reader': 'subscriber disconnected: it does not read what it subscribed to',
  wills: 'connection refused: all wills together take too much memory',
  subscriptions: 'subscription refused: the client has as many as it may',
  'open-messages': 'connection closed: the client has too many messages at QoS 2 that it never releases',
  connections: 'connection refused: mqtt.limits.connections is reached',
  address: 'connection refused: mqtt.limits.connectionsPerAddress is reached',
  'request-rate': 'client read more slowly: it subscribes, unsubscribes or pings without end',
  'may-not-publish': 'a message was acknowledged and dropped: the client may not publish on its topic',
  'may-not-subscribe': 'subscription refused: the client may not have what it asks for',
  'may-not-read': 'a message was not handed on: the client may not read its topic any more',
  rate: 'client read more slowly: it sends more than mqtt.limits.messagesPerSecond',
} as const;
export type Reason = keyof typeof SENTENCES;

/** What a client did against the rules or past a limit. It ends the connection. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly reason: Reason;

  constructor(reason: Reason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

const QUIET_MS = 10_000;
/** It may be a topic, which is up to 65,535 bytes long. */
const DETAIL_LENGTH_MAX = 200;

export class Refusals {
  readonly #counts = new Map<Reason, number>();
  readonly #logged = new Map<Reason, { atMs: number; count: number }>();
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(options: { clock: Clock; logger: Logger; registry: Registry }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    const counts = this.#counts;
    new Counter({
      name: 'tocsin_mqtt_refusals_total',
      help: 'What MQTT clients were refused or made to wait for, by reason',
      labelNames: ['reason'],
      registers: [options.registry],
      collect() {
        this.reset();
        for (const [reason, count] of counts) this.inc({ reason }, count);
      },
    });
  }

  note(reason: Reason, who: { readonly client?: string | null; readonly address?: string; readonly detail?: string }): void {
    const count = (this.#counts.get(reason) ?? 0) + 1;
    this.#counts.set(reason, count);
    const nowMs = this.#clock.monotonicMs();
    const last = this.#logged.get(reason);
    if (last !== undefined && nowMs - last.atMs < QUIET_MS) return;
    this.#logged.set(reason, { atMs: nowMs, count });
    const detail = who.detail?.slice(0, DETAIL_LENGTH_MAX);
    this.#logger.warn({ reason, ...who, detail, times: count - (last?.count ?? 0) }, SENTENCES[reason]);
  }
}
