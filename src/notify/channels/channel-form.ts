/** A way to reach a contact, as people write it: `{email: name@example.org}`. */
import type * as z from 'zod';
import type { Channel } from '../../domain/notification.ts';
import { refuse } from '../../std/form.ts';
import { addressProblem } from './address.ts';

export const CHANNEL_JSON = {
  type: 'object',
  properties: { email: { type: 'string', description: 'One address.', examples: ['name@example.org'] } },
  required: ['email'],
  additionalProperties: false,
};

/**
 * @param at where it stands below the value that `context` is about
 * @param _folder what relative file names are relative to
 * @returns null when it is none: `context` has been told
 */
export function parseChannel(value: unknown, context: z.core.$RefinementCtx<unknown>, at: PropertyKey[], _folder: string): Channel | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(context, 'expected a channel', 'write {email: name@example.org}', at);
    return null;
  }
  const fields: Record<string, unknown> = { ...value };
  const other = Object.keys(fields).find((key) => key !== 'email');
  if (other !== undefined) {
    refuse(context, 'unknown key', 'known here: email', [...at, other]);
    return null;
  }
  const problem = addressProblem(fields.email);
  if (problem !== null) refuse(context, problem.message, problem.hint, [...at, 'email']);
  return problem === null && typeof fields.email === 'string' ? { kind: 'email', address: fields.email } : null;
}
