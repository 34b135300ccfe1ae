/** The thread that checks chosen passwords: scrypt computes for tens of milliseconds, on a thread of its own and not in libuv's pool. See `chosen-passwords.ts`. */
import { parentPort } from 'node:worker_threads';
import { TocsinError } from '../std/errors.ts';
import { connect } from '../std/rpc.ts';
import type { CheckingMethods } from './chosen-passwords.ts';
import { isPassword, parseStored } from './password.ts';

if (parentPort === null) throw new TocsinError('this module is a worker thread: it is started by chosen-passwords.ts');
const methods: CheckingMethods = { firstMatch };
connect(parentPort, methods);

/** Each is computed, whichever is right: how long it takes tells nothing. */
function firstMatch(password: Uint8Array, candidates: readonly string[]): number {
  const answers = candidates.map((text) => {
    const stored = parseStored(text);
    return stored !== null && isPassword(password, stored);
  });
  return answers.indexOf(true);
}
