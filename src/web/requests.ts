/**
 * What clients may ask, checked once: query strings and the body of `POST /readings`. Unknown parameters are refused, since
 * a misspelt filter would otherwise answer with everything.
 */
import { z } from 'zod';
import type { ExplainQuery } from '../alerts/explaining.ts';
import type { Value } from '../domain/reading.ts';
import type { AlertsQuery, DevicesQuery, IngestReading, PageQuery, ReadingsQuery } from './backend.ts';
import { type Mistake, Problem } from './problem.ts';
import { parseTime } from './times.ts';

export const READINGS_PER_REQUEST_MAX = 10_000;
const READINGS_PER_PAGE_MAX = 10_000;
const ITEMS_PER_PAGE_MAX = 1000;
const POINTS_MAX = 10_000;
const NAME_LENGTH_MAX = 256;
const TEXT_LENGTH_MAX = 4096;
const VALUES_PER_READING_MAX = 500;
const CURSOR_LENGTH_MAX = 1024;
const MISTAKES_SHOWN_MAX = 20;

export const name = z
  .string()
  .min(1)
  .max(NAME_LENGTH_MAX)
  .refine((text) => !/\p{Cc}/u.test(text), 'must not contain control characters');
const count = (max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= 1 && value <= max, `must be from 1 to ${max}`);
export const time = z.string().transform((text, context) => {
  const parsed = parseTime(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'must be an RFC 3339 time such as 2026-11-23T08:30:00Z' });
  return z.NEVER;
});
const cursor = z.string().min(1).max(CURSOR_LENGTH_MAX).optional();

export const pageQuery = z.strictObject({ cursor, limit: count(ITEMS_PER_PAGE_MAX).optional() });
const truth = z.enum(['true', 'false']).transform((text) => text === 'true');
const devicesQuery = pageQuery.extend({ online: truth.optional() });
const alertsQuery = pageQuery.extend({
  state: z.enum(['pending', 'firing', 'resolved']).optional(),
  level: z.enum(['info', 'warning', 'critical']).optional(),
  device: name.optional(),
  rule: name.optional(),
  acknowledged: truth.optional(),
});
const explainQuery = z.strictObject({ device: name, rule: name.optional() });
const readingsQuery = z
  .strictObject({
    cursor,
    limit: count(READINGS_PER_PAGE_MAX).optional(),
    device: name,
    metric: name.optional(),
    from: time.optional(),
    to: time.optional(),
    points: count(POINTS_MAX).optional(),
  })
  .refine((query) => query.from === undefined || query.to === undefined || query.from < query.to, {
    path: ['to'],
    message: 'must be later than from',
  })
  .refine((query) => query.points === undefined || query.metric !== undefined, {
    path: ['points'],
    message: 'goes together with metric: averages are of one metric',
  });

const value = z.union([z.number(), z.boolean(), z.string().max(TEXT_LENGTH_MAX), z.null()], {
  error: `must be a number, true, false, null or a text of up to ${TEXT_LENGTH_MAX} characters`,
});
const postedReading = z.strictObject({
  device: name,
  at: time.optional(),
  values: z
    .record(name, value)
    .refine((values) => Object.keys(values).length <= VALUES_PER_READING_MAX, `must have at most ${VALUES_PER_READING_MAX} values`),
});
const postedReadings = z.array(postedReading).min(1).max(READINGS_PER_REQUEST_MAX);

export const checkPageQuery = (query: unknown): PageQuery => check(pageQuery, query, 'the query');
export const checkDevicesQuery = (query: unknown): DevicesQuery => check(devicesQuery, query, 'the query');
export const checkAlertsQuery = (query: unknown): AlertsQuery => check(alertsQuery, query, 'the query');
export const checkExplainQuery = (query: unknown): ExplainQuery => check(explainQuery, query, 'the query');
export const checkReadingsQuery = (query: unknown): ReadingsQuery => check(readingsQuery, query, 'the query');

export interface PostedReading {
  /** Its place in the request. */
  readonly index: number;
  readonly reading: IngestReading;
}

/** The readings of a request, those without any value left out: `null` is no reading and no error. */
export function checkPostedReadings(body: unknown): { readonly readings: readonly PostedReading[]; readonly ignored: number } {
  const posted = Array.isArray(body) ? check(postedReadings, body, 'the body') : [check(postedReading, body, 'the body')];
  const readings: PostedReading[] = [];
  for (const [index, { device, at, values }] of posted.entries()) {
    const present = Object.entries(values).filter((entry): entry is [string, Value] => entry[1] !== null);
    if (present.length === 0) continue;
    readings.push({ index, reading: { device, ...(at === undefined ? {} : { at }), values: Object.fromEntries(present) } });
  }
  return { readings, ignored: posted.length - readings.length };
}

/** Leaves out keys whose value is undefined, so that optional means absent. */
type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };

export function check<T extends object>(schema: z.ZodType<T>, input: unknown, what: string): Present<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data as Present<T>;
  const mistakes = result.error.issues.flatMap(mistakesOf);
  const shown = mistakes.slice(0, MISTAKES_SHOWN_MAX);
  const [first] = shown;
  const more = mistakes.length > 1 ? ` (and ${mistakes.length - 1} more)` : '';
  const place = first === undefined || first.path === '' ? '' : `${first.path}: `;
  throw new Problem(400, `${what} is not as expected: ${place}${first?.message ?? 'unreadable'}${more}`, { mistakes: shown });
}

function mistakesOf(issue: z.core.$ZodIssue): Mistake[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: renderPath([...issue.path, key]), message: 'unknown' }));
  const message = issue.code === 'invalid_type' && issue.input === undefined ? 'missing' : issue.message;
  return [{ path: renderPath(issue.path), message }];
}

/** A mistake that only shows beside others, or beside what there is. */
export const mistaken = (what: string, { path, message }: Mistake): Problem =>
  new Problem(400, `${what} is not as expected: ${path === '' ? '' : `${path}: `}${message}`, { mistakes: [{ path, message }] });

/** `[3].values.temperature` */
function renderPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text;
}
