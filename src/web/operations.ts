/**
 * What people do about an alert: acknowledge it, take that back, comment on it. Each answers with the alert as it then is. And the
 * log of all that they did, which a backtest does again.
 */
import type { FastifyInstance } from 'fastify';
import type { Operation } from '../domain/operation.ts';
import type { Clock } from '../std/clock.ts';
import type { Backend } from './backend.ts';
import { checkAcknowledgement, checkBy, checkComment } from './operation-requests.ts';
import { Problem } from './problem.ts';
import { checkPageQuery } from './requests.ts';
import { withTimes } from './times.ts';

interface ById {
  Params: { id: string };
}

export function registerOperations(server: FastifyInstance, backend: Backend, clock: Clock): void {
  const act = async (id: string, operation: Operation): Promise<unknown> => {
    await knownAlert(backend, id);
    await operate(backend, operation);
    return withTimes(await knownAlert(backend, id));
  };
  server.post<ById>('/api/v1/alerts/:id/acknowledge', async ({ params: { id }, body }) =>
    act(id, { kind: 'acknowledge', alert: id, ...checkAcknowledgement(body, clock.now()) }),
  );
  server.delete<ById>('/api/v1/alerts/:id/acknowledge', async ({ params: { id }, query }) =>
    act(id, { kind: 'unacknowledge', alert: id, ...checkBy(query) }),
  );
  server.post<ById>('/api/v1/alerts/:id/comment', async ({ params: { id }, body }) =>
    act(id, { kind: 'comment', alert: id, ...checkComment(body) }),
  );
  server.get('/api/v1/operations', async ({ query }) => {
    const { items, next } = await backend.operationLog(checkPageQuery(query));
    return { items: items.map(withTimes), next };
  });
}

/** @throws Problem when there is none */
export async function knownAlert(backend: Backend, id: string): Promise<unknown> {
  const alert = await backend.alert(id);
  if (alert === null || alert === undefined) throw new Problem(404, `there is no alert ${JSON.stringify(id)}`);
  return alert;
}

/** @throws Problem with the reason when it did not take effect */
export async function operate(backend: Backend, operation: Operation): Promise<void> {
  const result = await backend.operate(operation);
  if (!result.done) throw new Problem(409, result.hint === null ? result.problem : `${result.problem}; ${result.hint}`);
}
