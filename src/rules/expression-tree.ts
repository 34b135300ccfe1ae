/**
 * The parsed CEL expression as we walk it. The library types its nodes as read-only and leaves out what its own macros
 * use; the guard below checks at run time everything that is relied on here.
 */
export interface CelNode {
  readonly op: string;
  args: unknown;
  readonly start: number;
  readonly end: number;
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
    'end' in value &&
    typeof value.end === 'number' &&
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

/** `device('door-1').open` and `device('door-1').metric('pm2.5')` → the device and its metric; undefined for anything else. */
export function remoteName(node: CelNode): { device: string; metric: string } | undefined {
  if (node.op === 'rcall' && Array.isArray(node.args) && node.args[0] === 'metric') {
    const [receiver, argument] = childrenOf(node);
    const device = receiver === undefined ? undefined : deviceOf(receiver);
    const metric = literalOf(argument);
    return device !== undefined && typeof metric === 'string' ? { device, metric } : undefined;
  }
  const path: string[] = [];
  let left: CelNode | undefined = node;
  while (left?.op === '.' && Array.isArray(left.args)) {
    path.unshift(String(left.args[1]));
    left = childrenOf(left)[0];
  }
  const device = left === undefined ? undefined : deviceOf(left);
  return device === undefined || path.length === 0 ? undefined : { device, metric: path.join('.') };
}

function deviceOf(node: CelNode): string | undefined {
  const call = callOf(node);
  const id = call?.name === 'device' && call.args.length === 1 ? literalOf(call.args[0]) : undefined;
  return typeof id === 'string' ? id : undefined;
}

/** The arguments of the call that begins at `start`, as they are written, each with where its first character stands. */
export function argumentTexts(text: string, start: number): { text: string; start: number }[] {
  const open = text.indexOf('(', start);
  const found: { text: string; start: number }[] = [];
  let depth = 0;
  let from = open + 1;
  let quote = '';
  const take = (end: number): void => {
    const raw = text.slice(from, end);
    if (raw.trim() !== '') found.push({ text: raw.trim(), start: from + raw.length - raw.trimStart().length });
    from = end + 1;
  };
  for (let at = open; at >= 0 && at < text.length; at++) {
    const character = text[at] ?? '';
    if (quote !== '') {
      if (character === '\\') at += 1;
      else if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if ('([{'.includes(character)) depth += 1;
    else if (')]}'.includes(character)) {
      depth -= 1;
      if (depth > 0) continue;
      take(at);
      break;
    } else if (character === ',' && depth === 1) take(at);
  }
  return found;
}
