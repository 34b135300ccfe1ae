/**
 * A YAML file whose every value and key can be traced back to `file:line:column`. Keys given twice, several documents in
 * one file and aliases that expand without end are problems, never surprises.
 */
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { messageOf, TocsinError } from './errors.ts';

export interface YamlFile {
  readonly path: string;
  /** Plain data; null for an empty file. */
  readonly value: unknown;
  /** The exact position of the value at this path, or of its key; of the nearest enclosing value when there is none. */
  position(at: readonly PropertyKey[], part?: 'key' | 'value'): { line: number; column: number };
  /** The same as `file:line:column`. */
  place(at: readonly PropertyKey[], part?: 'key' | 'value'): string;
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
  const position = (at: readonly PropertyKey[], part: 'key' | 'value' = 'value') => placeOf(offsetOf(document?.contents ?? null, at, part));
  const file: YamlFile = {
    path: source.path,
    value,
    position,
    place(at, part) {
      const { line, column } = position(at, part);
      return `${source.path}:${line}:${column}`;
    },
  };
  return { file, problems: [] };
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ');

function offsetOf(root: unknown, at: readonly PropertyKey[], part: 'key' | 'value'): number {
  let node: unknown = root;
  let offset = startOf(root) ?? 0;
  for (const [index, key] of at.entries()) {
    const isLast = index === at.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) return offset;
      // A key without a value (`rules:`) is shown by its key: the empty value stands nowhere a person would look.
      const valueIsEmpty = isScalar(pair.value) && pair.value.value === null && pair.value.source === '';
      offset =
        (isLast && part === 'key') || valueIsEmpty ? (startOf(pair.key) ?? offset) : (startOf(pair.value) ?? startOf(pair.key) ?? offset);
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = startOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0] ?? undefined;
