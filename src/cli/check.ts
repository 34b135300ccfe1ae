/** `tocsin check`: reads everything that `run` would read and says what is wrong with it, where, and what to do. */
import * as z from 'zod';
import description from '../../package.json' with { type: 'json' };
import { listed } from '../config/change.ts';
import { type Described, describeConfiguration, diff } from '../config/diff.ts';
import { SELF } from '../domain/device.ts';
import { unreachedOnPurpose } from '../notify/would-reach.ts';
import { readRuleTests, ruleTestFiles } from '../replay/rule-test-folder.ts';
import { isBuiltIn } from '../self/self-rules.ts';
import { InvalidConfig, TocsinError } from '../std/errors.ts';
import { createClient } from './client.ts';
import { CLIENT_OPTIONS, defineCommand } from './command.ts';
import { linesOf } from './diff-lines.ts';
import { type Loaded, loadEverything, shortPath } from './load.ts';
import { printJson } from './print.ts';

export const command = defineCommand({
  help: `usage: tocsin check [--config FILE] [--set key=value]… [--diff [--url URL] [--json]]

Reads everything that run would read, prints every problem as file:line:column, and exits 1 if there is one. Warns of what is
allowed and most likely not meant, such as an alert that would reach nobody.

  --diff       also asks the running instance what it has in force, and says what a reload would change and what would
               start anew by it; nothing is applied. Exits 1 when no instance answers
  --url URL    the instance; default: http.listen of the config
  --json       with --diff: the changes as JSON
`,
  options: { ...CLIENT_OPTIONS, diff: { type: 'boolean', default: false } },
  run: (options) => check(options),
});

interface Options {
  readonly config: string;
  readonly set: readonly string[];
  readonly diff: boolean;
  readonly json: boolean;
  readonly url?: string | undefined;
}

/** @returns the exit status: 0 when `run` would start, 1 otherwise. Problems go to stderr, the summary to stdout. */
async function check(options: Options): Promise<number> {
  let loaded: Loaded;
  try {
    loaded = await loadEverything({ path: options.config, set: options.set, env: process.env });
    await checkRuleTests(loaded);
  } catch (error) {
    if (!(error instanceof InvalidConfig)) throw error;
    process.stderr.write(`${error.problems.map((problem) => problem.render()).join('\n')}\n`);
    process.stderr.write(`${counted(error.problems.length, 'problem')} in ${options.config} and what it names\n`);
    return 1;
  }
  for (const warning of loaded.warnings) process.stderr.write(`${asWarning(warning)}\n`);
  if (!(options.diff && options.json)) process.stdout.write(`${options.config} is good: ${summaryOf(loaded)}\n${silentOnPurpose(loaded)}`);
  if (options.diff) await tellDiff(loaded, options);
  return 0;
}

function summaryOf({ directory, rules, notify }: Loaded): string {
  const parts = [
    counted(directory.profiles.filter(({ name }) => name !== SELF).length, 'profile'),
    `${counted(directory.fleet.length, 'device')} in the fleet file`,
    counted(rules.filter((rule) => !isBuiltIn(rule)).length, 'rule'),
    counted(notify.contacts.length, 'contact'),
  ];
  return parts.join(', ');
}

/** A line where there are such alerts. */
function silentOnPurpose({ rules, directory, notify }: Loaded): string {
  const alerts = unreachedOnPurpose(rules, directory, notify);
  if (alerts.length === 0) return '';
  return `${counted(alerts.length, 'alert')} ${alerts.length === 1 ? 'reaches' : 'reach'} nobody, on purpose: ${listed(alerts)}\n`;
}

/** Of the same version: then what it has in force has the form that is read here. */
const inForceForm = z.object({
  version: z.literal(description.version),
  rules: z.array(z.object({ id: z.string() })),
  directory: z.object({ profiles: z.array(z.unknown()), fleet: z.array(z.unknown()), groups: z.array(z.unknown()) }),
  notify: z.object({
    salt: z.string(),
    contacts: z.array(z.unknown()),
    routes: z.array(z.object({ route: z.string() })),
    schedules: z.array(z.unknown()),
    inhibitions: z.array(z.string()),
    escalations: z.array(z.string()),
  }),
  access: z.object({ anonymous: z.boolean(), credentials: z.array(z.unknown()) }),
});
const isDescribed = (answer: unknown): answer is Described => inForceForm.safeParse(answer).success;
const versionForm = z.object({ version: z.string() });

async function tellDiff(loaded: Loaded, options: Options): Promise<void> {
  const client = createClient(options);
  const inForce = await client.get('/configuration');
  if (!isDescribed(inForce)) {
    const other = versionForm.safeParse(inForce).data?.version ?? 'of another version';
    const hint = 'use the tocsin of the same version; or stop the instance, and start this one';
    throw new TocsinError(`${client.url} is Tocsin ${other}, and this is ${description.version}: they cannot be compared`, { hint });
  }
  // Through JSON as well, which knows no undefined.
  const own: unknown = JSON.parse(JSON.stringify({ version: description.version, ...describeConfiguration(loaded, inForce.notify.salt) }));
  if (!isDescribed(own)) throw new Error('what this version would answer is not what it reads');
  const differences = diff(inForce, own);
  if (options.json) {
    printJson(differences);
    return;
  }
  const lines = linesOf(differences);
  process.stdout.write(lines.length === 0 ? 'a reload would change nothing\n' : `a reload would change:\n${lines.join('\n')}\n`);
}

/** The form of the rule tests. A run does without them: it is not for them to keep it from starting. */
async function checkRuleTests({ config }: Loaded): Promise<void> {
  const { problems } = await readRuleTests(await ruleTestFiles(shortPath(config.rules)));
  if (problems.length > 0) throw new InvalidConfig(problems);
}

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

const asWarning = (warning: TocsinError): string => {
  const [first = '', ...rest] = warning.render().split('\n');
  const place = warning.place === undefined ? '' : `${warning.place}: `;
  return [`${place}warning: ${first.slice(place.length)}`, ...rest].join('\n');
};
