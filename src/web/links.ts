/**
 * Where links in messages lead: `/a/{token}`. To follow one shows a page, whoever follows it and with whatever headers: link
 * scanners, prefetching browsers and previews acknowledge nothing. What acts is the POST of the form on that page; sent
 * twice, it says what is so already.
 *
 * The form holds a token of its own, bound to the link and made with a key of this process: nothing can post that has not
 * loaded the page.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Operation, SilenceView } from '../domain/operation.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import type { LinkAction } from '../notify/action-links.ts';
import { timeText } from '../notify/mail/mail-text.ts';
import type { OpenedLink } from '../notify/operating.ts';
import type { Clock } from '../std/clock.ts';
import type { Logger } from '../std/logger.ts';
import type { Backend } from './backend.ts';
import { LINK_ROUTE } from './guard.ts';
import {
  type AlertPage,
  alertPage,
  isSilenceEnd,
  LINK_COMMENT_LENGTH_MAX,
  LINK_PAGE_HEADERS,
  messagePage,
  SILENCE_ENDS,
} from './link-page.ts';
import { Problem, problemFor } from './problem.ts';

const FORM_TYPE = 'application/x-www-form-urlencoded';
const FORM_BYTES_MAX = 16 * 1024;
/** Anybody may ask here: what they may keep busy is bounded. */
const REQUESTS_IN_FLIGHT_MAX = 32;
const BUSY_RETRY_SECONDS = 1;
/** How often one link can begin a silence again that has ended. */
const SILENCES_PER_LINK_MAX = 20;

type Opened = Extract<OpenedLink, { contact: string }>;
type OpenAlert = NonNullable<Opened['alert']>;
/** A page with its status. */
interface Shown {
  readonly status: number;
  readonly html: string;
}
interface Following {
  readonly token: string;
  readonly contact: string;
  readonly action: LinkAction;
  readonly alert: OpenAlert;
}

export function registerLinkPages(
  server: FastifyInstance,
  backend: Backend,
  own: { readonly clock: Clock; readonly logger: Logger },
): void {
  const pages = new LinkPages(backend, own.clock);
  let inFlight = 0;
  const bounded = async (reply: FastifyReply, show: () => Promise<Shown>): Promise<FastifyReply> => {
    if (inFlight >= REQUESTS_IN_FLIGHT_MAX) throw new Problem(503, 'too many at once', { retryAfterSeconds: BUSY_RETRY_SECONDS });
    inFlight += 1;
    try {
      return send(reply, await show());
    } finally {
      inFlight -= 1;
    }
  };
  server.register(async (scope) => {
    // Of these pages only, and they take nothing else.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(FORM_TYPE, { parseAs: 'string', bodyLimit: FORM_BYTES_MAX }, (_request, body, done) => done(null, body));
    scope.setErrorHandler((error, request, reply) => {
      const { status, message, retryAfterSeconds } = problemFor(error, request, own.logger);
      if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
      const text = status >= 500 ? `Nothing was changed. Try it again in a moment. (${message})` : `Nothing was changed: ${message}.`;
      return send(reply, { status, html: messagePage({ title: 'That did not work', text }) });
    });
    scope.get<{ Params: { token: string } }>(LINK_ROUTE, ({ params }, reply) => bounded(reply, () => pages.show(params.token)));
    scope.post<{ Params: { token: string } }>(LINK_ROUTE, ({ params, body }, reply) =>
      bounded(reply, () => pages.act(params.token, new URLSearchParams(typeof body === 'string' ? body : ''))),
    );
  });
}

const send = (reply: FastifyReply, { status, html }: Shown): FastifyReply =>
  reply.code(status).headers(LINK_PAGE_HEADERS).type('text/html; charset=utf-8').send(html);

class LinkPages {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #key = randomBytes(32);

  constructor(backend: Backend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** Changes nothing. */
  async show(token: string): Promise<Shown> {
    const link = await this.#follow(token);
    if ('html' in link) return link;
    return (await this.#already(link)) ?? this.#withForm(link, {});
  }

  async act(token: string, fields: URLSearchParams): Promise<Shown> {
    const link = await this.#follow(token);
    if ('html' in link) return link;
    // Asked first: whoever presses twice is told what is so, however old their page.
    const already = await this.#already(link);
    if (already !== null) return already;
    const comment = (fields.get('comment') ?? '').trim();
    const again = (status: number, problem: string): Shown => this.#withForm(link, { status, problem, comment });
    if (!this.#isForm(token, fields.get('form') ?? '')) {
      return again(403, 'Nothing has been done yet: this page had grown old. Press the button once more.');
    }
    if (comment.length > LINK_COMMENT_LENGTH_MAX) return again(400, `The comment is longer than ${LINK_COMMENT_LENGTH_MAX} characters.`);
    if (link.action === 'silence') return this.#silence(link, { end: fields.get('end') ?? '', comment }, again);
    const { alert, contact: by } = link;
    const done = `Acknowledged. ${by} is told again if it gets worse, and when it is over.`;
    return this.#operate(link, { kind: 'acknowledge', alert: alert.id, by, comment: comment || null, until: null }, { done, again });
  }

  /** The page that says so when there is nothing left to do. */
  async #already(link: Following): Promise<Shown | null> {
    const done = link.action === 'acknowledge' ? acknowledgedAlready(link) : silencedAlready((await this.#silenceOf(link.token)).current);
    return done === null ? null : { status: 200, html: alertPage({ ...link, done }) };
  }

  async #silence(
    link: Following,
    { end, comment }: { readonly end: string; readonly comment: string },
    again: (status: number, problem: string) => Shown,
  ): Promise<Shown> {
    if (!isSilenceEnd(end)) return again(400, 'Choose for how long.');
    const { id } = await this.#silenceOf(link.token);
    if (id === null) return again(409, 'This link has been used too often. Use tocsin silences add, or the link in a newer message.');
    const now = this.#clock.now();
    const { durationMs } = SILENCE_ENDS[end];
    const silence = {
      id,
      match: { levels: null, rules: null, devices: null, alerts: [link.alert.id], labels: {} },
      by: link.contact,
      comment: comment || 'by the link in a message',
      startsAt: now,
      endsAt: durationMs === null ? null : now + durationMs * MICROSECONDS_PER_MILLISECOND,
    };
    return this.#operate(link, { kind: 'silence', silence }, { done: silencedText(silence), again });
  }

  async #operate(
    link: Following,
    operation: Operation,
    { done, again }: { done: string; again: (status: number, problem: string) => Shown },
  ): Promise<Shown> {
    const result = await this.#backend.operate(operation);
    if (!result.done) return again(409, result.hint === null ? result.problem : `${result.problem}; ${result.hint}`);
    const opened = await this.#backend.openLink(link.token);
    const alert = 'problem' in opened ? link.alert : (opened.alert ?? link.alert);
    return { status: 200, html: alertPage({ ...link, alert, done }) };
  }

  /** What the link is about, or the page that says why it leads no further. */
  async #follow(token: string): Promise<Following | Shown> {
    const opened = await this.#backend.openLink(token);
    if ('problem' in opened) return { status: 403, html: messagePage({ title: 'This link does not work', text: opened.problem }) };
    const { alert, contact, action } = opened;
    if (alert === null) {
      return { status: 410, html: messagePage({ title: 'This alert is gone', text: 'It was over long ago, and is no longer kept.' }) };
    }
    if (alert.state !== 'resolved') return { token, alert, contact, action };
    return { status: 410, html: alertPage({ alert, contact, done: 'This alert is over: there is nothing left to do.' }) };
  }

  #withForm(link: Following, { status = 200, problem, comment = '' }: { status?: number; problem?: string; comment?: string }): Shown {
    const { action, token } = link;
    const page: AlertPage = { ...link, form: { action, token: this.#formToken(token), comment } };
    return { status, html: alertPage(problem === undefined ? page : { ...page, problem }) };
  }

  /** The silence that this link has begun; `id` is that of the next one, null when there were too many. */
  async #silenceOf(token: string): Promise<{ id: string | null; current: SilenceView | null }> {
    const stem = `link-${createHash('sha256').update(token).digest('hex').slice(0, 12)}`;
    for (let number = 1; number <= SILENCES_PER_LINK_MAX; number++) {
      const id = number === 1 ? stem : `${stem}-${number}`;
      const current = await this.#backend.silence(id);
      if (current === null || current.state !== 'ended') return { id, current };
    }
    return { id: null, current: null };
  }

  #formToken(token: string): string {
    return createHmac('sha256', this.#key).update(token).digest('base64url');
  }

  #isForm(token: string, given: string): boolean {
    const [expected, bytes] = [Buffer.from(this.#formToken(token)), Buffer.from(given)];
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  }
}

function acknowledgedAlready({ alert }: Following): string | null {
  return alert.flags.includes('acknowledged') ? 'It is acknowledged already: there is nothing left to do.' : null;
}

const silencedAlready = (silence: SilenceView | null): string | null =>
  silence === null ? null : `It is so already: ${silencedText(silence)}`;

const silencedText = ({ id, endsAt }: { readonly id: string; readonly endsAt: number | null }): string =>
  `Silenced ${endsAt === null ? 'until it is resolved' : `until ${timeText(endsAt)}`}. To end it earlier: tocsin silences end ${id}`;
