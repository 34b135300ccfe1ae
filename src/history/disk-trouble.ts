/** Tells the disk's troubles, which pass when someone makes room or the disk comes back, from faults of ours. */

/** SQLite's busy, read-only, I/O error, full, cannot open. */
const PASSING = new Set([5, 8, 10, 13, 14]);
/** The low byte is the kind of error; the rest says more of the same. */
const KIND_MASK = 0xff;

export function isDiskTrouble(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return false;
  return PASSING.has(error.errcode & KIND_MASK);
}
