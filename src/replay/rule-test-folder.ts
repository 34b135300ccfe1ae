/** The files of rule tests, `*.test.yaml`, read and made ready to run: every problem of every file at once. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, TocsinError } from '../std/errors.ts';
import { parseRuleTests } from './rule-test-file.ts';
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
  const tests: ReadyTest[] = [];
  const problems: TocsinError[] = [];
  for (const path of paths) {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (cause) {
      problems.push(new TocsinError(`cannot read the rule tests: ${messageOf(cause)}`, { place: path, cause }));
      continue;
    }
    const { file, problems: ofForm } = parseRuleTests({ path, text });
    problems.push(...ofForm);
    if (file === null) continue;
    const ready = readyTests(file, world);
    problems.push(...ready.problems);
    tests.push(...ready.tests);
  }
  return { tests, problems };
}
