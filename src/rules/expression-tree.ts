/**
 * The parsed CEL expression as we walk it. The library types its nodes as read-only and leaves out what its own macros
 * use; the guard below checks at run time everything that is relied on here.
 */
export interface CelNode {
  readonly op: string;
  args: unknown;
  readonly start: number;
  /** Where the node is best pointed at: for `a.b` the `b`. */
  readonly pos: number;
  readonly checkedType?: { readonly name: string };
  handle?: (left: unknown, right: unknown, node: CelNode, evaluator: unknown) => unknown;
  readonly meta: Readonly<Record<string, unknown>>;
  setMeta(key: string, value: unknown): unknown;
}

export function isCelNode(value: unknown): value is CelNode {
  return (
    typeof value === 'object' &&
    value !== null &&
    'op' in value &&
    typeof value.op === 'string' &&
    'args' in value &&
    'start' in value &&
    typeof value.start === 'number' &&
    'setMeta' in value &&
    typeof value.setMeta === 'function'
  );
}

/** The node's direct children, in the order of the text. A macro's children are its written arguments. */
export function childrenOf(node: CelNode): CelNode[] {
  if (isCelNode(node.args)) return [node.args];
  return Array.isArray(node.args) ? node.args.flat(2).filter(isCelNode) : [];
}

/** `a.b.c` → ['a', 'b', 'c']; undefined for anything else. */
export function dottedName(node: CelNode): string[] | undefined {
  if (node.op === 'id' && typeof node.args === 'string') return [node.args];
  if (node.op !== '.' || !Array.isArray(node.args)) return undefined;
  const [left, name] = node.args;
  const base = isCelNode(left) ? dottedName(left) : undefined;
  return base === undefined || typeof name !== 'string' ? undefined : [...base, name];
}

/** The function's name and arguments, for a call such as `metric("x")`. */
export function callOf(node: CelNode): { name: string; args: CelNode[] } | undefined {
  if (node.op !== 'call' || !Array.isArray(node.args)) return undefined;
  const [name, args] = node.args;
  return typeof name === 'string' && Array.isArray(args) ? { name, args: args.filter(isCelNode) } : undefined;
}

export function literalOf(node: CelNode | undefined): unknown {
  return node?.op === 'value' ? node.args : undefined;
}
