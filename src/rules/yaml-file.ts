/**
 * A YAML file read strictly: every problem is collected with its place, unknown keys are refused with a hint, and a text
 * knows where its first character stands, so that an error inside an expression can point at the exact spot.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, Scalar, type YAMLMap } from 'yaml';
import { type Place, renderPlace } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import { hintFor } from '../std/form.ts';

export interface Entry {
  readonly key: string;
  readonly keyNode: unknown;
  readonly value: unknown;
}

export class YamlFile {
  readonly path: string;
  readonly problems: TocsinError[] = [];
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;

  constructor(path: string, text: string) {
    this.path = path;
    this.#text = text;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    for (const error of this.#document.errors) {
      this.problems.push(new TocsinError(error.message, { place: renderPlace(this.#placeAt(error.pos[0])) }));
    }
  }

  get root(): unknown {
    return this.#document.contents;
  }

  /** Where a node begins; for a quoted or block text, where its first character stands. */
  placeOf(node: unknown): Place {
    const start = hasRange(node) ? node.range[0] : 0;
    if (!isScalar(node)) return this.#placeAt(start);
    if (node.type === Scalar.QUOTE_DOUBLE || node.type === Scalar.QUOTE_SINGLE) return this.#placeAt(start + 1);
    if (node.type !== Scalar.BLOCK_LITERAL && node.type !== Scalar.BLOCK_FOLDED) return this.#placeAt(start);
    const body = this.#text.indexOf('\n', start) + 1;
    return this.#placeAt(body + Math.max(0, this.#text.slice(body).search(/\S/)));
  }

  report(node: unknown, message: string, hint?: string): void {
    this.problems.push(new TocsinError(message, { place: renderPlace(this.placeOf(node)), ...(hint === undefined ? {} : { hint }) }));
  }

  /** The node itself, or what an alias stands for. */
  resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  map(node: unknown, what: string): YAMLMap | undefined {
    const target = this.resolve(node);
    if (isMap(target)) return target;
    this.report(node, `${what} must be a map of keys and values`);
    return undefined;
  }

  list(node: unknown, what: string): unknown[] | undefined {
    const target = this.resolve(node);
    if (isSeq(target)) return target.items;
    this.report(node, `${what} must be a list`);
    return undefined;
  }

  entries(map: YAMLMap): Entry[] {
    const entries: Entry[] = [];
    for (const pair of map.items) {
      const key = this.resolve(pair.key);
      if (isScalar(key)) entries.push({ key: String(key.value), keyNode: key, value: pair.value });
      else this.report(pair.key, 'a key must be plain text');
    }
    return entries;
  }

  /** The map's entries by key. A key that is not `known` is a problem; one in `later` is refused as not supported yet. */
  fields(map: YAMLMap, known: readonly string[], later: Readonly<Record<string, string>> = {}): Map<string, Entry> {
    const fields = new Map<string, Entry>();
    for (const entry of this.entries(map)) {
      if (known.includes(entry.key)) fields.set(entry.key, entry);
      else if (Object.hasOwn(later, entry.key)) this.report(entry.keyNode, `${entry.key} is not supported yet`, later[entry.key]);
      else this.report(entry.keyNode, `unknown key ${entry.key}`, hintFor(entry.key, known));
    }
    return fields;
  }

  text(node: unknown, what: string): string | undefined {
    const target = this.resolve(node);
    if (isScalar(target) && typeof target.value === 'string' && target.value !== '') return target.value;
    this.report(node, `${what} must be a text`);
    return undefined;
  }

  /** Text, or a number or truth value as it is written: what people give as label values. */
  word(node: unknown, what: string): string | undefined {
    const target = this.resolve(node);
    if (isScalar(target) && ['string', 'number', 'boolean'].includes(typeof target.value)) return String(target.value);
    this.report(node, `${what} must be a text`);
    return undefined;
  }

  #placeAt(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.path, line: Math.max(1, line), column: Math.max(1, col) };
  }
}

function hasRange(node: unknown): node is Node & { range: [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}
