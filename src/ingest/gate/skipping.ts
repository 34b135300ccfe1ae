/**
 * A publish that is larger than it may be: its bytes are let go as they come. Only the packet identifier is kept, so that the publish can be
 * answered in its turn; unanswered, the device would send it for ever.
 */
import { Fault } from './refusals.ts';

export class Skipping {
  readonly header: number;
  readonly #length: number;
  #seen = 0;
  #topicLength = 0;
  #packetId = 0;

  /** @param length of the body, as declared */
  constructor(header: number, length: number) {
    this.header = header;
    this.#length = length;
  }

  get isDone(): boolean {
    return this.#seen === this.#length;
  }

  /** Of what has come to its end; 0 at QoS 0. */
  get packetId(): number {
    if (this.#isAcknowledged && this.#packetId === 0) throw new Fault('malformed', 'the packet identifier is 0 or missing');
    return this.#packetId;
  }

  get #isAcknowledged(): boolean {
    return (this.header & 0x06) !== 0;
  }

  /** Takes what belongs to the publish. @returns where in the chunk it ends */
  take(chunk: Buffer, from: number): number {
    let offset = from;
    while (offset < chunk.length && !this.isDone) {
      const topicEnd = 2 + this.#topicLength;
      if (this.#seen < 2) this.#topicLength = (this.#topicLength << 8) | this.#byte(chunk, offset);
      else if (this.#isAcknowledged && this.#seen >= topicEnd && this.#seen < topicEnd + 2) {
        this.#packetId = (this.#packetId << 8) | this.#byte(chunk, offset);
      } else {
        const left = (this.#seen < topicEnd ? Math.min(topicEnd, this.#length) : this.#length) - this.#seen;
        const count = Math.min(left, chunk.length - offset);
        this.#seen += count;
        offset += count;
        continue;
      }
      offset += 1;
    }
    return offset;
  }

  #byte(chunk: Buffer, offset: number): number {
    this.#seen += 1;
    return chunk[offset] as number;
  }
}
