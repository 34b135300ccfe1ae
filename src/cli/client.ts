/**
 * The running instance over its HTTP API, for commands. Every request has a time limit, and what goes wrong becomes an error
 * with a hint: nobody there, somebody else there, or the instance's own words (`application/problem+json`).
 */
import * as z from 'zod';
import { loadConfig } from '../config.ts';
import { InvalidConfig, messageOf, TocsinError } from '../std/errors.ts';

const ANSWER_WITHIN_MS = 30_000;
const PAGE_ITEMS = 1000;

export interface Client {
  /** Without a slash at the end. */
  readonly url: string;
  /** @param path below `/api/v1`, such as `/devices` */
  get(path: string, query?: Query): Promise<unknown>;
  post(path: string, body?: object): Promise<unknown>;
  put(path: string, body: object): Promise<unknown>;
  delete(path: string, query?: Query): Promise<unknown>;
  /** The first `limit` items of a list, and whether there are more. */
  list(path: string, query: Query, limit: number): Promise<{ readonly items: readonly unknown[]; readonly isMore: boolean }>;
}

export type Query = Readonly<Record<string, string | undefined>>;

export interface Address {
  /** Given with `--url`; else it is `http.listen` of the config. */
  readonly url?: string | undefined;
  readonly config: string;
  readonly set: readonly string[];
}

const problemForm = z.object({
  detail: z.string(),
  problems: z
    .array(z.object({ place: z.string().nullable(), message: z.string(), hint: z.string().nullable() }))
    .optional()
    .default([]),
});
const pageForm = z.object({ items: z.array(z.unknown()), next: z.string().nullable() });

/** @throws InvalidConfig when the address is to be read from a config that does not hold */
export function createClient(address: Address): Client {
  const url = (address.url ?? listenUrl(address)).replace(/\/+$/, '');
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new TocsinError(`--url: ${url} is no address`, { hint: 'such as http://127.0.0.1:8080' });
  }
  const client: Client = {
    url,
    get: (path, query = {}) => ask(url, { method: 'GET', path, query }),
    post: (path, body) => ask(url, { method: 'POST', path, query: {}, body }),
    put: (path, body) => ask(url, { method: 'PUT', path, query: {}, body }),
    delete: (path, query = {}) => ask(url, { method: 'DELETE', path, query }),
    async list(path, query, limit) {
      const items: unknown[] = [];
      let cursor: string | undefined;
      for (;;) {
        const most = Math.min(PAGE_ITEMS, limit - items.length);
        const page = pageForm.parse(await client.get(path, { ...query, cursor, limit: String(most) }));
        items.push(...page.items);
        if (page.next === null || items.length >= limit) return { items, isMore: page.next !== null };
        cursor = page.next;
      }
    },
  };
  return client;
}

function listenUrl({ config, set }: Address): string {
  const { host, port } = loadConfig({ path: config, set, env: process.env }).http;
  if (port === 0) {
    const hint = 'name the address that it printed when it was ready: --url http://127.0.0.1:PORT';
    throw new TocsinError('http.listen has port 0, so that its real port is not known', { place: config, hint });
  }
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}

interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query: Query;
  readonly body?: object | undefined;
}

async function ask(url: string, request: Request): Promise<unknown> {
  const target = new URL(`${url}/api/v1${request.path}`);
  for (const [key, value] of Object.entries(request.query)) if (value !== undefined) target.searchParams.set(key, value);
  const { method } = request;
  const json = request.body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(request.body) };
  let response: Response;
  let text: string;
  try {
    response = await fetch(target, { method, ...json, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    text = await response.text();
  } catch (error) {
    throw unreachable(url, error);
  }
  const body = parsed(text);
  if (response.ok && body !== undefined) return body;
  const problem = problemForm.safeParse(body);
  if (!problem.success) {
    const hint = 'is that the address of Tocsin, and of this version? --url names another one';
    throw new TocsinError(`${target.href} answered ${response.status}, and nothing that Tocsin would say`, { hint });
  }
  const { detail, problems } = problem.data;
  if (problems.length === 0) throw new TocsinError(detail);
  throw new InvalidConfig(
    problems.map(
      ({ place, message, hint }) => new TocsinError(message, { ...(place !== null && { place }), ...(hint !== null && { hint }) }),
    ),
  );
}

function unreachable(url: string, error: unknown): TocsinError {
  if (error instanceof Error && error.name === 'TimeoutError') {
    const hint = 'it is busy, or something else listens there: its log and /readyz say more';
    return new TocsinError(`${url} did not answer within ${ANSWER_WITHIN_MS / 1000} s`, { hint, cause: error });
  }
  const reason = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
  return new TocsinError(`no Tocsin answers at ${url}: ${reason}`, {
    hint: 'is it running? the address is http.listen of the config; --url names another one',
    cause: error,
  });
}

/** Undefined when it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
