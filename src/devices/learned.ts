/**
 * What formats have learned from earlier messages: aliases of a birth, bindings of a discovery message, units, names. A table of JSON
 * by key, bounded in number and size. What changes is handed out once, so that the ingest can make it durable with the message
 * that said so, before that message is acknowledged.
 */
import { type Learned, topicOf } from './decoders/format.ts';

export interface LearnedChange {
  readonly key: string;
  /** JSON; null: forgotten. */
  readonly json: string | null;
}

/** What a device is called and measures in, as far as its messages say so. */
export interface Description {
  readonly name: string | null;
  readonly units: Readonly<Record<string, string>>;
}

const KEYS_MAX = 200_000;
const KEY_LENGTH_MAX = 500;
const VALUE_LENGTH_MAX = 256 * 1024;
const TOTAL_LENGTH_MAX = 64 * 1024 * 1024;
const UNITS_MAX = 500;
const TEXT_LENGTH_MAX = 200;
const NOTHING: readonly LearnedChange[] = Object.freeze([]);
const NO_TOPICS: readonly string[] = Object.freeze([]);
const UNDESCRIBED: Description = Object.freeze({ name: null, units: Object.freeze({}) });

const deviceKey = (device: string): string => `device ${device}`;

/** Both forms: the value is what formats read, the JSON what is compared and stored. */
interface Kept {
  readonly value: unknown;
  readonly json: string;
}

export class LearnedTable implements Learned {
  readonly #kept = new Map<string, Kept>();
  /** Of all that is kept, as JSON: what the bound goes by. */
  #length = 0;
  #changes: LearnedChange[] = [];
  #topics: string[] = [];
  #version = 0;
  #isHeld = false;
  #refused = 0;

  /** Grows with each change. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** How often there was no more room since the start. */
  get refused(): number {
    return this.#refused;
  }

  get(key: string): unknown {
    return this.#kept.get(key)?.value;
  }

  set(key: string, value: unknown): boolean {
    return this.#isHeld || this.#set(key, value);
  }

  /**
   * Lets `body` read what is known and teach nothing: an old message must not overrule what newer ones have said. What things are called and
   * measured in is kept all the same: it is told once, and decides nothing.
   */
  held<Result>(body: () => Result): Result {
    this.#isHeld = true;
    try {
      return body();
    } finally {
      this.#isHeld = false;
    }
  }

  #set(key: string, value: unknown): boolean {
    if (value === null) {
      if (!this.#kept.has(key)) return true;
      this.#forget(key);
      this.#changed({ key, json: null });
      return true;
    }
    const json = JSON.stringify(value);
    if (json === undefined || this.#kept.get(key)?.json === json) return true;
    if (!this.#keep(key, { value, json })) {
      this.#refused += 1;
      return false;
    }
    this.#changed({ key, json });
    return true;
  }

  describe(device: string, { name, units }: { name?: string; units?: Readonly<Record<string, string>> }): void {
    const before = this.description(device);
    const merged: Record<string, string> = { ...before.units };
    for (const [metric, unit] of Object.entries(units ?? {})) {
      if (unit.length <= TEXT_LENGTH_MAX && (Object.hasOwn(merged, metric) || Object.keys(merged).length < UNITS_MAX))
        merged[metric] = unit;
    }
    this.#set(deviceKey(device), { name: name?.slice(0, TEXT_LENGTH_MAX) ?? before.name, units: merged });
  }

  description(device: string): Description {
    const known = this.#kept.get(deviceKey(device))?.value;
    // Only describe() writes under this key, and what it wrote came back as it was.
    return known === undefined ? UNDESCRIBED : (known as Description);
  }

  /** What was changed since the last call. */
  takeChanges(): readonly LearnedChange[] {
    if (this.#changes.length === 0) return NOTHING;
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  /** A change that was handed out and did not become durable: it is handed out again, unless it was overtaken. */
  owe({ key, json }: LearnedChange): void {
    if ((this.#kept.get(key)?.json ?? null) === json) this.#changes.push({ key, json });
  }

  /** Topics of which something was learned since the last call. */
  topicsChanged(): readonly string[] {
    if (this.#topics.length === 0) return NO_TOPICS;
    const topics = this.#topics;
    this.#topics = [];
    return topics;
  }

  /** Puts back what was made durable earlier. */
  recall({ key, json }: LearnedChange): void {
    this.#version += 1;
    if (json === null) this.#forget(key);
    else this.#keep(key, { value: JSON.parse(json), json });
  }

  /** All that is known, for a snapshot. */
  *entries(): Iterable<{ key: string; json: string }> {
    for (const [key, { json }] of this.#kept) yield { key, json };
  }

  #changed(change: LearnedChange): void {
    this.#version += 1;
    this.#changes.push(change);
    const topic = topicOf(change.key);
    if (topic !== null) this.#topics.push(topic);
  }

  #keep(key: string, kept: Kept): boolean {
    const before = this.#kept.get(key);
    const { length } = kept.json;
    const total = this.#length + length - (before?.json.length ?? 0);
    if (key.length > KEY_LENGTH_MAX || length > VALUE_LENGTH_MAX || total > TOTAL_LENGTH_MAX) return false;
    if (before === undefined && this.#kept.size >= KEYS_MAX) return false;
    this.#kept.set(key, kept);
    this.#length = total;
    return true;
  }

  #forget(key: string): void {
    this.#length -= this.#kept.get(key)?.json.length ?? 0;
    this.#kept.delete(key);
  }
}
