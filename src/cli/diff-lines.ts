/** What changed, as the API tells it, in lines. */
import * as z from 'zod';
import { CHANGE_KINDS, renderChange } from '../config/change.ts';
import type { Diff } from '../config/diff.ts';
import { printable } from './print.ts';

export const diffForm = z.object({
  changes: z.array(
    z.object({
      kind: z.enum(CHANGE_KINDS),
      id: z.string(),
      change: z.enum(['added', 'removed', 'changed']),
      part: z.string().nullable(),
      from: z.string().nullable(),
      to: z.string().nullable(),
      effect: z.string(),
      resets: z.boolean(),
    }),
  ),
  more: z.number(),
});

export const linesOf = ({ changes, more }: Diff): string[] => [
  ...changes.map((change) => printable(renderChange(change))),
  ...(more > 0 ? [`and ${more} more changes`] : []),
];
