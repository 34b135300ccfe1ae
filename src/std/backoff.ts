/** Exponential backoff with full-range jitter of ±20 %: attempt 1 waits about `firstMs`, doubling up to `maxMs`. */
export function backoffMs(attempt: number, options: { firstMs: number; maxMs: number; random?: () => number }): number {
  const random = options.random ?? Math.random;
  const exponential = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(Math.max(attempt - 1, 0), 30));
  return Math.round(exponential * (0.8 + 0.4 * random()));
}
