/**
 * What a payload format is. A format is one file here and pure: topic and bytes in, parts or a refusal out; no clock, no I/O, nothing
 * remembered but what it puts into `Learned`. It is chosen by the topic or by the profile, never by what the bytes look like.
 *
 * A format says what a message holds. What of it is believed (types, ranges, absent values, limits, device time) is the profile's,
 * and the same for all formats.
 */
import type { TopicMatch } from '../template.ts';
import { type JsonObject, parseJson } from './json.ts';
import { payloadText } from './scalar.ts';
import { Refusal } from './value.ts';

export interface FormatMessage {
  readonly topic: string;
  /** The topic, split at `/`. */
  readonly levels: readonly string[];
  /** What the template found in the topic. */
  readonly match: TopicMatch;
  readonly payload: Uint8Array;
  /** µs. */
  readonly receivedAt: number;
  /** MQTT client id; null where there is none (a will whose client is gone, a replay). */
  readonly client: string | null;
  /** What the profile's `codec` names: a codec for the bytes that are inside the message. Null: none. */
  readonly codec: Codec | null;
}

/** What one device said at one instant. */
export interface Part {
  /** Null: the device that the topic names. */
  readonly device: string | null;
  /** Beside those of the topic and of the fleet file: few, and slow to change. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The device's own time as it stands in the message: a number (s, ms, µs or ns, by its size) or text. Absent or null: none. */
  readonly at?: unknown;
  /** Nested objects and lists become dotted names, `a.b`, `list.0`. Null is no reading. Text that is a plain number becomes one. */
  readonly values: JsonObject;
  /** True: the format tells text from numbers, so that text stays text, whatever is in it. */
  readonly isTyped?: true;
  /** Units by metric, where the message itself names them. */
  readonly units?: Readonly<Record<string, string>>;
  /** What else was wrong with this device's part of the message. */
  readonly refusals?: readonly Refusal[];
}

/** What is known from earlier messages (births, discovery, `$unit`): survives a restart. Values are JSON. Bounded. */
export interface Learned {
  /** @param key begins with the format's name and a space */
  get(key: string): unknown;
  /** Null forgets. False: there is no more room, and nothing was kept. */
  set(key: string, value: unknown): boolean;
  /** What a device is called by people, and its units by metric; what was known before is kept beside it. */
  describe(device: string, description: { name?: string; units?: Readonly<Record<string, string>> }): void;
}

/** Bytes inside a message (a LoRaWAN frame), or the whole of it → what they say. It never throws. */
export type Codec = (frame: Frame) => readonly Part[] | Refusal;

export interface Frame {
  readonly bytes: Uint8Array;
  /** LoRaWAN's port; null where there is none. */
  readonly port: number | null;
  /** µs: when it was received, by the message if it says so. */
  readonly receivedAt: number;
  readonly topic: string;
}

export interface Format {
  /** As a profile's `decode` names it. */
  readonly name: string;
  /** Topics on which it is understood without a profile. `#` at the end: any further levels. */
  readonly topics: readonly string[];
  /**
   * Which of these topics are really its own, where a template cannot say so (`switch:0`, `switch:1` …). Absent: all of them.
   * @param levels the topic, split at `/`
   */
  speaksOn?(levels: readonly string[]): boolean;
  /** True: its messages name their devices, so a topic need not. */
  readonly namesDevices: boolean;
  /** True: there are bytes inside its messages that a profile's `codec` can read. */
  readonly takesCodec?: true;
  /** True: an empty payload says something, too. */
  readonly readsEmpty?: true;
  /** True: its messages bear a device time of their own, which counts unless the profile says `clock: server`. */
  readonly bearsTime: boolean;
  /** An empty list: a message that says nothing of any sensor (a command, a description), or nothing at all. It never throws. */
  read(message: FormatMessage, learned: Learned): readonly Part[] | Refusal;
  /** The unit that the format fixes for a metric, by its dotted name. */
  unitOf?(metric: string): string | null;
}

/** Under which a topic is kept that a discovery message has named. */
export const topicKey = (topic: string): string => `${TOPIC}${topic}`;
export const topicOf = (key: string): string | null => (key.startsWith(TOPIC) ? key.slice(TOPIC.length) : null);
const TOPIC = 'topic ';

/** A payload that is one JSON document; integers that a double cannot hold come as text, digit for digit. */
export function readJson(payload: Uint8Array): unknown {
  const text = readText(payload);
  if (text instanceof Refusal) return text;
  return parseExactly(text);
}

/**
 * Only a long run of digits can be an integer that a double cannot hold, and the exact way costs several times as much. Digits of a
 * fraction, or inside of text, are none.
 */
export const parseExactly = (text: string): unknown => parseJson(text, /(?:^|[:,[\s-])\d{16}/.test(text) ? 'exact' : 'double');

/** What is wrong with a message of which the parts are right goes with the first of them; where there is none, with one that says nothing else. */
export function withRefusals(
  parts: readonly Part[],
  refusals: readonly Refusal[],
  about: Omit<Part, 'values'> = { device: null },
): readonly Part[] {
  if (refusals.length === 0) return parts;
  const [first = { ...about, values: {} }, ...others] = parts;
  return [{ ...first, refusals }, ...others];
}

/** @returns a Refusal when the payload is no UTF-8 */
export function readText(payload: Uint8Array): string | Refusal {
  return payloadText(payload) ?? new Refusal('invalid-utf8', 'the payload is not UTF-8 text');
}

/** The levels of the topic after the device's: what `#` stands for, and what a template has there itself. */
export function levelsAfterDevice({ levels, match }: FormatMessage): readonly string[] {
  if (match.device === null) return levels;
  // The last that can be it: `homie/homie/…` is a device of that name.
  return levels.slice(levels.lastIndexOf(match.device, levels.length - match.rest.length - 1) + 1);
}

/** True when it begins like a JSON object: for topics on which a format sends either that or a word. */
export function beginsObject(payload: Uint8Array): boolean {
  for (const byte of payload) if (byte > 0x20) return byte === 0x7b;
  return false;
}

/** What is no JSON object is a refusal. */
export function readObject(payload: Uint8Array): JsonObject | Refusal {
  const document = readJson(payload);
  if (document instanceof Refusal) return document;
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document as JsonObject;
  return new Refusal('not-an-object', 'expected a JSON object');
}
