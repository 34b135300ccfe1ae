/** Looks at all connections a few times a second: ends what has lasted too long, and bounds what all clients together have not read yet. */
import type { Clock } from '../../std/clock.ts';
import type { PacketGate } from './packet-gate.ts';
import { Fault } from './refusals.ts';

const EVERY_MS = 250;
/** Some milliseconds' work: those that came together are late together. */
const ENDED_PER_TURN = 20;

export class GateWatch {
  readonly #gates = new Set<PacketGate>();
  readonly #clock: Clock;
  readonly #unsentBytesMax: number;
  #cancel: () => void;
  #unsentBytes = 0;
  #isStopped = false;

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
    this.#isStopped = true;
    this.#cancel();
  }

  #look(): void {
    if (this.#isStopped) return;
    const nowMs = this.#clock.monotonicMs();
    let unsentBytes = 0;
    let ended = 0;
    for (const gate of this.#gates) {
      unsentBytes += gate.unsentBytes;
      if (gate.check(nowMs)) ended += 1;
      if (ended < ENDED_PER_TURN) continue;
      setImmediate(() => this.#look());
      return;
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
