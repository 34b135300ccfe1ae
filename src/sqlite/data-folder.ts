/**
 * The data folder is one process's at a time: two would append to one journal, and send every waiting message twice. The
 * lock is SQLite's own on a file of its own, so it ends with the process, however that ends, and leaves nothing to clean up.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf, TocsinError } from '../std/errors.ts';

const LOCK_FILE = 'lock';
/** For a process that is just ending. */
const BUSY_WAIT_MS = 1000;
const SQLITE_BUSY = 5;

/** Makes the folder where it is missing, and holds it until disposed of. Throws a TocsinError when another process has it. */
export function holdDataFolder(path: string): Disposable {
  let lock: DatabaseSync | undefined;
  try {
    mkdirSync(path, { recursive: true });
    lock = new DatabaseSync(join(path, LOCK_FILE), { timeout: BUSY_WAIT_MS });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    lock?.close();
    const isHeld = cause instanceof Error && 'errcode' in cause && cause.errcode === SQLITE_BUSY;
    if (isHeld) {
      throw new TocsinError(`the data folder ${path} is in use by another Tocsin`, {
        hint: 'stop that one first, or give this one a folder of its own: --set data=DIR',
        cause,
      });
    }
    throw new TocsinError(`cannot use the data folder ${path}: ${messageOf(cause)}`, {
      hint: 'the key data of the config names it; it must be a folder that this user may write to',
      cause,
    });
  }
  const held = lock;
  return { [Symbol.dispose]: () => held.close() };
}
