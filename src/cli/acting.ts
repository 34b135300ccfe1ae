/** What commands have in common with which a person acts on alerts: who it is, what they say, and until when it holds. */
import { userInfo } from 'node:os';
import { systemClock } from '../std/clock.ts';
import { parseDurationMs } from '../std/quantity.ts';
import { formatTime } from '../web/times.ts';
import { WrongUsage } from './command.ts';
import { timeOption } from './time-option.ts';

export const ACTING_OPTIONS = {
  by: { type: 'string' },
  comment: { type: 'string' },
  until: { type: 'string' },
  for: { type: 'string' },
} as const;

const UNNAMED = 'operator';

/** The name given, else that of the user of this machine. */
export function actor(by: string | undefined): string {
  if (by !== undefined) return by;
  try {
    return userInfo().username || UNNAMED;
  } catch (error) {
    // A container may run under a number that has no name.
    if (!(error instanceof Error) || !('code' in error)) throw error;
    return process.env.USER || UNNAMED;
  }
}

/** The end as the API takes it; empty when none was given. Throws WrongUsage. */
export function endOption({ until, for: duration }: { readonly until: string | undefined; readonly for: string | undefined }): {
  until?: string;
  for?: string;
} {
  if (until !== undefined && duration !== undefined) throw new WrongUsage('--for and --until exclude each other: there is one end');
  if (until !== undefined) return { until: formatTime(timeOption('--until', until, { now: systemClock.now(), zone: null })) };
  if (duration === undefined) return {};
  if ((parseDurationMs(duration) ?? 0) <= 0) throw new WrongUsage(`--for ${duration}: expected a duration such as 30m, 2h or 7d`);
  return { for: duration };
}
