/** A password that a person chose: from the command line, from stdin, or typed without being shown. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { CHOSEN_LENGTH_MIN, PASSWORD_BYTES_MAX } from '../access/password.ts';
import { TocsinError } from '../std/errors.ts';

/** @param given what stood behind the option; empty: nothing */
export async function readPassword(given: string): Promise<string> {
  const password = given !== '' ? given : process.stdin.isTTY ? await typed() : (await text(process.stdin)).replace(/\r?\n$/, '');
  if (password.length < CHOSEN_LENGTH_MIN)
    throw new TocsinError(`a password has at least ${CHOSEN_LENGTH_MIN} characters`, {
      hint: 'leave --password out, and one is made that nobody can guess',
    });
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) throw new TocsinError(`a password has at most ${PASSWORD_BYTES_MAX} bytes`);
  return password;
}

async function typed(): Promise<string> {
  process.stderr.write('password: ');
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    const ended = once(lines, 'close').then((): unknown[] => ['']);
    const [line] = await Promise.race([once(lines, 'line'), ended]);
    return String(line);
  } finally {
    process.stderr.write('\n');
    lines.close();
  }
}
