/** Times as a person gives them on the command line: RFC 3339, a date, `now`, or how long ago (`-7d`). */
import { readDeviceTime } from '../devices/time.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { parseDurationMs } from '../std/quantity.ts';
import { WrongUsage } from './command.ts';

/** @param options.zone of times that name none @returns µs. Throws WrongUsage. */
export function timeOption(name: string, text: string, options: { readonly now: number; readonly zone: string | null }): number {
  if (text === 'now') return options.now;
  const agoMs = text.startsWith('-') ? parseDurationMs(text.slice(1)) : undefined;
  if (agoMs !== undefined) return options.now - Math.round(agoMs * MICROSECONDS_PER_MILLISECOND);
  const written = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00` : text;
  const time = /^\d+$/.test(written) ? 'invalid' : readDeviceTime(written, options.zone ?? 'UTC', options.now);
  if (typeof time === 'number') return time;
  throw new WrongUsage(`${name} ${text}: expected a time such as 2026-03-01T08:00:00Z, a date, or how long ago, such as -7d`);
}

/** `--from -7d` as `--from=-7d`: an argument that begins with a dash would be taken for an option. */
export function joinRelativeTimes(argv: readonly string[], names: readonly string[]): string[] {
  const joined: string[] = [];
  for (const argument of argv) {
    const previous = joined.at(-1);
    if (previous !== undefined && names.includes(previous) && /^-\d/.test(argument)) joined[joined.length - 1] = `${previous}=${argument}`;
    else joined.push(argument);
  }
  return joined;
}
