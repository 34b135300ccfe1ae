/**
 * What goes out to persistent sessions: into their queues, out of them when they return, and away when it is acknowledged. Queues are on
 * disk; of a connected session what it has been sent is in memory as well.
 *
 * What was sent on an earlier connection, or may have been, is sent again with DUP and, where it had one, the same packet identifier.
 */
import type { Remote } from '../../std/rpc.ts';
import type { BrokerWorkerMethods } from './broker-worker.ts';
import type { Sent } from './in-flight.ts';
import type { Queued, Queueing } from './operations.ts';
import type { Packet } from './packet.ts';
import { bytesOf } from './retained.ts';
import type { Session } from './sessions.ts';
import type { Writes } from './writes.ts';

const PUBREL = 'pubrel';
/** What stands in the stream in place of a message whose PUBREC has come. */
type Release = Pick<Packet, 'cmd' | 'messageId'>;

export class Outgoing {
  readonly #writes: Writes;
  readonly #remote: Remote<BrokerWorkerMethods>;
  /** What Aedes calls itself in this run. */
  brokerId = '';
  /** The highest that is in a queue, or was. */
  #lastSeq: number;

  constructor(writes: Writes, remote: Remote<BrokerWorkerMethods>, lastSeq: number) {
    this.#writes = writes;
    this.#remote = remote;
    this.#lastSeq = lastSeq;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** @param granted sessions with the QoS that each is granted */
  enqueue(packet: Packet, granted: ReadonlyMap<Session, number>, from: Queueing['from']): void {
    const { topic, payload, qos, brokerCounter: seq = 0 } = packet;
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    const to: number[] = [];
    for (const [session, most] of granted) to.push(session.number, Math.min(most, qos), session.isConnected ? session.epoch : 0);
    this.#writes.add({ kind: 'queue', seq, topic, payload, to, from });
  }

  /** It is about to be sent: gives it another identifier where another message of the session has this one. */
  async sending(session: Session, packet: Packet & { messageId: number }): Promise<void> {
    if (packet.cmd === PUBREL) return this.#release(session, packet.messageId);
    const seq = packet.brokerCounter ?? 0;
    packet.messageId = session.inFlight.freeIdentifier(packet.messageId, seq);
    const { messageId, qos } = packet;
    session.inFlight.set(messageId, { seq, packet: publishOf(packet) });
    this.#writes.add({ kind: 'sent', session: session.number, seq, messageId, epoch: session.epoch });
    if (qos === 2) await this.#writes.durable();
  }

  /** Answers what was acknowledged, as it was sent. */
  async acknowledged(session: Session, messageId: number): Promise<Packet | undefined> {
    const sent = session.inFlight.get(messageId) ?? (await this.#find(session, messageId));
    if (sent === undefined) return undefined;
    session.inFlight.delete(messageId);
    this.#writes.add({ kind: 'done', session: session.number, seq: sent.seq });
    return sent.packet === null ? undefined : { ...sent.packet, messageId };
  }

  /** The queue up to what has come by now: what comes later is delivered as it comes. */
  async *queued(session: Session): AsyncGenerator<Packet | Release> {
    const until = this.#lastSeq;
    await this.#writes.durable();
    for (let after = 0; ; ) {
      const page = await this.#remote.page(session.number, { after, until }, session.epoch);
      for (const queued of page) {
        if (queued.isReleased && queued.messageId !== null) {
          session.inFlight.set(queued.messageId, { seq: queued.seq, packet: null });
          yield { cmd: PUBREL, messageId: queued.messageId };
        } else {
          yield packetOf(queued, { brokerId: this.brokerId, isRepeated: queued.sent !== 0 && queued.sent !== session.epoch });
        }
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.seq;
    }
  }

  async #release(session: Session, messageId: number): Promise<void> {
    const sent = session.inFlight.get(messageId) ?? (await this.#find(session, messageId));
    if (sent === undefined || sent.packet === null) return;
    session.inFlight.set(messageId, { seq: sent.seq, packet: null });
    this.#writes.add({ kind: 'released', session: session.number, seq: sent.seq });
    await this.#writes.durable();
  }

  async #find(session: Session, messageId: number): Promise<Sent | undefined> {
    await this.#writes.durable();
    const queued = await this.#remote.find(session.number, messageId);
    if (queued === null) return undefined;
    return { seq: queued.seq, packet: queued.isReleased ? null : packetOf(queued, { brokerId: this.brokerId, isRepeated: false }) };
  }
}

/** Without what Aedes hangs on it. */
const publishOf = ({ cmd, topic, payload, qos, retain, dup = false, brokerId = '', brokerCounter = 0 }: Packet): Packet => ({
  cmd,
  topic,
  payload,
  qos,
  retain,
  dup,
  brokerId,
  brokerCounter,
});

function packetOf(queued: Queued, { brokerId, isRepeated }: { readonly brokerId: string; readonly isRepeated: boolean }): Packet {
  const { seq, topic, payload, qos, messageId } = queued;
  return {
    cmd: 'publish',
    topic,
    payload: bytesOf(payload),
    qos,
    retain: false,
    dup: isRepeated,
    messageId: messageId ?? undefined,
    brokerId,
    brokerCounter: seq,
  };
}
