#!/usr/bin/env node
/**
 * argv → command. The only place that handles signals and ends the process. Exit status: 0 good, 1 what was asked about is not
 * good, 2 wrong usage, 70 a fault of ours or a stop that did not end in time.
 */
import { isatty } from 'node:tty';
import { type Command, type Signals, WrongUsage } from './cli/command.ts';
import { InvalidConfig, TocsinError } from './std/errors.ts';
import { endAtOnce, withServerSettings } from './std/runtime.ts';

/** A command: what the list says of it, and where it is. Its file is loaded when it is asked for. */
const COMMANDS: Readonly<Record<string, readonly [summary: string, load: () => Promise<{ command: Command }>]>> = {
  run: ['serves in the foreground; SIGTERM stops it cleanly', () => import('./cli/run.ts')],
  check: ['validates config, devices, rules and notify; --diff: what a reload would change', () => import('./cli/check.ts')],
  decode: ['what a message becomes under this configuration', () => import('./cli/decode.ts')],
  backtest: ['the alerts and messages that rules would have made of what was recorded', () => import('./cli/backtest.ts')],
  test: ['runs rule tests', () => import('./cli/test.ts')],
  reload: ['applies a changed configuration to the running instance', () => import('./cli/reload.ts')],
  devices: ['of the running instance: ls, show ID; learn: a profile for what is published', () => import('./cli/devices.ts')],
  device: ['credentials of devices: ls, add ID, rotate ID, remove ID', () => import('./cli/device.ts')],
  user: ['of dashboards, services, gateways: ls, add NAME, rotate NAME, remove NAME', () => import('./cli/user.ts')],
  alerts: ['of the running instance: ls, show ID; ack, unack, comment ID', () => import('./cli/alerts.ts')],
  quarantine: ['what did not decode: ls, show ID; replay ID…, once the profile is mended', () => import('./cli/quarantine.ts')],
  silences: ['what is quiet on purpose: ls, show ID, add, end ID', () => import('./cli/silences.ts')],
  notify: ['who can be told: contacts, test CONTACT, preview ALERT', () => import('./cli/notify.ts')],
  explain: ['why a device did, or did not, alert: now, or at a time in the past', () => import('./cli/explain.ts')],
};

const usage = (): string => `usage: tocsin <command> [options]

${Object.entries(COMMANDS)
  .map(([name, [summary]]) => `  ${name.padEnd(10)} ${summary}\n`)
  .join('')}
  --config FILE     default: config/tocsin.yaml
  --set key=value   over what the file says; any number of times
  --help            this text, or that of a command
  --version
`;
/** The exit status for a fault of ours, and for a stop that did not end in time. */
const FAULT = 70;
const STDIN = 0;

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === 'help') return print(usage(), name === undefined ? 2 : 0);
  if (name === '--version') {
    const { default: description } = await import('../package.json', { with: { type: 'json' } });
    return print(`${description.version}\n`, 0);
  }
  const [, load] = (Object.hasOwn(COMMANDS, name) && COMMANDS[name]) || [];
  if (load === undefined) return complain(`unknown command ${name}`);
  const { command } = await load();
  const parsed = command.parse(rest);
  if (parsed === 'help') return print(command.help, 0);
  if ('wrong' in parsed) return complain(parsed.wrong, name);
  if (!command.isServer) return parsed.run(NO_SIGNALS);
  withServerSettings();
  return parsed.run(listenToSignals());
}

/** A command that ends by itself is ended by a signal as any program is. */
const NO_SIGNALS: Signals = { stopped: new Promise(() => undefined), onReload: () => undefined };

/**
 * SIGTERM or SIGINT asks to stop, and the second one ends the process at once. SIGHUP asks to read the configuration again,
 * unless it says that the terminal was closed: then to stop.
 */
function listenToSignals(): Signals {
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  let isAsked = false;
  const stop = (): void => {
    if (isAsked) endAtOnce(FAULT);
    isAsked = true;
    resolve();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  let isReloadAsked = false;
  let reload = (): void => {
    isReloadAsked = true;
  };
  const hadTerminal = isatty(STDIN);
  process.on('SIGHUP', () => {
    if (hadTerminal && !isatty(STDIN)) stop();
    else reload();
  });
  return {
    stopped,
    onReload(callback) {
      reload = callback;
      if (isReloadAsked) callback();
    },
  };
}

function print(text: string, status: number): number {
  (status === 0 ? process.stdout : process.stderr).write(text);
  return status;
}

const complain = (problem: string, command?: string): number =>
  print(`${problem}\nhint: tocsin --help lists the commands${command === undefined ? '' : `, tocsin ${command} --help its options`}\n`, 2);

function report(error: unknown): number {
  if (error instanceof WrongUsage) return complain(error.message);
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
