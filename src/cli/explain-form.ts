/** An explanation as the API answers it: what is printed of it. There may be more. */
import * as z from 'zod';

const time = z.string().nullable();
const scalar = z.union([z.number(), z.boolean(), z.string()]);

export interface Part {
  readonly kind: string;
  readonly text: string;
  readonly value: string | number | boolean | null;
  readonly why?: string | undefined;
  readonly ageMs?: number | undefined;
  readonly maxGapMs?: number | undefined;
  readonly windowMs?: number | undefined;
  readonly samples?: number | undefined;
  readonly samplesUnit?: string | undefined;
  readonly bound?: number | undefined;
  readonly members?: readonly { readonly device: string; readonly value: number | null; readonly why?: string | undefined }[] | undefined;
  readonly memberCount?: number | undefined;
  readonly parts: readonly Part[];
}
const part: z.ZodType<Part> = z.lazy(() =>
  z.object({
    kind: z.string(),
    text: z.string(),
    value: scalar.nullable(),
    why: z.string().optional(),
    ageMs: z.number().optional(),
    maxGapMs: z.number().optional(),
    windowMs: z.number().optional(),
    samples: z.number().optional(),
    samplesUnit: z.string().optional(),
    bound: z.number().optional(),
    members: z.array(z.object({ device: z.string(), value: z.number().nullable(), why: z.string().optional() })).optional(),
    memberCount: z.number().optional(),
    parts: z.array(part),
  }),
);

const condition = z.object({ place: z.string(), text: z.string(), value: z.boolean().nullable(), because: z.string(), tree: part });
const outcome = z.object({ value: z.boolean().nullable(), because: z.string() }).nullable();
const level = z.object({
  level: z.string(),
  isCurrent: z.boolean(),
  when: condition,
  whenNow: outcome,
  clear: condition.nullable(),
  clearNow: outcome,
  forMs: z.number(),
  trueSince: time,
  heldMs: z.number().nullable(),
  count: z.object({ times: z.number(), of: z.number(), trues: z.number(), newestFirst: z.array(z.boolean()) }).nullable(),
  keepFiringForMs: z.number(),
  keptUntil: time,
  says: z.string(),
});

const alert = z.object({
  id: z.string(),
  level: z.string(),
  state: z.string(),
  flags: z.array(z.string()),
  since: z.string(),
  firedAt: time,
  resolvedAt: time,
  summary: z.string(),
});
const story = z.object({
  alert,
  timeline: z.array(z.object({ at: z.string(), kind: z.string(), reason: z.string().optional(), detail: z.string().optional() })),
  earlier: z.number(),
});

const rule = z.object({
  rule: z.string(),
  place: z.string(),
  group: z.string().nullable(),
  members: z.number().nullable(),
  phase: z.string(),
  level: z.string().nullable(),
  noData: z.boolean(),
  evaluatedAt: time,
  levels: z.array(level),
  silence: z
    .object({ says: z.string(), isSilent: z.boolean(), metrics: z.array(z.object({ name: z.string(), heardAt: time })) })
    .nullable(),
  timers: z.array(z.object({ kind: z.string(), dueAt: z.string(), inMs: z.number(), says: z.string() })),
  notes: z.array(z.string()),
  ifItFired: z.array(
    z.object({
      level: z.string(),
      contacts: z.array(z.object({ id: z.string(), channels: z.array(z.object({ kind: z.string(), address: z.string() })) })),
      reason: z.string(),
    }),
  ),
  story: story.nullable(),
});

const device = z.object({
  id: z.string(),
  profile: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  listed: z.boolean(),
  lastSeen: time,
  lastAt: time,
  readings: z.number(),
  limitList: z.array(z.object({ name: z.string(), value: z.number(), origin: z.string() })),
  maxGapMs: z.number(),
  clockSkewMs: z.number(),
  latenessMs: z.number(),
  held: z.object({ readings: z.number(), until: z.string() }).nullable(),
  backlog: z.object({ from: z.string(), to: z.string(), alerts: z.number(), until: z.string() }).nullable(),
  dependsOn: z.string().nullable(),
  online: z.boolean().nullish(),
});

export const explanationForm = z.object({
  at: z.string(),
  device: device.nullable(),
  rules: z.array(rule),
  others: z.array(z.object({ rule: z.string(), place: z.string(), why: z.array(z.string()) })),
  /** What is missing in it, and why. */
  remarks: z.array(z.string()).optional().default([]),
});

export type ExplanationData = z.output<typeof explanationForm>;
export type RuleData = ExplanationData['rules'][number];
export type LevelData = RuleData['levels'][number];
export type ConditionData = LevelData['when'];
