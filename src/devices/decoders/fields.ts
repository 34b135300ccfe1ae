/** What several formats do with the fields of a JSON object. */
import type { JsonObject } from './json.ts';

/** The object less what is no reading. Own properties only, and copied as such: a `__proto__` in a payload stays a name like any other. */
export function fieldsBut(object: JsonObject, others: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !others.has(name)));
}

/** `online` and `offline`, however they are capitalised; null for anything else. */
export function onlineWord(text: string): boolean | null {
  const word = text.trim().toLowerCase();
  return word === 'online' ? true : word === 'offline' ? false : null;
}

/** A text or number that can name something; null for an empty one and for anything else. */
export function nameOf(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}
