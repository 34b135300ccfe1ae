/** A stop that must end ends, whatever a thread is waiting for. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const RUNTIME = new URL('../../src/std/runtime.ts', import.meta.url);

it.skipIf(process.platform === 'win32')('ends with its status while a thread hangs in a system call', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tocsin-end-'));
  const pipe = join(folder, 'pipe');
  await promisify(execFile)('mkfifo', [pipe]);
  // Opening a pipe that nobody writes to waits in the kernel, as a sync on a dead disk does.
  const script = `
    import { Worker } from 'node:worker_threads';
    import { endAtOnce } from ${JSON.stringify(RUNTIME.href)};
    const hang = "const fs = require('fs'); fs.writeSync(1, 'hanging'); fs.openSync(require('worker_threads').workerData, 'r')";
    new Worker(hang, { eval: true, workerData: ${JSON.stringify(pipe)} });
    setTimeout(() => endAtOnce(70), 500);`;
  const main = join(folder, 'main.mjs');
  await writeFile(main, script);
  const ended = await new Promise<{ code: unknown; killed: boolean; stdout: string }>((resolve) => {
    execFile(process.execPath, [main], { timeout: 10_000, killSignal: 'SIGKILL' }, (error, stdout) =>
      resolve({ code: error?.code ?? 0, killed: error?.killed ?? false, stdout }),
    );
  });
  expect(ended).toEqual({ code: 70, killed: false, stdout: 'hanging' });
  await rm(folder, { recursive: true, force: true });
});
