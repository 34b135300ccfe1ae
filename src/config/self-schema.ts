/** The form of `self` and `heartbeat` in tocsin.yaml. */
import * as z from 'zod';
import { addressProblem } from '../notify/channels/address.ts';
import { duration, refuse, strictObject } from '../std/form.ts';
import { written } from '../std/json-schema.ts';

const EVERY_MS = 10_000;
/** Below it, it would measure little but itself; above, silence is noticed too late. */
const EVERY_LIMITS = { minMs: 1000, maxMs: 600_000 };
const PING_EVERY_MS = 60_000;
const MAIL_EVERY_MS = 3_600_000;
const BEAT_MIN_MS = 1000;
const DURATION_JSON = { type: 'string', examples: ['10s', '1m', '1h'] };

const selfForm = strictObject({ every: duration(EVERY_LIMITS).default(EVERY_MS) });

/** Null: off. */
export const self = written(
  z.unknown().transform((value, context): number | null => {
    if (value === 'off' || value === false) return null;
    const parsed = selfForm.safeParse(value);
    if (parsed.success) return parsed.data.every;
    for (const issue of parsed.error.issues) context.addIssue({ ...issue });
    return z.NEVER;
  }),
  {
    anyOf: [
      {
        type: 'object',
        properties: { every: { ...DURATION_JSON, description: 'How often.', default: '10s' } },
        additionalProperties: false,
      },
      { enum: ['off', false] },
    ],
  },
).prefault({});

export type HeartbeatForm =
  | { readonly kind: 'http'; readonly url: string; readonly everyMs: number }
  | { readonly kind: 'email'; readonly to: string; readonly everyMs: number };

/** Messages never repeat the URL: who knows it can feign the heartbeat. */
const url = z.string().refine(
  (value) => {
    const protocol = URL.canParse(value) ? new URL(value).protocol : '';
    return protocol === 'http:' || protocol === 'https:';
  },
  { error: 'expected a URL that begins with http:// or https://', params: { hint: 'for example https://hc.example.org/ping/abc' } },
);

const email = z.string().transform((value, context) => {
  const problem = addressProblem(value);
  return problem === null ? value : refuse(context, problem.message, problem.hint);
});

const heartbeatForm = strictObject({
  url: url.optional(),
  email: email.optional(),
  every: duration({ minMs: BEAT_MIN_MS }).optional(),
});

/** Null: none. */
export const heartbeat = written(
  z.unknown().transform((value, context): HeartbeatForm | null => {
    if (value === undefined || value === null || value === 'off' || value === false) return null;
    const parsed = heartbeatForm.safeParse(value);
    if (!parsed.success) {
      for (const issue of parsed.error.issues) context.addIssue({ ...issue });
      return z.NEVER;
    }
    const { url: to, email: address, every } = parsed.data;
    if ((to === undefined) === (address === undefined))
      return refuse(context, 'it needs url or email, one of them', '{url: "https://…"} or {email: watch@example.org}');
    if (to !== undefined) return { kind: 'http', url: to, everyMs: every ?? PING_EVERY_MS };
    return { kind: 'email', to: address ?? '', everyMs: every ?? MAIL_EVERY_MS };
  }),
  {
    anyOf: [
      {
        type: 'object',
        properties: {
          url: { type: 'string', pattern: '^https?://', description: 'Asked by GET.', examples: ['https://hc.example.org/ping/abc'] },
          email: { type: 'string', description: 'Gets a mail.', examples: ['watch@example.org'] },
          every: { ...DURATION_JSON, description: 'How often. Left out: 1m for url, 1h for email.' },
        },
        additionalProperties: false,
        oneOf: [{ required: ['url'] }, { required: ['email'] }],
      },
      { enum: ['off', false] },
    ],
  },
);
