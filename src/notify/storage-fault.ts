/** Faults of the state file that may pass by themselves: a full disk, a lock held by a backup, an I/O error. */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const PASSING: readonly unknown[] = [SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR, SQLITE_FULL];

export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return false;
  // The low byte is the kind of fault, the rest its particulars.
  return PASSING.includes(error.errcode & 0xff);
}
