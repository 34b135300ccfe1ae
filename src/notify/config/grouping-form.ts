/** The keys of a route, and of `default`, that say how its messages come about. */
import * as z from 'zod';
import type { Level } from '../../domain/alert.ts';
import { duration, durationOrOff, flag, nearest, parsedBy, refuse, strictObject } from '../../std/form.ts';
import { either, partOf, written } from '../../std/json-schema.ts';
import { writtenDuration } from '../../std/quantity.ts';
import { GROUPING, type Grouping } from '../notify-config.ts';

const DAY_MS = 86_400_000;
const ALERT_KEYS = ['rule', 'device', 'level'];
const ALERT_KEY = /^(?:rule|device|level|labels\..+)$/;
const ALERT_KEY_JSON = { type: 'string', pattern: ALERT_KEY.source };

/** What alerts may have in common: `rule`, `device`, `level`, `labels.NAME`; a list or one of them, none twice. */
export const alertKeys = () =>
  written(
    z.unknown().transform((value, context): readonly string[] => {
      const list: unknown[] = Array.isArray(value) ? value : [value];
      return list.map((key, index): string => {
        const at = Array.isArray(value) ? [index] : [];
        if (typeof key !== 'string') return refuse(context, 'expected rule, device, level or labels.NAME', undefined, at);
        if (list.indexOf(key) !== index) return refuse(context, `${JSON.stringify(key)} stands in it twice`, undefined, at);
        if (ALERT_KEY.test(key)) return key;
        const meant = nearest(key, ALERT_KEYS) ?? `labels.${key.replace(/^labels?\.?/, '') || 'NAME'}`;
        return refuse(context, `${JSON.stringify(key)} is nothing that alerts have`, `did you mean ${meant}?`, at);
      });
    }),
    either(ALERT_KEY_JSON, { type: 'array', items: ALERT_KEY_JSON, uniqueItems: true }),
  );

const wait = duration({ maxMs: DAY_MS });
const waitByLevel = strictObject({
  critical: wait.optional().describe('For alerts of level critical.'),
  warning: wait.optional().describe('For alerts of level warning.'),
  info: wait.optional().describe('For alerts of level info.'),
});
/** One duration for all levels, or one for each; a level that is left out keeps its own. */
const groupWait = written(
  z.unknown().transform((value, context): Readonly<Record<Level, number>> => {
    if (typeof value === 'object' && value !== null) return { ...GROUPING.groupWaitMs, ...given(parsedBy(waitByLevel, value, context)) };
    const waitMs = parsedBy(wait, value, context);
    return { critical: waitMs, warning: waitMs, info: waitMs };
  }),
  either(partOf(wait), partOf(waitByLevel)),
  showWait,
);

const given = (byLevel: z.output<typeof waitByLevel>): Partial<Record<Level, number>> =>
  Object.fromEntries(Object.entries(byLevel).filter(([, waitMs]) => waitMs !== undefined));

function showWait(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const byLevel = Object.entries(value).map(([level, waitMs]: [string, unknown]) => [
    level,
    typeof waitMs === 'number' ? writtenDuration(waitMs) : waitMs,
  ]);
  return Object.fromEntries(byLevel);
}

const schedule = z.string().optional();

export const GROUPING_KEYS = {
  groupBy: alertKeys()
    .default([...GROUPING.groupBy])
    .describe('Alerts that have these in common are told in one message: rule, device, level, labels.NAME. [] is one group for the route.')
    .meta({ examples: [['rule', 'labels.site'], []] }),
  groupWait: groupWait
    .default(GROUPING.groupWaitMs)
    .describe('How long news are collected before the message goes out: one duration, or one for each level.')
    .meta({ examples: ['10s', { critical: '0s', warning: '2m' }] }),
  groupInterval: duration({ maxMs: 7 * DAY_MS })
    .default(GROUPING.groupIntervalMs)
    .describe('How long after a message the next one of the group goes out at the earliest, where nothing is urgent.'),
  repeatInterval: durationOrOff({ minMs: 60_000, maxMs: 366 * DAY_MS })
    .default(GROUPING.repeatIntervalMs)
    .describe('How often a group that still fires is told again; off is never.'),
  sendResolved: flag()
    .default(GROUPING.sendResolved)
    .describe('true: what is resolved is told of while others of its group still fire. That all is over is told in any case.'),
  active: schedule.describe('Id of a schedule: told of within its windows only. What came and went outside them is told at the next one.'),
  muted: schedule.describe('Id of a schedule: nothing is told within its windows, and one summary when they end.'),
};

const groupingForm = z.object(GROUPING_KEYS);

export function groupingOf(form: z.output<typeof groupingForm>): Grouping {
  return {
    groupBy: form.groupBy,
    groupWaitMs: form.groupWait,
    groupIntervalMs: form.groupInterval,
    repeatIntervalMs: form.repeatInterval,
    sendResolved: form.sendResolved,
    active: form.active ?? null,
    muted: form.muted ?? null,
  };
}
