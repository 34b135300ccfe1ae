/** The form of notify.yaml, key by key, with what an editor says of each. */
import * as z from 'zod';
import { duration, flag, orOff, refuse, strictObject, wholeNumber } from '../../std/form.ts';
import { partOf, written } from '../../std/json-schema.ts';
import type { Escalation, Inhibition } from '../notify-config.ts';
import { LIMITS, STORM } from '../notify-config.ts';
import { contactsForm } from './contact-form.ts';
import { alertKeys, GROUPING_KEYS } from './grouping-form.ts';
import { isEverything, matchForm } from './match-form.ts';
import { schedulesForm } from './schedule-form.ts';

const DAY_MS = 86_400_000;
const COUNT_MAX = 100_000;
/** A loop goes round no faster. */
const LOOP_MS_MIN = 60_000;

const to = z.array(z.string()).describe('Who is told: ids of contacts. Nobody, on purpose, is [].');

const routeForm = strictObject({
  match: matchForm.describe('Which alerts. All that is given must match; a list matches any of its entries.'),
  to,
  continue: flag().optional().default(false).describe('true: the routes after it are asked as well.'),
  ...GROUPING_KEYS,
});

const some = (key: string) =>
  written(
    matchForm.superRefine((match, context) => {
      if (isEverything(match)) refuse(context, 'matches every alert', `say which ones: {${key}: {rule: gateway-down}}`);
    }),
    { ...partOf(matchForm), minProperties: 1 },
  );
const inhibitionForm = strictObject({
  source: some('source').describe('While an alert that this matches is not resolved, the targets are muted.'),
  target: some('target').describe('Which alerts are muted meanwhile.'),
  equal: alertKeys()
    .default([])
    .describe('Only where both have the same of these: labels.NAME, rule, device, level.')
    .meta({ examples: [['labels.site']] }),
}).transform((inhibition): Inhibition => inhibition);

const stepForm = strictObject({
  after: duration({ minMs: 1000, maxMs: 30 * DAY_MS }).describe(
    'How long after the alert was first told of, if nobody has acknowledged it.',
  ),
  to: z.array(z.string()).min(1, 'expected at least one contact').describe('Who is told then: ids of contacts.'),
});
const escalationForm = strictObject({
  match: matchForm.describe('Which alerts.'),
  steps: z
    .array(stepForm)
    .min(1, 'expected at least one step')
    .superRefine((steps, context) => {
      for (const [index, { after }] of steps.entries()) {
        if (after > (steps[index - 1]?.after ?? 0)) continue;
        refuse(context, 'expected later than the step before', 'after counts from the first message, not from the step before', [
          index,
          'after',
        ]);
      }
    })
    .describe('Who is told next, and when; in order.'),
  loop: flag().default(false).describe('true: after the last step it begins again, counting from that.'),
})
  .superRefine(({ steps, loop }, context) => {
    const roundMs = steps.at(-1)?.after ?? 0;
    if (loop && roundMs < LOOP_MS_MIN)
      refuse(context, 'goes round within less than a minute', 'let the last step be after 1m or more', ['loop']);
  })
  .transform(
    ({ match, steps, loop }): Escalation => ({
      match,
      steps: steps.map((step) => ({ afterMs: step.after, to: [...new Set(step.to)] })),
      loop,
    }),
  );

const stormForm = strictObject({
  after: wholeNumber(1, COUNT_MAX).default(STORM.after).describe('How many new alerts a route takes within the time before it is one.'),
  in: duration({ minMs: 1000, maxMs: DAY_MS }).default(STORM.inMs).describe('The time within which they are counted.'),
}).transform((storm) => ({ after: storm.after, inMs: storm.in }));

const limitsForm = strictObject({
  perHour: wholeNumber(1, COUNT_MAX)
    .default(LIMITS.perHour)
    .describe('How many messages a contact gets in an hour at most, critical ones aside.'),
});

const listOf = <Form extends z.ZodType>(form: Form) =>
  z
    .array(form)
    .nullish()
    .transform((list) => list ?? []);

/** @param folder what file names in channels are relative to */
export const notifyFormIn = (folder: string) =>
  strictObject({
    contacts: contactsForm(folder)
      .describe('People by their ids, each with the ways to reach them: the next one when one fails for too long. Or who is on call.')
      .meta({ examples: [{ pharmacy: { email: 'pharmacy@example.org' } }] }),
    routes: listOf(routeForm).describe('The first route that matches an alert decides who is told.'),
    default: strictObject({ to, ...GROUPING_KEYS }).describe('For alerts that no route matches.'),
    schedules: schedulesForm.describe('Recurring windows of local time, for `active` and `muted` of routes and for contacts on call.'),
    inhibitions: listOf(inhibitionForm).describe('Alerts that need not be told of while another one is open.'),
    escalations: listOf(escalationForm).describe('Who is told when nobody acknowledges.'),
    storm: orOff(stormForm, 'such as {after: 20, in: 1m}')
      .prefault({})
      .describe('More new alerts than that at once on one route become one incident; off: never.'),
    limits: orOff(limitsForm, 'such as {perHour: 60}')
      .prefault({})
      .describe('How many messages a contact gets; what is held back is counted and summed up; off: any number.'),
  });

/** `notify.yaml`. */
export const notifyForm = notifyFormIn('.');
export type NotifyForm = z.output<typeof notifyForm>;
