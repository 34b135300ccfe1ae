/**
 * The names in a parsed expression: each is found in its scope, or refused at its exact place with a suggestion. What an
 * expression reads (metrics, windows, other devices, aggregates of a group) is registered as an input, and its node made
 * to mean that input, for CEL as well as for the fast path.
 */
import { type MetricType, metricTypesOf } from '../domain/device.ts';
import { type Expression, placeIn, renderPlace } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import { hintFor } from '../std/form.ts';
import { parseDurationMs } from '../std/quantity.ts';
import { argumentTexts, type CelNode, callOf, childrenOf, dottedName, literalOf, remoteName } from './expression-tree.ts';
import { constantOf, type Reference } from './fast-path.ts';
import type { Frame } from './frame.ts';
import { AGGREGATE_FUNCTIONS, HOLD_FUNCTIONS, type Inputs } from './inputs.ts';
import { DEVICE_FIELDS, isPlainName, type Scope } from './scope.ts';
import { WINDOW_FUNCTIONS } from './windows/window-function.ts';

/** Methods whose whole-number arguments stay whole numbers: `name.substring(1)`. */
const INDEX_METHODS = ['substring', 'indexOf', 'lastIndexOf', 'at'];
const COMPARISONS = ['<', '<=', '>', '>=', '==', '!='];
const DURATION_HINT = "write a duration in quotes, such as '5m', '1h30m', '30d'";
const WINDOW_MAX_MS = 400 * 86_400_000;
const NEEDS_TWO = ['delta', 'rate'];
const MICROSECONDS_PER_MS = 1000;

export class NameCheck {
  /** What stands for an input. */
  readonly references = new Map<CelNode, Reference>();
  /** The key under which CEL asks for each of them. */
  readonly byKey = new Map<string, Reference>();
  /** The metrics of the device that it names, in windows and otherwise. */
  readonly metrics = new Set<string>();
  /** Variables of `list.exists(x, …)` and the like. */
  readonly #bound = new Set<string>();
  readonly #expression: Expression;
  readonly #scope: Scope;
  readonly #inputs: Inputs;

  constructor(expression: Expression, scope: Scope, inputs: Inputs) {
    this.#expression = expression;
    this.#scope = scope;
    this.#inputs = inputs;
  }

  visit(node: CelNode, keepsWhole: boolean): void {
    const literal = literalOf(node);
    if (typeof literal === 'bigint' && !keepsWhole) node.args = Number(literal);
    if (COMPARISONS.includes(node.op)) this.#durationLiterals(node);
    const remote = remoteName(node);
    if (remote !== undefined) {
      this.#remote(node, remote);
      return;
    }
    const call = callOf(node);
    if (call === undefined) {
      const dotted = dottedName(node);
      if (dotted !== undefined) this.#dotted(node, dotted);
      else this.#children(node);
    } else if (call.name === 'metric') this.#metricCall(node, call.args);
    else if (call.name === 'device') throw this.#problem(node, 'device() needs a metric of that device', "such as device('door-1').open");
    else if (call.name === 'stale') this.#stale(node, call.args);
    else if (HOLD_FUNCTIONS.some((name) => name === call.name)) this.#window(node, call);
    else if (WINDOW_FUNCTIONS.some((name) => name === call.name)) {
      if (this.#scope.group !== null) this.#aggregate(node, call);
      else this.#window(node, call);
    } else this.#children(node);
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
    this.#metric(node, path.join('.'), node);
  }

  #metricCall(node: CelNode, args: readonly CelNode[]): void {
    const name = literalOf(args[0]);
    if (typeof name !== 'string' || args.length !== 1) throw this.#problem(node, 'metric() takes one text', "such as metric('pm2.5')");
    this.#metric(args[0] ?? node, name, node);
  }

  #metric(place: CelNode, name: string, node: CelNode): void {
    const type = this.#typeOf(name, place);
    this.metrics.add(name);
    this.#refer(node, name, { kind: 'metric', index: this.#inputs.metric(name), type });
  }

  /** The metric's type, null where it is not known before there is a value. */
  #typeOf(name: string, place: CelNode): MetricType | null {
    const { metricTypes: types, profile, group } = this.#scope;
    if (group !== null) {
      const hint = `a rule with by: asks about all members at once, such as max(${name}) or count(${name} > 8)`;
      throw problemAt(this.#expression, place.start, `${name} is of one device, and this is asked of a group`, hint);
    }
    const type = types?.get(name);
    if (types === null || type !== undefined) return type ?? null;
    const known = [...types.keys()].map((known) => (isPlainName(known) || place.op !== 'id' ? known : `metric('${known}')`));
    const message = `unknown name ${name}: the profile ${profile?.name ?? ''} has no such metric`;
    throw problemAt(this.#expression, place.start, message, hintFor(name, known));
  }

  #remote(node: CelNode, { device, metric }: { device: string; metric: string }): void {
    const { directory, group } = this.#scope;
    if (group !== null) throw this.#problem(node, 'device() cannot be asked in a rule on groups', 'write a rule on the devices');
    const listed = directory.fleet.find(({ id }) => id === device);
    if (listed === undefined && (directory.unknown !== 'accept' || directory.fleet.length > 0)) {
      const near = hintFor(
        device,
        directory.fleet.map(({ id }) => id),
      );
      if (directory.unknown !== 'accept' || near.startsWith('did you mean'))
        throw this.#problem(node, `there is no device ${device} in the fleet file`, near);
    }
    const profile = directory.profiles.find(({ name }) => name === listed?.profile);
    const types = profile === undefined ? null : metricTypesOf(profile);
    const type = types?.get(metric) ?? null;
    if (types !== null && type === null) {
      const message = `unknown name ${metric}: the profile ${profile?.name ?? ''} of ${device} has no such metric`;
      throw this.#problem(node, message, hintFor(metric, [...types.keys()]));
    }
    const index = this.#inputs.remote({ device, metric });
    this.#refer(node, `device('${device}').${metric}`, { kind: 'remote', index, type });
  }

  #stale(node: CelNode, args: readonly CelNode[]): void {
    const [of, duration] = args;
    if (of === undefined || duration === undefined || args.length !== 2)
      throw this.#problem(node, 'stale() takes a metric and a duration', "such as stale(temperature, '2m')");
    if (this.#scope.group !== null) throw this.#problem(node, 'stale() is of one device', 'noData: watches the whole group');
    const { name } = this.#windowMetric(of);
    const durationUs = this.#duration(duration);
    const metric = this.#inputs.metric(name);
    this.#inputs.stale({ metric, durationUs });
    this.#refer(node, `stale(${name}, ${durationUs})`, { kind: 'stale', index: metric, durationUs, type: 'boolean' });
  }

  #window(node: CelNode, call: { name: string; args: readonly CelNode[] }): void {
    const isHold = HOLD_FUNCTIONS.find((name) => name === call.name);
    const wanted = isHold === undefined ? 2 : 3;
    const example = isHold === undefined ? `${call.name}(temperature, '5m')` : `${call.name}(temperature, 8, '30d')`;
    if (call.args.length !== wanted) {
      const takes = isHold === undefined ? 'a metric and a duration' : 'a metric, a bound and a duration';
      throw this.#problem(node, `${call.name}() takes ${takes}`, `such as ${example}`);
    }
    const [of = node, second = node] = call.args;
    const last = call.args.at(-1) ?? node;
    const { name, type } = this.#windowMetric(of);
    const durationUs = this.#duration(last);
    if (type === 'text' && call.name !== 'count')
      throw problemAt(this.#expression, of.start, `${call.name}() needs numbers, and ${name} is text`, 'count() takes any metric');
    const intervalMs = this.#scope.profile?.intervalMs ?? null;
    if (NEEDS_TWO.includes(call.name) && intervalMs !== null && durationUs <= intervalMs * MICROSECONDS_PER_MS) {
      const message = `${call.name}() compares two values, and this window never holds two: the profile's interval is as long`;
      throw problemAt(this.#expression, last.start, message, 'make the window at least twice the interval');
    }
    const threshold = isHold === undefined ? null : this.#threshold(second);
    const found = isHold ?? WINDOW_FUNCTIONS.find((known) => known === call.name) ?? 'avg';
    const bound = isHold === undefined ? '' : `${this.#textOf(second)}, `;
    const text = `${call.name}(${name}, ${bound}${durationUs})`;
    this.#inputs.metric(name);
    const index = this.#inputs.window({ text, metric: name, function: found, durationUs, threshold });
    this.#refer(node, text, { kind: 'window', index, type: 'number' });
  }

  #aggregate(node: CelNode, call: { name: string; args: readonly CelNode[] }): void {
    const fn = AGGREGATE_FUNCTIONS.find((name) => name === call.name);
    const texts = argumentTexts(this.#expression.text, node.start);
    const [each] = texts;
    if (fn === undefined || each === undefined || texts.length !== call.args.length) {
      const hint = `over a group there are ${AGGREGATE_FUNCTIONS.join(', ')}: such as avg(${call.name}(temperature, '5m'))`;
      throw this.#problem(node, `${call.name}() is of one device, and this is asked of a group`, hint);
    }
    const place = (offset: number) => placeIn(this.#expression, offset);
    // avg(temperature, '5m') over a group: the average of what each member has for it.
    const isWindow = call.args.length === 2;
    const text = isWindow ? this.#expression.text.slice(node.start, node.end) : each.text;
    const inner = { text, place: place(isWindow ? node.start : each.start) };
    if (call.args.length < 1 || call.args.length > 2)
      throw this.#problem(node, `${fn}() takes what each member has`, `such as ${fn}(temperature)`);
    const index = this.#inputs.aggregate({
      text: `${isWindow ? (fn === 'count' ? 'sum' : fn) : fn}(${text})`,
      function: isWindow && fn === 'count' ? 'sum' : fn,
      each: inner,
    });
    this.#refer(node, `${fn}:${text}`, { kind: 'aggregate', index, type: 'number' });
  }

  /** The bound of a hold function: it is the same for every reading, or the time above it would mean nothing. */
  #threshold(node: CelNode): (frame: Frame) => number {
    this.visit(node, false);
    const constant = constantOf(node, this.references);
    if (constant !== undefined) return constant;
    throw problemAt(this.#expression, node.start, 'the bound must be a number or a limit', 'such as 8, or limits.temperature_max - 0.5');
  }

  #windowMetric(node: CelNode): { name: string; type: MetricType | null } {
    const call = callOf(node);
    const literal = call?.name === 'metric' ? literalOf(call.args[0]) : undefined;
    const name = typeof literal === 'string' ? literal : dottedName(node)?.join('.');
    if (name === undefined || name.startsWith('limits.') || name.startsWith('device.'))
      throw problemAt(this.#expression, node.start, 'a window is over a metric', "such as temperature, or metric('pm2.5')");
    this.metrics.add(name);
    return { name, type: this.#typeOf(name, node) };
  }

  #duration(node: CelNode): number {
    const literal = literalOf(node);
    const durationMs = typeof literal === 'string' ? parseDurationMs(literal) : undefined;
    if (durationMs === undefined)
      throw problemAt(this.#expression, node.start, 'the length of the window must be a duration', DURATION_HINT);
    if (durationMs <= 0) throw problemAt(this.#expression, node.start, 'a window of no length never holds a value', DURATION_HINT);
    if (durationMs > WINDOW_MAX_MS) throw problemAt(this.#expression, node.start, 'a window is at most 400d long', DURATION_HINT);
    return Math.round(durationMs * MICROSECONDS_PER_MS);
  }

  /** `timeAbove(temperature, 8, '30d') > '10h'`: what is compared with a time in seconds may be written as a duration. */
  #durationLiterals(node: CelNode): void {
    const [left, right] = childrenOf(node);
    for (const [side, other] of [
      [left, right],
      [right, left],
    ]) {
      const name = side === undefined ? undefined : callOf(side)?.name;
      const literal = literalOf(other);
      if (other === undefined || typeof literal !== 'string' || !HOLD_FUNCTIONS.some((known) => known === name)) continue;
      const durationMs = parseDurationMs(literal);
      if (durationMs === undefined) throw problemAt(this.#expression, other.start, `${literal} is no duration`, DURATION_HINT);
      other.args = durationMs / 1000;
    }
  }

  /** The node means the input from here on, for CEL too. */
  #refer(node: CelNode, key: string, reference: Reference): void {
    this.references.set(node, reference);
    this.byKey.set(key, reference);
    if (reference.type !== null) this.#scope.types.set(key, reference.type);
    const isItself = node.op === 'id' || callOf(node)?.name === 'metric';
    if (!isItself || reference.kind !== 'metric')
      node.setMeta('alternate', this.#scope.environment.parse(`metric(${JSON.stringify(key)})`).ast);
  }

  #textOf(node: CelNode): string {
    return this.#expression.text.slice(node.start, node.end).replace(/\s+/g, ' ');
  }

  #problem(node: CelNode, message: string, hint: string): TocsinError {
    return problemAt(this.#expression, node.op === '.' && remoteName(node) === undefined ? node.pos : node.start, message, hint);
  }
}

/** Of `a.b.c` the node of `a.b`, which points at the b. */
function secondSegment(node: CelNode): CelNode {
  const left = childrenOf(node)[0];
  return left === undefined || left.op === 'id' ? node : secondSegment(left);
}

export function problemAt(expression: Expression, offset: number, message: string, hint?: string): TocsinError {
  return new TocsinError(message, { place: renderPlace(placeIn(expression, offset)), ...(hint === undefined ? {} : { hint }) });
}
