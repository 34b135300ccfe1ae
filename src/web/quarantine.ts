/**
 * The quarantine: what is in it, by reason and one by one, and replays of it, which decode it again by the present profiles. A replay is
 * answered when what came of it is durable; what is rejected still stays, with the reason of now.
 */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Backend, QuarantineFilter, QuarantinePageQuery } from './backend.ts';
import { Problem } from './problem.ts';
import { check, name, pageQuery } from './requests.ts';
import { withTimes } from './times.ts';

const REPLAYED_MAX = 1000;
const TOPIC_LENGTH_MAX = 65_535;

const filter = { reason: name.optional(), device: name.optional(), topic: z.string().max(TOPIC_LENGTH_MAX).optional() };
const listQuery = pageQuery.extend(filter);
const rules = z.boolean().optional().default(false);
const one = z.strictObject({ rules });
const many = z.strictObject({
  ...filter,
  rules,
  limit: z.int().min(1).max(REPLAYED_MAX).optional().default(REPLAYED_MAX),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'must be `next` of the replay before')
    .transform(Number)
    .optional()
    .default(0),
});

const checkListQuery = (query: unknown): QuarantinePageQuery => check(listQuery, query, 'the query');

interface ById {
  Params: { id: string };
}

export function registerQuarantine(server: FastifyInstance, backend: Backend): void {
  server.get('/api/v1/quarantine', async ({ query }) => {
    const { items, next } = await backend.quarantine(checkListQuery(query));
    return { items: items.map(withTimes), next };
  });
  server.get('/api/v1/quarantine/reasons', async () => ({ items: (await backend.quarantineReasons()).map(withTimes), next: null }));
  server.get<ById>('/api/v1/quarantine/:id', async ({ params: { id } }) => withTimes(found(id, await backend.quarantined(numberOf(id)))));
  server.post<ById>('/api/v1/quarantine/:id/replay', async ({ params: { id }, body }) =>
    found(id, await backend.replay(numberOf(id), check(one, body ?? {}, 'the body'))),
  );
  server.post('/api/v1/quarantine/replay', async ({ body }) => {
    const { rules: withRules, limit, cursor, ...wanted } = check(many, body ?? {}, 'the body');
    const matching: QuarantineFilter = wanted;
    return backend.replayMany(matching, { rules: withRules, limit, after: cursor });
  });
}

/** What is no number is the id of nothing. */
const numberOf = (id: string): number => (/^\d{1,15}$/.test(id) ? Number(id) : -1);

function found(id: string, item: unknown | null): unknown {
  if (item === null || item === undefined)
    throw new Problem(404, `there is no entry ${JSON.stringify(id)} in the quarantine, or not any more`);
  return item;
}
