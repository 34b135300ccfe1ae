/**
 * Values under topics or topic filters, found by walking their levels: who subscribes to a topic (`match`, over filters) and which topics a
 * filter selects (`select`, over topics). The work grows with what is found, not with what is stored.
 *
 * As MQTT has it: `+` stands for one level, an empty one too; `a/#` includes `a`; a wildcard in the first level does not stand for one that
 * begins with `$`.
 */

interface Node<V> {
  /** Made when there is a first one: most nodes are leaves. */
  children: Map<string, Node<V>> | null;
  value: V | undefined;
}

export class TopicTree<V> {
  readonly #root: Node<V> = { children: null, value: undefined };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(name: string): V | undefined {
    let node: Node<V> | undefined = this.#root;
    for (const level of name.split('/')) node = node?.children?.get(level);
    return node?.value;
  }

  set(name: string, value: V): void {
    let node = this.#root;
    for (const level of name.split('/')) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (child === undefined) {
        child = { children: null, value: undefined };
        node.children.set(level, child);
      }
      node = child;
    }
    if (node.value === undefined) this.#size += 1;
    node.value = value;
  }

  delete(name: string): void {
    this.#delete(this.#root, name.split('/'), 0);
  }

  /** Visits the value of every filter that matches the topic. */
  match(topic: string, visit: (value: V) => void): void {
    matchFrom(this.#root, topic.split('/'), 0, visit);
  }

  /** The value of every topic that the filter selects; the tree may change meanwhile. */
  select(filter: string): Generator<V> {
    return selectFrom(this.#root, filter.split('/'), 0);
  }

  /** Answers whether the node is of no more use. */
  #delete(node: Node<V>, levels: readonly string[], index: number): boolean {
    const level = levels[index];
    if (level === undefined) {
      if (node.value !== undefined) this.#size -= 1;
      node.value = undefined;
    } else {
      const child = node.children?.get(level);
      if (child !== undefined && this.#delete(child, levels, index + 1)) node.children?.delete(level);
      if (node.children?.size === 0) node.children = null;
    }
    return node.value === undefined && node.children === null;
  }
}

function matchFrom<V>(node: Node<V>, levels: readonly string[], index: number, visit: (value: V) => void): void {
  const { children } = node;
  const level = levels[index];
  const isHidden = index === 0 && level?.startsWith('$') === true;
  if (children !== null && !isHidden) {
    const rest = children.get('#')?.value;
    if (rest !== undefined) visit(rest);
  }
  if (level === undefined) {
    if (node.value !== undefined) visit(node.value);
    return;
  }
  if (children === null) return;
  const any = isHidden ? undefined : children.get('+');
  if (any !== undefined) matchFrom(any, levels, index + 1, visit);
  const same = children.get(level);
  if (same !== undefined) matchFrom(same, levels, index + 1, visit);
}

function* selectFrom<V>(node: Node<V>, levels: readonly string[], index: number): Generator<V> {
  const level = levels[index];
  if (level === undefined) {
    if (node.value !== undefined) yield node.value;
  } else if (level === '#') {
    yield* below(node, index === 0);
  } else if (level === '+') {
    for (const [name, child] of node.children ?? []) if (index > 0 || !name.startsWith('$')) yield* selectFrom(child, levels, index + 1);
  } else {
    const child = node.children?.get(level);
    if (child !== undefined) yield* selectFrom(child, levels, index + 1);
  }
}

function* below<V>(node: Node<V>, isRoot: boolean): Generator<V> {
  if (node.value !== undefined) yield node.value;
  for (const [name, child] of node.children ?? []) if (!isRoot || !name.startsWith('$')) yield* below(child, false);
}
