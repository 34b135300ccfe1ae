/**
 * How we speak to InfluxDB over its v1 API (1.x, 2, 3, VictoriaMetrics). Every exchange has a deadline and ends in one of
 * three ways: it was done, the server refused the points, or it is worth another try (SeriesStoreUnavailable). Credentials
 * of the URL go into a header and never into a log or an error.
 *
 * Queries and schema go through the `influx` package; writes are one `fetch`, because the package's write path knows no
 * deadline and gives a host up for seconds after each failure.
 */
import { InfluxDB } from 'influx';
import type { Clock } from '../std/clock.ts';
import { messageOf, TocsinError } from '../std/errors.ts';
import { SeriesStoreUnavailable } from './series-store.ts';

const WRITE_DEADLINE_MS = 30_000;
const QUERY_DEADLINE_MS = 30_000;
/** Nobody reads more of an error than this. */
const ERROR_TEXT_MAX = 2000;
const ABOUT_POINTS = new Set([400, 413, 422]);

export interface InfluxUrl {
  readonly protocol: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** Before `/write` and `/query`; empty, or beginning with a slash. */
  readonly path: string;
  readonly database: string;
  readonly username: string;
  readonly password: string;
}

export type WriteAnswer = { readonly outcome: 'written' } | { readonly outcome: 'refused'; readonly detail: string };

export interface ResultSeries {
  readonly name: string;
  /** Those that the query groups by. */
  readonly tags: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly unknown[])[];
}

/** `http://user:password@host:8086/database`; a token stands as the password. */
export function parseInfluxUrl(text: string): InfluxUrl {
  const url = URL.canParse(text) ? new URL(text) : null;
  const segments = url?.pathname.split('/').filter((segment) => segment !== '') ?? [];
  const database = segments.pop();
  const protocol = url?.protocol.slice(0, -1);
  if (url === null || database === undefined || (protocol !== 'http' && protocol !== 'https')) {
    throw new TocsinError('this is no address of an InfluxDB', {
      place: 'history.influx',
      hint: 'write it as http://user:password@host:8086/database',
    });
  }
  return {
    protocol,
    host: url.hostname,
    port: Number(url.port || (protocol === 'https' ? 443 : 80)),
    path: segments.map((segment) => `/${segment}`).join(''),
    database: decodeURIComponent(database),
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
}

export class InfluxConnection {
  readonly #url: InfluxUrl;
  readonly #clock: Clock;
  readonly #writeAddress: string;
  readonly #headers: Record<string, string>;

  constructor(url: InfluxUrl, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
    this.#writeAddress = `${this.name}/write?db=${encodeURIComponent(url.database)}&precision=u`;
    const credentials = Buffer.from(`${url.username}:${url.password}`).toString('base64');
    this.#headers = url.username === '' && url.password === '' ? {} : { authorization: `Basic ${credentials}` };
  }

  /** The server's address without credentials. */
  get name(): string {
    const { protocol, host, port, path } = this.#url;
    return `${protocol}://${host}:${port}${path}`;
  }

  /** Writes line protocol. A database that is missing is created and the write tried once more. */
  async write(lines: Buffer<ArrayBuffer>, signal: AbortSignal): Promise<WriteAnswer> {
    let answer = await this.#post(lines, signal);
    if (answer.status === 404) {
      await this.#createDatabase(answer.text);
      answer = await this.#post(lines, signal);
    }
    if (answer.status >= 200 && answer.status < 300) return { outcome: 'written' };
    if (ABOUT_POINTS.has(answer.status)) return { outcome: 'refused', detail: answer.text };
    throw this.#unavailable(`answered ${answer.status}: ${answer.text}`, hintFor(answer.status));
  }

  /** An InfluxQL query; times in its answer are µs. */
  async query(text: string): Promise<readonly ResultSeries[]> {
    // The package sets a host aside for seconds after an error; a new client has no such memory.
    const client = this.#client();
    const { database } = this.#url;
    const answer = await this.#within(QUERY_DEADLINE_MS, (signal) => client.queryRaw(text, { database, precision: 'u', signal }));
    return seriesOf(answer);
  }

  async #createDatabase(reason: string): Promise<void> {
    try {
      await this.#within(QUERY_DEADLINE_MS, () => this.#client().createDatabase(this.#url.database));
    } catch (cause) {
      const { database } = this.#url;
      throw this.#unavailable(`has no database ${database} (${reason}), and creating it failed: ${messageOf(cause)}`, {
        hint: `create the database or bucket ${database}, or correct history.influx`,
        cause,
      });
    }
  }

  #client(): InfluxDB {
    const { protocol, host, port, path, database, username, password } = this.#url;
    const credentials = username === '' && password === '' ? {} : { username, password };
    return new InfluxDB({
      hosts: [{ protocol, host, port, path }],
      database,
      ...credentials,
      pool: { maxRetries: 0, requestTimeout: QUERY_DEADLINE_MS },
    });
  }

  async #post(lines: Buffer<ArrayBuffer>, outer: AbortSignal): Promise<{ status: number; text: string }> {
    return await this.#within(
      WRITE_DEADLINE_MS,
      async (signal) => {
        const answer = await fetch(this.#writeAddress, { method: 'POST', body: lines, headers: this.#headers, signal });
        const text = await answer.text();
        return { status: answer.status, text: text.slice(0, ERROR_TEXT_MAX).trim() };
      },
      outer,
    );
  }

  /** Gives up at the deadline or when the outer signal aborts, whether or not the work heeds its signal. */
  async #within<T>(deadlineMs: number, work: (signal: AbortSignal) => Promise<T>, outer?: AbortSignal): Promise<T> {
    const controller = new AbortController();
    const { promise: given, reject } = Promise.withResolvers<never>();
    const stop = (reason: string) => {
      reject(new Error(reason));
      controller.abort();
    };
    const onAbort = () => stop('stopped before it answered');
    const cancel = this.#clock.after(deadlineMs, () => stop(`no answer within ${deadlineMs / 1000} s`));
    outer?.addEventListener('abort', onAbort, { once: true });
    if (outer?.aborted) onAbort();
    try {
      return await Promise.race([work(controller.signal), given]);
    } catch (cause) {
      // The package's error carries its request, credentials included: only its text goes on.
      if (cause instanceof Error && 'req' in cause)
        throw new TocsinError(`InfluxDB at ${this.name} refused: ${cause.message.slice(0, ERROR_TEXT_MAX)}`);
      throw this.#unavailable(`did not answer: ${reasonOf(cause)}`, { hint: 'is it running, and reachable from here?', cause });
    } finally {
      cancel();
      outer?.removeEventListener('abort', onAbort);
    }
  }

  #unavailable(what: string, more: { hint: string; cause?: unknown }): SeriesStoreUnavailable {
    return new SeriesStoreUnavailable(`InfluxDB at ${this.name} ${what}`, more);
  }
}

function hintFor(status: number): { hint: string } {
  if (status === 401) return { hint: 'user and password (or a token as the password) stand in history.influx' };
  if (status === 403) return { hint: 'give this user the right to write to the database' };
  if (status === 404) return { hint: 'create the database or bucket, or correct history.influx' };
  return { hint: 'readings wait in the journal until it recovers' };
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return messageOf(inner) || messageOf(error);
}

/** Takes the answer apart without trusting it. */
function seriesOf(answer: unknown): readonly ResultSeries[] {
  const found: ResultSeries[] = [];
  for (const result of listAt(answer, 'results')) {
    const error = fieldAt(result, 'error');
    if (typeof error === 'string') throw new TocsinError(`InfluxDB could not answer the query: ${error}`);
    for (const series of listAt(result, 'series')) {
      const name = String(fieldAt(series, 'name') ?? '');
      const columns = listAt(series, 'columns').map(String);
      const tags = Object.fromEntries(Object.entries(fieldAt(series, 'tags') ?? {}).map(([key, value]) => [key, String(value)]));
      found.push({ name, tags, columns, values: listAt(series, 'values').filter((row) => Array.isArray(row)) });
    }
  }
  return found;
}

const fieldAt = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && key in value ? Reflect.get(value, key) : undefined;
const listAt = (value: unknown, key: string): readonly unknown[] => {
  const list = fieldAt(value, key);
  return Array.isArray(list) ? list : [];
};
