/**
 * Packets of which only the beginning has come. What they take together is bounded: past it the one that was begun first is given up, as
 * whoever means to end a packet ends it soon.
 */

/** Room grows with what has come, not with what is declared. */
const ROOM_BYTES_MIN = 64;

export class UnfinishedPackets {
  readonly #bytesMax: number;
  /** In the order in which they were begun. */
  readonly #all = new Set<Unfinished>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param give up is called when its room is needed */
  begin(giveUp: () => void): Unfinished {
    const unfinished = new Unfinished(this, giveUp);
    this.#all.add(unfinished);
    return unfinished;
  }

  grew(byBytes: number): void {
    this.#bytes += byBytes;
    for (const oldest of this.#all) {
      if (this.#bytes <= this.#bytesMax) return;
      oldest.giveUp();
    }
  }

  ended(unfinished: Unfinished, bytes: number): void {
    if (this.#all.delete(unfinished)) this.#bytes -= bytes;
  }
}

export class Unfinished {
  readonly #all: UnfinishedPackets;
  readonly #giveUp: () => void;
  #room: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(all: UnfinishedPackets, giveUp: () => void) {
    this.#all = all;
    this.#giveUp = giveUp;
  }

  /** What has come so far. */
  get bytes(): Buffer {
    return this.#room.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  /** @param total of the whole packet, when that is known already */
  append(part: Buffer, total: number): void {
    const needed = this.#length + part.length;
    if (needed > this.#room.length) {
      const doubled = Math.max(needed, this.#room.length * 2, ROOM_BYTES_MIN);
      const room = Buffer.allocUnsafeSlow(total === 0 ? doubled : Math.max(needed, Math.min(total, doubled)));
      room.set(this.bytes);
      const grown = room.length - this.#room.length;
      this.#room = room;
      this.#all.grew(grown);
    }
    this.#room.set(part, this.#length);
    this.#length = needed;
  }

  giveUp(): void {
    this.end();
    this.#giveUp();
  }

  end(): void {
    this.#all.ended(this, this.#room.length);
  }
}
