/**
 * A file of rule tests, `*.test.yaml`: its form. Whether the rules, devices and contacts that it names exist is
 * `rule-test-names.ts`'s to say. Every problem at once, each with `file:line:column`. Times are µs from the test's start.
 */
import * as z from 'zod';
import { type AlertFlag, LEVELS, type Level } from '../domain/alert.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { TocsinError } from '../std/errors.ts';
import { count, duration, flag, problemsOf, refuse, strictObject } from '../std/form.ts';
import { type JsonSchema, jsonSchemaOf, written as takes } from '../std/json-schema.ts';
import { parseYaml, type YamlFile } from '../std/yaml.ts';
import { type Action, actionForm, actionOf } from './rule-test-actions.ts';
import { offset } from './rule-test-times.ts';
import { expandSteps, type Step } from './step-values.ts';

export interface RuleTestFile {
  readonly yaml: YamlFile;
  readonly tests: readonly RuleTest[];
}

export interface RuleTest {
  readonly name: string;
  /** Of the test in the file, for places of what it names. */
  readonly path: readonly PropertyKey[];
  /** `file:line:column` of its name. */
  readonly place: string;
  /** The device that readings and expectations mean which name none. */
  readonly device: string | null;
  /** Of every device that the fleet does not list. */
  readonly profile: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, { readonly profile: string | null; readonly labels: Readonly<Record<string, string>> }>>;
  /** µs since 1970. */
  readonly startsAt: number;
  readonly blocks: readonly ReadingBlock[];
  /** How long journal time runs on; null: to the last reading and the last expectation. */
  readonly until: number | null;
  /** What people do, in the order of its time. */
  readonly actions: readonly Action[];
  readonly expectations: readonly Expectation[];
  /** In the whole test, whatever they are about. */
  readonly emails: number | null;
  readonly messages: number | null;
  /** Rules that the test does not name may not fire either. */
  readonly noOther: boolean;
}

export interface ReadingBlock {
  readonly path: readonly PropertyKey[];
  readonly device: string | null;
  readonly from: number;
  readonly every: number;
  /** How much later than measured they were received. */
  readonly delay: number;
  /** All of them were received then, or when they were measured if that is later; null: as `delay` says. */
  readonly received: number | null;
  /** By metric. Those of `free` may have any name; the others must be of the device's profile. */
  readonly metrics: ReadonlyMap<string, readonly Step[]>;
  readonly free: ReadonlySet<string>;
}

export type ExpectedLevel = Level | 'none' | 'pending';

export interface Expectation {
  readonly path: readonly PropertyKey[];
  readonly place: string;
  readonly at: number;
  readonly alert: string;
  readonly device: string | null;
  readonly group: string | null;
  readonly level: ExpectedLevel;
  /** Exactly these; null: any. */
  readonly flags: readonly AlertFlag[] | null;
  /** Null: not looked at. Empty: none at all. */
  readonly emails: readonly ExpectedMessage[] | null;
  readonly messages: readonly ExpectedMessage[] | null;
}

export interface ExpectedMessage {
  readonly path: readonly PropertyKey[];
  /** A contact's id, or an address. */
  readonly to: string;
  readonly count: number;
  /** Found in its subject or its text. */
  readonly contains: readonly string[];
  readonly subject: string | null;
}

/** A Monday, far from any change of clocks. */
const STARTS_AT = Date.UTC(2026, 0, 5) * MICROSECONDS_PER_MILLISECOND;
const BLOCK_KEYS: readonly string[] = ['device', 'every', 'from', 'delay', 'received', 'values'];
const FLAGS = ['no-data', 'acknowledged', 'silenced', 'inhibited', 'flapping', 'retrospective'] as const satisfies readonly AlertFlag[];
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;

/** @returns the tests of a file without problems, else none */
export function parseRuleTests(source: { readonly path: string; readonly text: string }): {
  file: RuleTestFile | null;
  problems: TocsinError[];
} {
  const { file: yaml, problems } = parseYaml(source);
  if (yaml === null) return { file: null, problems };
  const parsed = ruleTestsForm.safeParse(yaml.value ?? {});
  if (!parsed.success) return { file: null, problems: problemsOf(parsed.error, yaml.value ?? {}, yaml.place) };
  const tests = parsed.data.tests.map((written, index) => testOf(written, ['tests', index], yaml));
  const doubled = doubleNames(tests);
  return doubled.length > 0 ? { file: null, problems: doubled } : { file: { yaml, tests }, problems: [] };
}

function doubleNames(tests: readonly RuleTest[]): TocsinError[] {
  return tests.flatMap((test, index) => {
    const first = tests.findIndex(({ name }) => name === test.name);
    const hint = `the first is at ${tests[first]?.place}`;
    return first === index ? [] : [new TocsinError(`a second test is called ${JSON.stringify(test.name)}`, { place: test.place, hint })];
  });
}

const VALUE = { type: ['number', 'boolean', 'string', 'null'] };
const steps = takes(
  z.unknown().transform((value, context): readonly Step[] => {
    const isList = Array.isArray(value);
    const { steps, problems } = expandSteps(isList ? value : [value]);
    for (const { index, message, hint } of problems) refuse(context, message, hint, isList ? [index] : []);
    if (isList && value.length === 0) refuse(context, 'an empty list of values', 'write values such as [5, "9 x14"]');
    return steps;
  }),
  { anyOf: [{ type: 'array', items: VALUE, minItems: 1 }, VALUE] },
);

/** One, or a list of them: each with its place in what was written. */
const oneOrMany = <Schema extends z.ZodType>(schema: Schema, one: JsonSchema) =>
  takes(
    z.unknown().transform((value, context): { readonly written: z.output<Schema>; readonly path: readonly PropertyKey[] }[] => {
      const entries: readonly unknown[] = Array.isArray(value) ? value : [value];
      return entries.flatMap((entry, index) => {
        const path = Array.isArray(value) ? [index] : [];
        const parsed = schema.safeParse(entry);
        if (parsed.success) return [{ written: parsed.data, path }];
        for (const issue of parsed.error.issues) context.addIssue({ ...issue, path: [...path, ...issue.path] });
        return [];
      });
    }),
    { anyOf: [one, { type: 'array', items: one }] },
  );

const block = z
  .object({
    device: z.string().optional().describe('Another device than that of the test.'),
    every: duration().optional().describe('How far apart the readings are.'),
    from: offset().optional().describe('When the first one is measured.'),
    delay: duration().optional().describe('How much later they are received.'),
    received: offset().optional().describe('When all of them are received.'),
    values: z.record(z.string(), steps).optional().describe('Metrics of any name.'),
  })
  .catchall(steps)
  .transform((written, context) => {
    const { device, every, from, delay, received, values } = written;
    const metrics = new Map<string, readonly Step[]>(Object.entries(values ?? {}));
    for (const [key, value] of Object.entries(written)) if (!BLOCK_KEYS.includes(key) && Array.isArray(value)) metrics.set(key, value);
    const stepsCount = Math.max(0, ...[...metrics.values()].map((list) => list.length));
    if (metrics.size === 0) refuse(context, 'readings without a metric', 'such as {every: 5m, temperature: [5, "9 x14"]}');
    else if (stepsCount > 1 && every === undefined)
      refuse(context, 'readings need every', 'how far apart they are: {every: 5m, temperature: [5, "9 x14"]}');
    if (every === 0) refuse(context, 'must be longer than nothing', undefined, ['every']);
    if (delay !== undefined && received !== undefined) refuse(context, 'delay and received say the same twice', 'leave one of them out');
    const us = (milliseconds: number | undefined): number => Math.round((milliseconds ?? 0) * MICROSECONDS_PER_MILLISECOND);
    return {
      device: device ?? null,
      from: from ?? 0,
      every: us(every),
      delay: us(delay),
      received: received ?? null,
      metrics,
      free: new Set(Object.keys(values ?? {})),
    };
  });

const text = z.string().min(1, 'must not be empty');
const TEXT = { type: 'string', minLength: 1 };
const texts = takes(
  z.unknown().transform((value, context): readonly string[] => {
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return list.flatMap((entry, index) => {
      if (typeof entry === 'string' && entry !== '') return [entry];
      const hint = typeof entry === 'number' ? 'put it in quotes' : undefined;
      return [refuse(context, 'expected text, or a list of texts', hint, Array.isArray(value) ? [index] : [])];
    });
  }),
  { anyOf: [TEXT, { type: 'array', items: TEXT }] },
);

/** Of a form that stands within another one. */
function schemaOf(form: z.ZodType): JsonSchema {
  const { $schema: _schema, title: _title, ...schema } = jsonSchemaOf(form, { title: '' });
  return schema;
}

const oneMessage = strictObject({
  to: text.describe('A contact, or an address.'),
  count: count().optional().describe('How many, 1 if left out.'),
  contains: texts.optional().describe('Found in the subject or the text.'),
  subject: text.optional().describe('The whole subject.'),
});
const message = oneOrMany(oneMessage, schemaOf(oneMessage));

const labels = z.record(z.string(), z.string());

const expectation = strictObject({
  at: offset().describe('When it holds, from the start of the test.'),
  alert: text.describe('The rule.'),
  device: text.optional().describe('Another device than that of the test.'),
  group: text.optional().describe('Of a rule on groups, such as site=berlin.'),
  level: z.enum([...LEVELS, 'none', 'pending']).describe('What is open then; none: no alert.'),
  flags: z.array(z.enum(FLAGS)).optional().describe('Exactly these.'),
  email: message.optional().describe('The e-mails since the expectation before; []: none.'),
  message: message.optional().describe('The messages on any channel since the expectation before; []: none.'),
});

const start = takes(
  z.unknown().transform((value, context): number => {
    const milliseconds = typeof value === 'string' && INSTANT.test(value) ? Date.parse(value) : Number.NaN;
    if (!Number.isNaN(milliseconds)) return milliseconds * MICROSECONDS_PER_MILLISECOND;
    return refuse(context, 'expected an instant with its zone', 'such as 2026-03-29T00:30:00Z');
  }),
  { type: 'string', pattern: INSTANT.source },
);

const test = strictObject({
  name: text.describe('One of its kind in the file.'),
  device: text.optional().describe('The device that is meant where none is named.'),
  profile: text.optional().describe('Of devices that the fleet does not list.'),
  labels: labels.optional().describe('Of devices that the fleet does not list.'),
  devices: z
    .record(
      z.string(),
      strictObject({ profile: text.optional().describe('Its profile.'), labels: labels.optional().describe('Its labels.') }),
    )
    .optional()
    .describe('Further devices that the fleet does not list.'),
  start: start.optional().describe('The instant at which it begins.'),
  readings: oneOrMany(block, schemaOf(block)).optional().describe('Values over time, such as {every: 5m, temperature: [5, "9 x14"]}.'),
  until: offset().optional().describe('How long time goes on after the readings.'),
  do: z.array(actionForm).optional().describe('What people do: acknowledge an alert, silence alerts, take that back.'),
  expect: z.array(expectation).optional().describe('What is open when, and what was sent.'),
  emails: count().optional().describe('How many in the whole test.'),
  messages: count().optional().describe('How many in the whole test, on any channel.'),
  noOther: flag().optional().describe('Rules that are not named may not fire either.'),
}).transform((written, context) => {
  const { expect, emails, messages, noOther } = written;
  if ((expect ?? []).length === 0 && emails === undefined && messages === undefined && noOther !== true)
    refuse(context, 'the test expects nothing', 'add expect:, such as [{at: 20m, alert: fridge-warm, level: warning}]');
  return written;
});

export const ruleTestsForm = strictObject({ tests: z.array(test).describe('Each with readings over time and what is expected of them.') });

function testOf(written: z.output<typeof test>, path: readonly PropertyKey[], yaml: YamlFile): RuleTest {
  const isListOfBlocks = (written.readings ?? []).some(({ path }) => path.length > 0);
  const devices = Object.entries(written.devices ?? {}).map(
    ([id, { profile, labels }]) => [id, { profile: profile ?? written.profile ?? null, labels: labels ?? written.labels ?? {} }] as const,
  );
  return {
    name: written.name,
    path,
    place: yaml.place([...path, 'name']),
    device: written.device ?? null,
    profile: written.profile ?? null,
    labels: written.labels ?? {},
    devices: Object.fromEntries(devices),
    startsAt: written.start ?? STARTS_AT,
    blocks: (written.readings ?? []).map(({ written: block, path: within }) => ({
      ...block,
      path: [...path, 'readings', ...(isListOfBlocks ? within : [])],
    })),
    until: written.until ?? null,
    actions: (written.do ?? []).map((one, index) => actionOf(one, [...path, 'do', index], yaml)).sort((a, b) => a.at - b.at),
    expectations: (written.expect ?? []).map((one, index) => expectationOf(one, [...path, 'expect', index], yaml)),
    emails: written.emails ?? null,
    messages: written.messages ?? null,
    noOther: written.noOther ?? false,
  };
}

function expectationOf(written: z.output<typeof expectation>, path: readonly PropertyKey[], yaml: YamlFile): Expectation {
  const messagesOf = (key: 'email' | 'message'): ExpectedMessage[] | null =>
    written[key]?.map(({ written: { to, count, contains, subject }, path: within }) => ({
      path: [...path, key, ...within],
      to,
      count: count ?? 1,
      contains: contains ?? [],
      subject: subject ?? null,
    })) ?? null;
  return {
    path,
    place: yaml.place(path),
    at: written.at,
    alert: written.alert,
    device: written.device ?? null,
    group: written.group ?? null,
    level: written.level,
    flags: written.flags ?? null,
    emails: messagesOf('email'),
    messages: messagesOf('message'),
  };
}
