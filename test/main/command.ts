/** `tocsin` as a command that is expected to end: its status and what it printed. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/std/clock.ts';
import { watchChild } from '../load/server.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const WAIT_MS = 30_000;

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Rejects when it does not end in time. @param options.input what it is given on stdin */
export async function tocsin(args: readonly string[], options: { readonly cwd?: string; readonly input?: string } = {}): Promise<Ended> {
  const { input, ...place } = options;
  const child = watchChild(
    spawn(process.execPath, [MAIN, ...args], {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
      ...place,
    }),
  );
  child.stdin?.end(input);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const cancel = systemClock.after(WAIT_MS, () => {
    child.kill('SIGKILL');
    reject(new Error(`tocsin ${args.join(' ')} did not end within ${WAIT_MS} ms\n${stdout}\n${stderr}`));
  });
  child.once('error', reject);
  child.once('close', (status) => resolve({ status, stdout, stderr }));
  try {
    return await promise;
  } finally {
    cancel();
  }
}
