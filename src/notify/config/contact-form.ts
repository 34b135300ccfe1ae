/**
 * Contacts, as people write them: one channel or several in order (`{email: name@example.org}`), or who is on call, in turn
 * (`{rotation: …}`) or by schedules (`{onCall: […]}`). That those exist whom they name is `references.ts`'s to say.
 */
import * as z from 'zod';
import type { Channel, Contact, OnCall } from '../../domain/notification.ts';
import { duration, parsedBy, refuse, strictObject, whenMissing } from '../../std/form.ts';
import { either, partOf, written } from '../../std/json-schema.ts';
import { CHANNEL_JSON, parseChannel } from '../channels/channel-form.ts';
import { ID, ID_HINT } from './id-form.ts';
import { timeOfDay, zone } from './schedule-form.ts';

const DAY_MS = 86_400_000;
const DATE = /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;

const date = written(
  z.unknown().transform((value, context): string => {
    const [text, year, month, day] = (typeof value === 'string' ? DATE.exec(value) : null) ?? [];
    // Of a day that the month does not have, JavaScript makes one of the next month.
    const isDate = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
    return text !== undefined && isDate ? text : refuse(context, 'expected a date', 'write year, month and day: 2026-11-02');
  }),
  { type: 'string', pattern: DATE.source, examples: ['2026-11-02'] },
);

const wholeDays = written(
  duration({ minMs: DAY_MS, maxMs: 366 * DAY_MS }).transform((durationMs, context): number =>
    durationMs % DAY_MS === 0 ? durationMs / DAY_MS : refuse(context, 'expected whole days', 'such as 1d, 7d or 2w'),
  ),
  { type: 'string', examples: ['1d', '1w', '2w'] },
);

const rotationForm = strictObject({
  zone: zone().describe('The time zone of `start` and `handover`.'),
  start: date.describe('The day on which the first turn of the first one begins.'),
  handover: timeOfDay().optional().describe('Local time at which turns change, whatever the clocks do. Left out, midnight.'),
  every: wholeDays.describe('How long a turn is, in whole days.'),
  of: z.array(z.string()).min(1, 'expected at least one contact').describe('Whose turn it is, one after the other: ids of contacts.'),
});

const onCallForm = z
  .array(
    strictObject({
      schedule: z.string().optional().describe('Id of a schedule. Left out, it is always.'),
      to: z.string(whenMissing('the id of a contact')).describe('Who is on call then: the id of a contact.'),
    }),
  )
  .min(1, 'expected at least one entry');

const rotationContact = strictObject({ rotation: rotationForm.describe('Contacts that are on call in turn.') });
const onCallContact = strictObject({
  onCall: onCallForm.describe('Contacts that are on call by schedules: the first entry whose schedule holds. None: nobody is.'),
});

type Means = Omit<Contact, 'id'>;

/** @param folder what file names in channels are relative to */
function contactForm(folder: string) {
  return written(
    z.unknown().transform((value, context): Means => {
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        if ('rotation' in value) return { channels: [], onCall: rotationOf(parsedBy(rotationContact, value, context)) };
        if ('onCall' in value) return { channels: [], onCall: schedulesOf(parsedBy(onCallContact, value, context)) };
      }
      const list: unknown[] = Array.isArray(value) ? value : [value];
      if (list.length === 0) return refuse(context, 'a contact needs a channel', 'write {email: name@example.org}');
      const channels = list.map((entry, index) => parseChannel(entry, context, Array.isArray(value) ? [index] : [], folder));
      return { channels: channels.filter((channel): channel is Channel => channel !== null), onCall: null };
    }),
    either(CHANNEL_JSON, { type: 'array', items: CHANNEL_JSON, minItems: 1 }, partOf(rotationContact), partOf(onCallContact)),
  );
}

/** Null where it did not hold, which has been told. */
function rotationOf(form: z.output<typeof rotationContact> | undefined): OnCall | null {
  if (form?.rotation === undefined) return null;
  const { zone, start, handover, every, of } = form.rotation;
  return { kind: 'rotation', zone, start, handoverMinute: handover ?? 0, everyDays: every, of };
}

function schedulesOf(form: z.output<typeof onCallContact> | undefined): OnCall | null {
  if (form?.onCall === undefined) return null;
  return { kind: 'schedules', entries: form.onCall.map(({ schedule, to }) => ({ schedule: schedule ?? null, to })) };
}

export const contactsForm = (folder: string) =>
  written(
    z
      .record(z.string(), contactForm(folder))
      .nullish()
      .transform((given, context): readonly Contact[] =>
        Object.entries(given ?? {}).map(([id, means]) => {
          if (!ID.test(id)) refuse(context, `${JSON.stringify(id)} is no name for a contact`, ID_HINT, [id]);
          return { id, ...means };
        }),
      ),
    { propertyNames: { pattern: ID.source } },
  );
