/**
 * Which alerts a silence is about, as notify.yaml writes it: `{labels.team: pharmacy, rule: "a-*", level: critical}`, and
 * `alert` for the ids of alerts. Text or a list of texts; a list matches any of its entries. Labels may stand in a mapping
 * `labels` too.
 */
import { z } from 'zod';
import { LEVELS, type Level } from '../domain/alert.ts';
import type { AlertMatch } from '../domain/operation.ts';
import { nearest } from '../std/form.ts';

const KEYS = ['level', 'rule', 'device', 'alert', 'labels.<name>'];
const ENTRIES_MAX = 100;
const LABELS_MAX = 50;
const TEXT_LENGTH_MAX = 256;

type Fault = (at: readonly string[], message: string) => void;

export const silenceMatch = z.unknown().transform((value, context): AlertMatch => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    context.addIssue({ code: 'custom', message: 'must be what to match, such as {"labels.site": "berlin", "rule": "fridge-*"}' });
    return z.NEVER;
  }
  const fault: Fault = (at, message) => context.addIssue({ code: 'custom', message, path: [...at] });
  const globs = new Map<string, readonly string[]>();
  const labels: [string, readonly string[]][] = [];
  let levels: readonly Level[] | null = null;
  for (const [key, wanted, at] of flattened(value)) {
    const texts = textsOf(wanted);
    if (typeof texts === 'string') fault(at, texts);
    else if (key === 'level') levels = levelsOf(texts, at, fault);
    else if (key === 'rule' || key === 'device' || key === 'alert') globs.set(key, texts);
    else if (key.startsWith('labels.') && key.length > 'labels.'.length) labels.push([key.slice('labels.'.length), texts]);
    else {
      const near = nearest(key, KEYS);
      fault(at, near === undefined ? `unknown; known here: ${KEYS.join(', ')}` : `unknown; did you mean ${near}?`);
    }
  }
  if (labels.length > LABELS_MAX) fault([], `must have at most ${LABELS_MAX} labels`);
  const [rules, devices, alerts] = ['rule', 'device', 'alert'].map((key) => globs.get(key) ?? null);
  return { levels, rules: rules ?? null, devices: devices ?? null, alerts: alerts ?? null, labels: Object.fromEntries(labels) };
});

function levelsOf(texts: readonly string[], at: readonly string[], fault: Fault): readonly Level[] {
  const wrong = texts.find((text) => !isLevel(text));
  if (wrong !== undefined) fault(at, `there is no level ${JSON.stringify(wrong)}; one of ${LEVELS.join(', ')}`);
  return texts.filter(isLevel);
}

const isLevel = (text: string): text is Level => LEVELS.some((level) => level === text);

/** The texts, or what is wrong. */
function textsOf(wanted: unknown): readonly string[] | string {
  const list: unknown[] = Array.isArray(wanted) ? wanted : [wanted];
  if (list.length === 0) return 'must not be an empty list';
  if (list.length > ENTRIES_MAX) return `must have at most ${ENTRIES_MAX} entries`;
  const texts = list.filter((entry) => typeof entry === 'string');
  if (texts.length < list.length) return 'must be text, or a list of texts';
  if (texts.includes('')) return 'must not be empty';
  return texts.some((text) => text.length > TEXT_LENGTH_MAX) ? `must have at most ${TEXT_LENGTH_MAX} characters` : texts;
}

function flattened(value: object): [key: string, wanted: unknown, at: string[]][] {
  return Object.entries(value).flatMap(([key, wanted]: [string, unknown]): [string, unknown, string[]][] => {
    if (key !== 'labels' || typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return [[key, wanted, [key]]];
    return Object.entries(wanted).map(([label, content]: [string, unknown]) => [`labels.${label}`, content, ['labels', label]]);
  });
}

/** Whether no alert, present or to come, could escape it. */
export function isEverything({ levels, rules, devices, alerts, labels }: AlertMatch): boolean {
  const isAny = (globs: readonly string[] | null): boolean => globs === null || globs.includes('*');
  const isAnyLevel = levels === null || LEVELS.every((level) => levels.includes(level));
  return isAnyLevel && isAny(rules) && isAny(devices) && alerts === null && Object.keys(labels).length === 0;
}

/** The same as it was written, every entry as a list. */
export function writtenMatch({ levels, rules, devices, alerts, labels }: AlertMatch): Readonly<Record<string, readonly string[]>> {
  return {
    ...(levels !== null && { level: levels }),
    ...(rules !== null && { rule: rules }),
    ...(devices !== null && { device: devices }),
    ...(alerts !== null && { alert: alerts }),
    ...Object.fromEntries(Object.entries(labels).map(([name, values]) => [`labels.${name}`, values])),
  };
}
