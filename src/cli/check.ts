/** `tocsin check`: reads everything that `run` would read and says what is wrong with it, where, and what to do. */
import { readRuleTests, ruleTestFiles } from '../replay/rule-test-folder.ts';
import { InvalidConfig, type TocsinError } from '../std/errors.ts';
import { type Loaded, loadEverything, shortPath } from './load.ts';

/** @returns the exit status: 0 when `run` would start, 1 otherwise. Problems go to stderr, the summary to stdout. */
export async function check(options: { config: string; set: readonly string[] }): Promise<number> {
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
  const { directory, rules, notify } = loaded;
  const parts = [
    counted(directory.profiles.length, 'profile'),
    `${counted(directory.fleet.length, 'device')} in the fleet file`,
    counted(rules.length, 'rule'),
    counted(notify.contacts.length, 'contact'),
  ];
  process.stdout.write(`${options.config} is good: ${parts.join(', ')}\n`);
  return 0;
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
