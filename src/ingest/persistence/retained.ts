/**
 * Retained messages, in memory and on disk, at most `countMax` of them: past that a new topic's message is delivered and not retained.
 * One that is too large for retaining takes the place of the one before it all the same: that is no longer the latest.
 *
 * What the program itself retains is neither counted nor written: it is made anew at each start, and what is not true any more by then
 * must not be there.
 */
import type { Payload, Stored } from './operations.ts';
import type { Packet } from './packet.ts';
import { TopicTree } from './topic-tree.ts';
import type { Writes } from './writes.ts';

export interface RetainedMessage {
  readonly packet: Packet;
  /** Orders it among others and subscriptions. */
  readonly version: number;
}

export interface RetainedBounds {
  /** 0 is no limit. */
  readonly countMax: number;
  readonly bytesMax: number;
  readonly bytesMaxInAll: number;
}

export class Retained {
  readonly #writes: Writes;
  readonly #bounds: RetainedBounds;
  readonly #messages = new TopicTree<RetainedMessage>();
  #version = 0;
  #ownCount = 0;
  bytes = 0;
  refused = 0;
  /** The topic of the latest that was refused. */
  refusedTopic: string | null = null;
  /** Called for each one refused. */
  onRefused: () => void = () => undefined;

  constructor(writes: Writes, bounds: RetainedBounds, stored: Stored['retained']) {
    this.#writes = writes;
    this.#bounds = bounds;
    for (const { topic, qos, payload } of stored) this.#put({ cmd: 'publish', topic, payload: bytesOf(payload), qos, retain: true });
  }

  get count(): number {
    return this.#messages.size;
  }

  /** What is retained from now on has a higher one. */
  get version(): number {
    return this.#version;
  }

  /** An empty payload clears the topic. */
  set(packet: Packet, { isOwn }: { readonly isOwn: boolean }): void {
    const { topic, qos, payload } = packet;
    const known = this.#messages.get(topic);
    const isKept = payload.length > 0 && (isOwn || this.#hasRoomFor(packet, known?.packet));
    if (known !== undefined) {
      this.bytes -= sizeOf(known.packet);
      if (isOwn) this.#ownCount -= 1;
      if (!isKept) this.#messages.delete(topic);
    }
    this.#version += 1;
    if (isKept) this.#put(packet);
    if (isKept && isOwn) this.#ownCount += 1;
    if (!isOwn && (isKept || known !== undefined)) this.#writes.add({ kind: 'retain', topic, qos, payload: isKept ? payload : null });
    if (payload.length === 0 || isKept) return;
    this.refused += 1;
    this.refusedTopic = topic;
    this.onRefused();
  }

  select(filter: string): Generator<RetainedMessage> {
    return this.#messages.select(filter);
  }

  #hasRoomFor(packet: Packet, known: Packet | undefined): boolean {
    if (this.#writes.isOverloaded) return false;
    const { countMax, bytesMax, bytesMaxInAll } = this.#bounds;
    const isInCount = known !== undefined || countMax === 0 || this.#messages.size - this.#ownCount < countMax;
    const size = sizeOf(packet);
    return isInCount && size <= bytesMax && this.bytes - (known === undefined ? 0 : sizeOf(known)) + size <= bytesMaxInAll;
  }

  #put(packet: Packet): void {
    this.#messages.set(packet.topic, { packet, version: this.#version });
    this.bytes += sizeOf(packet);
  }
}

const sizeOf = ({ topic, payload }: Packet): number => topic.length + payload.length;

/** As Aedes takes it: bytes from another thread are no Buffer. */
export const bytesOf = (payload: Payload): Payload =>
  typeof payload === 'string' ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
