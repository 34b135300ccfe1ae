/** What people do in a rule test, `do:` in its file: the form. Times are µs from the test's start. */
import * as z from 'zod';
import type { AlertMatch } from '../domain/operation.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { matchForm } from '../notify/config/match-form.ts';
import { duration, refuse, strictObject } from '../std/form.ts';
import type { YamlFile } from '../std/yaml.ts';
import { offset } from './rule-test-times.ts';

export interface Action {
  readonly path: readonly PropertyKey[];
  readonly place: string;
  readonly at: number;
  readonly by: string;
  readonly deed: Deed;
}

export type Deed =
  | {
      readonly kind: 'acknowledge' | 'unacknowledge';
      readonly alert: string;
      readonly device: string | null;
      readonly group: string | null;
      readonly comment: string | null;
      /** Null: for good. */
      readonly until: number | null;
    }
  /** `endsAt` null: until what it matches is resolved. */
  | {
      readonly kind: 'silence';
      readonly name: string;
      readonly match: AlertMatch;
      readonly comment: string;
      readonly endsAt: number | null;
    }
  | { readonly kind: 'endSilence'; readonly name: string };

const KINDS = ['acknowledge', 'unacknowledge', 'silence', 'endSilence'] as const;
/** Which of the other keys go with each. */
const KEYS: Readonly<Record<(typeof KINDS)[number], readonly string[]>> = {
  acknowledge: ['device', 'group', 'for', 'comment'],
  unacknowledge: ['device', 'group'],
  silence: ['for', 'name', 'comment'],
  endSilence: [],
};
const DEFAULT_NAME = 'silence';
const DEFAULT_PERSON = 'operator';

const text = z.string().min(1, 'must not be empty');

export const actionForm = strictObject({
  at: offset().describe('When, from the start of the test.'),
  acknowledge: text.optional().describe('The rule whose alert is acknowledged.'),
  unacknowledge: text.optional().describe('The rule of whose alert that is taken back.'),
  silence: matchForm.optional().describe('Which alerts are silenced, such as {rule: fridge-warm}.'),
  endSilence: text.optional().describe('The name of the silence that ends.'),
  device: text.optional().describe('Another device than that of the test.'),
  group: text.optional().describe('Of a rule on groups, such as site=berlin.'),
  for: duration({ minMs: 1 }).optional().describe('How long; left out: for good, or until all that a silence matches is resolved.'),
  name: text.optional().describe('Of a silence, for endSilence.'),
  by: text.optional().describe('Who.'),
  comment: text.optional().describe('Why.'),
}).transform((written, context) => {
  const [kind, ...more] = KINDS.filter((key) => written[key] !== undefined);
  if (kind === undefined) return refuse(context, 'nothing is done', `one of ${KINDS.join(', ')}: {at: 30m, acknowledge: fridge-warm}`);
  for (const other of more) refuse(context, `${kind} and ${other} are two actions`, 'make it two entries of the list', [other]);
  for (const key of ['device', 'group', 'for', 'name', 'comment'] as const)
    if (written[key] !== undefined && !KEYS[kind].includes(key)) refuse(context, `${kind} takes no ${key}`, 'leave it out', [key]);
  return { ...written, kind };
});

type Written = z.output<typeof actionForm>;

export function actionOf(written: Written, path: readonly PropertyKey[], yaml: YamlFile): Action {
  const { at, by = DEFAULT_PERSON } = written;
  return { path, place: yaml.place(path), at, by, deed: deedOf(written) };
}

function deedOf(written: Written): Deed {
  const { kind, at, silence, device = null, group = null, comment, name = DEFAULT_NAME } = written;
  const end = written.for === undefined ? null : at + Math.round(written.for * MICROSECONDS_PER_MILLISECOND);
  if (kind === 'silence' && silence !== undefined) return { kind, name, match: silence, comment: comment ?? '', endsAt: end };
  if (kind === 'endSilence') return { kind, name: written.endSilence ?? name };
  const isAcknowledged = kind === 'acknowledge';
  const alert = (isAcknowledged ? written.acknowledge : written.unacknowledge) ?? '';
  return { kind: isAcknowledged ? 'acknowledge' : 'unacknowledge', alert, device, group, comment: comment ?? null, until: end };
}
