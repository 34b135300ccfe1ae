/** Scalar payloads: one value as text. Bytes that are no UTF-8 are no text. */
import { isUtf8 } from 'node:buffer';
import type { MetricDefinition } from '../../domain/device.ts';
import { type Converted, definedValue, freeScalar } from './value.ts';

const REPLACEMENT = '\ufffd';
const BYTE_ORDER_MARK = 0xfeff;

/** @returns null when the bytes are no UTF-8 */
export function payloadText(payload: Uint8Array): string | null {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const text = bytes.toString('utf8');
  // Decoding replaces what is wrong: only a text that holds the replacement needs the slower question.
  if (text.includes(REPLACEMENT) && !isUtf8(bytes)) return null;
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

export function decodeScalar(text: string, definition: MetricDefinition | null): Converted {
  const trimmed = text.trim();
  return definition === null ? freeScalar(trimmed) : definedValue(definition, trimmed);
}
