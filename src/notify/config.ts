/**
 * notify.yaml: who is told of what. The result is plain data, checked: every route names contacts that exist, every
 * address is one address. Parts of the file's format that are still to come are accepted in their neutral form only
 * (an empty list, `off`), so that nobody believes in a schedule or an escalation that is not there.
 */
import * as z from 'zod';
import { LEVELS, type Level } from '../domain/alert.ts';
import type { Channel, Contact } from '../domain/notification.ts';
import type { Place } from '../domain/rule.ts';
import { TocsinError } from '../std/errors.ts';
import { flag, nearest, problemsOf, refuse, strictObject, valueAt } from '../std/form.ts';
import { type JsonSchema, written } from '../std/json-schema.ts';
import { parseYaml, type YamlFile } from '../std/yaml.ts';
import { addressProblem } from './channels/address.ts';

/** All that is given must match; a list matches any of its entries. Rule and device may hold `*` and `?`. */
export interface RouteMatch {
  readonly levels: readonly Level[] | null;
  readonly rules: readonly string[] | null;
  readonly devices: readonly string[] | null;
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

export interface Route {
  readonly place: Place;
  readonly match: RouteMatch;
  /** Ids of contacts. Empty: nobody, on purpose. */
  readonly to: readonly string[];
  /** True: the routes after it are asked as well. */
  readonly continue: boolean;
}

export interface NotifyConfig {
  readonly contacts: readonly Contact[];
  readonly routes: readonly Route[];
  readonly default: { readonly to: readonly string[] };
}

const NOBODY: NotifyConfig = { contacts: [], routes: [], default: { to: [] } };
const CONTACT_ID = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u;
const MATCH_KEYS = ['level', 'rule', 'device', 'labels.<name>'];
/** Keys of a route or of `default` that group and repeat messages. */
const GROUPING_KEYS = ['groupBy', 'groupWait', 'groupInterval', 'repeatInterval', 'sendResolved', 'active', 'muted'];

/** Puts in what references such as `${NAME}` stand for, and tells of those that stand for nothing. */
export type Resolve = (data: unknown, problem: (at: readonly PropertyKey[], error: TocsinError) => void) => unknown;

/**
 * @param source `resolve` is asked before anything is checked; what it put in may be secret and stands in no problem
 * @returns every problem at once; the config is of use only when there is none
 */
export function parseNotify(source: { readonly path: string; readonly text: string; readonly resolve?: Resolve }): {
  config: NotifyConfig;
  problems: TocsinError[];
} {
  const { file, problems } = parseYaml(source);
  if (file === null) return { config: NOBODY, problems };
  const written = file.value ?? {};
  const data =
    source.resolve?.(written, (at, { message, hint }) => {
      problems.push(new TocsinError(message, hint === undefined ? { place: file.place(at) } : { place: file.place(at), hint }));
    }) ?? written;
  // A reference that leads nowhere left a hole: what else is wrong would only be its consequence.
  if (problems.length > 0) return { config: NOBODY, problems };
  const parsed = notifyForm.safeParse(data);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => ({ ...issue, message: asWritten(issue, { written, data }) }));
    return { config: NOBODY, problems: problemsOf(new z.ZodError(issues), data, file.place) };
  }
  const contacts = Object.entries(parsed.data.contacts).map(([id, channels]): Contact => ({ id, channels }));
  const routes = parsed.data.routes.map(
    (route, index): Route => ({
      place: { file: file.path, ...file.position(['routes', index]) },
      match: route.match,
      to: [...new Set(route.to)],
      continue: route.continue,
    }),
  );
  const config: NotifyConfig = { contacts, routes, default: { to: [...new Set(parsed.data.default.to)] } };
  return { config, problems: unknownContacts(config, { file, data }) };
}

/** The message with what stands in the file in the place of what a reference in it stood for. Values in messages are quoted. */
function asWritten(issue: z.core.$ZodIssue, { written, data }: { written: unknown; data: unknown }): string {
  const text = valueAt(written, issue.path);
  if (JSON.stringify(text) === JSON.stringify(valueAt(data, issue.path))) return issue.message;
  return issue.message.replace(/"(?:[^"\\]|\\.)*"/g, () => (typeof text === 'string' ? JSON.stringify(text) : '"…"'));
}

function unknownContacts(config: NotifyConfig, { file, data }: { file: YamlFile; data: unknown }): TocsinError[] {
  const known = config.contacts.map(({ id }) => id);
  const check = (at: readonly PropertyKey[], to: unknown): TocsinError[] =>
    (Array.isArray(to) ? to : []).flatMap((id: unknown, index) => {
      if (typeof id !== 'string' || known.includes(id)) return [];
      const text = JSON.stringify(valueAt(file.value, [...at, index]));
      const near = nearest(id, known);
      const hint =
        near !== undefined ? `did you mean ${near}?` : known.length === 0 ? 'add it under contacts' : `known: ${known.join(', ')}`;
      return [new TocsinError(`there is no contact ${text}`, { place: file.place([...at, index]), hint })];
    });
  // The lists as written, not the deduplicated ones: a place is an index into what stands in the file.
  const lists = z
    .object({ routes: z.array(z.object({ to: z.unknown() })).optional(), default: z.object({ to: z.unknown() }).optional() })
    .safeParse(data);
  if (!lists.success) return [];
  const routes = lists.data.routes ?? [];
  return [
    ...routes.flatMap((route, index) => check(['routes', index, 'to'], route.to)),
    ...check(['default', 'to'], lists.data.default?.to),
  ];
}

/** Accepts what switches the feature off, refuses what would use it. */
const notYet = written(
  z.unknown().transform((value, context): null => {
    const isNeutral = value === null || value === 'off' || value === false || (Array.isArray(value) && value.length === 0);
    return isNeutral ? null : refuse(context, 'not supported yet', 'leave it out, or write off (for a list: [])');
  }),
  { anyOf: [{ enum: ['off', false, null] }, { type: 'array', maxItems: 0 }] },
)
  .optional()
  .describe('Not supported yet: leave it out.');

const CHANNELS_TO_COME: readonly string[] = ['webhook', 'ntfy', 'slack', 'telegram', 'sms'];

const CHANNEL_JSON = {
  type: 'object',
  properties: { email: { type: 'string', description: 'One address.', examples: ['name@example.org'] } },
  required: ['email'],
  additionalProperties: false,
};
const channels = written(
  z.unknown().transform((value, context): Channel[] => {
    const list = Array.isArray(value) ? value : [value];
    if (list.length === 0) return refuse(context, 'a contact needs a channel', 'write {email: name@example.org}');
    const result: Channel[] = [];
    for (const [index, entry] of list.entries()) {
      const at = Array.isArray(value) ? [index] : [];
      if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
        refuse(context, 'expected a channel', 'write {email: name@example.org}', at);
        continue;
      }
      const fields: Record<string, unknown> = { ...entry };
      const other = Object.keys(fields).find((key) => key !== 'email');
      if (other !== undefined) {
        if (CHANNELS_TO_COME.includes(other)) refuse(context, 'not supported yet', 'e-mail is the one channel so far', [...at, other]);
        else refuse(context, 'unknown key', 'known here: email', [...at, other]);
        continue;
      }
      const problem = addressProblem(fields.email);
      if (problem !== null) refuse(context, problem.message, problem.hint, [...at, 'email']);
      else if (typeof fields.email === 'string') result.push({ kind: 'email', address: fields.email });
    }
    return result;
  }),
  { anyOf: [CHANNEL_JSON, { type: 'array', items: CHANNEL_JSON, minItems: 1 }] },
);

const textOrTexts = (value: unknown): readonly string[] | null => {
  const list = Array.isArray(value) ? value : [value];
  const texts = list.filter((entry) => typeof entry === 'string' && entry !== '');
  return texts.length === list.length && texts.length > 0 ? texts : null;
};

const isLevel = (text: string): text is Level => LEVELS.some((level) => level === text);

const oneOrMore = (one: JsonSchema, description: string): JsonSchema => ({
  description,
  anyOf: [one, { type: 'array', items: one, minItems: 1 }],
});
const TEXT_JSON = { type: 'string', minLength: 1 };
const LABEL_JSON = oneOrMore(TEXT_JSON, 'The value of this label of the rule or the device, or several.');
const MATCH_JSON = {
  type: 'object',
  properties: {
    level: oneOrMore({ enum: LEVELS }, 'The alert’s level, or several.'),
    rule: oneOrMore(TEXT_JSON, 'The rule’s id, or several; * stands for any characters, ? for one.'),
    device: oneOrMore(TEXT_JSON, 'The device’s id, or several; * stands for any characters, ? for one.'),
    labels: { type: 'object', additionalProperties: LABEL_JSON, description: 'Labels of the rule or the device.' },
  },
  patternProperties: { '^labels\\..': LABEL_JSON },
  additionalProperties: false,
  examples: [{ 'labels.team': 'pharmacy', level: 'critical' }],
};

/** `{labels.team: pharmacy, level: critical}`; `{labels: {team: pharmacy}}` says the same. */
const match = written(
  z.unknown().transform((value, context): RouteMatch => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return refuse(context, 'expected what to match', 'such as {labels.team: pharmacy, level: critical}');
    }
    let levels: readonly Level[] | null = null;
    const globs: Record<string, readonly string[] | null> = { rule: null, device: null };
    const labels: [string, readonly string[]][] = [];
    for (const [key, wanted, at] of flattened(value)) {
      const texts = textOrTexts(wanted);
      if (texts === null) {
        refuse(context, 'expected text, or a list of texts', typeof wanted === 'number' ? 'put it in quotes' : undefined, at);
      } else if (key === 'level') {
        const wrong = texts.find((text) => !isLevel(text));
        if (wrong !== undefined) refuse(context, `there is no level ${JSON.stringify(wrong)}`, `one of ${LEVELS.join(', ')}`, at);
        levels = texts.filter(isLevel);
      } else if (key === 'rule' || key === 'device') {
        globs[key] = texts;
      } else if (key.startsWith('labels.') && key.length > 'labels.'.length) {
        labels.push([key.slice('labels.'.length), texts]);
      } else {
        const near = nearest(key, MATCH_KEYS);
        refuse(context, 'unknown key', near === undefined ? `known here: ${MATCH_KEYS.join(', ')}` : `did you mean ${near}?`, at);
      }
    }
    return { levels, rules: globs.rule ?? null, devices: globs.device ?? null, labels: Object.fromEntries(labels) };
  }),
  MATCH_JSON,
);

function flattened(value: object): [key: string, wanted: unknown, at: string[]][] {
  return Object.entries(value).flatMap(([key, wanted]: [string, unknown]): [string, unknown, string[]][] => {
    if (key !== 'labels' || typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return [[key, wanted, [key]]];
    return Object.entries(wanted).map(([label, content]: [string, unknown]) => [`labels.${label}`, content, ['labels', label]]);
  });
}

const grouping = Object.fromEntries(GROUPING_KEYS.map((key) => [key, notYet]));
const to = z.array(z.string()).describe('Who is told: ids of contacts. Nobody, on purpose, is [].');

const contacts = written(
  z
    .record(z.string(), channels)
    .optional()
    .transform((given, context) => {
      for (const id of Object.keys(given ?? {})) {
        if (!CONTACT_ID.test(id))
          refuse(context, `${JSON.stringify(id)} is no name for a contact`, 'letters, digits, . _ - (at most 64)', [id]);
      }
      return given ?? {};
    }),
  { propertyNames: { pattern: CONTACT_ID.source } },
);

const route = strictObject({
  match: match.describe('Which alerts. All that is given must match; a list matches any of its entries.'),
  to,
  continue: flag().optional().default(false).describe('true: the routes after it are asked as well.'),
  ...grouping,
});

/** `notify.yaml`. */
export const notifyForm = strictObject({
  contacts: contacts.describe('People by their ids, each with the ways to reach them: the next one when one fails for too long.').meta({
    examples: [{ pharmacy: { email: 'pharmacy@example.org' } }],
  }),
  routes: z
    .array(route)
    .nullish()
    .transform((routes) => routes ?? [])
    .describe('The first route that matches an alert decides who is told.'),
  default: strictObject({ to, ...grouping }).describe('For alerts that no route matches.'),
  schedules: notYet,
  inhibitions: notYet,
  escalations: notYet,
  storm: notYet,
  limits: notYet,
});
