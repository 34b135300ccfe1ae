/** Times of a rule test as its file writes them: `0m`, `20m`, `1h10m`, from the test's start. */
import * as z from 'zod';
import { MICROSECONDS_PER_MILLISECOND } from '../domain/reading.ts';
import { refuse } from '../std/form.ts';
import { written as takes } from '../std/json-schema.ts';
import { DURATION, formatDurationMs, parseDurationMs } from '../std/quantity.ts';

/** A time from the test's start; 0 needs no unit. */
export const offset = () =>
  takes(
    z.unknown().transform((value, context): number => {
      const milliseconds = value === 0 ? 0 : typeof value === 'string' ? parseDurationMs(value) : undefined;
      if (milliseconds !== undefined) return Math.round(milliseconds * MICROSECONDS_PER_MILLISECOND);
      return refuse(context, "expected a time from the test's start", 'write a number with a unit: 0m, 90s, 10m, 1h30m');
    }),
    { anyOf: [{ type: 'string', pattern: DURATION.source }, { const: 0 }] },
  );

/** @param at µs from the test's start; before it is possible: a device's time may lie there */
export function timeOf(at: number): string {
  const milliseconds = Math.round(Math.abs(at) / 1000);
  const rest = milliseconds % 1000;
  const whole = milliseconds < 1000 ? '' : formatDurationMs(milliseconds - rest);
  if (milliseconds === 0) return '0m';
  return `${at < 0 ? '-' : ''}${whole}${rest === 0 ? '' : `${rest}ms`}`;
}
