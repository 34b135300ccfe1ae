/**
 * What clients may ask to be done about alerts, checked once. An end is said in exactly one way, lies ahead, and no more
 * than a year: what is to be quiet for longer is a rule to change.
 */
import { z } from 'zod';
import type { AlertMatch, Silence, SilenceView } from '../domain/operation.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import type { SilencesQuery } from '../notify/operating.ts';
import { formatDurationMs, parseDurationMs } from '../std/quantity.ts';
import { check, mistaken, name, pageQuery, time } from './requests.ts';
import { isEverything, silenceMatch } from './silence-match.ts';

/** Who has acted, unless it is said: there are no users to log in yet. */
const OPERATOR = 'operator';
const COMMENT_LENGTH_MAX = 2000;
const END_AHEAD_MAX_MS = 366 * 86_400_000;
const BODY = 'the body';

const by = name.optional().default(OPERATOR);
const comment = z
  .string()
  .max(COMMENT_LENGTH_MAX)
  .refine((text) => !/[^\P{Cc}\n\r\t]/u.test(text), 'must not contain control characters')
  .transform((text) => text.trim());
const duration = z.string().transform((text, context) => {
  const durationMs = parseDurationMs(text);
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  context.addIssue({ code: 'custom', message: 'must be a duration such as 30m, 2h or 7d' });
  return z.NEVER;
});
const end = { until: time.optional(), for: duration.optional() };
const yes = z.literal(true, { error: 'must be true, or left out' }).optional();

const acknowledgement = z.strictObject({ by, comment: comment.optional(), ...end });
const commentBody = z.strictObject({ by, comment: comment.refine((text) => text !== '', 'must not be empty') });
const byQuery = z.strictObject({ by });
const previewQuery = z.strictObject({ contact: name.optional() });
const silencesQuery = pageQuery.extend({ state: z.enum(['pending', 'active', 'ended']).optional() });
const matching = { match: silenceMatch.optional(), alert: name.optional(), everything: yes };
const newSilence = z.strictObject({
  ...matching,
  ...end,
  untilResolved: yes,
  by,
  comment: comment.optional().default(''),
  startsAt: time.optional(),
});
const changedSilence = z.strictObject({ ...matching, ...end, untilResolved: yes, by: name.optional(), comment: comment.optional() });

export const checkBy = (query: unknown): { by: string } => check(byQuery, query, 'the query');
export const checkPreviewQuery = (query: unknown): { contact?: string } => check(previewQuery, query, 'the query');
export const checkSilencesQuery = (query: unknown): SilencesQuery => check(silencesQuery, query, 'the query');
export const checkComment = (body: unknown): { by: string; comment: string } => check(commentBody, body, BODY);
export const checkTest = (body: unknown): { by: string } => check(byQuery, body ?? {}, BODY);

/** @param now µs */
export function checkAcknowledgement(body: unknown, now: number): { by: string; comment: string | null; until: number | null } {
  const posted = check(acknowledgement, body ?? {}, BODY);
  return { by: posted.by, comment: posted.comment || null, until: endOf(posted, { from: now, now }) ?? null };
}

/** A silence that is to begin. */
export function checkSilence(body: unknown, options: { readonly id: string; readonly now: number }): Silence {
  const { id, now } = options;
  const posted = check(newSilence, body, BODY);
  // It cannot have muted what is over: a start in the past is one now.
  const startsAt = Math.max(posted.startsAt ?? now, now);
  checkAhead('startsAt', startsAt, now);
  const endsAt = endOf(posted, { from: startsAt, now });
  if (endsAt === undefined)
    throw mistaken(BODY, { path: 'for', message: 'missing: say its end as one of for, until, or untilResolved: true' });
  const match = matchOf(posted);
  if (match === undefined)
    throw mistaken(BODY, { path: 'match', message: 'missing: say which alerts by match or alert; all of them are everything: true' });
  return { id, match, by: posted.by, comment: posted.comment, startsAt, endsAt };
}

/** A silence as it is to become: what is not given stays. */
export function checkSilenceChange(body: unknown, silence: SilenceView, now: number): Silence {
  const posted = check(changedSilence, body, BODY);
  const { id, startsAt } = silence;
  const endsAt = endOf(posted, { from: Math.max(startsAt, now), now });
  return {
    id,
    match: matchOf(posted) ?? silence.match,
    by: posted.by ?? silence.by,
    comment: posted.comment ?? silence.comment,
    startsAt,
    endsAt: endsAt === undefined ? silence.endsAt : endsAt,
  };
}

interface End {
  readonly until?: number | undefined;
  readonly for?: number | undefined;
  readonly untilResolved?: true | undefined;
}

/** µs; null is until resolved, undefined is that nothing was said. */
function endOf(posted: End, { from, now }: { readonly from: number; readonly now: number }): number | null | undefined {
  const said = (['until', 'for', 'untilResolved'] as const).filter((key) => posted[key] !== undefined);
  const [key, other] = said;
  if (key === undefined) return undefined;
  if (other !== undefined) throw mistaken(BODY, { path: other, message: `excludes ${key}: there is one end` });
  if (key === 'untilResolved') return null;
  const endsAt = posted.until ?? from + Math.round((posted.for ?? 0) * MICROSECONDS_PER_MILLISECOND);
  if (endsAt <= now) throw mistaken(BODY, { path: key, message: 'must not be in the past' });
  if (endsAt <= from) throw mistaken(BODY, { path: key, message: 'must be later than startsAt' });
  checkAhead(key, endsAt, from);
  return endsAt;
}

function checkAhead(path: string, at: number, from: number): void {
  if (at - from <= END_AHEAD_MAX_MS * MICROSECONDS_PER_MILLISECOND) return;
  const most = formatDurationMs(END_AHEAD_MAX_MS);
  throw mistaken(BODY, { path, message: `must be within a year (${most}): for longer than that, change the rule or its route` });
}

/** Undefined: nothing was said. */
function matchOf(posted: {
  readonly match?: AlertMatch | undefined;
  readonly alert?: string | undefined;
  readonly everything?: true | undefined;
}): AlertMatch | undefined {
  const { match, alert, everything } = posted;
  if (match !== undefined && alert !== undefined) throw mistaken(BODY, { path: 'alert', message: 'excludes match: put it into match' });
  const given = alert === undefined ? match : { ...ALL, alerts: [alert] };
  if (everything === true) {
    if (given === undefined || isEverything(given)) return ALL;
    throw mistaken(BODY, { path: 'everything', message: 'excludes what to match: leave one of them out' });
  }
  if (given === undefined || !isEverything(given)) return given;
  const message = 'matches every alert there is: name a level, rule, device, alert or label; if it is meant, say everything: true';
  throw mistaken(BODY, { path: 'match', message });
}

const ALL: AlertMatch = { levels: null, rules: null, devices: null, alerts: null, labels: {} };
