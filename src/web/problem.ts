/**
 * Errors over HTTP: `application/problem+json` (RFC 9457), every one with a status, a sentence and, where a request is at
 * fault, the path of each mistake. What goes wrong inside is logged and answered with a bare 500: no message, no stack.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { InvalidConfig, messageOf, TocsinError } from '../std/errors.ts';
import type { Logger } from '../std/logger.ts';
import { RemoteError } from '../std/rpc.ts';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'Payload too large',
  414: 'URI too long',
  415: 'Unsupported media type',
  421: 'Misdirected request',
  422: 'Unprocessable content',
  431: 'Request header fields too large',
  500: 'Internal error',
  503: 'Unavailable',
};

export interface Mistake {
  /** `[3].values.temperature`, or a query parameter's name. */
  readonly path: string;
  readonly message: string;
}

/** What is wrong with a file of the configuration. */
export interface FileProblem {
  /** `file:line:column` */
  readonly place: string | null;
  readonly message: string;
  readonly hint: string | null;
}

/** An answer other than the one asked for; thrown by handlers, written by `answerError`. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  readonly mistakes: readonly Mistake[];
  readonly problems: readonly FileProblem[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: number,
    detail: string,
    options: { mistakes?: readonly Mistake[]; problems?: readonly FileProblem[]; retryAfterSeconds?: number } = {},
  ) {
    super(detail);
    this.status = status;
    this.mistakes = options.mistakes ?? [];
    this.problems = options.problems ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  body(): string {
    return JSON.stringify({
      type: 'about:blank',
      title: TITLES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
      ...(this.mistakes.length > 0 ? { errors: this.mistakes } : {}),
      ...(this.problems.length > 0 ? { problems: this.problems } : {}),
    });
  }
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds));
  return reply.code(problem.status).type('application/problem+json').send(problem.body());
}

/** Fastify's error handler. */
export const answerError = (error: unknown, request: FastifyRequest, reply: FastifyReply, logger: Logger): FastifyReply =>
  sendProblem(reply, problemFor(error, request, logger));

/** What to answer to an error; one from inside is logged. */
export function problemFor(error: unknown, request: FastifyRequest, logger: Logger): Problem {
  const problem = problemOf(error);
  if (problem.status === 500)
    logger.error({ err: error, method: request.method, route: request.routeOptions.url }, 'an HTTP request failed');
  return problem;
}

const PROBLEMS_SHOWN_MAX = 200;
const counted = (problems: number): string => `${problems} problem${problems === 1 ? '' : 's'}`;
const JOURNAL_FULL_RETRY_SECONDS = 10;
const UNAVAILABLE = ['Unavailable', 'SeriesStoreUnavailable', 'NotDurable'];

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const name = nameOf(error);
  if (name === 'JournalFull') {
    return new Problem(503, `the journal takes no more readings at present: ${messageOf(error)}`, {
      retryAfterSeconds: JOURNAL_FULL_RETRY_SECONDS,
    });
  }
  if (error instanceof InvalidConfig) {
    const problems = error.problems.slice(0, PROBLEMS_SHOWN_MAX);
    const shown = problems.map(({ place, message, hint }) => ({ place: place ?? null, message, hint: hint ?? null }));
    return new Problem(422, `${counted(error.problems.length)} in the configuration: nothing was applied`, { problems: shown });
  }
  if (name === 'InvalidQuery') return new Problem(400, sentenceOf(error));
  if (name !== undefined && UNAVAILABLE.includes(name)) return new Problem(503, sentenceOf(error));
  // Fastify's own refusals carry a status below 500 and a message that is meant for the client.
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    if (error.statusCode >= 400 && error.statusCode < 500) return new Problem(error.statusCode, error.message);
    if (error.statusCode === 503) return new Problem(503, 'no answer in time', { retryAfterSeconds: 5 });
  }
  return new Problem(500, 'something went wrong inside Tocsin: its log says what');
}

/** An error of ours by its name, whichever thread it was thrown on. */
const nameOf = (error: unknown): string | undefined =>
  error instanceof RemoteError ? error.remoteName : error instanceof TocsinError ? error.name : undefined;

const sentenceOf = (error: unknown): string =>
  error instanceof TocsinError && error.hint !== undefined ? `${error.message}; ${error.hint}` : messageOf(error);
