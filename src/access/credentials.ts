/**
 * `credentials.yaml`: who may connect, by name: devices, which may do what concerns their own topics, and users (dashboards, services,
 * gateways), which may do what is listed. It holds hashes, never a password; `tocsin device` and `tocsin user` write it.
 */
import * as z from 'zod';
import { nameProblem } from '../devices/interning.ts';
import { SELF } from '../domain/device.ts';
import { TocsinError } from '../std/errors.ts';
import { problemsOf, refuse, strictObject } from '../std/form.ts';
import { written } from '../std/json-schema.ts';
import { parseYaml } from '../std/yaml.ts';
import { parseStored } from './password.ts';
import { filterProblem } from './topic-filter.ts';

export interface Credential {
  readonly kind: 'device' | 'user';
  /** The user name with which it connects; a device's id. */
  readonly name: string;
  /** As stored. Each of them counts. */
  readonly passwords: readonly string[];
  /** Topic filters: what it may publish, beside a device's own topics. */
  readonly publish: readonly string[];
  /** What it may subscribe to, beside a device's own topics. */
  readonly subscribe: readonly string[];
}

/** While a password is exchanged, the one before it counts as well. */
export const PASSWORDS_MAX = 2;
const FILTERS_MAX = 100;

const password = written(
  z.unknown().transform((value, context): string =>
    typeof value === 'string' && parseStored(value) !== null
      ? value
      : // What stands there may be a password.
        refuse(
          context,
          'expected a hash',
          'tocsin device rotate ID or tocsin user rotate NAME makes one; a password itself never stands here',
        ),
  ),
  { type: 'string', pattern: '^\\$(?:sha256|scrypt)\\$' },
);

const filters = (isReserved: (filter: string) => string | null) =>
  z
    .array(
      written(
        z.string().transform((value, context) => {
          const problem = filterProblem(value) ?? isReserved(value);
          return problem === null ? value : refuse(context, problem);
        }),
        { type: 'string', minLength: 1 },
      ),
    )
    .max(FILTERS_MAX, `at most ${FILTERS_MAX} topics`)
    .nullable()
    .default([]);

const publish = filters((filter) =>
  /^(?:\$|tocsin(?:\/|$))/.test(filter) ? 'only the program itself publishes below $ and tocsin/' : null,
);
const subscribe = filters((filter) => (/^\$(?!SYS(?:\/|$))/.test(filter) ? 'of the topics that begin with $ there is $SYS only' : null));

const entry = strictObject({
  passwords: z
    .array(password)
    .max(PASSWORDS_MAX, `at most ${PASSWORDS_MAX} passwords: the new one, and the one before it`)
    .nullable()
    .default([])
    .describe('Hashes, newest first; each counts. None: a client certificate with this name is needed.'),
  publish: publish
    .describe('Topics that it may publish to, + and # allowed; for a device beside its own.')
    .meta({ examples: [['senml/berlin/#']] }),
  subscribe: subscribe
    .describe('Topics that it may subscribe to; for a device beside its own. $SYS/# is the broker’s own.')
    .meta({ examples: [['sensors/#', 'tocsin/alerts/#']] }),
}).nullable();

export const credentialsForm = strictObject({
  devices: z.record(z.string(), entry).nullable().default({}).describe('By id. Each may publish and subscribe below its own topics.'),
  users: z.record(z.string(), entry).nullable().default({}).describe('By name: dashboards, services, gateways. Each may do what it lists.'),
});

export function parseCredentials(source: { path: string; text: string }): {
  credentials: readonly Credential[];
  problems: readonly TocsinError[];
} {
  const { file, problems } = parseYaml(source);
  if (file === null) return { credentials: [], problems };
  const checked = credentialsForm.safeParse(file.value ?? {});
  if (!checked.success) return { credentials: [], problems: problemsOf(checked.error, file.value, file.place) };
  const { devices, users } = checked.data;
  const credentials = [...listOf('device', devices), ...listOf('user', users)];
  const names = new Set<string>();
  const mistakes = credentials.flatMap(({ kind, name }) => {
    const place = file.place([`${kind}s`, name], 'key');
    const problem = nameMistake(name);
    if (problem !== null) return [new TocsinError(problem, { place })];
    if (names.has(name))
      return [new TocsinError(`${name} is a device as well`, { place, hint: 'a name is one or the other: rename the user' })];
    names.add(name);
    return [];
  });
  return { credentials, problems: mistakes };
}

function listOf(kind: Credential['kind'], entries: z.output<typeof credentialsForm>['devices']): Credential[] {
  return Object.entries(entries ?? {}).map(([name, given]) => ({
    kind,
    name,
    passwords: given?.passwords ?? [],
    publish: given?.publish ?? [],
    subscribe: given?.subscribe ?? [],
  }));
}

/** Of a device's id or a user's name; null when it is good. */
export function nameMistake(name: string): string | null {
  if (name === SELF) return `${SELF} is the program itself`;
  return nameProblem(name) ?? (/[+#/]/.test(name) ? 'a name has no +, # or /' : null);
}
