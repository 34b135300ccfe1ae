/**
 * Recognises retransmissions, so that one reading results from a message that arrives more than once:
 *
 * - with device time, by (device, time, names and values): a bounded window of each device's latest readings, rebuilt
 *   from the journal's tail after a restart;
 * - QoS 1 with DUP set and no device time, only if packet identifier and content match a publish of the same session
 *   within 60 s: else it is kept, doubled rather than lost;
 * - QoS 2, by its packet identifier until PUBREL: the identifiers are journaled and survive a crash.
 *
 * Only what is durable may be recognised: what the journal refused is forgotten here, or sending it again would be
 * answered as if it were safe. Everything here is bounded: what falls out of a window is taken for new.
 */
import type { Reading, Shape, Value } from '../domain/reading.ts';
import { FLAG_DEVICE_TIME } from '../domain/reading.ts';
import type { Qos2Mark } from '../journal/batch.ts';
import { hashNumber, hashText } from './hash.ts';

const WINDOW_MIN = 8;
const WINDOW_MAX = 256;
/** Remembered readings of all devices together: 12 bytes each. */
const REMEMBERED_MAX = 2_000_000;
const PUBLISHES_MAX = 256;
const PUBLISH_WINDOW_MS = 60_000;
const SESSIONS_MAX = 10_000;
/** Open QoS 2 exchanges over all sessions. */
const EXCHANGES_MAX = 200_000;

/** The latest readings of one device, by time and content. */
class DeviceWindow {
  newestAt = Number.NEGATIVE_INFINITY;
  lastReceiptAt = 0;
  #at = new Float64Array(WINDOW_MIN);
  #hash = new Uint32Array(WINDOW_MIN);
  #next = 0;
  #filled = 0;

  has(at: number, hash: number): boolean {
    for (let index = 0; index < this.#filled; index++) if (this.#at[index] === at && this.#hash[index] === hash) return true;
    return false;
  }

  add(at: number, hash: number, windowMax: number): void {
    if (this.#next >= this.#at.length && this.#at.length < windowMax) this.#grow(Math.min(this.#at.length * 2, windowMax));
    if (this.#next >= this.#at.length) this.#next = 0;
    this.#at[this.#next] = at;
    this.#hash[this.#next] = hash;
    this.#next += 1;
    this.#filled = Math.max(this.#filled, this.#next);
    if (at > this.newestAt) this.newestAt = at;
  }

  remove(at: number, hash: number): void {
    for (let index = 0; index < this.#filled; index++) {
      // No reading has this time.
      if (this.#at[index] === at && this.#hash[index] === hash) this.#at[index] = Number.NaN;
    }
  }

  #grow(size: number): void {
    const at = new Float64Array(size);
    const hash = new Uint32Array(size);
    at.set(this.#at);
    hash.set(this.#hash);
    this.#at = at;
    this.#hash = hash;
  }
}

export class ReadingWindow {
  readonly #devices = new Map<string, DeviceWindow>();
  readonly #shapeHashes = new WeakMap<Shape, number>();
  #windowMax = WINDOW_MAX;

  /** True when this very reading is in the device's window; else it is remembered. */
  isRepeated(device: string, at: number, metrics: Shape, values: readonly Value[]): boolean {
    const window = this.#window(device);
    const hash = this.#contentHash(metrics, values);
    if (at <= window.newestAt && window.has(at, hash)) return true;
    window.add(at, hash, this.#windowMax);
    return false;
  }

  /** A reading that was given up: the device sends it again, and then it is new. */
  forget(reading: Reading): void {
    this.#devices.get(reading.device.id)?.remove(reading.at, this.#contentHash(reading.metrics, reading.values));
  }

  /** A time of receipt strictly later than the device's previous one, so that a burst stays as many readings. */
  receiptTime(device: string, receivedAt: number): number {
    const window = this.#window(device);
    const at = receivedAt > window.lastReceiptAt ? receivedAt : window.lastReceiptAt + 1;
    window.lastReceiptAt = at;
    return at;
  }

  /** The first time from `receivedAt` on that none of these devices has for a reading yet. */
  freeTime(devices: readonly string[], receivedAt: number): number {
    return devices.reduce((at, device) => Math.max(at, (this.#devices.get(device)?.lastReceiptAt ?? 0) + 1), receivedAt);
  }

  /** Later readings of the devices come after `until`. */
  keepFree(devices: readonly string[], until: number): void {
    for (const device of devices) {
      const window = this.#window(device);
      window.lastReceiptAt = Math.max(window.lastReceiptAt, until);
    }
  }

  /** Takes in a reading of the journal's tail, at start. */
  recall(reading: Reading): void {
    if ((reading.flags & FLAG_DEVICE_TIME) !== 0) this.isRepeated(reading.device.id, reading.at, reading.metrics, reading.values);
    else {
      const window = this.#window(reading.device.id);
      window.lastReceiptAt = Math.max(window.lastReceiptAt, reading.at);
    }
  }

  #window(device: string): DeviceWindow {
    const known = this.#devices.get(device);
    if (known !== undefined) return known;
    const window = new DeviceWindow();
    this.#devices.set(device, window);
    // The more devices, the shorter each one's memory; the ingest limits how many devices there are.
    this.#windowMax = Math.max(WINDOW_MIN, Math.min(WINDOW_MAX, Math.floor(REMEMBERED_MAX / this.#devices.size)));
    return window;
  }

  #contentHash(metrics: Shape, values: readonly Value[]): number {
    let hash = this.#shapeHashes.get(metrics);
    if (hash === undefined) {
      hash = hashText(metrics.join('\0'));
      this.#shapeHashes.set(metrics, hash);
    }
    for (const value of values) {
      if (typeof value === 'number') hash = hashNumber(value, hash);
      else hash = typeof value === 'boolean' ? hashNumber(value ? 1 : 0, ~hash) : hashText(value, hash);
    }
    return hash;
  }
}

/** The latest QoS 1 publishes of one session: packet identifier, content, when. */
class PublishWindow {
  readonly packetIds = new Uint16Array(PUBLISHES_MAX);
  readonly hashes = new Uint32Array(PUBLISHES_MAX);
  readonly times = new Float64Array(PUBLISHES_MAX);
  next = 0;
}

export class SessionWindow {
  readonly #publishes = new Map<string, PublishWindow>();
  readonly #exchanges = new Map<string, Map<number, number>>();
  #exchangeCount = 0;

  /** A new session began: nothing of the previous one counts. Returns the QoS 2 identifiers that it left open. */
  forget(client: string): readonly number[] {
    this.#publishes.delete(client);
    return this.#forgetExchanges(client);
  }

  #forgetExchanges(client: string): readonly number[] {
    const open = [...(this.#exchanges.get(client)?.keys() ?? [])];
    this.#exchangeCount -= open.length;
    this.#exchanges.delete(client);
    return open;
  }

  /** Messages were given up, and it is not known which of the publishes they were: each that is sent again is new. */
  forgetPublishes(): void {
    this.#publishes.clear();
  }

  remember(client: string, packetId: number, hash: number, nowMs: number): void {
    let window = this.#publishes.get(client);
    if (window === undefined) {
      if (this.#publishes.size >= SESSIONS_MAX) this.#publishes.delete(this.#publishes.keys().next().value ?? '');
      window = new PublishWindow();
      this.#publishes.set(client, window);
    }
    const index = window.next;
    window.packetIds[index] = packetId;
    window.hashes[index] = hash;
    window.times[index] = nowMs;
    window.next = (index + 1) % PUBLISHES_MAX;
  }

  /** True when a DUP publish repeats one of the same session within 60 s. */
  isRepeated(client: string, packetId: number, hash: number, nowMs: number): boolean {
    const window = this.#publishes.get(client);
    if (window === undefined) return false;
    for (let index = 0; index < PUBLISHES_MAX; index++) {
      if (window.packetIds[index] !== packetId || window.hashes[index] !== hash) continue;
      if (nowMs - (window.times[index] as number) <= PUBLISH_WINDOW_MS && window.times[index] !== 0) return true;
    }
    return false;
  }

  /** The content's hash under an open QoS 2 identifier. */
  exchange(client: string, packetId: number): number | undefined {
    return this.#exchanges.get(client)?.get(packetId);
  }

  /** How many QoS 2 identifiers this client has begun and not released. */
  openExchanges(client: string): number {
    return this.#exchanges.get(client)?.size ?? 0;
  }

  /** When there are too many, the client whose exchanges began first loses all of its own: likely it is gone for good. */
  begin(client: string, packetId: number, hash: number): void {
    while (this.#exchangeCount >= EXCHANGES_MAX) this.#forgetExchanges(this.#exchanges.keys().next().value ?? client);
    const exchanges = this.#exchanges.get(client) ?? new Map<number, number>();
    this.#exchanges.set(client, exchanges);
    if (!exchanges.has(packetId)) this.#exchangeCount += 1;
    exchanges.set(packetId, hash);
  }

  end(client: string, packetId: number): boolean {
    const exchanges = this.#exchanges.get(client);
    if (exchanges === undefined || !exchanges.delete(packetId)) return false;
    this.#exchangeCount -= 1;
    if (exchanges.size === 0) this.#exchanges.delete(client);
    return true;
  }

  /** Takes in a mark of the journal's tail, at start. */
  recall(mark: Qos2Mark): void {
    if (mark.open) this.begin(mark.client, mark.packetId, mark.hash);
    else this.end(mark.client, mark.packetId);
  }
}
