/**
 * Rule files: YAML to `Rule`, checked for form. Every problem of every file is reported at once, each with
 * `file:line:column`. What the conditions mean is `compile.ts`'s to say.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LEVELS, type Level } from '../domain/alert.ts';
import { type Expression, type NoData, type Rule, type RuleLevel, renderPlace } from '../domain/rule.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { problemsOf } from '../std/form.ts';
import { parseYaml, type YamlFile } from '../std/yaml.ts';
import { type LevelForm, type RuleForm, ruleFileForm, ruleForm } from './form.ts';

export interface RuleFile {
  readonly path: string;
  readonly text: string;
}
export interface ParsedRules {
  readonly rules: Rule[];
  readonly problems: TocsinError[];
}

export function parseRules(files: readonly RuleFile[]): ParsedRules {
  const rules: Rule[] = [];
  const problems: TocsinError[] = [];
  const seen = new Map<string, Rule>();
  for (const source of files) {
    const parsed = parseRuleFile(source);
    problems.push(...parsed.problems);
    for (const rule of parsed.rules) {
      const twin = seen.get(rule.id);
      if (twin === undefined) seen.set(rule.id, rule);
      else {
        const hint = `the other one is at ${renderPlace(twin.place)}`;
        problems.push(new TocsinError(`rule id ${rule.id} is used twice`, { place: renderPlace(rule.place), hint }));
      }
      rules.push(rule);
    }
  }
  return { rules, problems };
}

/** Reads every `*.yaml` of the folder, rule tests (`*.test.yaml`) aside, in the order of their names. */
export async function loadRules(folder: string): Promise<ParsedRules> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    const hint = 'the key rules of the config names the folder of rule files';
    return { rules: [], problems: [new TocsinError(`cannot read the rules folder: ${messageOf(cause)}`, { place: folder, hint, cause })] };
  }
  const wanted = names.filter((name) => name.endsWith('.yaml') && !name.endsWith('.test.yaml')).sort();
  const files: RuleFile[] = [];
  const unreadable: TocsinError[] = [];
  for (const name of wanted) {
    const path = join(folder, name);
    try {
      files.push({ path, text: await readFile(path, 'utf8') });
    } catch (cause) {
      unreadable.push(new TocsinError(`cannot read the rule file: ${messageOf(cause)}`, { place: path, cause }));
    }
  }
  const { rules, problems } = parseRules(files);
  return { rules, problems: [...unreadable, ...problems] };
}

function parseRuleFile(source: RuleFile): ParsedRules {
  const { file, problems } = parseYaml(source);
  if (file === null) return { rules: [], problems };
  // A file of comments only holds no rules; that is no mistake.
  if (file.value === null) return { rules: [], problems: [] };
  const checked = ruleFileForm.safeParse(file.value);
  if (!checked.success) return { rules: goodRules(file), problems: problemsOf(checked.error, file.value, file.place) };
  return { rules: (checked.data.rules ?? []).map((form, index) => ruleOf(form, index, file)), problems: [] };
}

/** The rules of a file in which others are wrong: what their conditions mean can be checked all the same. */
function goodRules(file: YamlFile): Rule[] {
  const { value } = file;
  const list: unknown = typeof value === 'object' && value !== null && 'rules' in value ? value.rules : null;
  if (!Array.isArray(list)) return [];
  return list.flatMap((written: unknown, index) => {
    const { data } = ruleForm.safeParse(written);
    return data === undefined ? [] : [ruleOf(data, index, file)];
  });
}

function ruleOf(form: RuleForm, index: number, file: YamlFile): Rule {
  const at = ['rules', index];
  return {
    id: form.id,
    place: { file: file.path, ...file.textPosition([...at, 'id']) },
    selector: { profile: form.devices.profile ?? null, id: form.devices.id ?? null, labels: form.devices.labels },
    by: form.by ?? [],
    levels: LEVELS.flatMap((level) => {
      const given = form.levels[level];
      if (given === undefined) return [];
      return [levelOf(level, { form: given, keepFiringForMs: form.keepFiringFor, at: [...at, 'levels', level], file })];
    }),
    noData: form.noData === undefined ? null : noDataOf(form.noData),
    flapping: form.flapping,
    summary: form.summary ?? null,
    description: form.description ?? null,
    runbook: form.runbook ?? null,
    labels: form.labels,
  };
}

/** @param from `keepFiringForMs` is the rule's, which its levels may change */
function levelOf(
  level: Level,
  { form, keepFiringForMs, at, file }: { form: LevelForm; keepFiringForMs: number; at: PropertyKey[]; file: YamlFile },
): RuleLevel {
  const expression = (key: 'when' | 'clear', text: string): Expression => ({
    text,
    place: { file: file.path, ...file.textPosition([...at, key]) },
  });
  return {
    level,
    when: expression('when', form.when),
    forMs: form.for,
    clear: form.clear === undefined ? null : expression('clear', form.clear),
    count: form.count ?? (form.consecutive === undefined ? null : { times: form.consecutive, of: form.consecutive }),
    keepFiringForMs: form.keepFiringFor ?? keepFiringForMs,
  };
}

function noDataOf({ after, raise, then, metrics }: NonNullable<RuleForm['noData']>): NoData {
  // biome-ignore lint/suspicious/noThenProperty: the word of the rule file; nothing awaits a rule.
  const action = raise === undefined ? { then: then ?? 'keep' } : { raise };
  return { afterMs: after, action, metrics: metrics ?? null };
}
