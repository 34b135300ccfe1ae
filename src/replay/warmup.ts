/** How long before a period rules have to be fed to be as they would be in it. */
import type { Rule } from '../domain/rule.ts';
import { parseDurationMs } from '../std/quantity.ts';

/** So that what fired before the period is known to have. */
const MARGIN_MS = 3_600_000;
export const WARMUP_MAX_MS = 31 * 86_400_000;

/** The longest `for`, window, silence or time to keep firing of the rules, and an hour; at most WARMUP_MAX_MS. */
export function warmupMsOf(rules: readonly Rule[]): number {
  let longestMs = 0;
  for (const { levels, noData } of rules) {
    if (noData !== null) longestMs = Math.max(longestMs, noData.afterMs);
    for (const { forMs, keepFiringForMs, when, clear } of levels) {
      longestMs = Math.max(longestMs, forMs, keepFiringForMs, windowMsIn(when.text), windowMsIn(clear?.text ?? ''));
    }
  }
  return Math.min(WARMUP_MAX_MS, longestMs + MARGIN_MS);
}

/** A window is a duration in quotes; so may be a word that means something else, which then costs some reading only. */
function windowMsIn(condition: string): number {
  const literals = [...condition.matchAll(/'([^']*)'|"([^"]*)"/g)].map((match) => parseDurationMs(match[1] ?? match[2] ?? ''));
  return Math.max(0, ...literals.filter((durationMs) => durationMs !== undefined));
}
