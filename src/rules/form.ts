/** The form of a rule file, key by key, with what an editor says of each. */
import * as z from 'zod';
import type { Level } from '../domain/alert.ts';
import type { Rule } from '../domain/rule.ts';
import { duration, names, orOff, refuse, refused, strictObject, whenMissing, wholeNumber, word } from '../std/form.ts';
import { written } from '../std/json-schema.ts';

const RULE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const RAISED_LEVELS = ['warning', 'critical'] as const satisfies readonly Level[];
/** When an alert changes so often that its changes are not told any more, unless the rule says otherwise. */
export const FLAPPING: NonNullable<Rule['flapping']> = { changes: 6, inMs: 30 * 60_000 };
/** How many readings back a count may look. */
const COUNT_MAX = 30;
/** Each change within the time is remembered. */
const FLAPPING_CHANGES_MAX = 100;

const id = written(
  z.unknown().transform((value, context): string => {
    if (typeof value === 'string' && RULE_ID.test(value)) return value;
    if (typeof value === 'string') {
      return refuse(
        context,
        `${JSON.stringify(value)} is not usable`,
        'up to 100 letters, digits, dots, dashes and underscores, a letter or digit first',
      );
    }
    return value === undefined
      ? refuse(context, 'missing', 'add id: some-name')
      : refuse(context, 'expected text', typeof value === 'number' ? 'put it in quotes' : undefined);
  }),
  { type: 'string', pattern: RULE_ID.source },
);

/** `when: true` is a YAML boolean, and a condition all the same. */
const expression = written(
  z.unknown().transform((value, context): string => {
    const text = typeof value === 'boolean' ? String(value) : typeof value === 'string' ? value.trim() : '';
    return text === '' ? refuse(context, 'expected a condition', 'write one in quotes, such as "temperature > 8"') : text;
  }),
  {
    anyOf: [{ type: 'string', pattern: '\\S' }, { type: 'boolean' }],
    examples: ['temperature > limits.temperature_max', "metric('pm2.5') > 25", 'door && temperature > 7'],
  },
);

const text = z.string().min(1, 'expected text');
const labels = z.record(z.string(), word());

const selector = strictObject({
  profile: text.optional().describe('Devices of this profile.'),
  id: word()
    .optional()
    .describe('Devices of this id; `*` stands for any characters, `?` for one.')
    .meta({ examples: ['fridge-*'] }),
  labels: labels.default({}).describe('Devices with all of these labels.'),
});

const count = strictObject({
  times: wholeNumber(1, COUNT_MAX).describe('In how many of them.'),
  of: wholeNumber(1, COUNT_MAX).describe(`How many readings are looked at, the latest ones; ${COUNT_MAX} at most.`),
}).refine(({ times, of }) => times <= of, {
  path: ['times'],
  error: 'more than there are readings to look at',
  params: { hint: 'times is at most of: {times: 3, of: 5}' },
});

const level = written(
  strictObject({
    when: expression.describe('The condition (CEL). Names are the metrics of the device, device.id, device.labels.NAME and limits.NAME.'),
    for: duration().default(0).describe('How long the condition must hold, in the time of the readings, before the level is reached.'),
    clear: expression.optional().describe('The level ends when this is true. Left out, it ends when `when` is false.'),
    count: count.optional().describe('`when` counts as true while it was true in so many of the last readings: {times: 3, of: 5}.'),
    consecutive: wholeNumber(1, COUNT_MAX).optional().describe('`when` must be true in so many readings in a row: 3 is {times: 3, of: 3}.'),
    keepFiringFor: duration()
      .optional()
      .describe('How long the level stays after nothing asks for it any more. Left out, what the rule says.'),
  }).superRefine((value, context) => {
    if (value.count !== undefined && value.consecutive !== undefined) {
      refuse(context, 'count says it already', 'keep one of them: consecutive: 3 is count: {times: 3, of: 3}', ['consecutive']);
    }
  }),
  { not: { required: ['count', 'consecutive'] } },
);

const levels = written(
  strictObject(
    {
      info: level.optional().describe('Worth knowing.'),
      warning: level.optional().describe('Somebody should look at it.'),
      critical: level.optional().describe('Somebody must act now.'),
    },
    'add levels: with at least one of info, warning, critical, each with a when',
  ).superRefine((value, context) => {
    if (Object.keys(value).length === 0) refuse(context, 'empty', 'give at least one of info, warning, critical');
  }),
  { minProperties: 1 },
);

const noData = written(
  strictObject({
    after: duration({ minMs: 1 }).describe('How long the silence may last, from the last valid value of the stalest metric.'),
    raise: z.enum(RAISED_LEVELS).optional().describe('The level that the silence raises.'),
    // biome-ignore lint/suspicious/noThenProperty: the word of the rule file; nothing awaits a rule.
    then: z.enum(['keep', 'ok']).optional().describe('keep: the alert stays as it is. ok: it ends.'),
    metrics: names().optional().describe('The metrics whose silence counts. Left out, those that the conditions name.'),
  }).superRefine((value, context) => {
    if ((value.raise === undefined) === (value.then === undefined)) {
      refuse(context, 'it needs raise or then, one of them', 'raise: warning | critical, or then: keep | ok');
    }
  }),
  { oneOf: [{ required: ['raise'] }, { required: ['then'] }] },
);

const flapping = strictObject({
  changes: wholeNumber(2, FLAPPING_CHANGES_MAX).default(FLAPPING.changes).describe('How many changes of level are still told one by one.'),
  in: duration({ minMs: 1000, maxMs: 7 * 86_400_000 })
    .default(FLAPPING.inMs)
    .describe('The time within which they are counted.'),
}).transform((given) => ({ changes: given.changes, inMs: given.in }));

export const ruleForm = strictObject({
  id: id.describe('The name of the rule, one of its kind; alerts bear it.'),
  devices: selector.prefault({}).describe('Which devices the rule is for. All that is given must match; left out, it is every device.'),
  by: names()
    .optional()
    .describe('Makes it a rule on groups: one alert for all devices that have the same values of these labels.')
    .meta({
      examples: ['site', ['site', 'room']],
    }),
  levels: levels.describe('One to three levels. The highest one that holds is the alert’s.'),
  keepFiringFor: duration().default(0).describe('How long each level stays after nothing asks for it any more.'),
  noData: noData.optional().describe('What becomes of the alert when a device falls silent.'),
  summary: text
    .optional()
    .describe('One line for messages; {{…}} holds an expression. Left out, it is made from rule, device and value.')
    .meta({ examples: ['{{device.name}} is at {{temperature}} °C'] }),
  description: text.optional().describe('What to do, for whoever gets the message.'),
  runbook: text.optional().describe('A link to where it says more.'),
  labels: labels.default({}).describe('Labels of the alert, for routes to match: labels.team.'),
  dependsOn: refused('not a key of a rule', 'write it at the device in fleet.yaml: {id: sensor-1, dependsOn: gateway-1}'),
  flapping: orOff(flapping, 'such as {changes: 6, in: 30m}')
    .prefault({})
    .describe(
      'More changes of level than that within the time, and it is told once that the alert flaps, not each change; off: each is told.',
    ),
});

export const ruleFileForm = strictObject({
  rules: z.array(ruleForm, whenMissing('a rule file begins with rules: and a list')).nullable().describe('The rules of this file.'),
});

export type RuleForm = z.output<typeof ruleForm>;
export type LevelForm = z.output<typeof level>;
