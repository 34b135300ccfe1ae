/** Contacts: who can be told, whether a message reaches them, and what they would be told of an alert now. */
import type { FastifyInstance } from 'fastify';
import { hintFor } from '../std/form.ts';
import type { Backend } from './backend.ts';
import { checkPreviewQuery, checkTest } from './operation-requests.ts';
import { knownAlert } from './operations.ts';
import { Problem } from './problem.ts';
import { checkPageQuery, mistaken } from './requests.ts';

/** Each sends a message, and may wait for a server that does not answer. */
const TESTS_IN_FLIGHT_MAX = 4;
const BUSY_RETRY_SECONDS = 5;
const PAGE_DEFAULT = 100;

interface ById {
  Params: { id: string };
}

export function registerContacts(server: FastifyInstance, backend: Backend): void {
  let inFlight = 0;
  const unknown = async (contact: string): Promise<Problem> => {
    const ids = (await backend.contacts()).map(({ id }) => id);
    if (ids.includes(contact)) return new Problem(404, `the contact ${JSON.stringify(contact)} stands for nobody at present`);
    return new Problem(404, `there is no contact ${JSON.stringify(contact)}; ${hintFor(contact, ids)}`);
  };
  server.get('/api/v1/contacts', async ({ query }) => {
    const { cursor = '0', limit = PAGE_DEFAULT } = checkPageQuery(query);
    if (!/^\d{1,9}$/.test(cursor)) throw mistaken('the query', { path: 'cursor', message: 'must be the next of the page before' });
    const contacts = await backend.contacts();
    const end = Number(cursor) + limit;
    return { items: contacts.slice(Number(cursor), end), next: end < contacts.length ? String(end) : null };
  });
  server.post<ById>('/api/v1/contacts/:id/test', async ({ params: { id }, body }) => {
    const { by } = checkTest(body);
    if (inFlight >= TESTS_IN_FLIGHT_MAX) {
      throw new Problem(503, 'too many tests are being sent at once', { retryAfterSeconds: BUSY_RETRY_SECONDS });
    }
    inFlight += 1;
    try {
      const items = await backend.test(id, by);
      if (items === null) throw await unknown(id);
      return { items, next: null };
    } finally {
      inFlight -= 1;
    }
  });
  server.get<ById>('/api/v1/alerts/:id/preview', async ({ params: { id }, query }) => {
    const { contact = null } = checkPreviewQuery(query);
    await knownAlert(backend, id);
    const preview = await backend.preview(id, contact);
    if (preview !== null) return preview;
    if (contact !== null) throw await unknown(contact);
    throw new Problem(404, `nobody is told of the alert ${id}; ?contact= says what a certain contact would be told`);
  });
}
