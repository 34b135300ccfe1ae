/** Tells a database's troubles that pass when someone makes room or the disk comes back from faults of ours. */

/** SQLite's busy, locked, read-only, I/O error, full, cannot open. */
const PASSING: ReadonlySet<number> = new Set([5, 6, 8, 10, 13, 14]);
/** The low byte is the kind of error; the rest says more of the same. */
const KIND_MASK = 0xff;

export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return false;
  return PASSING.has(error.errcode & KIND_MASK);
}
