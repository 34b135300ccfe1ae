/**
 * One CEL expression of a rule, compiled in one scope.
 *
 * Every number is a double, literals included. The value is true, false or unknown: unknown when a metric it needs has
 * no fresh value, when a number in it is not finite, and when the evaluation fails; `&&` and `||` absorb an unknown as
 * CEL absorbs an error (`false && unknown` is false).
 */
import type { Context } from '@marcbachmann/cel-js';
import type { MetricType } from '../domain/device.ts';
import type { Value } from '../domain/reading.ts';
import { type Expression, type Place, renderPlace } from '../domain/rule.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { hintFor } from '../std/form.ts';
import { type CelNode, callOf, childrenOf, dottedName, isCelNode, literalOf } from './expression-tree.ts';
import { type Bound, boundOf, fastPath, type MetricReference } from './fast-path.ts';
import { type Frame, isFresh, type Truth } from './frame.ts';
import { DEVICE_FIELDS, isPlainName, METRIC_KEY_PREFIX, type Scope } from './scope.ts';

export type Evaluate<T> = (frame: Frame) => T | undefined;
export interface Compiled<T> {
  readonly evaluate: Evaluate<T>;
  /** The same through CEL, whatever the shape: what the fast path is tested against. */
  readonly evaluateByCel: Evaluate<T>;
  readonly isFast: boolean;
  /** Where it turns true, for a comparison of one metric with a constant. */
  readonly bound: Bound | undefined;
}

/** The metrics that a rule names, in the order of first mention; a frame's cells stand in this order. */
export class MetricList {
  readonly names: string[] = [];
  indexOf(name: string): number {
    const known = this.names.indexOf(name);
    return known >= 0 ? known : this.names.push(name) - 1;
  }
}

/** Thrown for a value that is missing, through CEL's evaluation; one instance, as making an error is what costs. */
class UnknownValue extends Error {}
const UNKNOWN = new UnknownValue('unknown');

const WINDOW_FUNCTIONS = 'avg min max sum count stddev median first last delta rate stale timeAbove timeBelow'.split(' ');
/** Methods whose whole-number arguments stay whole numbers: `name.substring(1)`. */
const INDEX_METHODS = ['substring', 'indexOf', 'lastIndexOf', 'at'];
const ARITHMETIC = ['+', '-', '*', '/', '%'];

/** Throws a TocsinError with the exact place of what is wrong. */
export function compileCondition(expression: Expression, scope: Scope, metrics: MetricList, what: string): Compiled<boolean> {
  const { tree, nodes, run, type } = compileTree(expression, scope, metrics);
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
  const fast = fastPath(tree, nodes);
  return { evaluate: fast ?? evaluateByCel, evaluateByCel, isFast: fast !== undefined, bound: boundOf(tree, nodes) };
}

/** An expression of any type, for a text template. */
export function compileValue(expression: Expression, scope: Scope, metrics: MetricList): Evaluate<Value> {
  const { run } = compileTree(expression, scope, metrics);
  return (frame) => {
    const value = run(frame);
    if (typeof value === 'bigint') return Number(value);
    return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string' ? value : undefined;
  };
}

interface Tree {
  readonly tree: CelNode;
  readonly nodes: ReadonlyMap<CelNode, MetricReference>;
  readonly type: string;
  readonly run: Evaluate<unknown>;
}

function compileTree(expression: Expression, scope: Scope, metrics: MetricList): Tree {
  const parsed = parse(expression, scope);
  const tree: unknown = parsed.ast;
  if (!isCelNode(tree)) throw new TocsinError('the CEL library returned a tree of another shape', { place: renderPlace(expression.place) });
  const names = new NameCheck(expression, scope, metrics);
  names.visit(tree, false);
  const checked = parsed.check();
  if (!checked.valid) throw asProblem(checked.error, expression);
  refuseInfinity(tree);
  const current: Current = { frame: undefined };
  const context = createContext(names.names, metrics, current);
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
  return { tree, nodes: names.nodes, type: checked.type ?? 'dyn', run };
}

function parse(expression: Expression, scope: Scope) {
  try {
    return scope.environment.parse(expression.text);
  } catch (error) {
    throw asProblem(error, expression);
  }
}

/** Makes literals doubles and says which nodes are metrics; throws for the first name that the scope does not know. */
class NameCheck {
  readonly nodes = new Map<CelNode, MetricReference>();
  readonly names = new Set<string>();
  /** Variables of `list.exists(x, …)` and the like. */
  readonly #bound = new Set<string>();
  readonly #expression: Expression;
  readonly #scope: Scope;
  readonly #metrics: MetricList;

  constructor(expression: Expression, scope: Scope, metrics: MetricList) {
    this.#expression = expression;
    this.#scope = scope;
    this.#metrics = metrics;
  }

  visit(node: CelNode, keepsWhole: boolean): void {
    const literal = literalOf(node);
    if (typeof literal === 'bigint' && !keepsWhole) node.args = Number(literal);
    const call = callOf(node);
    if (call?.name === 'metric') {
      const name = literalOf(call.args[0]);
      if (typeof name !== 'string' || call.args.length !== 1)
        throw this.#problem(node, 'metric() takes one text', "such as metric('pm2.5')");
      this.#metric(call.args[0] ?? node, name, node);
      return;
    }
    if (call !== undefined && WINDOW_FUNCTIONS.includes(call.name)) {
      throw this.#problem(
        node,
        `the window function ${call.name}() is not supported yet`,
        'compare the latest value, and use for: to ask for a duration',
      );
    }
    const dotted = dottedName(node);
    if (dotted !== undefined) this.#dotted(node, dotted);
    else this.#children(node);
  }

  #children(node: CelNode): void {
    const method = node.op === 'rcall' && Array.isArray(node.args) ? String(node.args[0]) : undefined;
    const children = childrenOf(node);
    const variable = children[1];
    const isMacro = node.meta.alternate !== undefined || node.meta.macro !== undefined;
    if (method !== undefined && isMacro && variable?.op === 'id') this.#bound.add(String(variable.args));
    for (const [index, child] of children.entries()) {
      const isIndex = (node.op === '[]' && index === 1) || (index > 0 && method !== undefined && INDEX_METHODS.includes(method));
      this.visit(child, isIndex);
    }
  }

  #dotted(node: CelNode, path: readonly string[]): void {
    const [root = '', second] = path;
    if (this.#bound.has(root)) return;
    if (root === 'limits') {
      const known = this.#scope.limitNames;
      if (path.length === 2 && second !== undefined && known !== null && !known.includes(second)) {
        throw this.#problem(secondSegment(node), `unknown limit ${second}`, hintFor(second, known));
      }
      return;
    }
    if (root === 'device') {
      if (second !== undefined && !DEVICE_FIELDS.some((field) => field === second)) {
        throw this.#problem(secondSegment(node), `device has no ${second}`, hintFor(second, DEVICE_FIELDS));
      }
      return;
    }
    const name = path.join('.');
    this.#metric(node, name, node);
    // A nested name reads as field access in CEL: it is made to mean the metric of that name.
    if (path.length > 1) node.setMeta('alternate', this.#scope.environment.parse(`metric(${JSON.stringify(name)})`).ast);
  }

  #metric(place: CelNode, name: string, node: CelNode): void {
    const types = this.#scope.metricTypes;
    const type: MetricType | undefined = types?.get(name);
    if (types !== null && type === undefined) {
      const profile = this.#scope.profile?.name ?? '';
      const known = [...types.keys()].map((known) => (isPlainName(known) || place.op !== 'id' ? known : `metric('${known}')`));
      throw problemAt(
        this.#expression,
        place.start,
        `unknown name ${name}: the profile ${profile} has no such metric`,
        hintFor(name, known),
      );
    }
    this.names.add(name);
    this.nodes.set(node, { index: this.#metrics.indexOf(name), type: type ?? null });
  }

  #problem(node: CelNode, message: string, hint: string): TocsinError {
    return problemAt(this.#expression, node.op === '.' ? node.pos : node.start, message, hint);
  }
}

/** Of `a.b.c` the node of `a.b`, which points at the b. */
function secondSegment(node: CelNode): CelNode {
  const left = childrenOf(node)[0];
  return left === undefined || left.op === 'id' ? node : secondSegment(left);
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
function createContext(names: ReadonlySet<string>, metrics: MetricList, current: Current): Context {
  const context: Context = {
    get device() {
      return current.frame?.facts;
    },
    get limits() {
      return current.frame?.limits;
    },
  };
  for (const name of names) {
    const index = metrics.indexOf(name);
    const get = (): Value => {
      const cell = current.frame?.cells[index];
      if (current.frame === undefined || cell?.value === undefined || !isFresh(current.frame, cell)) throw UNKNOWN;
      return cell.value;
    };
    Object.defineProperty(context, METRIC_KEY_PREFIX + name, { get });
    if (isPlainName(name)) Object.defineProperty(context, name, { get });
  }
  return context;
}

/** The place of the character at `offset`, in an expression that may run over several lines. */
export function placeIn(expression: Expression, offset: number): Place {
  const before = expression.text.slice(0, offset);
  const lines = before.split('\n');
  const { file, line, column } = expression.place;
  return { file, line: line + lines.length - 1, column: column + (lines.at(-1)?.length ?? 0) };
}

function problemAt(expression: Expression, offset: number, message: string, hint?: string): TocsinError {
  return new TocsinError(message, { place: renderPlace(placeIn(expression, offset)), ...(hint === undefined ? {} : { hint }) });
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
