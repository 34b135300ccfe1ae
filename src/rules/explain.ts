/**
 * A condition explained: its value, and that of each of its parts, down to the readings, limits and windows it is made of,
 * with why a part is unknown. Looking changes nothing: windows are asked through copies.
 *
 * The whole has the value that the engine gives it. Parts below `&&`, `||` and `!` follow from their own parts, every other
 * part is compiled by itself from its own piece of the text.
 */
import { MICROSECONDS_PER_MILLISECOND, type Value } from '../domain/reading.ts';
import { placeIn, renderPlace } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import { formatDurationMs } from '../std/quantity.ts';
import type { Anatomy, Compiled } from './condition.ts';
import { type CelNode, childrenOf, dottedName, literalOf } from './expression-tree.ts';
import { fastPath, type Reference, readInput } from './fast-path.ts';
import { type Cell, type Frame, holds, isFresh, isRemoteFresh, type RemoteCell } from './frame.ts';
import { formatValue } from './summary.ts';

export type PartKind =
  | 'and'
  | 'or'
  | 'not'
  | 'comparison'
  | 'expression'
  | 'metric'
  | 'remote'
  | 'window'
  | 'stale'
  | 'aggregate'
  | 'limit'
  | 'device'
  | 'literal';

/** Times are µs of event time of the device that the value is of. */
export interface PartView {
  readonly kind: PartKind;
  /** As it is written. */
  readonly text: string;
  /** Null is unknown. */
  readonly value: Value | null;
  /** Why it is unknown. */
  readonly why?: string;
  /** Of a metric: when its value was measured, how old that is, and how old it may be. Also of one too old to count. */
  readonly at?: number;
  readonly ageMs?: number;
  readonly maxGapMs?: number;
  readonly isFresh?: boolean;
  /** Of one too old to count: the value that it had. */
  readonly last?: Value;
  /** Of a window: its length, what it holds, and the bound of timeAbove and timeBelow. */
  readonly windowMs?: number;
  readonly samples?: number;
  readonly samplesUnit?: string;
  readonly bound?: number;
  /** Of an aggregate: what each member contributes, the first ones. */
  readonly members?: readonly MemberView[];
  readonly memberCount?: number;
  readonly parts: readonly PartView[];
}

/** What one device contributes to an aggregate of its group. */
export interface MemberView {
  readonly device: string;
  /** Null: nothing. */
  readonly value: number | null;
  readonly why?: string;
}

export interface ConditionView {
  /** `file:line:column` */
  readonly place: string;
  readonly text: string;
  /** Null is unknown. */
  readonly value: boolean | null;
  /** The parts that made it so, in words. */
  readonly because: string;
  readonly tree: PartView;
}

/** Members of a group, of an aggregate by its index; the frame cannot say who they are. */
export type MembersOf = (aggregate: number, now: number) => readonly MemberView[];

const MEMBERS_SHOWN_MAX = 50;
const COMPARISONS = ['<', '<=', '>', '>=', '==', '!=', 'in'];
const COLLECTIONS = ['list', 'map'];

/** @param frame as the condition is evaluated on; its failure is taken. Its windows may be moved: see `withCopiedWindows`. */
export function explainCondition(condition: Compiled<boolean>, frame: Frame, membersOf: MembersOf = () => []): ConditionView {
  const { anatomy } = condition;
  const { expression } = anatomy;
  frame.failure = null;
  const value = condition.evaluate(frame) ?? null;
  const failure = value === null ? frame.failure : null;
  const tree = new Walk(anatomy, frame, membersOf).part(anatomy.tree);
  const whole: PartView = { ...tree, value, ...(failure !== null && tree.why === undefined && { why: failure }) };
  return { place: renderPlace(placeIn(expression, 0)), text: expression.text, value, because: becauseOf(whole), tree: whole };
}

/** A frame to look at: what is asked of its windows leaves the real ones as they are. */
export function withCopiedWindows(frame: Frame): Frame {
  const { inputs } = frame;
  const windows = inputs.windows.map((window) => window.copy());
  return { ...frame, inputs: { windows, remotes: inputs.remotes, aggregate: (index, now) => inputs.aggregate(index, now) } };
}

class Walk {
  readonly #anatomy: Anatomy;
  readonly #frame: Frame;
  readonly #membersOf: MembersOf;

  constructor(anatomy: Anatomy, frame: Frame, membersOf: MembersOf) {
    this.#anatomy = anatomy;
    this.#frame = frame;
    this.#membersOf = membersOf;
  }

  part(node: CelNode): PartView {
    const { references, expression } = this.#anatomy;
    const text = pieceOf(expression.text, node);
    const reference = references.get(node);
    if (reference !== undefined) return this.#input(reference, text);
    const literal = literalOf(node);
    if (typeof literal === 'number' || typeof literal === 'string' || typeof literal === 'boolean') {
      return { kind: 'literal', text, value: literal, parts: [] };
    }
    const [root, name] = dottedName(node) ?? [];
    if (root === 'limits' && name !== undefined) return this.#limit(name, text);
    if (root === 'device') return this.#evaluated('device', node, text, []);
    if (node.op === '&&' || node.op === '||') return this.#connective(node.op, node, text);
    if (node.op === '!_') return this.#negation(node, text);
    return this.#evaluated(COMPARISONS.includes(node.op) ? 'comparison' : 'expression', node, text, this.#partsBelow(node));
  }

  /** What a node is made of. Within `list.exists(x, …)` the names are not ours to ask: what it reads is all that is shown. */
  #partsBelow(node: CelNode): PartView[] {
    const isMacro = node.meta.alternate !== undefined || node.meta.macro !== undefined;
    if (isMacro) return this.#inputsBelow(node);
    return childrenOf(node).flatMap((child) => (COLLECTIONS.includes(child.op) ? this.#partsBelow(child) : [this.part(child)]));
  }

  #inputsBelow(node: CelNode): PartView[] {
    if (this.#anatomy.references.has(node)) return [this.part(node)];
    return childrenOf(node).flatMap((child) => this.#inputsBelow(child));
  }

  /** `a && b && c` is one list of three. */
  #connective(op: '&&' | '||', node: CelNode, text: string): PartView {
    const flat = (child: CelNode): CelNode[] => (child.op === op ? childrenOf(child).flatMap(flat) : [child]);
    const parts = flat(node).map((child) => this.part(child));
    const decisive = op === '||';
    const isDecided = parts.some(({ value }) => value === decisive);
    const value = isDecided ? decisive : parts.every((part) => part.value === !decisive) ? !decisive : null;
    return { kind: op === '&&' ? 'and' : 'or', text, value, parts };
  }

  #negation(node: CelNode, text: string): PartView {
    const parts = childrenOf(node).map((child) => this.part(child));
    const value = parts[0]?.value;
    return { kind: 'not', text, value: typeof value === 'boolean' ? !value : null, parts };
  }

  #evaluated(kind: PartKind, node: CelNode, text: string, parts: readonly PartView[]): PartView {
    const frame = this.#frame;
    frame.failure = null;
    let value: Value | undefined;
    try {
      // Plain closures say in words what CEL says in types.
      const fast = kind === 'comparison' ? fastPath(node, this.#anatomy.references) : undefined;
      value = (fast ?? this.#anatomy.compilePart(text))(frame);
    } catch (error) {
      if (!(error instanceof TocsinError)) throw error;
      frame.failure = error.message;
    }
    if (value !== undefined) return { kind, text, value, parts };
    const isMissing = parts.some((part) => part.value === null);
    const why = frame.failure ?? (isMissing || kind === 'comparison' ? undefined : `${text} is not a finite number`);
    return { kind, text, value: null, ...(why !== undefined && { why }), parts };
  }

  #limit(name: string, text: string): PartView {
    const value = Object.hasOwn(this.#frame.limits, name) ? this.#frame.limits[name] : undefined;
    if (value !== undefined) return { kind: 'limit', text, value, parts: [] };
    return { kind: 'limit', text, value: null, why: `no limit ${name} is set for this device`, parts: [] };
  }

  #input(reference: Reference, text: string): PartView {
    const frame = this.#frame;
    const value = readInput(reference)(frame) ?? null;
    const { kind, index } = reference;
    switch (kind) {
      case 'metric':
        return { kind, text, value, ...metricFacts(frame, frame.cells[index]), parts: [] };
      case 'remote':
        return { kind, text, value, ...remoteFacts(frame, frame.inputs.remotes[index]), parts: [] };
      case 'stale':
        return { kind, text, value, ...staleFacts(frame, frame.cells[index], reference), parts: [] };
      case 'window':
        return { kind, text, value, ...this.#windowFacts(index, value), parts: [] };
      case 'aggregate':
        return { kind, text, value, ...this.#aggregateFacts(index, value), parts: [] };
    }
  }

  #windowFacts(index: number, value: Value | null): Partial<PartView> {
    const input = this.#anatomy.inputs.windows[index];
    const window = this.#frame.inputs.windows[index];
    if (input === undefined || window === undefined) return { why: 'there is no such window' };
    const { size, sizeUnit } = window;
    const bound = input.threshold?.(this.#frame);
    const length = formatDurationMs(input.durationUs / MICROSECONDS_PER_MILLISECOND);
    const only = size === 1 ? `only one sample of ${input.metric}, and ${input.function}() compares two` : undefined;
    const empty = `the window is empty: no value of ${input.metric} in the last ${length}`;
    return {
      windowMs: input.durationUs / MICROSECONDS_PER_MILLISECOND,
      samples: size,
      samplesUnit: sizeUnit,
      ...(bound !== undefined && !Number.isNaN(bound) && { bound }),
      ...(value === null && { why: size === 0 ? empty : (only ?? `${input.function}() of it is not a finite number`) }),
    };
  }

  #aggregateFacts(index: number, value: Value | null): Partial<PartView> {
    const members = this.#membersOf(index, this.#frame.now);
    // Those that say nothing are what one looks for.
    const order = [...members].sort((left, right) => Number(left.value !== null) - Number(right.value !== null));
    return {
      members: order.slice(0, MEMBERS_SHOWN_MAX),
      memberCount: members.length,
      ...(value === null && { why: 'no member has a value that is fresh' }),
    };
  }
}

function metricFacts(frame: Frame, cell: Cell | undefined): Partial<PartView> {
  if (cell === undefined || cell.value === undefined)
    return { why: `no value${cell === undefined ? '' : ` of ${cell.name}`} has come yet` };
  const ageUs = frame.now - cell.at;
  return aged({ cell, name: cell.name, ageUs, maxGapUs: frame.maxGapUs(), fresh: isFresh(frame, cell) });
}

function remoteFacts(frame: Frame, remote: RemoteCell | undefined): Partial<PartView> {
  if (remote === undefined) return {};
  const { cell, device } = remote;
  const name = `${cell.name} of ${device}`;
  if (cell.value === undefined) return { why: `no value of ${name} has come yet` };
  const ageUs = frame.now + frame.clockOffsetUs - (cell.at + remote.clockOffsetUs());
  return aged({ cell, name, ageUs, maxGapUs: remote.maxGapUs(), fresh: isRemoteFresh(frame, remote) });
}

function aged(given: { cell: Cell; name: string; ageUs: number; maxGapUs: number; fresh: boolean }): Partial<PartView> {
  const { cell, name, ageUs, maxGapUs, fresh } = given;
  const facts = { at: cell.at, ageMs: toMs(ageUs), ...(!holds(cell) && { maxGapMs: toMs(maxGapUs) }), isFresh: fresh };
  if (fresh) return facts;
  const last = formatValue(cell.value);
  const why = `${name} is too old by ${duration(ageUs - maxGapUs)}: ${last} is ${duration(ageUs)} old, and counts for ${duration(maxGapUs)}`;
  return { ...facts, ...(cell.value !== undefined && { last: cell.value }), why };
}

function staleFacts(frame: Frame, cell: Cell | undefined, { durationUs = 0 }: Reference): Partial<PartView> {
  if (cell === undefined || cell.value === undefined) {
    return {
      windowMs: toMs(durationUs),
      why: `${cell?.name ?? 'it'} never had a value: noData counts from the registration, stale() does not`,
    };
  }
  return { at: cell.at, ageMs: toMs(frame.now - cell.at), windowMs: toMs(durationUs) };
}

/** What made a condition what it is: the parts that decided, in words. */
function becauseOf(part: PartView): string {
  const decisive = [...new Set(decisiveIn(part).map(inWords))].filter((text) => text !== '');
  return decisive.join('; ');
}

function decisiveIn(part: PartView): PartView[] {
  const { kind, value, parts } = part;
  if (kind === 'not') return parts.flatMap(decisiveIn);
  if (kind !== 'and' && kind !== 'or') return [part];
  // Of an and, one false is enough; of an or, one true. Otherwise all of them had a part in it.
  return parts.filter((child) => child.value === value).flatMap(decisiveIn);
}

function inWords(part: PartView): string {
  if (part.value === null) return [...new Set(whysIn(part))].join('; ');
  if (part.kind !== 'comparison' && part.kind !== 'expression') return `${part.text} is ${formatValue(part.value)}`;
  const known = part.parts.filter(({ kind }) => kind !== 'literal');
  if (known.length === 0) return `${part.text} is ${formatValue(part.value)}`;
  return known.map(({ text, value }) => `${text} is ${formatValue(value)}`).join(', ');
}

/** The innermost reasons come first: those further out follow from them. */
function whysIn(part: PartView): string[] {
  const below = part.parts.filter(({ value }) => value === null).flatMap(whysIn);
  if (below.length > 0) return below;
  return part.why === undefined ? [] : [part.why];
}

/** As it is written. The tree leaves out parentheses around the first and the last thing in a part: they are found again. */
function pieceOf(text: string, node: CelNode): string {
  let { start, end } = node;
  let { opens, closes } = unbalanced(text.slice(start, end));
  for (; closes > 0 && start > 0; start--) if (text[start - 1] === '(') closes -= 1;
  for (; opens > 0 && end < text.length; end++) if (text[end] === ')') opens -= 1;
  return text.slice(start, end).replace(/\s+/g, ' ').trim();
}

function unbalanced(text: string): { opens: number; closes: number } {
  let opens = 0;
  let closes = 0;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (quote !== '') {
      if (character === '\\') at += 1;
      else if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '(') opens += 1;
    else if (character === ')' && opens > 0) opens -= 1;
    else if (character === ')') closes += 1;
  }
  return { opens, closes };
}

const toMs = (durationUs: number): number => durationUs / MICROSECONDS_PER_MILLISECOND;
const duration = (durationUs: number): string => formatDurationMs(toMs(durationUs));
