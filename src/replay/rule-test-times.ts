/** Times of a rule test as its file writes them: `0m`, `20m`, `1h10m`, from the test's start. */
import { formatDurationMs } from '../std/quantity.ts';

/** @param at µs from the test's start; before it is possible: a device's time may lie there */
export function timeOf(at: number): string {
  const milliseconds = Math.round(Math.abs(at) / 1000);
  const rest = milliseconds % 1000;
  const whole = milliseconds < 1000 ? '' : formatDurationMs(milliseconds - rest);
  if (milliseconds === 0) return '0m';
  return `${at < 0 ? '-' : ''}${whole}${rest === 0 ? '' : `${rest}ms`}`;
}
