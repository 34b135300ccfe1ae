/**
 * The form of what users write in YAML, on zod: durations, sizes and counts as people write them, unknown keys refused
 * with a suggestion, and every problem told in the words of the file (`expected text, found a number`) at its own place.
 * No message holds a value that could be a secret.
 */
import * as z from 'zod';
import { TocsinError } from './errors.ts';
import { either, isUnwritten, partOf, unwritten, written } from './json-schema.ts';
import { DURATION, formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes, SIZE } from './quantity.ts';

/** An object in which unknown keys are errors with "did you mean". `missing` is the hint when the whole object is left out. */
export function strictObject<Shape extends z.core.$ZodShape>(shape: Shape, missing?: string) {
  const known = Object.keys(shape).filter((key) => shape[key] !== undefined && !isUnwritten(shape[key]));
  // One line a key, in the order of `issue.keys`: problemsOf() gives each its own place.
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') return (issue.keys ?? []).map((key) => unknownKey(key, known)).join('\n');
      return missing === undefined ? undefined : `\t${missing}`;
    },
  });
}

/** For zod's own validators: what to do when a value is left out. */
export const whenMissing = (hint: string): { error: string } => ({ error: `\t${hint}` });

/** A key that people may try and that is refused, with the reason; left out it is nothing. */
export const refused = (message: string, hint: string) =>
  unwritten(
    z
      .unknown()
      .transform((value, context): undefined => (value === undefined ? undefined : refuse(context, message, hint)))
      .optional(),
  );

const POSITIVE_JSON = { type: 'string', pattern: DURATION.source };
const DURATION_JSON = [{ type: 'string', pattern: `^0$|${DURATION.source}` }, { const: 0 }];
const DURATION_EXAMPLES = ['500ms', '30s', '10m', '1h30m', '7d'];

export interface DurationLimits {
  readonly minMs?: number;
  readonly maxMs?: number;
}

/** A duration such as `10m`, in milliseconds; `0` needs no unit. */
export const duration = (limits: DurationLimits = {}) =>
  written(
    z.unknown().transform((value, context): number => {
      const milliseconds = durationOf(value);
      if (milliseconds === undefined)
        return refuse(context, 'expected a duration', `write a number with a unit: ${DURATION_EXAMPLES.join(', ')}`);
      return withinLimits(milliseconds, limits, context);
    }),
    { ...((limits.minMs ?? 0) > 0 ? POSITIVE_JSON : { anyOf: DURATION_JSON }), examples: DURATION_EXAMPLES },
    asWritten(showDuration),
  );

/** The same, or `off`, which is null. */
export const durationOrOff = (limits: DurationLimits = {}) =>
  written(
    z.unknown().transform((value, context): number | null => {
      if (value === 'off' || value === false) return null;
      const milliseconds = durationOf(value);
      if (milliseconds === undefined)
        return refuse(context, 'expected a duration or off', 'write a number with a unit: 30s, 10m, 7d; or off');
      return withinLimits(milliseconds, limits, context);
    }),
    { anyOf: [...DURATION_JSON, { enum: ['off', false] }], examples: ['30s', '10m', '7d', 'off'] },
    (value) => (value === null ? 'off' : asWritten(showDuration)(value)),
  );

/** A size such as `10GB`, or a plain number of bytes. */
export const size = () =>
  written(
    z.unknown().transform((value, context): number => {
      const bytes = typeof value === 'number' ? value : typeof value === 'string' ? parseSizeBytes(value) : undefined;
      if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0) return bytes;
      return refuse(context, 'expected a size', 'write a number with a unit: 64KB, 256MB, 10GB');
    }),
    {
      anyOf: [
        { type: 'string', pattern: SIZE.source },
        { type: 'integer', minimum: 0 },
      ],
      examples: ['64KB', '256MB', '10GB'],
    },
    asWritten(formatSizeBytes),
  );

/** A whole number from 0; text of digits too, as it comes from an environment variable. */
export const count = () =>
  written(
    z.unknown().transform((value, context): number => {
      const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
      if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return number;
      return refuse(context, 'expected a whole number, 0 or more');
    }),
    {
      anyOf: [
        { type: 'integer', minimum: 0 },
        { type: 'string', pattern: '^\\d{1,15}$' },
      ],
    },
  );

export const wholeNumber = (min: number, max: number) =>
  written(
    z.unknown().transform((value, context): number => {
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
      return refuse(context, `expected a whole number from ${min} to ${max}`);
    }),
    { type: 'integer', minimum: min, maximum: max },
  );

/** true or false; `"true"` and `"false"` too, as they come from an environment variable. */
export const flag = () =>
  written(
    z.unknown().transform((value, context): boolean => {
      if (value === true || value === 'true') return true;
      if (value === false || value === 'false') return false;
      return refuse(context, 'expected true or false');
    }),
    { enum: [true, false, 'true', 'false'] },
  );

/** Text, or a number or truth value, as people write the values of labels. */
export const word = () =>
  written(
    z.unknown().transform((value, context): string => {
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
      return refuse(context, 'expected text');
    }),
    { type: ['string', 'number', 'boolean'] },
  );

/** At least one name and none twice; a single text stands for a list of one. */
export const names = () =>
  written(
    z.unknown().transform((value, context): string[] => {
      const list: unknown[] = Array.isArray(value) ? value : [value];
      if (list.length === 0) return refuse(context, 'expected at least one name');
      return list.map((name, index): string => {
        const at = Array.isArray(value) ? [index] : [];
        if (typeof name !== 'string' || name.trim() === '') return refuse(context, 'expected a name, or a list of names', undefined, at);
        return list.indexOf(name) === index ? name : refuse(context, `${JSON.stringify(name)} stands in it twice`, undefined, at);
      });
    }),
    {
      anyOf: [
        { type: 'string', pattern: '\\S' },
        { type: 'array', items: { type: 'string', pattern: '\\S' }, minItems: 1, uniqueItems: true },
      ],
    },
  );

/** A mapping, or `off`, which is null. */
export const orOff = <Form extends z.ZodType>(form: Form, hint: string) =>
  written(
    z.unknown().transform((value, context): z.output<Form> | null => {
      if (value === 'off' || value === false) return null;
      if (typeof value !== 'object' || value === null) return refuse(context, 'expected a mapping or off', hint);
      return parsedBy(form, value, context);
    }),
    either(partOf(form), { enum: ['off', false] }),
  );

/** What another form makes of a part of the value: its problems become those of the whole. For use in `transform`. */
export function parsedBy<Form extends z.ZodType>(
  form: Form,
  value: unknown,
  context: z.core.$RefinementCtx<unknown>,
  at: readonly PropertyKey[] = [],
): z.output<Form> {
  const parsed = form.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) context.addIssue({ ...issue, path: [...at, ...issue.path] });
  return z.NEVER;
}

const durationOf = (value: unknown): number | undefined => {
  if (value === 0 || value === '0') return 0;
  const milliseconds = typeof value === 'string' ? parseDurationMs(value) : undefined;
  return milliseconds !== undefined && Number.isFinite(milliseconds) ? milliseconds : undefined;
};

const asWritten =
  (show: (value: number) => unknown) =>
  (value: unknown): unknown =>
    typeof value === 'number' ? show(value) : value;

const showDuration = (milliseconds: number): string => (milliseconds === 0 ? '0s' : formatDurationMs(milliseconds));

function withinLimits(milliseconds: number, { minMs = 0, maxMs }: DurationLimits, context: z.core.$RefinementCtx<unknown>): number {
  if (milliseconds < minMs)
    return refuse(context, minMs === 1 ? 'must be longer than nothing' : `expected at least ${showDuration(minMs)}`);
  return maxMs === undefined || milliseconds <= maxMs ? milliseconds : refuse(context, `expected at most ${showDuration(maxMs)}`);
}

/** Adds a problem with a hint; for use in `transform`. */
export function refuse(context: z.core.$RefinementCtx<unknown>, message: string, hint?: string, path: PropertyKey[] = []): never {
  context.addIssue({ code: 'custom', message, path, params: { hint } });
  return z.NEVER;
}

/** zod's issues as problems with places. `place` gives the position of a path in the file. */
export function problemsOf(
  error: z.ZodError,
  root: unknown,
  place: (at: readonly PropertyKey[], part: 'key' | 'value') => string,
): TocsinError[] {
  return error.issues.flatMap((issue): TocsinError[] => {
    if (issue.code === 'unrecognized_keys') {
      const messages = issue.message.split('\n');
      return issue.keys.map((key, index) => {
        const [message, hint] = (messages[index] ?? '').split('\t');
        return problem(message ?? '', hint, place([...issue.path, key], 'key'));
      });
    }
    const key = issue.path.at(-1);
    const found = valueAt(root, issue.path);
    const hint = issue.code === 'custom' ? hintOf(issue.params) : issue.message.split('\t')[1];
    if ((issue.code === 'invalid_type' || issue.code === 'custom') && found === undefined && typeof key === 'string')
      return [problem(`${key} is missing`, hint, place(issue.path.slice(0, -1), 'value'))];
    if (issue.code === 'invalid_type') {
      const quotes = issue.expected === 'string' && (typeof found === 'number' || typeof found === 'boolean');
      const message = `${label(key)}expected ${nameOf(issue.expected)}, found ${kindOf(found)}`;
      return [problem(message, quotes ? 'put it in quotes' : undefined, place(issue.path, 'value'))];
    }
    if (issue.code === 'invalid_value') {
      const options = issue.values.map(String);
      if (found === undefined)
        return [problem(`${String(key)} is missing: one of ${options.join(', ')}`, undefined, place(issue.path.slice(0, -1), 'value'))];
      const near = typeof found === 'string' ? nearest(found, options) : undefined;
      const message = `${label(key)}expected ${options.length === 1 ? '' : 'one of '}${options.join(', ')}`;
      return [problem(message, near === undefined ? undefined : `did you mean ${near}?`, place(issue.path, 'value'))];
    }
    return [problem(`${label(key)}${issue.message}`, hint, place(issue.path, 'value'))];
  });
}

const hintOf = (params: Readonly<Record<string, unknown>> | undefined): string | undefined =>
  typeof params?.hint === 'string' ? params.hint : undefined;

/** The candidate that a person most likely meant, or undefined. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

const CANDIDATES_SHOWN_MAX = 12;

/** The hint for a name that is not known: the nearest one, else what there is. */
export function hintFor(word: string, candidates: readonly string[]): string {
  const near = nearest(word, candidates);
  if (near !== undefined) return `did you mean ${near}?`;
  if (candidates.length === 0) return 'there are none here';
  const shown = candidates.slice(0, CANDIDATES_SHOWN_MAX).join(', ');
  return `there are: ${shown}${candidates.length > CANDIDATES_SHOWN_MAX ? ', …' : ''}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return `unknown key ${JSON.stringify(key)}\t${near === undefined ? `known here: ${known.join(', ')}` : `did you mean ${near}?`}`;
}

const problem = (message: string, hint: string | undefined, place: string): TocsinError =>
  new TocsinError(message, hint === undefined ? { place } : { place, hint });

const label = (key: PropertyKey | undefined): string => (typeof key === 'string' ? `${key}: ` : '');

/** The value at a path, or undefined. */
export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return 'text';
  return typeof value === 'boolean' ? 'true/false' : 'a number';
}

function nameOf(expected: string): string {
  const names: Record<string, string> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a mapping',
    record: 'a mapping',
    tuple: 'a list',
  };
  return names[expected] ?? expected;
}

/** Two changed, added or left-out letters are distance 2; two swapped neighbours are 1. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 8 || a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(substitution, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
