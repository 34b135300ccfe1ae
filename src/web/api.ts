/** The routes: what is read, what is posted, and what monitors ask. Each checks its input, asks the backend, renders times. */
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';
import type { Backend, IngestResult, Page } from './backend.ts';
import { registerContacts } from './contacts.ts';
import { registerLinkPages } from './links.ts';
import { METRICS_CONTENT_TYPE } from './metrics.ts';
import { registerOperations } from './operations.ts';
import { Problem } from './problem.ts';
import { registerQuarantine } from './quarantine.ts';
import {
  checkAlertsQuery,
  checkDevicesQuery,
  checkExplainQuery,
  checkPageQuery,
  checkPostedReadings,
  checkReadingsQuery,
} from './requests.ts';
import { registerSilences } from './silences.ts';
import { withTimes } from './times.ts';

/** Requests whose readings are being stored: past this, clients are told to come back. Bounds the bodies held in memory. */
const POSTS_IN_FLIGHT_MAX = 32;
const BUSY_RETRY_SECONDS = 1;
const CLIENT = 'http';

export function registerRoutes(server: FastifyInstance, backend: Backend, own: { readonly clock: Clock; readonly logger: Logger }): void {
  registerReads(server, backend);
  registerOperations(server, backend, own.clock);
  registerSilences(server, backend, own.clock);
  registerContacts(server, backend);
  registerQuarantine(server, backend);
  registerLinkPages(server, backend, own);
  registerReadingsPost(server, backend);
  registerMonitoring(server, backend);
}

function registerReads(server: FastifyInstance, backend: Backend): void {
  const list = (page: Page<unknown>) => ({ items: page.items.map(withTimes), next: page.next });
  server.get('/api/v1/devices', async (request) => list(await backend.devices(checkDevicesQuery(request.query))));
  server.get('/api/v1/readings', async (request) => list(await backend.readings(checkReadingsQuery(request.query))));
  server.get('/api/v1/alerts', async (request) => list(await backend.alerts(checkAlertsQuery(request.query))));
  server.get('/api/v1/notifications', async (request) => list(await backend.notifications(checkPageQuery(request.query))));
  server.get('/api/v1/rules', async (request) => list(await backend.rules(checkPageQuery(request.query))));
  server.get('/api/v1/configuration', async () => backend.configuration());
  server.post('/api/v1/reload', async () => backend.reload());
  server.get('/api/v1/journal', async () => withTimes(await backend.journal()));
  server.get<{ Params: { id: string } }>('/api/v1/devices/:id', async (request) => {
    const { id } = request.params;
    return found(await backend.device(id), `no device ${JSON.stringify(id)} has been heard of`);
  });
  server.get('/api/v1/explain', async (request) => {
    const explained = await backend.explain(checkExplainQuery(request.query));
    if ('unknown' in explained)
      throw new Problem(404, explained.hint === null ? explained.unknown : `${explained.unknown}; ${explained.hint}`);
    return withTimes(explained);
  });
  server.get<{ Params: { id: string } }>('/api/v1/alerts/:id', async (request) => {
    const { id } = request.params;
    return found(await backend.alert(id), `there is no alert ${JSON.stringify(id)}`);
  });
}

function found(item: unknown | null, otherwise: string): unknown {
  if (item === null || item === undefined) throw new Problem(404, otherwise);
  return withTimes(item);
}

/** The same durability as MQTT: 202 is sent only when every reading is in the journal or in the quarantine. */
function registerReadingsPost(server: FastifyInstance, backend: Backend): void {
  let inFlight = 0;
  server.post(
    '/api/v1/readings',
    {
      // Before the body is read, so that what is refused is not buffered either.
      onRequest: async (_request, reply) => {
        if (inFlight >= POSTS_IN_FLIGHT_MAX) {
          throw new Problem(503, 'too many readings are being stored at once', { retryAfterSeconds: BUSY_RETRY_SECONDS });
        }
        inFlight += 1;
        // `close` comes once, after an answer as well as when the client goes away.
        reply.raw.once('close', () => {
          inFlight -= 1;
        });
      },
    },
    async (request, reply) => {
      const { readings, ignored } = checkPostedReadings(request.body);
      const result: IngestResult =
        readings.length === 0
          ? { accepted: 0, rejected: [] }
          : await backend.ingest(
              readings.map((posted) => posted.reading),
              CLIENT,
            );
      const rejected = result.rejected.map((rejection) => ({ ...rejection, index: readings[rejection.index]?.index ?? rejection.index }));
      return reply.code(202).send({ accepted: result.accepted, ignored, rejected });
    },
  );
}

function registerMonitoring(server: FastifyInstance, backend: Backend): void {
  server.get('/healthz', async () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    const { ready, reasons } = await backend.readiness();
    return reply.code(ready ? 200 : 503).send({ ready, reasons });
  });
  server.get('/metrics', async (_request, reply) => reply.type(METRICS_CONTENT_TYPE).send(await backend.metrics()));
  server.get('/', async (_request, reply) => reply.type('text/html; charset=utf-8').send(FRONT_PAGE));
}

const FRONT_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tocsin</title>
<h1>Tocsin is running</h1>
<p>It takes sensor readings over MQTT, evaluates rules on every one of them and alerts the right person.</p>
<ul>
<li><a href="/api/v1/alerts?state=firing">alerts that fire now</a>, <a href="/api/v1/alerts">all alerts</a></li>
<li><a href="/api/v1/devices">devices</a>, <a href="/api/v1/rules">rules</a></li>
<li><a href="/api/v1/notifications">notifications</a></li>
<li><a href="/api/v1/quarantine">quarantine</a>: messages that did not decode</li>
<li><a href="/api/v1/journal">journal</a>, <a href="/readyz">readiness</a>, <a href="/metrics">metrics</a></li>
</ul>
</html>
`;
