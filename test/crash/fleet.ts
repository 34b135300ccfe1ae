/**
 * Devices that cross a threshold in a known pattern and remember everything that was acknowledged to them, so that afterwards
 * it can be said what history must hold, which alerts there must have been, and which mails.
 *
 * - `timed` devices give their own time: a retransmission of theirs is recognised, however the server was killed
 * - `exact` devices have no clock and publish with QoS 2: each reading exactly once, too
 * - `plain` devices have no clock and publish with QoS 1: what was sent again after a crash may be there twice
 *
 * A device without a clock has one publish under way at a time: a doubled reading then stands beside its twin and crosses nothing.
 */
import { systemClock } from '../../src/std/clock.ts';
import { type Outgoing, PersistentPublisher } from '../load/persistent-publisher.ts';
import type { ServerConfig } from '../load/server.ts';
import { telemetryTopic } from '../load/telemetry.ts';

export type DeviceKind = 'timed' | 'exact' | 'plain';

interface Sent {
  readonly device: FleetDevice;
  readonly sequence: number;
}

export interface FleetOptions {
  readonly devicesOfAKind: number;
  readonly connectionsOfAKind: number;
  readonly readingsPerSecond: number;
  /** A device goes over the threshold, or below it, after so many readings. */
  readonly toggleEvery: number;
  readonly kinds?: readonly DeviceKind[];
}

export const RULE_ID = 'too-hot';
const TICK_MS = 10;
const TIMED_WINDOW = 60;
const CALM = 20;
const HOT = 35;

export const FLEET_RULES: ServerConfig['rules'] = [
  // Each crossing is accounted for: that a device crosses so often is no reason to tell it once.
  { id: RULE_ID, flapping: 'off', levels: { critical: { when: 'temperature > 30', clear: 'temperature < 25' } } },
  // Evaluated, never true: state that a crash must not turn into an alert.
  { id: 'never', levels: { warning: { when: 'temperature > 90', for: '10m' } } },
];

const METRICS = { seq: { path: 'seq' }, temperature: { path: 'temperature', unit: '°C', range: [-40, 125] } };
export const FLEET_PROFILES: NonNullable<ServerConfig['profiles']> = [
  { profile: 'timed', topic: 'sensors/{device}/clock', decode: 'json', time: 'ts', metrics: METRICS },
  { profile: 'clockless', topic: 'sensors/{device}/telemetry', decode: 'json', metrics: METRICS },
];

export class FleetDevice {
  readonly name: string;
  readonly kind: DeviceKind;
  readonly toggleEvery: number;
  /** Device time of each reading by sequence, µs; of `timed` devices only. */
  readonly times: number[] = [];
  readonly sentAgain = new Set<number>();
  sent = 0;
  acknowledged = 0;
  /** Counted by the acknowledgement, so that each reading's is seen. */
  readonly acknowledgedSequences = new Set<number>();

  constructor(name: string, kind: DeviceKind, toggleEvery: number) {
    this.name = name;
    this.kind = kind;
    this.toggleEvery = toggleEvery;
  }

  isHot(sequence: number): boolean {
    return Math.floor(sequence / this.toggleEvery) % 2 === 1;
  }

  next(): Outgoing<Sent> | null {
    if (this.kind !== 'timed' && this.acknowledged < this.sent) return null;
    const sequence = this.sent++;
    const temperature = (this.isHot(sequence) ? HOT : CALM) + (sequence % 40) / 10;
    const fields = { seq: sequence, temperature };
    if (this.kind !== 'timed')
      return { topic: telemetryTopic(this.name), payload: JSON.stringify(fields), tag: { device: this, sequence } };
    const ts = Math.max(systemClock.now(), (this.times.at(-1) ?? 0) + 1);
    this.times.push(ts);
    return { topic: `sensors/${this.name}/clock`, payload: JSON.stringify({ ts, ...fields }), tag: { device: this, sequence } };
  }

  acknowledge(sequence: number): void {
    this.acknowledged += 1;
    this.acknowledgedSequences.add(sequence);
  }

  /** Sequences at which the threshold was crossed upwards, of the first `count` readings. */
  crossings(count: number): number[] {
    const result: number[] = [];
    for (let sequence = this.toggleEvery; sequence < count; sequence += 2 * this.toggleEvery) result.push(sequence);
    return result;
  }
}

export class Fleet implements Disposable {
  readonly devices: readonly FleetDevice[];
  readonly #publishers: PersistentPublisher<Sent>[] = [];
  readonly #options: FleetOptions;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: FleetOptions) {
    this.#options = options;
    const devices: FleetDevice[] = [];
    for (const kind of options.kinds ?? (['timed', 'exact', 'plain'] as const)) {
      const ofKind = Array.from(
        { length: options.devicesOfAKind },
        (_, index) => new FleetDevice(`${kind}-${String(index + 1).padStart(2, '0')}`, kind, options.toggleEvery + index),
      );
      devices.push(...ofKind);
      for (let index = 0; index < options.connectionsOfAKind; index++) {
        const own = ofKind.filter((_, number) => number % options.connectionsOfAKind === index);
        this.#publishers.push(publisherOf(`${kind}-${index}`, kind, own));
      }
    }
    this.devices = devices;
  }

  get sent(): number {
    return this.devices.reduce((sum, device) => sum + device.sent, 0);
  }
  get acknowledged(): number {
    return this.devices.reduce((sum, device) => sum + device.acknowledged, 0);
  }
  get unacknowledged(): number {
    return this.#publishers.reduce((sum, publisher) => sum + publisher.unacknowledged, 0);
  }
  get reconnections(): number {
    return this.#publishers.reduce((sum, publisher) => sum + publisher.reconnections, 0);
  }

  connectTo(port: number | null): void {
    for (const publisher of this.#publishers) publisher.port = port;
  }

  start(): void {
    const each = (this.#options.readingsPerSecond / this.#publishers.length) * (TICK_MS / 1000);
    let owed = 0;
    this.#timer ??= setInterval(() => {
      owed += each;
      const count = Math.floor(owed);
      owed -= count;
      for (const publisher of this.#publishers) publisher.publish(count);
    }, TICK_MS);
  }

  /** No new readings; what is under way goes on until it is acknowledged. */
  pause(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Resolves when all that was sent is acknowledged; rejects when that takes longer. */
  async settled(waitMs: number): Promise<void> {
    const deadline = systemClock.monotonicMs() + waitMs;
    while (this.unacknowledged > 0) {
      if (systemClock.monotonicMs() > deadline) {
        throw new Error(`${this.unacknowledged} of ${this.sent} publishes are not acknowledged after ${waitMs} ms`);
      }
      await systemClock.sleep(20);
    }
  }

  [Symbol.dispose](): void {
    this.pause();
    for (const publisher of this.#publishers) publisher[Symbol.dispose]();
  }
}

function publisherOf(clientId: string, kind: DeviceKind, devices: readonly FleetDevice[]): PersistentPublisher<Sent> {
  let turn = 0;
  return new PersistentPublisher<Sent>({
    clientId,
    qos: kind === 'exact' ? 2 : 1,
    window: TIMED_WINDOW,
    take() {
      for (let tried = 0; tried < devices.length; tried++) {
        const outgoing = devices[turn]?.next() ?? null;
        turn = (turn + 1) % devices.length;
        if (outgoing !== null) return outgoing;
      }
      return null;
    },
    onAcknowledged: ({ device, sequence }) => device.acknowledge(sequence),
    onSentAgain: ({ device, sequence }) => void device.sentAgain.add(sequence),
  });
}
