/**
 * `tocsin run`: serves until SIGTERM or SIGINT, then stops cleanly within 10 s; a second signal ends it at once. SIGHUP
 * applies a changed configuration.
 */
import { systemClock } from '../std/clock.ts';
import { keepCompiledCode } from '../std/runtime.ts';
import { defineCommand, type Signals } from './command.ts';

const STOP_WITHIN_MS = 10_000;

export const command = defineCommand({
  help: `usage: tocsin run [--config FILE] [--set key=value]…

Serves MQTT and HTTP until SIGTERM or SIGINT. Prints one JSON line when it is ready, with the real ports.
SIGHUP reads rules, profiles, fleet, notify, credentials and certificates again and applies them; what is not valid is refused
whole.

  tocsin run --config config/tocsin.yaml
  tocsin run --set 'mqtt.listeners=["mqtt://127.0.0.1:0"]' --set data=/tmp/tocsin
`,
  isServer: true,
  run: (options, _, signals) => run(options, signals),
});

async function run(options: { config: string; set: readonly string[] }, signals: Signals): Promise<number> {
  // Loaded here, so that the help needs none of it.
  const [{ startApp }, { loadEverything }] = await Promise.all([import('../app.ts'), import('./load.ts')]);
  const source = { path: options.config, set: options.set, env: process.env };
  const app = await startApp(await loadEverything(source), source);
  signals.onReload(() => app.reload('SIGHUP'));
  process.stdout.write(`${JSON.stringify({ event: 'ready', mqtt: app.mqtt, http: app.http })}\n`);
  keepCompiledCode();
  await signals.stopped;
  const isStopped = app[Symbol.asyncDispose]().then(() => true);
  const inTime = await Promise.race([isStopped, systemClock.sleep(STOP_WITHIN_MS).then(() => false)]);
  if (!inTime)
    process.stderr.write(
      `stopping took more than ${STOP_WITHIN_MS} ms: what was not committed is worked through again at the next start\n`,
    );
  return inTime ? 0 : 70;
}
