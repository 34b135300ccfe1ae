/**
 * The runtime's settings for a server, wherever it is started from: `node src/main.ts run` runs itself once more with
 * them, in the same process, so that scripts, containers and service managers need not know them.
 *
 * - A young generation of 48 MB instead of up to 200: it fills with garbage of acknowledged messages, however much room
 *   it has. Costs 1 to 2 % of throughput, saves 100 MB.
 * - A cache of compiled code beside the installed packages: without it every thread carries the TypeScript compiler
 *   (10 to 15 MB each), and the start takes twice as long. Left out where that folder cannot be written.
 */
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { messageOf } from './errors.ts';

const HEAP_FLAG = '--max-semi-space-size=16';
const CACHE_FOLDER = fileURLToPath(new URL('../../node_modules/.cache/tocsin', import.meta.url));
const SHELL = '/bin/sh';
const IS_SET = 'TOCSIN_RUNTIME';

/** Does not return where it replaces the process; returns where that was done already, or cannot be. */
export function withServerSettings(): void {
  const replace = process.execve;
  if (replace === undefined || process.platform === 'win32' || process.env[IS_SET] === 'set') return;
  const cache = process.env.NODE_COMPILE_CACHE ?? writableCache();
  const env = { ...process.env, [IS_SET]: 'set', ...(cache === null ? {} : { NODE_COMPILE_CACHE: cache }) };
  replace(process.execPath, [process.execPath, HEAP_FLAG, ...process.execArgv, ...process.argv.slice(1)], env);
}

/**
 * Ends the process even while a thread hangs in a system call, as on a disk that does not answer: `process.exit` waits for
 * every thread. What takes the process's place knows no threads.
 */
export function endAtOnce(status: number): never {
  if (process.execve !== undefined && existsSync(SHELL)) process.execve(SHELL, [SHELL, '-c', `exit ${status}`]);
  process.exit(status);
}

/** Writes what was compiled so far: a process that is killed later would leave the next one nothing. */
export const keepCompiledCode = (): void => flushCompileCache?.();

function writableCache(): string | null {
  try {
    mkdirSync(CACHE_FOLDER, { recursive: true });
    accessSync(CACHE_FOLDER, constants.W_OK);
    return CACHE_FOLDER;
  } catch (error) {
    process.stderr.write(`starting without a code cache: ${messageOf(error)}\n`);
    return null;
  }
}
