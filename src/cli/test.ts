/** `tocsin test`: rule tests, run on a virtual clock against the configured rules, profiles, fleet and routes. */
import { writeFile } from 'node:fs/promises';
import { loadRuleTests, ruleTestFiles } from '../replay/rule-test-folder.ts';
import { COLOURED, hasPassed, jsonOf, junitOf, type Paint, PLAIN, summaryOf, textOf } from '../replay/rule-test-report.ts';
import { type Outcome, runRuleTest } from '../replay/rule-test-run.ts';
import { compileRules } from '../rules/compile.ts';
import { InvalidConfig, messageOf, TocsinError } from '../std/errors.ts';
import { defineCommand } from './command.ts';
import { loadEverything, shortPath } from './load.ts';

export const command = defineCommand({
  help: `usage: tocsin test [FILE…] [--config FILE] [--set key=value]… [--filter TEXT] [--junit FILE] [--json]

Runs rule tests: readings over time, what people do meanwhile (do: acknowledge, unacknowledge, silence, endSilence), and what
is expected of the alerts and messages they lead to. Without FILE, every *.test.yaml in the folder of the rules. Exits 1
when a test fails or none was run.

  --filter TEXT   only tests whose name contains it, upper and lower case alike
  --junit FILE    writes the outcome as JUnit XML as well
  --json          prints the outcome as JSON

  tocsin test
  tocsin test config/rules/cold-chain.test.yaml --filter critical
`,
  options: { filter: { type: 'string' }, junit: { type: 'string' }, json: { type: 'boolean', default: false } },
  positionalsMax: Number.POSITIVE_INFINITY,
  run: (options, files) => test(options, files),
});

interface TestOptions {
  readonly config: string;
  readonly set: readonly string[];
  readonly filter?: string | undefined;
  readonly junit?: string | undefined;
  readonly json: boolean;
}

/** @returns the exit status: 0 when every test passed. @throws InvalidConfig when the configuration or a test does not hold */
async function test(options: TestOptions, files: readonly string[]): Promise<number> {
  const { directory, notify, rules: texts, config } = await loadEverything({ path: options.config, set: options.set, env: process.env });
  const world = { rules: compileRules(texts, directory).compiled, directory, notify };
  const folder = shortPath(config.rules);
  const paths = files.length > 0 ? files : await ruleTestFiles(folder);
  const { tests, problems } = await loadRuleTests(paths, world);
  if (problems.length > 0) throw new InvalidConfig(problems);
  const wanted = options.filter?.toLowerCase() ?? '';
  const chosen = tests.filter(({ test }) => test.name.toLowerCase().includes(wanted));
  const outcomes = chosen.map((ready) => runRuleTest(ready, world));
  if (options.json) process.stdout.write(jsonOf(outcomes));
  else if (outcomes.length > 0) print(outcomes, process.stdout.isTTY && !process.env.NO_COLOR ? COLOURED : PLAIN);
  if (options.junit !== undefined) await write(options.junit, junitOf(outcomes));
  if (outcomes.length === 0) {
    const none =
      tests.length > 0 ? `none of ${tests.length} rule tests has ${JSON.stringify(options.filter)} in its name` : `no rule tests`;
    throw new TocsinError(none, { place: paths.join(', ') || folder, hint: 'a file of rule tests is called NAME.test.yaml' });
  }
  return outcomes.every(hasPassed) ? 0 : 1;
}

function print(outcomes: readonly Outcome[], paint: Paint): void {
  for (const [file, ofFile] of Map.groupBy(outcomes, ({ ready }) => ready.file)) {
    process.stdout.write(`${paint(file, 'strong')}\n${ofFile.map((outcome) => textOf(outcome, paint)).join('')}\n`);
  }
  process.stdout.write(summaryOf(outcomes, paint));
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new TocsinError(`cannot write the JUnit file: ${messageOf(cause)}`, { place: path, cause });
  }
}
