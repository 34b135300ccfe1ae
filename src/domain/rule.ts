/** A rule as written in YAML, checked for form: what CEL makes of its conditions is `rules/compile.ts`'s to say. */
import type { Level } from './alert.ts';

/** Where a text stands in its file, for errors: line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export const renderPlace = (place: Place): string => `${place.file}:${place.line}:${place.column}`;

/** A CEL expression and where its first character stands. */
export interface Expression {
  readonly text: string;
  readonly place: Place;
}

/** All that is given must match. */
export interface Selector {
  readonly profile: string | null;
  /** Glob over the device id: `*` any characters, `?` one. */
  readonly id: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

export interface RuleLevel {
  readonly level: Level;
  readonly when: Expression;
  /** How long `when` must hold, in event time. */
  readonly forMs: number;
  readonly clear: Expression | null;
  /** `when` counts as true while it was true in `times` of the last `of` readings; null: the latest reading decides. */
  readonly count: { readonly times: number; readonly of: number } | null;
  /** How long the level stays after nothing asks for it any more. */
  readonly keepFiringForMs: number;
}

export interface NoData {
  readonly afterMs: number;
  /** Raise this level, or keep the state as it is, or call it OK. */
  readonly action: { readonly raise: Level } | { readonly then: 'keep' | 'ok' };
  /** The metrics whose silence counts; null: those that the conditions name. */
  readonly metrics: readonly string[] | null;
}

export interface Rule {
  readonly id: string;
  readonly place: Place;
  readonly selector: Selector;
  /** Labels that make the groups of a rule on groups; empty: the rule is on single devices. */
  readonly by: readonly string[];
  /** One to three, ascending. */
  readonly levels: readonly RuleLevel[];
  readonly noData: NoData | null;
  /** Text with `{{expression}}` parts; null: made from the rule, the device and the value. */
  readonly summary: string | null;
  /** More level changes of an instance than that within the time, and it flaps: told once, not at each change. Null is `off`. */
  readonly flapping: { readonly changes: number; readonly inMs: number } | null;
  readonly description: string | null;
  readonly runbook: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** The place of the character at `offset`, in an expression that may run over several lines. */
export function placeIn(expression: Expression, offset: number): Place {
  const lines = expression.text.slice(0, offset).split('\n');
  const { file, line, column } = expression.place;
  return { file, line: line + lines.length - 1, column: column + (lines.at(-1)?.length ?? 0) };
}
