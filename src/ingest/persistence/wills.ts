/** Wills of the connections there are: on disk, so that those of a run that crashed are still published. */
import type { Stored } from './operations.ts';
import type { Packet } from './packet.ts';
import { bytesOf } from './retained.ts';
import type { Writes } from './writes.ts';

export class Wills {
  readonly #writes: Writes;
  readonly #byClient = new Map<string, Packet>();

  constructor(writes: Writes, stored: Stored['wills']) {
    this.#writes = writes;
    for (const { client, packet, payload } of stored) {
      this.#byClient.set(client, { ...(JSON.parse(packet) as Packet), payload: bytesOf(payload) });
    }
  }

  all(): Iterable<Packet> {
    return this.#byClient.values();
  }

  get(client: string): Packet | undefined {
    return this.#byClient.get(client);
  }

  put(client: string, will: Packet): void {
    this.#byClient.set(client, will);
    const { payload, ...packet } = will;
    this.#writes.add({ kind: 'will', client, broker: will.brokerId ?? '', packet: JSON.stringify(packet), payload });
  }

  delete(client: string): Packet | undefined {
    const will = this.#byClient.get(client);
    if (will === undefined) return undefined;
    this.#byClient.delete(client);
    this.#writes.add({ kind: 'no-will', client });
    return will;
  }
}
