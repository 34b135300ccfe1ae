/** What was published, as it is learned from; and what its payload looks like, which a profile's `decode` must suit. */
import { isObject, parseJson } from '../decoders/json.ts';
import { payloadText } from '../decoders/scalar.ts';
import { Refusal } from '../decoders/value.ts';

export interface Heard {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** µs; where a recording does not say: when it was read. */
  readonly receivedAt: number;
  /** False: when it was published is not known (a retained message, a recording without times). */
  readonly isTimed: boolean;
}

/** `other`: bytes, long text, XML: what neither `json` nor `scalar` reads. */
export type Look = 'object' | 'value' | 'other';

/** A value is written shortly, and in no format of its own; what is longer is text of another kind. */
const VALUE_LENGTH_MAX = 100;

/** The JSON objects of a payload; null: it is none, and no list of them. */
export function documentsOf(payload: Uint8Array): readonly Readonly<Record<string, unknown>>[] | null {
  const text = payloadText(payload);
  if (text === null || !/^\s*[{[]/.test(text)) return null;
  const document = parseJson(text, 'double');
  if (document instanceof Refusal) return null;
  if (isObject(document)) return [document];
  const objects = Array.isArray(document) ? document.filter(isObject) : [];
  return objects.length > 0 ? objects : null;
}

export function lookOf(payload: Uint8Array): Look {
  if (documentsOf(payload) !== null) return 'object';
  const text = payloadText(payload);
  return text !== null && text.length <= VALUE_LENGTH_MAX && !/^\s*[{[<]|[=;]/.test(text) && !/[\r\n]/.test(text.trim())
    ? 'value'
    : 'other';
}
