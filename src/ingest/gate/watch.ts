/** Looks at all connections a few times a second: ends what has lasted too long, and bounds what all clients together have not read yet. */
import type { Clock } from '../../std/clock.ts';
import type { PacketGate } from './packet-gate.ts';
import { Fault } from './refusals.ts';

const EVERY_MS = 250;

export class GateWatch {
  readonly #gates = new Set<PacketGate>();
  readonly #clock: Clock;
  readonly #unsentBytesMax: number;
  #cancel: () => void;
  #unsentBytes = 0;

  constructor(options: { clock: Clock; unsentBytesMax: number }) {
    this.#clock = options.clock;
    this.#unsentBytesMax = options.unsentBytesMax;
    this.#cancel = this.#clock.after(EVERY_MS, () => this.#look());
  }

  /** As of the last look. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  add(gate: PacketGate): void {
    this.#gates.add(gate);
  }

  delete(gate: PacketGate): void {
    this.#gates.delete(gate);
  }

  stop(): void {
    this.#cancel();
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    let unsentBytes = 0;
    for (const gate of this.#gates) {
      gate.check(nowMs);
      unsentBytes += gate.unsentBytes;
    }
    this.#unsentBytes = unsentBytes;
    if (unsentBytes > this.#unsentBytesMax) this.#disconnectSlowest(unsentBytes);
    this.#cancel = this.#clock.after(EVERY_MS, () => this.#look());
  }

  /** Those go first for whom the most waits. */
  #disconnectSlowest(unsentBytes: number): void {
    let left = unsentBytes;
    for (const gate of [...this.#gates].sort((a, b) => b.unsentBytes - a.unsentBytes)) {
      if (left <= this.#unsentBytesMax) return;
      left -= gate.unsentBytes;
      gate.fail(new Fault('unsent', `${gate.unsentBytes} bytes wait for it`));
    }
  }
}
