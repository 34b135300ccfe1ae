/** `tocsin check`: reads everything that `run` would read and says what is wrong with it, where, and what to do. */
import { InvalidConfig, type TocsinError } from '../std/errors.ts';
import { defineCommand } from './command.ts';
import { type Loaded, loadEverything } from './load.ts';

export const command = defineCommand({
  help: `usage: tocsin check [--config FILE] [--set key=value]…

Reads everything that run would read, prints every problem as file:line:column, and exits 1 if there is one.
`,
  run: (options) => check(options),
});

/** @returns the exit status: 0 when `run` would start, 1 otherwise. Problems go to stderr, the summary to stdout. */
async function check(options: { config: string; set: readonly string[] }): Promise<number> {
  let loaded: Loaded;
  try {
    loaded = await loadEverything({ path: options.config, set: options.set, env: process.env });
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

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

const asWarning = (warning: TocsinError): string => {
  const [first = '', ...rest] = warning.render().split('\n');
  const place = warning.place === undefined ? '' : `${warning.place}: `;
  return [`${place}warning: ${first.slice(place.length)}`, ...rest].join('\n');
};
