/** The name of a contact or a schedule. */
import * as z from 'zod';
import { refuse } from '../../std/form.ts';
import { written } from '../../std/json-schema.ts';

export const ID = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u;
export const ID_HINT = 'letters, digits, . _ - (at most 64)';

export const id = (what: string) =>
  written(
    z.unknown().transform((value, context): string => {
      if (typeof value === 'string' && ID.test(value)) return value;
      if (typeof value === 'string') return refuse(context, `${JSON.stringify(value)} is no name for a ${what}`, ID_HINT);
      return refuse(context, 'expected text', typeof value === 'number' ? 'put it in quotes' : undefined);
    }),
    { type: 'string', pattern: ID.source },
  );
