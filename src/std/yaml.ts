/**
 * A YAML file whose every value and key can be traced back to `file:line:column`. Keys given twice, several documents in
 * one file and aliases that expand without end are problems, never surprises.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, Scalar } from 'yaml';
import { messageOf, TocsinError } from './errors.ts';

export interface YamlFile {
  readonly path: string;
  /** Plain data; null for an empty file. */
  readonly value: unknown;
  /** The exact position of the value at this path, or of its key; of the nearest enclosing value when there is none. */
  position(at: readonly PropertyKey[], part?: 'key' | 'value'): { line: number; column: number };
  /** The same as `file:line:column`. */
  place(at: readonly PropertyKey[], part?: 'key' | 'value'): string;
  /**
   * Where the first visible character of the text at this path stands: inside its quotes, below the `|` of a block, and behind
   * an alias where the text itself is written. For errors that point into a text.
   */
  textPosition(at: readonly PropertyKey[]): { line: number; column: number };
}

const ALIASES_MAX = 100;

/** @returns no file when it is not YAML; `problems` then says where. */
export function parseYaml(source: { path: string; text: string }): { file: YamlFile | null; problems: TocsinError[] } {
  const lines = new LineCounter();
  const documents = parseAllDocuments(source.text, { lineCounter: lines, prettyErrors: false });
  const placeOf = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const render = (offset: number) => {
    const { line, column } = placeOf(offset);
    return `${source.path}:${line}:${column}`;
  };
  const document: Document | undefined = Array.isArray(documents) ? documents[0] : undefined;
  const problems = (document?.errors ?? []).map((error) => new TocsinError(oneLine(error.message), { place: render(error.pos[0]) }));
  if (Array.isArray(documents) && documents.length > 1) {
    const second = documents[1]?.contents?.range?.[0] ?? 0;
    problems.push(new TocsinError('a second YAML document begins here', { place: render(second), hint: 'one document a file: split it' }));
  }
  if (problems.length > 0) return { file: null, problems };
  let value: unknown = null;
  try {
    value = document?.toJS({ maxAliasCount: ALIASES_MAX }) ?? null;
  } catch (cause) {
    return { file: null, problems: [new TocsinError(oneLine(messageOf(cause)), { place: `${source.path}:1:1`, cause })] };
  }
  const position = (at: readonly PropertyKey[], part: 'key' | 'value' = 'value') => placeOf(find(document, at, part).offset);
  const file: YamlFile = {
    path: source.path,
    value,
    position,
    place(at, part) {
      const { line, column } = position(at, part);
      return `${source.path}:${line}:${column}`;
    },
    textPosition(at) {
      const { node, offset } = find(document, at, 'value');
      return placeOf(textOffset(resolved(document, node), source.text) ?? offset);
    },
  };
  return { file, problems: [] };
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ');

/** The node at a path, or the nearest enclosing one that there is, and where it begins. Aliases on the way are followed. */
function find(document: Document | undefined, at: readonly PropertyKey[], part: 'key' | 'value'): { node: unknown; offset: number } {
  let node: unknown = document?.contents ?? null;
  let offset = startOf(node) ?? 0;
  for (const [index, key] of at.entries()) {
    const isLast = index === at.length - 1;
    const parent = resolved(document, node);
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) break;
      // A key without a value (`rules:`) is shown by its key: the empty value stands nowhere a person would look.
      const valueIsEmpty = isScalar(pair.value) && pair.value.value === null && pair.value.source === '';
      offset =
        (isLast && part === 'key') || valueIsEmpty ? (startOf(pair.key) ?? offset) : (startOf(pair.value) ?? startOf(pair.key) ?? offset);
      node = pair.value;
    } else if (isSeq(parent)) {
      node = parent.items[Number(key)];
      offset = startOf(node) ?? offset;
    } else {
      break;
    }
  }
  return { node, offset };
}

const resolved = (document: Document | undefined, node: unknown): unknown =>
  isAlias(node) && document !== undefined ? node.resolve(document) : node;

function textOffset(node: unknown, text: string): number | undefined {
  const start = startOf(node);
  if (!isScalar(node) || start === undefined) return start;
  const isQuoted = node.type === Scalar.QUOTE_DOUBLE || node.type === Scalar.QUOTE_SINGLE;
  const isBlock = node.type === Scalar.BLOCK_LITERAL || node.type === Scalar.BLOCK_FOLDED;
  const body = isQuoted ? start + 1 : isBlock ? text.indexOf('\n', start) + 1 : start;
  return body + Math.max(0, text.slice(body, node.range?.[1] ?? body).search(/\S/));
}

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0] ?? undefined;
