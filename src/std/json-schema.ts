/**
 * JSON Schemas (draft 2020-12) of what people write in YAML, for their editors: made from the validators, so that the two agree.
 * A validator that is a function (`z.unknown().transform(…)`) says beside it what it takes, by `written`; what an editor shows
 * at a key is the validator's `.describe(…)`, to which the default is added.
 */
import * as z from 'zod';

export type JsonSchema = Readonly<Record<string, unknown>>;

interface Written {
  readonly json: JsonSchema;
  /** What the validator gives, as people write it: a default is kept as the former. */
  readonly show?: (value: unknown) => unknown;
}

const WRITTEN = z.registry<Written>();
const NOTHING: JsonSchema = { not: {} };
/** `${NAME}`, which may stand for any value, or for a part of a text. */
const REFERENCE = '\\$\\{';
const LEAF_TYPES: readonly unknown[] = ['integer', 'number', 'boolean'];

/** @returns the validator itself, which from now on is described by `json`, beside what zod knows of it */
export function written<Form extends z.ZodType>(form: Form, json: JsonSchema, show?: (value: unknown) => unknown): Form {
  WRITTEN.add(form, show === undefined ? { json } : { json, show });
  return form;
}

/** The validator of a key that is only there to say why it is refused: no editor shall offer it. */
export const unwritten = <Form extends z.ZodType>(form: Form): Form => written(form, NOTHING);

export const isUnwritten = (form: z.core.$ZodType): boolean => WRITTEN.get(form)?.json === NOTHING;

/** @param options `references`: a value may be `${NAME}`, whatever its type */
export function jsonSchemaOf(form: z.ZodType, options: { title: string; references?: boolean }): JsonSchema {
  const { $schema, ...schema } = unfinished(form);
  return { $schema, title: options.title, ...finished(schema, options.references === true) };
}

/** The schema of a validator that another one calls, for what is `written` of that one. */
export function partOf(form: z.ZodType): JsonSchema {
  const { $schema: _, ...schema } = unfinished(form);
  return schema;
}

/** One of several; a part that is a choice itself is laid open, so that references find their place in it. */
export const either = (...parts: readonly JsonSchema[]): JsonSchema => ({
  anyOf: parts.flatMap((part): readonly unknown[] => (Array.isArray(part.anyOf) ? part.anyOf : [part])),
});

function unfinished(form: z.ZodType): JsonSchema {
  return z.toJSONSchema(form, {
    io: 'input',
    override({ zodSchema, jsonSchema }) {
      const own = WRITTEN.get(zodSchema);
      if (own !== undefined) Object.assign(jsonSchema, own.json);
      // zod leaves out what was said of a transforming validator, as it could speak of the result. Here it never does.
      const examples = z.globalRegistry.get(zodSchema)?.examples;
      if (examples !== undefined) Object.assign(jsonSchema, { examples });
      if (zodSchema instanceof z.ZodDefault) {
        const inner = WRITTEN.get(zodSchema.def.innerType);
        const { defaultValue } = zodSchema.def;
        if (inner !== undefined) Object.assign(jsonSchema, { default: inner.show === undefined ? defaultValue : inner.show(defaultValue) });
      }
    },
  });
}

/** One schema in its final form: the default in its description, references allowed, keys that are refused left out. */
function finished(node: unknown, references: boolean, isBranch = false): JsonSchema {
  if (!isSchema(node)) return {};
  const result: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(node)) {
    if (keyword === 'properties' || keyword === 'patternProperties') {
      const kept = Object.entries(isSchema(value) ? value : {}).filter(([, property]) => !isNothing(property));
      result[keyword] = Object.fromEntries(kept.map(([name, property]) => [name, finished(property, references)]));
    } else if (keyword === 'items' || (keyword === 'additionalProperties' && isSchema(value))) {
      result[keyword] = finished(value, references);
    } else if (keyword === 'anyOf' && Array.isArray(value)) {
      result[keyword] = value.map((branch: unknown) => finished(branch, references, true));
    } else if (!isSchema(value) || !(isEmptyDefault(keyword, value) || isAnyName(keyword, value))) {
      result[keyword] = value;
    }
  }
  const ordered = { ...saidBy(result), ...result };
  const { description, default: standard } = ordered;
  if (typeof description === 'string' && standard !== undefined && !isEmptyList(standard)) {
    ordered.description = `${description} Default: ${typeof standard === 'string' ? standard : JSON.stringify(standard)}.`;
  }
  return references && !isBranch ? withReferences(ordered) : ordered;
}

/** What a schema tells people, in the order in which it is read. */
function saidBy({ description, default: standard, examples }: JsonSchema): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ description, default: standard, examples }).filter(([, value]) => value !== undefined));
}

function withReferences(node: Record<string, unknown>): JsonSchema {
  const reference = { type: 'string', pattern: REFERENCE };
  if (typeof node.pattern === 'string') return { ...node, pattern: `(?:${node.pattern})|${REFERENCE}` };
  if (Array.isArray(node.anyOf)) {
    const branches: unknown[] = node.anyOf;
    const text = branches.find((branch) => isSchema(branch) && branch.type === 'string');
    if (isSchema(text) && typeof text.pattern === 'string') {
      return { ...node, anyOf: branches.map((branch) => (branch === text ? withReferences({ ...text }) : branch)) };
    }
    return text === undefined && branches.some(isLeaf) ? { ...node, anyOf: [...branches, reference] } : node;
  }
  if (!isLeaf(node)) return node;
  const { description: _description, default: _default, examples: _examples, ...rest } = node;
  return { ...saidBy(node), anyOf: [rest, reference] };
}

const isSchema = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isLeaf = (node: unknown): boolean => isSchema(node) && (LEAF_TYPES.includes(node.type) || 'enum' in node || 'const' in node);
const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
const isNothing = (node: unknown): boolean => JSON.stringify(node) === JSON.stringify(NOTHING);
/** A mapping that may be left out stands for an empty one: nothing to tell a person. */
const isEmptyDefault = (keyword: string, value: JsonSchema): boolean => keyword === 'default' && Object.keys(value).length === 0;
const isAnyName = (keyword: string, value: JsonSchema): boolean =>
  keyword === 'propertyNames' && JSON.stringify(value) === '{"type":"string"}';
