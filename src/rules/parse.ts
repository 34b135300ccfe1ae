/**
 * Rule files: YAML to `Rule`, checked for form. Every problem of every file is reported at once, each with
 * `file:line:column`. What the conditions mean is `compile.ts`'s to say.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isScalar } from 'yaml';
import { LEVELS, type Level, levelRank } from '../domain/alert.ts';
import { type Expression, type NoData, type Rule, type RuleLevel, renderPlace, type Selector } from '../domain/rule.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { hintFor } from '../std/form.ts';
import { parseDurationMs } from '../std/quantity.ts';
import { YamlFile } from './yaml-file.ts';

export interface RuleFile {
  readonly path: string;
  readonly text: string;
}
export interface ParsedRules {
  readonly rules: Rule[];
  readonly problems: TocsinError[];
}

const RULE_KEYS = ['id', 'devices', 'levels', 'noData', 'summary', 'description', 'runbook', 'labels'];
const SELECTOR_KEYS = ['profile', 'id', 'labels'];
const LEVEL_KEYS = ['when', 'for', 'clear'];
const NO_DATA_KEYS = ['after', 'raise', 'then'];
const RULE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const RAISED_LEVELS: readonly Level[] = ['warning', 'critical'];
const DURATION_HINT = 'write a duration such as 90s, 10m, 1h30m';
/** Keys that are promised but not built: refused, because a rule that means less than it says is worse than none. */
const LATER_RULE_KEYS = {
  dependsOn: 'remove it: a device that another depends on is not considered yet',
  flapping: 'remove it: changes are not counted yet',
  by: 'remove it: a rule runs on one device, not on a group',
  windows: 'remove it: a condition sees the latest values only',
  keepFiringFor: 'remove it, or use clear for hysteresis',
};
const LATER_LEVEL_KEYS = {
  count: 'use for: to ask for a duration',
  consecutive: 'use for: to ask for a duration',
  keepFiringFor: 'remove it, or use clear for hysteresis',
  windows: 'remove it: a condition sees the latest values only',
};
const LATER_NO_DATA_KEYS = { metrics: 'the metrics that the conditions name are watched' };

export function parseRules(files: readonly RuleFile[]): ParsedRules {
  const rules: Rule[] = [];
  const problems: TocsinError[] = [];
  const seen = new Map<string, Rule>();
  for (const file of files) {
    const yaml = new YamlFile(file.path, file.text);
    // A file that is no YAML has been reported; what could be read of it would only add noise.
    if (yaml.problems.length === 0) {
      for (const rule of rulesOf(yaml)) {
        const twin = seen.get(rule.id);
        if (twin === undefined) seen.set(rule.id, rule);
        else {
          const hint = `the other one is at ${renderPlace(twin.place)}`;
          problems.push(new TocsinError(`rule id ${rule.id} is used twice`, { place: renderPlace(rule.place), hint }));
        }
        rules.push(rule);
      }
    }
    problems.push(...yaml.problems);
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

function rulesOf(yaml: YamlFile): Rule[] {
  // A file of comments only holds no rules; that is no mistake.
  if (yaml.root === null) return [];
  const root = yaml.map(yaml.root, 'a rule file');
  if (root === undefined) return [];
  const list = yaml.fields(root, ['rules']).get('rules');
  if (list === undefined) {
    yaml.report(root, 'the key rules is missing', 'a rule file begins with rules: and a list');
    return [];
  }
  const items = yaml.list(list.value, 'rules') ?? [];
  return items.map((item) => ruleOf(yaml, item)).filter((rule) => rule !== undefined);
}

function ruleOf(yaml: YamlFile, node: unknown): Rule | undefined {
  const before = yaml.problems.length;
  const map = yaml.map(node, 'a rule');
  if (map === undefined) return undefined;
  const fields = yaml.fields(map, RULE_KEYS, LATER_RULE_KEYS);
  const idNode = fields.get('id')?.value;
  const id = idNode === undefined ? undefined : yaml.text(idNode, 'id');
  if (idNode === undefined) yaml.report(map, 'the rule has no id', 'add id: some-name');
  else if (id !== undefined && !RULE_ID.test(id)) {
    yaml.report(idNode, `the rule id ${JSON.stringify(id)} is not usable`, 'up to 100 letters, digits, dots, dashes and underscores');
  }
  const optionalText = (key: string): string | null => {
    const entry = fields.get(key);
    return entry === undefined ? null : (yaml.text(entry.value, key) ?? null);
  };
  const rule: Rule = {
    id: id ?? '',
    place: yaml.placeOf(idNode ?? map),
    selector: selectorOf(yaml, fields.get('devices')?.value),
    by: [],
    levels: levelsOf(yaml, fields.get('levels')?.value, map),
    noData: noDataOf(yaml, fields.get('noData')?.value),
    summary: optionalText('summary'),
    description: optionalText('description'),
    runbook: optionalText('runbook'),
    labels: labelsOf(yaml, fields.get('labels')?.value, 'labels'),
  };
  return yaml.problems.length > before ? undefined : rule;
}

/** No selector at all is every device. */
function selectorOf(yaml: YamlFile, node: unknown): Selector {
  if (node === undefined) return { profile: null, id: null, labels: {} };
  const map = yaml.map(node, 'devices');
  if (map === undefined) return { profile: null, id: null, labels: {} };
  const fields = yaml.fields(map, SELECTOR_KEYS);
  const profile = fields.get('profile');
  const id = fields.get('id');
  return {
    profile: profile === undefined ? null : (yaml.text(profile.value, 'profile') ?? null),
    id: id === undefined ? null : (yaml.word(id.value, 'id') ?? null),
    labels: labelsOf(yaml, fields.get('labels')?.value, 'labels'),
  };
}

function labelsOf(yaml: YamlFile, node: unknown, what: string): Record<string, string> {
  if (node === undefined) return {};
  const map = yaml.map(node, what);
  if (map === undefined) return {};
  const labels: Record<string, string> = {};
  for (const { key, value } of yaml.entries(map)) {
    const word = yaml.word(value, `${what}.${key}`);
    if (word !== undefined) labels[key] = word;
  }
  return labels;
}

function levelsOf(yaml: YamlFile, node: unknown, rule: unknown): RuleLevel[] {
  if (node === undefined) {
    yaml.report(rule, 'the rule has no levels', 'add levels: with at least one of info, warning, critical, each with a when');
    return [];
  }
  const map = yaml.map(node, 'levels');
  if (map === undefined) return [];
  const fields = yaml.fields(map, LEVELS);
  if (map.items.length === 0) yaml.report(map, 'levels is empty', 'give at least one of info, warning, critical');
  const levels: RuleLevel[] = [];
  for (const level of LEVELS) {
    const entry = fields.get(level);
    const parsed = entry === undefined ? undefined : levelOf(yaml, level, entry.value);
    if (parsed !== undefined) levels.push(parsed);
  }
  return levels.sort((left, right) => levelRank(left.level) - levelRank(right.level));
}

function levelOf(yaml: YamlFile, level: Level, node: unknown): RuleLevel | undefined {
  const map = yaml.map(node, `levels.${level}`);
  if (map === undefined) return undefined;
  const fields = yaml.fields(map, LEVEL_KEYS, LATER_LEVEL_KEYS);
  const when = fields.get('when');
  if (when === undefined) {
    yaml.report(map, `the level ${level} has no when`, 'add when: with a condition such as "temperature > 8"');
    return undefined;
  }
  const clear = fields.get('clear');
  const forMs = fields.has('for') ? durationOf(yaml, fields.get('for')?.value, 'for') : 0;
  const condition = expressionOf(yaml, when.value, 'when');
  if (condition === undefined) return undefined;
  return {
    level,
    when: condition,
    forMs,
    clear: clear === undefined ? null : (expressionOf(yaml, clear.value, 'clear') ?? null),
    count: null,
    keepFiringForMs: 0,
  };
}

/** `when: true` is a YAML boolean, and a condition all the same. */
function expressionOf(yaml: YamlFile, node: unknown, what: string): Expression | undefined {
  const target = yaml.resolve(node);
  const isTruth = isScalar(target) && typeof target.value === 'boolean';
  const text = isTruth ? String(target.value) : yaml.text(node, what);
  return text === undefined ? undefined : { text: text.trimEnd(), place: yaml.placeOf(target) };
}

function durationOf(yaml: YamlFile, node: unknown, what: string): number {
  const word = yaml.word(node, what);
  const durationMs = word === undefined ? undefined : word === '0' ? 0 : parseDurationMs(word);
  if (word !== undefined && durationMs === undefined) yaml.report(node, `${what}: ${word} is no duration`, DURATION_HINT);
  return durationMs ?? 0;
}

function noDataOf(yaml: YamlFile, node: unknown): NoData | null {
  if (node === undefined) return null;
  const map = yaml.map(node, 'noData');
  if (map === undefined) return null;
  const fields = yaml.fields(map, NO_DATA_KEYS, LATER_NO_DATA_KEYS);
  const after = fields.get('after');
  const afterMs = after === undefined ? 0 : durationOf(yaml, after.value, 'after');
  if (after === undefined) yaml.report(map, 'noData has no after', 'add after: with how long the silence may last, such as 30m');
  else if (afterMs <= 0) yaml.report(after.value, 'after must be longer than nothing', DURATION_HINT);
  const raise = fields.get('raise');
  const then = fields.get('then');
  if ((raise === undefined) === (then === undefined)) {
    yaml.report(map, 'noData needs raise or then, one of them', 'raise: warning | critical, or then: keep | ok');
    return null;
  }
  if (raise !== undefined) {
    const word = yaml.text(raise.value, 'raise');
    const level = RAISED_LEVELS.find((candidate) => candidate === word);
    if (word !== undefined && level === undefined) yaml.report(raise.value, `raise cannot be ${word}`, hintFor(word, RAISED_LEVELS));
    return { afterMs, action: { raise: level ?? 'warning' }, metrics: null };
  }
  const word = yaml.text(then?.value, 'then');
  if (word !== undefined && word !== 'keep' && word !== 'ok') {
    yaml.report(then?.value, `then cannot be ${word}`, hintFor(word, ['keep', 'ok']));
  }
  // biome-ignore lint/suspicious/noThenProperty: the word of the rule file; nothing awaits a rule.
  return { afterMs, action: { then: word === 'ok' ? 'ok' : 'keep' }, metrics: null };
}
