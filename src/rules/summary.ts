/**
 * A rule's summary: text with `{{expression}}` parts, each a CEL expression over the same names as the conditions. The
 * latest values are shown whatever their age; what has no value shows as a dash.
 */
import type { Value } from '../domain/reading.ts';
import { type Place, renderPlace } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import { compileValue, type Evaluate } from './condition.ts';
import type { Frame } from './frame.ts';
import type { Inputs } from './inputs.ts';
import type { Scope } from './scope.ts';

const NO_VALUE = '—';

/** Throws a TocsinError when a part does not compile. */
export function compileSummary(template: { text: string; place: Place }, scope: Scope, inputs: Inputs): (frame: Frame) => string {
  const parts: (string | Evaluate<Value>)[] = [];
  let rest = template.text;
  while (rest !== '') {
    const open = rest.indexOf('{{');
    if (open < 0) break;
    const close = rest.indexOf('}}', open);
    if (close < 0)
      throw new TocsinError('summary: {{ is not closed', { place: renderPlace(template.place), hint: 'write {{temperature}}' });
    const text = rest.slice(open + 2, close).trim();
    parts.push(rest.slice(0, open), compilePart(text, template.place, scope, inputs));
    rest = rest.slice(close + 2);
  }
  parts.push(rest);
  return (frame) => {
    // Every value is fresh to a text: long before any reading, nothing is too old.
    const now = frame.now;
    frame.now = Number.NEGATIVE_INFINITY;
    const text = parts.map((part) => (typeof part === 'string' ? part : formatValue(part(frame)))).join('');
    frame.now = now;
    return text;
  };
}

function compilePart(text: string, place: Place, scope: Scope, inputs: Inputs): Evaluate<Value> {
  try {
    return compileValue({ text, place }, scope, inputs);
  } catch (error) {
    if (!(error instanceof TocsinError)) throw error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    throw new TocsinError(`summary: {{${text}}}: ${error.message}`, { place: renderPlace(place), ...hint });
  }
}

/** 9.300000000000001 → `9.3`. */
export function formatValue(value: Value | undefined | null): string {
  if (value === undefined || value === null) return NO_VALUE;
  return typeof value === 'number' ? String(Math.round(value * 1000) / 1000) : String(value);
}
