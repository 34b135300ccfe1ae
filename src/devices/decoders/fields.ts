/** What several formats do with the fields of a message. */
import type { JsonObject } from './json.ts';

/**
 * Leaves out of a document what is no reading. It is changed where it stands, as it is fresh from the parser and nobody else has it: a copy
 * would cost as much as parsing did.
 */
export function leaveOut(document: Record<string, unknown>, others: ReadonlySet<string>): JsonObject {
  for (const name in document) if (others.has(name)) document[name] = null;
  return document;
}

/** `online` and `offline`, however they are capitalised; null for anything else. */
export function onlineWord(text: string): boolean | null {
  const word = text.trim().toLowerCase();
  return word === 'online' ? true : word === 'offline' ? false : null;
}

/** `ON` and `OFF` as true and false; anything else as it is. */
export const onOff = (raw: unknown): unknown => (raw === 'ON' ? true : raw === 'OFF' ? false : raw);

/** A text that is not empty. */
export const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** A text or number that can name something; null for an empty one and for anything else. */
export function nameOf(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}
