/** Silences: what is, or will be, quiet on purpose, by whom and how long. Answers say what is matched as requests do. */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Silence, SilenceView } from '../domain/operation.ts';
import type { Clock } from '../std/clock.ts';
import type { Backend } from './backend.ts';
import { checkBy, checkSilence, checkSilenceChange, checkSilencesQuery } from './operation-requests.ts';
import { operate } from './operations.ts';
import { Problem } from './problem.ts';
import { mistaken } from './requests.ts';
import { writtenMatch } from './silence-match.ts';
import { withTimes } from './times.ts';

const PATH = '/api/v1/silences';
/** No vowels, and nothing to be taken for another letter: it is typed by people, and spells nothing. */
const ALPHABET = '23456789bcdfghjkmnpqrstvwxyz';
const ID_LENGTH = 10;

interface ById {
  Params: { id: string };
}

export function registerSilences(server: FastifyInstance, backend: Backend, clock: Clock): void {
  const known = async (id: string): Promise<SilenceView> => {
    const silence = await backend.silence(id);
    if (silence === null) throw new Problem(404, `there is no silence ${JSON.stringify(id)}`);
    return silence;
  };
  const store = async (silence: Silence): Promise<unknown> => {
    await checkAlerts(backend, silence);
    await operate(backend, { kind: 'silence', silence });
    return shown(await known(silence.id));
  };
  server.get(PATH, async ({ query }) => {
    const page = await backend.silences(checkSilencesQuery(query));
    return { items: page.items.map(shown), next: page.next };
  });
  server.post(PATH, async ({ body }, reply) => {
    const id = newId();
    const silence = await store(checkSilence(body, { id, now: clock.now() }));
    return reply.code(201).header('location', `${PATH}/${id}`).send(silence);
  });
  server.get<ById>(`${PATH}/:id`, async ({ params: { id } }) => shown(await known(id)));
  server.put<ById>(`${PATH}/:id`, async ({ params: { id }, body }) => {
    const silence = await known(id);
    if (silence.state === 'ended') throw new Problem(409, `the silence ${id} has ended; begin another one`);
    return store(checkSilenceChange(body, silence, clock.now()));
  });
  server.delete<ById>(`${PATH}/:id`, async ({ params: { id }, query }) => {
    const { by } = checkBy(query);
    const { state } = await known(id);
    if (state !== 'ended') await operate(backend, { kind: 'end-silence', silence: id, by });
    return shown(await known(id));
  });
}

function newId(): string {
  let id = '';
  // A byte beyond the last whole multiple of the alphabet would favour its first letters.
  while (id.length < ID_LENGTH) {
    for (const byte of randomBytes(ID_LENGTH)) {
      if (byte < 252 && id.length < ID_LENGTH) id += ALPHABET[byte % ALPHABET.length] ?? '';
    }
  }
  return id;
}

/** A misspelt id would silence nothing, and nobody would know. */
async function checkAlerts(backend: Backend, { match: { alerts } }: Silence): Promise<void> {
  for (const id of alerts ?? []) {
    const alert = await backend.alert(id);
    if (alert === null) throw mistaken('the body', { path: 'alert', message: `there is no alert ${JSON.stringify(id)}` });
  }
}

const shown = (silence: SilenceView): unknown => withTimes({ ...silence, match: writtenMatch(silence.match) });
