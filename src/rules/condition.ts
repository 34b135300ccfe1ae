/**
 * One CEL expression of a rule, compiled in one scope.
 *
 * Every number is a double, literals included. The value is true, false or unknown: unknown when a metric it needs has
 * no fresh value, when a number in it is not finite, and when the evaluation fails; `&&` and `||` absorb an unknown as
 * CEL absorbs an error (`false && unknown` is false).
 */
import type { Context } from '@marcbachmann/cel-js';
import type { Value } from '../domain/reading.ts';
import { type Expression, renderPlace } from '../domain/rule.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { type CelNode, childrenOf, isCelNode } from './expression-tree.ts';
import { type Bound, boundOf, fastPath, type Reference, type References, readInput } from './fast-path.ts';
import type { Frame, Truth } from './frame.ts';
import type { Inputs } from './inputs.ts';
import { NameCheck, problemAt } from './names.ts';
import { isPlainName, METRIC_KEY_PREFIX, type Scope } from './scope.ts';

export type Evaluate<T> = (frame: Frame) => T | undefined;
export interface Compiled<T> {
  readonly evaluate: Evaluate<T>;
  /** The same through CEL, whatever the shape: what the fast path is tested against. */
  readonly evaluateByCel: Evaluate<T>;
  readonly isFast: boolean;
  /** The metrics of the device that it names. */
  readonly metrics: readonly string[];
  /** Where it turns true, for a comparison of one metric with a constant. */
  readonly bound: Bound | undefined;
  /** For whoever explains it. */
  readonly anatomy: Anatomy;
}

/** An expression as it was compiled: what `explain.ts` walks. */
export interface Anatomy {
  readonly expression: Expression;
  readonly tree: CelNode;
  readonly references: References;
  readonly inputs: Inputs;
  /** A part of the text, compiled by itself over the same inputs, of which it adds none. Throws a TocsinError for what is nothing by itself. */
  compilePart(text: string): Evaluate<Value>;
}

/** Thrown for a value that is missing, through CEL's evaluation; one instance, as making an error is what costs. */
class UnknownValue extends Error {}
const UNKNOWN = new UnknownValue('unknown');

const ARITHMETIC = ['+', '-', '*', '/', '%'];

/** Throws a TocsinError with the exact place of what is wrong. */
export function compileCondition(expression: Expression, scope: Scope, inputs: Inputs, what: string): Compiled<boolean> {
  const { tree, references, metrics, run, type } = compileTree(expression, scope, inputs);
  if (type !== 'bool' && type !== 'dyn') {
    throw problemAt(
      expression,
      tree.start,
      `${what} must be true or false, this is ${article(type)}`,
      'compare it with something: temperature > 8',
    );
  }
  const evaluateByCel = (frame: Frame): Truth => {
    const value = run(frame);
    if (typeof value === 'boolean' || value === undefined) return value;
    frame.failure = 'the result is neither true nor false';
    return undefined;
  };
  const fast = fastPath(tree, references);
  const compilePart = (text: string): Evaluate<Value> => compileValue({ text, place: expression.place }, scope, inputs);
  const anatomy = { expression, tree, references, inputs, compilePart };
  const bound = boundOf(tree, references);
  return { evaluate: fast ?? evaluateByCel, evaluateByCel, isFast: fast !== undefined, metrics, bound, anatomy };
}

/** What a member of a group contributes to an aggregate: a number, or for `count` also a truth. */
export function compileContribution(expression: Expression, scope: Scope, inputs: Inputs, takesTruth: boolean): Evaluate<number | boolean> {
  const { tree, references, run, type } = compileTree(expression, scope, inputs);
  const isFit = type === 'double' || type === 'int' || type === 'dyn' || (takesTruth && type === 'bool');
  if (!isFit) {
    const hint = takesTruth ? 'such as count(temperature > 8)' : 'such as avg(temperature)';
    throw problemAt(expression, tree.start, `a number is needed here, this is ${article(type)}`, hint);
  }
  const fast = type === 'bool' ? fastPath(tree, references) : undefined;
  if (fast !== undefined) return fast;
  return (frame) => {
    const value = run(frame);
    if (typeof value === 'bigint') return Number(value);
    return typeof value === 'number' || (takesTruth && typeof value === 'boolean') ? value : undefined;
  };
}

/** An expression of any type, for a text template. */
export function compileValue(expression: Expression, scope: Scope, inputs: Inputs): Evaluate<Value> {
  const { run } = compileTree(expression, scope, inputs);
  return (frame) => {
    const value = run(frame);
    if (typeof value === 'bigint') return Number(value);
    return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string' ? value : undefined;
  };
}

interface Tree {
  readonly tree: CelNode;
  readonly references: References;
  readonly metrics: readonly string[];
  readonly type: string;
  readonly run: Evaluate<unknown>;
}

function compileTree(expression: Expression, scope: Scope, inputs: Inputs): Tree {
  const parsed = parse(expression, scope);
  const tree: unknown = parsed.ast;
  if (!isCelNode(tree)) throw new TocsinError('the CEL library returned a tree of another shape', { place: renderPlace(expression.place) });
  const names = new NameCheck(expression, scope, inputs);
  names.visit(tree, false);
  const checked = parsed.check();
  if (!checked.valid) throw asProblem(checked.error, expression);
  refuseInfinity(tree);
  const current: Current = { frame: undefined };
  const context = createContext(names.byKey, current);
  const run = (frame: Frame): unknown => {
    current.frame = frame;
    try {
      const value: unknown = parsed(context);
      if (typeof value === 'number' && !Number.isFinite(value)) return undefined;
      return value;
    } catch (error) {
      if (error !== UNKNOWN) frame.failure = summaryOf(error);
      return undefined;
    }
  };
  return { tree, references: names.references, metrics: [...names.metrics], type: checked.type ?? 'dyn', run };
}

function parse(expression: Expression, scope: Scope) {
  try {
    return scope.environment.parse(expression.text);
  } catch (error) {
    throw asProblem(error, expression);
  }
}

/** A division by zero yields infinity in CEL; here it is unknown. */
function refuseInfinity(node: CelNode): void {
  const handle = node.handle;
  if (ARITHMETIC.includes(node.op) && handle !== undefined) {
    node.handle = (left, right, self, evaluator) => {
      const value = handle(left, right, self, evaluator);
      if (typeof value === 'number' && !Number.isFinite(value)) throw UNKNOWN;
      return value;
    };
  }
  for (const child of childrenOf(node)) refuseInfinity(child);
}

interface Current {
  frame: Frame | undefined;
}

/** The variables of an evaluation, read from the frame when CEL asks for them. */
function createContext(inputs: ReadonlyMap<string, Reference>, current: Current): Context {
  const context: Context = {
    get device() {
      return current.frame?.facts;
    },
    get limits() {
      return current.frame?.limits;
    },
  };
  for (const [key, reference] of inputs) {
    const read = readInput(reference);
    const get = (): Value => {
      const value = current.frame === undefined ? undefined : read(current.frame);
      if (value === undefined) throw UNKNOWN;
      return value;
    };
    Object.defineProperty(context, METRIC_KEY_PREFIX + key, { get });
    if (isPlainName(key)) Object.defineProperty(context, key, { get });
  }
  return context;
}

/** CEL's own error, at its place in the rule file. */
function asProblem(error: unknown, expression: Expression): TocsinError {
  const range = typeof error === 'object' && error !== null && 'range' in error ? error.range : undefined;
  const start = typeof range === 'object' && range !== null && 'start' in range ? range.start : 0;
  return problemAt(expression, typeof start === 'number' ? start : 0, `the condition is wrong: ${summaryOf(error)}`);
}

function summaryOf(error: unknown): string {
  if (error instanceof Error && 'summary' in error && typeof error.summary === 'string') return error.summary;
  return messageOf(error);
}

const article = (type: string): string => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`);
