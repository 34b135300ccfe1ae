/** The files of rule tests, `*.test.yaml`, read and made ready to run: every problem of every file at once. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, TocsinError } from '../std/errors.ts';
import { parseRuleTests, type RuleTestFile } from './rule-test-file.ts';
import { type ReadyTest, readyTests, type World } from './rule-test-names.ts';

/** Those beside the rules, in the order of their names. A folder that cannot be read has none: whoever reads its rules says so. */
export async function ruleTestFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names
    .filter((name) => name.endsWith('.test.yaml'))
    .sort()
    .map((name) => join(folder, name));
}

/** @param paths as they shall stand in front of errors */
export async function loadRuleTests(paths: readonly string[], world: World): Promise<{ tests: ReadyTest[]; problems: TocsinError[] }> {
  const { files, problems } = await readRuleTests(paths);
  const ready = files.map((file) => readyTests(file, world));
  return { tests: ready.flatMap(({ tests }) => tests), problems: [...problems, ...ready.flatMap((each) => each.problems)] };
}

/** Their form alone: what they name need not be there. */
export async function readRuleTests(paths: readonly string[]): Promise<{ files: RuleTestFile[]; problems: TocsinError[] }> {
  const files: RuleTestFile[] = [];
  const problems: TocsinError[] = [];
  for (const path of paths) {
    try {
      const parsed = parseRuleTests({ path, text: await readFile(path, 'utf8') });
      problems.push(...parsed.problems);
      if (parsed.file !== null) files.push(parsed.file);
    } catch (cause) {
      problems.push(new TocsinError(`cannot read the rule tests: ${messageOf(cause)}`, { place: path, cause }));
    }
  }
  return { files, problems };
}
