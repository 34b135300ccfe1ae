import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadDirectory } from '../../src/devices/directory.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { parseRules } from '../../src/rules/parse.ts';

it('the rules that config/README.md shows are valid', () => {
  const blocks = [...readFileSync('config/README.md', 'utf8').matchAll(/```yaml\n(rules:.*?)```/gs)].map((match) => match[1] ?? '');
  expect(blocks.length).toBeGreaterThan(0);
  const { rules, problems } = parseRules(blocks.map((text, index) => ({ path: `example ${index + 1}`, text })));
  expect(problems).toEqual([]);
  expect(compileRules(rules, loadDirectory('devices').directory).problems).toEqual([]);
});
