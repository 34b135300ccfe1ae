/**
 * What people did, from the running instance's log, for a replay of what it recorded. It is asked over HTTP, as its state is its own;
 * that it is the instance of this data folder, the id of its journal says.
 */
import { join } from 'node:path';
import * as z from 'zod';
import { LEVELS } from '../domain/alert.ts';
import { JournalFile } from '../journal/sqlite-reader.ts';
import type { Scheduled } from '../replay/dispatching.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { parseTime } from '../web/times.ts';
import { type Address, type Client, createClient } from './client.ts';

export interface LoggedOperations {
  readonly operations: readonly Scheduled[];
  /** What of it cannot be done again, or why there is none. */
  readonly remarks: readonly string[];
}

/** As many as an instance keeps. */
const OPERATIONS_MAX = 100_000;

const time = z.string().transform((text, context) => {
  const at = parseTime(text);
  if (at !== undefined) return at;
  context.addIssue({ code: 'custom', message: 'expected a time' });
  return z.NEVER;
});
const texts = z.array(z.string()).nullable();
const match = z.object({
  levels: z.array(z.enum([...LEVELS])).nullable(),
  rules: texts,
  devices: texts,
  alerts: texts,
  labels: z.record(z.string(), z.array(z.string())),
});
const silence = z.object({ id: z.string(), match, by: z.string(), comment: z.string(), startsAt: time, endsAt: time.nullable() });
const about = { alert: z.string(), by: z.string() };
const operation = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('acknowledge'), ...about, comment: z.string().nullable(), until: time.nullable() }),
  z.object({ kind: z.literal('unacknowledge'), ...about }),
  z.object({ kind: z.literal('comment'), ...about, comment: z.string() }),
  z.object({ kind: z.literal('silence'), silence }),
  z.object({ kind: z.literal('end-silence'), silence: z.string(), by: z.string() }),
  z.object({ kind: z.literal('reload') }),
]);
const entryForm = z.object({
  at: time,
  operation,
  alerts: z.record(z.string(), z.object({ rule: z.string(), device: z.string() })),
});

/** @param range of journal time, µs: silences that began before are taken too, as they may hold still */
export async function loggedOperations(
  address: Address,
  range: { readonly from: number; readonly to: number; readonly data: string },
): Promise<LoggedOperations> {
  try {
    const client = createClient(address);
    const other = await otherInstance(client, range.data);
    if (other !== null) return without(other);
    const { items } = await client.list('/operations', {}, OPERATIONS_MAX);
    return chosen(
      items.map((item) => entryForm.parse(item)),
      range,
    );
  } catch (error) {
    if (error instanceof z.ZodError) return without('it answers in another form: is it of this version?');
    if (!(error instanceof TocsinError)) throw error;
    return without(messageOf(error));
  }
}

/** Why it is not the one whose data this is; null when it is. */
async function otherInstance(client: Client, data: string): Promise<string | null> {
  const { id } = z.looseObject({ id: z.string() }).parse(await client.get('/journal'));
  using file = new JournalFile(join(data, 'journal.db'));
  return file.id === id ? null : `the instance at ${client.url} has another journal than the data folder`;
}

function chosen(entries: readonly z.output<typeof entryForm>[], range: { readonly from: number; readonly to: number }): LoggedOperations {
  const operations: Scheduled[] = [];
  let reloads = 0;
  for (const { at, operation, alerts } of entries) {
    if (at > range.to) continue;
    if (operation.kind === 'reload') reloads += at >= range.from ? 1 : 0;
    else if (at >= range.from || operation.kind === 'silence' || operation.kind === 'end-silence')
      operations.push({ at, sequence: null, operation, alerts });
  }
  const remark = `${reloads} time(s) within it contacts, routes or rules were changed by a reload: here they are all along what they are now`;
  return { operations, remarks: reloads === 0 ? [] : [remark] };
}

const without = (why: string): LoggedOperations => ({
  operations: [],
  remarks: [`without what people did (acknowledgements, silences), as the instance was not asked: ${why}`],
});
