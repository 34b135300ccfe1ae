/**
 * What a connected session has been sent and not acknowledged, by packet identifier: so that an acknowledgement need not ask the disk.
 * It may forget, the oldest first; what it does not know is looked up on disk.
 */
import type { Packet } from './packet.ts';

export interface Sent {
  readonly seq: number;
  /** Null once PUBREC has come. */
  readonly packet: Packet | null;
}

const COUNT_MAX = 200;
const BYTES_MAX = 64 * 1024;
const IDENTIFIERS = 65_535;

export class InFlight {
  readonly #sent = new Map<number, Sent>();
  #bytes = 0;

  get(messageId: number): Sent | undefined {
    return this.#sent.get(messageId);
  }

  set(messageId: number, sent: Sent): void {
    this.delete(messageId);
    this.#sent.set(messageId, sent);
    this.#bytes += bytesOf(sent);
    for (const oldest of this.#sent.keys()) {
      if (this.#sent.size <= COUNT_MAX && this.#bytes <= BYTES_MAX) return;
      this.delete(oldest);
    }
  }

  delete(messageId: number): void {
    const sent = this.#sent.get(messageId);
    if (sent === undefined) return;
    this.#sent.delete(messageId);
    this.#bytes -= bytesOf(sent);
  }

  clear(): void {
    this.#sent.clear();
    this.#bytes = 0;
  }

  /** The identifier wished for, or the next one that no other message has. */
  freeIdentifier(wished: number, seq: number): number {
    let messageId = wished;
    while (this.#isTaken(messageId, seq)) messageId = (messageId % IDENTIFIERS) + 1;
    return messageId;
  }

  #isTaken(messageId: number, seq: number): boolean {
    const sent = this.#sent.get(messageId);
    return sent !== undefined && sent.seq !== seq;
  }
}

const bytesOf = ({ packet }: Sent): number => packet?.payload.length ?? 0;
