/** Times as others read them: integer µs inside, RFC 3339 with µs outside. */
const MICROSECONDS_PER_MILLISECOND = 1000;

/** 1_000_001 → `1970-01-01T00:00:01.000001Z` */
export function formatTime(time: number): string {
  const milliseconds = Math.floor(time / MICROSECONDS_PER_MILLISECOND);
  const rest = Math.floor(time - milliseconds * MICROSECONDS_PER_MILLISECOND);
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}
