/** Which alerts are meant, as people write it: in routes, inhibitions and escalations, and over HTTP in silences. */
import * as z from 'zod';
import { LEVELS, type Level } from '../../domain/alert.ts';
import type { AlertMatch } from '../../domain/operation.ts';
import { nearest, refuse } from '../../std/form.ts';
import { either, type JsonSchema, written } from '../../std/json-schema.ts';

const MATCH_KEYS = ['level', 'rule', 'device', 'labels.<name>'];

const oneOrMore = (one: JsonSchema, description: string): JsonSchema => ({
  description,
  ...either(one, { type: 'array', items: one, minItems: 1 }),
});
const TEXT_JSON = { type: 'string', minLength: 1 };
const LABEL_JSON = oneOrMore(
  { type: 'string' },
  'The value of this label of the rule or the device, or several; "" is one that has no such label.',
);
const ALERT_JSON = oneOrMore(TEXT_JSON, 'The alert’s id, or several.');
const MATCH_JSON = {
  type: 'object',
  properties: {
    level: oneOrMore({ enum: LEVELS }, 'The alert’s level, or several.'),
    rule: oneOrMore(TEXT_JSON, 'The rule’s id, or several; * stands for any characters, ? for one.'),
    device: oneOrMore(TEXT_JSON, 'The device’s id, or several; * stands for any characters, ? for one.'),
    labels: { type: 'object', additionalProperties: LABEL_JSON, description: 'Labels of the rule or the device.' },
  },
  patternProperties: { '^labels\\..': LABEL_JSON },
  additionalProperties: false,
  examples: [{ 'labels.team': 'pharmacy', level: 'critical' }],
};

/** `{labels.team: pharmacy, level: critical}`; `{labels: {team: pharmacy}}` says the same. `{}` is every alert. */
export const matchForm = written(
  z.unknown().transform((value, context): AlertMatch => matchOf(value, context, MATCH_KEYS)),
  MATCH_JSON,
);

/** The same, or alerts by their ids: `{alert: ID}`. */
export const silenceMatchForm = written(
  z.unknown().transform((value, context): AlertMatch => matchOf(value, context, ['alert', ...MATCH_KEYS])),
  { ...MATCH_JSON, properties: { alert: ALERT_JSON, ...MATCH_JSON.properties } },
);

/** Whether it names nothing, so that every alert matches. */
export const isEverything = ({ levels, rules, devices, alerts, labels }: AlertMatch): boolean =>
  [levels, rules, devices, alerts].every((given) => given === null) && Object.keys(labels).length === 0;

function matchOf(value: unknown, context: z.core.$RefinementCtx<unknown>, keys: readonly string[]): AlertMatch {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(context, 'expected what to match', 'such as {labels.team: pharmacy, level: critical}');
  }
  let levels: readonly Level[] | null = null;
  const texts = new Map<string, readonly string[]>();
  const labels = new Map<string, readonly string[]>();
  for (const [key, wanted, at] of flattened(value)) {
    const label = key.startsWith('labels.') ? key.slice('labels.'.length) : '';
    const list = textsOf(wanted, label === '' ? 1 : 0);
    if (label === '' && !keys.includes(key)) {
      const near = nearest(key, keys);
      refuse(context, 'unknown key', near === undefined ? `known here: ${keys.join(', ')}` : `did you mean ${near}?`, at);
    } else if (list === null) {
      refuse(context, 'expected text, or a list of texts', typeof wanted === 'number' ? 'put it in quotes' : undefined, at);
    } else if (label !== '') {
      if (labels.has(label)) refuse(context, 'stands in it twice', 'labels.NAME: … and labels: {NAME: …} say the same', at);
      labels.set(label, list);
    } else if (key === 'level') {
      const wrong = list.find((text) => !isLevel(text));
      if (wrong !== undefined) refuse(context, `there is no level ${JSON.stringify(wrong)}`, `one of ${LEVELS.join(', ')}`, at);
      levels = list.filter(isLevel);
    } else {
      texts.set(key, list);
    }
  }
  const { rule = null, device = null, alert = null } = Object.fromEntries(texts);
  return { levels, rules: rule, devices: device, alerts: alert, labels: Object.fromEntries(labels) };
}

function flattened(value: object): [key: string, wanted: unknown, at: string[]][] {
  return Object.entries(value).flatMap(([key, wanted]: [string, unknown]): [string, unknown, string[]][] => {
    if (key !== 'labels' || typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return [[key, wanted, [key]]];
    return Object.entries(wanted).map(([label, content]: [string, unknown]) => [`labels.${label}`, content, ['labels', label]]);
  });
}

const isLevel = (text: string): text is Level => LEVELS.some((level) => level === text);

/** A text or a list of at least one; null when it is neither. */
function textsOf(value: unknown, lengthMin: number): readonly string[] | null {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const texts = list.filter((entry): entry is string => typeof entry === 'string' && entry.length >= lengthMin);
  return texts.length === list.length && texts.length > 0 ? texts : null;
}
