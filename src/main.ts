#!/usr/bin/env node
/**
 * argv → command. The only place that handles signals and ends the process. Exit status: 0 good, 1 what was asked about is not
 * good, 2 wrong usage, 70 a fault of ours or a stop that did not end in time.
 */
import { parseArgs } from 'node:util';
import { InvalidConfig, TocsinError } from './std/errors.ts';
import { endAtOnce, withServerSettings } from './std/runtime.ts';

const USAGE = `usage: tocsin <command> [options]

  run    [--config FILE] [--set key=value]…   serves in the foreground; SIGTERM stops it cleanly
  check  [--config FILE] [--set key=value]…   validates config, devices, rules and notify
  test   [FILE…] [--filter TEXT] [--junit F]  runs rule tests

  --config FILE   default: config/tocsin.yaml
  --help          this text, or that of a command
  --version
`;
const HELP: Record<string, string> = {
  run: `usage: tocsin run [--config FILE] [--set key=value]…

Serves MQTT and HTTP until SIGTERM or SIGINT. Prints one JSON line when it is ready, with the real ports.

  tocsin run --config config/tocsin.yaml
  tocsin run --set 'mqtt.listeners=["mqtt://127.0.0.1:0"]' --set data=/tmp/tocsin
`,
  check: `usage: tocsin check [--config FILE] [--set key=value]…

Reads everything that run would read, prints every problem as file:line:column, and exits 1 if there is one.
`,
};
/** The exit status for a fault of ours, and for a stop that did not end in time. */
const FAULT = 70;
const DEFAULT_CONFIG = 'config/tocsin.yaml';

async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  if (command === undefined || command === '--help' || command === 'help') return print(USAGE, command === undefined ? 2 : 0);
  if (command === '--version') {
    const { default: description } = await import('../package.json', { with: { type: 'json' } });
    return print(`${description.version}\n`, 0);
  }
  if (command === 'test') return runTests(rest);
  const help = HELP[command];
  if (help === undefined) return complain(`unknown command ${command}`);
  const options = parseOptions(rest);
  if (typeof options === 'string') return complain(options);
  if (options.help) return print(help, 0);
  if (command === 'check') return (await import('./cli/check.ts')).check(options);
  withServerSettings();
  const stopped = stopRequested();
  return (await import('./cli/run.ts')).run(options, stopped);
}

async function runTests(argv: readonly string[]): Promise<number> {
  const { test, HELP: help } = await import('./cli/test.ts');
  let parsed: ReturnType<typeof parseTestArgs>;
  try {
    parsed = parseTestArgs(argv);
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error));
  }
  return parsed.values.help ? print(help, 0) : test(parsed.values, parsed.positionals);
}

const parseTestArgs = (argv: readonly string[]) =>
  parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', default: DEFAULT_CONFIG },
      set: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h', default: false },
      filter: { type: 'string' },
      junit: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });

function parseOptions(argv: readonly string[]): { config: string; set: readonly string[]; help: boolean } | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        config: { type: 'string', default: DEFAULT_CONFIG },
        set: { type: 'string', multiple: true, default: [] },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    return values;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Resolves at the first SIGTERM or SIGINT; the second one ends the process at once. */
function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) endAtOnce(FAULT);
      asked = true;
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

function print(text: string, status: number): number {
  (status === 0 ? process.stdout : process.stderr).write(text);
  return status;
}

const complain = (problem: string): number => print(`${problem}\nhint: tocsin --help lists the commands\n`, 2);

function report(error: unknown): number {
  if (error instanceof InvalidConfig) return print(`${error.message}\n`, 1);
  if (error instanceof TocsinError) return print(`${error.render()}\n`, 1);
  process.stderr.write(`internal fault: ${error instanceof Error ? error.stack : String(error)}\n`);
  return FAULT;
}

// What nobody awaited or expected: the journal keeps what was acknowledged, and the next start goes on from there.
process.on('uncaughtException', (error) => endAtOnce(Math.max(report(error), FAULT)));

const status = await main(process.argv.slice(2)).catch(report);
if (status === FAULT) endAtOnce(status);
process.exit(status);
