/** What commands print: aligned columns, ages, values. Text that came from devices holds no control characters here. */
import type { Value } from '../domain/reading.ts';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { systemClock } from '../std/clock.ts';
import { formatDurationMs } from '../std/quantity.ts';
import { parseTime } from '../web/times.ts';

/** A terminal would obey them. */
export const printable = (text: string): string => text.replace(/\p{Cc}|\p{Cf}|[\u2028\u2029]/gu, '�');

/** Lines of columns as wide as what is in them; the last one is not filled up. */
export function columns(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = [];
  const clean = rows.map((row) => row.map(printable));
  for (const row of clean) for (const [index, text] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, text.length);
  return clean
    .map(
      (row) =>
        `${indent}${row
          .map((text, index) => text.padEnd(widths[index] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** `2m5s ago`; of a time still to come `in 5s`. */
export function age(time: string | null): string {
  const at = time === null ? undefined : parseTime(time);
  if (at === undefined) return 'never';
  const agoMs = (systemClock.now() - at) / MICROSECONDS_PER_MILLISECOND;
  if (Math.abs(agoMs) < 1000) return 'now';
  return agoMs < 0 ? `in ${formatDurationMs(-agoMs)}` : `${formatDurationMs(agoMs)} ago`;
}

export const valueText = (value: Value | null, unit: string | null = null): string =>
  value === null ? '' : `${typeof value === 'number' ? Number(value.toPrecision(12)) : value}${unit === null ? '' : ` ${unit}`}`;

export const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');

export const printJson = (data: unknown): void => void process.stdout.write(`${JSON.stringify(data, null, 2)}\n`);

/** What was left out of a list, on stderr: it is no part of the list. */
export function tellOfMore(isMore: boolean, limit: number): void {
  if (isMore) process.stderr.write(`there are more than ${limit}: --limit shows more of them\n`);
}

/** Whole numbers from 1 on; a problem as text otherwise. */
export function limitOf(text: string): number | string {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : `--limit ${text}: expected a whole number from 1 on`;
}
