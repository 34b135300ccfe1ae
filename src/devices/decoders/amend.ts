/**
 * What is no reading goes out of a parsed document, and words become booleans: a format judges each of its values. The document is changed
 * where it stands, as it is fresh from the parser and nobody else has it: a copy would cost as much as parsing did.
 */
import type { JsonObject } from './json.ts';

/** Deeper than this nothing is looked at: the message is refused for its depth anyway. */
const DEPTH_MAX = 16;

/**
 * @param raw not null; an object or list, before what is in it
 * @param parent the key of the object that it is in; `''` at the top
 * @returns what takes its place; null leaves it out
 */
export type Judge = (raw: unknown, key: string, parent: string) => unknown;

export function amend(document: JsonObject, judge: Judge): JsonObject {
  amendBelow(document, judge, '', 1);
  return document;
}

function amendBelow(branch: Record<string, unknown>, judge: Judge, parent: string, depth: number): void {
  for (const key in branch) {
    const raw = branch[key];
    if (raw === null) continue;
    const value = judge(raw, key, parent);
    if (value !== raw) branch[key] = value;
    if (typeof value === 'object' && value !== null && depth < DEPTH_MAX)
      amendBelow(value as Record<string, unknown>, judge, Array.isArray(branch) ? parent : key, depth + 1);
  }
}

/** The dotted names of all values. Bounded by the same depth. */
export function namesIn(document: JsonObject, prefix = '', depth = 1): string[] {
  return Object.entries(document).flatMap(([key, value]) => {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    if (typeof value !== 'object' || value === null) return [name];
    return depth < DEPTH_MAX ? namesIn(value as JsonObject, name, depth + 1) : [];
  });
}
