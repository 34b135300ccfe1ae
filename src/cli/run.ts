/** `tocsin run`: serves until SIGTERM or SIGINT, then stops cleanly within 10 s; a second signal ends it at once. */
import { startApp } from '../app.ts';
import { systemClock } from '../std/clock.ts';
import { keepCompiledCode } from '../std/runtime.ts';
import { loadEverything } from './load.ts';

const STOP_WITHIN_MS = 10_000;

/** @param stopped resolves when the process is asked to stop. @returns the exit status. */
export async function run(options: { config: string; set: readonly string[] }, stopped: Promise<void>): Promise<number> {
  const loaded = await loadEverything({ path: options.config, set: options.set, env: process.env });
  const app = await startApp(loaded);
  process.stdout.write(`${JSON.stringify({ event: 'ready', mqtt: app.mqtt, http: app.http })}\n`);
  keepCompiledCode();
  await stopped;
  const isStopped = app[Symbol.asyncDispose]().then(() => true);
  const inTime = await Promise.race([isStopped, systemClock.sleep(STOP_WITHIN_MS).then(() => false)]);
  if (!inTime)
    process.stderr.write(
      `stopping took more than ${STOP_WITHIN_MS} ms: what was not committed is worked through again at the next start\n`,
    );
  return inTime ? 0 : 70;
}
